"""Style 2, `with`: the mock begins where you want it, and gives you a clock to move and calls to look at."""

import boto3
import pytest
from rollout import RolloutError, ShadowTest, cancel, launch, promote

from mock_sagemaker_ie import mock_inference_experiment

RANKER = ShadowTest(
    name="ranker-v2",
    endpoint="ranker",
    production_model="ranker-v1",
    candidate_model="ranker-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
)


def test_a_forgotten_shadow_test_ends_after_a_week():
    """The clock stands still until it is moved, here past the end of the schedule: too late to promote."""
    sagemaker = boto3.client("sagemaker", region_name="us-east-1")

    with mock_inference_experiment(clock="2026-01-01T09:00:00Z") as mock:
        launch(sagemaker, RANKER)
        mock.clock.advance(days=8)

        experiment = sagemaker.describe_inference_experiment(Name="ranker-v2")
        assert experiment["Status"] == "Completed"
        assert experiment["CompletionTime"].isoformat().startswith("2026-01-08")
        with pytest.raises(RolloutError, match="too late"):
            promote(sagemaker, "ranker-v2")


def test_cancelling_keeps_production():
    """`mock.calls` holds every call, with its request and its answer."""
    with mock_inference_experiment() as mock:
        sagemaker = mock.client()  # Kept from test to test: making a client takes longer than testing with it.
        launch(sagemaker, RANKER)

        cancel(sagemaker, "ranker-v2", "Too slow")

        create, stop = mock.calls
        assert create.response["InferenceExperimentArn"].endswith("inference-experiment/ranker-v2")
        assert stop.params["ModelVariantActions"] == {"production": "Retain", "candidate": "Remove"}
        assert mock.experiments["ranker-v2"]["StatusReason"] == "Too slow"
