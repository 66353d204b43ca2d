"""StartInferenceExperiment: a Created experiment starts before its StartTime."""

from __future__ import annotations

import pytest

from tests.operations.shared import STARTING, all_but, at, bring_to, refused
from tests.requests import NAME, create


def test_start_sets_start_time_to_now(mock, sagemaker):
    """StartTime becomes the time of the call, and EndTime does not change."""
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=10), "EndTime": at(days=20)}))
    mock.clock.advance(days=1)

    sagemaker.start_inference_experiment(Name=NAME)

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["Status"] == "Running"
    assert experiment["LastModifiedTime"] == at(days=1)
    assert experiment["Schedule"] == {"StartTime": at(days=1), "EndTime": at(days=20)}


@pytest.mark.parametrize(("end", "expected_end"), [(30, 30), (31, 30), (39, 30)])
def test_start_limits_the_schedule_to_30_days(mock, sagemaker, end, expected_end):
    """EndTime moves to 30 days after the start when it would be later."""
    schedule = {"StartTime": at(days=10), "EndTime": at(days=end)}
    sagemaker.create_inference_experiment(**create(Schedule=schedule))

    sagemaker.start_inference_experiment(Name=NAME)

    schedule = sagemaker.describe_inference_experiment(Name=NAME)["Schedule"]
    assert schedule == {"StartTime": at(), "EndTime": at(days=expected_end)}


def test_starting_lasts_its_duration(slow_mock, sagemaker):
    """The experiment is Starting from the call on, and Running after the starting duration."""
    bring_to(slow_mock, "Created")

    called = slow_mock.clock.now()
    answer = sagemaker.start_inference_experiment(Name=NAME)

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert answer["InferenceExperimentArn"] == experiment["Arn"]
    assert experiment["Status"] == "Starting"
    assert slow_mock.advance_until(NAME, "Running") == called + STARTING


@pytest.mark.parametrize("status", all_but("Created"))
def test_start_in_another_status_raises_conflict(slow_mock, sagemaker, status):
    """Start raises ConflictException in every status except Created."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.start_inference_experiment(Name=NAME)


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """Start raises ResourceNotFound for an unknown name."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.start_inference_experiment(Name=NAME)
