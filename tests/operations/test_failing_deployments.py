"""Failed deployments of an experiment: it becomes Cancelled, and its endpoint keeps or regains its variants."""

from __future__ import annotations

import pytest

from tests.hosting import (
    BOTH,
    ENDPOINTS,
    EXPERIMENT_ENDPOINT,
    NO_VARIANTS,
    PRODUCTION_ONLY,
    REASON,
    endpoint,
    endpoint_state,
    is_reverted,
)
from tests.operations.shared import MINUTES, all_but, bring_to
from tests.requests import NAME, PRODUCTION, SHADOW, create, shadow_mode, stop, variant

UNFINISHED = all_but("Completed", "Cancelled")


def fail_experiment(mock):
    mock.fail_experiment(NAME, REASON)


def fail_endpoint(mock):
    mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)


both_ways_to_fail = pytest.mark.parametrize("fail", [fail_experiment, fail_endpoint])


def status_and_reason(mock):
    """Return the Status and StatusReason of the experiment."""
    experiment = mock.experiments[NAME]
    return experiment["Status"], experiment.get("StatusReason")


# --- failures that take effect at once, in each status


@pytest.mark.parametrize("status", UNFINISHED)
def test_a_failure_reverts_an_existing_endpoint(existing_endpoint, slow_mock, sagemaker, status):
    """The endpoint has its old configuration again, and a FailureReason only if the experiment had changed it."""
    bring_to(slow_mock, status)
    unchanged = endpoint(sagemaker, EXPERIMENT_ENDPOINT) == existing_endpoint

    slow_mock.fail_experiment(NAME, REASON)

    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    assert status_and_reason(slow_mock) == ("Cancelled", REASON)
    assert is_reverted(shown, existing_endpoint, **({} if unchanged else {"FailureReason": REASON}))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Creating", ("Failed", NO_VARIANTS, None)),
        ("Created", ("InService", PRODUCTION_ONLY, None)),
        ("Updating", ("InService", PRODUCTION_ONLY, None)),
        ("Starting", ("InService", PRODUCTION_ONLY, None)),
        ("Running", ("InService", PRODUCTION_ONLY, None)),
        ("Stopping", ("InService", PRODUCTION_ONLY, None)),
    ],
)
def test_an_endpoint_of_the_experiment_keeps_production(slow_mock, sagemaker, status, expected):
    """A failed creation leaves a Failed endpoint; later the production variant keeps serving, without the shadow."""
    bring_to(slow_mock, status)

    slow_mock.fail_experiment(NAME, REASON)

    assert status_and_reason(slow_mock) == ("Cancelled", REASON)
    assert endpoint_state(sagemaker) == expected


@pytest.mark.parametrize("status", ["Creating", "Starting", "Stopping"])
def test_fail_endpoint_during_a_deployment_takes_effect_at_once(slow_mock, sagemaker, status):
    """During a deployment, failing the endpoint has the same effect as failing the experiment."""
    bring_to(slow_mock, status)

    slow_mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)

    assert status_and_reason(slow_mock) == ("Cancelled", REASON)
    assert slow_mock.experiments[NAME]["CompletionTime"] == slow_mock.clock.now()
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["FailureReason"] == REASON
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["LastModifiedTime"] == slow_mock.clock.now()


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_a_finished_experiment_cannot_fail(slow_mock, sagemaker, status):
    """Failing a finished experiment raises a ValueError that shows its name and status, and changes nothing."""
    bring_to(slow_mock, status)
    before = slow_mock.experiments[NAME], endpoint(sagemaker, EXPERIMENT_ENDPOINT)

    with pytest.raises(ValueError, match=f"Cannot fail .*{NAME} in status {status}"):
        slow_mock.fail_experiment(NAME, REASON)

    assert (slow_mock.experiments[NAME], endpoint(sagemaker, EXPERIMENT_ENDPOINT)) == before


# --- at the end of the next deployment


@pytest.mark.parametrize("at_status", ["Created", "Running"])
def test_fail_endpoint_without_a_deployment_fails_the_next_one(existing_endpoint, slow_mock, sagemaker, at_status):
    """When nothing is being deployed, the experiment continues until the next deployment ends, and that one fails."""
    bring_to(slow_mock, at_status)
    slow_mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)
    assert status_and_reason(slow_mock) == (at_status, None)
    deploying = {"Created": "Starting", "Running": "Stopping"}[at_status]
    began = slow_mock.advance_until(NAME, deploying)

    slow_mock.advance_until(NAME, "Cancelled")

    assert status_and_reason(slow_mock) == ("Cancelled", REASON)
    assert slow_mock.clock.now() == began + getattr(MINUTES, deploying.lower())
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), existing_endpoint, FailureReason=REASON)


def test_fail_endpoint_before_create_fails_the_creation(slow_mock, sagemaker):
    """An endpoint that an experiment creates later fails at the end of Creating."""
    slow_mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)
    sagemaker.create_inference_experiment(**create())
    assert status_and_reason(slow_mock) == ("Creating", None)

    slow_mock.advance_until(NAME, "Cancelled")

    assert endpoint_state(sagemaker)[0] == "Failed"
    assert slow_mock.experiments[NAME]["EndpointMetadata"]["FailureReason"] == REASON


def test_a_failure_takes_no_time_with_zero_durations(mock, sagemaker):
    """With zero durations an experiment with a pending failure is Cancelled by the next call."""
    mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)

    sagemaker.create_inference_experiment(**create())

    assert status_and_reason(mock) == ("Cancelled", REASON)


# --- operations that fail


def test_a_failed_update_in_running_ends_the_experiment(existing_endpoint, slow_mock, sagemaker):
    """The endpoint does not return to the experiment's configuration, but to its original one."""
    bring_to(slow_mock, "Running")
    sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=5))

    slow_mock.fail_endpoint(EXPERIMENT_ENDPOINT, REASON)

    assert status_and_reason(slow_mock) == ("Cancelled", REASON)
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), existing_endpoint, FailureReason=REASON)


@pytest.fixture(params=["existing_endpoint", "created_endpoint"])
def running_mock(request, slow_mock):
    """Return a mock with a running experiment, on an existing endpoint or on one that it creates."""
    if request.param == "existing_endpoint":
        request.getfixturevalue("existing_endpoint")
    bring_to(slow_mock, "Running")
    return slow_mock


@both_ways_to_fail
def test_a_failed_promotion_leaves_production(running_mock, sagemaker, fail):
    """A failed Stop does not promote the shadow: production serves alone, and both Describe operations show it."""
    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote", DesiredState="Completed"))

    fail(running_mock)

    statuses = {each["VariantName"]: each["Status"] for each in running_mock.experiments[NAME]["ModelVariants"]}
    assert status_and_reason(running_mock) == ("Cancelled", REASON)
    assert endpoint_state(sagemaker) == ("InService", PRODUCTION_ONLY, None)
    assert statuses == {PRODUCTION: "InService", SHADOW: "Deleted"}


@both_ways_to_fail
def test_a_failed_stop_does_not_deploy_desired_variants(slow_mock, sagemaker, fail):
    """On an endpoint that the experiment created, production keeps its instances when DesiredModelVariants fail."""
    bring_to(slow_mock, "Running")
    desired = [variant(PRODUCTION, count=9)]
    sagemaker.stop_inference_experiment(**stop(DesiredModelVariants=desired))

    fail(slow_mock)

    (production,) = endpoint(sagemaker, EXPERIMENT_ENDPOINT)["ProductionVariants"]
    assert production["CurrentInstanceCount"] == 1


def test_another_experiment_may_use_the_endpoint_after_a_failure(existing_endpoint, slow_mock, sagemaker):
    """The next experiment on the endpoint starts without the FailureReason of the last one."""
    bring_to(slow_mock, "Starting")
    slow_mock.fail_experiment(NAME, REASON)

    sagemaker.create_inference_experiment(**create("second", EndpointName=EXPERIMENT_ENDPOINT))
    slow_mock.advance_until("second", "Running")

    assert "FailureReason" not in endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    slow_mock.advance_until("second", "Completed")
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), existing_endpoint)


def test_a_failed_endpoint_must_be_deleted_before_the_next_experiment(slow_mock, sagemaker):
    """When an endpoint whose creation failed is deleted, its name is free for another experiment."""
    bring_to(slow_mock, "Creating")
    slow_mock.fail_experiment(NAME, REASON)
    assert endpoint_state(sagemaker)[0] == "Failed"

    sagemaker.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)
    sagemaker.create_inference_experiment(**create("second", EndpointName=EXPERIMENT_ENDPOINT))
    slow_mock.advance_until("second", "Running")

    assert endpoint_state(sagemaker) == ("InService", BOTH, None)


def test_a_pending_failure_ends_with_its_deployment(existing_endpoint, slow_mock, sagemaker):
    """When a deployment with a pending failure fails early, later deployments do not fail."""
    bring_to(slow_mock, "Created")
    slow_mock.fail_endpoint(EXPERIMENT_ENDPOINT, "Pending failure")
    slow_mock.advance_until(NAME, "Starting")
    slow_mock.fail_experiment(NAME, REASON)

    sagemaker.create_inference_experiment(**create("second", EndpointName=EXPERIMENT_ENDPOINT))
    slow_mock.advance_until("second", "Completed")
    sagemaker.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)

    assert ENDPOINTS.all(sagemaker) == {}


def test_a_failure_does_not_affect_other_experiments(slow_mock, sagemaker):
    """An experiment that fails affects no endpoint but its own."""
    sagemaker.create_inference_experiment(**create("other"))
    bring_to(slow_mock, "Starting")

    slow_mock.fail_experiment(NAME, REASON)

    assert slow_mock.experiments["other"]["Status"] == "Running"
