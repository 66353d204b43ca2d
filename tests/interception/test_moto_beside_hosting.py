"""Our mock and moto in one test: our mock answers models, endpoint configurations and endpoints, moto all the rest."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import ENDPOINTS, KINDS, MODELS, serve
from tests.interception.test_moto import TAGS, TRAINING_JOB, make_client, mock  # noqa: F401 - the fixture `mock` is both mocks
from tests.requests import CONFIG, ENDPOINT, MODEL, SHADOW, deployed, model

ROLE = "arn:aws:iam::123456789012:role/role"
INSTANCES = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
DEFINITION = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": []}


class MotoResource(NamedTuple):
    """A kind of resource that moto answers: its names in boto3, and the rest of a request that creates one."""

    method: str
    name: str
    listed: str
    request: dict[str, Any]

    def create(self, client):
        """Create a resource named "motos-resource"."""
        getattr(client, f"create_{self.method}")(**{self.name: "motos-resource"}, **self.request)

    def names(self, client):
        """Return the names in the list."""
        answer = getattr(client, f"list_{self.method}s")()
        return [summary[self.name] for summary in answer[self.listed]]


MOTO_RESOURCES = [
    MotoResource(
        "processing_job",
        "ProcessingJobName",
        "ProcessingJobSummaries",
        {
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingResources": {"ClusterConfig": {**INSTANCES, "VolumeSizeInGB": 1}},
            "RoleArn": ROLE,
        },
    ),
    MotoResource(
        "transform_job",
        "TransformJobName",
        "TransformJobSummaries",
        {
            "ModelName": MODEL,  # A model of our mock.
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}},
            "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
            "TransformResources": INSTANCES,
        },
    ),
    MotoResource(
        "pipeline",
        "PipelineName",
        "PipelineSummaries",
        {"PipelineDefinition": json.dumps(DEFINITION), "ClientRequestToken": "t" * 32, "RoleArn": ROLE},
    ),
    MotoResource("model_package_group", "ModelPackageGroupName", "ModelPackageGroupSummaryList", {}),
    MotoResource("experiment", "ExperimentName", "ExperimentSummaries", {}),
    MotoResource(
        "notebook_instance",
        "NotebookInstanceName",
        "NotebookInstances",
        {"InstanceType": "ml.t2.medium", "RoleArn": ROLE},
    ),
]


@pytest.mark.parametrize("resource", MOTO_RESOURCES, ids=lambda resource: resource.method)
def test_moto_answers_the_other_operations_of_sagemaker(mock, resource):  # noqa: F811
    """Moto creates and lists jobs, pipelines, registries and notebooks; our mock records none of these calls."""
    client = make_client()
    client.create_model(**model())

    resource.create(client)

    assert resource.names(client) == ["motos-resource"]
    assert [call.operation for call in mock.calls] == ["CreateModel"]


def test_our_mock_answers_the_hosting_operations(mock):  # noqa: F811
    """Our mock keeps shadow variants and implements UpdateEndpoint, so these calls did not go to moto."""
    client = make_client()

    client.create_model(**model())
    serve(client, ShadowProductionVariants=[deployed(SHADOW)])
    client.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    assert client.describe_endpoint(EndpointName=ENDPOINT)["ShadowProductionVariants"]
    client.delete_endpoint(EndpointName=ENDPOINT)
    assert ENDPOINTS.all(client) == {}
    assert {"CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint"} <= {
        call.operation for call in mock.calls
    }


def test_a_call_that_our_mock_rejects_does_not_reach_moto(mock):  # noqa: F811
    """Moto implements models too, but the caller gets our error for a missing model."""
    client = make_client()

    with pytest.raises(ClientError, match="Could not find model"):
        client.describe_model(ModelName=MODEL)


def test_tags_are_answered_by_the_mock_of_the_resource(mock):  # noqa: F811
    """Our mock answers tags of a model, and moto answers tags of a training job."""
    client = make_client()
    our_arn = client.create_model(**model())["ModelArn"]
    motos_arn = client.create_training_job(**TRAINING_JOB)["TrainingJobArn"]

    client.add_tags(ResourceArn=our_arn, Tags=TAGS)
    client.add_tags(ResourceArn=motos_arn, Tags=[*TAGS, {"Key": "motos", "Value": ""}])

    assert client.list_tags(ResourceArn=our_arn)["Tags"] == TAGS
    assert len(client.list_tags(ResourceArn=motos_arn)["Tags"]) == len(TAGS) + 1


def test_resources_of_moto_are_unchanged_after_our_mock_ended():
    """While active, our mock hides models, endpoint configurations and endpoints of moto, and does not change them."""
    client = make_client()
    with mock_aws():
        client.create_model(**model("motos-model"))
        with mock_inference_experiment():
            client.create_model(**model("our-model"))
            serve(client)
            names_inside = [*MODELS.all(client)]

        names = [kind.names(kind.list(client)) for kind in KINDS]

    assert names_inside == ["our-model"]
    assert names == [["motos-model"], [], []]
