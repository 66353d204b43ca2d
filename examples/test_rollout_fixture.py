"""Style 3, the pytest fixture `sagemaker_ie`; a marker has its options."""

import pytest
from rollout import RolloutError, ShadowTest, clean_up, launch, wait_until

from mock_sagemaker_ie import Durations

RANKER = ShadowTest(
    name="ranker-v2",
    endpoint="ranker",
    production_model="ranker-v1",
    candidate_model="ranker-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
)


@pytest.fixture
def sagemaker(sagemaker_ie):
    """A client, after the shadow test was launched."""
    sagemaker = sagemaker_ie.client()
    launch(sagemaker, RANKER)
    return sagemaker


@pytest.mark.sagemaker_ie(clock="2026-01-01T09:00:00Z", durations=Durations.realistic())
def test_the_candidate_is_deployed_before_it_runs(sagemaker_ie, sagemaker):
    """`advance_until` moves the clock to the instant at which the experiment gets a status."""

    def candidate_status():
        return sagemaker.describe_inference_experiment(Name="ranker-v2")["ModelVariants"][1]["Status"]

    assert candidate_status() == "Creating"

    moment = sagemaker_ie.advance_until("ranker-v2", "Running")

    assert candidate_status() == "InService"
    assert f"{moment:%H:%M}" == "09:06"


@pytest.mark.sagemaker_ie(durations=Durations.realistic())
def test_a_failed_deployment_raises_an_error_with_the_reason(sagemaker_ie, sagemaker):
    """SageMaker has no status Failed: a failed experiment is Cancelled and has a StatusReason."""
    sagemaker_ie.fail_experiment("ranker-v2", "Not enough capacity for ml.m5.xlarge")

    with pytest.raises(RolloutError, match="Not enough capacity"):
        wait_until(sagemaker, "ranker-v2", "Running")


def test_cleaning_up_twice_is_no_error(sagemaker_ie, sagemaker):
    """The second Delete gets ResourceNotFound, which the code under test handles."""
    sagemaker_ie.clock.advance(days=7)

    clean_up(sagemaker, "ranker-v2")
    clean_up(sagemaker, "ranker-v2")

    assert sagemaker_ie.experiments == {}
    assert sagemaker_ie.calls[-1].error.code == "ResourceNotFound"
