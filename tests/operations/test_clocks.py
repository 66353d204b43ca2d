"""The clocks a mock can be given, and what moves them: `time.sleep`, and the calls themselves."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from mock_sagemaker_ie import MockClock, UnansweredCallError, mock_inference_experiment
from tests.conftest import START
from tests.operations.shared import MINUTES, at
from tests.requests import NAME, create


class Wristwatch:
    """A clock of a user's own, which cannot be moved."""

    def __init__(self):
        self.time = START

    def now(self):
        return self.time


def describe(sagemaker):
    return sagemaker.describe_inference_experiment(Name=NAME)


def test_any_object_that_tells_the_time_is_a_clock(sagemaker):
    """The service reads `now()` of what it was given, and cuts it to the millisecond."""
    watch = Wristwatch()
    with mock_inference_experiment(clock=watch) as mock:
        sagemaker.create_inference_experiment(**create())

        watch.time = at(days=8, microseconds=1_999)

        sagemaker.create_inference_experiment(**create("later"))
        assert describe(sagemaker)["Status"] == "Completed"
        assert mock.calls[1].at == mock.experiments["later"]["CreationTime"] == at(days=8, microseconds=1_000)


def test_time_never_goes_back(sagemaker):
    """Should a clock be turned back, time stands still until the clock has caught up."""
    watch = Wristwatch()
    with mock_inference_experiment(clock=watch) as mock:
        sagemaker.create_inference_experiment(**create("first"))

        watch.time = at(hours=-1)

        sagemaker.create_inference_experiment(**create("second"))
        assert [call.at for call in mock.calls] == [START, START]
        assert mock.experiments["second"]["CreationTime"] == START


def test_a_naive_time_is_refused(sagemaker):
    """A clock that gives a time without a zone gives no instant; the error names the clock."""
    watch = Wristwatch()
    watch.time = START.replace(tzinfo=None)

    with mock_inference_experiment(clock=watch), pytest.raises(ValueError, match=r"Wristwatch.*naive"):
        sagemaker.list_inference_experiments()


def test_a_clock_without_the_verb_cannot_be_moved(sagemaker):
    """The error says which verb the clock lacks; what is reached already needs none."""
    with mock_inference_experiment(clock=Wristwatch()) as mock:
        sagemaker.create_inference_experiment(**create())

        assert mock.advance_until(NAME, "Running") == START
        with pytest.raises(TypeError, match="move_to"):
            mock.advance_until(NAME, "Completed")


# --- virtual_sleep and auto_advance


def test_sleep_passes_time_without_waiting(clock, sagemaker):
    """With `virtual_sleep` a poll loop passes virtual minutes in no time."""
    with mock_inference_experiment(clock=clock, durations=MINUTES, virtual_sleep=True):
        sagemaker.create_inference_experiment(**create())

        looks = 1
        while describe(sagemaker)["Status"] != "Completed":
            time.sleep(3600)
            looks += 1

    # Looks at 0 h, 1 h, … 168 h, when it is Stopping, and 169 h.
    assert looks == 7 * 24 + 2
    assert clock.now() == at(days=7, hours=1)


def test_sleep_is_given_back(clock):
    """Outside the mock `time.sleep` is what it was, also when the body raised."""
    sleep = time.sleep

    with (
        pytest.raises(RuntimeError, match="body"),
        mock_inference_experiment(clock=clock, virtual_sleep=True),
        mock_inference_experiment(clock=clock, virtual_sleep=True),
    ):
        assert time.sleep is not sleep
        raise RuntimeError("body")

    assert time.sleep is sleep


def test_sleep_needs_a_clock_that_can_be_moved():
    """`virtual_sleep` on a clock that cannot sleep is an error at once."""
    with pytest.raises(TypeError, match="sleep"):
        mock_inference_experiment(clock=Wristwatch(), virtual_sleep=True).start()


def test_each_call_may_take_its_time(sagemaker):
    """With `auto_advance` a call, answered or refused, is answered now, and then the clock moves."""
    clock = MockClock(START, tick=False, auto_advance=dt.timedelta(seconds=10))
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        sagemaker.create_inference_experiment(**create())
        with pytest.raises(sagemaker.exceptions.ResourceInUse):
            sagemaker.create_inference_experiment(**create())
        statuses = [describe(sagemaker)["Status"] for _ in range(20)]

        assert [call.at for call in mock.calls] == [at(seconds=10 * number) for number in range(22)]
        assert statuses == ["Creating"] * 4 + ["Starting"] * 12 + ["Running"] * 4


def test_only_answered_calls_move_the_clock(sagemaker):
    """With `auto_advance` neither a look by the mock takes time, nor a call that is not the mock's to answer."""
    clock = MockClock(START, tick=False, auto_advance=dt.timedelta(seconds=10))
    with mock_inference_experiment(clock=clock) as mock:
        assert mock.experiments == {}
        with pytest.raises(UnansweredCallError):
            sagemaker.list_training_jobs()
        with pytest.raises(UnansweredCallError):
            sagemaker.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/another-matter")

    assert clock.now() == START
