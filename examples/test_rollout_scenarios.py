"""Style 4, scenarios: whatever the service, the network and other people do, the rollout ends well."""

import boto3
import pytest
from botocore.config import Config
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rollout import CANDIDATE, RolloutError, ShadowTest, roll_out, serving

from mock_sagemaker_ie import Fails, Raises, Scenario, mock_inference_experiment
from mock_sagemaker_ie.strategies import scenarios

RANKER = ShadowTest(
    name="ranker-v2",
    endpoint="ranker",
    production_model="ranker-v1",
    candidate_model="ranker-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
)
ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1})  # The rollout retries by itself.
SAGEMAKER = boto3.client("sagemaker", region_name="us-east-1", config=ONE_ATTEMPT)


def check(scenario, healthy):
    """Run the rollout in a scenario: it says the truth about what serves, and leaves no shadow test."""
    with mock_inference_experiment(scenario=scenario, virtual_sleep=True) as mock:
        try:
            promoted = roll_out(SAGEMAKER, RANKER, is_healthy=lambda variant: healthy)
        except (RolloutError, SAGEMAKER.exceptions.ResourceInUse):
            promoted = False
        mock.end_scenario()  # What follows is not the code under test.
        mock.clock.advance(days=1)

        assert promoted <= healthy
        assert promoted <= (serving(SAGEMAKER, "ranker") == [CANDIDATE])
        ours = [each for each in mock.experiments.values() if each["EndpointMetadata"]["EndpointName"] == "ranker"]
        assert {each["Status"] for each in ours} <= {"Completed", "Cancelled"}


@settings(deadline=None)
@example(scenario=Scenario(failures=[Fails("Running", "no capacity", after=3600)]), healthy=True)
@example(scenario=Scenario(faults=[Raises("CreateInferenceExperiment", "ReadTimeoutError", after=True)]), healthy=True)
@given(scenario=scenarios(), healthy=st.booleans())
def test_the_rollout_ends_well_in_every_scenario(scenario, healthy):
    """Hypothesis looks for a scenario that breaks it, and shows the smallest one as code."""
    check(scenario, healthy)


@pytest.mark.parametrize("scenario", [*Scenario.each_failure(), *Scenario.each_interference()])
def test_the_rollout_survives_each_failure_and_each_interference(scenario):
    """The same without Hypothesis: one test for each item of a finite list."""
    check(scenario, healthy=True)
