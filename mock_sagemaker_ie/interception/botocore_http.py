"""HTTP responses as botocore's clients and aiobotocore's both read them, and the bodies that are read bit by bit."""

from __future__ import annotations

import io
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.response import StreamingBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Mapping

    from typing_extensions import Self


def streaming_body(body: bytes) -> Any:
    """A body as a client of botocore gives it."""
    return StreamingBody(io.BytesIO(body), len(body))


def async_streaming_body(body: bytes) -> Any:
    """A body as a client of aiobotocore gives it, to be read with `await`. Nobody else asks for it."""
    from aiobotocore import response  # noqa: PLC0415 - it is not ours to require

    body_class = getattr(response, "AioStreamingBody", None) or response.StreamingBody  # Its name before 3.0.
    return body_class(Raw(body, {}), len(body))


class AnsweredAtOnce(AWSResponse):  # type: ignore[misc]  # botocore is untyped
    """What stands for an HTTP response where there was none. Few look at its headers: they are made when asked for."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.url, self.status_code, self.raw = None, status, None
        self._headers, self._content = headers, b""

    @cached_property
    def headers(self) -> HeadersDict:
        """The headers, whose names mind no case."""
        return HeadersDict(self._headers)


class HTTPResponse(AWSResponse):  # type: ignore[misc]  # botocore is untyped
    """What came over the wire."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(url, status, headers, Raw(body, headers))
        self._body = body

    @property
    def content(self) -> bytes:
        """The whole body: botocore takes it, aiobotocore awaits it."""
        return _AwaitableBytes(self._body)


class _AwaitableBytes(bytes):
    def __await__(self) -> Generator[Any, None, bytes]:
        return bytes(self)
        yield  # A generator, which is what makes it awaitable.


class Raw(io.BytesIO):
    """As much of urllib3's response as botocore reads a body from, and of aiohttp's as aiobotocore does."""

    url = "https://runtime.sagemaker.amazonaws.com"

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(body)
        self.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    def read(self, size: int | None = -1, /) -> bytes:
        """What is left, or so many bytes of it; `async with` of a body gives this object before aiobotocore 3.0."""
        return _AwaitableBytes(super().read(size))

    @cached_property
    def content(self) -> asyncio.StreamReader:
        """The body for those who await it."""
        import asyncio  # noqa: PLC0415 - slow, and wanted only where it is there already

        reader = asyncio.StreamReader()
        reader.feed_data(self.getvalue())
        reader.feed_eof()
        return reader

    def at_eof(self) -> bool:
        """Whether all has been read by those who await it."""
        return self.content.at_eof()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
