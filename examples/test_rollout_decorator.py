"""Style 1, the decorator: every SageMaker client inside the function meets the mock."""

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
    """An ordinary client. It may be made before the mock, after it, anywhere."""
    return boto3.client("sagemaker", region_name="us-east-1")


@mock_inference_experiment
def test_launching_takes_no_time(sagemaker):
    """Deploying takes no time unless you ask for it, so a poll loop returns at its first look."""
    launch(sagemaker, RANKER)

    wait_until(sagemaker, "ranker-v2", "Running")


@mock_inference_experiment(durations=Durations.realistic(), virtual_sleep=True)
@pytest.mark.parametrize("healthy", [True, False])
def test_a_rollout_promotes_a_healthy_candidate_only(sagemaker, healthy):
    """Minutes of deployment and a day of watching pass in `time.sleep`, which waits for nothing."""
    promoted = roll_out(sagemaker, RANKER, is_healthy=lambda variant: healthy)

    assert promoted == healthy
    assert serving(sagemaker, "ranker") == ["candidate" if healthy else "production"]


@mock_inference_experiment
def test_a_name_is_used_once(sagemaker):
    """Errors are the client's own, so code catches them by name."""
    launch(sagemaker, RANKER)

    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        launch(sagemaker, RANKER)
