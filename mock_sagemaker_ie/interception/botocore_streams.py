"""Event streams in the form that botocore and aiobotocore both read: as values, and as an HTTP response."""

from __future__ import annotations

import inspect
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError

from mock_sagemaker_ie.interception.botocore_http import HTTPResponse, raw_headers
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.event_stream import encode_error, encode_event, encoded, stream_shape
from mock_sagemaker_ie.service.chunks import raising
from mock_sagemaker_ie.service.steps import advance, run
from mock_sagemaker_ie.service.streams import StreamReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from botocore.model import OperationModel

    from mock_sagemaker_ie.service.steps import Flow

Values = dict[str, Any]


def event_stream(stream: StreamReader, operation: str) -> Any:
    """Return a stream as the event stream of a botocore client."""
    return _Events(stream, operation)


def async_event_stream(stream: StreamReader, operation: str) -> Any:
    """Return a stream as the event stream of an aiobotocore client, which is read with `async for`."""
    return _async_events()(stream, operation)


class _Events(EventStream):  # type: ignore[misc]  # botocore is untyped
    """The events as values, without a wire between. Nothing refers back to it, so it is freed with its reader."""

    def __init__(self, stream: StreamReader, operation: str) -> None:
        self._stream, self._operation_name = stream, operation

    def __iter__(self) -> Iterator[Values]:
        try:
            for event in self._stream.events:  # noqa: UP028 - it would close them when a loop is left
                yield event
        except AWSError as error:
            raise _parsed_error(error, self._operation_name) from None

    def close(self) -> None:
        """End the stream."""
        self._stream.close()


@lru_cache(maxsize=1)
def _async_events() -> Any:
    from aiobotocore.eventstream import AioEventStream  # noqa: PLC0415 - not a dependency of ours

    class AsyncEvents(AioEventStream):  # type: ignore[misc]  # aiobotocore is untyped
        """As _Events, for `async for`."""

        __init__, close = _Events.__init__, _Events.close

        async def __aiter__(self) -> AsyncIterator[Values]:
            try:
                while (event := await _next(self._stream.events)) is not None:
                    yield event
            except AWSError as error:
                raise _parsed_error(error, self._operation_name) from None

    return AsyncEvents


async def _next(events: Flow) -> Any:
    """Return the next event; None at the end."""
    event = run(advance(events))
    return await event if inspect.isawaitable(event) else event


def _parsed_error(error: AWSError, operation: str) -> EventStreamError:
    """Return the error that botocore's parser raises for an exception in a stream."""
    error.__traceback__ = None  # Its frames have this error.
    return EventStreamError({"Error": {"Message": error.message, "Code": error.code}}, operation)


def stream_response(stream: StreamReader, model: OperationModel, url: str, headers: Mapping[str, str]) -> HTTPResponse:
    """Return the HTTP response with a stream."""
    return HTTPResponse(url, HTTPStatus.OK, headers, raw=_StreamRaw(stream, model, headers))


def error_response(error: AWSError, model: OperationModel, url: str, headers: Mapping[str, str]) -> HTTPResponse:
    """Return the HTTP response with a stream whose only event is an error."""
    return stream_response(StreamReader(raising(error), lambda: None), model, url, headers)


class _StreamRaw:
    """The raw response of an event stream: the parts of urllib3's and aiohttp's interfaces by which it is read."""

    def __init__(self, stream: StreamReader, model: OperationModel, headers: Mapping[str, str]) -> None:
        self._stream, self._shape = stream, stream_shape(model)
        self.close = stream.close
        self.raw_headers = raw_headers(headers)

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Yield the bytes, an event at a time, for botocore."""
        yield from encoded(self._stream.events, self._shape)

    @property
    def content(self) -> _StreamRaw:
        """The object with `iter_chunks`, for aiobotocore."""
        return self

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the bytes, an event at a time, each with True: it is the end of a chunk."""
        try:
            while (event := await _next(self._stream.events)) is not None:
                yield encode_event(self._shape, event), True
        except AWSError as error:
            yield encode_error(self._shape, error), True
