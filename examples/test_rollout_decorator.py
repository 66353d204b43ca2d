"""Style 1, the decorator: the mock answers every SageMaker client inside the function."""

import boto3
import pytest
from rollout import ShadowTest, launch, roll_out, serving, wait_until

from mock_sagemaker_ie import Durations, mock_inference_experiment

RANKER = ShadowTest(
    name="ranker-v2",
    endpoint="ranker",
    production_model="ranker-v1",
    candidate_model="ranker-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
)


@pytest.fixture(scope="module")
def sagemaker():
    """An ordinary client; it may be made before or after the mock starts."""
    return boto3.client("sagemaker", region_name="us-east-1")


@mock_inference_experiment
def test_a_poll_loop_does_not_wait(sagemaker):
    """By default deployments take no time, so a poll loop returns at its first call."""
    launch(sagemaker, RANKER)

    wait_until(sagemaker, "ranker-v2", "Running")


@mock_inference_experiment(durations=Durations.realistic(), virtual_sleep=True)
@pytest.mark.parametrize("healthy", [True, False])
def test_only_a_healthy_candidate_is_promoted(sagemaker, healthy):
    """With virtual_sleep, `time.sleep` moves the mock's clock and returns at once: a day passes in milliseconds."""
    promoted = roll_out(sagemaker, RANKER, is_healthy=lambda variant: healthy)

    assert promoted == healthy
    assert serving(sagemaker, "ranker") == ["candidate" if healthy else "production"]


@mock_inference_experiment
def test_a_name_can_be_used_only_once(sagemaker):
    """Errors are the client's own exceptions."""
    launch(sagemaker, RANKER)

    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        launch(sagemaker, RANKER)
