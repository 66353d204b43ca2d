"""UpdateInferenceExperiment cannot extend a running experiment beyond 30 days after its start."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.operations.shared import at, refused
from tests.requests import NAME, create

MILLISECOND = dt.timedelta(milliseconds=1)
LATEST_END = at(days=31)  # Of an experiment that starts at at(days=1).


def start_at_creation(mock, instant):
    """Create an experiment without a schedule."""
    mock.clock.move_to(instant)
    mock.client().create_inference_experiment(**create())


def start_with_a_past_start_time(mock, instant):
    """Create an experiment whose StartTime has passed: it starts now."""
    mock.clock.move_to(instant)
    mock.client().create_inference_experiment(**create(Schedule={"StartTime": at(days=-4)}))


def start_early(mock, instant):
    """Create an experiment and start it before its StartTime."""
    mock.client().create_inference_experiment(**create(Schedule={"StartTime": at(days=5), "EndTime": at(days=9)}))
    mock.clock.move_to(instant)
    mock.client().start_inference_experiment(Name=NAME)


def no_updates(mock):
    """Leave the experiment as it is."""


def several_updates(mock):
    """Update the experiment once in a while, and let it run for 23 days."""
    updates = {2: {"Schedule": {"EndTime": at(days=12)}}, 11: {"Schedule": {"EndTime": at(days=29)}}}
    for day, update in {**updates, 24: {"Description": "New"}}.items():
        mock.clock.move_to(at(days=day))
        mock.client().update_inference_experiment(Name=NAME, **update)


every_start = pytest.mark.parametrize(
    "start", [start_at_creation, start_with_a_past_start_time, start_early], ids=lambda start: start.__name__
)
with_and_without_updates = pytest.mark.parametrize(
    "update", [no_updates, several_updates], ids=lambda update: update.__name__
)


@every_start
@with_and_without_updates
def test_a_running_experiment_may_be_extended_to_30_days(mock, sagemaker, start, update):
    """EndTime may be exactly 30 days after the start, and the experiment then ends there."""
    start(mock, at(days=1))
    update(mock)

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": LATEST_END})

    assert mock.experiments[NAME]["Status"] == "Running"
    assert mock.advance_until(NAME, "Completed") == LATEST_END


@every_start
@with_and_without_updates
def test_a_running_experiment_cannot_be_extended_beyond_30_days(mock, sagemaker, start, update):
    """EndTime is refused if it is 30 days and 1 millisecond after the start."""
    # The start is a millisecond earlier, not EndTime later: botocore before 1.36 sends whole seconds.
    start(mock, at(days=1) - MILLISECOND)
    update(mock)

    with refused(mock, "ValidationException") as refusal:
        sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": LATEST_END})

    assert "at most 30 days later than schedule.startTime" in str(refusal.value)
