"""Faults: errors and delays that a test arranges for coming calls."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.protocol.errors import COMMON_ERRORS, AWSError, shown, suggestion
from mock_sagemaker_ie.protocol.limits import check_error_status, check_times

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from botocore.model import OperationModel


ARRANGED = "as arranged by the test"


class UnusedFaultWarning(UserWarning):
    """Something was arranged, a fault, a failure or a model, and no call met it before the mock ended."""


class UnusedFaultError(AssertionError):
    """As UnusedFaultWarning, for `unused_faults="error"`: it fails the test."""


class Fault(NamedTuple):
    """An error or a delay for one call of an operation, or for one attempt of a client that retries.

    `error`: an AWS error, or an error of the connection. `delay`: the time that the call takes.
    """

    operation: str
    error: AWSError | Exception | None = None
    delay: dt.timedelta | None = None

    def __str__(self) -> str:
        what = f"a delay of {self.delay}" if self.error is None else getattr(self.error, "code", shown(self.error))
        return f"{what} for {self.operation}"


class ReadTimeout(NamedTuple):
    """The seconds that a caller waits for an answer, and the error that it raises then."""

    seconds: float
    error: Exception


class Faults:
    """The faults that no call has received yet, in the order in which they were arranged.

    Errors and delays have separate queues, so that the same call can be slow and fail. `expected`: what else was
    arranged and not met yet, as text by key: failures of experiments and endpoints, and served models. `outer`: the
    faults of the mock whose state this one has copied; what is met here was met there too.
    """

    def __init__(self) -> None:
        self._errors: dict[str, deque[Fault]] = {}
        self._delays: dict[str, deque[Fault]] = {}
        self.expected: dict[tuple[str, ...], str] = {}
        self.outer: Faults | None = None
        self._lock = new_lock()

    def arrange(self, fault: Fault, times: int) -> None:
        """Add a fault for the next `times` calls of its operation, or attempts of a client that retries.

        Raises ValueError unless `times` is an int from 1 to MAX_TIMES.
        """
        check_times(times)
        queues = self._delays if fault.error is None else self._errors
        with self._lock:
            queues.setdefault(fault.operation, deque()).extend(repeat(fault, times))

    def has_error(self, operation: str, read_timeout: float | None = None) -> bool:
        """Return whether an error is arranged for the next call of the operation, or a delay longer than a timeout.

        `read_timeout`: the seconds that the caller waits for an answer; None when it waits for ever.
        """
        if self._errors.get(operation):
            return True
        delays = self._delays.get(operation)
        if not delays or read_timeout is None:
            return False
        with self._lock:  # Another thread may take the last delay.
            return bool(delays) and is_longer(delays[0].delay, read_timeout)

    @property
    def are_waiting(self) -> bool:
        """Whether a fault is arranged that no call has received yet."""
        return any(self._errors.values()) or any(self._delays.values())

    def take_error(self, operation: str) -> Exception | None:
        """Remove the next error of the operation and return it; None when there is none."""
        fault = self._take(self._errors, operation)
        # One exception may be raised several times; without this its traceback would grow each time.
        return None if fault is None or fault.error is None else fault.error.with_traceback(None)

    def take_delay(self, operation: str) -> dt.timedelta | None:
        """Remove the next delay of the operation and return it; None when there is none."""
        fault = self._take(self._delays, operation)
        return None if fault is None else fault.delay

    def _take(self, queues: dict[str, deque[Fault]], operation: str) -> Fault | None:
        queue = queues.get(operation)
        if not queue:
            return None
        with self._lock:  # Another thread may take the last one.
            return queue.popleft() if queue else None

    def meet(self, key: tuple[str, ...]) -> None:
        """Note that something expected has happened."""
        self.expected.pop(key, None)
        if self.outer is not None:
            self.outer.meet(key)

    def unused(self) -> list[Fault]:
        """Return the faults that no call has received."""
        with self._lock:
            return [fault for queues in (self._errors, self._delays) for queue in queues.values() for fault in queue]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._errors.clear()
            self._delays.clear()
            self.expected.clear()
            self.outer = None


def is_longer(delay: dt.timedelta | None, read_timeout: float) -> bool:
    """Return whether a call with this delay, or with none, takes longer than the seconds that its caller waits."""
    return delay is not None and delay.total_seconds() > read_timeout


def aws_error(model: OperationModel, code: str, message: str | None, status: int | None) -> AWSError:
    """Return the AWS error with this code, by default with its own message and HTTP status.

    Raises ValueError for a code that is neither modelled for the operation nor common to all AWS actions, and for a
    status outside 400 to 599.
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
    return AWSError(code, default_message if message is None else message, status or default_status)


def connection_error(error: type[Exception] | Exception, url: str) -> Exception:
    """Return an error of the connection; a class is instantiated with the arguments that botocore gives it.

    Raises TypeError for anything but an exception or its class, for errors of AWS, and for a class that needs other
    arguments.
    """
    kind = error if isinstance(error, type) else type(error)
    if not issubclass(kind, Exception) or issubclass(kind, (ClientError, AWSError)):
        raise TypeError(
            f"{error!r}: expected the code of an AWS error, for example 'ThrottlingException', or an exception"
        )
    if isinstance(error, Exception):
        return error
    construct: Callable[..., Any] = error
    with suppress(TypeError, KeyError):  # The keyword arguments of botocore's exceptions.
        return construct(endpoint_url=url, error=ARRANGED, proxy_url=url)  # type: ignore[no-any-return]
    with suppress(TypeError, KeyError):
        return construct(ARRANGED)  # type: ignore[no-any-return]
    raise TypeError(f"{kind.__name__} cannot be constructed; pass an instance.")
