"""The calls that a mock answered, and assertions on them whose failures compare what came with what was expected."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol.errors import suggestion
from mock_sagemaker_ie.protocol.wire import copy_values

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

Values = dict[str, Any]

INVOKE_ENDPOINT = "InvokeEndpoint"
ANSWERED = (*OPERATIONS, INVOKE_ENDPOINT)


def require_operation(operation: str) -> None:
    """Raise ValueError for an operation that the mock does not answer."""
    if operation not in ANSWERED:
        raise ValueError(f"{operation!r} is not an operation that the mock answers{suggestion(operation, ANSWERED)}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the mock answered.

    `operation`: AWS's name. `params`: the members of the request. `at`: the instant (UTC) at which it was answered.
    `error`: an AWSError with its `code` and `message`, or the connection error that a test arranged, or None. The
    `__cause__` of a ModelError is the exception that the handler of the model raised. `shadow_error`: the ModelError of
    the shadow variant, which no caller gets.
    """

    operation: str
    params: Values
    account_id: str
    region: str
    at: dt.datetime
    error: Exception | None = None
    _values: Values | None = None
    _read: Callable[[Values], Values] = copy_values
    shadow_error: Exception | None = None

    @property
    def response(self) -> Values | None:
        """The members of the answer, with times in UTC; None when the call was answered with an error."""
        return None if self._values is None else self._read(self._values)

    def __repr__(self) -> str:
        outcome = "ok" if self.error is None else getattr(self.error, "code", type(self.error).__name__)
        name = next((f"({value})" for key, value in self.params.items() if key.endswith("Name")), "")
        return f"<Call {self.operation}{name} -> {outcome}, {self.region}, {self.at:%Y-%m-%d %H:%M:%S}>"

    def __reduce__(self) -> tuple[type[Call], tuple[Any, ...]]:
        # A copy in another process has the response itself: how to read it belongs to a client of this process.
        request = self.operation, self.params, self.account_id, self.region, self.at
        return Call, (*request, self.error, self.response, copy_values, self.shadow_error)

    def __deepcopy__(self, memo: dict[int, Any]) -> Call:
        # Both share the errors: a traceback, which an error and its cause have, cannot be copied.
        return replace(self, params=copy.deepcopy(self.params, memo))


class Calls(tuple["Call", ...]):
    """Calls, in the order in which they were answered."""

    __slots__ = ()

    def of(self, operation: str) -> Calls:
        """Return the calls of one operation. Raises ValueError for an operation that the mock does not answer."""
        require_operation(operation)
        return Calls(call for call in self if call.operation == operation)


def assert_called_once(calls: Calls, operation: str, params: dict[str, Any]) -> Call:
    """Return the only call of the operation. Raises AssertionError unless there is exactly one, with these params."""
    (call, *more) = calls.of(operation) or (None,)
    if call is None or more:
        count = 1 + len(more) if call else 0
        raise AssertionError(f"{operation} was called {_times(count)}, expected once; calls: {_counted(calls)}")
    received = {name: call.params[name] for name in params if name in call.params}
    if received != params:
        raise AssertionError(f"{operation} was called with other params than expected:\n{_diff(params, received)}")
    return call


def assert_not_called(calls: Calls, operation: str) -> None:
    """Raise AssertionError when the operation was called."""
    if made := calls.of(operation):
        params = "\n".join(f"  {call.params!r:.200}" for call in made)
        raise AssertionError(f"{operation} was called {_times(len(made))}, expected never, with:\n{params}")


def _diff(expected: dict[str, Any], received: dict[str, Any]) -> str:
    import difflib  # noqa: PLC0415 - large, and wanted for a failure only
    import pprint  # noqa: PLC0415

    before, after = (pprint.pformat(params, width=60).splitlines() for params in (expected, received))
    return "\n".join(difflib.unified_diff(before, after, "expected", "received", lineterm="", n=2))


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _counted(calls: Calls) -> str:
    operations = [call.operation for call in calls]
    return ", ".join(f"{name} {_times(operations.count(name))}" for name in dict.fromkeys(operations)) or "none"
