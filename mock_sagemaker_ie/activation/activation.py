"""mock_inference_experiment: the one thing users enter, as decorator, `with`, `async with` or start and stop.

Each entry wires a fresh, empty service to the botocore door, and gives an InferenceExperimentMock to steer it.
"""

from __future__ import annotations

import functools
import warnings
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mock_sagemaker_ie.activation.decorators import decorate
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.backend.settings import Durations, Settings
from mock_sagemaker_ie.clock import FrozenClock, as_clock
from mock_sagemaker_ie.interception.botocore_calls import BotocoreDoor
from mock_sagemaker_ie.interception.requests_hook import RequestsDoor
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.service.delivery import Delivery
from mock_sagemaker_ie.service.faults import UnusedFaultError, UnusedFaultWarning
from mock_sagemaker_ie.service.invocation import Runtime
from mock_sagemaker_ie.service.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import ParamSpec

    from typing_extensions import Unpack

    from mock_sagemaker_ie.activation.options import Options
    from mock_sagemaker_ie.service.faults import Faults

    P = ParamSpec("P")

R = TypeVar("R")
C = TypeVar("C", bound=type)


# For the pytest plugin: mocks that were started and not stopped; worlds that are active, and the last ones entered.
started: list[MockInferenceExperiment] = []
active: list[InferenceExperimentMock] = []
entered: deque[InferenceExperimentMock] = deque(maxlen=5)


class MockInferenceExperiment:
    """A mock with its options, to be entered as often as you like: each entry is a fresh, empty world.

    Use it as decorator, with `with` or `async with`, or by start() and stop().
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._entered: list[tuple[ExitStack, InferenceExperimentMock]] = []

    def start(self) -> InferenceExperimentMock:
        """Begin to answer, in a fresh world that hides those entered before."""
        mock = self.__enter__()
        started.append(self)
        return mock

    def stop(self) -> None:
        """End what was started last. Raises RuntimeError when nothing was."""
        self.__exit__(None, None, None)

    def __enter__(self) -> InferenceExperimentMock:
        stack = ExitStack()
        mock = stack.enter_context(_world(self._options))
        self._entered.append((stack, mock))
        return mock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._entered:
            raise RuntimeError("this mock_inference_experiment was not started, or has been stopped already")
        if self in started:
            started.remove(self)
        stack, _ = self._entered.pop()
        stack.__exit__(kind, error, trace)

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
    mock = MockInferenceExperiment(complete(options))
    return mock if target is None else mock(target)


def make_service(options: Options) -> tuple[Service, Delivery]:
    """A fresh service of these options, which are complete, and what delivers its captures and metrics."""
    settings = Settings(options["durations"] or Durations(), strict=options["strict"], quotas=options["quotas"])
    delivery, keep = Delivery(options["s3"], options["cloudwatch"]), options["keep"]
    service = Service(as_clock(options["clock"]), settings, options["account_id"], Runtime(delivery, keep), keep)
    return service, delivery


@contextmanager
def _world(options: Options, origin: InferenceExperimentMock | None = None) -> Iterator[InferenceExperimentMock]:
    """A world that answers until it is left; it begins as a copy of `origin`'s, or empty."""
    service, delivery = make_service(options)
    clock = service.clock
    if origin is not None:
        service.adopt(origin._service)  # noqa: SLF001 - one of us
    doors = BotocoreDoor(service, options["passthrough"]), RequestsDoor(service, options["passthrough"])
    with ExitStack() as stack:
        if isinstance(clock, FrozenClock):
            stack.enter_context(clock)
        if options["virtual_sleep"]:
            from mock_sagemaker_ie.interception.sleep import sleeping_on  # noqa: PLC0415 - it imports asyncio, wanted by few

            stack.enter_context(sleeping_on(clock))
        stack.callback(delivery.close)
        for door in doors:
            door.open()
            stack.callback(door.close)
        mock = InferenceExperimentMock(service)
        active.append(mock)
        stack.callback(active.remove, mock)
        entered.append(mock)
        yield mock
    report_unused(service.faults, options["unused_faults"])


def report_unused(faults: Faults, choice: str) -> None:
    """Say which faults no call has met: the code under test did not go where the test thinks it goes."""
    if choice == "ignore" or not (left := faults.unused()):
        return
    message = f"no call met {len(left)} arranged fault{'s'[: len(left) > 1]}: {', '.join(map(str, left))}"
    if choice == "error":
        raise UnusedFaultError(message)
    warnings.warn(message, UnusedFaultWarning, stacklevel=2)
