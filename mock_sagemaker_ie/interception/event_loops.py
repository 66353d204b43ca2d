"""Virtual time in asyncio's event loops: when a loop has nothing to do before its next timer, time jumps to the timer.

It works for every loop of asyncio, also one that runs already, and however its users imported `sleep`: all timers are
the loop's. A loop that is written in another language, such as uvloop, is not reached.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.replacement import Replacement, Replacements
from mock_sagemaker_ie.interception.virtual_time import PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.interception.virtual_time import VirtualTime


class _LoopTime:
    """The time of one loop. It stands still while callbacks run, and jumps from timer to timer.

    No two readings are equal: so timers with the same delay fire in the order in which they were made, as on a real
    loop.
    """

    def __init__(self, now: float) -> None:
        self.now = self._reading = now
        self._seen: WeakKeyDictionary[VirtualTime, int] = WeakKeyDictionary()

    def read(self) -> float:
        self._reading = math.nextafter(max(self._reading, self.now), math.inf)
        return self._reading

    def follow(self, times: list[VirtualTime]) -> None:
        """Let the time pass that has passed for the mocks of the timers, for example by another thread's sleep."""
        instants = {each: each.now() for each in times}
        self.now += max((now - self._seen.get(each, now) for each, now in instants.items()), default=0) / 1e6
        self._seen.update(instants)


# By loop. A loop gets its own time when a mock with virtual sleep first sees it.
_times: WeakKeyDictionary[Any, _LoopTime] = WeakKeyDictionary()


class EventLoopPatch:
    """Our versions of two methods of every loop of asyncio."""

    def install(self) -> None:
        """Replace both methods."""
        from asyncio import base_events  # noqa: PLC0415 - slow, and few need it

        # freezegun gives a subclass a method of its own.
        clocks = [each for each in _with_subclasses(base_events.BaseEventLoop) if "time" in vars(each)]
        self._replacements = Replacements(
            [
                *(Replacement(each, "time", _time) for each in clocks),
                Replacement(base_events.BaseEventLoop, "_run_once", _run_once),
            ]
        )
        self._replacements.install()

    def remove(self) -> None:
        """Restore both methods. Timers that are still to come keep their distance to the present."""
        self._replacements.remove()
        for loop, virtual in [*_times.items()]:
            ahead = virtual.now - loop.time()
            for timer in loop._scheduled:  # noqa: SLF001 - asyncio has no public way
                timer._when -= ahead  # noqa: SLF001
        _times.clear()


def _with_subclasses(kind: type) -> Iterator[type]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


def _time(original: Callable[[Any], float]) -> Callable[[Any], float]:
    def read(loop: Any) -> float:
        virtual = _times.get(loop)
        if virtual is None:
            if stack.virtual_time() is None:
                return original(loop)
            virtual = _times[loop] = _LoopTime(original(loop))
        return virtual.read()

    return read


def _run_once(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def run_once(loop: Any) -> None:
        if not loop._ready and not loop._stopping:  # noqa: SLF001
            _pass_time(loop)
        original(loop)

    return run_once


def _pass_time(loop: Any) -> None:
    """Let time pass until a callback is ready, if a timer is all that a loop waits for."""
    timers = [each for each in loop._scheduled if not each.cancelled()]  # noqa: SLF001
    times = _times_of(timers)
    if not times:
        return
    loop.time()
    virtual = _times[loop]
    virtual.follow(times)
    first = min(timers, key=lambda timer: timer.when())
    step = round((first.when() - virtual.now) * 1e6)
    if first.when() <= virtual.now or _take_input(loop, 0):
        return
    leader, *others = times
    # A file besides the loop's own pipe: an answer may be on its way from a thread of this process.
    in_flight = len(loop._selector.get_map() or ()) > 1  # noqa: SLF001
    began = leader.now()
    has_come = leader.wait(
        began + step,
        lambda: _take_input(loop, PAUSE),
        drives=stack.drives(leader, first._context),  # noqa: SLF001
        also_daemons=in_flight,
        alone=len(timers) == 1 and not in_flight,
    )
    passed = leader.now() - began
    for each in others:
        each.pass_time(passed, alone=False)
    virtual.follow(times)
    if has_come:
        virtual.now = max(virtual.now, first.when())


def _take_input(loop: Any, seconds: float) -> bool:
    """Let a loop wait for its files and other threads for so long, and return whether it has something to do."""
    loop._process_events(loop._selector.select(seconds))  # noqa: SLF001
    return bool(loop._ready)  # noqa: SLF001


def _times_of(timers: list[Any]) -> list[VirtualTime]:
    """Return the virtual times of the mocks that count for these timers."""
    found = [stack.virtual_time(each._context) for each in timers]  # noqa: SLF001
    return [each for each in dict.fromkeys(found) if each is not None]
