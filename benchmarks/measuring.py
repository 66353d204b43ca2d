"""A row of the table and how it is measured: ours and the peer, each in a process of its own, take turns.

Both meet the same noise of the machine, so the median of what the rounds say of each pair is steady when the figures
are not; and neither pays for what the other imported, patched or left for the garbage collector.
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
    # Prepares its process and gives the call to measure.
    Side = Callable[[], AbstractContextManager[Call]]

ENOUGH = 0.03  # Seconds after which a sample is long enough to be told from the clock's grain.


def cpu_seconds(call: Call) -> float:
    """The processor time that one `call` takes, over as many as make a sample."""
    gc.collect()
    number, elapsed = 1, 0.0
    while elapsed < ENOUGH:
        number *= 2
        start = time.process_time()
        for _ in range(number):
            call()
        elapsed = time.process_time() - start
    return elapsed / number


def own_figure(call: Call) -> float:
    """What `call`, which measures a process that it starts, gives."""
    return float(call())


class Kind(NamedTuple):
    """What the figures of a row are: how one is taken, how ours and the peer's are compared, how both are written."""

    take: Callable[[Call], float]
    compare: Callable[[float, float], float]
    figure: Callable[[float], str]
    comparison: Callable[[float], str]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


CPU_TIME = Kind(cpu_seconds, operator.truediv, _duration, "{:.3f}".format)
CPU_TIME_OF_PROCESS = CPU_TIME._replace(take=own_figure)
MEMORY = Kind(own_figure, operator.sub, "{:.2f} MiB".format, "{:+.2f} MiB".format)


@dataclass(frozen=True)
class Row:
    """`what` is measured, and the `bar` that ours compared with the peer must not pass."""

    what: str
    ours: Side
    peer: Side
    bar: float
    kind: Kind = CPU_TIME
    rounds: int = 30


class Outcome(NamedTuple):
    """The medians of a row's rounds: of ours, of the peer, and of the two compared round by round."""

    row: Row
    ours: float
    peer: float
    comparison: float

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.comparison <= self.row.bar

    def __str__(self) -> str:
        row, kind = self.row, self.row.kind
        figures = kind.figure(self.ours), kind.figure(self.peer), kind.comparison(self.comparison)
        verdict = "met" if self.met else "**MISSED**"
        return " | ".join(["", row.what, *figures, f"≤ {kind.comparison(row.bar)}", verdict, ""]).strip()


HEADER = "| what | ours (median) | peer (median) | ratio | bar | verdict |\n|---|--:|--:|--:|--:|---|"


def measure(row: Row, rounds: int) -> Outcome:
    """Let both sides take turns, after a turn to warm up that does not count."""
    with _worker(row.ours, row.kind.take) as ours, _worker(row.peer, row.kind.take) as peer:
        pairs = [(ours(), peer()) for _ in range(1 + rounds)][1:]
    comparisons = [row.kind.compare(*pair) for pair in pairs]
    return Outcome(row, *map(median, zip(*pairs, strict=True)), median(comparisons))


@contextmanager
def _worker(side: Side, take: Callable[[Call], float]) -> Iterator[Callable[[], float]]:
    """A fresh process that has prepared `side`; each call of what this gives takes one figure there."""
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
