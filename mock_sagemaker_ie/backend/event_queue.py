"""What happens by itself and when, in the order of the instants: of everything in one account and region."""

from __future__ import annotations

from enum import IntEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


class Kind(IntEnum):
    """Whose turn it is. At one instant a deployment ends before the experiment that waits for it goes on."""

    ENDPOINT = 0
    EXPERIMENT = 1
    FAILURE = 2


class Agenda:
    """Reminders to look at a thing at an instant. One whose reason has gone since is harmless: looking shows it."""

    def __init__(self) -> None:
        self._reminders: list[tuple[dt.datetime, Kind, str]] = []

    def add(self, at: dt.datetime, kind: Kind, name: str) -> None:
        """Look at the thing of this kind and name at the instant `at`."""
        heappush(self._reminders, (at, kind, name))

    def due(self, now: dt.datetime) -> Iterator[tuple[dt.datetime, Kind, str]]:
        """Take every reminder until `now`, those added meanwhile included."""
        while self._reminders and self._reminders[0][0] <= now:
            yield heappop(self._reminders)

    def copy(self) -> Agenda:
        """An independent agenda with the same reminders."""
        twin = Agenda()
        twin._reminders = list(self._reminders)
        return twin
