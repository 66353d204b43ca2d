"""One InvokeEndpoint from its route to its answer, and the captures and metrics that it leaves."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting import captures
from mock_sagemaker_ie.backend.hosting.metrics import Invocation, Metrics, Minutes
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import copy_values
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

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.traffic import Route, Target
    from mock_sagemaker_ie.service.delivery import Delivery
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.steps import Steps

Values = dict[str, Any]


class Invoked(NamedTuple):
    """The result of an invocation: the members of its answer, or the ModelError that the caller gets.

    `shadow_error`: the ModelError of the shadow, which no caller gets. `captures`, `invocations`: what it leaves.
    """

    values: Values | None = None
    error: AWSError | None = None
    shadow_error: AWSError | None = None
    captures: tuple[Capture, ...] = ()
    invocations: tuple[Invocation, ...] = ()


class Runtime:
    """The handlers of the models, and the captures and metrics of every account and region.

    `delivery`: writes captures and metrics where the user wants them. `keep`: the most captures, and
    the most minutes of metrics of variants, to keep, the last ones; None for all.
    """

    def __init__(self, delivery: Delivery, keep: int | None) -> None:
        self.changes = delivery.changes  # Of the whole service.
        self.handlers: dict[str, Handler | AsyncHandler] = {}
        self.invoked: set[str] = set()  # The models that a request has reached.
        self.captures: deque[Capture] = deque(maxlen=keep)
        self._metrics = Minutes(keep, self.changes)
        self._delivery = delivery

    @property
    def metrics(self) -> Metrics:
        """Every minute of every metric of every variant so far, in the order of the first samples."""
        return self.changes.whole(lambda: Metrics(replace(datapoint) for datapoint in self._metrics))

    @property
    def invocations(self) -> dict[tuple[str, str], int]:
        """The number of invocations of each variant, by the names of its endpoint and of itself."""
        return self.changes.whole(self._metrics.invocations)

    @property
    def captured(self) -> tuple[Capture, ...]:
        """The captures, oldest first, as copies."""
        return self.changes.whole(
            lambda: tuple(replace(each, record=copy_values(each.record)) for each in self.captures)
        )

    def reset(self) -> None:
        """Forget captures and metrics. Later captures go to new files."""
        self.changes.whole(self._reset)

    def _reset(self) -> None:
        self.changes.assign(self, captures=deque(maxlen=self.captures.maxlen))
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
        now: Callable[[], dt.datetime],
        log_group: str,
        *,
        asynchronous: bool,
    ) -> Steps[Invoked]:
        """Call production and, if the route has one, the shadow; return the result, which `keep` then keeps.

        Raises HandlerError when the handler of the production model is wrong.
        """
        answer, took = yield from self._call_model(route.production, params, now, asynchronous=asynchronous)
        if isinstance(answer.error, HandlerError):
            raise answer.error
        outcomes = [(route.production, answer, took)]
        if route.shadow is not None:
            copied = yield from self._call_model(route.shadow, params, now, asynchronous=asynchronous)
            outcomes.append((route.shadow, *copied))
        left = self._left(route, params, at, outcomes)
        errors = [_model_error(outcome, params["EndpointName"], log_group) for _, outcome, _ in outcomes]
        values = None if answer.response is None else _answer_values(answer.response, route.production)
        return Invoked(values, errors[0], errors[1] if len(errors) > 1 else None, *left)

    def _call_model(
        self, target: Target, params: Values, now: Callable[[], dt.datetime], *, asynchronous: bool
    ) -> Steps[tuple[Outcome, dt.timedelta]]:
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
        outcome = yield from call.run(asynchronous=asynchronous)
        latency = None if outcome.response is None else outcome.response.latency
        return outcome, now() - began if latency is None else as_timedelta(latency)

    @staticmethod
    def _left(
        route: Route, params: Values, at: dt.datetime, outcomes: Iterable[tuple[Target, Outcome, dt.timedelta]]
    ) -> tuple[tuple[Capture, ...], tuple[Invocation, ...]]:
        """Return the captures of an invocation, and what counts for the metrics."""
        endpoint, request = params["EndpointName"], captures.Message(params["Body"], params.get("ContentType"))
        kept, invocations = [], []
        for target, outcome, took in outcomes:
            status = outcome.status
            of_variant = endpoint, target.variant, route.config
            invocations.append(Invocation(*of_variant, at, status, took, target.instances, scope=route.scope))
            if outcome.response is None or status != OK or route.capture is None:
                continue  # A failed answer is not captured (inferred).
            kept.append(
                captures.capture(
                    route.capture,
                    endpoint=endpoint,
                    variant=target.variant,
                    at=at,
                    request=request,
                    response=captures.Message(outcome.response.body, outcome.response.content_type),
                    inference_id=params.get("InferenceId"),
                    custom_attributes=params.get("CustomAttributes"),
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


def _answer_values(response: ModelResponse, target: Target) -> Values:
    values: Values = {"Body": response.body, "InvokedProductionVariant": target.variant}
    if response.content_type is not None:
        values["ContentType"] = response.content_type
    if response.custom_attributes is not None:
        values["CustomAttributes"] = response.custom_attributes
    return values


def _model_error(outcome: Outcome, endpoint: str, log_group: str) -> AWSError | None:
    """Return the error for what a container did, with the handler's exception as its cause; None when it answered."""
    status, message = outcome.status, outcome.failure
    if status == OK:
        return None
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
