"""The charts of a Timeline: text for terminals, SVG for notebooks and web pages.

The scale of time is logarithmic: the width of a status grows with the logarithm of its duration. On a linear scale, a
deployment of some minutes would be invisible beside a schedule of some days.
"""

from __future__ import annotations

import math
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from mock_sagemaker_ie.timeline import Segment, Timeline

_TERMINAL_WIDTH = 80


def short_duration(duration: dt.timedelta) -> str:
    """Return a duration in its two largest units, for example `6m` or `1d2h`; in one unit if two are too long."""
    rest = round(duration.total_seconds())
    words = []
    for unit, size in (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count}{unit}")
    text = "".join(words[:2]) or ("0s" if not duration else "<1s")
    return text if len(text) <= _MAX_DURATION_LENGTH else words[0]


def _title(timeline: Timeline) -> str:
    state = f": {timeline.present.status} at {timeline.now:%Y-%m-%d %H:%M:%S} UTC"
    return _clip(timeline.name, _TERMINAL_WIDTH - len(state)) + state


def _magnitude(segment: Segment) -> float:
    """Return the logarithmic size of a segment; 0 for one without a duration."""
    duration = segment.duration
    return 0.0 if duration is None else math.log1p(duration.total_seconds() / 60)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


# --- text

_BAR_WIDTH, _MAX_DURATION_LENGTH = 25, 7


def text_chart(timeline: Timeline) -> str:
    """Return a chart of at most 80 columns: two header lines and one line for each segment."""
    scale = f"schedule {timeline.start_time:%Y-%m-%d %H:%M} to {timeline.end_time:%Y-%m-%d %H:%M}"
    lines, offset = [_title(timeline), f"  {scale}  (variants: production/shadow)"], 0
    for segment, width in zip(timeline.segments, _bar_widths(timeline.segments), strict=True):
        done = round(width * _elapsed(segment, timeline.now))
        bar = " " * offset + "█" * done + "░" * (width - done)
        mark = ">" if segment is timeline.present else " "
        variants = "/".join(segment.variants[name] for name in (timeline.production, timeline.shadow))
        duration = "" if segment.duration is None else short_duration(segment.duration)
        row = f"{mark} {segment.status:<10}{segment.begin:%m-%d %H:%M:%S} {duration:>7} {bar:<{_BAR_WIDTH}} {variants}"
        lines.append(row.rstrip())
        offset += width
    return "\n".join(lines)


def _elapsed(segment: Segment, now: dt.datetime) -> float:
    """Return the fraction of a segment that has passed by `now`, from 0 to 1; 0 for a segment without an end."""
    if segment.end is None or segment.begin > now:
        return 0.0
    if segment.end <= now:
        return 1.0
    return (now - segment.begin) / (segment.end - segment.begin)


def _bar_widths(segments: Sequence[Segment]) -> list[int]:
    """Return the width of each segment's bar, in columns.

    A segment without a duration gets no column. Each other segment gets at least one, if there are enough columns.
    """
    magnitudes = [_magnitude(segment) for segment in segments]
    count = sum(magnitude > 0 for magnitude in magnitudes)
    minimum = int(count <= _BAR_WIDTH)
    free, total = _BAR_WIDTH - minimum * count, sum(magnitudes) or 1
    return [minimum * (magnitude > 0) + int(free * magnitude / total) for magnitude in magnitudes]


# --- SVG

_LEFT, _TOP, _LANE, _MARGIN, _EDGE = 144, 72, 34, 44, 16
_TIMES, _NARROW_LANE, _NARROW_TOP = 84, 90, 84  # The widths of the column of times and of a lane, and the first row.
_LABEL_HEIGHT = 12
_GREY, _RED, _DOTTED = "#6b7280", "#b91c1c", "2 3"
# Names are written in a monospaced font, so that the width of a name follows from its length.
_MONOSPACE, _LETTER, _TITLE_SIZE = "ui-monospace, monospace", 0.62, 14
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


def svg_chart(timeline: Timeline) -> str:
    """Return an SVG 1.1 image of 3 lanes, with marks at the start and end of the schedule, and at `now`."""
    drawn = [segment for segment in timeline.segments if segment.begin != segment.end]
    widths = [86 + 14 * _magnitude(segment) for segment in drawn]
    edges: list[float] = [_LEFT]
    for width in widths:
        edges.append(edges[-1] + width)
    title = _title(timeline)
    total = max(edges[-1] + _MARGIN, 2 * _EDGE + len(title) * _LETTER * _TITLE_SIZE)

    lanes = _lanes(timeline)
    bottom = _TOP + len(lanes) * _LANE
    # SVG draws in order: texts come last, so that no line hides them.
    shapes = [_svg_head(total, bottom + 22, title)]
    texts = [_text(_EDGE, 22, title, size=_TITLE_SIZE, weight=600, family=_MONOSPACE)]
    for number, (label, status_of) in enumerate(lanes):
        top = _TOP + number * _LANE
        weight = 600 if number == 0 else 400
        texts.append(_text(_LEFT - 8, top + 18, _clip(label, 18), anchor="end", weight=weight, family=_MONOSPACE))
        for status, left, right, future in _groups(timeline, drawn, edges, status_of):
            shapes.append(_box(left + 1, top, right - left - 2, _LANE - 8, status, faded=future))
            texts.append(_text((left + right) / 2, top + 18, status, anchor="middle"))
    for segment, left in zip(drawn, edges, strict=False):
        texts.append(_text(left + 2, bottom + 13, f"{segment.begin:%m-%d %H:%M}", size=10))
    for row, (label, when) in enumerate((("start", timeline.start_time), ("end", timeline.end_time))):
        x = _x(when, timeline.now, drawn, edges)
        beyond = when > timeline.now and x == edges[-1]
        text = f"schedule {label} {when:%m-%d %H:%M}" if beyond else f"schedule {label}"
        anchor = "end" if beyond else "middle"
        shapes.append(_marker(x, row, bottom, text, colour=_GREY, dash=_DOTTED, anchor=anchor))
    shapes.append(_marker(_x(timeline.now, timeline.now, drawn, edges), 2, bottom, "now", colour=_RED))
    return "\n".join([*shapes, *texts, "</svg>"])


def narrow_svg_chart(timeline: Timeline) -> str:
    """Return what `svg_chart` shows for a narrow screen: 358 pixels wide, and time goes down."""
    drawn = [segment for segment in timeline.segments if segment.begin != segment.end]
    edges: list[float] = [_NARROW_TOP]
    for segment in drawn:
        edges.append(edges[-1] + 30 + 5 * _magnitude(segment))
    right = _TIMES + 3 * _NARROW_LANE
    shapes = [_svg_head(right + 4, edges[-1] + 16, _title(timeline))]
    texts = [
        _text(4, 20, _clip(timeline.name, 38), size=_TITLE_SIZE, weight=600, family=_MONOSPACE),
        _text(4, 38, f"{timeline.present.status} at {timeline.now:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    for number, (label, status_of) in enumerate(_lanes(timeline)):
        left = _TIMES + number * _NARROW_LANE
        middle = left + _NARROW_LANE / 2
        name = "experiment" if number == 0 else _clip(label, 13)
        texts.append(_text(middle, 62, name, anchor="middle", size=10, family=_MONOSPACE))
        for status, top, bottom, future in _groups(timeline, drawn, edges, status_of):
            shapes.append(_box(left + 2, top + 1, _NARROW_LANE - 4, bottom - top - 2, status, faded=future))
            texts.append(_text(middle, (top + bottom) / 2 + 4, status, anchor="middle"))
    for segment, top in zip(drawn, edges, strict=False):
        texts.append(_text(4, top + 13, f"{segment.begin:%m-%d %H:%M}", size=10))
    marks = (
        ("start", timeline.start_time, _GREY, _DOTTED),
        ("end", timeline.end_time, _GREY, _DOTTED),
        ("now", timeline.now, _RED, "none"),
    )
    labels: dict[float, str] = {}  # By the height of the first of the marks that lie too near for a label each.
    for y, label, colour, dash in sorted(
        (_x(when, timeline.now, drawn, edges), label, colour, dash) for label, when, colour, dash in marks
    ):
        shapes.append(_line(_TIMES - 8, right, y, y, colour=colour, dash=dash))
        near = next((each for each in labels if y - each < _LABEL_HEIGHT), y)
        labels[near] = ", ".join([*filter(None, [labels.get(near)]), label])
    for y, label in labels.items():
        colour = _RED if "now" in label else _GREY
        texts.append(_text(_TIMES - 4, y - 3, label, anchor="end", size=10, colour=colour))
    return "\n".join([*shapes, *texts, "</svg>"])


def _lanes(timeline: Timeline) -> list[tuple[str, Callable[[Segment], str]]]:
    """Return the label of each lane, and the function that gives its status in a segment."""
    return [
        (timeline.name, lambda segment: str(segment.status)),
        (timeline.production, lambda segment: segment.variants[timeline.production]),
        (timeline.shadow, lambda segment: segment.variants[timeline.shadow]),
    ]


def _groups(
    timeline: Timeline, drawn: Sequence[Segment], edges: Sequence[float], status_of: Callable[[Segment], str]
) -> Iterator[tuple[str, float, float, bool]]:
    """Yield each status of a lane with the edges of its box, and whether it lies in the future."""
    placed = zip(drawn, edges, edges[1:], strict=False)
    for status, group in groupby(placed, key=lambda item: status_of(item[0])):
        members = list(group)
        yield status, members[0][1], members[-1][2], members[0][0].begin > timeline.now


def _x(when: dt.datetime, now: dt.datetime, drawn: Sequence[Segment], edges: Sequence[float]) -> float:
    """Return the coordinate of an instant. Instants before all segments, and after the last, are at the edges."""
    for segment, left, right in zip(drawn, edges, edges[1:], strict=False):
        if segment.duration is None or segment.end is None:
            if when <= segment.begin:
                return left
            if when <= now:  # The scale of a status without an end is the time that has passed.
                return left + 0.6 * (right - left) * (when - segment.begin) / (now - segment.begin)
        elif when < segment.end:
            return left + (right - left) * max((when - segment.begin) / segment.duration, 0)
    return edges[-1]


def _svg_head(width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img">\n<title>{escape(_printable(title))}</title>\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>'
    )


def _box(x: float, y: float, width: float, height: float, status: str, *, faded: bool) -> str:
    border = ' stroke-dasharray="4 3"' if faded else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" '
        f'fill="{_COLOURS.get(status, "#f3f4f6")}" fill-opacity="{0.45 if faded else 1}" stroke="#6b7280"{border}/>'
    )


def _line(x1: float, x2: float, y1: float, y2: float, *, colour: str, dash: str) -> str:
    return (
        f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="{dash}"/>'
    )


def _marker(
    x: float, row: int, bottom: float, label: str, *, colour: str, dash: str = "none", anchor: str = "middle"
) -> str:
    """Return a vertical line below its label. The label is in its own row (0, 1, 2) above the lanes."""
    top = _TOP - 6 - 12 * row
    text = _text(x, top - 2, label, anchor=anchor, size=10, colour=colour)
    return f"{_line(x, x, top, bottom, colour=colour, dash=dash)}\n{text}"


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
    """Replace the characters that XML does not allow."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
