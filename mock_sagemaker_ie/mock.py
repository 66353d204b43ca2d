"""mock_inference_experiment: the one thing users enter, as decorator, `with`, `async with` or start and stop.

Each entry wires a fresh, empty service to the botocore door, and gives an InferenceExperimentMock to steer it.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import inspect
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from mock_sagemaker_ie.backend.hosting import World
from mock_sagemaker_ie.backend.lifecycle import LIFECYCLE, Durations, Entry, Status
from mock_sagemaker_ie.backend.transitions import Call
from mock_sagemaker_ie.clients import shared_client
from mock_sagemaker_ie.clock import FrozenClock, as_clock
from mock_sagemaker_ie.decorating import decorate
from mock_sagemaker_ie.delivery import Delivery
from mock_sagemaker_ie.doors.botocore import BotocoreDoor
from mock_sagemaker_ie.protocol.wire import MILLISECOND, copy_values, whole_milliseconds
from mock_sagemaker_ie.runtime import Runtime
from mock_sagemaker_ie.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import TracebackType
    from typing import ParamSpec

    from typing_extensions import Unpack

    from mock_sagemaker_ie.backend.captures import Capture
    from mock_sagemaker_ie.backend.metrics import Datapoint
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.models import AsyncHandler, Handler
    from mock_sagemaker_ie.service import Call as RecordedCall

    P = ParamSpec("P")

R = TypeVar("R")
C = TypeVar("C", bound=type)

DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "123456789012"
LONGEST_REASON = 1024  # AWS: StatusReason, FailureReason


class Options(TypedDict, total=False):
    """The options of mock_inference_experiment, which the fixture's marker takes too.

    `clock`: a Clock, or a datetime or ISO string at which time stands still; default: the wall clock.
    `durations`: how long transitional statuses last; default: no time.
    `account_id`: the 12 digits of the account that calls are made from, unless a client was explicitly given another.
    `strict`: refuse the names of models that nobody created; by default they are presumed to exist.
    `quotas`: how many instances all endpoints of an account and region may take, by instance type; default: no limits.
    `virtual_sleep`: make `time.sleep` pass time on the clock instead of waiting.
    `s3`: a client of S3, or the path of a folder, to which captured traffic is written; default: nowhere.
    `cloudwatch`: a client of CloudWatch to which the variants' metrics are put; default: nowhere.
    `keep`: how many calls and captures are kept at most, the last ones; default: all.
    `passthrough`: operations that are not the mock's business: neither answered nor refused.
    """

    clock: Clock | dt.datetime | str | None
    durations: Durations | None
    account_id: str
    strict: bool
    quotas: Mapping[str, int]
    virtual_sleep: bool
    s3: Any
    cloudwatch: Any
    keep: int | None
    passthrough: Collection[str]


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
    def calls(self) -> tuple[RecordedCall, ...]:
        """Every call that the mock answered, in order: operation, params, account_id, region, at, response or error."""
        return tuple(self._service.calls)

    @property
    def experiments(self) -> Mapping[str, Mapping[str, Any]]:
        """What DescribeInferenceExperiment would say now (times in UTC), by name, in the default region. Read-only."""
        return self.experiments_in(DEFAULT_REGION)

    def experiments_in(self, region_name: str, account_id: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """The experiments of any region, and of any account (default: the mock's)."""
        with self._service.looking(region_name, account_id) as (backend, _):
            return MappingProxyType({name: copy_values(backend.describe(name)) for name in backend.names()})

    def client(self, service: str = "sagemaker", region_name: str = DEFAULT_REGION) -> Any:
        """A botocore client with keys of its own that is kept from test to test: making one costs most of a test."""
        return shared_client(service, region_name)

    def serve(self, model_name: str, handler: Handler | AsyncHandler) -> None:
        """Have `handler` answer for a model, on every endpoint of every account and region.

        It is called with a ModelRequest, which is the body as bytes and knows the content type and more, and returns
        bytes, a str, anything that `json.dumps` takes, or a ModelResponse; what it raises is a ModelError to the
        caller. For callers of aiobotocore it may be a coroutine function. A model without a handler echoes.
        """
        if not callable(handler):
            raise TypeError(f"handler={handler!r}: expected a function of the request that returns the response")
        self._service.runtime.handlers[model_name] = handler

    @property
    def captures(self) -> tuple[Capture, ...]:
        """Captured exchanges, oldest first, by DataStorageConfig and DataCaptureConfig; with `keep=` the last ones."""
        return tuple(self._service.runtime.captures)

    @property
    def metrics(self) -> tuple[Datapoint, ...]:
        """What CloudWatch would know: every minute of every metric of every variant that was invoked."""
        return self._service.runtime.metrics

    def advance_until(
        self, name: str, status: str, *, region_name: str = DEFAULT_REGION, account_id: str | None = None
    ) -> dt.datetime:
        """Move the clock to the instant at which an experiment reaches `status`, and return it; now, if it has already.

        Raises ValueError, saying why, when it never will by itself; LookupError when there is no such experiment;
        TypeError when the clock cannot be moved.
        """
        wanted = _status(status)
        with self._service.looking(region_name, account_id) as (backend, now):
            entries = [backend.history(name)[-1], *backend.ahead(name)]
        moment = next((entry.since for entry in _observable(entries) if entry.status is wanted), None)
        if moment is None:
            raise ValueError(_why_never(name, wanted, entries))
        if moment <= now:
            return now
        # Upwards to a whole millisecond, the service's grain.
        moment = whole_milliseconds(moment + MILLISECOND - dt.timedelta(microseconds=1))
        movable(self.clock, "move_to")(moment)
        return moment

    def fail_experiment(
        self, name: str, reason: str, *, region_name: str = DEFAULT_REGION, account_id: str | None = None
    ) -> None:
        """Make what the service is doing for an experiment fail: it is Cancelled, `reason` is its StatusReason.

        Raises LookupError when there is no such experiment, ValueError when it has finished already.
        """
        with self._service.looking(region_name, account_id) as (backend, now):
            backend.fail_experiment(name, _reason(reason), now)

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


def _observable(entries: list[Entry]) -> Iterator[Entry]:
    """The entries that last: a status that takes no time has passed before anyone can look."""
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if following is None or following.since > entry.since:
            yield entry


def _why_never(name: str, wanted: Status, entries: list[Entry]) -> str:
    """Why an experiment, whose present and coming statuses are `entries`, does not reach `wanted`."""
    reason = f"Experiment {name!r} will not be {wanted} by itself: "
    if len(entries) == 1:
        return f"{reason}it is {entries[0].status}, where it stays."
    if wanted in [entry.status for entry in entries]:
        return f"{reason}it passes {wanted} in no time; see durations=."
    calls = dict.fromkeys(
        row.trigger.operation for row in LIFECYCLE if row.target is wanted and isinstance(row.trigger, Call)
    )
    hint = f" {' or '.join(calls)} would lead there." if calls else ""
    return f"{reason}it goes {' → '.join(entry.status for entry in entries)}.{hint}"


def _reason(reason: str) -> str:
    if not isinstance(reason, str) or not 0 < len(reason) <= LONGEST_REASON:
        raise ValueError(f"reason={reason!r}: expected a text of 1 to {LONGEST_REASON} characters, as AWS has it")
    return reason


def movable(clock: Clock, verb: str) -> Callable[..., None]:
    """The verb of a clock that can be moved. Raises TypeError for one that cannot."""
    move = getattr(clock, verb, None)
    if move is None:
        raise TypeError(f"{clock!r} cannot be moved: it has no {verb}(); use a MockClock or give yours one")
    return move  # type: ignore[no-any-return]


class MockInferenceExperiment:
    """A mock with its options, to be entered as often as you like: each entry is a fresh, empty world.

    Use it as decorator, with `with` or `async with`, or by start() and stop().
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._entered: list[tuple[ExitStack, InferenceExperimentMock]] = []

    def start(self) -> InferenceExperimentMock:
        """Begin to answer, in a fresh world that hides those entered before."""
        stack = ExitStack()
        mock = stack.enter_context(_world(self._options))
        self._entered.append((stack, mock))
        return mock

    def stop(self) -> None:
        """End what was started last. Raises RuntimeError when nothing was."""
        if not self._entered:
            raise RuntimeError("this mock_inference_experiment was not started, or has been stopped already")
        stack, _ = self._entered.pop()
        stack.close()

    def __enter__(self) -> InferenceExperimentMock:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> InferenceExperimentMock:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @overload
    def __call__(self, target: C) -> C: ...
    @overload
    def __call__(self, target: Callable[P, R]) -> Callable[P, R]: ...
    def __call__(self, target: Any) -> Any:
        """Decorate a function of any kind or a test class: it runs inside a fresh world of these options."""
        return decorate(target, functools.partial(_world, self._options))


@overload
def mock_inference_experiment(target: C, /) -> C: ...
@overload
def mock_inference_experiment(target: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def mock_inference_experiment(**options: Unpack[Options]) -> MockInferenceExperiment: ...
def mock_inference_experiment(target: Any = None, /, **options: Any) -> Any:
    """Mock Amazon SageMaker's inference experiments for every botocore, boto3 and aiobotocore client in the process.

    Decorator of functions, coroutine functions, (async) generator functions and test classes, with or without
    parentheses; or `with` and `async with`, which give an InferenceExperimentMock; or start() and stop().
    Options: see Options. Raises TypeError for an unknown one.
    """
    known = Options.__optional_keys__
    if unknown := sorted(options.keys() - known):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(
            f"mock_inference_experiment() got an unknown option {unknown[0]!r}{guess} "
            f"(options: {', '.join(sorted(known))})",
        )
    mock = MockInferenceExperiment(_checked(**options))
    return mock if target is None else mock(target)


def _checked(
    *,
    clock: Any = None,
    durations: Any = None,
    account_id: Any = DEFAULT_ACCOUNT,
    strict: Any = False,
    quotas: Any = MappingProxyType({}),
    virtual_sleep: Any = False,
    s3: Any = None,
    cloudwatch: Any = None,
    keep: Any = None,
    passthrough: Any = (),
) -> Options:
    """The options, complete. Raises TypeError or ValueError for one that makes no sense."""
    as_clock(clock)
    if durations is not None and not isinstance(durations, Durations):
        raise TypeError(f"durations={durations!r}: expected Durations(…)")
    if not isinstance(account_id, str) or not re.fullmatch("[0-9]{12}", account_id):
        raise ValueError(f"account_id={account_id!r}: expected a string of 12 digits")
    if not isinstance(quotas, Mapping) or not all(isinstance(limit, int) and limit >= 0 for limit in quotas.values()):
        raise TypeError(f"quotas={quotas!r}: expected instance counts by type, e.g. {{'ml.m5.xlarge': 2}}")
    if isinstance(s3, str):
        raise TypeError(f"s3={s3!r}: expected a client of S3, or a folder as pathlib.Path({s3!r})")
    for name, client, verb in (("s3", s3, "put_object"), ("cloudwatch", cloudwatch, "put_metric_data")):
        if (
            client is not None
            and not isinstance(client, Path)
            and (not hasattr(client, verb) or inspect.iscoroutinefunction(getattr(client, verb)))
        ):
            raise TypeError(f"{name}={client!r}: expected a boto3 client with {verb}()")
    if keep is not None and (not isinstance(keep, int) or keep < 0):
        raise TypeError(f"keep={keep!r}: expected how many calls and captures to keep, or None for all")
    if isinstance(passthrough, str) or not isinstance(passthrough, Iterable):
        raise TypeError(f"passthrough={passthrough!r}: expected a collection of operations, e.g. ['ListModels']")
    passthrough = frozenset(passthrough)
    if unlike := [name for name in passthrough if not re.fullmatch("[A-Z][A-Za-z0-9]*", str(name))]:
        raise ValueError(f"passthrough={unlike!r}: expected operations as AWS writes them, e.g. 'ListModels'")
    return Options(
        clock=clock,
        durations=durations or Durations(),
        account_id=account_id,
        strict=bool(strict),
        quotas=dict(quotas),
        virtual_sleep=bool(virtual_sleep),
        s3=s3,
        cloudwatch=cloudwatch,
        keep=keep,
        passthrough=passthrough,
    )


@contextmanager
def _world(options: Options, origin: InferenceExperimentMock | None = None) -> Iterator[InferenceExperimentMock]:
    """A world that answers until it is left; it begins as a copy of `origin`'s, or empty."""
    clock = as_clock(options["clock"])
    world = World(options["durations"] or Durations(), strict=options["strict"], quotas=options["quotas"])
    delivery, keep = Delivery(options["s3"], options["cloudwatch"]), options["keep"]
    service = Service(clock, world, options["account_id"], Runtime(delivery, keep), keep)
    if origin is not None:
        service.adopt(origin._service)  # noqa: SLF001 - one of us
    door = BotocoreDoor(service, options["passthrough"])
    with ExitStack() as stack:
        if isinstance(clock, FrozenClock):
            stack.enter_context(clock)
        if options["virtual_sleep"]:
            stack.enter_context(_sleeping_on(clock))
        stack.callback(delivery.close)
        door.open()
        stack.callback(door.close)
        yield InferenceExperimentMock(service)


@contextmanager
def _sleeping_on(clock: Clock) -> Iterator[None]:
    """Replace `time.sleep`: what imported the function itself before keeps the real one."""
    sleep = movable(clock, "sleep")
    if not _sleeps:
        _sleeps.append(time.sleep)
    _sleeps.append(sleep)
    time.sleep = sleep
    try:
        yield
    finally:
        _sleeps[:] = [other for other in _sleeps if other is not sleep]
        time.sleep = _sleeps[-1]
        if len(_sleeps) == 1:
            _sleeps.clear()


# What `time.sleep` has been, from the real one to the innermost world's: worlds may be left in any order.
_sleeps: list[Callable[..., None]] = []
