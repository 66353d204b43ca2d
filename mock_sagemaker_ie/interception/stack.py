"""The stack of active mocks. Everybody who wants to know which mock answers asks here.

The answer is the mock that was entered last among those entered in the caller's own context (its task or thread, or
the task that started it). A caller whose context has entered no mock gets the mock that was entered last of all: so a
worker thread of the code under test sees the mock of its test, and tests that run side by side keep apart.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextvars import Context
    from types import TracebackType

    from mock_sagemaker_ie.interception.virtual_time import VirtualTime
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.service.service import Service

    Exit = Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], object]


@dataclass(eq=False)
class ActiveMock:
    """One active mock.

    `passthrough`: operations that the mock neither answers nor refuses. `virtual_time`: its virtual time, if sleeping
    lets that pass.
    `wire`: its calls travel as far as `before-send`.
    `entered_by`: the object that entered it and will exit it. `owner`: the test class or the test instance that it was
    entered for, if any. `started`: entered by start(), so that somebody must stop it. `exit`: ends it. `outer`: the
    innermost mock that its context had entered before.
    """

    mock: InferenceExperimentMock
    service: Service
    passthrough: Collection[str] = ()
    virtual_time: VirtualTime | None = None
    wire: bool = False
    entered_by: object = None
    owner: object = None
    started: bool = False
    exit: Exit = field(init=False)
    outer: ActiveMock | None = field(default=None, init=False)

    def is_inside(self, other: ActiveMock) -> bool:
        """Return whether this is the other mock, or was entered in a context that had entered the other mock."""
        each: ActiveMock | None = self
        while each is not None and each is not other:
            each = each.outer
        return each is other


class Patch(Protocol):
    """A patch that can be installed and removed, again and again."""

    def install(self) -> None:
        """Replace what the patch replaces."""

    def remove(self) -> None:
        """Restore what was replaced, unless somebody else has replaced it meanwhile."""


class Interceptor:
    """Keeps a patch installed while it is needed.

    `needed`: whether the active mocks need it; by default, when there is one.
    """

    def __init__(self, patch: Patch, needed: Callable[[Sequence[ActiveMock]], bool] = bool) -> None:
        self._patch, self._needed = patch, needed
        self._installed = False

    def update(self, active: Sequence[ActiveMock]) -> None:
        """Install or remove the patch after a change of the active mocks."""
        needed = self._needed(active)
        if needed and not self._installed:
            self._patch.install()
        elif self._installed and not needed:
            self._patch.remove()
        self._installed = needed


# Replaced and never changed, so that any thread may read it without a lock.
_stack: tuple[ActiveMock, ...] = ()
_changing = threading.RLock()
_entered_here: ContextVar[ActiveMock | None] = ContextVar("_entered_here", default=None)

# The last mocks that were entered, also those that have exited, for the report of a failed test.
recent: deque[InferenceExperimentMock] = deque(maxlen=5)


def push(active: ActiveMock, interceptors: Iterable[Interceptor]) -> None:
    """Add a mock, and let each interceptor patch what it needs."""
    global _stack  # noqa: PLW0603
    active.outer = _innermost_here()
    if active.virtual_time is not None:
        active.virtual_time.begin(_virtual_time_around(active))
    with _changing:
        _stack = (*_stack, active)
        for interceptor in interceptors:
            interceptor.update(_stack)
    _entered_here.set(active)
    recent.append(active.mock)


def remove(active: ActiveMock, interceptors: Iterable[Interceptor]) -> None:
    """Remove a mock, in any order, and let each interceptor restore what nobody needs any more."""
    global _stack  # noqa: PLW0603
    with _changing:
        _stack = tuple(each for each in _stack if each is not active)
        for interceptor in interceptors:
            interceptor.update(_stack)
    _entered_here.set(_innermost_here())
    if active.virtual_time is not None:
        active.virtual_time.end()


def _virtual_time_around(active: ActiveMock) -> VirtualTime | None:
    around = active.outer
    while around is not None and around.virtual_time is None:
        around = around.outer
    return None if around is None else around.virtual_time


def _innermost_here() -> ActiveMock | None:
    """Return the innermost mock that was entered in this context and is still active."""
    active = _entered_here.get()
    while active is not None and active not in _stack:
        active = active.outer
    return active


def active_mocks() -> tuple[ActiveMock, ...]:
    """Return the active mocks in the order in which they were entered."""
    return _stack


def answering() -> ActiveMock | None:
    """Return the mock that answers a call of this context, or None."""
    return _stack[-1] if len(_stack) == 1 else choose(_stack)


def choose(candidates: Sequence[ActiveMock], context: Context | None = None) -> ActiveMock | None:
    """Return the candidate that counts for a context, by default the caller's, or None when there are no candidates."""
    here = _entered_here.get() if context is None else context.get(_entered_here)
    while here is not None:
        # A fixture may enter a mock in a task of its own: it is inside the mocks of the task that started it.
        for candidate in reversed(candidates):
            if candidate.is_inside(here):
                return candidate
        here = here.outer
    return candidates[-1] if candidates else None


def virtual_time(context: Context | None = None) -> VirtualTime | None:
    """Return the virtual time that counts for a context, by default the caller's, or None."""
    candidates = [each for each in _stack if each.virtual_time is not None]
    chosen = candidates[0] if len(candidates) == 1 else choose(candidates, context)
    return None if chosen is None else chosen.virtual_time


def drives(virtual: VirtualTime, context: Context | None = None) -> bool:
    """Return whether a sleep of this thread may move a virtual time.

    That of a daemon thread may not, unless its context has entered the mock: nobody else would move the time.
    """
    if not threading.current_thread().daemon:
        return True
    here = _entered_here.get() if context is None else context.get(_entered_here)
    while here is not None and here.virtual_time is not virtual:
        here = here.outer
    return here is not None


def entered_by(entrant: object) -> ActiveMock | None:
    """Return the mock that this object has to exit next, or None."""
    return choose([each for each in _stack if each.entered_by is entrant])


def entered_for(owner: object) -> ActiveMock | None:
    """Return the mock that was entered for this test class or test instance, or None."""
    return next((each for each in _stack if each.owner is owner), None)


def _after_fork() -> None:
    """Replace the locks in a child process, which has no thread that could release them."""
    global _changing  # noqa: PLW0603
    _changing = threading.RLock()
    for active in _stack:
        active.service.after_fork()
        if active.virtual_time is not None:
            active.virtual_time.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
