"""Style 2, `with`: it gives you the mock, with a clock that you can move and the calls that it answered."""

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


def test_a_shadow_test_ends_after_a_week():
    """The clock stands still until the test moves it, here past the end of the schedule: too late to promote."""
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
    """`mock.calls` has every call with its params and its response."""
    with mock_inference_experiment() as mock:
        sagemaker = mock.client()  # The same client in every test, since making one is slow.
        launch(sagemaker, RANKER)

        cancel(sagemaker, "ranker-v2", "Too slow")

        create, stop = mock.calls
        assert create.response["InferenceExperimentArn"].endswith("inference-experiment/ranker-v2")
        assert stop.params["ModelVariantActions"] == {"production": "Retain", "candidate": "Remove"}
        assert mock.experiments["ranker-v2"]["StatusReason"] == "Too slow"
