"""The chunks that a handler yields, and the errors by which it ends a stream in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.errors import AWSError, error_text
from mock_sagemaker_ie.protocol.event_stream import MAX_PART_SIZE
from mock_sagemaker_ie.service.steps import advance

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.service.steps import Flow, Steps

ERROR_CODES = ("StreamBroken", "ModelInvocationTimeExceeded")


class ModelStreamError(AWSError):
    """The event ModelStreamError of a stream. A handler raises it to say which ErrorCode the event has.

    `message`: its Message. `error_code`: "StreamBroken" or "ModelInvocationTimeExceeded"; any other raises ValueError.
    Source: AWS, API reference, ResponseStream.
    """

    def __init__(
        self, message: str = "The connection to the model was closed.", error_code: str = "StreamBroken"
    ) -> None:
        if error_code not in ERROR_CODES:
            raise ValueError(f"error_code={error_code!r}: expected one of {', '.join(ERROR_CODES)}")
        super().__init__("ModelStreamError", message, members={"ErrorCode": error_code})


class InternalStreamFailure(AWSError):  # noqa: N818 - AWS's name
    """The event InternalStreamFailure of a stream, an error of the service. A handler raises it to end its stream so.

    `message`: its Message. Source: AWS, API reference, ResponseStream.
    """

    def __init__(self, message: str = "The stream processing failed. Try your request again.") -> None:
        super().__init__("InternalStreamFailure", message)


def stream_error(error: Exception) -> AWSError:
    """Return the event for an exception of a handler in the middle of its stream, with the exception as its cause."""
    if isinstance(error, (ModelStreamError, InternalStreamFailure)):
        return error
    event = ModelStreamError(error_text(error))
    event.__cause__ = error
    return event


class Chunks:
    """The chunks of a response, one by one, none empty and none longer than MAX_PART_SIZE.

    `source`: an iterator or an asynchronous iterator. `check`: returns the bytes of an item of the source. `first`: the
    first chunk, after `begin`; `rest`: yields the others.
    """

    def __init__(self, source: Iterator[Any] | AsyncIterator[Any], check: Callable[[Any], bytes] = bytes) -> None:
        self.asynchronous = isinstance(source, AsyncIterator)
        self.first: bytes | None = None
        self._source: Any = source
        self._check = check
        self.rest: Any = self._flow_async() if self.asynchronous else self._flow()

    def begin(self) -> Steps[None]:
        """Draw the first chunk, so that an error before it can still be an error of the container.

        Without any chunk it is empty: an answer has one part at least (AWS: ResponseStream).
        """
        self.first = (yield from advance(self.rest)) or b""

    def join(self) -> Steps[bytes]:
        """Return all chunks as one."""
        chunks = []
        while (chunk := (yield from advance(self.rest))) is not None:
            chunks.append(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Close the source. An asynchronous generator is closed by its event loop, when nobody has it any more."""
        if self.rest.gi_running:  # Another thread reads, and reads no more after this chunk.
            return
        source, self._source = self._source, None
        self.rest.close()
        if not self.asynchronous and hasattr(source, "close"):
            source.close()

    def _flow(self) -> Flow:
        for item in self._source:
            chunk = item if type(item) is bytes else self._check(item)
            if 0 < len(chunk) <= MAX_PART_SIZE:
                yield chunk
            else:
                yield from _split(chunk)

    def _flow_async(self) -> Flow:
        while True:
            try:
                item = yield self._source.__anext__()
            except StopAsyncIteration:
                return
            yield from _split(self._check(item))


def raising(error: Exception) -> Flow:
    """Return an iterator that raises an error instead of its first item."""
    raise error
    yield  # Never reached; it makes this function a generator.


def _split(chunk: bytes) -> list[bytes]:
    """Return a chunk in pieces of at most MAX_PART_SIZE; none for an empty one, which HTTP cannot send."""
    return [chunk[start : start + MAX_PART_SIZE] for start in range(0, len(chunk), MAX_PART_SIZE)]
