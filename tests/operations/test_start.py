"""StartInferenceExperiment: an experiment that waits for its StartTime starts early."""

from __future__ import annotations

import pytest

from tests.operations.shared import STARTING, all_but, at, bring_to, refused
from tests.requests import NAME, create


def test_starting_early_begins_the_schedule_now(mock, sagemaker):
    """StartTime becomes the moment of the call, EndTime stays."""
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=10), "EndTime": at(days=20)}))
    mock.clock.advance(days=1)

    sagemaker.start_inference_experiment(Name=NAME)

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["Status"] == "Running"
    assert experiment["LastModifiedTime"] == at(days=1)
    assert experiment["Schedule"] == {"StartTime": at(days=1), "EndTime": at(days=20)}


@pytest.mark.parametrize(("given", "kept"), [(30, 30), (31, 30), (39, 30)])
def test_an_early_start_shortens_a_schedule_that_would_be_too_long(mock, sagemaker, given, kept):
    """EndTime comes to lie 30 days after the start when it would be later."""
    schedule = {"StartTime": at(days=10), "EndTime": at(days=given)}
    sagemaker.create_inference_experiment(**create(Schedule=schedule))

    sagemaker.start_inference_experiment(Name=NAME)

    schedule = sagemaker.describe_inference_experiment(Name=NAME)["Schedule"]
    assert schedule == {"StartTime": at(), "EndTime": at(days=kept)}


def test_starting_takes_its_time(slow_mock, sagemaker):
    """The experiment is Starting from the call on, and Running once the starting time has elapsed."""
    bring_to(slow_mock, "Created")

    called = slow_mock.clock.now()
    answer = sagemaker.start_inference_experiment(Name=NAME)

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert answer["InferenceExperimentArn"] == experiment["Arn"]
    assert experiment["Status"] == "Starting"
    assert slow_mock.advance_until(NAME, "Running") == called + STARTING


@pytest.mark.parametrize("status", all_but("Created"))
def test_only_a_created_experiment_starts(slow_mock, sagemaker, status):
    """In any other status Start is a conflict."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.start_inference_experiment(Name=NAME)


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """What nobody created cannot start."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.start_inference_experiment(Name=NAME)
