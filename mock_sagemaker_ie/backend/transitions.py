"""What a lifecycle is written in: triggers, transitions, and the table that joins the statuses of one kind of thing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

S = TypeVar("S", bound=Enum)

# The instant of what never happens: some durations are longer than time.
NEVER = dt.datetime.max.replace(tzinfo=dt.timezone.utc)


def later(when: dt.datetime, duration: dt.timedelta) -> dt.datetime:
    """The instant that comes `duration` after another; NEVER when time ends before."""
    try:
        return when + duration
    except OverflowError:
        return NEVER


@dataclass(frozen=True)
class Call:
    """The transition happens when this operation is called."""

    operation: str

    def __str__(self) -> str:
        return self.operation.removesuffix("InferenceExperiment")


@dataclass(frozen=True)
class After:
    """The transition happens once the status has lasted this one of the Durations."""

    duration: str

    def __str__(self) -> str:
        return f"{self.duration.replace('_', ' ')} time elapsed"


@dataclass(frozen=True)
class At:
    """The transition happens at this end of the schedule, at once when it is past."""

    end: str

    def __str__(self) -> str:
        return f"{self.end} reached"


@dataclass(frozen=True)
class Failure:
    """The transition happens when what the service does in this status fails."""

    def __str__(self) -> str:
        return "failure"


Trigger = Call | After | At | Failure


class Derived(Enum):
    """A target that the thing itself knows."""

    PREVIOUS = "the status it came from"
    DESIRED = "Completed or Cancelled"


@dataclass(frozen=True)
class Transition(Generic[S]):
    """One row: in `source`, `trigger` leads to `target`. None is before creation and after deletion."""

    source: S | None
    trigger: Trigger
    target: S | Derived | None


class Table(Generic[S]):
    """A lifecycle's rows. At most one transition of a status happens by itself."""

    def __init__(self, rows: Iterable[Transition[S]]) -> None:
        self._rows = tuple(rows)
        self._by_trigger = {(row.source, row.trigger): row for row in self._rows}
        self._by_itself = {row.source: row for row in self._rows if isinstance(row.trigger, (After, At))}

    def __iter__(self) -> Iterator[Transition[S]]:
        return iter(self._rows)

    def permits(self, status: S, trigger: Trigger) -> bool:
        """Whether there is a row for `trigger` in this status."""
        return (status, trigger) in self._by_trigger

    def row(self, status: S, trigger: Trigger) -> Transition[S]:
        """The row for `trigger` in this status. Raises KeyError when there is none: ask `permits` first."""
        return self._by_trigger[status, trigger]

    def by_itself(self, status: S) -> Transition[S] | None:
        """The row by which this status ends if nobody calls an operation."""
        return self._by_itself.get(status)
