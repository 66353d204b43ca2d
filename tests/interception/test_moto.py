"""Our mock and moto in one test, nested in either order: each answers its own operations."""

from __future__ import annotations

import unittest
from contextlib import ExitStack

import boto3
import pytest
from botocore.exceptions import ClientError
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
    """Return a client of a new session, because moto answers only clients that were created after its import."""
    return boto3.Session().client(service, region_name=REGION, **KEYS)


def both_answer(client):
    """Return whether moto answers a client's calls for training jobs, and our mock its calls for experiments."""
    client.create_inference_experiment(**create())
    client.create_training_job(**TRAINING_JOB)
    jobs = client.list_training_jobs()["TrainingJobSummaries"]
    experiments = client.list_inference_experiments()["InferenceExperiments"]
    return ([job["TrainingJobName"] for job in jobs], [item["Name"] for item in experiments]) == (["job"], [NAME])


@pytest.fixture(params=["moto outer", "moto inner"])
def mock(request):
    """Activate our mock and moto, and return our mock."""
    with ExitStack() as stack:
        if request.param == "moto outer":
            stack.enter_context(mock_aws())
        mock = stack.enter_context(mock_inference_experiment())
        if request.param == "moto inner":
            stack.enter_context(mock_aws())
        yield mock


def test_each_mock_answers_its_own_operations(mock):
    """The same client gets training jobs from moto and experiments from our mock, from Create to Delete."""
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


def test_a_call_that_our_mock_rejects_does_not_reach_moto(mock):
    """The caller gets our error for a missing experiment; moto does not implement the operation."""
    client = make_client()

    with pytest.raises(client.exceptions.ResourceNotFound, match=NAME):
        client.describe_inference_experiment(Name=NAME)


def test_tags_are_answered_by_the_mock_of_the_resource(mock):
    """AddTags, ListTags and DeleteTags go to moto for a training job, and to our mock for an experiment."""
    client = make_client()
    arns = {
        "ours": client.create_inference_experiment(**create())["InferenceExperimentArn"],
        "moto's": client.create_training_job(**TRAINING_JOB)["TrainingJobArn"],
    }

    def tags():
        return {owner: client.list_tags(ResourceArn=arn)["Tags"] for owner, arn in arns.items()}

    for arn in arns.values():
        client.add_tags(ResourceArn=arn, Tags=TAGS)
    assert tags() == {"ours": TAGS, "moto's": TAGS}

    client.delete_tags(ResourceArn=arns["moto's"], TagKeys=["team"])
    assert tags() == {"ours": TAGS, "moto's": []}
    assert {call.params["ResourceArn"] for call in mock.calls[1:]} == {arns["ours"]}


def test_moto_answers_other_services(mock):
    """Moto answers S3, for example for the bucket of the captured data."""
    s3 = make_client("s3")

    s3.create_bucket(Bucket="captured")

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["captured"]


def test_operations_in_passthrough_reach_a_model_that_only_moto_has():
    """Moto's CloudFormation, for example, makes a model in moto's own state, without a call that we could answer."""
    with mock_aws():
        client = make_client()
        client.create_model(
            ModelName="of-a-stack",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/role",
            PrimaryContainer={"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image"},
        )

        with mock_inference_experiment(), pytest.raises(ClientError, match="Could not find model"):
            client.describe_model(ModelName="of-a-stack")
        with mock_inference_experiment(passthrough=["DescribeModel", "DeleteModel"]):
            assert client.describe_model(ModelName="of-a-stack")["ModelName"] == "of-a-stack"
            client.delete_model(ModelName="of-a-stack")


def test_moto_answers_the_client_of_our_mock(mock):
    """A client from `mock.client()` gets training jobs from moto, as any other client does."""
    assert both_answer(mock.client())


def test_a_call_for_moto_raises_an_error_after_moto_ended(connections):
    """Moto answers only while it is active. Afterwards our mock raises an error, and no connection is attempted."""
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
    ids=["moto inner", "moto outer"],
)


@either_order
def test_the_decorators_stack_on_a_function(decorators):
    """A function can have both decorators, in either order."""
    inner, outer = decorators

    @outer
    @inner
    def decorated():
        return both_answer(make_client())

    assert decorated()


@either_order
def test_the_decorators_stack_on_a_test_case(decorators):
    """A unittest.TestCase can have both decorators, in either order."""
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
class TestDecoratedWithMotoOutside:
    """A plain test class with both decorators; moto is the outer decorator."""

    def test_both_answer(self):
        assert both_answer(make_client())


@mock_inference_experiment
@mock_aws
class TestDecoratedWithMotoInside:
    """A plain test class with both decorators; moto is the inner decorator."""

    def test_both_answer(self):
        assert both_answer(make_client())
