"""Faults: errors and delays that are arranged for coming calls."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.protocol.errors import COMMON_ERRORS, AWSError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection

    from botocore.model import OperationModel


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
    """The faults that wait for their calls, in the order in which they were arranged."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}
        self._taking = threading.Lock()

    def arrange(self, fault: Fault, times: int) -> None:
        """Have the next `times` calls or attempts of the fault's operation meet it."""
        with self._taking:
            self._waiting.setdefault(fault.operation, deque()).extend([fault] * times)

    def waiting(self, operation: str) -> Fault | None:
        """The fault that the operation meets next."""
        queue = self._waiting.get(operation)
        return queue[0] if queue else None

    def take(self, operation: str) -> Fault | None:
        """The fault that the operation meets now."""
        with self._taking:
            queue = self._waiting.get(operation)
            return queue.popleft() if queue else None

    def left(self) -> list[Fault]:
        """The faults that no call has met."""
        return [fault for queue in self._waiting.values() for fault in queue]

    def clear(self) -> None:
        """Forget what is waiting."""
        self._waiting.clear()


def require_operation(operation: str, known: Collection[str]) -> None:
    """Raise ValueError for an operation that the mock does not answer."""
    if operation not in known:
        raise ValueError(f"{operation!r} is no operation that the mock answers{_near(operation, known)}")


def aws_error(model: OperationModel, code: str, message: str | None, status: int | None) -> AWSError:
    """The error of this code, one of the operation's or common to all of AWS's actions.

    Raises ValueError for a code that the operation does not answer with.
    """
    modelled = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in model.error_shapes}
    if code not in modelled and code not in COMMON_ERRORS:
        raise ValueError(f"{model.name} answers with no error {code!r}{_near(code, {*modelled, *COMMON_ERRORS})}")
    common_status, common_message = COMMON_ERRORS.get(code, (400, f"{code}, as arranged by the test."))
    if code in modelled:
        common_status = modelled[code].metadata.get("error", {}).get("httpStatusCode", common_status)
    return AWSError(code, message or common_message, status or common_status)


def connection_error(error: type[Exception] | Exception, url: str) -> Exception:
    """An error of the connection, made as botocore makes it when only its class is given."""
    if isinstance(error, Exception):
        return error
    make: Callable[..., Any] = error
    try:
        return make(endpoint_url=url, error="as arranged by the test", proxy_url=url)  # type: ignore[no-any-return]
    except TypeError:
        return make("as arranged by the test")  # type: ignore[no-any-return]


def _near(word: str, known: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - large, and wanted for an error only

    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return (
        f"; did you mean {' or '.join(map(repr, near))}?" if near else f": expected one of {', '.join(sorted(known))}"
    )
