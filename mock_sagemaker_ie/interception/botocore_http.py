"""HTTP responses and streaming bodies in the form that botocore and aiobotocore both read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.response import StreamingBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Mapping

    from typing_extensions import Self


def streaming_body(body: bytes) -> Any:
    """Return a body as the streaming body of a botocore client."""
    return StreamingBody(io.BytesIO(body), len(body))


def async_streaming_body(body: bytes) -> Any:
    """Return a body as the streaming body of an aiobotocore client, which is read with `await`."""
    from aiobotocore import response  # noqa: PLC0415 - not a dependency of ours

    # The class was named StreamingBody before aiobotocore 3.0.
    body_class = getattr(response, "AioStreamingBody", None) or response.StreamingBody
    return body_class(Raw(body, {}), len(body))


class ImmediateResponse(AWSResponse):  # type: ignore[misc]  # botocore is untyped
    """The response object of a call that was answered without an HTTP request.

    Its headers are converted at first access, because few callers read them.
    """

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.url, self.status_code, self.raw = None, status, None
        self._headers, self._content = headers, b""

    @property
    def headers(self) -> HeadersDict:
        """The headers; their names are case-insensitive."""
        # Not a cached_property: before Python 3.12 it has a lock, which a forked child may find held for ever.
        if not isinstance(self._headers, HeadersDict):
            self._headers = HeadersDict(self._headers)
        return self._headers


class HTTPResponse(AWSResponse):  # type: ignore[misc]  # botocore is untyped
    """The response to an HTTP request that the mock answered in place of the network."""

    def __init__(
        self, url: str, status: int, headers: Mapping[str, str], body: bytes = b"", raw: object = None
    ) -> None:
        super().__init__(url, status, headers, Raw(body, headers) if raw is None else raw)
        self._body = body

    @property
    def content(self) -> bytes:
        """The whole body. botocore uses it as bytes, aiobotocore awaits it first."""
        return _AwaitableBytes(self._body)


class _AwaitableBytes(bytes):
    def __await__(self) -> Generator[Any, None, bytes]:
        return bytes(self)
        yield  # Never reached; it makes this method a generator, as `await` needs.


def raw_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the headers as older versions of aiobotocore read them."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


class Raw(io.BytesIO):
    """The raw response: the part of urllib3's interface that botocore uses, and of aiohttp's that aiobotocore uses."""

    url = "https://runtime.sagemaker.amazonaws.com"

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(body)
        self._stream: asyncio.StreamReader | None = None
        self.raw_headers = raw_headers(headers)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, by default all that are left; the result can be awaited too.

        Before aiobotocore 3.0, `async with` on a streaming body returns this object.
        """
        return _AwaitableBytes(super().read(size))

    @property
    def content(self) -> asyncio.StreamReader:
        """The body as a stream, for aiobotocore."""
        import asyncio  # noqa: PLC0415 - slow, and needed only where it is imported already

        if self._stream is None:
            self._stream = asyncio.StreamReader()
            self._stream.feed_data(self.getvalue())
            self._stream.feed_eof()
        return self._stream

    def at_eof(self) -> bool:
        """Return whether the stream in `content` is read to its end."""
        return self.content.at_eof()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
