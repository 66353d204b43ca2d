"""Runs a program once for each order in which its calls and the ends of statuses can come.

The status that a call meets depends only on the schedule, the durations and the instant. So it is enough to move the
end of each status from one place between two calls to the next place, beginning with statuses that take no time.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import NoneType
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.activation.activation import mock_inference_experiment
from mock_sagemaker_ie.backend.experiments.lifecycle import LIFECYCLE
from mock_sagemaker_ie.backend.transitions import After
from mock_sagemaker_ie.protocol.errors import shown
from mock_sagemaker_ie.protocol.wire import MILLISECOND
from mock_sagemaker_ie.scenario import Scenario, check_number

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.backend.experiments.lifecycle import Life
    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.service.service import Service


@dataclass(frozen=True)
class Orders:
    """The orders in which a program ran. `count`: how many there were. `complete`: False when the bound cut some."""

    count: int
    complete: bool


def each_order(
    program: Callable[[InferenceExperimentMock], object], *, scenario: Scenario | None = None, max_runs: int = 200
) -> Orders:
    """Run a synchronous program once for each order in which its calls and the ends of statuses can come.

    `program`: gets the mock, which has `virtual_sleep=True`, and asserts what it must. Each run has a mock of its own;
    in each, the statuses of experiments end in another place between the program's calls, and all statuses of a kind
    last equally long. Everything else is as in `scenario` (by default the calm one). Return the number of orders, and
    whether they were all: a program that polls for ever has no last order, so after `max_runs` runs, those with the
    shortest waits first, the rest is cut. An error of the program has the scenario as a note. Raises ValueError for a
    `max_runs` below 1, TypeError for a coroutine function and for any other value of another type.
    """
    if not callable(program) or iscoroutinefunction(program):
        raise TypeError(f"program={shown(program)}: expected a synchronous function that takes the mock")
    if not isinstance(scenario, (Scenario, NoneType)):
        raise TypeError(f"scenario={shown(scenario)}: expected Scenario(…)")
    check_number(max_runs, "max_runs")
    scenario = scenario or Scenario()
    waiting, known = deque([scenario.durations]), {scenario.durations}
    orders: set[object] = set()
    for _ in range(max_runs):
        if not waiting:
            break
        durations = waiting.popleft()
        calls, lives = _run(program, dataclasses.replace(scenario, durations=durations))
        order = tuple((call.operation, *(_status(life, call.at) for life in lives)) for call in calls)
        if order in orders:
            continue
        orders.add(order)
        later = [each for each in _later(durations, calls, lives) if each not in known]
        known.update(later)
        waiting.extend(later)
    return Orders(len(orders), not waiting)


def _run(
    program: Callable[[InferenceExperimentMock], object], scenario: Scenario
) -> tuple[tuple[Call, ...], list[Life]]:
    """Run a program in a mock of its own. Return its calls, and the lives of all experiments, also of deleted ones."""
    lives: dict[object, Life] = {}
    with mock_inference_experiment(scenario=scenario, virtual_sleep=True) as mock:
        service = mock._service  # noqa: SLF001 - not for users

        def note(_change: Any) -> nullcontext[None]:
            lives.update(_lives(service))
            return nullcontext()

        service.on_change = note
        try:
            program(mock)
        except BaseException as error:
            # add_note() is new in Python 3.11; pytest shows these notes in 3.10 too.
            error.__dict__.setdefault("__notes__", []).append(f"in the order of {scenario!r}")
            raise
        calls = mock.calls
        lives.update(_lives(service))
    return calls, [*lives.values()]


def _lives(service: Service) -> Iterator[tuple[object, Life]]:
    for scope in service.scopes():
        account, region = scope
        for each in service.backend(region, account).experiments.store.records.values():
            yield (scope, each.number), each.life


def _status(life: Life, at: dt.datetime) -> str | None:
    """Return the status of an experiment at an instant; None before its creation."""
    return next((str(entry.status) for entry in reversed(life.entries) if entry.since <= at), None)


def _later(durations: Durations, calls: tuple[Call, ...], lives: list[Life]) -> Iterator[Durations]:
    """Yield, for each kind of status, the durations with which its next end comes one call later."""
    instants = sorted({call.at for call in calls})
    found: dict[str, dt.timedelta] = {}
    for life in lives:
        for entry in life.entries:
            for row in LIFECYCLE.rows_by_time(entry.status):
                if isinstance(row.trigger, After):
                    name = row.trigger.duration
                    end = entry.since + getattr(durations, name)
                    following = next((at for at in instants if at >= end), None)
                    if following is not None:
                        longer = following - entry.since + MILLISECOND
                        found[name] = min(found.get(name, longer), longer)
    for name, longer in found.items():
        yield dataclasses.replace(durations, **{name: longer})
