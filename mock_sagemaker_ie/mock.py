"""InferenceExperimentMock: what an active mock gives, a look at what happened and the means to steer it."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie import calls
from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, LIFECYCLE, Entry, Status
from mock_sagemaker_ie.backend.transitions import Call
from mock_sagemaker_ie.calls import Calls
from mock_sagemaker_ie.clock import ZERO, instant, movable
from mock_sagemaker_ie.protocol.wire import MILLISECOND, copy_values, whole_milliseconds
from mock_sagemaker_ie.service.clients import shared_client
from mock_sagemaker_ie.service.faults import Fault, aws_error, connection_error, require_operation
from mock_sagemaker_ie.service.service import ANSWERED, INVOKE_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.service import Call as RecordedCall
    from mock_sagemaker_ie.service.service import Service
    from mock_sagemaker_ie.timeline import Timeline

DEFAULT_REGION = "us-east-1"
LONGEST_REASON = 1024  # AWS: StatusReason, FailureReason


class InferenceExperimentMock:
    """What an active mock gives: a look at what happened and the means to steer it.

    `clock`: the Clock that the service reads. Methods that take `region_name` and `account_id` mean the default region,
    us-east-1, and the mock's account without them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def clock(self) -> Any:
        """The clock that the service reads: the one given as `clock=`, or the MockClock made for it."""
        return self._service.clock

    @property
    def calls(self) -> Calls:
        """Every call that the mock answered, in order: operation, params, account_id, region, at, response or error.

        `calls.of("StopInferenceExperiment")` are those of one operation; with `keep=` the last ones are there.
        """
        return Calls(self._service.recorded())

    def assert_called_once(self, operation: str, /, **params: Any) -> RecordedCall:
        """The only call of an operation, made with these params; others it may have too.

        Raises AssertionError, showing the difference, when there is none, or more than one, or one with other params;
        ValueError for an operation that the mock does not answer.
        """
        require_operation(operation, ANSWERED)
        return calls.assert_called_once(self.calls, operation, params)

    def assert_not_called(self, operation: str) -> None:
        """Raise AssertionError when the operation was called, ValueError when the mock does not answer it anyway."""
        require_operation(operation, ANSWERED)
        calls.assert_not_called(self.calls, operation)

    @property
    def experiments(self) -> Mapping[str, Mapping[str, Any]]:
        """What DescribeInferenceExperiment would say now (times in UTC), by name, in the default region. Read-only."""
        return self.experiments_in(DEFAULT_REGION)

    def experiments_in(self, region: str, account_id: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """The experiments of any region, and of any account (default: the mock's)."""
        with self._service.looking(region, account_id) as (backend, _):
            return MappingProxyType({name: copy_values(backend.describe(name)) for name in backend.names()})

    def now(self) -> dt.datetime:
        """The present instant (UTC) as the service takes it: time never goes back."""
        return self._service.now()

    def worlds(self) -> list[tuple[str, str]]:
        """The accounts and regions that calls have come to."""
        return self._service.worlds()

    def client(self, service: str = "sagemaker", region_name: str = DEFAULT_REGION) -> Any:
        """A botocore client with keys of its own that is kept from test to test: making one costs most of a test."""
        return shared_client(service, region_name)

    def serve(self, model_name: str, handler: Handler | AsyncHandler) -> None:
        """Have `handler` answer for a model, on every endpoint of every account and region.

        It is called with a ModelRequest, which is the body as bytes and knows the content type and more, and returns
        bytes, a str, anything that `json.dumps` takes, or a ModelResponse; what it raises is a ModelError to the
        caller. For callers of aiobotocore it may be a coroutine function. A model without a handler echoes. The time
        that a handler really takes is the caller's, in the shadow too: say slowness by ModelResponse(latency=).
        """
        if not callable(handler):
            raise TypeError(f"handler={handler!r}: expected a function of the request that returns the response")
        self._service.runtime.handlers[model_name] = handler

    @property
    def captures(self) -> tuple[Capture, ...]:
        """Captured exchanges, oldest first, by DataStorageConfig and DataCaptureConfig; with `keep=` the last ones."""
        return self._service.runtime.captured

    @property
    def metrics(self) -> tuple[Datapoint, ...]:
        """What CloudWatch would know: every minute of every metric of every variant that was invoked."""
        return self._service.runtime.metrics

    def fail_next(
        self,
        operation: str,
        code: str | type[Exception] | Exception,
        message: str | None = None,
        *,
        times: int = 1,
        status: int | None = None,
    ) -> None:
        """Have the next `times` calls of an operation fail, or attempts of calls whose client retries.

        `code`: the code of an AWS error, one of the operation's or common to all of AWS's actions; or an error of the
        connection, such as botocore's ConnectTimeoutError. `message`, `status`: of an AWS error, by default its own.
        Raises ValueError for an operation or a code that there is not, TypeError for what is no such error.
        """
        meta = self._meta(operation)
        if isinstance(code, str):
            model = meta.service_model.operation_model(operation)
            fault = Fault(operation, aws_error(model, code, message, status))
        elif message is None and status is None:
            fault = Fault(operation, connection_error(code, meta.endpoint_url))
        else:
            raise TypeError(f"message= and status= are for the codes of AWS errors; {code!r} says all itself")
        self._service.faults.arrange(fault, times)

    def slow_next(self, operation: str, seconds: float, *, times: int = 1) -> None:
        """Have the next `times` calls of an operation take so many seconds on the mock's clock, which is moved.

        Raises ValueError for an operation that there is not, TypeError when the clock cannot be moved.
        """
        require_operation(operation, ANSWERED)
        movable(self.clock, "sleep")
        delay = dt.timedelta(seconds=seconds)
        if delay < ZERO:
            raise ValueError(f"seconds={seconds!r}: a call cannot take less than no time")
        self._service.faults.arrange(Fault(operation, delay=delay), times)

    def _meta(self, operation: str) -> Any:
        """What a client knows of the service of an operation."""
        require_operation(operation, ANSWERED)
        return self.client("sagemaker-runtime" if operation == INVOKE_ENDPOINT else "sagemaker").meta

    def advance_until(
        self, name: str, status: str, *, region_name: str = DEFAULT_REGION, account_id: str | None = None
    ) -> dt.datetime:
        """Move the clock to the instant at which an experiment reaches `status`, and return it; now, if it has already.

        Raises ValueError, saying why, when it never will by itself; LookupError when there is no such experiment;
        TypeError when the clock cannot be moved.
        """
        wanted = _status(status)
        with self._service.looking(region_name, account_id) as (backend, now):
            present = len(backend.experiment(name).life.entries) - 1
            entries = backend.foreseen(name).life.entries[present:]
        moment = next((entry.since for entry in _observable(entries) if entry.status is wanted), None)
        if moment is None:
            raise ValueError(_why_never(name, wanted, entries))
        if moment <= now:
            return now
        # Upwards to a whole millisecond, the service's grain.
        moment = whole_milliseconds(moment + MILLISECOND - dt.timedelta(microseconds=1))
        movable(self.clock, "move_to")(moment)
        return moment

    def timeline(self, name: str, *, region_name: str = DEFAULT_REGION, account_id: str | None = None) -> Timeline:
        """An experiment's past, and its future if nobody calls an operation: data, and with `str()` a chart.

        In notebooks, and by `.to_svg()`, a picture. Raises LookupError when there is no such experiment.
        """
        from mock_sagemaker_ie.timeline import timeline  # noqa: PLC0415 - wanted by few

        with self._service.looking(region_name, account_id) as (backend, now):
            return timeline(backend.foreseen(name), now)

    def timelines_in(self, region: str, account_id: str | None = None) -> Mapping[str, Timeline]:
        """The timelines of all experiments of any region, and of any account (default: the mock's), by name."""
        from mock_sagemaker_ie.timeline import timeline  # noqa: PLC0415 - wanted by few

        with self._service.looking(region, account_id) as (backend, now):
            future = backend.future()
            return MappingProxyType({name: timeline(future.experiment(name), now) for name in backend.names()})

    def fail_experiment(
        self,
        name: str,
        reason: str,
        *,
        at: dt.datetime | str | None = None,
        region_name: str = DEFAULT_REGION,
        account_id: str | None = None,
    ) -> None:
        """Make what the service is doing for an experiment fail: it is Cancelled, `reason` is its StatusReason.

        `at`: a coming instant (aware datetime or ISO string) at which it fails, unless it has finished by then; now
        by default. Raises LookupError when there is no such experiment, ValueError when it has finished already or
        `at` is past.
        """
        with self._service.looking(region_name, account_id) as (backend, now):
            when = now if at is None else whole_milliseconds(instant(at))
            if when < now:
                raise ValueError(f"at={when.isoformat()}: expected a coming instant, it is {now.isoformat()}")
            backend.fail_experiment(name, _reason(reason), when, now)

    def fail_endpoint(
        self, name: str, reason: str, *, region_name: str = DEFAULT_REGION, account_id: str | None = None
    ) -> None:
        """Make what is being deployed on an endpoint fail now; without that, its next deployment fails at its end.

        The endpoint may be yet to come. `reason` is its FailureReason, and the StatusReason of its experiment.
        """
        with self._service.looking(region_name, account_id) as (backend, now):
            backend.fail_endpoint(name, _reason(reason), now)

    def reset(self) -> None:
        """Forget every experiment, tag and call; the clock goes on."""
        self._service.reset()


def _status(status: str) -> Status:
    try:
        return Status(status)
    except ValueError:
        raise ValueError(f"{status!r} is no status of an experiment: {', '.join(Status)}") from None


def _observable(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries that last: a status that takes no time has passed before anyone can look."""
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if following is None or following.since > entry.since:
            yield entry


def _why_never(name: str, wanted: Status, entries: Sequence[Entry]) -> str:
    """Why an experiment, whose present and coming statuses are `entries`, does not reach `wanted`."""
    reason = f"Experiment {name!r} will not be {wanted} by itself: "
    if len(entries) == 1:
        return f"{reason}it is {entries[0].status}, where it stays."
    if wanted in [entry.status for entry in entries]:
        return f"{reason}it passes {wanted} in no time; see durations=."
    coming = {entry.status for entry in entries}
    aims = (wanted, Status.STOPPING if wanted in FINISHED else wanted)  # Stop leads to either end by way of Stopping.
    operations = dict.fromkeys(
        row.trigger.operation
        for row in LIFECYCLE
        if row.source in coming and row.target in aims and isinstance(row.trigger, Call)
    )
    hint = f" {' or '.join(operations)} would lead there." if operations else ""
    return f"{reason}it goes {' → '.join(entry.status for entry in entries)}.{hint}"


def _reason(reason: str) -> str:
    if not isinstance(reason, str) or not 0 < len(reason) <= LONGEST_REASON:
        raise ValueError(f"reason={reason!r}: expected a text of 1 to {LONGEST_REASON} characters, as AWS has it")
    return reason
