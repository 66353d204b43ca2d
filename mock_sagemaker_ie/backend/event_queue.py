"""The event queue of one account in one region: at which instant which resource changes by itself."""

from __future__ import annotations

from enum import IntEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


class EventKind(IntEnum):
    """Which resource an event is about. At the same instant, lower numbers come first.

    A deployment ends before the experiment that waits for it moves on.
    """

    ENDPOINT = 0
    EXPERIMENT = 1
    EXPERIMENT_FAILURE = 2


Event = tuple["dt.datetime", EventKind, str]


class EventQueue:
    """Events in the order of their instants. Stale events are ignored: the record shows whether an event is due."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, at: dt.datetime, kind: EventKind, name: str) -> None:
        """Add an event at the instant `at`, for the resource with this kind and name."""
        heappush(self._events, (at, kind, name))

    def take_until(self, now: dt.datetime) -> Iterator[Event]:
        """Remove and yield every event until `now`, also those that are added meanwhile."""
        while self._events and self._events[0][0] <= now:
            yield heappop(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def copy(self) -> EventQueue:
        """Return an independent queue with the same events."""
        duplicate = EventQueue()
        duplicate._events = list(self._events)
        return duplicate
