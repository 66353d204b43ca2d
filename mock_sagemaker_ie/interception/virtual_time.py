"""Virtual time: what passes when the code under test sleeps in a mock with `virtual_sleep=True`.

Sleepers are threads, and event loops whose next callback is a timer. Time jumps to the earliest deadline as soon as
nobody else in the process can run, so sleeps side by side take as long as the longest, and end in the order of their
deadlines. A daemon thread waits until others have moved the time, unless the mock is its own.

A thread alone never waits. Where other threads run, a sleeper waits until they rest. Threads that never rest cannot
hold it for ever: it goes on after the real length of its sleep.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from mock_sagemaker_ie.changes import locked
from mock_sagemaker_ie.clock import FrozenClock, movable
from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.interception.other_threads import PAUSE, OtherThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.service.service import Service

MICROSECOND = dt.timedelta(microseconds=1)
# The real seconds for which a sleeper waits that is not the first: threads are notified, loops are not.
THREAD_PAUSE, LOOP_PAUSE = 0.02, 0.005
# The real seconds for which a sleep that moves the time lasts at least before others are waited for no more.
MIN_WAIT = 1.0

# The native ids of the threads that do nothing but sleep in any virtual time of this process.
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
        self._counts = hasattr(service.clock, "moved")  # Else this counts.
        self._moved = dt.timedelta(0)
        self._began = self._of_clock()
        self._sleepers: dict[int, Sleeper] = {}  # By thread.
        self._restless: set[int] = set()
        self._lock = new_lock()
        self._waiting: list[threading.Lock] = []  # One of each thread that waits until the time moves.
        _times.add(self)

    def _of_clock(self) -> dt.timedelta:
        moved: dt.timedelta = self._service.clock.moved if self._counts else self._moved  # type: ignore[attr-defined]
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
            self._outer._carried += max(0.0, self.passed - self._outer.passed)  # noqa: SLF001 - of the same class

    def read(self) -> float:
        """Return `passed` for code that reads the time, maybe for a deadline of its own."""
        self._service.watch.time_was_read()
        return self.passed

    def sleep(self, seconds: float, *, drives: bool) -> None:
        """Return when `seconds` have passed, in this time or really. Raises PollingForeverError."""
        step = round(seconds * 1e6)
        if drives and not self._sleepers and threading.active_count() == 1:
            self.pass_time(step, alone=True)
        else:
            self.wait(self.now() + step, drives=drives)
        self.raise_if_polling_forever()

    def raise_if_polling_forever(self) -> None:
        """Raise PollingForeverError when the code under test waits for something that cannot happen any more."""
        self._service.watch.raise_if_forever()

    def wait(
        self,
        deadline: int,
        take_input: Callable[[float], bool] | None = None,
        *,
        drives: bool,
        grace: float = 0,
        alone: bool = True,
    ) -> bool:
        """Wait for an instant, and let the time jump when all others rest. Return whether it has come.

        `take_input`: for a loop, waits for input for some real seconds and returns whether it has something else to do.
        `grace`: the real seconds in which input may come before the time jumps. `alone`: whether nobody else in this
        thread can act.
        """
        if drives and not grace and not self._sleepers and threading.active_count() == 1:
            self.pass_time(deadline - self.now(), alone=alone)
            return True
        seconds = (deadline - self.now()) / 1e6
        began = _real_seconds()
        ends = began + (max(seconds, MIN_WAIT) if drives else seconds)
        others = OtherThreads(_asleep, self._restless, patient=grace > 0)
        sleeper = Sleeper(deadline, threading.get_native_id(), drives)
        with self._as_sleeper(sleeper, rests=take_input is None):
            while self.now() < deadline:
                real = _real_seconds()
                if real >= ends:
                    if drives:
                        self.pass_time(deadline - self.now(), alone=alone)
                    break
                leads = self._leads(sleeper)
                if leads and real >= began + grace and others.rest():
                    self._jump(alone=alone)
                    continue
                if leads or take_input is None:
                    self._pause(min(ends - real, PAUSE if leads else THREAD_PAUSE))
                if take_input is not None and take_input(0 if leads else LOOP_PAUSE):
                    return False
        return True

    @contextmanager
    def _as_sleeper(self, sleeper: Sleeper, *, rests: bool) -> Iterator[None]:
        thread = sleeper.thread
        interrupted = self._sleepers.get(thread)  # By the handler of a signal, which sleeps too.
        end = partial(locked, self._lock, partial(self._end_sleep, thread, interrupted))
        try:
            try:
                locked(self._lock, partial(self._begin_sleep, sleeper, rests=rests))
                yield
            finally:
                end()
        finally:  # The handler of a signal may have raised an exception in the first.
            end()

    def _begin_sleep(self, sleeper: Sleeper, *, rests: bool) -> None:
        self._sleepers[sleeper.thread] = sleeper
        if rests:
            _asleep.add(sleeper.thread)

    def _end_sleep(self, thread: int, interrupted: Sleeper | None) -> None:
        self._sleepers.pop(thread, None)
        if interrupted is not None:
            self._sleepers[thread] = interrupted
        else:
            _asleep.discard(thread)
        self._notify()

    def _pause(self, seconds: float) -> None:
        """Wait until the time moves, at most so many real seconds.

        The lock takes the place of a Condition or an Event. When the handler of a signal raises an exception in one of
        these, it may release a lock that it does not have, or keep one for ever.
        """
        lock = threading.Lock()
        lock.acquire()
        try:
            self._waiting.append(lock)
            lock.acquire(timeout=seconds)
        finally:
            with suppress(ValueError):  # It was notified.
                self._waiting.remove(lock)

    def _notify(self) -> None:
        """End the pause of each thread that waits."""
        while self._waiting:
            with suppress(IndexError):  # Another thread has taken the last one.
                self._waiting.pop().release()

    def _leads(self, sleeper: Sleeper) -> bool:
        """Return whether no sleeper is due, and this one is the first for whose sake the time may jump."""
        return locked(self._lock, partial(self._is_first, sleeper))

    def _is_first(self, sleeper: Sleeper) -> bool:
        now, sleepers = self.now(), self._sleepers.values()
        first = min((each for each in sleepers if each.drives), default=None)
        return sleeper is first and all(each.deadline > now for each in sleepers)

    def _jump(self, *, alone: bool) -> None:
        """Move the time to the first deadline, which may be the one of a daemon thread."""
        locked(self._lock, partial(self._jump_to_first, alone=alone))

    def _jump_to_first(self, *, alone: bool) -> None:
        first = min(each.deadline for each in self._sleepers.values())
        self.pass_time(first - self.now(), alone=alone and len(self._sleepers) == 1)
        _asleep.difference_update(each.thread for each in self._sleepers.values() if each.deadline <= self.now())
        self._notify()

    def pass_time(self, step: int, *, alone: bool) -> None:
        """Move the clock by a number of microseconds. `alone`: whether nobody else in this thread can act."""
        if step <= 0:
            return
        self._move(step / 1e6)
        if not self._counts:
            self._moved += step * MICROSECOND
        if alone:
            self._service.watch.time_passed(self._service)

    def forget_threads(self) -> None:
        """Forget the threads that a child process does not have."""
        self._waiting = []
        self._sleepers = {}
        self._restless.clear()


_times: WeakSet[VirtualTime] = WeakSet()


def _after_fork() -> None:
    _asleep.clear()
    for each in [*_times]:
        each.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _real_seconds() -> float:
    """Return a reading of a clock that no tool replaces, where there is one."""
    return time.clock_gettime(time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.perf_counter()
