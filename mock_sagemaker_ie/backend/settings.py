"""The settings of a mock, which are the same for each of its accounts and regions."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.protocol.errors import shown
from mock_sagemaker_ie.protocol.limits import ZERO, check_duration, check_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Row:
    """Base of the dataclasses that a scenario consists of. Their repr is the code that makes them, without defaults."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 - a protocol of IPython and Hypothesis
        printer.text(repr(self))

    def _arguments(self) -> Iterator[str]:
        for each in dataclasses.fields(self):  # type: ignore[arg-type]  # each subclass is a dataclass
            value = getattr(self, each.name)
            if each.default is dataclasses.MISSING:
                yield repr(value)
            elif value != each.default:
                yield f"{each.name}={value!r}"


@dataclass(frozen=True)
class Durations:
    """The time that each transitional status lasts, as a timedelta. Zero by default, so a poll loop returns at once.

    `creating`, `starting`, `updating` and `stopping` are the statuses of an experiment; its endpoint takes the same
    time. `endpoint_creating`, `endpoint_updating`, `endpoint_rolling_back` and `endpoint_deleting` are the statuses of
    an endpoint that CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities or DeleteEndpoint changes. With
    a DeploymentConfig the new fleet, or each batch of it, launches for `endpoint_updating`, and the old one terminates
    for `endpoint_deleting`.

    With `timedelta.max` a status never ends. Raises TypeError for a value that is not a timedelta, ValueError for a
    negative one and for one longer than 7030 years.
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
        for duration in dataclasses.fields(self):
            value = getattr(self, duration.name)
            if value != dt.timedelta.max:
                check_duration(value, f"Durations: {duration.name}")

    def __repr__(self) -> str:
        changed = [f"{each.name}={value!r}" for each in dataclasses.fields(self) if (value := getattr(self, each.name))]
        return f"Durations({', '.join(changed)})"

    def __str__(self) -> str:
        """Return the text of which `parse` makes them."""
        words = [
            f"{each.name}={_seconds(value)}" for each in dataclasses.fields(self) if (value := getattr(self, each.name))
        ]
        return " ".join(words) or "zero"

    @classmethod
    def realistic(cls) -> Durations:
        """Return durations of minutes, as for small models on AWS (a guess: AWS publishes no figures)."""
        minutes = {"creating": 6, "starting": 8, "updating": 7, "stopping": 5}
        minutes |= {"endpoint_creating": 6, "endpoint_updating": 8, "endpoint_rolling_back": 5, "endpoint_deleting": 1}
        return cls(**{name: dt.timedelta(minutes=number) for name, number in minutes.items()})

    @classmethod
    def parse(cls, text: str) -> Durations:
        """Read `zero`, `realistic`, or seconds by name: `creating=60 starting=never`. Raises ValueError otherwise.

        `never`: the status never ends. ValueError also for a name that comes twice; TypeError for anything but a str.
        """
        if not isinstance(text, str):
            raise TypeError(f"durations {shown(text)}: expected a str, for example 'starting=300'")
        words = text.replace(",", " ").split()
        if words in ([], ["zero"]):
            return cls()
        if words == ["realistic"]:
            return cls.realistic()
        names = [duration.name for duration in dataclasses.fields(cls)]
        seconds = {}
        for word in words:
            name, _, number = word.partition("=")
            if name in seconds:
                raise ValueError(f"durations {text!r}: {name} comes twice")
            try:
                seconds[name] = dt.timedelta.max if number == NEVER else check_seconds(float(number))
                valid = name in names
            except ValueError:
                valid = False
            if not valid:
                raise ValueError(
                    f"durations {text!r}: expected zero, realistic, or seconds by name, "
                    f"for example 'starting=300' (names: {', '.join(names)}); {word!r} is none of these"
                )
        return cls(**seconds)


NEVER = "never"  # In a text: of a status that does not end.


def _seconds(duration: dt.timedelta) -> str:
    """Return a duration as `parse` reads it."""
    if duration == dt.timedelta.max:
        return NEVER
    return f"{duration // SECOND}" if not duration % SECOND else repr(duration.total_seconds())


SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Settings:
    """The settings that every account and region of a mock shares.

    `durations`: the time that each transitional status lasts.
    `strict`: refuse the name of a model that does not exist. By default every model is assumed to exist.
    `quotas`: the number of instances of each type that all endpoints together may use; a type without an entry has
    no limit.
    `assumptions`: what is assumed of AWS where nothing is known.
    `failures`: what fails by itself, as a scenario says: rows of the classes Fails and FailsDeployment. Each happens
    once in every account and region.
    `role_denied`: patterns of the actions that the RoleArn of an experiment may not do.
    """

    durations: Durations = field(default_factory=Durations)
    strict: bool = False
    quotas: Mapping[str, int] = field(default_factory=dict)
    assumptions: Assumptions = field(default_factory=Assumptions)
    failures: Sequence[Any] = ()
    role_denied: tuple[str, ...] = ()
