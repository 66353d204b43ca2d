"""What time it is for the mock: the only file that reads the time.

Every instant is an aware datetime in UTC. The wall clock is looked up when it is read (`datetime.datetime` through
its module), so freezegun and time-machine drive a MockClock without any code of ours.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

UTC = dt.timezone.utc
ZERO = dt.timedelta(0)


@runtime_checkable
class Clock(Protocol):
    """Anything that tells the time. Inject one with `mock_inference_experiment(clock=…)`."""

    def now(self) -> dt.datetime:
        """Return the current instant, an aware datetime."""
        ...


def instant(when: dt.datetime | str) -> dt.datetime:
    """Read an aware datetime or an ISO 8601 string with an offset as an instant in UTC.

    Raises ValueError for one that is naive or no date, TypeError for any other type.
    """
    if isinstance(when, str):
        try:
            # Python 3.10 knows no Z.
            when = dt.datetime.fromisoformat(when[:-1] + "+00:00" if when.endswith("Z") else when)
        except ValueError:
            raise ValueError(
                f"{when!r} is no instant: expected an ISO 8601 string such as '2026-01-01T09:00:00Z'",
            ) from None
    if not isinstance(when, dt.datetime):
        raise TypeError(f"{when!r} is no instant: expected an aware datetime or an ISO 8601 string")
    if when.tzinfo is None or when.utcoffset() is None:
        raise ValueError(
            f"{when!r} is naive, so it is no instant: give it a time zone, "
            "e.g. .replace(tzinfo=datetime.timezone.utc) or '2026-01-01T09:00:00Z'",
        )
    return when.astimezone(UTC)


def wall_clock() -> dt.datetime:
    """The process's own time, as freezegun or time-machine may have set it."""
    return dt.datetime.now(UTC)


class MockClock:
    """A clock that a test moves, never back.

    `start`: the first instant (aware datetime or ISO string); without it, the wall clock's.
    `tick`: True to run on with the wall clock from there, False to stand still until moved.
    `auto_advance`: a timedelta by which each mocked AWS call moves the clock once it has been answered.
    """

    def __init__(
        self,
        start: dt.datetime | str | None = None,
        *,
        tick: bool = True,
        auto_advance: dt.timedelta = ZERO,
    ) -> None:
        self.auto_advance = _duration(auto_advance)
        self._moving = threading.RLock()
        # A ticking clock is an offset from the wall clock, one that stands still is an instant.
        first = None if start is None else instant(start)
        self._offset = ZERO if first is None or not tick else first - wall_clock()
        self._still = None if tick else first or wall_clock()

    def now(self) -> dt.datetime:
        """Return the current instant in UTC."""
        return wall_clock() + self._offset if self._still is None else self._still

    def advance(
        self,
        by: dt.timedelta = ZERO,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Move the clock forward by a timedelta, or by days, hours, minutes and seconds; all are added up.

        Raises ValueError when the sum is negative, or beyond the year 9999.
        """
        try:
            step = _duration(by) + dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            with self._moving:
                _ = self.now() + _duration(step)
                self._shift(step)
        except OverflowError as error:
            raise ValueError(f"no calendar reaches so far: {error}") from None

    def move_to(self, when: dt.datetime | str) -> None:
        """Move the clock to a later instant (aware datetime or ISO string).

        Raises ValueError for an instant that is past: time never goes back.
        """
        target = instant(when)
        with self._moving:
            now = self.now()
            if target < now:
                raise ValueError(f"time never goes back: it is {now.isoformat()}, asked for {target.isoformat()}")
            self._shift(target - now)

    @property
    def ahead(self) -> dt.timedelta | None:
        """How far the clock is ahead of the wall clock it runs on with; None when it stands still."""
        return self._offset if self._still is None else None

    def sleep(self, seconds: float) -> None:
        """Pass `seconds` on this clock without waiting; a stand-in for `time.sleep`."""
        self.advance(seconds=seconds)

    def after_fork(self) -> None:
        """In a child, no thread is left that could release the lock."""
        self._moving = threading.RLock()

    def _shift(self, step: dt.timedelta) -> None:
        if self._still is None:
            self._offset += step
        else:
            self._still += step

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.now().isoformat()}>"


class FrozenClock(MockClock):
    """The whole process's time, held by freezegun: code under test that reads the time agrees with the mock.

    It freezes when entered, as the mock enters it, and lets time run on when left; each entry begins at `start`.
    """

    def __init__(self, start: dt.datetime | str, *, auto_advance: dt.timedelta = ZERO) -> None:
        super().__init__(start, tick=False, auto_advance=auto_advance)
        self._start = instant(start)
        self._freezer: Any = None
        self._frozen: Any = None
        self._depth = 0

    def __enter__(self) -> Self:
        from freezegun import freeze_time  # noqa: PLC0415 - slow, and wanted by few

        with self._moving:
            if self._depth == 0:
                self._still = self._start
                self._freezer = freeze_time(self._start, real_asyncio=True, ignore=["_pytest.timing"])
                self._frozen = self._freezer.start()
            self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._moving:
            self._depth -= 1
            if self._depth == 0:
                self._freezer.stop()
                self._frozen = None

    def now(self) -> dt.datetime:
        """Return the process's frozen time, or before it is entered the start."""
        return super().now() if self._frozen is None else wall_clock()

    def _shift(self, step: dt.timedelta) -> None:
        if self._frozen is None:
            super()._shift(step)
        else:
            self._frozen.tick(step)


def as_clock(clock: Clock | dt.datetime | str | None) -> Clock:
    """Read the `clock=` option: a datetime or ISO string means a MockClock that stands still there.

    Raises TypeError for anything that is not a clock.
    """
    if clock is None:
        return MockClock()
    if isinstance(clock, (dt.datetime, str)):
        return MockClock(clock, tick=False)
    if isinstance(clock, type) or not callable(getattr(clock, "now", None)):
        raise TypeError(f"clock={clock!r} is no clock: expected an object with now(), a datetime or an ISO string")
    return clock


def movable(clock: Clock, verb: str) -> Callable[..., None]:
    """The verb of a clock that can be moved. Raises TypeError for one that cannot."""
    move = getattr(clock, verb, None)
    if move is None:
        raise TypeError(f"{clock!r} cannot be moved: it has no {verb}(); use a MockClock or give yours one")
    return move  # type: ignore[no-any-return]


def read(clock: Clock) -> dt.datetime:
    """Read any clock once; raises ValueError or TypeError when it gives a naive or no datetime."""
    try:
        return instant(clock.now())
    except (TypeError, ValueError) as error:
        raise type(error)(f"{clock!r}.now() gave no instant: {error}") from None


def _duration(step: dt.timedelta) -> dt.timedelta:
    if not isinstance(step, dt.timedelta):
        raise TypeError(f"{step!r} is no duration: expected a timedelta")
    if step < ZERO:
        raise ValueError(f"time never goes back: cannot move a clock by {step}")
    return step
