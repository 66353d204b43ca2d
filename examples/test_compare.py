"""Compare two models by requests: captured data is in moto's S3, and metrics are in moto's CloudWatch."""

import json
from types import SimpleNamespace

import boto3
import pytest
from compare import compare, decide
from rollout import ShadowTest, launch

from mock_sagemaker_ie import ModelResponse, mock_inference_experiment

moto = pytest.importorskip("moto")

MODERATOR = ShadowTest(
    name="moderator-v2",
    endpoint="moderator",
    production_model="moderator-v1",
    candidate_model="moderator-v2",
    role_arn="arn:aws:iam::123456789012:role/rollout",
    capture_to="s3://captured-traffic/moderator/",
)
COMMENTS = [f"Comment {number}" for number in range(80)]


@pytest.fixture
def aws():
    """Clients, after the shadow test was launched with two models that find every comment harmless."""
    with moto.mock_aws():
        s3, cloudwatch = (boto3.client(service, region_name="us-east-1") for service in ("s3", "cloudwatch"))
        s3.create_bucket(Bucket="captured-traffic")
        with mock_inference_experiment(clock="2026-01-01T09:00:00Z", s3=s3, cloudwatch=cloudwatch) as mock:
            sagemaker, runtime = mock.client(), mock.client("sagemaker-runtime")
            launch(sagemaker, MODERATOR)
            mock.serve("moderator-v1", harmless)
            mock.serve("moderator-v2", harmless)
            yield SimpleNamespace(sagemaker=sagemaker, runtime=runtime, s3=s3, cloudwatch=cloudwatch, mock=mock)


def harmless(comment):
    """Answer for a model that finds every comment harmless, in 20 ms."""
    return ModelResponse({"label": "harmless"}, latency=0.020)


def moderate(aws, comments=COMMENTS):
    """Send comments to the endpoint; SageMaker copies half of them to the candidate."""
    for number, comment in enumerate(comments):
        aws.runtime.invoke_endpoint(
            EndpointName=MODERATOR.endpoint,
            Body=json.dumps(comment),
            ContentType="application/json",
            InferenceId=f"comment-{number}",
        )


def decided(aws):
    """Call `decide`, and return the experiment afterwards."""
    decide(aws.sagemaker, aws.s3, aws.cloudwatch, MODERATOR.name)
    return aws.sagemaker.describe_inference_experiment(Name=MODERATOR.name)


def test_an_equally_good_candidate_is_promoted(aws):
    """Afterwards the candidate answers the endpoint's requests."""
    moderate(aws)

    assert decided(aws)["Status"] == "Completed"

    answer = aws.runtime.invoke_endpoint(EndpointName=MODERATOR.endpoint, Body=b'"Hello"')
    assert answer["InvokedProductionVariant"] == "candidate"


def strict(comment):
    """Answer for a model that finds some comments to be spam."""
    return ModelResponse({"label": "spam" if comment.endswith(b'1"') else "harmless"}, latency=0.020)


def slow(comment):
    """Answer for a model that takes 500 ms."""
    return ModelResponse({"label": "harmless"}, latency=0.500)


def fragile(comment):
    """Answer for a model that fails for some comments."""
    if comment.endswith(b'1"'):
        raise MemoryError
    return harmless(comment)


@pytest.mark.parametrize(
    ("candidate", "objection"), [(strict, "agrees on 80% only"), (slow, "takes 500 ms"), (fragile, "fails on 20%")]
)
def test_a_worse_candidate_is_not_promoted(aws, candidate, objection):
    """The experiment is Cancelled, and its StatusReason says why."""
    aws.mock.serve("moderator-v2", candidate)
    moderate(aws)

    experiment = decided(aws)

    assert experiment["Status"] == "Cancelled"
    assert experiment["StatusReason"] == f"Not better: it {objection}"


def test_a_candidate_with_few_requests_is_not_promoted(aws):
    """At least 30 requests must be answered by both variants."""
    moderate(aws, COMMENTS[:10])

    assert decided(aws)["StatusReason"] == "Not better: only 5 requests were answered by both"


def test_the_comparison_as_text(aws):
    """The variants are compared by the half of the requests that both answered."""
    aws.mock.serve("moderator-v2", strict)
    moderate(aws)

    assert str(compare(aws.sagemaker, aws.s3, aws.cloudwatch, MODERATOR.name)).splitlines() == [
        "              failures     latency",
        "production        0.0%     20.0 ms",
        "candidate         0.0%     20.0 ms",
        "The same label on 80.0% of 40 requests.",
    ]
