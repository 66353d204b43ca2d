"""StopInferenceExperiment: an experiment ends early, and an action applies to each variant."""

from __future__ import annotations

import pytest

from tests.operations.shared import STOPPING, all_but, at, bring_to, refused
from tests.requests import NAME, create, stop, variant

STOPPABLE = ["Created", "Running"]


@pytest.fixture
def running_mock(mock, sagemaker):
    """Return a mock with one experiment in the status Running."""
    sagemaker.create_inference_experiment(**create())
    return mock


@pytest.mark.parametrize("status", STOPPABLE)
@pytest.mark.parametrize(
    ("desired", "last"),
    [
        ({}, "Cancelled"),
        ({"DesiredState": "Cancelled"}, "Cancelled"),
        ({"DesiredState": "Completed"}, "Completed"),
    ],
    ids=["no DesiredState", "Cancelled", "Completed"],
)
def test_stop_leads_to_the_desired_state(slow_mock, sagemaker, status, desired, last):
    """The experiment is Stopping for its duration, and then has the DesiredState, by default Cancelled."""
    bring_to(slow_mock, status)
    called = slow_mock.clock.now()

    answer = sagemaker.stop_inference_experiment(**stop(**desired))

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert answer["InferenceExperimentArn"] == experiment["Arn"]
    assert experiment["Status"] == "Stopping"
    assert experiment["LastModifiedTime"] == called
    assert slow_mock.advance_until(NAME, last) == called + STOPPING


def test_the_reason_becomes_the_status_reason(slow_mock, sagemaker):
    """Describe and List show Reason as StatusReason from the call on."""
    bring_to(slow_mock, "Running")

    sagemaker.stop_inference_experiment(**stop(Reason="The candidate is slow"))

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]
    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["StatusReason"] == summary["StatusReason"] == "The candidate is slow"


def test_the_scheduled_end_sets_no_status_reason(running_mock, sagemaker):
    """An experiment that reaches its EndTime is Completed without a StatusReason."""
    running_mock.clock.move_to(at(days=7))

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["Status"] == "Completed"
    assert "StatusReason" not in experiment


@pytest.mark.parametrize(
    "actions",
    [
        {"prod": "Promote", "shadow": "Remove"},
        {"prod": "Promote", "shadow": "Retain"},
        {"prod": "Promote", "shadow": "Promote"},
        {"prod": "Retain", "shadow": "Promote"},
        {"prod": "Remove", "shadow": "Remove"},
        {"prod": "Remove", "shadow": "Retain"},
        {"prod": "Retain"},
        {"prod": "Retain", "other": "Remove"},
        {"prod": "Retain", "shadow": "Remove", "other": "Remove"},
    ],
    ids=lambda actions: ",".join(map(":".join, actions.items())),
)
def test_invalid_actions_are_refused(running_mock, sagemaker, actions):
    """Actions name exactly the variants; production is never promoted, and only removed if the shadow replaces it."""
    with refused(running_mock, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop(ModelVariantActions=actions))


def test_desired_variants_replace_the_infrastructure_of_retained_variants(running_mock, sagemaker):
    """DesiredModelVariants change the infrastructure of the variants that they name; other variants keep theirs."""
    bigger = variant("shadow", instance_type="ml.c5.4xlarge", count=3)

    sagemaker.stop_inference_experiment(**stop(shadow="Retain", DesiredModelVariants=[bigger]))

    production, shadow = sagemaker.describe_inference_experiment(Name=NAME)["ModelVariants"]
    assert shadow["InfrastructureConfig"] == bigger["InfrastructureConfig"]
    assert production["InfrastructureConfig"] == variant("prod")["InfrastructureConfig"]


@pytest.mark.parametrize(
    "desired",
    [[variant("shadow")], [variant("other")], [variant("prod"), variant("prod")]],
    ids=["removed variant", "unknown variant", "one variant twice"],
)
def test_invalid_desired_variants_are_refused(running_mock, sagemaker, desired):
    """DesiredModelVariants may not name a removed variant, an unknown one, or one variant twice."""
    with refused(running_mock, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop(DesiredModelVariants=desired))


@pytest.mark.parametrize("status", all_but(*STOPPABLE))
def test_stop_in_another_status_raises_conflict(slow_mock, sagemaker, status):
    """Stop raises ConflictException in every status except Created and Running."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.stop_inference_experiment(**stop())


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """Stop raises ResourceNotFound for an unknown name."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.stop_inference_experiment(**stop())
