"""Scenarios: everything that the service, the network and other people do by themselves in one mock, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.backend.experiments.lifecycle import STAGES, Fails
from mock_sagemaker_ie.backend.hosting.endpoints import DEPLOYMENT_STAGES, FailsDeployment
from mock_sagemaker_ie.backend.operations import OPERATIONS, changes
from mock_sagemaker_ie.backend.settings import Durations, Row
from mock_sagemaker_ie.calls import ANSWERED, INVOCATIONS, require_operation
from mock_sagemaker_ie.protocol.errors import shown, suggestion
from mock_sagemaker_ie.protocol.limits import check_flag, check_name, check_seconds, check_times
from mock_sagemaker_ie.service.clients import service_model
from mock_sagemaker_ie.service.faults import Fault, aws_error, connection_error
from mock_sagemaker_ie.service.script import REQUESTS, Act, Place, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from botocore.model import OperationModel

CONNECTION_ERRORS = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)
NO_CAPACITY = "no capacity"  # The reason of failures that nobody has written.

EXPERIMENT_OPERATIONS = tuple(operation for operation in OPERATIONS if "InferenceExperiment" in operation)
CREATE = "CreateInferenceExperiment"


@dataclass(frozen=True, repr=False)
class Raises(Row):
    """An error that some calls of an operation get, as `mock.fail_next` arranges it.

    `operation`: AWS's name. `error`: the code of an AWS error of this operation or common to all operations, as
    "ThrottlingException"; or the name of one of botocore's connection errors, as "ConnectTimeoutError". `call`: the
    number of the first call that gets it: 1 is the first call of this operation in the mock; each attempt of a client
    that retries counts. `times`: the number of calls that get it. `after`: the service acts first, and its answer is
    lost: see `mock.fail_next`.
    Raises ValueError for an unknown operation or error, and for a number that is not allowed; TypeError for a value of
    another type.
    """

    operation: str
    error: str
    call: int = 1
    times: int = 1
    after: bool = False

    def __post_init__(self) -> None:
        require_operation(self.operation)
        check_number(self.call, "call")
        check_times(self.times)
        check_flag(self.after, "Raises: after")
        if not isinstance(self.error, str):
            raise TypeError(
                f"Raises: error={shown(self.error)}: expected a str: the code of an AWS error, or the name of one of "
                "botocore's connection errors"
            )
        self.fault()

    def fault(self) -> Fault:
        """Return the fault for one call."""
        model = _model(self.operation)
        kind = getattr(botocore.exceptions, self.error, None)
        if isinstance(kind, type) and issubclass(kind, CONNECTION_ERRORS):
            url = f"https://{model.service_model.endpoint_prefix}.amazonaws.com"
            return Fault(self.operation, connection_error(kind, url, after=self.after), after=self.after)
        return Fault(self.operation, aws_error(model, self.error, None, None, after=self.after), after=self.after)

    def __str__(self) -> str:
        moment = " after it acted" if self.after else ""
        return f"{self.operation} raises {self.error}{moment}{_counted(self.call, self.times)}"


@dataclass(frozen=True, repr=False)
class Delays(Row):
    """A delay of some calls of an operation, as `mock.slow_next` arranges it.

    `seconds`: the time that each takes. `operation`, `call`, `times`: as in Raises. The mock's clock must be one that
    can be moved. Raises ValueError or TypeError for a value that is not allowed.
    """

    operation: str
    seconds: float
    call: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        require_operation(self.operation)
        check_seconds(self.seconds)
        check_number(self.call, "call")
        check_times(self.times)

    def fault(self) -> Fault:
        """Return the fault for one call."""
        return Fault(self.operation, delay=check_seconds(self.seconds))

    def __str__(self) -> str:
        return f"{self.operation} takes {self.seconds:g} s{_counted(self.call, self.times)}"


@dataclass(frozen=True, repr=False)
class Interferes(Row):
    """A call of somebody else between two calls of the code under test. It is not in `mock.calls`.

    `operation`: what they do: StartInferenceExperiment, UpdateInferenceExperiment (its description),
    StopInferenceExperiment (production stays, the shadow is removed, Cancelled), DeleteInferenceExperiment,
    DeleteEndpoint; or CreateInferenceExperiment, which takes the name that the code is about to take, for an endpoint
    of theirs. `before`: the operation of the code before whose call they do it. `call`: the number of that call, as in
    Raises. `experiment`: the name of the experiment, or of the one whose endpoint they delete; by default the one that
    the code's call names, else the last one of the account and region. When the service refuses their call, or there
    is no such experiment, nothing happens.
    Raises ValueError for an unknown operation, and for a number that is not allowed;
    TypeError for a name that is no str.
    """

    operation: str
    before: str
    call: int = 1
    experiment: str | None = None

    def __post_init__(self) -> None:
        if self.operation not in INTERFERING:
            raise ValueError(f"{self.operation!r} is not what others do{suggestion(str(self.operation), INTERFERING)}")
        require_operation(self.before)
        check_number(self.call, "call")
        check_name(self.experiment, "Interferes: experiment")
        if self.operation == CREATE != self.before:
            raise ValueError(
                f"before={self.before!r}: somebody takes a name only before {CREATE} of the code under test"
            )

    def __str__(self) -> str:
        return f"others {self.operation} before {self.before}{_counted(self.call, 1)}"


INTERFERING = (CREATE, *REQUESTS)


@dataclass(frozen=True, repr=False)
class Scenario(Row):
    """Everything that the service, the network and other people do by themselves in one mock.

    Pass it as `mock_inference_experiment(scenario=…)`. `Scenario()` is calm: nothing fails and nothing takes time. Its
    repr is the code that makes it.

    `durations` (Durations): the time that each transitional status lasts. `failures`: what fails, rows of Fails and
    FailsDeployment. `faults`: what calls get, rows of Raises and Delays. `interference`: what others do, rows of
    Interferes. `pages`: the maximum numbers of entries that the first, the second … call of each List operation
    gets: 0 makes an empty page with a NextToken (inferred: list_filters). `assumptions` (Assumptions): what the mock
    assumes of AWS where nothing is documented.
    A row that no call and no experiment meets is not reported. Raises TypeError or ValueError for a value that is not
    allowed.
    """

    durations: Durations = field(default_factory=Durations)
    failures: Sequence[Fails | FailsDeployment] = ()
    faults: Sequence[Raises | Delays] = ()
    interference: Sequence[Interferes] = ()
    pages: Sequence[int] = ()
    assumptions: Assumptions = Assumptions()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        for name, kind in _VALUES.items():
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"Scenario: {name}={shown(value)}: expected {kind.__name__}(…)")
        for name, kinds in _KINDS.items():
            object.__setattr__(self, name, _rows(name, getattr(self, name), kinds))
        for size in self.pages:
            check_number(size, "Scenario: pages", least=0)

    def _arguments(self) -> Iterator[str]:
        if self.durations != Durations():
            yield f"durations=Durations.parse({str(self.durations)!r})"
        for name in _KINDS:
            if rows := getattr(self, name):
                yield f"{name}=[{', '.join(map(repr, rows))}]"
        if self.assumptions != Assumptions():
            yield f"assumptions={self.assumptions!r}"

    def __str__(self) -> str:
        """Return a short description, for the id of a test."""
        durations = [] if self.durations == Durations() else [f"durations {self.durations}"]
        rows = map(str, (*self.failures, *self.faults, *self.interference))
        pages = [f"pages of {', '.join(map(str, self.pages))}"] if self.pages else []
        assumptions = [] if self.assumptions == Assumptions() else [f"assumptions {self.assumptions}"]
        return " and ".join([*durations, *rows, *pages, *assumptions]) or "calm"

    # --- finite lists

    @classmethod
    def each_failure(cls) -> list[Scenario]:
        """Return a scenario for each stage at which an experiment or a deployment can fail."""
        failures: list[Fails | FailsDeployment] = [Fails(stage, NO_CAPACITY) for stage in STAGES]
        failures += [FailsDeployment(stage, NO_CAPACITY) for stage in DEPLOYMENT_STAGES]
        return [cls(failures=[each]) for each in failures]

    @classmethod
    def each_fault(cls, *operations: str, times: int = 1) -> list[Scenario]:
        """Return a scenario for each operation and each kind of fault that its caller may get.

        `operations`: by default all that the mock answers. `times`: for how many calls, beginning with the first; each
        attempt of a client that retries is a call. Raises ValueError for an unknown operation.
        """
        faults: list[Raises | Delays] = []
        for operation in operations or ANSWERED:
            faults += [*faults_of(operation, times), Delays(operation, LONG_DELAY, times=times)]
        return [cls(faults=[each]) for each in faults]

    @classmethod
    def each_interference(cls, *operations: str) -> list[Scenario]:
        """Return a scenario for each operation of the code under test and each thing that others may do before it.

        `operations`: of the code, by default those of inference experiments and endpoints. Raises ValueError for an
        unknown operation.
        """
        rows = [row for operation in operations or ANSWERED for row in interference_of(operation)]
        return [cls(interference=[each]) for each in rows]

    def plan(self) -> Plan | None:
        """Return what happens at which call; None when no call matters."""
        if not (self.faults or self.interference or self.pages):
            return None
        faults: dict[Place, list[Fault]] = {}
        for row in self.faults:
            for number in range(row.call, row.call + row.times):
                faults.setdefault((row.operation, number), []).append(row.fault()._replace(by_scenario=True))
        acts: dict[Place, list[Act]] = {}
        for each in self.interference:
            acts.setdefault((each.before, each.call), []).append(Act(each.operation, each.experiment))
        return Plan(faults, acts, self.pages)


_VALUES: dict[str, type] = {"durations": Durations, "assumptions": Assumptions}
_KINDS: dict[str, tuple[type, ...]] = {
    "failures": (Fails, FailsDeployment),
    "faults": (Raises, Delays),
    "interference": (Interferes,),
    "pages": (int,),
}


def _rows(name: str, rows: Iterable[Any], kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Return the rows of a member of a scenario. Raises TypeError for a row of another kind."""
    expected = " and ".join(kind.__name__ for kind in kinds)
    if isinstance(rows, str) or not hasattr(rows, "__iter__"):
        raise TypeError(f"Scenario: {name}={shown(rows)}: expected a list of {expected}")
    rows = tuple(rows)
    for row in rows:
        if not isinstance(row, kinds):
            raise TypeError(f"Scenario: {name}={shown(rows)}: {shown(row)} is none of {expected}")
    return rows


CALM = Scenario()


def check_number(value: int, name: str, least: int = 1) -> None:
    """Raise ValueError unless a number is an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={shown(value)}: expected an int of {least} or more")


@lru_cache(maxsize=64)
def _model(operation: str) -> OperationModel:
    service = "sagemaker-runtime" if operation in INVOCATIONS else "sagemaker"
    return service_model(service).operation_model(operation)


def _counted(call: int, times: int) -> str:
    """Return the words for the calls that a row is about; none for the first call."""
    return f" at call {call}" * (call > 1) + f" {times} times" * (times > 1)


# --- what a caller may meet

LONG_DELAY = 120  # Seconds: longer than botocore waits for an answer.

# The errors of every operation: name, and whether the service may have acted.
_COMMON: tuple[tuple[str, bool], ...] = (
    ("ThrottlingException", False),
    ("InternalFailure", False),
    ("ServiceUnavailable", False),
    ("ConnectTimeoutError", False),
    ("ReadTimeoutError", True),
    ("InternalFailure", True),
)
_OF_LIMITS = "ResourceLimitExceeded"


def faults_of(operation: str, times: int = 1) -> list[Raises]:
    """Return a row for each error that a call may get in any state. Raises ValueError for an unknown operation.

    An operation that changes nothing cannot lose an answer: its caller sees the same as before. ResourceLimitExceeded
    is among them where AWS models it. Other modelled errors follow from the state, and need no fault.
    """
    require_operation(operation)
    model = _model(operation)
    limits = [(shape.name, False) for shape in model.error_shapes if shape.name == _OF_LIMITS]
    common = [(error, after) for error, after in _COMMON if changes(operation) or not after]
    return [Raises(operation, error, times=times, after=after) for error, after in (*common, *limits)]


# By operation of others: the operations of the code before which it matters.
_MATTERS: dict[str, tuple[str, ...]] = {
    CREATE: (CREATE,),
    "DeleteEndpoint": (
        *(name for name in ANSWERED if name.endswith(("Endpoint", "Capacities")) or name in INVOCATIONS),
        CREATE,
    ),
    **{
        operation: tuple(name for name in EXPERIMENT_OPERATIONS if not name.startswith(("Create", "List")))
        for operation in EXPERIMENT_OPERATIONS
        if operation in REQUESTS
    },
}


def interference_of(operation: str) -> list[Interferes]:
    """Return a row for each thing that others may do before a call. Raises ValueError for an unknown operation."""
    require_operation(operation)
    return [Interferes(others, operation) for others, places in _MATTERS.items() if operation in places]
