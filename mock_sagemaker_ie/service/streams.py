"""One answer of InvokeEndpointWithResponseStream while its caller reads it."""

from __future__ import annotations

import datetime as dt
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mock_sagemaker_ie.calls import RecordedError
from mock_sagemaker_ie.service.chunks import stream_error
from mock_sagemaker_ie.service.models import HandlerError, Outcome, as_timedelta
from mock_sagemaker_ie.service.steps import advance

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.backend.hosting.traffic import Target
    from mock_sagemaker_ie.protocol.errors import AWSError
    from mock_sagemaker_ie.service.chunks import Chunks
    from mock_sagemaker_ie.service.steps import Flow, Steps

PAYLOAD_PART = "PayloadPart"


class Answered(NamedTuple):
    """The outcome of a variant's model, and the time that it took.

    Of a stream: `first_chunk`: the time until its first chunk. `failure`: what has ended it in the middle.
    """

    target: Target
    outcome: Outcome
    latency: dt.timedelta
    first_chunk: dt.timedelta | None = None
    failure: AWSError | None = None


class StreamedResponse:
    """The response of a variant's model, part by part. Time counts while the model runs, and not while it is read.

    `begun`: the model's answer, whose body are the `chunks`. `now`: reads the clock.
    """

    def __init__(self, begun: Answered, chunks: Chunks, now: Callable[[], dt.datetime]) -> None:
        self._begun, self._chunks, self._now = begun, chunks, now
        self._took = begun.latency
        self._parts: list[bytes] = []
        self._closed = False
        self.failure: AWSError | None = None
        self.events = self._read()

    @property
    def sent(self) -> bytes:
        """The parts that were read so far, as one."""
        return b"".join(self._parts)

    def answered(self, *, with_body: bool = True) -> Answered:
        """Return the outcome so far. Joining the parts takes time, so it is for callers that need the body."""
        response = self._begun.outcome.response
        assert response is not None  # noqa: S101 - only an answer has chunks
        took = max(self._took, dt.timedelta()) if response.latency is None else as_timedelta(response.latency)
        first_chunk = None if self._begun.first_chunk is None else min(self._begun.first_chunk, took)
        outcome = Outcome(replace(response, body=self.sent if with_body else b""))
        return Answered(self._begun.target, outcome, took, first_chunk, self.failure)

    def _read(self) -> Flow:
        """Yield each part as an event. When the handler raises, end with the `failure`."""
        rest, asynchronous, now, parts = self._chunks.rest, self._chunks.asynchronous, self._now, self._parts
        part: bytes | None = self._chunks.first
        while True:
            if part is not None:
                parts.append(part)
                yield {PAYLOAD_PART: {"Bytes": part}}
            if self._closed:
                return
            began = now()
            try:
                part = (yield from advance(rest)) if asynchronous else next(rest, None)
            except Exception as error:  # noqa: BLE001 - a model may fail in any way
                self.failure = stream_error(error)
                return
            finally:
                self._took += now() - began
            if part is None:
                return

    def drain(self) -> Steps[Answered]:
        """Read all parts, and return the outcome."""
        while (yield from advance(self.events)) is not None:
            pass
        return self.answered()

    def close(self) -> None:
        """Send no other part, and close the handler's generator."""
        self._closed = True
        self._chunks.close()


class Stream:
    """One answer while it is read. It ends once: at its end, by an error, or when it is closed.

    The mock keeps it, and the caller has its `reader`. `end`: ends it; gets the stream. `refusal`: what the caller gets
    who reads on after the end of the mock.
    """

    def __init__(self, response: StreamedResponse, end: Callable[[Stream], None]) -> None:
        self.response, self._end = response, end
        self._error: RecordedError | None = None
        self._reader: weakref.ref[StreamReader] | None = None
        self.ended = False
        self.refusal: Exception | None = None

    @property
    def sent(self) -> bytes:
        """The parts that were read so far, as one."""
        return self.response.sent

    def get(self) -> Exception | None:
        """Return the error that has ended the stream, as a RecordedError does; None when there is none."""
        return None if self._error is None else self._error.get()

    def reader(self) -> StreamReader:
        """Return the only reader."""
        reader = StreamReader(self._read(), self.close)
        self._reader = weakref.ref(reader)
        return reader

    @property
    def is_unread(self) -> bool:
        """True when nobody can read on."""
        return self._reader is not None and self._reader() is None

    def close(self) -> None:
        """End the stream: nobody reads on."""
        if not self.ended:
            self._end(self)

    def _read(self) -> Flow:
        """Yield the events; raise the AWSError that ends them, or HandlerError when production's handler is wrong."""
        try:
            yield from self.response.events
        except GeneratorExit:
            raise
        except BaseException:  # An interrupt or a cancelled task: nobody reads on.
            self.close()
            raise
        if self.refusal is not None:
            raise self.refusal
        error = self.response.failure
        if error is not None:
            self._error = RecordedError(error)
        self.close()
        if error is not None and isinstance(error.__cause__, HandlerError):
            raise HandlerError(*error.__cause__.args)  # The recorded one gets no frames of the caller.
        if error is not None:
            raise error


class StreamReader:
    """What the caller of a stream has. Nothing else keeps it, so the stream can see when nobody has it any more.

    `events`: yields the events as botocore's parser returns them, and raises the AWSError that ends them. `close`: ends
    the stream.
    """

    def __init__(self, events: Flow, close: Callable[[], None]) -> None:
        self.events, self.close = events, close
