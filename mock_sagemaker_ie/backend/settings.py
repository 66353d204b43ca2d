"""The settings of a mock, which are the same for each of its accounts and regions."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mock_sagemaker_ie.protocol.limits import ZERO, check_duration, check_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    @classmethod
    def realistic(cls) -> Durations:
        """Return durations of minutes, as for small models on AWS (a guess: AWS publishes no figures)."""
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
        names = [duration.name for duration in dataclasses.fields(cls)]
        seconds = {}
        for word in words:
            name, _, number = word.partition("=")
            try:
                seconds[name] = check_seconds(float(number))
                valid = name in names
            except ValueError:
                valid = False
            if not valid:
                raise ValueError(
                    f"durations {text!r}: expected zero, realistic, or seconds by name, "
                    f"for example 'starting=300' (names: {', '.join(names)}); {word!r} is none of these"
                )
        return cls(**seconds)


@dataclass(frozen=True)
class Settings:
    """The settings that every account and region of a mock shares.

    `durations`: the time that each transitional status lasts.
    `strict`: refuse the name of a model that does not exist. By default every model is assumed to exist.
    `quotas`: the number of instances of each type that all endpoints together may use; a type without an entry has
    no limit.
    `role_denied`: patterns of the actions that the RoleArn of an experiment may not do.
    """

    durations: Durations = field(default_factory=Durations)
    strict: bool = False
    quotas: Mapping[str, int] = field(default_factory=dict)
    role_denied: tuple[str, ...] = ()
