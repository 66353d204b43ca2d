"""Virtual time in asyncio's event loops: when a loop has nothing to do before its next timer, time jumps to the timer.

It works for every loop of asyncio, also one that runs already, and however its users imported `sleep`: all timers are
the loop's. A loop that is written in another language, such as uvloop, is not reached.

The only file that uses private names of asyncio: `BaseEventLoop._run_once`, `_ready`, `_scheduled`, `_stopping`,
`_selector` and `_process_events`, and `TimerHandle._when` and `_context`.
"""

from __future__ import annotations

import math
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.replacement import Replacement, Replacements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.interception.replacement import Link
    from mock_sagemaker_ie.interception.virtual_time import VirtualTime

# The real seconds in which an answer may come to a loop with connections before its time jumps. Another process or
# machine may be about to send it, which nobody here can see.
GRACE = 0.05
# The turns without a rest after which a loop waits for the time itself, as `while loop.time() < end: await sleep(0)`.
MAX_TURNS = 10_000
# A longer sleep, as `asyncio.sleep(math.inf)`, is not meant to end.
FOREVER = 100 * 366 * 24 * 3600


class _LoopTime:
    """The time of one loop. It stands still while callbacks run, and jumps from timer to timer.

    No two readings are equal: so timers with the same delay fire in the order in which they were made, as on a real
    loop. It runs with the real time while there is no timer, and when the loop never rests.
    """

    def __init__(self, real: Callable[[], float]) -> None:
        self.real = real
        self.now = self._reading = real()
        self.turns = 0  # Since the loop rested last.
        self._seen: WeakKeyDictionary[VirtualTime, int] = WeakKeyDictionary()

    def read(self) -> float:
        self._reading = math.nextafter(max(self._reading, self.now), math.inf)
        return self._reading

    def follow(self, times: list[VirtualTime]) -> None:
        """Let the time pass that has passed for mocks, for example by another thread's sleep."""
        instants = {each: each.now() for each in times}
        self.now += max((now - self._seen.get(each, now) for each, now in instants.items()), default=0) / 1e6
        self._seen.update(instants)

    def run(self, call: Callable[[Any], Any], argument: Any) -> None:
        """Call something while this time runs with the real time."""
        before = self.real()
        call(argument)
        self.now += self.real() - before


# By loop. A loop gets its own time when a mock with virtual sleep first sees it.
_times: WeakKeyDictionary[Any, _LoopTime] = WeakKeyDictionary()


class EventLoopPatch:
    """Our versions of two methods of every loop of asyncio."""

    _replacements = Replacements(())

    def install(self) -> None:
        """Replace both methods."""
        from asyncio import base_events  # noqa: PLC0415 - slow, and few need it

        loop: Any = base_events.BaseEventLoop
        # freezegun gives a subclass a method of its own.
        clocks = [each for each in _with_subclasses(loop) if "time" in vars(each)]
        self._replacements = Replacements(
            [
                *(Replacement(each, "time", _time) for each in clocks),
                Replacement(loop, "_run_once", _run_once),
            ]
        )
        running = _loops_of_other_threads(loop._run_once) if threading.active_count() > 1 else []  # noqa: SLF001
        self._replacements.install()
        for waiting in running:  # They may wait for real.
            with suppress(RuntimeError):  # It is closed.
                waiting.call_soon_threadsafe(_do_nothing)

    def remove(self) -> None:
        """Restore both methods. Timers that are still to come keep their distance to the present."""
        self._replacements.remove()
        while _times:
            loop, virtual = _times.popitem()
            ahead = virtual.now - virtual.real()
            for timer in [*loop._scheduled]:  # noqa: SLF001
                timer._when -= ahead  # noqa: SLF001


def _with_subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


def _loops_of_other_threads(run_once: Any) -> list[Any]:
    """Return the loops that run now in other threads. asyncio has no list of them."""
    found: list[Any] = []
    for thread, innermost in sys._current_frames().items():  # noqa: SLF001 - documented for this use
        frame: Any = None if thread == threading.get_ident() else innermost
        while frame is not None:
            if frame.f_code is getattr(run_once, "__code__", None):
                found.append(frame.f_locals["self"])
            frame = frame.f_back
    return found


def _do_nothing() -> None:
    pass


def _time(link: Link) -> Callable[[Any], float]:
    def read(loop: Any) -> float:
        mock_time = stack.virtual_time()
        virtual = _times.get(loop)
        if virtual is None:
            if mock_time is None:
                return link.original(loop)  # type: ignore[no-any-return]
            here = ref(loop)  # The dictionary must not keep its keys.
            virtual = _times[loop] = _LoopTime(lambda: link.original(here()))
        if mock_time is not None:
            virtual.follow([mock_time])
        return virtual.read()

    return read


def _run_once(link: Link) -> Callable[[Any], None]:
    def run_once(loop: Any) -> None:
        loop.time()
        virtual = _times.get(loop)
        if virtual is None:  # The mock has just ended.
            link.original(loop)
        elif loop._ready or loop._stopping:  # noqa: SLF001
            virtual.turns += 1
            if virtual.turns > MAX_TURNS:
                virtual.run(link.original, loop)
            else:
                link.original(loop)
        else:
            virtual.turns = 0
            _rest(loop, virtual)
            link.original(loop)

    return run_once


def _rest(loop: Any, virtual: _LoopTime) -> None:
    """Wait until a callback is ready."""
    never = virtual.now + FOREVER
    timers = [each for each in loop._scheduled if each.when() < never and not each.cancelled()]  # noqa: SLF001
    if not timers:
        virtual.run(lambda seconds: _take_input(loop, seconds), None)
        return
    times = _times_of(timers)
    virtual.follow(times)
    first = min(timers, key=lambda timer: timer.when())
    step = round((first.when() - virtual.now) * 1e6)
    if first.when() <= virtual.now or _take_input(loop, 0) or not times:
        return
    has_connections = _has_connections(loop)
    leader, *others = times
    began = [each.now() for each in times]
    has_come = leader.wait(
        began[0] + step,
        lambda seconds: _take_input(loop, seconds),
        drives=stack.drives(leader, first._context),  # noqa: SLF001
        grace=GRACE if has_connections else 0,
        alone=len(timers) == 1 and not has_connections,
    )
    passed = leader.now() - began[0]
    for each, its_began in zip(others, began[1:], strict=True):
        each.pass_time(its_began + passed - each.now(), alone=False)
    virtual.follow(times)
    if has_come:
        virtual.now = max(virtual.now, first.when())


def _take_input(loop: Any, seconds: float | None) -> bool:
    """Let a loop wait for its files and other threads for so long, and return whether it has something to do."""
    loop._process_events(loop._selector.select(seconds))  # noqa: SLF001
    return bool(loop._ready)  # noqa: SLF001


def _has_connections(loop: Any) -> bool:
    """Return whether a loop waits for a file besides the pipe with which other threads wake it."""
    files = getattr(loop._selector, "get_map", lambda: None)()  # noqa: SLF001 - that of Windows has no such list
    return files is None or len(files) > 1


def _times_of(timers: list[Any]) -> list[VirtualTime]:
    """Return the virtual times of the mocks that count for these timers."""
    found = [stack.virtual_time(each._context) for each in timers]  # noqa: SLF001
    return [each for each in dict.fromkeys(found) if each is not None]
