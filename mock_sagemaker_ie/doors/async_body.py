"""The body of an answer as aiobotocore's clients give it: read with `await`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import io

    from typing_extensions import Self


def async_body(stream: io.BytesIO, length: int) -> Any:
    """Aiobotocore's own streaming body over what is in `stream`. Only a client of aiobotocore asks for it."""
    from aiobotocore import response  # noqa: PLC0415 - it is not ours to require

    streaming_body = getattr(response, "AioStreamingBody", None) or response.StreamingBody  # Its name before 3.0.
    return streaming_body(_Raw(stream.getvalue()), length)


class _Raw:
    """As much of aiohttp's response as aiobotocore reads a body from, 2.x and 3.x alike."""

    url = "https://runtime.sagemaker.amazonaws.com"

    def __init__(self, body: bytes) -> None:
        self.content = asyncio.StreamReader()
        self.content.feed_data(body)
        self.content.feed_eof()

    def at_eof(self) -> bool:
        return self.content.at_eof()

    def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
