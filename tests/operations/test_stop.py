"""StopInferenceExperiment: an experiment ends early, each variant as its action says."""

from __future__ import annotations

import pytest

from tests.operations.shared import STOPPING, all_but, at, bring_to, refused
from tests.requests import NAME, create, stop, variant

STOPPABLE = ["Created", "Running"]


@pytest.fixture
def running(mock, sagemaker):
    """A mock with a running experiment in it."""
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
def test_an_experiment_stops_as_desired(slow_mock, sagemaker, status, desired, last):
    """It is Stopping for its time and then what DesiredState says, which is Cancelled when absent."""
    bring_to(slow_mock, status)
    called = slow_mock.clock.now()

    answer = sagemaker.stop_inference_experiment(**stop(**desired))

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert answer["InferenceExperimentArn"] == experiment["Arn"]
    assert experiment["Status"] == "Stopping"
    assert experiment["LastModifiedTime"] == called
    assert slow_mock.advance_until(NAME, last) == called + STOPPING


def test_the_reason_becomes_the_status_reason(slow_mock, sagemaker):
    """Reason shows as StatusReason from the call on, in Describe and in List."""
    bring_to(slow_mock, "Running")

    sagemaker.stop_inference_experiment(**stop(Reason="The candidate is slow"))

    (summary,) = sagemaker.list_inference_experiments()["InferenceExperiments"]
    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["StatusReason"] == summary["StatusReason"] == "The candidate is slow"


def test_an_experiment_that_ends_by_itself_has_no_reason(running, sagemaker):
    """The end of the schedule completes an experiment without a reason."""
    running.clock.move_to(at(days=7))

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["Status"] == "Completed"
    assert "StatusReason" not in experiment


@pytest.mark.parametrize(("production", "shadow"), [("Retain", "Remove"), ("Retain", "Retain"), ("Remove", "Promote")])
def test_one_variant_stays_as_production(running, sagemaker, production, shadow):
    """Production is retained, or the shadow is promoted in its place."""
    sagemaker.stop_inference_experiment(**stop(production=production, shadow=shadow))

    assert running.experiments[NAME]["Status"] == "Cancelled"


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
def test_actions_that_make_no_sense_are_refused(running, sagemaker, actions):
    """Actions name every variant and no other; production is never promoted, and never goes without successor."""
    with refused(running, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop(ModelVariantActions=actions))


def test_desired_variants_replace_the_infrastructure_of_what_stays(running, sagemaker):
    """DesiredModelVariants says on what a variant that stays will run; the others keep theirs."""
    bigger = variant("shadow", instance_type="ml.c5.4xlarge", count=3)

    sagemaker.stop_inference_experiment(**stop(shadow="Retain", DesiredModelVariants=[bigger]))

    production, shadow = sagemaker.describe_inference_experiment(Name=NAME)["ModelVariants"]
    assert shadow["InfrastructureConfig"] == bigger["InfrastructureConfig"]
    assert production["InfrastructureConfig"] == variant("prod")["InfrastructureConfig"]


@pytest.mark.parametrize(
    "desired",
    [[variant("shadow")], [variant("other")], [variant("prod"), variant("prod")]],
    ids=["removed", "unknown", "twice"],
)
def test_desired_variants_name_what_stays_once(running, sagemaker, desired):
    """DesiredModelVariants of what is removed, of what there is not, and of one variant twice are refused."""
    with refused(running, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop(DesiredModelVariants=desired))


@pytest.mark.parametrize("status", all_but(*STOPPABLE))
def test_only_a_created_or_running_experiment_stops(slow_mock, sagemaker, status):
    """In any other status Stop is a conflict."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.stop_inference_experiment(**stop())


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """What nobody created cannot stop."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.stop_inference_experiment(**stop())
