"""An experiment's past and future as data, as a chart for terminals and as a picture (SVG).

Times are drawn neither linearly nor all alike: minutes of deployment beside days of a schedule would not be seen, so
the width of a status grows with the logarithm of how long it lasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from mock_sagemaker_ie.backend.experiments.lifecycle import Status
    from mock_sagemaker_ie.backend.experiments.record import Experiment


@dataclass(frozen=True)
class Segment:
    """A status of the experiment, while it lasts.

    `begin`, `end`: UTC; `end` is None for a status that stays. `trigger`: what led to it. `variants`: how each variant
    stands meanwhile, by name (AWS: ModelVariantStatus).
    """

    status: Status
    begin: dt.datetime
    end: dt.datetime | None
    trigger: str
    variants: Mapping[str, str]

    @property
    def duration(self) -> dt.timedelta | None:
        """How long it lasts, None when it stays."""
        return None if self.end is None else self.end - self.begin


@dataclass(frozen=True)
class Timeline:
    """What an experiment has gone through by `now`, and what it will if nobody calls an operation.

    `segments`: in order, without a gap. `start_time`, `end_time`: the schedule. `production`, `shadow`: the variants.
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
        """The segment of `now`."""
        return next(segment for segment in reversed(self.segments) if segment.begin <= self.now)

    @property
    def past(self) -> tuple[Segment, ...]:
        """The segments that have ended by `now`."""
        return self.segments[: self.segments.index(self.present)]

    @property
    def future(self) -> tuple[Segment, ...]:
        """The segments that are still to come."""
        return self.segments[self.segments.index(self.present) + 1 :]

    def _elapsed(self, segment: Segment) -> float:
        """Which part of a segment has passed by `now`, from 0 to 1."""
        if segment.begin > self.now:
            return 0
        if segment.end is None or segment.end <= self.now:
            return float(segment.end is not None)
        return (self.now - segment.begin) / (segment.end - segment.begin)

    def _title(self) -> str:
        state = f": {self.present.status} at {self.now:%Y-%m-%d %H:%M:%S} UTC"
        return _clip(self.name, _TERMINAL - len(state)) + state

    # --- text

    def __str__(self) -> str:
        scale = f"schedule {self.start_time:%Y-%m-%d %H:%M} to {self.end_time:%Y-%m-%d %H:%M}"
        widths = _shares(self.segments, _BAR)
        lines, offset = [self._title(), f"  {scale}  (variants: production/shadow)"], 0
        for segment, width in zip(self.segments, widths, strict=True):
            done = round(width * self._elapsed(segment))
            bar = " " * offset + "█" * done + "░" * (width - done)
            mark = ">" if segment is self.present else " "
            variants = "/".join(segment.variants[name] for name in (self.production, self.shadow))
            lasts = "" if segment.duration is None else short(segment.duration)
            row = f"{mark} {segment.status:<10}{segment.begin:%m-%d %H:%M:%S} {lasts:>7} {bar:<{_BAR}} {variants}"
            lines.append(row.rstrip())
            offset += width
        return "\n".join(lines)

    # --- picture

    def to_svg(self) -> str:
        """A picture of 3 lanes, the experiment and its variants, with the schedule's ends and now. SVG 1.1."""
        drawn = [segment for segment in self.segments if segment.begin != segment.end]
        widths = [_pixels(segment) for segment in drawn]
        edges: list[float] = [_LEFT]
        for width in widths:
            edges.append(edges[-1] + width)
        title = self._title()
        total = max(edges[-1] + _MARGIN, 2 * _EDGE + len(title) * _LETTER * _TITLE_SIZE)

        def x(when: dt.datetime) -> float:
            """Where an instant is drawn; before and after all segments at the ends."""
            for segment, left, width in zip(drawn, edges, widths, strict=False):
                if segment.duration is None:
                    return left + (0 if when <= segment.begin else 0.9 * width)  # Some time in what stays.
                if segment.end is None or when < segment.end:
                    return left + width * max((when - segment.begin) / segment.duration, 0)
            return edges[-1]

        lanes: list[tuple[str, Callable[[Segment], str]]] = [
            (self.name, lambda segment: str(segment.status)),
            (self.production, lambda segment: segment.variants[self.production]),
            (self.shadow, lambda segment: segment.variants[self.shadow]),
        ]
        parts, words = [_svg_head(total, title)], []  # Words come last: a line across them is to hide none.
        for number, (label, of) in enumerate(lanes):
            top = _TOP + number * _LANE
            weight = 600 if number == 0 else 400
            words.append(_text(_LEFT - 8, top + 18, _clip(label, 18), anchor="end", weight=weight, family=_LETTERS))
            for word, group in groupby(zip(drawn, edges, widths, strict=False), key=lambda item: of(item[0])):
                members = list(group)
                left, right = members[0][1], members[-1][1] + members[-1][2]
                to_come = members[0][0].begin > self.now
                parts.append(_box(left, top, right - left, word, faded=to_come))
                words.append(_text((left + right) / 2, top + 18, word, anchor="middle"))
        bottom = _TOP + len(lanes) * _LANE
        for segment, left in zip(drawn, edges, strict=False):
            words.append(_text(left + 2, bottom + 13, f"{segment.begin:%m-%d %H:%M}", size=10))
        for row, (label, when) in enumerate((("start", self.start_time), ("end", self.end_time))):
            parts.append(_marker(x(when), row, bottom, f"schedule {label}", colour="#6b7280", dash="2 3"))
        parts.append(_marker(x(self.now), 2, bottom, "now", colour="#b91c1c", dash="none"))
        return "\n".join([*parts, *words, "</svg>"])

    def _repr_svg_(self) -> str:
        return self.to_svg()


def timeline(foreseen: Experiment, now: dt.datetime) -> Timeline:
    """The timeline of an experiment, given as it will be in the end."""
    entries = foreseen.life.entries
    ends = [*(entry.since for entry in entries[1:]), None]
    return Timeline(
        name=foreseen.name,
        now=now,
        start_time=foreseen.life.start_time,
        end_time=foreseen.life.end_time,
        production=foreseen.production,
        shadow=foreseen.shadow,
        segments=tuple(
            Segment(entry.status, entry.since, end, str(entry.trigger), dict(variants))
            for entry, end, variants in zip(entries, ends, foreseen.variant_history, strict=True)
        ),
    )


def short(duration: dt.timedelta) -> str:
    """A duration in its two largest units, `6m` or `1d2h`, and in one where two would take too much room."""
    left = round(duration.total_seconds())
    words = []
    for unit, size in (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    text = "".join(words[:2]) or ("0s" if not duration else "<1s")
    return text if len(text) <= _LONGEST_DURATION else words[0]


# --- how wide things are

_TERMINAL, _BAR, _LONGEST_DURATION = 80, 25, 7


def _magnitude(segment: Segment) -> float:
    duration = segment.duration
    return 0.0 if duration is None else math.log1p(duration.total_seconds() / 60)


def _shares(segments: tuple[Segment, ...], width: int) -> list[int]:
    """Columns for each segment: at least one for what lasts while there is room, none for what takes none or stays."""
    magnitudes = [_magnitude(segment) for segment in segments]
    lasting = sum(magnitude > 0 for magnitude in magnitudes)
    least = int(lasting <= width)
    free, total = width - least * lasting, sum(magnitudes) or 1
    return [least * (magnitude > 0) + int(free * magnitude / total) for magnitude in magnitudes]


_LEFT, _TOP, _LANE, _MARGIN, _EDGE = 144, 72, 34, 44, 16
# Names are set in letters that are all as wide, so that it is known where they end.
_LETTERS, _LETTER, _TITLE_SIZE = "ui-monospace, monospace", 0.62, 14
_COLOURS = {
    "Creating": "#dbeafe",
    "Created": "#e5e7eb",
    "Starting": "#dbeafe",
    "Running": "#bbf7d0",
    "InService": "#bbf7d0",
    "Updating": "#fef3c7",
    "Stopping": "#fed7aa",
    "Deleting": "#fed7aa",
    "Completed": "#a7f3d0",
    "Cancelled": "#fecaca",
    "Deleted": "#e5e7eb",
}


def _pixels(segment: Segment) -> float:
    return 86 + 14 * _magnitude(segment)


def _svg_head(width: float, title: str) -> str:
    height = _TOP + 3 * _LANE + 22
    heading = _text(_EDGE, 22, title, size=_TITLE_SIZE, weight=600, family=_LETTERS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}" role="img">\n<title>{escape(_printable(title))}</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{heading}'
    )


def _box(x: float, y: float, width: float, word: str, *, faded: bool) -> str:
    border = ' stroke-dasharray="4 3"' if faded else ""
    return (
        f'<rect x="{x + 1:.1f}" y="{y}" width="{width - 2:.1f}" height="{_LANE - 8}" rx="4" '
        f'fill="{_COLOURS.get(word, "#f3f4f6")}" fill-opacity="{0.45 if faded else 1}" stroke="#6b7280"{border}/>'
    )


def _marker(x: float, row: int, bottom: float, label: str, *, colour: str, dash: str) -> str:
    """A line down from its label, which stands in a row of its own above the lanes."""
    top = _TOP - 6 - 12 * row
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="{dash}"/>\n{_text(x, top - 2, label, anchor="middle", size=10, colour=colour)}'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 12,
    weight: int = 400,
    colour: str = "#111827",
    family: str = "system-ui, sans-serif",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'font-family="{family}" fill="{colour}">{escape(_printable(text))}</text>'
    )


def _printable(text: str) -> str:
    """The text without what XML cannot hold."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
