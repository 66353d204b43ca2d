"""Ends a loop that waits in virtual time for something that cannot happen any more."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mock_sagemaker_ie.backend.experiments.lifecycle import LIFECYCLE
from mock_sagemaker_ie.backend.hosting.endpoints import ENDPOINT_LIFECYCLE
from mock_sagemaker_ie.backend.transitions import Call as Called
from mock_sagemaker_ie.calls import INVOCATIONS
from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.protocol.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mock_sagemaker_ie.calls import Call


class Enough(NamedTuple):
    """So many pauses in at least so long a time, all without a change, show that a loop has no end."""

    pauses: int
    time: dt.timedelta
    has_read_time: bool  # The code has read the time in the loop: a deadline may end it.


ENOUGH = (
    Enough(10_000, dt.timedelta(days=1), has_read_time=False),
    Enough(30_000, dt.timedelta(days=1), has_read_time=True),
    # Twice as long as the longest experiment.
    Enough(1_000, dt.timedelta(days=61), has_read_time=True),
)
# In a scenario nobody else acts, and Hypothesis runs such a loop many times to find the smallest scenario.
ENOUGH_IN_SCENARIO = (Enough(500, dt.timedelta(days=1), has_read_time=False), *ENOUGH[1:])
# Each so many pauses it is checked whether anything has changed.
CHECKED = 50
# A loop polls few different things.
MAX_POLLED = 20


class PollingForeverError(AssertionError):
    """The code under test polls for something that cannot happen any more. It would never end.

    Raised by the next sleep or call in a mock with `virtual_sleep=True`, when nothing lies ahead that could change an
    answer, and the code has paused 10,000 times in a day or more without any change, or 1,000 times in 61 days; in a
    mock with `scenario=` 500 times in a day. Code that reads the time may have a deadline: 30,000 times instead of
    10,000 or 500. The option `polling_forever="ignore"` turns it off.
    """


class Watched(Protocol):
    """The part of a service that the watch looks at."""

    @property
    def handlers(self) -> Mapping[str, object]:
        """Those of models, which may answer differently each time."""

    def settled_state(self) -> object:
        """Return what answers depend on; None when something lies ahead."""

    def now(self) -> dt.datetime:
        """Return the present instant (UTC)."""

    def recorded(self) -> Sequence[Call]:
        """Return the recorded calls."""


class PollingWatch:
    """Counts the pauses of the code under test in which nothing changes. It does not keep the service."""

    def __init__(self) -> None:
        self.enabled = False
        self.in_scenario = False
        self._state: object = None
        self._pauses = 0
        self._was_read = False  # Since then, too.
        self._since: dt.datetime | None = None
        self._operations: set[str] = set()  # Those that are polled for ever.
        self._message = ""

    def time_passed(self, service: Watched) -> None:
        """Count a pause of code that runs alone in its thread."""
        self._pauses += 1
        if not self.enabled or self._pauses % CHECKED:
            return
        state = service.settled_state()
        if state is None or state != self._state or self._since is None:
            self._state, self._pauses, self._was_read, self._since = state, 0, False, service.now()
            self._operations.clear()
            return
        since, waited = self._since, service.now() - self._since
        if not self._is_enough(waited) or _others_may_act():
            return
        polled = _polled([call for call in service.recorded() if call.at >= since])
        operations = {call.operation for call in polled}
        if operations.isdisjoint(INVOCATIONS) or not service.handlers:
            self._operations, self._message = operations, _message(polled, self._pauses, waited)

    def _is_enough(self, waited: dt.timedelta) -> bool:
        return any(
            self._pauses >= each.pauses and waited >= each.time
            for each in (ENOUGH_IN_SCENARIO if self.in_scenario else ENOUGH)
            if each.has_read_time or not self._was_read
        )

    def time_was_read(self) -> None:
        """Note that the code has read the time: it may have a deadline, at which it ends by itself."""
        self._was_read = True

    def raise_if_forever(self, operation: str | None = None) -> None:
        """Raise PollingForeverError for a sleep, or for a call of an operation that is polled for ever.

        A call of another operation may be the end of the loop, for example the clean-up of a test.
        """
        if self._operations:
            if operation is None or operation in self._operations:
                raise PollingForeverError(self._message)
            self._operations.clear()
            self._pauses = 0


def _others_may_act() -> bool:
    """Return whether another thread may call something."""
    frames = sys._current_frames()
    others = [each for each in threading.enumerate() if each is not threading.current_thread()]
    return not all(_only_waits(each, frames.get(each.ident or 0)) for each in others)


def _only_waits(thread: threading.Thread, frame: Any) -> bool:
    """Return whether a thread is an idle worker of a thread pool, or the alarm clock of pytest-timeout."""
    alarm = getattr(getattr(thread, "function", None), "__module__", None)
    is_idle_worker = frame is not None and frame.f_globals.get("__name__") == "concurrent.futures.thread"
    return is_idle_worker or alarm == "pytest_timeout"


def _polled(calls: Sequence[Call]) -> list[Call]:
    """Return the last call of each kind, if there are few kinds; else an empty list."""
    kinds = {(call.operation, repr(call.params), call.account_id, call.region): call for call in calls}
    return [*kinds.values()] if len(kinds) <= MAX_POLLED else []


def _message(polled: Sequence[Call], pauses: int, waited: dt.timedelta) -> str:
    shown = "; ".join(map(_stays, polled[:3]))
    more = f"; and {len(polled) - 3} more" if len(polled) > 3 else ""  # noqa: PLR2004 - enough to see the pattern
    return (
        f"the code polls for ever: in {pauses:,} pauses, {waited} of virtual time, every answer was alike, and nothing "
        f"lies ahead that could change one. {shown}{more}. End the loop at such an answer, or pass"
        f' polling_forever="ignore"; {Page.VIRTUAL_TIME}'
    )


def _stays(call: Call) -> str:
    """Return where the resource of a call stays, why, and what would change it."""
    name = next((str(value) for key, value in call.params.items() if key.endswith(("Name", "Arn"))), "")
    if call.error is not None:
        message = getattr(call.error, "message", call.error)
        return f"{call.operation}({name}) is answered with {error_code(call.error)}: {message}"
    response = call.response or {}
    member = next((key for key in response if key.endswith("Status")), None)
    if member is None:
        return f"{call.operation}({name}) has the same answer"
    status = response[member]
    reason = response.get("StatusReason") or response.get("FailureReason")
    because = f" ({reason})" if reason else ""
    table = ENDPOINT_LIFECYCLE if member == "EndpointStatus" else LIFECYCLE
    operations = [row.trigger.operation for row in table if row.source == status and isinstance(row.trigger, Called)]
    ways_out = f" until somebody calls {' or '.join(dict.fromkeys(operations))}" if operations else ""
    return f"{call.operation}: {name} stays {status}{because}{ways_out}"
