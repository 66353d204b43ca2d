"""Patches botocore while a mock is active: two methods of EventAliaser, through which every client's calls go.

The `meta.events` of each client is an EventAliaser, in any session, botocore's or aiobotocore's, made at any time.
`before-call` comes once per call, before credentials, signing and sockets: its result is the answer of the call.
`before-send` comes before a request leaves the process: a request that nobody answered is refused there.
"""

from __future__ import annotations

import copy
import functools
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore import hooks

from mock_sagemaker_ie.interception import botocore_calls, name_lookup, stack
from mock_sagemaker_ie.interception.import_hook import ModulePatch
from mock_sagemaker_ie.interception.replacement import Replacement
from mock_sagemaker_ie.interception.unanswered import ended, unanswered
from mock_sagemaker_ie.service.clients import ANSWERED_SERVICES
from mock_sagemaker_ie.service.steps import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.interception.replacement import Link
    from mock_sagemaker_ie.interception.stack import ActiveMock
    from mock_sagemaker_ie.service.steps import Steps

Responses = list[tuple[Any, Any]]


# --- the patch


def _replacements(module: Any) -> list[Replacement]:
    """Return our versions of both methods in a copy of botocore: clients of each copy have a class of their own."""
    methods = {"emit_until_response": _emit_until_response, "emit": _emit}
    return [Replacement(module.EventAliaser, name, make) for name, make in methods.items()]


def _emit_until_response(link: Link) -> Callable[..., Any]:
    """Return our version of the method. The original runs first, so that a user's Stubber or event handler wins."""

    def emit_until_response(aliaser: Any, event_name: str, **arguments: Any) -> Any:
        if not event_name.startswith(_CALLS):
            return link.original(aliaser, event_name, **arguments)
        ours = _our_event(event_name)  # A handler may end the mock.
        result = link.original(aliaser, event_name, **arguments)
        ours = ours or _our_event(event_name)  # Or begin one.
        return result if ours is None or _passes(*ours) else run(_before_call(*ours, result, arguments))

    return emit_until_response


def _emit(link: Link) -> Callable[..., Any]:
    """Return our version of the method."""

    def emit(aliaser: Any, event_name: str, **arguments: Any) -> Any:
        if not event_name.startswith(_REQUESTS) or (ours := _our_event(event_name)) is None:
            return link.original(aliaser, event_name, **arguments)
        event, active = ours
        if _passes(event, active):
            _let_through(event, arguments)
        elif event.kind == "request-created":
            pass_on = functools.partial(link.original, aliaser, event_name, **arguments)
            return run(_create(event, arguments["request"], pass_on))
        elif event.kind == "before-send":
            pass_on = functools.partial(link.original, event_name=event_name, **arguments)
            return run(_send(event, aliaser, arguments["request"], pass_on))
        return link.original(aliaser, event_name, **arguments)

    return emit


interceptor = stack.Interceptor(ModulePatch(hooks.__name__, _replacements, hooks))


# --- events

# Most of botocore's events do not concern us and must be quick: only names with these beginnings are looked at. They
# are those of all SageMaker services; the mock answers operations of two, and calls of the others do not leave either.
_CALLS = "before-call.sagemaker"
_REQUESTS = ("request-created.sagemaker", "before-send.sagemaker", "response-received.sagemaker")


class _Event(NamedTuple):
    """The parts of an event's name, for example `before-call.sagemaker.ListModels`."""

    kind: str
    service: str
    operation: str


def _our_event(name: str) -> tuple[_Event, ActiveMock] | None:
    """Return the event and the mock that counts for it; None for another service, or when no mock is active."""
    active = stack.answering()
    return None if active is None else (_Event(*name.split(".", 2)), active)


def _passes(event: _Event, active: ActiveMock) -> bool:
    """Return whether the user lets calls of this operation or service through."""
    names = active.passthrough
    return bool(names) and not names.isdisjoint((event.operation, event.service, f"{event.service}:{event.operation}"))


# --- answers
#
# An emitter of botocore returns values and one of aiobotocore awaitables, so each function here is a generator.


def _before_call(event: _Event, active: ActiveMock, result: Any, arguments: dict[str, Any]) -> Steps[tuple[Any, Any]]:
    """Return the result of the emitter if it is an answer, else the mock's."""
    asynchronous = not isinstance(result, tuple)
    response: tuple[Any, Any] = (yield result) if asynchronous else result
    if response[1] is not None:
        return response
    _refuse_after(active, event)
    answer = None
    if event.service in ANSWERED_SERVICES:
        answer = yield from botocore_calls.before_call(active, arguments, asynchronous=asynchronous)
    if answer is None:  # Requests follow. Botocore reads these headers for each of them, also for retries.
        check, params = functools.partial(_refuse_after, active, event), arguments["params"]
        params["headers"] = _Headers(params["headers"], check)
        arguments["context"][_CHECK] = check
    return active, answer


# In the context of a call that began in a mock: a function that raises UnansweredCallError after the mock has ended.
_CHECK = "mock_sagemaker_ie_check"


class _Headers(dict[str, Any]):
    """The headers of the requests of a call. The end of its mock can be seen here although no patch is left."""

    def __init__(self, headers: dict[str, Any], check: Callable[[], None]) -> None:
        super().__init__(headers)
        self._check = check

    def items(self) -> Any:
        """Return the headers for the next request. Raises UnansweredCallError after the mock has ended."""
        self._check()
        return super().items()


def _refuse_after(active: ActiveMock, event: _Event) -> None:
    """Raise UnansweredCallError when the mock in which a call has begun has ended."""
    if active not in stack.active_mocks():
        raise ended(event.service, event.operation)


def _create(event: _Event, request: Any, emit: Callable[[], Any]) -> Steps[Any]:
    """Sign a request. One that the mock answers needs no signature.

    For a request that nobody will answer, an error about missing credentials would hide the real reason: signing comes
    before sending.
    """
    call, result = botocore_calls.call_of(request), None
    botocore_calls.keep_context(request)
    try:
        result = yield emit()
    except Exception as error:
        if not _is_botocores(error):
            raise
        if call is None:
            raise unanswered(event.service, event.operation) from error
    request.context.get(_CHECK, _pass)()
    return result


def _pass() -> None:
    """Do nothing: the call began before the mock."""


def _send(event: _Event, aliaser: Any, request: Any, emit: Callable[[Any], Any]) -> Steps[Responses]:
    """Return the responses to a request. A user's handler wins over the mock, and the mock over moto.

    Raises UnansweredCallError when nobody answers.
    """
    call = botocore_calls.call_of(request)
    if call is None:
        responses: Responses = yield emit(aliaser)
    else:
        moto = _active_moto()
        responses = yield emit(_without(aliaser, moto))
        if not _has_answer(responses):
            request.context[_CHECK]()
            response = yield from botocore_calls.answer_attempt(call, request.url)
            responses = [(call.active, response)]
        if moto is not None and not _has_answer(responses):
            responses = [(moto, moto(event_name=".".join(event), request=request))]
    if not _has_answer(responses):
        raise unanswered(event.service, event.operation)
    return responses


def _has_answer(responses: Responses) -> bool:
    return any(response is not None for _, response in responses)


def _is_botocores(error: Exception) -> bool:
    """Return whether an error is one of botocore's own, of any copy of botocore."""
    return any(kind.__name__ == "BotoCoreError" for kind in type(error).__mro__)


def _active_moto() -> Any:
    """Return moto's handler of `before-send` while moto is active, else None."""
    handler = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return handler if getattr(handler, "enabled", False) else None


def _without(aliaser: Any, moto: Any) -> Any:
    """Return the emitter without moto's handler, which would execute the call too, or raise."""
    if moto is None:
        return aliaser
    others = copy.copy(aliaser)
    others.unregister("before-send", moto)
    return others


# --- requests of operations in `passthrough`

# The hosts of the requests that are under way in this thread or task: a handler may make a call of its own.
_passing: ContextVar[tuple[str, ...]] = ContextVar("_passing", default=())


def _let_through(event: _Event, arguments: dict[str, Any]) -> None:
    """Let a host be connected to from `before-send` to `response-received`, which always follows."""
    hosts = _passing.get()
    if event.kind == "before-send":
        host = urlsplit(arguments["request"].url).hostname or ""
        name_lookup.begin(host)
        _passing.set((*hosts, host))
    elif event.kind == "response-received" and hosts:
        name_lookup.end(hosts[-1])
        _passing.set(hosts[:-1])
