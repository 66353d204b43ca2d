"""The parts of a lifecycle table: triggers, transitions, and the table of one kind of resource."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mock_sagemaker_ie.backend.assumptions import Assumptions

S = TypeVar("S", bound=Enum)

# The instant of an event that never happens: a duration may be longer than the calendar.
NEVER = dt.datetime.max.replace(tzinfo=dt.timezone.utc)

# The last instant that a look ahead reaches. A clock can be moved to the next whole millisecond after it.
END = NEVER - dt.timedelta(milliseconds=1)


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
    """The transition happens when the status has lasted for this one of the Durations.

    `reached`: only if this end of the schedule is reached by then.
    """

    duration: str
    reached: str | None = None

    def __str__(self) -> str:
        elapsed = f"{self.duration.replace('_', ' ')} time elapsed"
        return elapsed if self.reached is None else f"{elapsed} and {self.reached} reached"


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
    """A target that depends on the settings of the resource."""

    DESIRED = "Completed or Cancelled"


@dataclass(frozen=True)
class Transition(Generic[S]):
    """One row: in status `source`, `trigger` leads to `target`. None stands for before creation and after deletion.

    `assumption`: the field of Assumptions and its choice with which alone the row is there; None for every row that is
    there anyway.
    """

    source: S | None
    trigger: Trigger
    target: S | Derived | None
    assumption: tuple[str, str] | None = None


class Table(Generic[S]):
    """The rows of a lifecycle. Of several rows of a status that time triggers, the first that applies counts."""

    def __init__(self, rows: Iterable[Transition[S]]) -> None:
        self._rows = tuple(rows)
        self._by_trigger = {(row.source, row.trigger): row for row in self._rows}
        self._by_time: dict[S | None, tuple[Transition[S], ...]] = {}
        for row in self._rows:
            if isinstance(row.trigger, (After, At)):
                self._by_time[row.source] = (*self._by_time.get(row.source, ()), row)

    def __iter__(self) -> Iterator[Transition[S]]:
        return iter(self._rows)

    def under(self, assumptions: Assumptions) -> Table[S]:
        """Return the table with the rows that are there under these assumptions."""
        return Table(
            row
            for row in self._rows
            if row.assumption is None or getattr(assumptions, row.assumption[0]) == row.assumption[1]
        )

    def permits(self, status: S, trigger: Trigger) -> bool:
        """Return whether the table has a row for `trigger` in this status."""
        return (status, trigger) in self._by_trigger

    def row(self, status: S | None, trigger: Trigger) -> Transition[S]:
        """Return the row for `trigger` in this status. Raises KeyError when there is none: check `permits` first."""
        return self._by_trigger[status, trigger]

    def rows_by_time(self, status: S) -> tuple[Transition[S], ...]:
        """Return the rows that end this status when nobody calls an operation; none when the status stays."""
        return self._by_time.get(status, ())
