"""The mock beside moto: in either nesting, moto answers what is not ours, and we answer what is."""

from __future__ import annotations

import unittest
from contextlib import ExitStack

import boto3
import pytest
from moto import mock_aws

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from tests.requests import NAME, create, stop

REGION = "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
TAGS = [{"Key": "team", "Value": "ranking"}]
TRAINING_JOB = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def make_client(service="sagemaker"):
    """A client of a new session: moto reaches only those that are made after its import."""
    return boto3.Session().client(service, region_name=REGION, **KEYS)


def both_answer(client):
    """Whether, to one client, moto answers training jobs and we answer experiments."""
    client.create_inference_experiment(**create())
    client.create_training_job(**TRAINING_JOB)
    jobs = client.list_training_jobs()["TrainingJobSummaries"]
    experiments = client.list_inference_experiments()["InferenceExperiments"]
    return ([job["TrainingJobName"] for job in jobs], [item["Name"] for item in experiments]) == (["job"], [NAME])


@pytest.fixture(params=["moto outside", "moto inside"])
def mock(request):
    """Our mock and moto's, both active."""
    ours, motos = mock_inference_experiment(), mock_aws()
    with ExitStack() as stack:
        if request.param == "moto inside":
            mock = stack.enter_context(ours)
            stack.enter_context(motos)
        else:
            stack.enter_context(motos)
            mock = stack.enter_context(ours)
        yield mock


def test_each_answers_what_is_its_own(mock):
    """One client gets training jobs from moto and experiments from us, from launch to deletion."""
    client = make_client()

    assert both_answer(client)
    client.stop_inference_experiment(**stop())
    client.delete_inference_experiment(Name=NAME)

    assert {call.operation for call in mock.calls} == {
        "CreateInferenceExperiment",
        "ListInferenceExperiments",
        "StopInferenceExperiment",
        "DeleteInferenceExperiment",
    }


def test_our_errors_are_not_motos(mock):
    """Moto, which knows none of our operations, is not asked even when we refuse."""
    client = make_client()

    with pytest.raises(client.exceptions.ResourceNotFound, match=NAME):
        client.describe_inference_experiment(Name=NAME)


def test_tags_belong_to_who_holds_the_resource(mock):
    """AddTags, ListTags and DeleteTags go to moto for its ARNs and to us for ours."""
    client = make_client()
    arns = {
        "ours": client.create_inference_experiment(**create())["InferenceExperimentArn"],
        "moto's": client.create_training_job(**TRAINING_JOB)["TrainingJobArn"],
    }

    def tags():
        return {whose: client.list_tags(ResourceArn=arn)["Tags"] for whose, arn in arns.items()}

    for arn in arns.values():
        client.add_tags(ResourceArn=arn, Tags=TAGS)
    assert tags() == {"ours": TAGS, "moto's": TAGS}

    client.delete_tags(ResourceArn=arns["moto's"], TagKeys=["team"])
    assert tags() == {"ours": TAGS, "moto's": []}
    assert {call.params["ResourceArn"] for call in mock.calls[1:]} == {arns["ours"]}


def test_moto_keeps_every_other_service(mock):
    """A bucket for the captured data is moto's."""
    s3 = make_client("s3")

    s3.create_bucket(Bucket="captured")

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["captured"]


def test_the_mocks_own_client_reaches_moto(mock):
    """`mock.client()` is as good as any: moto answers it too."""
    assert both_answer(mock.client())


def test_inside_a_moto_that_has_been_left_calls_are_refused(connections):
    """Moto that is imported but not active answers nobody, so we fail closed."""
    with mock_inference_experiment():
        client = make_client()
        with mock_aws():
            assert both_answer(client)

        with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
            client.list_training_jobs()

    assert connections == []


either_order = pytest.mark.parametrize(
    "decorators",
    [(mock_aws, mock_inference_experiment), (mock_inference_experiment, mock_aws)],
    ids=["moto inside", "moto outside"],
)


@either_order
def test_the_decorators_stack_on_a_function(decorators):
    """A function may have both decorators, in either order."""
    inner, outer = decorators

    @outer
    @inner
    def decorated():
        return both_answer(make_client())

    assert decorated()


@either_order
def test_the_decorators_stack_on_a_test_case(decorators):
    """So may a TestCase, whichever runs it."""
    inner, outer = decorators

    @outer
    @inner
    class Case(unittest.TestCase):
        def test_both(self):
            assert both_answer(make_client())

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

    assert (result.testsRun, result.failures, result.errors) == (1, [], [])


@mock_aws
@mock_inference_experiment
class TestDecoratedByMotoAbove:
    """A plain test class may have both decorators,"""

    def test_both_answer(self):
        assert both_answer(make_client())


@mock_inference_experiment
@mock_aws
class TestDecoratedByMotoBelow:
    """in either order."""

    def test_both_answer(self):
        assert both_answer(make_client())
