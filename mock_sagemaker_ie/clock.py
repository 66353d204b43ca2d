"""The clocks of a mock. No other file reads the time.

Every instant is an aware datetime in UTC. The wall clock is read as `datetime.datetime` through its module, so that
freezegun and time-machine control a MockClock without more code here.
"""

from __future__ import annotations

import copy
import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mock_sagemaker_ie.changes import locked
from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.protocol.errors import error_text, shown
from mock_sagemaker_ie.protocol.limits import EARLIEST, LATEST, ZERO, check_duration, check_number, outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

UTC = dt.timezone.utc


@runtime_checkable
class Clock(Protocol):
    """An object whose now() returns the current instant. Pass one as `mock_inference_experiment(clock=…)`."""

    def now(self) -> dt.datetime:
        """Return the current instant, an aware datetime."""
        ...


def instant(when: dt.datetime | str) -> dt.datetime:
    """Return an aware datetime, or an ISO 8601 string with an offset, as an instant in UTC.

    Raises ValueError for a naive datetime, for a string that is not a date, and for an instant outside the years 1970
    to 8999; TypeError for any other type.
    """
    given = when
    if isinstance(when, str):
        try:
            # Python 3.10 does not read the suffix Z.
            when = dt.datetime.fromisoformat(when[:-1] + "+00:00" if when.endswith("Z") else when)
        except ValueError:
            raise ValueError(
                f"{shown(when)} is not an instant: expected an ISO 8601 string, e.g. '2026-01-01T09:00:00Z'",
            ) from None
    if not isinstance(when, dt.datetime):
        raise TypeError(f"{when!r} is not an instant: expected an aware datetime or an ISO 8601 string")
    if when.tzinfo is not UTC and when.utcoffset() is None:
        raise ValueError(
            f"{given!r} is naive, so it is not an instant: give it a time zone, "
            "e.g. .replace(tzinfo=datetime.timezone.utc) or '2026-01-01T09:00:00Z'",
        )
    try:
        in_utc = when if when.tzinfo is UTC else when.astimezone(UTC)
    except OverflowError:
        raise outside(given) from None
    if EARLIEST <= in_utc < LATEST:
        return in_utc
    raise outside(given)


def wall_clock() -> dt.datetime:
    """Return the time of the process (UTC), which freezegun or time-machine may have set."""
    return dt.datetime.now(UTC)


class MockClock:
    """A clock that a test moves forward, never back.

    `start`: the first instant (aware datetime or ISO string); by default, the time of the wall clock.
    `tick`: True: the clock runs with the wall clock from `start` on. False: it stands still until the test moves it.
    `auto_advance`: a timedelta by which the clock moves after the answer to each mocked AWS call.
    """

    def __init__(
        self,
        start: dt.datetime | str | None = None,
        *,
        tick: bool = True,
        auto_advance: dt.timedelta = ZERO,
    ) -> None:
        self.auto_advance = _duration(auto_advance)
        # Is called before each move, with the instant and the `ahead` that follow. If it raises, the clock stays.
        self.on_move: Callable[[dt.datetime, dt.timedelta | None], None] | None = None
        self._lock = new_lock()
        # A ticking clock is an offset from the wall clock. A clock that stands still is an instant.
        first = None if start is None else instant(start)
        self._offset = ZERO if first is None or not tick else first - wall_clock()
        self._fixed = None if tick else first or wall_clock()
        self._moved = ZERO

    @property
    def moved(self) -> dt.timedelta:
        """The time by which this clock was moved since it was made."""
        return self._moved

    def now(self) -> dt.datetime:
        """Return the current instant in UTC."""
        if self._fixed is not None:
            return self._fixed
        now = wall_clock() + self._offset
        return now if now < LATEST else LATEST - LATEST.resolution

    def advance(
        self,
        by: dt.timedelta = ZERO,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Move the clock forward by the sum of a timedelta and of days, hours, minutes and seconds.

        Raises TypeError for a value of another type; ValueError for a number that is not finite, when the sum is
        negative, or when the clock would leave the year 8999.
        """
        units = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        try:
            step = _duration(by) + dt.timedelta(**{unit: check_number(units[unit], unit) for unit in units})
            locked(self._lock, partial(self._move, _duration(step)))
        except OverflowError:
            given = ", ".join(f"{unit}={shown(number)}" for unit, number in units.items() if number)
            raise ValueError(f"{given}: the clock cannot leave the year {LATEST.year - 1}") from None

    def move_to(self, when: dt.datetime | str) -> None:
        """Move the clock to a later instant (aware datetime or ISO string).

        Raises ValueError for an instant in the past: time never goes back.
        """
        locked(self._lock, partial(self._move_to, instant(when)))

    def _move_to(self, target: dt.datetime) -> None:
        now = self.now()
        if target < now:
            raise ValueError(f"time never goes back: it is {now.isoformat()}, cannot move to {target.isoformat()}")
        self._move(target - now)

    def _move(self, step: dt.timedelta) -> None:
        now = self.now()
        if step >= LATEST - now:
            limit = f"the clock cannot leave the year {LATEST.year - 1}"
            raise ValueError(f"{limit}: it is {now.isoformat()}, cannot advance by {step}")
        if self.on_move is not None and step:
            self.on_move(now + step, None if self._fixed is not None else self._offset + step)
        self._shift(step)
        self._moved += step

    def undoing(self, step: dt.timedelta) -> Callable[[], None]:
        """Return a function that takes back the next move, which is by `step`: an exception may interrupt a call."""
        return partial(self._take_back, self._position, self._moved, step)

    def _take_back(self, position: Any, moved: dt.timedelta, step: dt.timedelta) -> None:
        # Nothing happens when nobody has moved it, or somebody else has since.
        if self._position - step == position:
            self._shift(-step)
        if self._moved - step == moved:
            self._moved = moved

    @property
    def _position(self) -> dt.datetime | dt.timedelta:
        """The offset of a clock that runs, or the instant of one that stands still: the part that a move changes."""
        return self._offset if self._fixed is None else self.now()

    @property
    def ahead(self) -> dt.timedelta | None:
        """The time by which the clock is ahead of the wall clock; None when the clock stands still."""
        return self._offset if self._fixed is None else None

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds` without waiting. Use it in place of `time.sleep`."""
        self.advance(seconds=seconds)

    def _shift(self, step: dt.timedelta) -> None:
        if self._fixed is None:
            self._offset += step
        else:
            self._fixed += step

    def _branch(self) -> Self:
        """Return a clock that goes on by itself, from the present instant."""
        duplicate = copy.copy(self)
        vars(duplicate).update(_lock=new_lock(), on_move=None)
        return duplicate

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.now().isoformat()}>"


class FrozenClock(MockClock):
    """A clock that freezes the time of the whole process with freezegun: code under test reads the mock's time.

    A mock enters its clock and exits it. Time is frozen at `start` at each entry, and runs again after the exit.
    """

    def __init__(self, start: dt.datetime | str, *, auto_advance: dt.timedelta = ZERO) -> None:
        super().__init__(start, tick=False, auto_advance=auto_advance)
        self._start = instant(start)
        self._freezer: Any = None
        self._frozen: Any = None
        self._others = 0  # How many others had frozen the time before.
        self._depth = 0

    def _branch(self) -> Self:
        duplicate = super()._branch()
        now = self.now()
        vars(duplicate).update(_start=now, _fixed=now, _freezer=None, _frozen=None, _others=0, _depth=0)
        return duplicate

    def __enter__(self) -> Self:
        depth = self._depth
        try:
            locked(self._lock, self._freeze)
            return self  # noqa: TRY300 - an interrupt at this line is one of the entry
        except BaseException:
            locked(self._lock, partial(self._go_back_to, depth))
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        depth = self._depth - 1
        try:
            locked(self._lock, partial(self._go_back_to, depth))
        except BaseException:
            locked(self._lock, partial(self._go_back_to, depth))
            raise

    def _freeze(self) -> None:
        from freezegun import api, freeze_time  # noqa: PLC0415 - slow to import, rarely used

        if self._frozen is None:
            self._fixed = self._start
            self._others = len(api.freeze_factories)
            self._freezer = freeze_time(self._start, real_asyncio=True, ignore=["_pytest.timing"])
            self._frozen = self._freezer.start()
        self._depth += 1

    def _go_back_to(self, depth: int) -> None:
        """Let time run again when `depth` is 0. It may be called again when it was interrupted."""
        from freezegun import api  # noqa: PLC0415 - slow to import, rarely used

        if depth == 0 and self._freezer is not None:
            if len(api.freeze_factories) > self._others:
                self._freezer.stop()
            self._freezer = self._frozen = None
        self._depth = depth

    def now(self) -> dt.datetime:
        """Return the frozen time of the process (UTC); before the clock is entered, `start`."""
        return super().now() if self._frozen is None else wall_clock()

    def _shift(self, step: dt.timedelta) -> None:
        if self._frozen is None:
            super()._shift(step)
        else:
            self._frozen.tick(step)


def as_clock(clock: Clock | dt.datetime | str | None) -> Clock:
    """Return the clock for the `clock=` option.

    A datetime or an ISO string gives a MockClock that stands still at this instant, None gives a MockClock that runs
    with the wall clock. Raises TypeError for a value that is not a clock.
    """
    if clock is None:
        return MockClock()
    if isinstance(clock, (dt.datetime, str)):
        return MockClock(clock, tick=False)
    if isinstance(clock, type) or not callable(getattr(clock, "now", None)):
        raise TypeError(f"clock={clock!r} is not a clock: expected an object with now(), a datetime or an ISO string")
    return clock


def branch_of(clock: Clock) -> Clock:
    """Return a copy of a clock that goes on by itself. Raises TypeError for a clock of the user's that has no copy."""
    if isinstance(clock, MockClock):
        return locked(clock._lock, clock._branch)  # noqa: SLF001 - of this file
    try:
        return copy.deepcopy(clock)
    except Exception as error:
        raise TypeError(
            f"{clock!r} cannot be copied for a branch ({error_text(error)}): use a MockClock, or give your clock a "
            "__deepcopy__()"
        ) from error


def movable(clock: Clock, verb: str) -> Callable[..., None]:
    """Return the method `verb` of a clock. Raises TypeError when the clock does not have this method."""
    move = getattr(clock, verb, None)
    if move is None:
        raise TypeError(
            f"{clock!r} cannot be moved: it has no {verb}(); use a MockClock, or add {verb}() to your clock; "
            f"{Page.TIME}"
        )
    return move  # type: ignore[no-any-return]


def read(clock: Clock) -> dt.datetime:
    """Read a clock once. Raises ValueError or TypeError when now() does not return an aware datetime."""
    try:
        return instant(clock.now())
    except (TypeError, ValueError) as error:
        raise type(error)(f"{clock!r}.now() returned an invalid value: {error}") from None


def _duration(step: dt.timedelta) -> dt.timedelta:
    if isinstance(step, dt.timedelta) and step < ZERO:
        raise ValueError(f"time never goes back: cannot move a clock by {step}")
    return check_duration(step, "step")
