"""The parts of a lifecycle table: triggers, transitions, and the table of one kind of resource."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

S = TypeVar("S", bound=Enum)

# The instant of an event that never happens: a duration may be longer than the calendar.
NEVER = dt.datetime.max.replace(tzinfo=dt.timezone.utc)


def later(when: dt.datetime, duration: dt.timedelta) -> dt.datetime:
    """Return the instant `duration` after `when`; NEVER when it is beyond the calendar."""
    try:
        return when + duration
    except OverflowError:
        return NEVER


@dataclass(frozen=True)
class Call:
    """The transition happens when a client calls this operation."""

    operation: str

    def __str__(self) -> str:
        return self.operation.removesuffix("InferenceExperiment")


@dataclass(frozen=True)
class After:
    """The transition happens when the status has lasted for this one of the Durations."""

    duration: str

    def __str__(self) -> str:
        return f"{self.duration.replace('_', ' ')} time elapsed"


@dataclass(frozen=True)
class At:
    """The transition happens at this end of the schedule, or at once when that instant is past."""

    end: str

    def __str__(self) -> str:
        return f"{self.end} reached"


@dataclass(frozen=True)
class Failure:
    """The transition happens when the work that the service does in this status fails."""

    def __str__(self) -> str:
        return "failure"


@dataclass(frozen=True)
class ByExperiment:
    """The transition of an endpoint happens because an inference experiment does this."""

    action: str

    def __str__(self) -> str:
        return f"an experiment {self.action}"


Trigger = Call | After | At | Failure | ByExperiment


class Derived(Enum):
    """A target that depends on the history or the settings of the resource."""

    PREVIOUS = "the status it came from"
    DESIRED = "Completed or Cancelled"


@dataclass(frozen=True)
class Transition(Generic[S]):
    """One row: in status `source`, `trigger` leads to `target`. None stands for before creation and after deletion."""

    source: S | None
    trigger: Trigger
    target: S | Derived | None


class Table(Generic[S]):
    """The rows of a lifecycle. At most one row of each status is triggered by time."""

    def __init__(self, rows: Iterable[Transition[S]]) -> None:
        self._rows = tuple(rows)
        self._by_trigger = {(row.source, row.trigger): row for row in self._rows}
        self._by_time = {row.source: row for row in self._rows if isinstance(row.trigger, (After, At))}

    def __iter__(self) -> Iterator[Transition[S]]:
        return iter(self._rows)

    def permits(self, status: S, trigger: Trigger) -> bool:
        """Return whether the table has a row for `trigger` in this status."""
        return (status, trigger) in self._by_trigger

    def row(self, status: S | None, trigger: Trigger) -> Transition[S]:
        """Return the row for `trigger` in this status. Raises KeyError when there is none: check `permits` first."""
        return self._by_trigger[status, trigger]

    def row_by_time(self, status: S) -> Transition[S] | None:
        """Return the row that ends this status when nobody calls an operation; None when the status stays."""
        return self._by_time.get(status)
