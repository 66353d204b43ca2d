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

from mock_sagemaker_ie.doors.stack import OpenDoors

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
            if event.kind == "request-created":
                return _signed(event, functools.partial(original_emit, aliaser, event_name, **arguments))
            response = door.before_send(event.operation, arguments)
            if response is not None:
                return _listed(door, response)
            return _then(original_emit(aliaser, event_name, **arguments), functools.partial(_guard, event))

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


def _listed(door: Door, response: Any) -> Any:
    """What an emitter gives when one handler answered, or an awaitable of it."""
    if not inspect.isawaitable(response):
        return [(door, response)]

    async def listed() -> list[tuple[Any, Any]]:
        return [(door, await response)]

    return listed()


def _signed(event: _Event, sign: Callable[[], Any]) -> Any:
    """Sign a request. Signing comes before sending, and advice to find credentials or to log in would mislead."""
    try:
        result = sign()
    except BotoCoreError as error:
        raise unanswered(event.service, event.operation) from error
    if not inspect.isawaitable(result):
        return result

    async def signed() -> Any:
        try:
            return await result
        except BotoCoreError as error:
            raise unanswered(event.service, event.operation) from error

    return signed()


def _then(result: Any, finish: Callable[[Any], Any]) -> Any:
    """`finish(result)`, or an awaitable of it when aiobotocore's emitter gave an awaitable."""
    if not inspect.isawaitable(result):
        return finish(result)

    async def finished() -> Any:
        return finish(await result)

    return finished()


def _guard(event: _Event, responses: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The responses of a request's handlers. Raises UnansweredCallError when none answered it."""
    if all(response is None for _, response in responses):
        raise unanswered(event.service, event.operation)
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
