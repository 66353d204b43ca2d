"""Faults: errors and delays that a test arranges for coming calls."""

from __future__ import annotations

import copy
import datetime as dt
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from mock_sagemaker_ie.calls import RecordedError
from mock_sagemaker_ie.changes import Changes
from mock_sagemaker_ie.clock import MockClock, movable
from mock_sagemaker_ie.protocol.errors import COMMON_ERRORS, AWSError, error_text, shown, suggestion
from mock_sagemaker_ie.protocol.limits import check_error_status, check_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.model import OperationModel

    from mock_sagemaker_ie.clock import Clock


ARRANGED = "as arranged by the test"
SERVER_ERROR = 500  # The lowest HTTP status of an error that says that the service, not the caller, is at fault.


class UnusedFaultWarning(UserWarning):
    """Something was arranged, a fault, a failure or a model, and no call met it before the mock ended."""


class UnusedFaultError(AssertionError):
    """As UnusedFaultWarning, for `unused_faults="error"`: it fails the test."""


class Fault(NamedTuple):
    """An error or a delay for one call of an operation, or for one attempt of a client that retries.

    `error`: an AWS error, or an error of the connection; a RecordedError after it was raised, when more calls get it.
    `delay`: the time that the call takes. `after`: the service acts, and the caller gets the error in place of the
    answer. `by_scenario`: it need not happen. `number`: tells it from equal ones, which a test may arrange.
    """

    operation: str
    error: AWSError | Exception | RecordedError | None = None
    delay: dt.timedelta | None = None
    after: bool = False
    by_scenario: bool = False
    number: int = 0

    def __str__(self) -> str:
        error = self.raised
        what = f"a delay of {self.delay}" if error is None else getattr(error, "code", shown(error))
        return f"{what} for {self.operation}{' after it acted' if self.after else ''}"

    @property
    def raised(self) -> Exception | None:
        """The error that a call gets; None for a delay."""
        return self.error.get() if isinstance(self.error, RecordedError) else self.error


class BrokenConnection(Exception):  # noqa: N818 - not an error: a test arranged it
    """A test arranged `error`, an error of the connection, so there is no answer to send."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error_text(error))
        self.error = error


class ReadTimeout(NamedTuple):
    """The seconds that a caller waits for an answer, and the error that it raises then."""

    seconds: float
    error: Exception


# The faults that wait, and for how many calls each. It is replaced, never changed.
Queue = tuple[tuple[Fault, int], ...]


class Faults:
    """The faults that no call has received yet, in the order in which they were arranged.

    Errors and delays have separate queues, so that the same call can be slow and fail. `expected`: what else was
    arranged and not met yet, as text by key: failures of experiments and endpoints, and served models. `outer`: the
    faults of the mock whose state this one has copied; what is met here was met there too. What was arranged there is
    reported there.
    """

    def __init__(self, changes: Changes | None = None) -> None:
        self._changes = Changes() if changes is None else changes
        self._errors: dict[str, Queue] = {}
        self._delays: dict[str, Queue] = {}
        self.expected: dict[tuple[str, ...], str] = {}
        self.outer: Faults | None = None
        self._count = 0  # Of the faults so far: their numbers.
        self._copied: dict[int, int] = {}  # The numbers of the faults that came from there: how often each waited.
        self._met_in_copies: set[int] = set()

    def adopt(self, other: Faults) -> None:
        """Start with the faults that wait in another mock."""
        self._errors, self._delays = dict(other._errors), dict(other._delays)
        self.outer, self._count, self._copied = other, other._count, self._left()

    def arrange(self, fault: Fault, times: int) -> None:
        """Add a fault for the next `times` calls of its operation, or attempts of a client that retries.

        Raises ValueError unless `times` is an int from 1 to MAX_TIMES.
        """
        check_times(times)
        self._changes.whole(partial(self._arrange, fault, times))

    def _arrange(self, fault: Fault, times: int) -> None:
        queues = self._delays if fault.error is None else self._errors
        queue, number = queues.get(fault.operation, ()), self._count + 1
        self._changes.assign(self, _count=number)
        self._changes.update(queues, {fault.operation: (*queue, (fault._replace(number=number), times))})

    def has_error(self, operation: str, read_timeout: float | None = None) -> bool:
        """Return whether an error is arranged for the next call of the operation, or a delay longer than a timeout.

        `read_timeout`: the seconds that the caller waits for an answer; None when it waits for ever.
        """
        if self._errors.get(operation):
            return True
        delays = self._delays.get(operation)
        if not delays or read_timeout is None:
            return False
        return is_longer(delays[0][0].delay, read_timeout)

    def next_error(self, operation: str) -> Fault | None:
        """Return the next fault with an error of the operation, which stays; None when there is none."""
        queue = self._errors.get(operation)
        return queue[0][0] if queue else None

    @property
    def waiting(self) -> object:
        """The faults that no call has received yet, for comparison."""
        return self._errors.copy(), self._delays.copy()

    def take_error(self, operation: str, *, after: bool = False) -> Exception | None:
        """Remove the next error of the operation and return it; None when there is none.

        `after`: whether the service has acted; the next error may be for the other moment, and then stays.
        """
        fault = self._take(self._errors, operation, after=after)
        error = None if fault is None else fault.raised
        # One exception may be raised several times: then its traceback would grow, and an AWSError has one instant.
        return copy.copy(error) if isinstance(error, AWSError) else error and error.with_traceback(None)

    def wait(self, clock: Clock, operation: str, read_timeout: float | None = None) -> bool:
        """Move the clock by the next delay of the operation, at most by the seconds that the caller waits.

        Return whether the delay is longer than that. Raises the error of a clock that cannot be moved.
        """
        if not self._delays.get(operation):
            return False
        delay, is_late, error = self._changes.whole(partial(self._pass_delay, clock, operation, read_timeout))
        if error is not None:
            raise error
        if not isinstance(clock, MockClock) and delay is not None:  # Nobody knows what other clocks do.
            movable(clock, "sleep")(delay.total_seconds())
        return is_late

    def _pass_delay(
        self, clock: Clock, operation: str, read_timeout: float | None
    ) -> tuple[dt.timedelta | None, bool, Exception | None]:
        fault = self._take(self._delays, operation)
        delay = None if fault is None else fault.delay
        is_late = read_timeout is not None and is_longer(delay, read_timeout)
        if is_late and read_timeout is not None:
            delay = dt.timedelta(seconds=read_timeout)
        if isinstance(clock, MockClock) and delay is not None:
            self._changes.note(clock.undoing(delay))
            try:
                clock.sleep(delay.total_seconds())
            except (ValueError, RuntimeError) as error:  # The next call need not fail because of this delay too.
                return delay, is_late, error
        return delay, is_late, None

    def _take(self, queues: dict[str, Queue], operation: str, *, after: bool = False) -> Fault | None:
        if not queues.get(operation):
            return None
        return self._changes.whole(partial(self._take_first, queues, operation, after))

    def _take_first(self, queues: dict[str, Queue], operation: str, after: bool) -> Fault | None:  # noqa: FBT001 - of `_take`
        queue = queues[operation]
        if not queue or queue[0][0].after is not after:  # Another thread has taken the last one.
            return None
        (fault, times), *others = queue
        error = fault.raised
        fault = fault._replace(error=error)
        # The fault that waits for the other calls does not keep the error, whose traceback will keep its callers.
        waiting = fault if error is None else fault._replace(error=RecordedError(error))
        left = [(waiting, times - 1)] if times > 1 else []
        self._changes.update(queues, {operation: (*left, *others)})
        return fault

    def drop_scenario(self) -> None:
        """Remove the faults of a scenario."""
        for queues in (self._errors, self._delays):
            left = {name: tuple(pair for pair in queue if not pair[0].by_scenario) for name, queue in queues.items()}
            self._changes.update(queues, left)

    def expect(self, key: tuple[str, ...], what: str) -> None:
        """Note something else that was arranged, so that it is reported when it does not happen."""
        self._changes.update(self.expected, {key: what})

    def meet(self, key: tuple[str, ...]) -> None:
        """Note that something expected has happened."""
        self.expected.pop(key, None)
        if self.outer is not None:
            self.outer.meet(key)

    def meet_copied(self) -> None:
        """Note in the other mock which of its faults calls have received here."""
        left = self._left()
        used = {number for number, times in self._copied.items() if left.get(number, 0) < times}
        if self.outer is not None:
            self.outer._met_in_copies |= used | (self._copied.keys() & self._met_in_copies)

    def _waiting(self) -> Iterator[tuple[Fault, int]]:
        return (each for queues in (self._errors, self._delays) for queue in queues.values() for each in queue)

    def _left(self) -> dict[int, int]:
        return {fault.number: times for fault, times in self._waiting()}

    def unused(self) -> list[Fault]:
        """Return the faults that were arranged here and that no call has received, also in no copy."""
        elsewhere = self._copied.keys() | self._met_in_copies
        waiting = [(fault, times) for fault, times in self._waiting() if not fault.by_scenario]
        return [fault for fault, times in waiting if fault.number not in elsewhere for _ in range(times)]

    def clear(self) -> None:
        """Remove all faults."""
        empty: dict[str, Any] = {"_errors": {}, "_delays": {}, "expected": {}, "outer": None, "_copied": {}}
        self._changes.whole(partial(self._changes.assign, self, **empty))


def is_longer(delay: dt.timedelta | None, read_timeout: float) -> bool:
    """Return whether a call with this delay, or with none, takes longer than the seconds that its caller waits."""
    return delay is not None and delay.total_seconds() > read_timeout


def aws_error(
    model: OperationModel, code: str, message: str | None, status: int | None, *, after: bool = False
) -> AWSError:
    """Return the AWS error with this code, by default with its own message and HTTP status.

    Raises ValueError for a code that is neither modelled for the operation nor common to all AWS actions, for a status
    outside 400 to 599, and with `after` for a code with which the service says that it did not act.
    """
    if status is not None:
        check_error_status(status)
    modelled = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in model.error_shapes}
    if code not in modelled and code not in COMMON_ERRORS:
        near = suggestion(code, {*modelled, *COMMON_ERRORS})
        raise ValueError(f"{model.name} does not return the error {code!r}{near}")
    default_status, default_message = COMMON_ERRORS.get(code, (400, f"{code}, {ARRANGED}."))
    if code in modelled:
        default_status = modelled[code].metadata.get("error", {}).get("httpStatusCode", default_status)
    if after and default_status < SERVER_ERROR:
        raise _cannot_follow(f"{code} (HTTP status {default_status}) says that the service refused the call")
    return AWSError(code, default_message if message is None else message, status or default_status)


# Errors by which no request has reached the service: the names of their classes in botocore, urllib3, requests, httpx
# and Python.
_NOT_SENT = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionRefusedError",
    "NewConnectionError",
    "ProxyError",
    "SSLError",
    "gaierror",
}


def connection_error(error: type[Exception] | Exception, url: str, *, after: bool = False) -> Exception:
    """Return an error of the connection; a class is instantiated with the arguments that botocore gives it.

    Raises TypeError for anything but an exception or its class, for errors of AWS, and for a class that needs other
    arguments; with `after` ValueError for an error by which no request has reached the service.
    """
    kind = error if isinstance(error, type) else type(error)
    if not issubclass(kind, Exception) or issubclass(kind, (ClientError, AWSError)):
        raise TypeError(
            f"{error!r}: expected the code of an AWS error, for example 'ThrottlingException', or an exception"
        )
    # botocore has two kinds: HTTPClientError once there is a connection, ConnectionError for none.
    sent = issubclass(kind, (HTTPClientError, IncompleteReadError)) or not issubclass(kind, BotoCoreError)
    if after and not (sent and _NOT_SENT.isdisjoint(each.__name__ for each in kind.__mro__)):
        raise _cannot_follow(f"{kind.__name__} says that no request reached the service")
    if isinstance(error, Exception):
        return error
    construct: Callable[..., Any] = error
    with suppress(TypeError, KeyError):  # The keyword arguments of botocore's exceptions.
        return construct(endpoint_url=url, error=ARRANGED, proxy_url=url)  # type: ignore[no-any-return]
    with suppress(TypeError, KeyError):
        return construct(ARRANGED)  # type: ignore[no-any-return]
    raise TypeError(f"{kind.__name__} cannot be constructed; pass an instance.")


def _cannot_follow(reason: str) -> ValueError:
    """Return the error for a fault that cannot come after the service has acted."""
    return ValueError(
        f"after=True: {reason}, so the service cannot have acted; expected ReadTimeoutError, ConnectionClosedError or "
        "another error of a connection that was made, or the code of an error with an HTTP status of 500 or more, for "
        "example InternalFailure; without after=True the call fails and has no effect"
    )
