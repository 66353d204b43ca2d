"""InferenceExperimentMock: the object by which a test sees what happened in a mock, and controls what comes."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mock_sagemaker_ie import calls
from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, LIFECYCLE, Entry, Status
from mock_sagemaker_ie.backend.hosting.alarms import ALARM, STATES
from mock_sagemaker_ie.backend.transitions import Call as Called
from mock_sagemaker_ie.calls import INVOCATIONS, Calls, require_operation
from mock_sagemaker_ie.clock import instant, movable
from mock_sagemaker_ie.protocol.limits import LATEST, check_flag, check_reason, check_seconds
from mock_sagemaker_ie.protocol.wire import MILLISECOND, copy_values, whole_milliseconds
from mock_sagemaker_ie.service.clients import Clients, process_region
from mock_sagemaker_ie.service.faults import Fault, aws_error, connection_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.metrics import Metrics
    from mock_sagemaker_ie.backend.store import Store
    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.service.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service.permissions import Policy
    from mock_sagemaker_ie.service.service import Service
    from mock_sagemaker_ie.timeline import Timeline

T = TypeVar("T")


class Branch(Protocol):
    """A branch of a mock, as InferenceExperimentMock.branch() returns it. Each entry copies the present state."""

    def start(self) -> InferenceExperimentMock:
        """Begin to answer in place of the mock, with a copy of its state. Return the branch's own mock."""
        ...

    def stop(self) -> None:
        """End what was started last: the mock answers again. Raises RuntimeError when nothing is active."""
        ...

    def __enter__(self) -> InferenceExperimentMock: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def __aenter__(self) -> InferenceExperimentMock: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class InferenceExperimentMock:
    """The object that an active mock gives a test, to see what happened and to control the rest.

    Methods with `region_name` and `account_id` use `mock.region_name` and the account of the mock by default.
    """

    def __init__(
        self,
        service: Service,
        region_name: str | None = None,
        begin_branch: Callable[[InferenceExperimentMock], Branch] | None = None,
    ) -> None:
        self._service = service
        self._region_name = region_name
        self._begin_branch = begin_branch
        self._clients = Clients()

    def __repr__(self) -> str:
        """Return the present status of each experiment."""
        try:
            scopes = self._service.scopes()
            found = [each for account, region in scopes for each in self.experiments_in(region, account).values()]
        except Exception as error:  # noqa: BLE001 - a user's clock may raise, and a repr must not
            return f"<InferenceExperimentMock: {type(error).__name__}>"
        experiments = ", ".join(f"{each['Name']}: {each['Status']}" for each in found[:10]) or "no experiments"
        more = f", … {len(found) - 10} more" if len(found) > 10 else ""  # noqa: PLR2004 - enough for one line
        count = len(self._service.calls)
        return f"<InferenceExperimentMock {experiments}{more}; {count} call{'s'[: count != 1]}>"

    @property
    def region_name(self) -> str:
        """The default region: the `region_name=` option, or else the region of the process at this moment.

        The region of the process is that of boto3.setup_default_session, else of the environment variable
        AWS_DEFAULT_REGION, else AWS_REGION, else us-east-1.
        """
        return self._region_name or process_region()

    def __copy__(self) -> InferenceExperimentMock:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> InferenceExperimentMock:
        # Test frameworks copy what a test class has, as Django does with what setUpTestData makes. A copy stands for
        # the same mock.
        return self

    @property
    def clock(self) -> Any:
        """The clock that the service reads: the `clock=` option, or the MockClock that was made for it."""
        return self._service.clock

    @property
    def calls(self) -> Calls:
        """Every call that the mock answered, in order: operation, params, account_id, region, at, response or error.

        `calls.of("StopInferenceExperiment")` gives the calls of one operation. With `keep=`, only the last calls.
        """
        return Calls(self._service.recorded())

    def required_policy(self) -> Policy:
        """Return the least IAM policy that allows every call so far: a dict, whose `str()` is JSON.

        It has the actions and the ARNs of the resources, `iam:PassRole` with its condition for each role that was
        passed, and `sagemaker:AddTags` for tags in a Create request. It is what AWS's Service Authorization Reference
        says; conditions, resource policies and service control policies are outside of it. A call that lacks the name
        of its resource, which AWS refuses in any case, does not count. With `keep=`, only the last calls count.
        """
        from mock_sagemaker_ie.service.permissions import least_policy, needed  # noqa: PLC0415 - few tests need it
        from mock_sagemaker_ie.service.service import arn_prefix  # noqa: PLC0415 - few tests need it

        return least_policy(
            permission
            for call in self.calls
            for permission in needed(call.operation, call.params, arn_prefix(call.region, call.account_id))
            if call.operation.startswith("List") or not permission.resource.endswith("*")
        )

    def assert_called_once(self, operation: str, /, **params: Any) -> Call:
        """Return the only call of an operation. It has these params, and may have others.

        Raises AssertionError, with the difference, when there is no call, more than one, or one with other params;
        ValueError for an operation that the mock does not answer.
        """
        require_operation(operation)
        return calls.assert_called_once(self.calls, operation, params)

    def assert_not_called(self, operation: str) -> None:
        """Raise AssertionError when the operation was called, ValueError when the mock does not answer it."""
        require_operation(operation)
        calls.assert_not_called(self.calls, operation)

    @property
    def experiments(self) -> Mapping[str, Mapping[str, Any]]:
        """The answers of DescribeInferenceExperiment now (times in UTC), by name, in the default region. Read-only.

        The KeyError for a name that another region or account has says where it is.
        """
        return self.experiments_in(self.region_name)

    def experiments_in(self, region_name: str, account_id: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Return the experiments of any region, and of any account (by default the mock's), as `experiments` does."""

        def describe_all(backend: SageMakerBackend, now: dt.datetime) -> dict[str, Mapping[str, Any]]:
            describe = backend.experiments.describe
            return {name: copy_values(describe({"Name": name}, now)) for name in backend.experiments.store.records}

        described = self._service.look(describe_all, region_name, account_id)
        return MappingProxyType(
            _Described(
                described, lambda name: self._where("experiments", name, region_name, account_id, of_a_mapping=True)
            )
        )

    def experiment_names(self, region: str, account_id: str | None = None) -> list[str]:
        """Return the names of the experiments of a region and an account, in the order of creation."""
        return self._service.look(lambda backend, _: list(backend.experiments.store.records), region, account_id)

    def now(self) -> dt.datetime:
        """Return the present instant (UTC) of the service. It never goes back."""
        return self._service.now()

    def scopes(self) -> list[tuple[str, str]]:
        """Return the accounts and regions of the calls so far."""
        return self._service.scopes()

    worlds = scopes  # The name in version 0.1.0.

    def client(self, service: str = "sagemaker", region_name: str | None = None) -> Any:
        """Return the mock's botocore client of a service in a region. No setting of the machine changes it.

        Making a client is slow, so the process keeps it. Another mock gets it only if nobody has left a handler on it.
        """
        return self._clients.get(service, region_name or self.region_name)

    def serve(self, model_name: str, handler: Handler | AsyncHandler) -> None:
        """Let `handler` answer for a model, on every endpoint of every account and region.

        It gets a ModelRequest (the body as bytes, with the content type and more as attributes) and returns bytes, a
        str, a value that `json.dumps` accepts, an iterator of chunks, or a ModelResponse, whose `status` can be that of
        an error. A generator yields the parts of InvokeEndpointWithResponseStream. If a handler raises, the caller gets
        a ModelError, or in the middle of a stream a ModelStreamError; the exception is the `__cause__` of the error in
        `mock.calls`. For callers of aiobotocore it may be a coroutine function or an asynchronous generator function.
        A model without a handler returns the request body. The caller waits while a handler runs, also a shadow's
        handler: use ModelResponse(latency=) for a slow model.
        A model that no request has reached when the mock ends is reported like an unused fault. Raises TypeError for a
        handler that cannot be called.
        """
        if not callable(handler):
            raise TypeError(f"handler={handler!r}: expected a function that takes the request and returns the response")
        self._service.serve(model_name, handler)

    @property
    def captures(self) -> tuple[Capture, ...]:
        """The captures by DataStorageConfig and DataCaptureConfig, oldest first. With `keep=`, only the last ones."""
        return self._service.runtime.captured

    @property
    def metrics(self) -> Metrics:
        """The metrics that CloudWatch would have: every minute of every metric of every variant that was invoked.

        `metrics.by_config` has the same data with the dimension EndpointConfigName.
        """
        return self._service.runtime.metrics

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """The events that SageMaker sends to EventBridge, as dicts, in the order of their instants: of every region.

        They are "SageMaker Endpoint State Change" and "SageMaker Endpoint Deployment State Change". With `keep=`, only
        the last ones.
        """
        return tuple(notice.event for notice in self._service.events())

    def fail_next(
        self,
        operation: str,
        error: str | type[Exception] | Exception,
        message: str | None = None,
        *,
        times: int = 1,
        status: int | None = None,
        after: bool = False,
    ) -> None:
        """Make the next `times` calls of an operation fail, or attempts when the client retries.

        `error`: the code of an AWS error of this operation or common to all operations; or a connection error, for
        example botocore's ConnectTimeoutError. `message`, `status`: of an AWS error; by default those of its code. An
        error that comes as an event of a stream (ModelStreamError, InternalStreamFailure) is the only event of one.
        `after`: False: the call has no effect. True: the service acts, its answer is lost, and the caller gets this
        error: one of a connection that was made, for example ReadTimeoutError, or of the service with an HTTP status of
        500 or more, for example InternalFailure. `mock.calls` has the answer, and the error as `lost`.
        Raises ValueError for an unknown operation or code, and with `after` for an error that comes only when the
        service has not acted; TypeError for any other kind of error.
        """
        meta = self._meta(operation)
        check_flag(after, "after")
        if isinstance(error, str):
            model = meta.service_model.operation_model(operation)
            fault = Fault(operation, aws_error(model, error, message, status, after=after), after=after)
        elif message is None and status is None:
            fault = Fault(operation, connection_error(error, meta.endpoint_url, after=after), after=after)
        else:
            raise TypeError(f"message= and status= are for the codes of AWS errors; {error!r} has its own")
        self._service.faults.arrange(fault, times)

    def slow_next(self, operation: str, seconds: float, *, times: int = 1) -> None:
        """Make the next `times` calls of an operation move the mock's clock by this number of seconds.

        A caller that waits less long (botocore's `read_timeout`, 60 seconds by default; `timeout=` of requests) gets
        its error for that after that time, and may retry; the call then has no effect. AWS may have acted: arrange that
        with `fail_next(…, ReadTimeoutError, after=True)`. When fail_next arranges an error for the same attempt,
        the attempt takes the whole delay and gets that error.
        Raises ValueError for an unknown operation or a negative number, TypeError when the clock cannot be moved.
        """
        require_operation(operation)
        movable(self.clock, "sleep")
        delay = check_seconds(seconds)
        if delay >= LATEST - self.now():
            raise ValueError(f"seconds={seconds!r}: the clock cannot leave the year {LATEST.year - 1}")
        self._service.faults.arrange(Fault(operation, delay=delay), times)

    def end_scenario(self) -> None:
        """Let the scenario do nothing more to calls: no faults, no interference, no short pages. For checks at the end.

        Its durations and failures stay.
        """
        self._service.end_scenario()

    def _meta(self, operation: str) -> Any:
        """Return the metadata of a client for the service of an operation."""
        require_operation(operation)
        return self.client("sagemaker-runtime" if operation in INVOCATIONS else "sagemaker").meta

    def advance_until(
        self, name: str, status: str, *, region_name: str | None = None, account_id: str | None = None
    ) -> dt.datetime:
        """Move the clock to the instant (UTC) at which an experiment reaches `status`, and return it.

        The clock stays when the experiment has the status already. Raises ValueError, with the reason, when the
        experiment does not reach it by itself; LookupError for an unknown name; TypeError when the clock cannot be
        moved.
        """
        target = _status(status)

        def foresee(backend: SageMakerBackend, now: dt.datetime) -> tuple[tuple[Entry, ...], dt.datetime]:
            present = len(backend.experiments.store.get(name).life.entries) - 1
            return backend.foreseen(name).life.entries[present:], now

        entries, now = self._look(foresee, "experiments", name, region_name, account_id)
        moment = next((entry.since for entry in _observable(entries) if entry.status is target), None)
        if moment is None:
            raise ValueError(_why_never(name, target, entries))
        if moment <= now:
            return now
        # Round up to a whole millisecond, the precision of the service.
        moment = whole_milliseconds(moment + MILLISECOND - dt.timedelta(microseconds=1))
        movable(self.clock, "move_to")(moment)
        return moment

    def timeline(self, name: str, *, region_name: str | None = None, account_id: str | None = None) -> Timeline:
        """Return the past of an experiment, and its future if nobody calls an operation.

        `str()` of it is a chart; `.to_svg()`, and a notebook, give a picture. Raises LookupError for an unknown name.
        """
        from mock_sagemaker_ie.timeline import timeline  # noqa: PLC0415 - few tests need it

        def look_ahead(backend: SageMakerBackend, now: dt.datetime) -> Timeline:
            return timeline(backend.foreseen(name), now)

        return self._look(look_ahead, "experiments", name, region_name, account_id)

    def timelines_in(self, region: str, account_id: str | None = None) -> Mapping[str, Timeline]:
        """Return the timelines of all experiments of a region, and of an account (by default the mock's), by name."""
        from mock_sagemaker_ie.timeline import timeline  # noqa: PLC0415 - few tests need it

        def look_ahead(backend: SageMakerBackend, now: dt.datetime) -> dict[str, Timeline]:
            return {name: timeline(backend.foreseen(name), now) for name in backend.experiments.store.records}

        return MappingProxyType(self._service.look(look_ahead, region, account_id))

    def fail_experiment(
        self,
        name: str,
        reason: str,
        *,
        at: dt.datetime | str | None = None,
        region_name: str | None = None,
        account_id: str | None = None,
    ) -> None:
        """Make an experiment fail: it becomes Cancelled with `reason` as StatusReason, and its endpoint rolls back.

        `at`: a later instant (aware datetime or ISO string) at which it fails if it has not finished by then; by
        default now. A failure that has not happened when the mock ends is reported like an unused fault. Raises
        LookupError for an unknown name, ValueError when the experiment has finished or `at` is past.
        """

        def fail(backend: SageMakerBackend, now: dt.datetime) -> None:
            when = now if at is None else whole_milliseconds(instant(at))
            if when < now:
                raise ValueError(
                    f"at={when.isoformat()}: expected a later instant than {now.isoformat()}, which is now"
                )
            with self._change("experiment", name, check_reason(reason), backend, now, when=when.isoformat()):
                backend.fail_experiment(name, reason, when, now)
            if when > now:
                self._expect(backend, ("experiment", name, when.isoformat()), f"the failure at {when.isoformat()}")

        self._look(fail, "experiments", name, region_name, account_id)

    def fail_endpoint(
        self, name: str, reason: str, *, region_name: str | None = None, account_id: str | None = None
    ) -> None:
        """Make the deployment of an endpoint fail now; if there is none, its next deployment fails at its end.

        The endpoint need not exist yet, but an endpoint that no deployment has met when the mock ends is reported like
        an unused fault. `reason` is its FailureReason, and the StatusReason of its experiment. Raises
        LookupError when the call says neither region nor account, and only another region or account has the endpoint.
        """

        def fail(backend: SageMakerBackend, now: dt.datetime) -> None:
            anywhere = region_name is None and account_id is None
            if anywhere and backend.hosting.find(name) is None and self._scopes_with("endpoints", name):
                raise LookupError(f"Endpoint {name} does not exist in {self.region_name}.")
            with self._change("endpoint", name, check_reason(reason), backend, now):
                backend.fail_endpoint(name, reason, now)
            if backend.hosting.fails_next(name):
                self._expect(backend, ("endpoint", name), "the failure of the next deployment")

        self._look(fail, "endpoints", name, region_name, account_id)

    def alarm(self, name: str, *, state: str, region_name: str | None = None, account_id: str | None = None) -> None:
        """Set the state of a CloudWatch alarm by hand: "ALARM", "OK" or "INSUFFICIENT_DATA", from now on.

        A deployment with this alarm in its AutoRollbackConfiguration rolls back when the alarm is in state ALARM during
        a baking period. What `cloudwatch=` says of the alarm does not count any more. An alarm in state ALARM that no
        deployment has watched when the mock ends is reported like an unused fault. Raises ValueError for another state
        and for an empty name.
        """
        if state not in STATES:
            raise ValueError(f"state={state!r}: expected one of {', '.join(STATES)}")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"name={name!r}: expected the name of a CloudWatch alarm")

        def change(backend: SageMakerBackend, now: dt.datetime) -> None:
            account, region = backend.scope
            entry = {"alarm": name, "state": state, "at": now.isoformat(), "region": region, "account": account}
            with self._service.change(**entry):
                backend.set_alarm(name, state, now)
            if state == ALARM:
                what = f"a deployment that watches the alarm {name!r} in {region}"
                self._service.faults.expect((account, region, "alarm", name), what)

        self._service.look(change, region_name or self.region_name, account_id)

    def scale(
        self,
        endpoint: str,
        variant: str,
        count: int,
        *,
        region_name: str | None = None,
        account_id: str | None = None,
    ) -> None:
        """Change the number of instances of a variant to `count`, as Application Auto Scaling does.

        It has the effect of UpdateEndpointWeightsAndCapacities, also while an experiment uses the endpoint, but is no
        call of the code under test: `mock.calls` does not have it. Raises LookupError for an unknown endpoint,
        ValueError for an unknown variant or one without instances, for an endpoint that is being changed, for an
        exceeded quota, and for a count that is not a whole number from 0 on.
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"count={count!r}: expected a number of instances")

        def change(backend: SageMakerBackend, now: dt.datetime) -> None:
            if backend.hosting.find(endpoint) is None:
                raise LookupError(f"Endpoint {endpoint} does not exist.")
            account, region = backend.scope
            entry = {"scale": endpoint, "variant": variant, "count": count, "at": now.isoformat()}
            with self._service.change(**entry, region=region, account=account):
                backend.scale(endpoint, variant, count, now)

        self._look(change, "endpoints", endpoint, region_name, account_id)

    def _change(
        self, kind: str, name: str, reason: str, backend: SageMakerBackend, now: dt.datetime, **more: str
    ) -> AbstractContextManager[None]:
        """Return the context in which a failure must be arranged."""
        account, region = backend.scope
        scope = {"region": region, "account": account}
        return self._service.change(failure=kind, name=name, reason=reason, at=now.isoformat(), **scope, **more)

    def _expect(self, backend: SageMakerBackend, failure: tuple[str, ...], what: str) -> None:
        """Note an arranged failure, so that it is reported when it does not happen."""
        kind, name, *_ = failure
        expected = f"{what} of {kind} {name!r} in {backend.scope[1]}"
        self._service.faults.expect((*backend.scope, *failure), expected)

    # --- names in other regions and accounts

    def _look(
        self,
        function: Callable[[SageMakerBackend, dt.datetime], T],
        kind: str,
        name: str,
        region_name: str | None,
        account_id: str | None,
    ) -> T:
        """Call `function` as Service.look does. The LookupError for a missing name says where else the name is."""
        region = region_name or self.region_name
        try:
            return self._service.look(function, region, account_id)
        except LookupError as error:
            raise LookupError(f"{error}{self._where(kind, name, region, account_id)}") from None

    def _where(self, kind: str, name: str, region: str, account_id: str | None, *, of_a_mapping: bool = False) -> str:
        """Return a sentence with the other regions and accounts that have this name; empty when there are none.

        `of_a_mapping`: the name was looked up in `mock.experiments`, which takes no arguments.
        """
        account = account_id or self._service.account_id
        found = []
        for there, place in self._scopes_with(kind, name):
            arguments = [f"region_name={place!r}"] * (place != region) + [f"account_id={there!r}"] * (there != account)
            way_out = f"pass {', '.join(arguments)}"
            if of_a_mapping:
                way_out = f"use mock.experiments_in({place!r}{f', {there!r}' * (there != account)})"
            found.append(f"region {place} of account {there} has it: {way_out}")
        return f" But {'; '.join(found)}." if found else ""

    def _scopes_with(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Return the accounts and regions that have an experiment or an endpoint with this name."""
        found = []
        for account, region in self._service.scopes():
            if self._service.look(lambda backend, _: name in _store(backend, kind).records, region, account):
                found.append((account, region))
        return found

    def branch(self) -> Branch:
        """Return a branch, for `with`, `async with` or start() and stop(): a mock that goes on from the present state.

        While it is active it answers the calls of the code. It begins with a copy of this mock's state, faults, models,
        captures and metrics, at the same instant, and has no calls. What happens in it changes nothing here, and the
        clock here stays where it is: move the clock of the branch. Both write to the same `s3=`, `cloudwatch=` and
        `events=`. A branch of a branch is possible. Raises RuntimeError for the mock of a server and, when the branch
        begins, for a mock that has ended; TypeError when the clock is the user's and cannot be copied.
        """
        if self._begin_branch is None:
            raise RuntimeError(
                "this mock is not active in this process, so it has no branches: a server answers with one state only"
            )
        return self._begin_branch(self)

    def reset(self) -> None:
        """Forget everything except the handlers of the models. The clock stays where it is."""
        self._service.reset()


def _store(backend: SageMakerBackend, kind: str) -> Store[Any]:
    return backend.experiments.store if kind == "experiments" else backend.hosting.endpoints


class _Described(dict[str, "Mapping[str, Any]"]):
    """Experiments by name. A KeyError says where else the name is."""

    def __init__(self, described: Mapping[str, Mapping[str, Any]], where: Callable[[str], str]) -> None:
        super().__init__(described)
        self._where = where

    def __missing__(self, name: str) -> Mapping[str, Any]:
        where = self._where(name)
        raise KeyError(f"Inference experiment {name} does not exist.{where}" if where else name)


def _status(status: str) -> Status:
    try:
        return Status(status)
    except ValueError:
        raise ValueError(f"{status!r} is not a status of an experiment: expected one of {', '.join(Status)}") from None


def _observable(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the entries that last: nobody can see a status that takes no time."""
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if following is None or following.since > entry.since:
            yield entry


def _why_never(name: str, target: Status, entries: Sequence[Entry]) -> str:
    """Explain why an experiment with these present and later statuses does not reach `target` by itself."""
    reason = f"Experiment {name!r} does not become {target} by itself: "
    if len(entries) == 1:
        return f"{reason}it stays {entries[0].status}."
    if target in [entry.status for entry in entries]:
        return f"{reason}{target} takes no time; use durations=."
    coming = {entry.status for entry in entries}
    aims = (target, Status.STOPPING if target in FINISHED else target)  # Stop leads to Stopping first.
    operations = dict.fromkeys(
        row.trigger.operation
        for row in LIFECYCLE
        if row.source in coming and row.target in aims and isinstance(row.trigger, Called)
    )
    hint = f" {' or '.join(operations)} would lead there." if operations else ""
    return f"{reason}it goes {' → '.join(entry.status for entry in entries)}.{hint}"
