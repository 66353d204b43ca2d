"""An inference experiment's statuses, the table that joins them, and the few lines that walk it.

SageMakerBackend.as_of walks it, since a step may change the endpoint too. Nothing here reads a clock or does I/O.
README's table and diagram are generated from LIFECYCLE.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from enum import Enum

from mock_sagemaker_ie.backend.transitions import After, At, Call, Derived, Failure, Table, Transition, Trigger, later

ZERO = dt.timedelta(0)


class Status(str, Enum):
    """The status of an inference experiment, in AWS's words."""

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


@dataclass(frozen=True)
class Durations:
    """How long each transitional status lasts, as timedeltas; zero by default, so that a poll loop returns at once.

    `creating` to `stopping` are an experiment's, and its endpoint takes as long; the others are those of an endpoint
    that CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities and DeleteEndpoint change.
    Raises TypeError for anything but a timedelta, ValueError for a negative one.
    """

    creating: dt.timedelta = ZERO
    starting: dt.timedelta = ZERO
    updating: dt.timedelta = ZERO
    stopping: dt.timedelta = ZERO
    endpoint_creating: dt.timedelta = ZERO
    endpoint_updating: dt.timedelta = ZERO
    endpoint_rolling_back: dt.timedelta = ZERO
    endpoint_deleting: dt.timedelta = ZERO

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, dt.timedelta):
                raise TypeError(f"Durations({field.name}={value!r}): expected a timedelta")
            if value < ZERO:
                raise ValueError(f"Durations({field.name}={value!r}): a status cannot last less than no time")

    @classmethod
    def realistic(cls) -> Durations:
        """Minutes, as deployments of small models take them on AWS (a guess: AWS publishes no figures)."""
        minutes = {"creating": 6, "starting": 8, "updating": 7, "stopping": 5}
        minutes |= {"endpoint_creating": 6, "endpoint_updating": 8, "endpoint_rolling_back": 5, "endpoint_deleting": 1}
        return cls(**{name: dt.timedelta(minutes=number) for name, number in minutes.items()})

    @classmethod
    def parse(cls, text: str) -> Durations:
        """Read `zero`, `realistic`, or seconds by name: `creating=60 starting=300`. Raises ValueError otherwise."""
        words = text.replace(",", " ").split()
        if words in ([], ["zero"]):
            return cls()
        if words == ["realistic"]:
            return cls.realistic()
        try:
            pairs = dict(word.split("=") for word in words)
            return cls(**{name: dt.timedelta(seconds=float(seconds)) for name, seconds in pairs.items()})
        except (TypeError, ValueError, OverflowError) as error:
            names = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ValueError(
                f"durations {text!r}: expected zero, realistic, or seconds by name "
                f"such as 'starting=300' (names: {names}); {error}",
            ) from None


CREATE = Call("CreateInferenceExperiment")
START = Call("StartInferenceExperiment")
UPDATE = Call("UpdateInferenceExperiment")
STOP = Call("StopInferenceExperiment")
DELETE = Call("DeleteInferenceExperiment")

LIFECYCLE: Table[Status] = Table(
    (
        Transition(None, CREATE, Status.CREATING),
        Transition(Status.CREATING, After("creating"), Status.CREATED),
        Transition(Status.CREATED, At("StartTime"), Status.STARTING),
        Transition(Status.CREATED, START, Status.STARTING),
        Transition(Status.CREATED, UPDATE, Status.UPDATING),
        Transition(Status.CREATED, STOP, Status.STOPPING),
        Transition(Status.CREATED, DELETE, None),
        Transition(Status.STARTING, After("starting"), Status.RUNNING),
        Transition(Status.RUNNING, At("EndTime"), Status.STOPPING),
        Transition(Status.RUNNING, UPDATE, Status.UPDATING),
        Transition(Status.RUNNING, STOP, Status.STOPPING),
        Transition(Status.UPDATING, After("updating"), Derived.PREVIOUS),
        Transition(Status.STOPPING, After("stopping"), Derived.DESIRED),
        Transition(Status.COMPLETED, DELETE, None),
        Transition(Status.CANCELLED, DELETE, None),
        *(Transition(status, Failure(), Status.CANCELLED) for status in UNFINISHED),
    )
)


@dataclass(frozen=True)
class Entry:
    """A status, the instant it began and what led to it."""

    status: Status
    since: dt.datetime
    trigger: Trigger


@dataclass(frozen=True)
class Life:
    """Where an experiment stands and how it came there.

    `entries`: every status so far, the present one last. `start_time`, `end_time`: the schedule's ends.
    `desired_state`: where Stopping leads.
    """

    entries: tuple[Entry, ...]
    start_time: dt.datetime
    end_time: dt.datetime
    desired_state: Status = Status.COMPLETED

    @property
    def status(self) -> Status:
        """The present status."""
        return self.entries[-1].status

    @property
    def since(self) -> dt.datetime:
        """The instant at which the present status began."""
        return self.entries[-1].since


def begin(now: dt.datetime, start_time: dt.datetime, end_time: dt.datetime) -> Life:
    """The life of an experiment that is created `now`."""
    return Life((Entry(Status.CREATING, now, CREATE),), start_time, end_time)


def due(life: Life, durations: Durations) -> tuple[Transition[Status], dt.datetime] | None:
    """The transition that comes next by itself, and its instant; None when the status stays."""
    row = LIFECYCLE.by_itself(life.status)
    if row is None:
        return None
    if isinstance(row.trigger, After):
        return row, later(life.since, getattr(durations, row.trigger.duration))
    # An end of the schedule that came while another status held takes effect as soon as that one ends.
    end = life.start_time if row.trigger == At("StartTime") else life.end_time
    return row, max(life.since, end)


def permits(life: Life, trigger: Trigger) -> bool:
    """Whether the table has a row for `trigger` in the present status."""
    return LIFECYCLE.permits(life.status, trigger)


def follow(life: Life, trigger: Trigger, now: dt.datetime) -> Life:
    """Take the row for `trigger`, `now`. Raises KeyError when the table has none: ask `permits` first."""
    return enter(life, LIFECYCLE.row(life.status, trigger), now)


def enter(life: Life, row: Transition[Status], at: dt.datetime) -> Life:
    """Take `row` at the instant `at`."""
    target = row.target
    if target is Derived.PREVIOUS:
        target = life.entries[-2].status
    elif target is Derived.DESIRED:
        target = life.desired_state
    assert isinstance(target, Status), f"{row} leads out of life"  # noqa: S101 - deletion is the backend's
    return dataclasses.replace(life, entries=(*life.entries, Entry(target, at, row.trigger)))
