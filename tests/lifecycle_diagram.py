"""The diagram of LIFECYCLE as an SVG image, which needs no program and no network where it is shown."""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, LIFECYCLE, Status
from mock_sagemaker_ie.backend.transitions import Derived, Failure

# The column and the row of each status. An edge is drawn for each pair of statuses in LIFECYCLE.
PLACES = {
    "Creating": (0, 0),
    "Running": (2, 0),
    "Starting": (1, 0.6),
    "Created": (0, 2),
    "Updating": (1, 2),
    "Stopping": (2, 2.9),
    "gone": (0, 3.9),
    "Completed": (1, 3.9),
    "Cancelled": (2, 3.9),
}
BENDS = {("Cancelled", "gone"): -45}  # How far the middle of an edge is from the straight line, to its left.
COLUMN, ROW, EDGE = 335, 95, 26
WIDTH, HEIGHT = 104, 34  # Of the box of a status.
PAIR = 9  # Half of the distance between two edges in opposite directions.


class Point(NamedTuple):
    """A point, or a vector."""

    x: float
    y: float

    def plus(self, other: Point, factor: float = 1) -> Point:
        """Return the sum of this and another vector times a factor."""
        return Point(self.x + factor * other.x, self.y + factor * other.y)


def edges() -> dict[tuple[str, str], list[str]]:
    """Return the triggers by source and target, without failures, which lead from each status to Cancelled."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in LIFECYCLE:
        if isinstance(row.trigger, Failure) or row.source is None:
            continue
        targets = [each for each in Status if each in FINISHED] if row.target is Derived.DESIRED else [row.target]
        for target in targets:
            found.setdefault((str(row.source), str(target or "gone")), []).append(str(row.trigger))
    return found


def svg() -> str:
    """Return the image."""
    found = edges()
    lines = [_edge(*pair, triggers, paired=pair[::-1] in found) for pair, triggers in found.items()]
    boxes = [_box(name) for name in PLACES]
    width, height = 2 * COLUMN + WIDTH + 2 * EDGE, round(3.9 * ROW + HEIGHT + 3 * EDGE)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12">\n'
        '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#374151"/></marker>\n'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *(line for line, _ in lines), *boxes, *(label for _, label in lines), "</svg>\n"])


def _centre(name: str) -> Point:
    column, row = PLACES[name]
    return Point(EDGE + WIDTH / 2 + column * COLUMN, EDGE + HEIGHT / 2 + row * ROW)


def _box(name: str) -> str:
    x, y = _centre(name)
    dash = ' stroke-dasharray="4 3"' if name == "gone" else ""
    return (
        f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="#dbeafe" stroke="#374151"{dash}/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" font-weight="600">{name}</text>'
    )


def _edge(source: str, target: str, triggers: list[str], *, paired: bool) -> tuple[str, str]:
    """Return the line of an edge, and its label."""
    begin, end = _centre(source), _centre(target)
    length = math.dist(begin, end)
    left = Point((end.y - begin.y) / length, (begin.x - end.x) / length)
    shift = PAIR if paired else 0
    begin, end = begin.plus(left, shift), end.plus(left, shift)
    middle = begin.plus(end.plus(begin, -1), 0.5).plus(left, -2 * BENDS.get((source, target), 0))
    start, stop = _leave(begin, middle, source), _leave(end, middle, target)
    line = (
        f'<path d="M{start.x:.0f} {start.y:.0f}Q{middle.x:.0f} {middle.y:.0f} {stop.x:.0f} {stop.y:.0f}" fill="none" '
        'stroke="#374151" marker-end="url(#arrow)"/>'
    )
    place = start.plus(middle, 2).plus(stop)
    x, y = place.x / 4, place.y / 4 + 4
    if paired:
        x, y = x + 9 * left.x, y + 9 * left.y
    label = (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" fill="#374151" stroke="#fff" stroke-width="4" '
        f'paint-order="stroke">{escape(" · ".join(triggers))}</text>'
    )
    return line, label


def _leave(inside: Point, towards: Point, name: str) -> Point:
    """Return where the line from a point in the box of a status towards another point leaves the box."""
    centre, (dx, dy) = _centre(name), towards.plus(inside, -1)
    across = ((centre.x + math.copysign(WIDTH / 2, dx)) - inside.x) / dx if dx else math.inf
    down = ((centre.y + math.copysign(HEIGHT / 2, dy)) - inside.y) / dy if dy else math.inf
    return inside.plus(Point(dx, dy), min(across, down))
