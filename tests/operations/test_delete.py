"""DeleteInferenceExperiment: it removes the experiment and its tags, and releases its name and its endpoint."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.operations.shared import all_but, bring_to, refused
from tests.requests import NAME, create, stop

DELETABLE = ["Created", "Completed", "Cancelled"]


@pytest.mark.parametrize("status", DELETABLE)
def test_delete_removes_the_experiment(slow_mock, sagemaker, status):
    """Delete returns the ARN; afterwards Describe does not find the experiment and List does not show it."""
    bring_to(slow_mock, status)
    arn = sagemaker.describe_inference_experiment(Name=NAME)["Arn"]

    answer = sagemaker.delete_inference_experiment(Name=NAME)

    assert answer["InferenceExperimentArn"] == arn
    assert sagemaker.list_inference_experiments()["InferenceExperiments"] == []
    with refused(slow_mock, "ResourceNotFound"):
        sagemaker.describe_inference_experiment(Name=NAME)


@pytest.mark.parametrize("status", all_but(*DELETABLE))
def test_delete_in_another_status_raises_conflict(slow_mock, sagemaker, status):
    """Delete raises ConflictException in every status except Created, Completed and Cancelled."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.delete_inference_experiment(Name=NAME)


@pytest.mark.parametrize("name", [NAME, "nobody-created-it"], ids=["deleted before", "never created"])
def test_delete_of_a_missing_experiment_raises_not_found(mock, sagemaker, name):
    """Deleting an experiment twice, or an experiment that never existed, raises ResourceNotFound."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    sagemaker.delete_inference_experiment(Name=NAME)

    with refused(mock, "ResourceNotFound"):
        sagemaker.delete_inference_experiment(Name=name)


def test_the_name_may_be_used_again(mock, sagemaker):
    """A new experiment with the same name has the same ARN, and no other data of the deleted one."""
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


def test_the_endpoint_may_be_used_again(slow_mock, sagemaker):
    """An experiment that is deleted before it starts releases its endpoint."""
    bring_to(slow_mock, "Created")
    sagemaker.delete_inference_experiment(Name=NAME)

    sagemaker.create_inference_experiment(**create("another", EndpointName=create()["EndpointName"]))

    assert list(slow_mock.experiments) == ["another"]


def test_the_tags_are_deleted(mock, sagemaker):
    """ListTags refuses the ARN of a deleted experiment."""
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    sagemaker.stop_inference_experiment(**stop())
    sagemaker.delete_inference_experiment(Name=NAME)

    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_tags(ResourceArn=arn)
