"""The clocks that a mock accepts, and the ways to move them: `time.sleep`, and the calls themselves."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from mock_sagemaker_ie import MockClock, mock_inference_experiment
from tests.conftest import START
from tests.operations.shared import MINUTES, at
from tests.requests import NAME, create


class CustomClock:
    """A user-defined clock that has no method to move it."""

    def __init__(self):
        self.time = START

    def now(self):
        return self.time


def describe(sagemaker):
    return sagemaker.describe_inference_experiment(Name=NAME)


def test_any_object_with_now_is_a_clock(sagemaker):
    """The mock reads `now()` of the given object and truncates the time to milliseconds."""
    custom_clock = CustomClock()
    with mock_inference_experiment(clock=custom_clock) as mock:
        sagemaker.create_inference_experiment(**create())

        custom_clock.time = at(days=8, microseconds=1_999)

        sagemaker.create_inference_experiment(**create("later"))
        assert describe(sagemaker)["Status"] == "Completed"
        assert mock.calls[1].at == mock.experiments["later"]["CreationTime"] == at(days=8, microseconds=1_000)


def test_time_never_goes_back(sagemaker):
    """When a clock goes back, the mock's time stands still until the clock has caught up."""
    custom_clock = CustomClock()
    with mock_inference_experiment(clock=custom_clock) as mock:
        sagemaker.create_inference_experiment(**create("first"))

        custom_clock.time = at(hours=-1)

        sagemaker.create_inference_experiment(**create("second"))
        assert [call.at for call in mock.calls] == [START, START]
        assert mock.experiments["second"]["CreationTime"] == START


def test_a_clock_without_move_to_cannot_be_moved(sagemaker):
    """`advance_until` raises a TypeError that names the missing method, unless the status is already reached."""
    with mock_inference_experiment(clock=CustomClock()) as mock:
        sagemaker.create_inference_experiment(**create())

        assert mock.advance_until(NAME, "Running") == START
        with pytest.raises(TypeError, match="move_to"):
            mock.advance_until(NAME, "Completed")


# --- virtual_sleep and auto_advance


def test_virtual_sleep_moves_the_clock_without_waiting(clock, sagemaker):
    """With `virtual_sleep` a poll loop passes virtual time without waiting."""
    with mock_inference_experiment(clock=clock, durations=MINUTES, virtual_sleep=True):
        sagemaker.create_inference_experiment(**create())

        describe_calls = 1
        while describe(sagemaker)["Status"] != "Completed":
            time.sleep(3600)
            describe_calls += 1

    # Describe is called at 0 h, 1 h, … 168 h, when the experiment is Stopping, and 169 h.
    assert describe_calls == 7 * 24 + 2
    assert clock.now() == at(days=7, hours=1)


def test_virtual_sleep_needs_a_clock_that_can_sleep():
    """`virtual_sleep` with a clock that cannot sleep raises TypeError when the mock starts."""
    with pytest.raises(TypeError, match="sleep"):
        mock_inference_experiment(clock=CustomClock(), virtual_sleep=True).start()


def test_auto_advance_moves_the_clock_after_each_call(sagemaker):
    """With `auto_advance` the clock moves after each answer, also after an error."""
    clock = MockClock(START, tick=False, auto_advance=dt.timedelta(seconds=10))
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        sagemaker.create_inference_experiment(**create())
        with pytest.raises(sagemaker.exceptions.ResourceInUse):
            sagemaker.create_inference_experiment(**create())
        statuses = [describe(sagemaker)["Status"] for _ in range(20)]

        assert [call.at for call in mock.calls] == [at(seconds=10 * number) for number in range(22)]
        assert statuses == ["Creating"] * 4 + ["Running"] * 16
