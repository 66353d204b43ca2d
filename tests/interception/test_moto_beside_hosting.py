"""Beside moto: models, configurations and endpoints are ours, every other operation of SageMaker is still moto's."""

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
MACHINES = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
DEFINITION = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": []}


class Theirs(NamedTuple):
    """A kind of resource that is moto's: a request that creates one, and how the list shows it."""

    method: str
    name: str
    listed: str
    request: dict[str, Any]

    def create(self, client):
        getattr(client, f"create_{self.method}")(**{self.name: "theirs"}, **self.request)

    def names(self, client):
        answer = getattr(client, f"list_{self.method}s")()
        return [summary[self.name] for summary in answer[self.listed]]


THEIRS = [
    Theirs(
        "training_job",
        "TrainingJobName",
        "TrainingJobSummaries",
        {member: value for member, value in TRAINING_JOB.items() if member != "TrainingJobName"},
    ),
    Theirs(
        "processing_job",
        "ProcessingJobName",
        "ProcessingJobSummaries",
        {
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingResources": {"ClusterConfig": {**MACHINES, "VolumeSizeInGB": 1}},
            "RoleArn": ROLE,
        },
    ),
    Theirs(
        "transform_job",
        "TransformJobName",
        "TransformJobSummaries",
        {
            "ModelName": MODEL,  # Which is ours.
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}},
            "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
            "TransformResources": MACHINES,
        },
    ),
    Theirs(
        "pipeline",
        "PipelineName",
        "PipelineSummaries",
        {"PipelineDefinition": json.dumps(DEFINITION), "ClientRequestToken": "t" * 32, "RoleArn": ROLE},
    ),
    Theirs("model_package_group", "ModelPackageGroupName", "ModelPackageGroupSummaryList", {}),
    Theirs("experiment", "ExperimentName", "ExperimentSummaries", {}),
    Theirs(
        "notebook_instance",
        "NotebookInstanceName",
        "NotebookInstances",
        {"InstanceType": "ml.t2.medium", "RoleArn": ROLE},
    ),
]


@pytest.mark.parametrize("theirs", THEIRS, ids=lambda theirs: theirs.method)
def test_what_is_not_ours_is_motos(mock, theirs):  # noqa: F811
    """Jobs, pipelines, registries and notebooks are created in moto and listed by it, and we answer none of it."""
    client = make_client()
    client.create_model(**model())

    theirs.create(client)

    assert theirs.names(client) == ["theirs"]
    assert [call.operation for call in mock.calls] == ["CreateModel"]


def test_what_is_ours_is_not_motos(mock):  # noqa: F811
    """All of the hosting operations are answered by us: shadows are not dropped, an endpoint can be updated."""
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


def test_our_refusals_are_not_motos(mock):  # noqa: F811
    """Moto, which knows models too, is not asked when we know of none."""
    client = make_client()

    with pytest.raises(ClientError, match="Could not find model"):
        client.describe_model(ModelName=MODEL)


def test_tags_belong_to_who_holds_the_resource(mock):  # noqa: F811
    """Tags of a model are ours, of a job moto's, by their ARNs."""
    client = make_client()
    ours = client.create_model(**model())["ModelArn"]
    theirs = client.create_training_job(**TRAINING_JOB)["TrainingJobArn"]

    client.add_tags(ResourceArn=ours, Tags=TAGS)
    client.add_tags(ResourceArn=theirs, Tags=[*TAGS, {"Key": "theirs", "Value": ""}])

    assert client.list_tags(ResourceArn=ours)["Tags"] == TAGS
    assert len(client.list_tags(ResourceArn=theirs)["Tags"]) == len(TAGS) + 1


def test_motos_models_come_back_when_we_leave():
    """Inside of moto we hide its models, configurations and endpoints, and leave them as they were."""
    client = make_client()
    with mock_aws():
        client.create_model(**model("theirs"))
        with mock_inference_experiment():
            client.create_model(**model("ours"))
            serve(client)
            inside = [*MODELS.all(client)]

        names = [kind.names(kind.list(client)) for kind in KINDS]

    assert inside == ["ours"]
    assert names == [["theirs"], [], []]
