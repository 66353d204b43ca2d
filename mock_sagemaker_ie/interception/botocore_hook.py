"""Where botocore's and aiobotocore's calls pass: two methods of EventAliaser, wrapped while a door is open.

Each client's `meta.events` is an EventAliaser, whenever and in whatever session it was made. `before-call` comes once
per call, before credentials, signing and sockets: what it gives is the call's answer. `before-send` is where a call
would leave the process: there one that nobody answered is refused.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError
from botocore.hooks import EventAliaser

from mock_sagemaker_ie.interception.stack import OpenDoors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

# The service ids, as botocore writes them in events, whose calls never leave the process.
SERVICES = ("sagemaker", "sagemaker-runtime")

Arguments = dict[str, Any]


class UnansweredCallError(RuntimeError):
    """A SageMaker call was made while the mock is active, and nobody answered it."""


class Door(Protocol):
    """What answers the calls that pass. None means: it is not mine to answer."""

    @property
    def passthrough(self) -> Collection[str]:
        """Operations that are none of its business: neither answered nor refused."""

    def before_call(self, arguments: Arguments) -> Any:
        """Answer a call as botocore reads it."""

    async def before_call_async(self, arguments: Arguments) -> Any:
        """The same for aiobotocore."""

    def expects(self, operation: str) -> bool:
        """Whether a request of the operation that is about to be sent is its own to answer."""

    def before_send(self, operation: str, arguments: Arguments) -> Any:
        """Answer a request as an HTTP response, or an awaitable of one for aiobotocore."""

    def after_fork(self) -> None:
        """Put right what a fork may have broken in the child."""


# How the events begin that may concern a door. Most of botocore's events do not, and are to pass quickly.
_CALLS = "before-call.sagemaker"
_REQUESTS = ("request-created.sagemaker", "before-send.sagemaker")


class _Event(NamedTuple):
    """`before-call.sagemaker.ListModels` in its parts."""

    kind: str
    service: str
    operation: str


def _our_event(name: str) -> tuple[_Event, Door] | None:
    """The event and the door it concerns; None for an event of another service, or when no door is open."""
    parts = name.split(".")
    door = open_doors.innermost
    if len(parts) != 3 or parts[1] not in SERVICES or door is None or parts[2] in door.passthrough:  # noqa: PLR2004
        return None
    return _Event(*parts), door


class _Wrapping:
    """Wraps EventAliaser's methods. The originals run first, so a user's Stubber or handler still wins."""

    def start(self) -> None:
        self._originals = EventAliaser.emit_until_response, EventAliaser.emit
        original_until_response, original_emit = self._originals

        def emit_until_response(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            result = original_until_response(aliaser, event_name, **arguments)
            if not event_name.startswith(_CALLS) or (ours := _our_event(event_name)) is None:
                return result
            door = ours[1]
            if inspect.isawaitable(result):
                return _answered(door, result, arguments)
            return result if result[1] is not None else (door, door.before_call(arguments))

        def emit(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            if not event_name.startswith(_REQUESTS) or (ours := _our_event(event_name)) is None:
                return original_emit(aliaser, event_name, **arguments)
            event, door = ours
            pass_on = functools.partial(original_emit, aliaser, event_name, **arguments)
            if event.kind == "request-created":
                # Whom we answer needs no signature.
                return _signed(pass_on, None if door.expects(event.operation) else event)
            response = door.before_send(event.operation, arguments)
            if inspect.isawaitable(response):
                return _arrived(door, response, event, pass_on)
            return _guarded(event, pass_on) if response is None else [(door, response)]

        self._wrappers = emit_until_response, emit
        EventAliaser.emit_until_response, EventAliaser.emit = self._wrappers

    def stop(self) -> None:
        for name, original, wrapper in zip(
            ("emit_until_response", "emit"), self._originals, self._wrappers, strict=True
        ):
            # Whoever wrapped it after us keeps what they have; with no door open our wrapper does nothing.
            if vars(EventAliaser)[name] is wrapper:
                setattr(EventAliaser, name, original)


_wrapping = _Wrapping()
open_doors: OpenDoors[Door] = OpenDoors(_wrapping.start, _wrapping.stop)


def _after_fork() -> None:
    for door in open_doors.after_fork():
        door.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


async def _answered(door: Door, result: Awaitable[Any], arguments: Arguments) -> tuple[Any, Any]:
    """What aiobotocore's emitter gave if it is an answer, else the door's."""
    response: tuple[Any, Any] = await result
    return response if response[1] is not None else (door, await door.before_call_async(arguments))


Responses = list[tuple[Any, Any]]


def _signed(sign: Callable[[], Any], refused: _Event | None) -> Any:
    """Sign a request, as far as that can be done.

    Signing comes before sending: advice to find credentials or to log in would mislead where the request is `refused`.
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
    """What a request's other handlers give, or an awaitable of it. Raises UnansweredCallError when none answers."""

    def guard(responses: Responses) -> Responses:
        if all(response is None for _, response in responses):
            raise unanswered(event.service, event.operation)
        return responses

    async def guarded(coming: Awaitable[Responses]) -> Responses:
        return guard(await coming)

    result = pass_on()
    return guarded(result) if inspect.isawaitable(result) else guard(result)


async def _arrived(door: Door, coming: Awaitable[Any], event: _Event, pass_on: Callable[[], Any]) -> Responses:
    """What the door gives in the end, or else the others, to aiobotocore."""
    response = await coming
    if response is not None:
        return [(door, response)]
    responses: Responses = await _guarded(event, pass_on)
    return responses


def unanswered(service: str, operation: str) -> UnansweredCallError:
    """The error for a call that nobody answered: it names the ways out."""
    return UnansweredCallError(
        f"{operation} ({service}) was called while mock_inference_experiment is active, and nobody "
        "answered it; it was not sent to AWS. The mock answers inference experiments, models, endpoint configurations, "
        "endpoints, InvokeEndpoint, and tags of these. For the rest, run moto's mock_aws alongside, stub the call with "
        "botocore.stub.Stubber, or let it through to AWS with "
        f"mock_inference_experiment(passthrough=[{operation!r}]).",
    )
