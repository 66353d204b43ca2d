"""Virtual time: what passes when the code under test sleeps in a mock with `virtual_sleep=True`.

Sleepers are threads, and event loops whose next callback is a timer. Time jumps to the earliest deadline as soon as
nobody else in the process can run, so sleeps side by side take as long as the longest, and end in the order of their
deadlines. A daemon thread waits until others have moved the time, unless the mock is its own.

A thread alone never waits. Where other threads run, a sleeper looks at them until they rest: each of them sleeps here,
or stands at the same instruction in several looks. A thread that never rests cannot hold the sleeper for ever: it goes
on after the real length of its sleep.
"""

from __future__ import annotations

import datetime as dt
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mock_sagemaker_ie.clock import FrozenClock, movable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.service.service import Service

MICROSECOND = dt.timedelta(microseconds=1)
# The real seconds between two looks at other threads, and the looks in which they must be the same.
PAUSE, LOOKS = 0.0003, 3

# The threads that sleep in any virtual time of this process.
_asleep: set[int] = set()


class Sleeper(NamedTuple):
    """A thread that waits for an instant of a virtual time. `drives`: whether the time may jump for its sake."""

    deadline: int
    thread: int
    drives: bool


class VirtualTime:
    """The time of one mock: the microseconds by which its clock was moved since the mock was entered."""

    def __init__(self, service: Service) -> None:
        self._outer: VirtualTime | None = None
        self._carried = 0.0
        self._service = service
        self._move = movable(service.clock, "sleep")
        self._moved = dt.timedelta(0)  # For a clock that does not count it.
        self._began = self._of_clock()
        self._sleepers: list[Sleeper] = []
        self._woken: set[int] = set()
        self._changed = threading.Condition(threading.Lock())

    def _of_clock(self) -> dt.timedelta:
        moved: dt.timedelta = getattr(self._service.clock, "moved", self._moved)
        return moved

    def now(self) -> int:
        """Return the present instant."""
        return (self._of_clock() - self._began) // MICROSECOND

    @property
    def passed(self) -> float:
        """The seconds by which readings of the process's time are ahead of the real time.

        They include what has passed in the mock around this one, and in mocks inside it: so a reading does not go back
        where a mock begins or ends.
        """
        return self._carried + self.now() / 1e6

    @property
    def is_told_by_freezegun(self) -> bool:
        """Whether the process reads this time already, because the clock freezes it."""
        return isinstance(self._service.clock, FrozenClock)

    def begin(self, outer: VirtualTime | None) -> None:
        """Go on from the time of the mock around this one."""
        self._outer, self._carried = outer, 0.0 if outer is None else outer.passed

    def end(self) -> None:
        """Let the mock around this one go on from this time."""
        if self._outer is not None:
            self._outer._carried += self.now() / 1e6  # noqa: SLF001 - of the same class

    def sleep(self, seconds: float, *, drives: bool) -> None:
        """Return when `seconds` have passed, in this time or really. Raises PollingForeverError."""

        def pause() -> bool:
            with self._changed:
                self._changed.wait(PAUSE)
            return False

        self.wait(self.now() + round(seconds * 1e6), pause, drives=drives)
        self.raise_if_polling_forever()

    def raise_if_polling_forever(self) -> None:
        """Raise PollingForeverError when the code under test waits for something that cannot happen any more."""
        self._service.watch.raise_if_forever()

    def wait(
        self,
        deadline: int,
        pause: Callable[[], bool],
        *,
        drives: bool,
        also_daemons: bool = False,
        alone: bool = True,
    ) -> bool:
        """Wait for an instant, and let the time jump when all others rest. Return whether it has come.

        `pause` really waits for PAUSE seconds, or less, and returns whether the sleeper has something else to do.
        `also_daemons`: wait until daemon threads rest too. `alone`: whether nobody else in this thread can act.
        """
        if drives and not self._sleepers and threading.active_count() == 1:
            self.pass_time(deadline - self.now(), alone=alone)
            return True
        sleeper = Sleeper(deadline, threading.get_ident(), drives)
        others = _OtherThreads(also_daemons=also_daemons)
        pauses = (deadline - self.now()) / 1e6 / PAUSE
        with self._as_sleeper(sleeper):
            while self.now() < deadline and pauses > 0:
                if self._may_jump(sleeper) and others.rest(self._woken):
                    self._jump(alone=alone)
                elif pause():
                    return False
                pauses -= 1
        return True

    @contextmanager
    def _as_sleeper(self, sleeper: Sleeper) -> Iterator[None]:
        with self._changed:
            self._sleepers.append(sleeper)
            self._woken.discard(sleeper.thread)
            _asleep.add(sleeper.thread)
        try:
            yield
        finally:
            with self._changed:
                self._sleepers.remove(sleeper)
                self._woken.add(sleeper.thread)
                _asleep.discard(sleeper.thread)
                self._changed.notify_all()

    def _may_jump(self, sleeper: Sleeper) -> bool:
        """Return whether no sleeper is due, and this one is the first for whose sake the time may jump."""
        with self._changed:
            now = self.now()
            first = min((each for each in self._sleepers if each.drives), default=None)
            return sleeper is first and all(each.deadline > now for each in self._sleepers)

    def _jump(self, *, alone: bool) -> None:
        """Move the time to the first deadline, which may be the one of a daemon thread."""
        with self._changed:
            step = min(each.deadline for each in self._sleepers) - self.now()
        self.pass_time(step, alone=alone and len(self._sleepers) == 1)
        with self._changed:
            self._changed.notify_all()

    def pass_time(self, step: int, *, alone: bool) -> None:
        """Move the clock by a number of microseconds. `alone`: whether nobody else in this thread can act."""
        if step <= 0:
            return
        duration = step * MICROSECOND
        self._move(duration.total_seconds())
        self._moved += duration
        if alone:
            self._service.watch.time_passed()

    def after_fork(self) -> None:
        """Replace the lock in a child process, and forget the threads that it does not have."""
        self._changed = threading.Condition(threading.Lock())
        self._sleepers, self._woken = [], set()
        _asleep.clear()


class _OtherThreads:
    """Looks at the other threads, to see whether they rest."""

    def __init__(self, *, also_daemons: bool) -> None:
        self._also_daemons = also_daemons
        self._looks: list[object] = []

    def rest(self, woken: set[int]) -> bool:
        """Return whether each other thread sleeps, or was at the same place in the last looks.

        Daemon threads count only where the sleeper waits for them: while they have something to do that this time has
        woken them for, or always.
        """
        me = threading.get_ident()
        awake = [
            each
            for each in threading.enumerate()
            if each.ident not in (me, None)
            and each.ident not in _asleep
            and (not each.daemon or self._also_daemons or each.ident in woken)
        ]
        if not awake:
            return True
        frames = sys._current_frames()  # noqa: SLF001 - documented for this use
        places = []
        for each in awake:
            frame = frames.get(each.ident or 0)
            places.append((each.ident, id(frame), None if frame is None else frame.f_lasti))
        look = None if any(map(_is_running, awake)) else places
        self._looks = [*self._looks[-LOOKS + 1 :], look]
        return look is not None and self._looks == [look] * LOOKS


def _is_running(thread: threading.Thread) -> bool:
    """Return whether the operating system says that a thread runs or wants to. Only Linux says it."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "R"
    return False
