"""Whole rollouts, with what may go wrong: lost answers, failures, a check that raises. None leaves anything behind."""

import pytest
from botocore.exceptions import ReadTimeoutError
from rollout import RolloutError, ShadowTest, cancel, launch, promote, roll_out, serving, wait_until

from mock_sagemaker_ie import (
    Durations,
    assert_nothing_left,
    assert_production_undisturbed,
    assert_traffic_unlost,
    mock_inference_experiment,
)

RANKER = ShadowTest(
    name="ranker-v2",
    endpoint="ranker",
    production_model="ranker-v1",
    candidate_model="ranker-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
)


@pytest.fixture(scope="module")
def running():
    """A shadow test that runs: a state that takes many calls, made once for all tests."""
    with mock_inference_experiment(durations=Durations.realistic(), virtual_sleep=True) as mock:
        launch(mock.client(), RANKER)
        wait_until(mock.client(), "ranker-v2", "Running")
        yield mock


@pytest.fixture
def rollout():
    """A mock at whose end nothing is left, whatever happened in the test, and production has served all the time."""
    with mock_inference_experiment(durations=Durations.realistic(), virtual_sleep=True, unused_faults="error") as mock:
        yield mock
        assert_nothing_left(mock)
        assert_production_undisturbed(mock)
        assert_traffic_unlost(mock)


def test_both_ends_are_compared_from_the_same_instant(running):
    """Each branch goes on from the same running test, and none changes it."""
    sagemaker, variants = running.client(), {}

    for end, act in {"promote": promote, "cancel": lambda *args: cancel(*args, "Too slow")}.items():
        with running.branch():
            act(sagemaker, "ranker-v2")
            wait_until(sagemaker, "ranker-v2", "Completed" if end == "promote" else "Cancelled")
            variants[end] = serving(sagemaker, "ranker")

    assert variants == {"promote": ["candidate"], "cancel": ["production"]}


def test_somebody_else_ends_the_test_first(running):
    """In this branch somebody stops the test; the rollout says so and does not take it for its own end."""
    sagemaker = running.client()

    with running.branch():
        cancel(sagemaker, "ranker-v2", "Somebody needs the endpoint")

        with pytest.raises(RolloutError, match="Somebody needs the endpoint"):
            promote(sagemaker, "ranker-v2")


@pytest.mark.parametrize("healthy", [True, False])
@pytest.mark.parametrize("error", [ReadTimeoutError, "InternalFailure"], ids=["timeout", "internal failure"])
@pytest.mark.parametrize("operation", ["Create", "Describe", "Stop", "Delete"])
def test_a_lost_answer_changes_nothing(rollout, operation, error, healthy):
    """SageMaker acts, the answer is lost, and botocore sends the request again: the rollout ends as it would have."""
    rollout.fail_next(f"{operation}InferenceExperiment", error, after=True)

    assert roll_out(rollout.client(), RANKER, is_healthy=lambda variant: healthy) is healthy

    assert serving(rollout.client(), "ranker") == ["candidate" if healthy else "production"]


def test_a_check_that_raises_ends_the_test(rollout):
    """The error goes on to the caller, and the shadow variant does not go on to cost money."""
    with pytest.raises(ConnectionError, match="CloudWatch"):
        roll_out(rollout.client(), RANKER, is_healthy=_cannot_tell)

    assert rollout.experiments["ranker-v2"]["StatusReason"] == "The rollout failed: ConnectionError"


def _cannot_tell(variant):
    raise ConnectionError("CloudWatch does not answer")


def test_an_error_while_the_endpoint_is_created_ends_the_test(rollout):
    """An experiment cannot be stopped in Creating, so the rollout waits until it can."""
    rollout.fail_next("DescribeInferenceExperiment", "AccessDeniedException")

    with pytest.raises(Exception, match="AccessDenied"):
        roll_out(rollout.client(), RANKER, is_healthy=lambda variant: True)

    assert rollout.experiments["ranker-v2"]["Status"] == "Cancelled"


def test_a_failure_of_the_service_is_told_with_its_reason(rollout):
    """The endpoint rolls back to production by itself."""

    def fail(variant):
        if rollout.experiments["ranker-v2"]["Status"] == "Running":
            rollout.fail_experiment("ranker-v2", "No capacity")
        return True

    with pytest.raises(RolloutError, match="No capacity"):
        roll_out(rollout.client(), RANKER, is_healthy=fail)

    rollout.clock.advance(minutes=10)
    assert serving(rollout.client(), "ranker") == ["production"]


def test_a_name_that_somebody_else_has_is_not_taken_over(rollout):
    """Another test with this name runs: the rollout neither watches nor stops it."""
    sagemaker = rollout.client()
    launch(sagemaker, RANKER)

    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        roll_out(sagemaker, RANKER, is_healthy=lambda variant: True)

    wait_until(sagemaker, "ranker-v2", "Running")
    cancel(sagemaker, "ranker-v2", "Enough")
    wait_until(sagemaker, "ranker-v2", "Cancelled")
