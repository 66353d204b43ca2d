"""The limits of the instants and numbers that somebody gives the mock. A check returns the value or raises.

Python's calendar ends with the year 9999. The mock stops long before: it adds durations to instants, and shows them in
the time zone of the machine.
"""

from __future__ import annotations

import datetime as dt

from mock_sagemaker_ie.protocol.errors import ERROR_STATUSES, shown

ZERO = dt.timedelta(0)
# The instants of clocks and schedules: from the first up to the second (inferred: schedule_order).
EARLIEST, LATEST = (dt.datetime(year, 1, 1, tzinfo=dt.timezone.utc) for year in (1970, 9000))
MAX_DURATION = LATEST - EARLIEST
MAX_TIMES = 100_000  # Calls for which one fault can be arranged.
MAX_REASON_LENGTH = 1024  # AWS: StatusReason, FailureReason


def outside(given: dt.datetime | str) -> ValueError:
    """Return the error for an instant outside the limits, which somebody has given."""
    text = given if isinstance(given, str) else given.isoformat()
    years = f"{EARLIEST.year} to {LATEST.year - 1}"
    return ValueError(f"{shown(text)} is outside the years that the mock can compute with: expected {years}")


def check_number(value: float, name: str, unit: str = "number") -> float:
    """Return a number. Raises TypeError for another type (a bool is no number), ValueError for NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={shown(value)}: expected a {unit}")
    if not abs(value) < float("inf"):
        raise ValueError(f"{name}={shown(value)}: expected a finite {unit}")
    return value


def check_seconds(value: float, name: str = "seconds") -> dt.timedelta:
    """Return a number of seconds, from 0 to the length of the calendar, as a timedelta. Raises as `check_number`."""
    limit = MAX_DURATION.total_seconds()
    if not 0 <= check_number(value, name, "number of seconds") <= limit:
        raise ValueError(f"{name}={shown(value)}: expected zero or more seconds, at most {limit:.0f}")
    return dt.timedelta(seconds=value)


def check_duration(value: dt.timedelta, name: str) -> dt.timedelta:
    """Return a timedelta. Raises TypeError for another type, ValueError outside 0 to the length of the calendar."""
    if not isinstance(value, dt.timedelta):
        raise TypeError(f"{name}={shown(value)}: expected a timedelta")
    if not ZERO <= value <= MAX_DURATION:
        raise ValueError(f"{name}={value!r}: expected a timedelta of zero or more, at most {MAX_DURATION.days} days")
    return value


def check_times(value: int) -> int:
    """Return a number of calls. Raises ValueError unless it is an int from 1 to MAX_TIMES."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TIMES:
        raise ValueError(f"times={shown(value)}: expected a number of calls, 1 or more, at most {MAX_TIMES}")
    return value


def check_reason(value: str) -> str:
    """Return the reason of a failure. Raises ValueError unless it is a str with 1 to MAX_REASON_LENGTH characters."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REASON_LENGTH:
        raise ValueError(f"reason={shown(value)}: expected a str with 1 to {MAX_REASON_LENGTH} characters")
    return value


def check_flag(value: bool, name: str) -> bool:  # noqa: FBT001 - it is what is checked
    """Return True or False. Raises TypeError for anything else: a text such as "no" would count as True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={shown(value)}: expected True or False")
    return value


def check_name(value: str | None, name: str) -> str | None:
    """Return the name of a resource, or None for any. Raises TypeError for anything else."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name}={shown(value)}: expected a name (str) or None")
    return value


def check_error_status(value: int) -> int:
    """Return the HTTP status of an error. Raises ValueError unless it is an int from 400 to 599."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in ERROR_STATUSES:
        raise ValueError(f"status={shown(value)}: expected the HTTP status of an error, 400 to 599")
    return value
