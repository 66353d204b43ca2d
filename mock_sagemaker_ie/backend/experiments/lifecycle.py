"""The lifecycle of an inference experiment: its statuses, the table of transitions, and functions that follow it.

Pure: nothing here reads a clock. The documentation's table and diagram are generated from LIFECYCLE, the table under
the default assumptions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.backend.history import History
from mock_sagemaker_ie.backend.settings import Row
from mock_sagemaker_ie.backend.transitions import After, At, Call, Derived, Failure, Table, Transition, later
from mock_sagemaker_ie.protocol.errors import suggestion
from mock_sagemaker_ie.protocol.limits import check_name, check_reason, check_seconds

if TYPE_CHECKING:
    import datetime as dt

    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.backend.transitions import Trigger


class Status(str, Enum):
    """The statuses of an inference experiment, in AWS's words."""

    CREATING = "Creating"
    CREATED = "Created"
    STARTING = "Starting"
    RUNNING = "Running"
    UPDATING = "Updating"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"

    def __str__(self) -> str:
        return self.value


FINISHED = frozenset({Status.COMPLETED, Status.CANCELLED})
UNFINISHED = tuple(status for status in Status if status not in FINISHED)


CREATE = Call("CreateInferenceExperiment")
START = Call("StartInferenceExperiment")
UPDATE = Call("UpdateInferenceExperiment")
STOP = Call("StopInferenceExperiment")
DELETE = Call("DeleteInferenceExperiment")

# With every row that an assumption can add.
ALL_ROWS: Table[Status] = Table(
    (
        Transition(None, CREATE, Status.CREATING),
        Transition(
            Status.CREATING,
            After("creating", reached="StartTime"),
            Status.RUNNING,
            ("unscheduled_test", "Running"),
        ),
        Transition(
            Status.CREATING,
            After("creating", reached="StartTime"),
            Status.STARTING,
            ("unscheduled_test", "Starting"),
        ),
        Transition(Status.CREATING, After("creating"), Status.CREATED),
        Transition(Status.CREATED, At("StartTime"), Status.STARTING),
        Transition(Status.CREATED, START, Status.STARTING),
        Transition(Status.CREATED, UPDATE, Status.UPDATING),
        Transition(Status.CREATED, STOP, Status.STOPPING, ("stop_in_created", "Stopping")),
        Transition(Status.CREATED, DELETE, None, ("delete_in_created", "Permitted")),
        Transition(Status.STARTING, After("starting"), Status.RUNNING),
        Transition(Status.RUNNING, At("EndTime"), Status.STOPPING),
        Transition(Status.RUNNING, UPDATE, Status.UPDATING),
        Transition(Status.RUNNING, STOP, Status.STOPPING),
        Transition(Status.RUNNING, DELETE, None, ("delete_in_running", "Permitted")),
        # From Running too, because StartTime is reached then.
        Transition(Status.UPDATING, After("updating", reached="StartTime"), Status.RUNNING),
        Transition(Status.UPDATING, After("updating"), Status.CREATED),
        Transition(Status.STOPPING, After("stopping"), Derived.DESIRED),
        Transition(Status.COMPLETED, DELETE, None),
        Transition(Status.CANCELLED, DELETE, None),
        *(Transition(status, Failure(), Status.CANCELLED) for status in UNFINISHED),
    )
)
LIFECYCLE = ALL_ROWS.under(Assumptions())


@dataclass(frozen=True, slots=True)
class Entry:
    """A status, the instant (UTC) at which it began, and the trigger that led to it."""

    status: Status
    since: dt.datetime
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Life:
    """The history of an experiment's statuses, and its schedule. Instants are in UTC.

    `entries`: every status so far, the present one last. `start_time`, `end_time`: the ends of the schedule.
    `desired_state`: the status that follows Stopping. `started`: whether it has been Starting or Running.
    """

    entries: History[Entry]
    start_time: dt.datetime
    end_time: dt.datetime
    desired_state: Status = Status.COMPLETED
    started: bool = False

    @property
    def status(self) -> Status:
        """The present status."""
        return self.entries.last.status

    @property
    def since(self) -> dt.datetime:
        """The instant at which the present status began."""
        return self.entries.last.since


def begin(now: dt.datetime, start_time: dt.datetime, end_time: dt.datetime) -> Life:
    """Return the life of an experiment that is created `now`."""
    return Life(History([Entry(Status.CREATING, now, CREATE)]), start_time, end_time)


def next_by_time(
    life: Life, durations: Durations, table: Table[Status]
) -> tuple[Transition[Status], dt.datetime] | None:
    """Return the next transition that time triggers, and its instant; None when the status stays."""
    present, ends = life.entries.last, {"StartTime": life.start_time, "EndTime": life.end_time}
    for row in table.rows_by_time(present.status):
        if isinstance(row.trigger, At):
            # A deadline that passed during another status takes effect as soon as that status ends.
            return row, max(present.since, ends[row.trigger.end])
        assert isinstance(row.trigger, After), "time triggers no other row"  # noqa: S101
        elapsed = later(present.since, getattr(durations, row.trigger.duration))
        if row.trigger.reached is None or ends[row.trigger.reached] <= elapsed:
            return row, elapsed
    return None


def enter(life: Life, row: Transition[Status], at: dt.datetime) -> Life:
    """Follow `row` at the instant `at`."""
    target = life.desired_state if row.target is Derived.DESIRED else row.target
    assert isinstance(target, Status), f"{row} deletes the experiment"  # noqa: S101 - the caller handles deletion
    started = life.started or target in (Status.STARTING, Status.RUNNING)
    return dataclasses.replace(life, entries=life.entries.plus(Entry(target, at, row.trigger)), started=started)


# The statuses in which an experiment may fail.
STAGES = tuple(str(row.source) for row in LIFECYCLE if isinstance(row.trigger, Failure))


@dataclass(frozen=True, repr=False)
class Fails(Row):
    """A failure of the service in one status of an experiment, which becomes Cancelled, while its endpoint rolls back.

    `stage`: the status, for example "Starting". `reason`: the StatusReason. `after`: the seconds for which the status
    has lasted then; when it ends sooner, nothing fails. `experiment`: its name; by default the first experiment of the
    account and region that comes to this point. One row makes one experiment fail.
    Raises ValueError or TypeError for a value that is not allowed.
    """

    stage: str
    reason: str
    after: float = 0
    experiment: str | None = None

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"Fails: {self.stage!r} is not a stage{suggestion(str(self.stage), STAGES)}")
        check_reason(self.reason)
        check_seconds(self.after, "Fails: after")
        check_name(self.experiment, "Fails: experiment")

    def __str__(self) -> str:
        later_on = f" after {self.after:g} s" if self.after else ""
        return f"{self.experiment or 'an experiment'} fails in {self.stage}{later_on}"

    def instant(self, name: str, life: Life) -> dt.datetime | None:
        """Return the instant (UTC) at which an experiment fails that stays in its present status, or None."""
        if self.stage != life.status.value or self.experiment not in (None, name):
            return None
        return later(life.since, check_seconds(self.after))
