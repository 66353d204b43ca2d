"""DescribeInferenceExperiment: the members that it returns, and when it leaves them out."""

from __future__ import annotations

import pytest
from botocore.validate import ParamValidator

from mock_sagemaker_ie import Status
from tests.operations.shared import all_but, at, bring_to, refused
from tests.requests import NAME, create, stop

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
STORAGE = {
    "Destination": "s3://bucket/captured",
    "KmsKey": KEY,
    "ContentType": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}
SCHEDULE = {"StartTime": at(days=1), "EndTime": at(days=2)}
OPTIONAL = {"Description": "A new ranker", "KmsKey": KEY, "DataStorageConfig": STORAGE}


@pytest.fixture
def output_shape(sagemaker):
    """Return the shape of Describe's answer in botocore's model."""
    return sagemaker.meta.service_model.operation_model("DescribeInferenceExperiment").output_shape


def describe(sagemaker):
    answer = sagemaker.describe_inference_experiment(Name=NAME)
    del answer["ResponseMetadata"]
    return answer


def test_describe_returns_every_member_of_the_model(mock, sagemaker, output_shape):
    """A stopped experiment with every optional member shows all members in botocore's model."""
    sagemaker.create_inference_experiment(**create(**OPTIONAL))
    sagemaker.stop_inference_experiment(**stop(Reason="It was slow"))

    assert describe(sagemaker).keys() == output_shape.members.keys()


def test_unset_members_are_absent(mock, sagemaker, output_shape):
    """Members that were not given, or have no value yet, are left out and are never null."""
    sagemaker.create_inference_experiment(**create())

    absent = {*OPTIONAL, "CompletionTime", "StatusReason"}
    assert describe(sagemaker).keys() == output_shape.members.keys() - absent


@pytest.mark.parametrize("status", list(Status))
def test_describe_matches_the_model_in_every_status(slow_mock, sagemaker, output_shape, status):
    """In every status the answer has the members and types that botocore's model declares."""
    bring_to(slow_mock, status)

    answer = describe(sagemaker)

    assert answer["Status"] == status
    assert ParamValidator().validate(answer, output_shape).generate_report() == ""


@pytest.mark.parametrize(
    "given",
    [
        *({member: value} for member, value in OPTIONAL.items()),
        {"DataStorageConfig": {"Destination": "s3://bucket/captured"}},
        {"Description": ""},
        {"Schedule": SCHEDULE},
    ],
    ids=lambda given: next(iter(given)),
)
def test_optional_members_are_returned_as_given(mock, sagemaker, given):
    """Describe returns an optional member as it was given."""
    sagemaker.create_inference_experiment(**create(**given))

    assert given.items() <= describe(sagemaker).items()


def test_required_members_are_returned_as_given(mock, sagemaker):
    """Required members are as given; EndpointMetadata has the endpoint's name, and each variant also has a Status."""
    request = create()
    sagemaker.create_inference_experiment(**request)

    shown = describe(sagemaker)

    shown["EndpointName"] = shown["EndpointMetadata"]["EndpointName"]
    for variant in shown["ModelVariants"]:
        del variant["Status"]
    assert request.items() <= shown.items()


@pytest.mark.parametrize("status", all_but("Completed", "Cancelled"))
def test_an_unfinished_experiment_has_no_completion_time(slow_mock, sagemaker, status):
    """CompletionTime is absent until the experiment has ended."""
    bring_to(slow_mock, status)

    assert "CompletionTime" not in describe(sagemaker)


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_completion_time_is_the_time_of_the_last_status(slow_mock, sagemaker, status):
    """CompletionTime is the time at which the last status began, and does not change afterwards."""
    bring_to(slow_mock, status)
    ended = slow_mock.clock.now()

    slow_mock.clock.advance(days=1)

    shown = describe(sagemaker)
    assert shown["CompletionTime"] == shown["LastModifiedTime"] == ended


def test_an_unknown_name_is_not_found(mock, sagemaker):
    """Describe raises ResourceNotFound for an unknown name."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.describe_inference_experiment(Name="nobody-created-it")
