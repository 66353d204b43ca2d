"""DeleteInferenceExperiment: the record goes, and with it its name, its tags and its hold on the endpoint."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.operations.shared import all_but, bring_to, refused
from tests.requests import NAME, create, stop

DELETABLE = ["Created", "Completed", "Cancelled"]


@pytest.mark.parametrize("status", DELETABLE)
def test_a_deleted_experiment_is_gone(slow_mock, sagemaker, status):
    """Delete answers with the ARN; afterwards the experiment is neither described nor listed."""
    bring_to(slow_mock, status)
    arn = sagemaker.describe_inference_experiment(Name=NAME)["Arn"]

    answer = sagemaker.delete_inference_experiment(Name=NAME)

    assert answer["InferenceExperimentArn"] == arn
    assert sagemaker.list_inference_experiments()["InferenceExperiments"] == []
    with refused(slow_mock, "ResourceNotFound"):
        sagemaker.describe_inference_experiment(Name=NAME)


@pytest.mark.parametrize("status", all_but(*DELETABLE))
def test_an_experiment_at_work_is_not_deleted(slow_mock, sagemaker, status):
    """In any other status Delete is a conflict."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.delete_inference_experiment(Name=NAME)


@pytest.mark.parametrize("name", [NAME, "nobody-created-it"], ids=["deleted before", "never created"])
def test_what_is_not_there_is_not_found(mock, sagemaker, name):
    """Deleting twice is an error, as is deleting what never was."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    sagemaker.delete_inference_experiment(Name=NAME)

    with refused(mock, "ResourceNotFound"):
        sagemaker.delete_inference_experiment(Name=name)


def test_the_name_is_free_again(mock, sagemaker):
    """A new experiment of the same name has the same ARN, and nothing else of the old one."""
    tags = [{"Key": "team", "Value": "search"}]
    old = sagemaker.create_inference_experiment(**create(Description="Old", Tags=tags))
    sagemaker.stop_inference_experiment(**stop(Reason="Old"))
    sagemaker.delete_inference_experiment(Name=NAME)
    mock.clock.advance(days=1)

    new = sagemaker.create_inference_experiment(**create())

    arn = new["InferenceExperimentArn"]
    assert arn == old["InferenceExperimentArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["CreationTime"] == mock.clock.now()
    assert not experiment.keys() & {"Description", "StatusReason", "CompletionTime"}


def test_the_endpoint_is_free_again(slow_mock, sagemaker):
    """An experiment that is deleted before it started holds its endpoint no more."""
    bring_to(slow_mock, "Created")
    sagemaker.delete_inference_experiment(Name=NAME)

    sagemaker.create_inference_experiment(**create("another", EndpointName=create()["EndpointName"]))

    assert list(slow_mock.experiments) == ["another"]


def test_the_tags_are_gone(mock, sagemaker):
    """The ARN of a deleted experiment names nothing."""
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    sagemaker.stop_inference_experiment(**stop())
    sagemaker.delete_inference_experiment(Name=NAME)

    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_tags(ResourceArn=arn)
