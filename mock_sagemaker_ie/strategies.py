"""Hypothesis strategies for scenarios. They need the extra `explore`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

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
from mock_sagemaker_ie.protocol.limits import check_duration
from mock_sagemaker_ie.scenario import (
    EXPERIMENT_OPERATIONS,
    LONG_DELAY,
    NO_CAPACITY,
    Delays,
    Interferes,
    Raises,
    Scenario,
    faults_of,
    interference_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    Choice = bool | Collection[str]

MINUTE = dt.timedelta(minutes=1)
CALLS = (1, 1, 1, 2, 3)  # Most operations are called once.
MAX_TIMES = 6  # No standard client makes six attempts.
RARE = ("UpdateInferenceExperiment", "StartInferenceExperiment")  # Most rollouts call neither.
DEPLOYMENT = "deployment"


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
    max_duration: dt.timedelta = 60 * MINUTE,
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
        _rows(_faults(raised, operations if "delay" in errors else ()), max_faults, often=True),
        _rows(_interference(others), 2),
        _rows(st.integers(0, 2) if pages else None, 2),
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


def _rows(row: st.SearchStrategy[Any] | None, most: int, *, often: bool = False) -> st.SearchStrategy[list[Any]]:
    """Return the strategy for lists, empty in half of the examples, or, if `often`, in fewer."""
    none: st.SearchStrategy[list[Any]] = st.just([])
    if row is None or not most:
        return none
    some = st.lists(row, min_size=1, max_size=most)
    return none | some | some | some if often else none | some


def _durations(names: Sequence[str], minutes: int) -> st.SearchStrategy[Durations]:
    """Return the strategy for durations, zero in half of the examples. The longest are as many as all others."""
    none = st.just(Durations())
    if not names or not minutes:
        return none
    # More often of experiments than of endpoints, which most rollouts leave to their experiment.
    weighted = [*(name for name in names if not name.startswith("endpoint")), *names]
    numbers = st.integers(1, 2 * minutes).map(lambda number: min(number, minutes))
    return none | st.dictionaries(st.sampled_from(weighted), numbers, min_size=1, max_size=3).map(_in_minutes)


def _in_minutes(numbers: dict[str, int]) -> Durations:
    return Durations(**{name: number * MINUTE for name, number in sorted(numbers.items())})


def _failures(stages: Sequence[str], minutes: int) -> st.SearchStrategy[Any] | None:
    rows: list[st.SearchStrategy[Any]] = []
    if of_experiments := [stage for stage in stages if stage != DEPLOYMENT]:
        after = st.integers(0, minutes).map(lambda number: 60 * number)
        rows.append(st.builds(Fails, st.sampled_from(of_experiments), st.just(NO_CAPACITY), after=after))
    if DEPLOYMENT in stages:
        rows.append(st.builds(FailsDeployment, st.sampled_from(DEPLOYMENT_STAGES), st.just(NO_CAPACITY)))
    return st.one_of(rows) if rows else None


def _faults(raised: Sequence[Raises], delayed: Collection[str]) -> st.SearchStrategy[Any] | None:
    """Return the strategy for rows of faults. Lost answers are few, so they have a branch of their own."""
    place = {"call": st.sampled_from(CALLS), "times": st.integers(1, MAX_TIMES)}
    raised = [*raised, *(each for each in raised if each.operation not in RARE)]
    rows = [
        st.builds(dataclasses.replace, st.sampled_from(some), **place)
        for after in (False, True)
        if (some := [each for each in raised if each.after is after])
    ]
    delays = [st.builds(Delays, st.sampled_from([*delayed]), st.just(LONG_DELAY), **place)] if delayed else []
    # Delays come in a fifth of the rows, or alone.
    return st.one_of([*rows, *rows, *delays]) if rows or delays else None


def _interference(others: Sequence[Interferes]) -> st.SearchStrategy[Any] | None:
    if not others:
        return None
    return st.builds(dataclasses.replace, st.sampled_from(others), call=st.sampled_from(CALLS))
