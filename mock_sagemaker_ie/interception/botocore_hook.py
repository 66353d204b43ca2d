"""Patches botocore while a mock is active: two methods of EventAliaser, through which every client's calls go.

The `meta.events` of each client is an EventAliaser, in any session, botocore's or aiobotocore's, made at any time.
`before-call` comes once per call, before credentials, signing and sockets: its result is the answer of the call.
`before-send` comes before a request leaves the process: a request that nobody answered is refused there.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError
from botocore.hooks import EventAliaser

from mock_sagemaker_ie.interception import botocore_calls, stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mock_sagemaker_ie.interception.stack import ActiveMock

# The service ids, as botocore writes them in events, whose calls never leave the process.
SERVICES = ("sagemaker", "sagemaker-runtime")

Responses = list[tuple[Any, Any]]


class UnansweredCallError(RuntimeError):
    """A SageMaker call was made while a mock is active, and nobody answered it."""


# --- the patch


class _Patch:
    """Our versions of both methods. The originals run first, so that a user's Stubber or event handler wins."""

    def __init__(self) -> None:
        self._originals = original_until_response, original_emit = EventAliaser.emit_until_response, EventAliaser.emit

        def emit_until_response(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            result = original_until_response(aliaser, event_name, **arguments)
            if not event_name.startswith(_CALLS) or (ours := _our_event(event_name)) is None:
                return result
            active = ours[1]
            if not isinstance(result, tuple):  # An awaitable, from aiobotocore.
                return _answered(active, result, arguments)
            return result if result[1] is not None else (active, botocore_calls.before_call(active, arguments))

        def emit(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            if not event_name.startswith(_REQUESTS) or (ours := _our_event(event_name)) is None:
                return original_emit(aliaser, event_name, **arguments)
            event, active = ours
            pass_on = functools.partial(original_emit, aliaser, event_name, **arguments)
            if event.kind == "request-created":
                # A request that we answer needs no signature.
                return _signed(pass_on, None if botocore_calls.in_flight(active, event.operation) else event)
            response = botocore_calls.before_send(active, event.operation, arguments)
            if inspect.isawaitable(response):
                return _sent(active, response, event, pass_on)
            return _guarded(event, pass_on) if response is None else [(active, response)]

        self._replacements = emit_until_response, emit
        EventAliaser.emit_until_response, EventAliaser.emit = self._replacements

    def remove(self) -> None:
        """Restore the original methods, unless somebody else has replaced ours; then ours only call the originals."""
        for name, original, ours in zip(
            ("emit_until_response", "emit"), self._originals, self._replacements, strict=True
        ):
            if vars(EventAliaser)[name] is ours:
                setattr(EventAliaser, name, original)


interceptor = stack.Interceptor(_Patch)


# --- events

# Most of botocore's events do not concern us and must be quick: only names with these beginnings are looked at.
_CALLS = "before-call.sagemaker"
_REQUESTS = ("request-created.sagemaker", "before-send.sagemaker")


class _Event(NamedTuple):
    """The parts of an event's name, for example `before-call.sagemaker.ListModels`."""

    kind: str
    service: str
    operation: str


def _our_event(name: str) -> tuple[_Event, ActiveMock] | None:
    """Return the event and the mock that answers it; None for another service, or when no mock is active."""
    active = stack.answering()
    kind, service, operation = name.split(".", 2)
    if active is None or service not in SERVICES or operation in active.passthrough:
        return None
    return _Event(kind, service, operation), active


async def _answered(active: ActiveMock, result: Awaitable[Any], arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Return the result of aiobotocore's emitter if it is an answer, else the mock's."""
    response: tuple[Any, Any] = await result
    return response if response[1] is not None else (active, await botocore_calls.before_call_async(active, arguments))


def _signed(sign: Callable[[], Any], refused: _Event | None) -> Any:
    """Sign a request, and ignore that a request that we answer cannot be signed.

    `refused`: the event of a request that nobody will answer. Signing comes before sending, and an error about missing
    credentials would hide the real reason.
    """

    def fail(error: BotoCoreError) -> None:
        if refused is not None:
            raise unanswered(refused.service, refused.operation) from error

    async def signed(signing: Awaitable[Any]) -> Any:
        try:
            return await signing
        except BotoCoreError as error:
            return fail(error)

    try:
        result = sign()
    except BotoCoreError as error:
        return fail(error)
    return signed(result) if inspect.isawaitable(result) else result


def _guarded(event: _Event, pass_on: Callable[[], Any]) -> Any:
    """Return what the other handlers of a request give. Raises UnansweredCallError when none of them answers."""

    def guard(responses: Responses) -> Responses:
        if all(response is None for _, response in responses):
            raise unanswered(event.service, event.operation)
        return responses

    async def guarded(coming: Awaitable[Responses]) -> Responses:
        return guard(await coming)

    result = pass_on()
    return guarded(result) if inspect.isawaitable(result) else guard(result)


async def _sent(active: ActiveMock, coming: Awaitable[Any], event: _Event, pass_on: Callable[[], Any]) -> Responses:
    """Return the mock's response to aiobotocore, or else those of the other handlers."""
    response = await coming
    if response is not None:
        return [(active, response)]
    responses: Responses = await _guarded(event, pass_on)
    return responses


def unanswered(service: str, operation: str) -> UnansweredCallError:
    """Return the error for a call that nobody answered. It names the ways out."""
    return UnansweredCallError(
        f"{operation} ({service}) was called while mock_inference_experiment is active, and nobody "
        "answered it; it was not sent to AWS. The mock answers inference experiments, models, endpoint configurations, "
        "endpoints, InvokeEndpoint, and tags of these. For the rest, run moto's mock_aws alongside, stub the call with "
        "botocore.stub.Stubber, or let it through to AWS with "
        f"mock_inference_experiment(passthrough=[{operation!r}]).",
    )
