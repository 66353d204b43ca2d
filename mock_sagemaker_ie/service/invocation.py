"""One invocation of an endpoint from its route to its answer, and the captures and metrics that it leaves."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.backend.hosting import captures
from mock_sagemaker_ie.backend.hosting.metrics import Invocation, Metrics, Minutes
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import copy_values
from mock_sagemaker_ie.service.chunks import Chunks
from mock_sagemaker_ie.service.models import (
    OK,
    HandlerError,
    ModelCall,
    ModelRequest,
    ModelResponse,
    Outcome,
    as_timedelta,
    echo,
)
from mock_sagemaker_ie.service.streams import Answered, Stream, StreamedResponse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.backend.hosting.traffic import Route, Target
    from mock_sagemaker_ie.service.delivery import Delivery
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.steps import Steps

Values = dict[str, Any]


class Clocks(NamedTuple):
    """Two functions that return the present instant.

    `now`: of the service, which never goes back. `read`: of the clock itself, four times as fast, for each chunk.
    """

    now: Callable[[], dt.datetime]
    read: Callable[[], dt.datetime]


class Invoked(NamedTuple):
    """The result of an invocation: the members of its answer, or the ModelError that the caller gets.

    `shadow_error`: the error of the shadow, which no caller gets. `captures`, `invocations`: what it leaves. `stream`:
    the Body of the answer is its reader; it leaves captures and metrics at its end.
    """

    values: Values | None = None
    error: AWSError | None = None
    shadow_error: AWSError | None = None
    captures: tuple[Capture, ...] = ()
    invocations: tuple[Invocation, ...] = ()
    stream: Stream | None = None


class Runtime:
    """The handlers of the models, and the captures and metrics of every account and region.

    `delivery`: writes captures and metrics where the user wants them. `keep`: the most captures, and
    the most minutes of metrics of variants, to keep, the last ones; None for all. `assumptions`: of AWS.
    """

    def __init__(self, delivery: Delivery, keep: int | None, assumptions: Assumptions | None = None) -> None:
        self._assumptions = Assumptions() if assumptions is None else assumptions
        self.changes = delivery.changes  # Of the whole service.
        self.handlers: dict[str, Handler | AsyncHandler] = {}
        self.invoked: set[str] = set()  # The models that a request has reached.
        self.captures: deque[Capture] = deque(maxlen=keep)
        self._metrics = Minutes(keep, self.changes)
        self._delivery = delivery
        self._open: dict[Stream, None] = {}  # The streams that have not ended.

    @property
    def metrics(self) -> Metrics:
        """Every minute of every metric of every variant so far, in the order of the first samples."""
        return Metrics(map(replace, chain.from_iterable(map(dict.values, self.minutes()))))

    @property
    def invocations(self) -> dict[tuple[str, str], int]:
        """The number of invocations of each variant, by the names of its endpoint and of itself."""
        return self.changes.whole(self._metrics.invocations)

    @property
    def captured(self) -> tuple[Capture, ...]:
        """The captures, oldest first, as copies."""
        return tuple(replace(each, record=copy_values(each.record)) for each in self.all_captures())

    def all_captures(self) -> tuple[Capture, ...]:
        """Return the captures, oldest first: not copies, so nobody may change them."""
        self.end_unread()
        return self.changes.whole(lambda: tuple(self.captures))

    def minutes(self) -> list[dict[str, Datapoint]]:
        """Return the datapoints of each variant and minute, by name of the metric, in the order of the first samples.

        They are not copies, so nobody may change them.
        """
        self.end_unread()
        return self.changes.whole(self._metrics.minutes)

    def adopt(self, other: Runtime) -> None:
        """Start with the handlers, captures and metrics of another object."""
        self.handlers, self.invoked = dict(other.handlers), set(other.invoked)
        self.captures.extend(other.captures)
        self._metrics.adopt(other._metrics)

    def reset(self) -> None:
        """Forget captures and metrics. Later captures go to new files."""
        self.changes.whole(self._reset)

    def _reset(self) -> None:
        self.changes.assign(self, captures=deque(maxlen=self.captures.maxlen), _open={})
        self._metrics.clear()
        self._delivery.reset()

    def serve(self, model: str, handler: Handler | AsyncHandler) -> None:
        """Let a handler answer for a model, which no request has reached yet. Call it in a change."""
        self.changes.update(self.handlers, {model: handler})
        if model in self.invoked:
            self.changes.note(partial(self.invoked.add, model))
            self.invoked.discard(model)

    def invoke(
        self,
        route: Route,
        params: Values,
        at: dt.datetime,
        clocks: Clocks,
        log_group: str,
        *,
        asynchronous: bool,
        streaming: bool = False,
    ) -> Steps[Invoked]:
        """Call production and, if the route has one, the shadow; return the result, which `keep` then keeps.

        With `streaming` the caller reads the answer of production as a stream; the shadow is called when its first
        chunk has come. Raises HandlerError when the handler of the production model is wrong.
        """
        how = partial(self._call_model, params=params, now=clocks.now, asynchronous=asynchronous, streaming=streaming)
        answers = [(yield from how(route.production))]
        answer = answers[0].outcome
        if isinstance(answer.error, HandlerError):
            raise answer.error
        if route.shadow is not None:
            copied = yield from how(route.shadow)
            whole = _streamed(copied, clocks)
            answers.append(copied if whole is None else (yield from whole.drain()))
        errors = [each.failure or _model_error(each.outcome, params["EndpointName"], log_group) for each in answers]
        shadow_error = errors[1] if len(errors) > 1 else None
        values = None if answer.response is None else _answer_values(answer.response, route.production)
        response = _streamed(answers[0], clocks)
        if response is None or values is None:
            return Invoked(values, errors[0], shadow_error, *self._left(route, params, at, answers))

        leave = partial(self._left, route, dict(params), at)  # A test may change the params of the recorded call.

        def end(stream: Stream) -> None:
            production = stream.response.answered(with_body=route.capture is not None)
            self._end(stream, Invoked(None, None, None, *leave([production, *answers[1:]])))

        stream = Stream(response, end)
        values["Body"] = stream.reader()
        return Invoked(values, None, shadow_error, stream=stream)

    def _call_model(
        self, target: Target, *, params: Values, now: Callable[[], dt.datetime], asynchronous: bool, streaming: bool
    ) -> Steps[Answered]:
        """Return the outcome of a variant's model, and its latency."""
        request = ModelRequest(
            params["Body"],
            endpoint=params["EndpointName"],
            variant=target.variant,
            content_type=params.get("ContentType"),
            accept=params.get("Accept"),
            custom_attributes=params.get("CustomAttributes"),
            inference_id=params.get("InferenceId"),
            target_model=params.get("TargetModel"),
        )
        began = now()
        self.invoked.add(target.model)
        call = ModelCall(target.model, self.handlers.get(target.model, echo), request)
        outcome = yield from call.run(asynchronous=asynchronous, streaming=streaming)
        took, response = now() - began, outcome.response
        latency = took if response is None or response.latency is None else as_timedelta(response.latency)
        is_stream = response is not None and isinstance(response.body, Chunks)
        return Answered(target, outcome, latency, took if is_stream else None)

    def _left(
        self, route: Route, params: Values, at: dt.datetime, answers: Iterable[Answered]
    ) -> tuple[tuple[Capture, ...], tuple[Invocation, ...]]:
        """Return the captures of an invocation, and what counts for the metrics."""
        endpoint, request = params["EndpointName"], captures.Message(params["Body"], params.get("ContentType"))
        kept: list[Capture] = []
        invocations = []
        event_id = captures.new_event_id()
        for target, outcome, latency, first_chunk, failure in answers:
            status, of_variant = outcome.status, (endpoint, target.variant, route.config)
            of_stream = first_chunk, failure is not None
            invocations.append(Invocation(*of_variant, at, status, latency, target.instances, route.scope, *of_stream))
            if route.capture is None or (status != OK and self._assumptions.failed_answers == "dropped"):
                continue
            if kept and self._assumptions.shadow_event_id == "own":
                event_id = captures.new_event_id()
            answer = outcome.response
            kept.append(
                captures.capture(
                    route.capture,
                    endpoint=endpoint,
                    variant=target.variant,
                    at=at,
                    request=request,
                    response=None if answer is None else captures.Message(answer.body, answer.content_type),
                    inference_id=params.get("InferenceId"),
                    custom_attributes=params.get("CustomAttributes"),
                    event_id=event_id,
                )
            )
        return tuple(kept), tuple(invocations)

    def keep(self, invoked: Invoked) -> None:
        """Keep what an invocation leaves. Call it in a change."""
        for capture in invoked.captures:
            self.changes.append(self.captures, capture)
        for invocation in invoked.invocations:
            self._metrics.add(invocation)
        self._delivery.add(invoked.captures)
        if invoked.stream is not None:
            self.changes.update(self._open, {invoked.stream: None})

    def _end(self, stream: Stream, left: Invoked) -> None:
        """End a stream, and keep and deliver what it leaves. Warns with DeliveryWarning on failure."""
        is_first = self.changes.whole(partial(self._keep_end, stream, left))
        stream.response.close()
        if is_first:
            self.deliver(left)

    def _keep_end(self, stream: Stream, left: Invoked) -> bool:
        """Return whether the stream has left something: not after a reset, nor when another thread has ended it."""
        leaves = stream in self._open and not stream.ended
        if leaves:
            self.keep(left)
            self.changes.remove(self._open, stream)
        self.changes.assign(stream, ended=True)
        return leaves

    def end_unread(self) -> None:
        """End the streams that nobody can read any more."""
        for stream in [*self._open] if self._open else ():
            if stream.is_unread:
                stream.close()

    def close(self) -> None:
        """End all streams, because the mock ends."""
        for stream in [*self._open]:
            stream.refusal = RuntimeError(
                "the mock has ended, and with it this stream: read it to its end, or close it, inside the mock"
            )
            stream.close()

    def undelivered(self) -> list[str]:
        """Return the files of captures that could not be delivered."""
        return self._delivery.undelivered()

    def deliver(self, invoked: Invoked) -> None:
        """Deliver what was kept. Warns with DeliveryWarning on failure."""
        self._delivery.deliver(invoked.captures, invoked.invocations)


class HandlerWarning(UserWarning):
    """The handler of a shadow model is wrong. No caller sees that, so a warning says it."""


def warn_of(shadow_error: AWSError | None) -> None:
    """Warn with HandlerWarning when the shadow has failed because its handler is wrong.

    Call it last, because a warning may be an error, which must lose nothing.
    """
    if shadow_error is not None and isinstance(shadow_error.__cause__, HandlerError):
        warnings.warn(f"in the shadow, {shadow_error.__cause__}", HandlerWarning, stacklevel=2)


def _streamed(answered: Answered, clocks: Clocks) -> StreamedResponse | None:
    """Return the response of a model that the caller streams; None for other answers and for errors."""
    response = answered.outcome.response
    if response is None or not isinstance(response.body, Chunks):
        return None
    return StreamedResponse(answered, response.body, clocks.read)


def _answer_values(response: ModelResponse, target: Target) -> Values:
    values: Values = {"Body": response.body, "InvokedProductionVariant": target.variant}
    if response.content_type is not None:
        values["ContentType"] = response.content_type
    if response.custom_attributes is not None:
        values["CustomAttributes"] = response.custom_attributes
    return values


def _model_error(outcome: Outcome, endpoint: str, log_group: str) -> AWSError | None:
    """Return the error for what a container did, with the handler's exception as its cause; None when it answered."""
    status = outcome.status
    if status == OK:
        return None
    message = outcome.failure
    side = "client" if 400 <= status < 500 else "server"  # noqa: PLR2004
    *_, region, account, _, _ = log_group.split(":")
    text = (
        f'Received {side} error ({status}) from primary with message "{message}". See https://{region}.console.aws.'
        f"amazon.com/cloudwatch/home?region={region}#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint} in "
        f"account {account} for more information."
    )
    members = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": log_group}
    error = AWSError("ModelError", text, 424, members)
    error.__cause__ = outcome.error
    return error
