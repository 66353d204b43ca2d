"""Deployments of an experiment that fail: it is Cancelled, and its endpoint keeps, or regains, what it had."""

from __future__ import annotations

import pytest

from tests.hosting import BOTH, ENDPOINTS, NOTHING, PRODUCTION_ONLY, REASON, UNDER_TEST, endpoint, reverted, seen
from tests.operations.shared import MINUTES, all_but, bring_to
from tests.requests import NAME, PRODUCTION, SHADOW, create, shadow_mode, stop, variant

UNFINISHED = all_but("Completed", "Cancelled")


def fail_experiment(mock):
    mock.fail_experiment(NAME, REASON)


def fail_endpoint(mock):
    mock.fail_endpoint(UNDER_TEST, REASON)


either_way = pytest.mark.parametrize("fail", [fail_experiment, fail_endpoint])


def outcome(mock):
    """Status and StatusReason of the experiment."""
    experiment = mock.experiments[NAME]
    return experiment["Status"], experiment.get("StatusReason")


# --- at once, status by status


@pytest.mark.parametrize("status", UNFINISHED)
def test_an_existing_endpoint_is_as_it_was(existing, slow_mock, sagemaker, status):
    """Whatever the test was doing, its endpoint has its old configuration at once, and says why if it had lost it."""
    bring_to(slow_mock, status)
    untouched = endpoint(sagemaker, UNDER_TEST) == existing

    slow_mock.fail_experiment(NAME, REASON)

    shown = endpoint(sagemaker, UNDER_TEST)
    assert outcome(slow_mock) == ("Cancelled", REASON)
    assert reverted(shown, existing, **({} if untouched else {"FailureReason": REASON}))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Creating", ("Failed", NOTHING, None)),
        ("Created", ("InService", PRODUCTION_ONLY, None)),
        ("Updating", ("InService", PRODUCTION_ONLY, None)),
        ("Starting", ("InService", PRODUCTION_ONLY, None)),
        ("Running", ("InService", PRODUCTION_ONLY, None)),
        ("Stopping", ("InService", PRODUCTION_ONLY, None)),
    ],
)
def test_an_endpoint_that_the_test_made_keeps_production(slow_mock, sagemaker, status, expected):
    """A creation that fails leaves a failed endpoint; later the production variant serves on, without the shadow."""
    bring_to(slow_mock, status)

    slow_mock.fail_experiment(NAME, REASON)

    assert outcome(slow_mock) == ("Cancelled", REASON)
    assert seen(sagemaker) == expected


@pytest.mark.parametrize("status", ["Creating", "Starting", "Stopping"])
def test_a_deployment_that_is_under_way_fails_at_once(slow_mock, sagemaker, status):
    """Failing the endpoint while something is deployed on it, and failing the experiment, come to the same."""
    bring_to(slow_mock, status)

    slow_mock.fail_endpoint(UNDER_TEST, REASON)

    assert outcome(slow_mock) == ("Cancelled", REASON)
    assert slow_mock.experiments[NAME]["CompletionTime"] == slow_mock.clock.now()
    assert endpoint(sagemaker, UNDER_TEST)["FailureReason"] == REASON
    assert endpoint(sagemaker, UNDER_TEST)["LastModifiedTime"] == slow_mock.clock.now()


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_a_finished_experiment_cannot_fail(slow_mock, sagemaker, status):
    """What has ended is not being deployed: failing it is an error, and changes nothing."""
    bring_to(slow_mock, status)
    before = slow_mock.experiments[NAME], endpoint(sagemaker, UNDER_TEST)

    with pytest.raises(ValueError, match=status):
        slow_mock.fail_experiment(NAME, REASON)

    assert (slow_mock.experiments[NAME], endpoint(sagemaker, UNDER_TEST)) == before


# --- at the end of the next deployment


@pytest.mark.parametrize("at_status", ["Created", "Running"])
def test_the_next_deployment_of_a_test_can_be_doomed(existing, slow_mock, sagemaker, at_status):
    """Where nothing is being deployed the test goes on until the next deployment ends, which fails."""
    bring_to(slow_mock, at_status)
    slow_mock.fail_endpoint(UNDER_TEST, REASON)
    assert outcome(slow_mock) == (at_status, None)
    deploying = {"Created": "Starting", "Running": "Stopping"}[at_status]
    began = slow_mock.advance_until(NAME, deploying)

    slow_mock.advance_until(NAME, "Cancelled")

    assert outcome(slow_mock) == ("Cancelled", REASON)
    assert slow_mock.clock.now() == began + getattr(MINUTES, deploying.lower())
    assert reverted(endpoint(sagemaker, UNDER_TEST), existing, FailureReason=REASON)


def test_the_endpoint_of_a_test_to_come_can_be_doomed(slow_mock, sagemaker):
    """An endpoint that a test is about to make fails at the end of Creating."""
    slow_mock.fail_endpoint(UNDER_TEST, REASON)
    sagemaker.create_inference_experiment(**create())
    assert outcome(slow_mock) == ("Creating", None)

    slow_mock.advance_until(NAME, "Cancelled")

    assert seen(sagemaker)[0] == "Failed"
    assert slow_mock.experiments[NAME]["EndpointMetadata"]["FailureReason"] == REASON


def test_a_failure_takes_no_time_where_deployments_take_none(mock, sagemaker):
    """With zero durations a doomed test is Cancelled as soon as somebody looks."""
    mock.fail_endpoint(UNDER_TEST, REASON)

    sagemaker.create_inference_experiment(**create())

    assert outcome(mock) == ("Cancelled", REASON)


# --- operations that fail


def test_an_update_in_running_that_fails_ends_the_test(existing, slow_mock, sagemaker):
    """The endpoint does not go back to the test's configuration, but to the one from before it."""
    bring_to(slow_mock, "Running")
    sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=5))

    slow_mock.fail_endpoint(UNDER_TEST, REASON)

    assert outcome(slow_mock) == ("Cancelled", REASON)
    assert reverted(endpoint(sagemaker, UNDER_TEST), existing, FailureReason=REASON)


@pytest.fixture(params=["existing", "made"])
def running(request, slow_mock):
    """A running test, on an endpoint that exists before it or that it makes."""
    if request.param == "existing":
        request.getfixturevalue("existing")
    bring_to(slow_mock, "Running")
    return slow_mock


@either_way
def test_a_promotion_that_fails_leaves_production(running, sagemaker, fail):
    """A failed Stop does nothing of what it was asked: production serves, and both Describes say so."""
    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote", DesiredState="Completed"))

    fail(running)

    statuses = {each["VariantName"]: each["Status"] for each in running.experiments[NAME]["ModelVariants"]}
    assert outcome(running) == ("Cancelled", REASON)
    assert seen(sagemaker) == ("InService", PRODUCTION_ONLY, None)
    assert statuses == {PRODUCTION: "InService", SHADOW: "Deleted"}


@either_way
def test_machines_of_a_stop_that_fails_never_come(slow_mock, sagemaker, fail):
    """On an endpoint that the test made, production keeps its machines when those of DesiredModelVariants fail."""
    bring_to(slow_mock, "Running")
    desired = [variant(PRODUCTION, count=9)]
    sagemaker.stop_inference_experiment(**stop(DesiredModelVariants=desired))

    fail(slow_mock)

    (production,) = endpoint(sagemaker, UNDER_TEST)["ProductionVariants"]
    assert production["CurrentInstanceCount"] == 1


def test_after_a_failure_the_endpoint_can_be_tested_again(existing, slow_mock, sagemaker):
    """The next test on the endpoint starts without the failure of the last."""
    bring_to(slow_mock, "Starting")
    slow_mock.fail_experiment(NAME, REASON)

    sagemaker.create_inference_experiment(**create("second", EndpointName=UNDER_TEST))
    slow_mock.advance_until("second", "Running")

    assert "FailureReason" not in endpoint(sagemaker, UNDER_TEST)
    slow_mock.advance_until("second", "Completed")
    assert reverted(endpoint(sagemaker, UNDER_TEST), existing)


def test_a_failed_endpoint_must_be_deleted_before_the_next_test(slow_mock, sagemaker):
    """The name of an endpoint whose creation failed is free for another test when it is gone."""
    bring_to(slow_mock, "Creating")
    slow_mock.fail_experiment(NAME, REASON)
    assert seen(sagemaker)[0] == "Failed"

    sagemaker.delete_endpoint(EndpointName=UNDER_TEST)
    sagemaker.create_inference_experiment(**create("second", EndpointName=UNDER_TEST))
    slow_mock.advance_until("second", "Running")

    assert seen(sagemaker) == ("InService", BOTH, None)


def test_a_doom_is_spent_with_its_deployment(existing, slow_mock, sagemaker):
    """A doomed deployment that fails before its end has failed; what comes after it is not doomed."""
    bring_to(slow_mock, "Created")
    slow_mock.fail_endpoint(UNDER_TEST, "Doomed")
    slow_mock.advance_until(NAME, "Starting")
    slow_mock.fail_experiment(NAME, REASON)

    sagemaker.create_inference_experiment(**create("second", EndpointName=UNDER_TEST))
    slow_mock.advance_until("second", "Completed")
    sagemaker.delete_endpoint(EndpointName=UNDER_TEST)

    assert ENDPOINTS.all(sagemaker) == {}


def test_a_failure_leaves_other_tests_alone(slow_mock, sagemaker):
    """An experiment that fails concerns no endpoint but its own."""
    sagemaker.create_inference_experiment(**create("other"))
    bring_to(slow_mock, "Starting")

    slow_mock.fail_experiment(NAME, REASON)

    assert slow_mock.experiments["other"]["Status"] == "Running"
