"""mock_inference_experiment, the entry point: as a decorator, with `with` or `async with`, or by start() and stop().

Each entry creates a new, empty service, adds it to the stack of active mocks, and gives an InferenceExperimentMock.
"""

from __future__ import annotations

import random
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mock_sagemaker_ie.activation.options import complete, document
from mock_sagemaker_ie.backend.settings import Settings
from mock_sagemaker_ie.clock import FrozenClock, MockClock, as_clock, branch_of
from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.interception import botocore_hook, name_lookup, requests_hook, stack
from mock_sagemaker_ie.interception.stack import ActiveMock
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.scenario import CALM
from mock_sagemaker_ie.service.alarm_reader import AlarmReader
from mock_sagemaker_ie.service.call_log import log
from mock_sagemaker_ie.service.clients import partitions
from mock_sagemaker_ie.service.delivery import Delivery
from mock_sagemaker_ie.service.event_publisher import EventPublisher
from mock_sagemaker_ie.service.faults import UnusedFaultError, UnusedFaultWarning
from mock_sagemaker_ie.service.invocation import Runtime
from mock_sagemaker_ie.service.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import ParamSpec

    from typing_extensions import Unpack

    from mock_sagemaker_ie.activation.options import Options

    P = ParamSpec("P")

R = TypeVar("R")
C = TypeVar("C", bound=type)

MAX_LISTED = 20  # Faults that a warning lists.
INTERCEPTORS: tuple[stack.Interceptor, ...] = (
    botocore_hook.interceptor,
    requests_hook.interceptor,
    name_lookup.interceptor,
)


class Activation:
    """A mock with its options. You can enter it as often as you like; each entry starts with an empty state.

    Use it as a decorator, with `with` or `async with`, or by start() and stop().
    """

    def __init__(self, options: Options, branch_of: InferenceExperimentMock | None = None) -> None:
        self._options = options
        self._branch_of = branch_of

    def __repr__(self) -> str:
        if self._branch_of is not None:
            return f"{self._branch_of!r}.branch()"
        default = complete({})
        changed = [f"{name}={value!r}" for name, value in self._options.items() if value != default.get(name)]
        return f"mock_inference_experiment({', '.join(changed)})"

    def start(self) -> InferenceExperimentMock:
        """Begin to answer, with an empty state that hides the state of mocks entered before."""
        return self.enter(self, started=True).mock

    def stop(self) -> None:
        """End what was started last. Raises RuntimeError when nothing is active."""
        self.__exit__(None, None, None)

    def __enter__(self) -> InferenceExperimentMock:
        return self.enter(self).mock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        active = None
        try:
            active = stack.entered_by(self)
            if active is None:
                raise RuntimeError(  # noqa: TRY301
                    "this mock_inference_experiment was not started, or has been stopped already"
                )
            active.exit(kind, error, trace)
        except BaseException:
            if (left := active or stack.entered_by(self)) is not None:
                left.exits.close()  # Nothing is left there, unless an interrupt came before its exit began.
            raise

    async def __aenter__(self) -> InferenceExperimentMock:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @overload
    def __call__(self, target: C) -> C: ...
    @overload
    def __call__(self, target: Callable[P, R]) -> Callable[P, R]: ...
    def __call__(self, target: Any) -> Any:
        """Decorate a function of any kind or a test class: it runs inside the mock, with an empty state."""
        from mock_sagemaker_ie.activation.decorators import decorate  # noqa: PLC0415 - large, and `with` does not need it

        return decorate(target, self)

    def activate(self, *, origin: ActiveMock | None = None) -> AbstractContextManager[ActiveMock]:
        """Return a context manager of its own, for callers whose contexts overlap, such as generators.

        The mock starts with a copy of the state of `origin`, or empty.
        """
        return self._activate(origin)

    def enter(
        self, entered_by: object, *, owner: object = None, origin: ActiveMock | None = None, started: bool = False
    ) -> ActiveMock:
        """Enter the mock; `exit` of the result ends it.

        `owner`: the test class or the test instance that it is for. It starts with a copy of the state of `origin`, or
        empty.
        """
        context = self._activate(origin, entered_by=entered_by, owner=owner, started=started)
        active = context.__enter__()
        try:
            active.exit = context.__exit__
            return active  # noqa: TRY300 - an interrupt may come here too
        except BaseException as interrupt:
            context.__exit__(type(interrupt), interrupt, interrupt.__traceback__)
            raise

    def _activate(self, origin: ActiveMock | None, **entry: Any) -> AbstractContextManager[ActiveMock]:
        if self._branch_of is None:
            return _activate(self._options, origin, **entry)
        origin = next((each for each in stack.active_mocks() if each.mock is self._branch_of), None)
        if origin is None:
            raise RuntimeError(f"{self._branch_of!r} has ended: only an active mock can have a branch")
        return _activate({**self._options, "clock": branch_of(origin.service.clock)}, origin, **entry)


@overload
def mock_inference_experiment(target: C, /) -> C: ...
@overload
def mock_inference_experiment(target: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def mock_inference_experiment(**options: Unpack[Options]) -> Activation: ...
def mock_inference_experiment(target: Any = None, /, **options: Any) -> Any:
    """Mock Amazon SageMaker's inference experiments for every botocore, boto3 and aiobotocore client in the process.

    Use it as a decorator of functions, coroutine functions, (async) generator functions and test classes, with or
    without parentheses; with `with` or `async with`, which give an InferenceExperimentMock; or by start() and stop().
    What a decorated function returns runs inside the mock too: a coroutine, a generator, a context manager. Test
    classes inside a decorated class are decorated with the same options, unless they have a decorator of their own.
    Raises TypeError for an unknown option, TypeError or ValueError for a value that is not allowed. The options:
    """
    activation = Activation(complete(options))
    return activation if target is None else activation(target)


document(mock_inference_experiment)


def make_service(options: Options) -> tuple[Service, Delivery]:
    """Return a new service with these complete options, and the object that delivers its captures and metrics."""
    scenario, clock, keep = options["scenario"] or CALM, options["clock"], options["keep"]
    durations, assumptions = options["durations"] or CALM.durations, options["assumptions"] or CALM.assumptions
    if scenario.durations != CALM.durations:
        durations = scenario.durations
    if scenario.assumptions != CALM.assumptions:
        assumptions = scenario.assumptions
    settings = Settings(
        durations, options["strict"], options["quotas"], assumptions, scenario.failures, tuple(options["role_denied"])
    )
    if clock is None and options["scenario"] is not None:
        clock = MockClock(tick=False)  # Where time runs, no order of instants is the same twice.
    delivery = Delivery(options["s3"], options["cloudwatch"])
    runtime = Runtime(delivery, keep, assumptions)
    service = Service(as_clock(clock), settings, options["account_id"], runtime, keep, plan=scenario.plan())
    service.denied = tuple(options["denied"])
    if hasattr(options["cloudwatch"], "describe_alarms"):
        service.alarm_reader = AlarmReader(options["cloudwatch"])
    if options["events"] is not None:
        service.publisher = EventPublisher(options["events"], delivery.changes)
    return service, delivery


@contextmanager
def _activate(options: Options, origin: ActiveMock | None = None, **entry: Any) -> Iterator[ActiveMock]:
    """Activate a mock during the context. It starts with a copy of the state of `origin`, or empty."""
    partitions()
    service, delivery = make_service(options)
    if origin is not None:
        service.adopt(origin.service)
    virtual_time, interceptors = None, INTERCEPTORS
    if options["virtual_sleep"]:
        from mock_sagemaker_ie.interception import time_functions  # noqa: PLC0415 - large, and other mocks need neither
        from mock_sagemaker_ie.interception.virtual_time import VirtualTime  # noqa: PLC0415

        virtual_time, interceptors = VirtualTime(service), (*INTERCEPTORS, time_functions.interceptor)
        service.watch.enabled = options["polling_forever"] == "error"
        service.watch.in_scenario = options["scenario"] is not None
    active = ActiveMock(
        InferenceExperimentMock(service, options["region_name"], partial(Activation, options)),
        service,
        passthrough=frozenset(options["passthrough"]),
        virtual_time=virtual_time,
        wire=options["wire"],
        **entry,
    )
    exits = active.exits
    activation = Activation(options)
    with exits:
        exits.callback(log.info, "%r has ended", activation)
        if options["scenario"] is not None:
            exits.callback(random.setstate, random.getstate())
            random.seed(0)
        if isinstance(service.clock, FrozenClock):
            exits.enter_context(service.clock)
        for _ in range(2):  # An interrupt, for example of a signal, may come at any line of the first.
            exits.callback(stack.remove, active, interceptors)
        stack.push(active, interceptors)
        if origin is not None:
            exits.callback(service.unused)  # So that the origin learns what was met here, also after an exception.
        exits.callback(delivery.close)
        exits.callback(service.runtime.close)
        exits.callback(active.mock._clients.give_back)  # noqa: SLF001 - not for users
        exits.callback(service.leave)
        exits.callback(service.publish)
        log.info("%r is active", activation)
        yield active
    report_unused(service, options["unused_faults"])


def report_unused(service: Service, choice: str) -> None:
    """Warn about what was arranged and never met: the code under test did not do what the test expects."""
    if choice == "ignore" or not (left := service.unused()):
        return
    more = [f"… {len(left) - MAX_LISTED} more"] if len(left) > MAX_LISTED else []
    listed = ", ".join(left[:MAX_LISTED] + more)
    message = f"no call met {len(left)} arranged fault{'s'[: len(left) > 1]}: {listed}; {Page.FAULTS}"
    if choice == "error":
        raise UnusedFaultError(message)
    warnings.warn(message, UnusedFaultWarning, stacklevel=2)
