"""The calls that a mock answered, and assertions on them whose failures compare what came with what was expected."""

from __future__ import annotations

import copy
import weakref
from contextlib import suppress
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol.errors import error_code, suggestion
from mock_sagemaker_ie.protocol.wire import copy_values

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

Values = dict[str, Any]

INVOKE_ENDPOINT, INVOKE_STREAM = "InvokeEndpoint", "InvokeEndpointWithResponseStream"
INVOCATIONS = (INVOKE_ENDPOINT, INVOKE_STREAM)  # The operations of SageMaker's runtime.
ANSWERED = (*OPERATIONS, *INVOCATIONS)


def require_operation(operation: str) -> None:
    """Raise ValueError for an operation that the mock does not answer."""
    if operation not in ANSWERED:
        raise ValueError(
            f"{operation!r} is not an operation that the mock answers{suggestion(str(operation), ANSWERED)}"
        )


class ErrorRecord(Protocol):
    """The error of a call, which a stream may get later."""

    def get(self) -> Exception | None:
        """Return the error; None while there is none."""


class RecordedError:
    """An error as a call keeps it: a copy without a traceback, whose frames would keep the variables of all callers.

    While somebody else has the error that was raised, it is that object; but not an instance of a built-in class, which
    cannot be referred to weakly.
    """

    __slots__ = ("_copy", "_raised")

    def __init__(self, error: Exception) -> None:
        for cause in _causes(error):
            cause.with_traceback(lines_only(cause.__traceback__))
        self._copy = _copy_error(error)
        self._raised: Callable[[], Exception | None] = _no_error
        with suppress(TypeError):  # A built-in exception cannot be referred to weakly.
            self._raised = weakref.ref(error)

    def get(self) -> Exception:
        """Return the error that was raised if somebody still has it, else its copy."""
        return self._raised() or self._copy

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordedError, (self.get(),)


def _no_error() -> None:
    """Return None, as a weak reference to an error that nobody has."""


def _copy_error(error: Exception) -> Exception:
    """Return a copy of an error with its attributes and its cause.

    Neither `__new__` nor `__init__` of a user's class is run: they may need more than `args`.
    """
    kind = type(error)
    base: Any = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    with suppress(Exception):  # The class of a user's exception may do anything.
        if kind is base:
            copied: Exception = copy.copy(error)
        else:
            copied = base.__new__(kind, *error.args)
            copied.args = error.args
            copied.__dict__.update(error.__dict__)
        copied.__cause__ = error.__cause__
        return copied
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the cause of an error, the exceptions from which that came, and those of a group, each once."""
    found, left = [error], [error.__cause__, *getattr(error, "exceptions", ())]
    while left:
        cause = left.pop()
        if cause is not None and not any(cause is each for each in found):
            found.append(cause)
            left += [cause.__cause__, cause.__context__, *getattr(cause, "exceptions", ())]
            yield cause


def lines_only(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback that shows the same lines and has none of the frames, and so no variables."""
    places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    for code, line in reversed(places):
        trace = TracebackType(trace, _nothing_ran(code).gi_frame, -1, line)
    return trace


def _nothing_ran(code: CodeType) -> Any:
    """Return a generator that has not begun, whose frame shows the place of `code`. Such a frame has no callers."""
    place = _empty.__code__.replace(
        co_filename=code.co_filename, co_name=code.co_name, co_firstlineno=code.co_firstlineno
    )
    return FunctionType(place, {})()


def _empty() -> Iterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the mock answered.

    `operation`: AWS's name. `params`: the members of the request. `at`: the instant (UTC) at which it was answered.
    `error`: an AWSError with its `code` and `message`, or the connection error that a test arranged, or None. The
    `__cause__` of a ModelError is the exception that the handler of the model raised. `shadow_error`: the ModelError of
    the shadow variant, which no caller gets. `lost`: the error that the caller got although the service acted, because
    a test arranged it: `response` or `error` is the answer that the caller did not get. `arranged`: a test arranged
    `error`, by `fail_next` or by a delay of `slow_next` beyond the caller's timeout, so the service did not act. A
    stream that breaks has both a `response`, whose Body is what the caller has read so far, and an `error`.
    """

    operation: str
    params: Values
    account_id: str
    region: str
    at: dt.datetime
    _error: ErrorRecord | None = None
    _values: Values | None = None
    _read: Callable[[Values], Values] = copy_values
    _shadow_error: RecordedError | None = None
    _lost: RecordedError | None = None
    arranged: bool = False

    @property
    def error(self) -> Exception | None:
        """The error that the caller got; None for an answer.

        When nobody else has it any more, or its class is built into Python, it is a copy without a traceback.
        """
        return None if self._error is None else self._error.get()

    @property
    def lost(self) -> Exception | None:
        """The error that the caller got in place of the answer (`fail_next(after=True)`); None for no such error."""
        return None if self._lost is None else self._lost.get()

    @property
    def shadow_error(self) -> Exception | None:
        """The ModelError of the shadow variant, which no caller gets; None when there is none."""
        return None if self._shadow_error is None else self._shadow_error.get()

    @property
    def response(self) -> Values | None:
        """The members of the answer, with times in UTC; None when the call was answered with an error."""
        return None if self._values is None else self._read(self._values)

    def __repr__(self) -> str:
        outcome = "ok" if self.error is None else error_code(self.error)
        if self.lost is not None:
            outcome += f", lost: {error_code(self.lost)}"
        name = next((f"({value})" for key, value in self.params.items() if key.endswith("Name")), "")
        return f"<Call {self.operation}{name} -> {outcome}, {self.region}, {self.at:%Y-%m-%d %H:%M:%S}>"

    def __reduce__(self) -> tuple[type[Call], tuple[Any, ...]]:
        # A copy in another process has the response itself: how to read it belongs to a client of this process.
        request = self.operation, self.params, self.account_id, self.region, self.at
        error = None if self.error is None else RecordedError(self.error)
        errors = self._shadow_error, self._lost, self.arranged
        return Call, (*request, error, self.response, copy_values, *errors)

    def __deepcopy__(self, memo: dict[int, Any]) -> Call:
        # Both share the errors: a traceback, which a cause has, cannot be copied.
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
