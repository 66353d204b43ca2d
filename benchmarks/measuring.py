"""A row of the table, and its measurement: two sides (ours and the peer), each in its own process, take turns.

Both sides get the same noise of the machine, so the median of the comparisons of all rounds is stable even if the
figures are not. In separate processes, no side pays for the imports, patches and garbage of the other one.
"""

from __future__ import annotations

import gc
import multiprocessing
import operator
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    Call = Callable[[], Any]
    # Prepares its process and yields the call to measure.
    Side = Callable[[], AbstractContextManager[Call]]

MIN_SAMPLE = 0.03  # Seconds: a shorter sample would be too close to the resolution of the clock.


def cpu_seconds(call: Call) -> float:
    """Return the processor time of one `call` in seconds: the mean of enough calls for one sample."""
    gc.collect()
    number, elapsed = 1, 0.0
    while elapsed < MIN_SAMPLE:
        number *= 2
        start = time.process_time()
        for _ in range(number):
            call()
        elapsed = time.process_time() - start
    return elapsed / number


def returned_figure(call: Call) -> float:
    """Return the figure that `call` returns, which does its own measurement."""
    return float(call())


class Kind(NamedTuple):
    """The kind of figures in a row: functions that take, compare and format them."""

    take: Callable[[Call], float]
    compare: Callable[[float, float], float]
    figure: Callable[[float], str]
    comparison: Callable[[float], str]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


CPU_TIME = Kind(cpu_seconds, operator.truediv, _duration, "{:.3f}".format)
RETURNED_TIME = CPU_TIME._replace(take=returned_figure)  # The call returns seconds.
MEMORY = Kind(returned_figure, operator.sub, "{:.2f} MiB".format, "{:+.2f} MiB".format)


@dataclass(frozen=True)
class Row:
    """One row of the table. `what`: its name; `bar`: the maximum of the comparison of ours with the peer."""

    what: str
    ours: Side
    peer: Side
    bar: float
    kind: Kind = CPU_TIME
    rounds: int = 30


class Outcome(NamedTuple):
    """The medians of all rounds of a row: the figures of ours and of the peer, and their comparisons in each round."""

    row: Row
    ours: float
    peer: float
    comparison: float

    @property
    def met(self) -> bool:
        """True if the comparison does not exceed the bar."""
        return self.comparison <= self.row.bar

    def __str__(self) -> str:
        row, kind = self.row, self.row.kind
        figures = kind.figure(self.ours), kind.figure(self.peer), kind.comparison(self.comparison)
        verdict = "met" if self.met else "**MISSED**"
        return " | ".join(["", row.what, *figures, f"≤ {kind.comparison(row.bar)}", verdict, ""]).strip()


HEADER = "| what | ours (median) | peer (median) | ratio | bar | verdict |\n|---|--:|--:|--:|--:|---|"


def measure(row: Row, rounds: int) -> Outcome:
    """Measure a row: both sides take turns. A first round warms them up and does not count."""
    with _worker(row.ours, row.kind.take) as ours, _worker(row.peer, row.kind.take) as peer:
        pairs = [(ours(), peer()) for _ in range(1 + rounds)][1:]
    comparisons = [row.kind.compare(*pair) for pair in pairs]
    return Outcome(row, *map(median, zip(*pairs, strict=True)), median(comparisons))


@contextmanager
def _worker(side: Side, take: Callable[[Call], float]) -> Iterator[Callable[[], float]]:
    """Start a process that prepares `side`; yield a function that takes one figure in this process."""
    processes = multiprocessing.get_context("spawn")
    near, far = processes.Pipe()
    process = processes.Process(target=_work, args=(side, take, far), daemon=True)
    process.start()
    far.close()

    def figure() -> float:
        near.send("go")
        return near.recv()

    try:
        yield figure
    finally:
        near.close()
        process.join()


def _work(side: Side, take: Callable[[Call], float], pipe: Connection) -> None:
    with side() as call:
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            pipe.send(take(call))
