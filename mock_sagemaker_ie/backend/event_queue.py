"""The event queue of one account in one region: at which instant which resource changes by itself."""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from mock_sagemaker_ie.changes import UndoLog


class EventKind(IntEnum):
    """Which resource an event is about. At the same instant, lower numbers come first.

    An alarm is looked at before the baking period ends, and a deployment ends before the experiment that waits for it
    moves on.
    """

    ALARMS = 0
    ENDPOINT = 1
    EXPERIMENT = 2
    EXPERIMENT_FAILURE = 3


Event = tuple["dt.datetime", EventKind, str]


class EventQueue:
    """Events in the order of their instants. Stale events are ignored: the record shows whether an event is due.

    So an event that is there twice, or whose change was undone, is harmless.
    """

    def __init__(self, undo: UndoLog) -> None:
        self._events: list[Event] = []
        self._undo = undo

    def add(self, at: dt.datetime, kind: EventKind, name: str) -> None:
        """Add an event at the instant `at`, for the resource with this kind and name."""
        heappush(self._events, (at, kind, name))

    def take_until(self, now: dt.datetime) -> Iterator[Event]:
        """Remove and yield every event until `now`, also those that are added meanwhile."""
        while self._events and self._events[0][0] <= now:
            self._undo.note(partial(self.add, *self._events[0]))
            yield heappop(self._events)

    def __iter__(self) -> Iterator[Event]:
        """Yield every event, in no order."""
        return iter(self._events)

    def copy(self, undo: UndoLog) -> EventQueue:
        """Return an independent queue with the same events."""
        duplicate = EventQueue(undo)
        duplicate._events = list(self._events)
        return duplicate
