"""A program runs once for each order in which its calls and the ends of statuses can come."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from mock_sagemaker_ie import Orders, each_order
from tests.requests import NAME, create, stop
from tests.scenarios.controllers import Controller, DeletesWhileStopping, RolloutError


def poll(mock, times):
    """Launch an experiment and look at it until it runs, but not more often than this."""
    mock.client().create_inference_experiment(**create())
    for _ in range(times):
        if mock.client().describe_inference_experiment(Name=NAME)["Status"] == "Running":
            return True
        time.sleep(30)
    return False


@pytest.mark.parametrize("times", [1, 3, 10])
def test_each_order_comes_once(times):
    """Creating ends before the first look, or after the first, the second … or the last."""
    found = []

    orders = each_order(lambda mock: found.append((poll(mock, times), len(mock.calls))))

    assert orders == Orders(times + 1, complete=True)
    assert sorted(found) == [(False, times + 1), *[(True, number + 2) for number in range(times)]]


def test_the_ends_of_several_statuses_are_combined():
    """Each end of Creating with each end of Stopping."""

    def program(mock):
        if poll(mock, 3):
            mock.client().stop_inference_experiment(**stop())
            mock.client().describe_inference_experiment(Name=NAME)
            time.sleep(30)
            mock.client().describe_inference_experiment(Name=NAME)

    # Three orders lead to Running, each with three ends of Stopping; in one it is not reached.
    assert each_order(program) == Orders(3 * 3 + 1, complete=True)


def test_the_bound_cuts_the_rest():
    """A program that polls for ever has no last order, and the result says so."""
    runs = []

    orders = each_order(lambda mock: runs.append(poll(mock, 10_000)), max_runs=20)

    assert orders == Orders(20, complete=False)
    assert len(runs) == 20
    with pytest.raises(ValueError, match="max_runs=0: expected an int of 1 or more"):
        each_order(poll, max_runs=0)


def test_an_error_has_the_scenario_as_a_note():
    """It is the code that makes the order again."""

    def program(mock):
        DeletesWhileStopping(mock.client()).roll_out()

    with pytest.raises(Exception, match="ConflictException") as error:
        each_order(program)

    assert "in the order of Scenario(durations=Durations.parse('stopping=" in error.value.__notes__[0]


async def asynchronous(_mock):
    """A program that nobody would await."""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"program": 3}, "program=3: expected a synchronous function"),
        ({"program": asynchronous}, "expected a synchronous function"),
        ({"program": print, "scenario": "calm"}, "scenario='calm': expected Scenario"),
        ({"program": print, "max_runs": 0}, "max_runs=0: expected an int of 1 or more"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, words):
    """Before anything runs, with what was expected."""
    with pytest.raises((TypeError, ValueError)) as error:
        each_order(**arguments)

    assert words in str(error.value)


def test_a_correct_rollout_is_right_in_every_order():
    """Also when the experiment is deleted in the end."""

    def program(mock):
        with suppress(RolloutError):
            Controller(mock.client()).roll_out()
        assert not mock.experiments

    orders = each_order(program, max_runs=60)

    assert orders.count > 30
