"""Hypothesis strategies for scenarios. They need the extra `explore`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mock_sagemaker_ie.strategies needs hypothesis: pip install 'mock-sagemaker-ie[explore]'", name="hypothesis"
    ) from error

from mock_sagemaker_ie.backend.assumptions import ROWS, Assumptions
from mock_sagemaker_ie.backend.experiments.lifecycle import STAGES, Fails
from mock_sagemaker_ie.backend.hosting.endpoints import DEPLOYMENT_STAGES, FailsDeployment
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.calls import require_operation
from mock_sagemaker_ie.protocol.errors import suggestion
from mock_sagemaker_ie.protocol.limits import check_duration, check_flag
from mock_sagemaker_ie.scenario import (
    EXPERIMENT_OPERATIONS,
    LONG_DELAY,
    NO_CAPACITY,
    Delays,
    Interferes,
    Raises,
    Scenario,
    check_number,
    faults_of,
    interference_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    Choice = bool | Collection[str]

R = TypeVar("R")

MINUTE = dt.timedelta(minutes=1)
DEPLOYMENT = "deployment"

# What follows are weights: with them, the default 100 examples find each mistake of tests/scenarios/controllers.py.
# Most of these examples are mutations of others, so few can be spent on what hardly matters.
CALLS = (1, 1, 1, 1, 2, 3)  # Most operations are called once.
TIMES = (1, 1, 2, 3, 6)  # No standard client makes six attempts.
LATER_CALLS = (1, 1, 2, 3)  # Others act at any time.
PAGES = (0, 0, 1, 2)
SOON = 10  # Minutes.
RARE = ("UpdateInferenceExperiment", "StartInferenceExperiment")  # Most rollouts call neither.
STOP = "StopInferenceExperiment"
# By error, and whether the service acted: throttling is the most frequent error, and few operations lose answers.
ERROR_WEIGHTS = {("ThrottlingException", False): 3, ("ReadTimeoutError", True): 6, ("InternalFailure", True): 6}
# By operation of others, and operation of the code: only Stop ends an experiment that runs.
INTERFERENCE_WEIGHTS = {(STOP, "DescribeInferenceExperiment"): 4, (STOP, STOP): 16}
RUNNING_WEIGHT = 5  # A rollout spends most of its time in Running.


def scenarios(
    *,
    durations: Choice = True,
    failures: Choice = True,
    faults: Choice = True,
    interference: Choice = True,
    pages: bool = True,
    assumptions: Choice = False,
    operations: Collection[str] = (*EXPERIMENT_OPERATIONS, "DescribeEndpoint"),
    max_faults: int = 8,
    max_duration: dt.timedelta = 40 * MINUTE,
) -> st.SearchStrategy[Scenario]:
    """Return a strategy for scenarios, which shrinks towards the calm one, `Scenario()`.

    Each kind of trouble is on (True), off (False), or restricted to some names: `durations` to statuses, as in
    Durations; `failures` to stages of an experiment, and "deployment" for those of an endpoint; `faults` to codes of
    AWS errors, names of botocore's connection errors, and "delay"; `interference` to operations of others.
    `pages`: whether pages are cut short. `assumptions`, off by default: one other choice of a field of Assumptions, or
    of some fields, as in `Assumptions.each()`. `operations`: those of the code under test that faults and interference
    concern. `max_faults`: the number of rows of faults at most, each for up to six calls. `max_duration`: of a status,
    in whole minutes. Raises ValueError for an unknown name, TypeError for a value of another type.
    """
    check_number(max_faults, "max_faults", least=0)
    check_flag(pages, "pages")
    if isinstance(operations, str) or not hasattr(operations, "__iter__"):
        raise TypeError(f"operations={operations!r}: expected a list of operations, for example ['ListModels']")
    for operation in operations:
        require_operation(operation)
    minutes = check_duration(max_duration, "max_duration") // MINUTE
    # In the order in which Hypothesis shrinks: earlier kinds are simpler.
    names = _chosen("durations", durations, [field.name for field in dataclasses.fields(Durations)])
    stages = _chosen("failures", failures, [*STAGES, DEPLOYMENT])
    raised = [fault for operation in operations for fault in faults_of(operation)]
    errors = _chosen("faults", faults, [*dict.fromkeys(fault.error for fault in raised), "delay"])
    others = [row for operation in operations for row in interference_of(operation)]
    acts = _chosen("interference", interference, [*dict.fromkeys(row.operation for row in others)])
    assumed = _chosen("assumptions", assumptions, [row.name for row in ROWS])
    raised = [each for each in raised if each.error in errors]
    others = [each for each in others if each.operation in acts]
    return _scenarios(
        _durations(names, minutes),
        _rows(_failures(stages, minutes), 2),
        _rows(_faults(raised, operations if "delay" in errors else ()), max_faults),
        _rows(_interference(others), 3),
        _rows(st.sampled_from(PAGES) if pages else None, 3),
        st.sampled_from([each for each in Assumptions.each() if {*each.changed()} <= {*assumed}]),
    )


@st.composite  # Unlike of `builds`, Hypothesis prints the repr of what it makes.
def _scenarios(draw: st.DrawFn, *kinds: st.SearchStrategy[Any]) -> Scenario:
    return Scenario(*map(draw, kinds))


def _chosen(option: str, choice: Choice, known: Sequence[str]) -> Sequence[str]:
    """Return the names that an option of `scenarios` chooses."""
    if isinstance(choice, bool):
        return known if choice else ()
    if isinstance(choice, str) or not hasattr(choice, "__iter__"):
        raise TypeError(f"{option}={choice!r}: expected True, False or a list of {', '.join(known)}")
    for name in choice:
        if name not in known:
            raise ValueError(f"{option}={choice!r}: {name!r} is unknown{suggestion(str(name), known)}")
    return [name for name in known if name in choice]


def _rows(row: st.SearchStrategy[Any] | None, most: int) -> st.SearchStrategy[list[Any]]:
    return st.just([]) if row is None or not most else st.lists(row, max_size=most)


def _durations(names: Sequence[str], minutes: int) -> st.SearchStrategy[Durations]:
    """Return the strategy for durations: of each status zero in more than half of the examples, often the longest."""
    if not names or not minutes:
        return st.just(Durations())
    numbers = st.integers(-2 * minutes, minutes + minutes // 2)
    durations = numbers.map(lambda number: min(max(number, 0), minutes) * MINUTE)
    return st.builds(Durations, **dict.fromkeys(names, durations))


def _failures(stages: Sequence[str], minutes: int) -> st.SearchStrategy[Any] | None:
    """Return the strategy for rows of failures, most of them when the status begins or soon after."""
    failures = [Fails(stage, NO_CAPACITY) for stage in stages if stage != DEPLOYMENT]
    rows: list[Any] = _repeated(failures, lambda row: RUNNING_WEIGHT if row.stage == "Running" else 1)
    if DEPLOYMENT in stages:
        rows += [FailsDeployment(stage, NO_CAPACITY) for stage in DEPLOYMENT_STAGES]
    numbers = st.just(0) | st.integers(0, min(SOON, minutes)) | st.integers(0, minutes)
    return st.builds(_failing, st.sampled_from(rows), numbers) if rows else None


def _failing(row: Fails | FailsDeployment, minutes: int) -> Fails | FailsDeployment:
    return dataclasses.replace(row, after=60 * minutes) if isinstance(row, Fails) else row


def _faults(raised: Sequence[Raises], delayed: Collection[str]) -> st.SearchStrategy[Any] | None:
    """Return the strategy for rows of faults."""
    rows = _repeated(raised, lambda row: _weight(row.operation) * ERROR_WEIGHTS.get((row.error, row.after), 1))
    delays = [Delays(operation, LONG_DELAY) for operation in delayed]
    return _at_calls([*sorted(rows, key=lambda row: row.after), *delays], CALLS, times=st.sampled_from(TIMES))


def _interference(others: Sequence[Interferes]) -> st.SearchStrategy[Any] | None:
    """Return the strategy for rows of interference."""

    def weight(row: Interferes) -> int:
        return _weight(row.before) * INTERFERENCE_WEIGHTS.get((row.operation, row.before), 1)

    return _at_calls(_repeated(others, weight), LATER_CALLS)


def _at_calls(
    rows: Sequence[Any], calls: Sequence[int], **members: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any] | None:
    """Return the strategy for these rows at other calls."""
    if not rows:
        return None
    return st.builds(dataclasses.replace, st.sampled_from(rows), call=st.sampled_from(calls), **members)


def _repeated(rows: Sequence[R], weight: Callable[[R], int]) -> list[R]:
    """Return a list that has each row as often as its weight says, because st.one_of takes no weights."""
    return [row for row in rows for _ in range(weight(row))]


def _weight(operation: str) -> int:
    return 1 if operation in RARE else 3
