"""The stack of active mocks. Everybody who wants to know which mock answers asks here.

The answer is the mock that was entered last among those entered in the caller's own context (its task or thread, or
the task that started it). A caller whose context has entered no mock gets the mock that was entered last of all: so a
worker thread of the code under test sees the mock of its test, and tests that run side by side keep apart.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mock_sagemaker_ie.changes import locked
from mock_sagemaker_ie.interception import recent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextvars import Context
    from types import TracebackType

    from mock_sagemaker_ie.interception.virtual_time import VirtualTime
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.service.service import Service

    Exit = Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], object]


@dataclass(eq=False, slots=True)
class Entry:
    """The entry of a mock. `outer`: that of the innermost mock that the same context had entered before.

    Contexts keep entries. An entry does not keep the mock, whose exit may happen in another context.
    """

    outer: Entry | None

    def is_inside(self, other: Entry) -> bool:
        """Return whether this is the other entry, or was made in a context that had made the other entry."""
        each: Entry | None = self
        while each is not None and each is not other:
            each = each.outer
        return each is other


@dataclass(eq=False)
class ActiveMock:
    """One active mock.

    `passthrough`: operations that the mock neither answers nor refuses. `virtual_time`: its virtual time, if sleeping
    lets that pass.
    `wire`: its calls travel as far as `before-send`.
    `entered_by`: the object that entered it and will exit it. `owner`: the test class or the test instance that it was
    entered for, if any. `started`: entered by start(), so that somebody must stop it. `exit`: ends it.
    `exits`: what its end still has to do.
    """

    mock: InferenceExperimentMock
    service: Service
    passthrough: frozenset[str] = frozenset()
    virtual_time: VirtualTime | None = None
    wire: bool = False
    entered_by: object = None
    owner: object = None
    started: bool = False
    exit: Exit = field(init=False)
    exits: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    entry: Entry = field(init=False)


class Patch(Protocol):
    """A patch that can be installed and removed, again and again, also after an interrupted change."""

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
        self._installed: bool | None = False  # None: an exception interrupted a change.

    def update(self, active: Sequence[ActiveMock]) -> None:
        """Install or remove the patch after a change of the active mocks."""
        needed = self._needed(active)
        if needed is not self._installed:
            self._installed = None
            (self._patch.install if needed else self._patch.remove)()
            self._installed = needed


Stack = tuple[ActiveMock, ...]

# Replaced and never changed, so that any thread may read it without a lock.
_stack: Stack = ()
_changing = threading.RLock()
_entered_here: ContextVar[Entry | None] = ContextVar("_entered_here", default=None)


def push(active: ActiveMock, interceptors: Iterable[Interceptor]) -> None:
    """Add a mock, and let each interceptor patch what it needs."""
    active.entry = Entry(_innermost_here())
    if active.virtual_time is not None:
        active.virtual_time.begin(_virtual_time_around(active.entry))
    _change(lambda stack: (*stack, active), interceptors)
    _entered_here.set(active.entry)
    recent.note(active.service)


def remove(active: ActiveMock, interceptors: Iterable[Interceptor]) -> None:
    """Remove a mock, in any order, and let each interceptor restore what nobody needs any more.

    The second time this does nothing, unless an exception interrupted the first.
    """
    _change(lambda stack: tuple(each for each in stack if each is not active), interceptors)
    _entered_here.set(_innermost_here())
    if active.virtual_time is not None:
        active.virtual_time.end()


def _virtual_time_around(entry: Entry) -> VirtualTime | None:
    """Return the virtual time of the innermost mock around an entry that has one."""
    times = {each.entry: each.virtual_time for each in _stack if each.virtual_time is not None}
    around = entry.outer
    while around is not None and around not in times:
        around = around.outer
    return None if around is None else times[around]


def _change(change: Callable[[Stack], Stack], interceptors: Iterable[Interceptor]) -> None:
    locked(_changing, partial(_apply, change, interceptors))


def _apply(change: Callable[[Stack], Stack], interceptors: Iterable[Interceptor]) -> None:
    global _stack  # noqa: PLW0603
    _stack = change(_stack)
    for interceptor in interceptors:
        interceptor.update(_stack)


def _innermost_here() -> Entry | None:
    """Return the innermost entry that was made in this context and whose mock is still active."""
    entry, active = _entered_here.get(), [each.entry for each in _stack]
    while entry is not None and entry not in active:
        entry = entry.outer
    return entry


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
            if candidate.entry.is_inside(here):
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
    return here is not None and any(here.is_inside(each.entry) for each in _stack if each.virtual_time is virtual)


def entered_by(entrant: object) -> ActiveMock | None:
    """Return the mock that this object has to exit next, or None."""
    return choose([each for each in _stack if each.entered_by is entrant])


def entered_for(owner: object) -> ActiveMock | None:
    """Return the mock that was entered for this test class or test instance, or None."""
    return next((each for each in _stack if each.owner is owner), None)


if hasattr(os, "register_at_fork"):
    # A fork waits until no thread changes the patches, so that a child never has a half of them.
    os.register_at_fork(before=_changing.acquire, after_in_parent=_changing.release, after_in_child=_changing.release)
