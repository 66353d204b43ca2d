"""Faults: errors and delays that are arranged for coming calls."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from mock_sagemaker_ie.protocol.errors import COMMON_ERRORS, AWSError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection

    from botocore.model import OperationModel


TOLD = "as arranged by the test"
ERROR_STATUSES = range(400, 600)


class UnusedFaultWarning(UserWarning):
    """A fault was arranged, and no call met it before the mock ended."""


class UnusedFaultError(AssertionError):
    """The same, where `unused_faults="error"` asks for it."""


class Fault(NamedTuple):
    """What one call, or one attempt of it, meets: an AWS error, an error of the connection, or a delay."""

    operation: str
    error: AWSError | Exception | None = None
    delay: dt.timedelta | None = None

    def __str__(self) -> str:
        what = f"a delay of {self.delay}" if self.error is None else getattr(self.error, "code", repr(self.error))
        return f"{what} for {self.operation}"


class Faults:
    """The faults that wait for their calls, in the order in which they were arranged.

    Errors and delays wait in queues of their own, so that one and the same call may be slow and fail.
    """

    def __init__(self) -> None:
        self._errors: dict[str, deque[Fault]] = {}
        self._delays: dict[str, deque[Fault]] = {}
        self._taking = threading.Lock()

    def arrange(self, fault: Fault, times: int) -> None:
        """Have the next `times` calls or attempts of the fault's operation meet it.

        Raises ValueError when that is no number of calls.
        """
        if not isinstance(times, int) or times < 1:
            raise ValueError(f"times={times!r}: expected a number of calls, 1 or more")
        queues = self._delays if fault.error is None else self._errors
        with self._taking:
            queues.setdefault(fault.operation, deque()).extend([fault] * times)

    def awaits(self, operation: str) -> bool:
        """Whether an error waits for the operation."""
        return bool(self._errors.get(operation))

    def take_error(self, operation: str) -> Exception | None:
        """The error that the operation meets now."""
        fault = self._take(self._errors, operation)
        # It may have been raised before, and would tell of all the ways it went.
        return None if fault is None or fault.error is None else fault.error.with_traceback(None)

    def take_delay(self, operation: str) -> dt.timedelta | None:
        """The delay that the operation meets now."""
        fault = self._take(self._delays, operation)
        return None if fault is None else fault.delay

    def _take(self, queues: dict[str, deque[Fault]], operation: str) -> Fault | None:
        if not queues.get(operation):
            return None
        with self._taking:
            queue = queues[operation]
            return queue.popleft() if queue else None

    def left(self) -> list[Fault]:
        """The faults that no call has met."""
        return [fault for queues in (self._errors, self._delays) for queue in queues.values() for fault in queue]

    def clear(self) -> None:
        """Forget what is waiting."""
        with self._taking:
            for queue in (*self._errors.values(), *self._delays.values()):
                queue.clear()

    def after_fork(self) -> None:
        """In a child, no thread is left that could release the lock."""
        self._taking = threading.Lock()


def require_operation(operation: str, known: Collection[str]) -> None:
    """Raise ValueError for an operation that the mock does not answer."""
    if operation not in known:
        raise ValueError(f"{operation!r} is no operation that the mock answers{_near(operation, known)}")


def aws_error(model: OperationModel, code: str, message: str | None, status: int | None) -> AWSError:
    """The error of this code, one of the operation's or common to all of AWS's actions.

    Raises ValueError for a code that the operation does not answer with, and for a status that is no error's.
    """
    if status is not None and status not in ERROR_STATUSES:
        raise ValueError(f"status={status!r}: expected the HTTP status of an error, 400 to 599")
    modelled = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in model.error_shapes}
    if code not in modelled and code not in COMMON_ERRORS:
        raise ValueError(f"{model.name} answers with no error {code!r}{_near(code, {*modelled, *COMMON_ERRORS})}")
    common_status, common_message = COMMON_ERRORS.get(code, (400, f"{code}, as arranged by the test."))
    if code in modelled:
        common_status = modelled[code].metadata.get("error", {}).get("httpStatusCode", common_status)
    return AWSError(code, common_message if message is None else message, status or common_status)


def connection_error(error: type[Exception] | Exception, url: str) -> Exception:
    """An error of the connection, made as botocore makes it when only its class is given.

    Raises TypeError for what is no such error, or cannot be made of its class alone.
    """
    kind = error if isinstance(error, type) else type(error)
    if not issubclass(kind, Exception) or issubclass(kind, (ClientError, AWSError)):
        raise TypeError(f"{error!r}: expected the code of an AWS error, such as 'ThrottlingException', or an exception")
    if isinstance(error, Exception):
        return error
    for arguments in ({"endpoint_url": url, "error": TOLD, "proxy_url": url}, {}):
        make: Callable[..., Any] = error
        try:
            return make(**arguments) if arguments else make(TOLD)  # type: ignore[no-any-return]
        except (TypeError, KeyError):
            continue
    raise TypeError(f"{kind.__name__} cannot be made without more ado: give an instance of it")


def _near(word: str, known: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - large, and wanted for an error only

    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return (
        f"; did you mean {' or '.join(map(repr, near))}?" if near else f": expected one of {', '.join(sorted(known))}"
    )
