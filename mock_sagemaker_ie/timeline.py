"""The past and future of one experiment as data. charts.py draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mock_sagemaker_ie import charts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from mock_sagemaker_ie.backend.experiments.lifecycle import Status
    from mock_sagemaker_ie.backend.experiments.record import Experiment


@dataclass(frozen=True)
class Segment:
    """One status of an experiment and the time during which the experiment has it.

    `begin`, `end`: UTC; `end` is None for a status that never ends by itself. `trigger`: the cause of the status, in
    words. `variants`: the status of each variant during the segment, by variant name (AWS: ModelVariantStatus).
    """

    status: Status
    begin: dt.datetime
    end: dt.datetime | None
    trigger: str
    variants: Mapping[str, str]

    def __repr__(self) -> str:
        end = "" if self.end is None else f" to {self.end:%Y-%m-%d %H:%M:%S}"
        return f"<Segment {self.status} from {self.begin:%Y-%m-%d %H:%M:%S}{end}>"

    @property
    def duration(self) -> dt.timedelta | None:
        """The time from `begin` to `end`; None for a status that never ends by itself."""
        return None if self.end is None else self.end - self.begin


@dataclass(frozen=True)
class Timeline:
    """The statuses of an experiment up to `now`, and its future statuses if nobody calls an operation.

    `now`: the present instant (UTC). `start_time`, `end_time`: the schedule (UTC). `production`, `shadow`: the names of
    the variants. `segments`: in order, without a gap. `str()` draws a chart for terminals, `to_svg()` an SVG image.
    """

    name: str
    now: dt.datetime
    start_time: dt.datetime
    end_time: dt.datetime
    production: str
    shadow: str
    segments: tuple[Segment, ...]

    @property
    def present(self) -> Segment:
        """The segment that contains `now`."""
        return next(segment for segment in reversed(self.segments) if segment.begin <= self.now)

    @property
    def past(self) -> tuple[Segment, ...]:
        """The segments that have ended by `now`."""
        return self.segments[: self.segments.index(self.present)]

    @property
    def future(self) -> tuple[Segment, ...]:
        """The segments that begin after `now`."""
        return self.segments[self.segments.index(self.present) + 1 :]

    def __str__(self) -> str:
        return charts.text_chart(self)

    def __repr__(self) -> str:
        statuses = ", ".join(segment.status for segment in self.segments)
        return f"<Timeline of {self.name}, {self.present.status} at {self.now:%Y-%m-%d %H:%M:%S}: {statuses}>"

    def to_svg(self, *, narrow: bool = False) -> str:
        """Return the timeline as an SVG 1.1 image.

        It has 3 lanes (the experiment and its two variants), and marks the start and end of the schedule, and `now`.
        Time goes to the right. `narrow`: it goes down, and the image is 358 pixels wide, for a phone.
        """
        return charts.narrow_svg_chart(self) if narrow else charts.svg_chart(self)

    def _repr_svg_(self) -> str:
        return self.to_svg()  # Notebooks call this method to display the object.


def timeline(experiment: Experiment, now: dt.datetime) -> Timeline:
    """Return the timeline at `now` of an experiment record that already contains its future statuses."""
    entries = experiment.life.entries
    ends = [*(entry.since for entry in entries[1:]), None]
    return Timeline(
        name=experiment.name,
        now=now,
        start_time=experiment.life.start_time,
        end_time=experiment.life.end_time,
        production=experiment.production,
        shadow=experiment.shadow,
        segments=tuple(
            Segment(entry.status, entry.since, end, str(entry.trigger), dict(variants))
            for entry, end, variants in zip(entries, ends, experiment.variant_history, strict=True)
        ),
    )
