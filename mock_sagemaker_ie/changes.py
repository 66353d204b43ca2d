"""Whole changes: the state changes completely or not at all, also when an exception comes in between.

A handler of a signal (Ctrl-C, pytest-timeout) can raise an exception between any two instructions of the main thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mock_sagemaker_ie.forks import new_lock

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, MutableMapping
    from contextlib import AbstractContextManager

T = TypeVar("T")

_MISSING: Any = object()


def locked(lock: AbstractContextManager[Any], function: Callable[[], T]) -> T:
    """Call `function` while this thread has the lock, and return its result.

    An exception that comes when Python has left the body of a `with` statement, and has not released the lock yet,
    leaves the lock held for ever. In a statement of one line there is no such place: a tracer sees lines, and a signal
    is handled in calls. So nobody else may hold a lock of a mock by a `with` of several lines.
    """
    with lock: return function()  # fmt: skip  # noqa: E701


class UndoLog:
    """What puts back the change that is under way.

    A change notes here how to put something back before it changes it. `keep` forgets the notes by one assignment: only
    then the change has happened. `undo` puts everything back, the last thing first. A step may run twice, and does
    nothing when its part of the change did not happen, so an `undo` that is interrupted can begin again.
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def note(self, step: Callable[[], object]) -> None:
        """Add a step, which puts back what the caller changes next."""
        self._steps.append(step)

    def update(self, mapping: MutableMapping[Any, Any], changes: dict[Any, Any]) -> None:
        """Set the values of some keys."""
        before = {key: mapping.get(key, _MISSING) for key in changes}
        self._steps.append(partial(_put_back, mapping, before, changes))
        mapping.update(changes)

    def assign(self, owner: object, **values: Any) -> None:
        """Set attributes of an object."""
        self.update(vars(owner), values)

    def remove(self, mapping: MutableMapping[Any, Any], key: object) -> None:
        """Remove a key, which the mapping has."""
        self._steps.append(partial(_put_back, mapping, {key: mapping[key]}, {key: _MISSING}))
        del mapping[key]

    def append(self, items: deque[Any], item: object) -> None:
        """Append an item. When the deque is full, it loses its first one."""
        dropped = _MISSING if items.maxlen is None or len(items) < items.maxlen or not items else items[0]
        self._steps.append(partial(_take_back, items, item, dropped))
        items.append(item)

    def keep(self) -> None:
        """Make the change final."""
        if self._steps:
            self._steps = []

    def undo(self) -> None:
        """Put back what has changed since the last `keep`."""
        self.undo_to(0)

    def undo_to(self, mark: int) -> None:
        """Put back what has changed since `mark`."""
        while len(self._steps) > mark:
            self._steps[-1]()
            self._steps.pop()

    def steps(self, mark: int) -> list[Callable[[], object]]:
        """Return the steps since `mark`."""
        return self._steps[mark:]

    @property
    def mark(self) -> int:
        """The present position, for `undo_to`."""
        return len(self._steps)


def _put_back(mapping: MutableMapping[Any, Any], before: dict[Any, Any], changes: dict[Any, Any]) -> None:
    """Give each key the value from before, unless the key does not have the changed value."""
    for key, value in before.items():
        if mapping.get(key, _MISSING) is not changes[key]:
            continue
        if value is _MISSING:
            mapping.pop(key, None)
        else:
            mapping[key] = value


def _take_back(items: deque[Any], item: object, dropped: object) -> None:
    """Remove the last item, if it is this one, and put back the first one that was dropped for it."""
    if not items or items[-1] is not item:
        return
    if dropped is _MISSING:
        items.pop()
    else:
        items.appendleft(dropped)  # A full deque loses its last item by that.


class Changes(UndoLog):
    """The changes of the state of one service. Only one thread at a time reads or changes the state."""

    def __init__(self) -> None:
        super().__init__()
        self._lock: Any = new_lock()

    @property
    def is_under_way(self) -> bool:
        """True while this thread is inside a change."""
        return bool(self._lock._is_owned())  # noqa: SLF001 - Condition uses this method too; no other tells

    def whole(self, function: Callable[[], T]) -> T:
        """Call `function`, whose changes all happen, or none when it raises. Return its result.

        A call inside another one is a part of it.
        """
        if self._lock._is_owned():  # noqa: SLF001 - Condition uses this method too; no other tells
            return function()
        with self._lock: return self._whole(function)  # fmt: skip  # noqa: E701 - as in `locked`

    def _whole(self, function: Callable[[], T]) -> T:
        if self._steps:  # An undo was interrupted.
            self.undo()
        try:
            result = function()
            self.keep()
            return result  # noqa: TRY300 - an exception at this line must come to `undo` too
        except BaseException:
            self.undo()
            raise

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Make everything inside the context one whole change. Only for a server, whose threads get no signals."""
        if self._lock._is_owned():  # noqa: SLF001 - as above
            yield
            return
        with self._lock:
            self.undo()
            try:
                yield
                self.keep()
            except BaseException:
                self.undo()
                raise
