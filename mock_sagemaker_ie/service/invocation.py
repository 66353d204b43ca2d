"""One InvokeEndpoint from its route to its answer, and the captures and metrics that it leaves."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting import captures
from mock_sagemaker_ie.backend.hosting.metrics import Invocation, Metrics, Minutes
from mock_sagemaker_ie.forks import new_lock
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

    `shadow_error`: the ModelError of the shadow, which no caller gets.
    """

    values: Values | None = None
    error: AWSError | None = None
    shadow_error: AWSError | None = None


class Runtime:
    """The handlers of the models, and the captures and metrics of every account and region.

    `delivery`: writes captures and metrics where the user wants them. `keep`: the most captures, and
    the most minutes of metrics of variants, to keep, the last ones; None for all.
    """

    def __init__(self, delivery: Delivery, keep: int | None) -> None:
        self.handlers: dict[str, Handler | AsyncHandler] = {}
        self.invoked: set[str] = set()  # The models that a request has reached.
        self.captures: deque[Capture] = deque(maxlen=keep)
        self._metrics = Minutes(keep)
        self._delivery = delivery
        self._lock = new_lock()

    @property
    def metrics(self) -> Metrics:
        """Every minute of every metric of every variant so far, in the order of the first samples."""
        with self._lock:
            return Metrics(replace(datapoint) for datapoint in self._metrics)

    @property
    def captured(self) -> tuple[Capture, ...]:
        """The captures, oldest first, as copies."""
        with self._lock:
            return tuple(replace(each, record=copy_values(each.record)) for each in self.captures)

    def reset(self) -> None:
        """Forget captures and metrics. Later captures go to new files."""
        with self._lock:
            self.captures.clear()
            self._metrics.clear()
        self._delivery.reset()

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
        """Call production and, if the route has one, the shadow; keep captures and metrics; return the result.

        Raises HandlerError when the handler of the production model is wrong.
        """
        answer, took = yield from self._call_model(route.production, params, now, asynchronous=asynchronous)
        if isinstance(answer.error, HandlerError):
            raise answer.error
        outcomes = [(route.production, answer, took)]
        if route.shadow is not None:
            copied = yield from self._call_model(route.shadow, params, now, asynchronous=asynchronous)
            outcomes.append((route.shadow, *copied))
        self._keep(route, params, at, outcomes)
        errors = [_model_error(outcome, params["EndpointName"], log_group) for _, outcome, _ in outcomes]
        values = None if answer.response is None else _answer_values(answer.response, route.production)
        return Invoked(values, *errors)

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

    def _keep(
        self, route: Route, params: Values, at: dt.datetime, outcomes: Iterable[tuple[Target, Outcome, dt.timedelta]]
    ) -> None:
        endpoint, request = params["EndpointName"], captures.Message(params["Body"], params.get("ContentType"))
        kept, invocations = [], []
        for target, outcome, took in outcomes:
            status = outcome.status
            invocations.append(Invocation(endpoint, target.variant, route.config, at, status, took, target.instances))
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
        with self._lock:
            self.captures.extend(kept)
            for invocation in invocations:
                self._metrics.add(invocation)
        self._delivery.deliver(kept, invocations)


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
