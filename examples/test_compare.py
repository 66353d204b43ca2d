"""A whole comparison: requests in, both answers captured in moto's S3, latencies in moto's CloudWatch, a decision."""

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
COMMENTS = [f"Comment {number}" for number in range(100)]


@pytest.fixture
def aws():
    """The clients; S3 and CloudWatch are moto's. The shadow test runs, and both models find everything harmless."""
    with moto.mock_aws():
        services = {"s3": "s3", "cloudwatch": "cloudwatch", "sagemaker": "sagemaker", "runtime": "sagemaker-runtime"}
        aws = {name: boto3.client(service, region_name="us-east-1") for name, service in services.items()}
        aws["s3"].create_bucket(Bucket="captured-traffic")
        with mock_inference_experiment(
            clock="2026-01-01T09:00:00Z", s3=aws["s3"], cloudwatch=aws["cloudwatch"]
        ) as mock:
            launch(aws["sagemaker"], MODERATOR)
            mock.serve("moderator-v1", harmless)
            mock.serve("moderator-v2", harmless)
            yield SimpleNamespace(**aws, mock=mock)


def harmless(comment):
    """A model that lets everything pass, in 20 ms."""
    return ModelResponse({"label": "harmless"}, latency=0.020)


def moderate(aws, comments=COMMENTS):
    """Send comments to the endpoint, as an application would; half of them are copied to the candidate."""
    for number, comment in enumerate(comments):
        aws.runtime.invoke_endpoint(
            EndpointName=MODERATOR.endpoint,
            Body=json.dumps(comment),
            ContentType="application/json",
            InferenceId=f"comment-{number}",
        )


def decided(aws):
    """Decide on the test; the answer says what became of it."""
    decide(aws.sagemaker, aws.s3, aws.cloudwatch, MODERATOR.name)
    return aws.sagemaker.describe_inference_experiment(Name=MODERATOR.name)


def test_a_candidate_that_is_as_good_is_promoted(aws):
    """From then on it answers whoever invokes the endpoint."""
    moderate(aws)

    assert decided(aws)["Status"] == "Completed"

    answer = aws.runtime.invoke_endpoint(EndpointName=MODERATOR.endpoint, Body=b'"Hello"')
    assert answer["InvokedProductionVariant"] == "candidate"


def strict(comment):
    """A model that lets less pass."""
    return ModelResponse({"label": "spam" if comment.endswith(b'1"') else "harmless"}, latency=0.020)


def slow(comment):
    """A model that thinks for long."""
    return ModelResponse({"label": "harmless"}, latency=0.500)


def fragile(comment):
    """A model that fails on some."""
    if comment.endswith(b'1"'):
        raise MemoryError
    return harmless(comment)


@pytest.mark.parametrize(
    ("candidate", "objection"), [(strict, "agrees on 80% only"), (slow, "takes 500 ms"), (fragile, "fails on 20%")]
)
def test_a_candidate_that_is_worse_is_not_promoted(aws, candidate, objection):
    """The experiment's StatusReason says why; production goes on as before."""
    aws.mock.serve("moderator-v2", candidate)
    moderate(aws)

    experiment = decided(aws)

    assert experiment["Status"] == "Cancelled"
    assert experiment["StatusReason"] == f"Not better: it {objection}"


def test_a_few_requests_decide_nothing(aws):
    """Nor do none at all."""
    moderate(aws, COMMENTS[:10])

    assert decided(aws)["StatusReason"] == "Not better: only 5 requests were answered by both"


def test_the_comparison_can_be_read(aws):
    """The candidate saw half of the requests, and those are what both are compared by."""
    aws.mock.serve("moderator-v2", strict)
    moderate(aws)

    assert str(compare(aws.sagemaker, aws.s3, aws.cloudwatch, MODERATOR.name)).splitlines() == [
        "              failures     latency",
        "production        0.0%     20.0 ms",
        "candidate         0.0%     20.0 ms",
        "The same label on 80.0% of 50 requests.",
    ]
