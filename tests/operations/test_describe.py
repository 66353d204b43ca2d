"""DescribeInferenceExperiment: each member is present when it should be and absent otherwise."""

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
def output(sagemaker):
    """The shape of Describe's answer, by botocore's model."""
    return sagemaker.meta.service_model.operation_model("DescribeInferenceExperiment").output_shape


def describe(sagemaker):
    answer = sagemaker.describe_inference_experiment(Name=NAME)
    del answer["ResponseMetadata"]
    return answer


def test_an_experiment_that_has_everything_shows_every_member(mock, sagemaker, output):
    """An experiment with every option, stopped for a reason, shows all that botocore's model knows."""
    sagemaker.create_inference_experiment(**create(**OPTIONAL))
    sagemaker.stop_inference_experiment(**stop(Reason="It was slow"))

    assert describe(sagemaker).keys() == output.members.keys()


def test_what_an_experiment_has_not_is_absent(mock, sagemaker, output):
    """What was not given and has not happened is left out, never null."""
    sagemaker.create_inference_experiment(**create())

    absent = {*OPTIONAL, "CompletionTime", "StatusReason"}
    assert describe(sagemaker).keys() == output.members.keys() - absent


@pytest.mark.parametrize("status", list(Status))
def test_the_answer_agrees_with_the_model(slow_mock, sagemaker, output, status):
    """In every status the answer has the members, and the types of members, that botocore's model declares."""
    bring_to(slow_mock, status)

    answer = describe(sagemaker)

    assert answer["Status"] == status
    assert ParamValidator().validate(answer, output).generate_report() == ""


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
def test_what_was_given_is_shown(mock, sagemaker, given):
    """A member of the request comes back as it was given."""
    sagemaker.create_inference_experiment(**create(**given))

    assert given.items() <= describe(sagemaker).items()


def test_what_must_be_given_is_shown(mock, sagemaker):
    """The required members come back; the endpoint's name in EndpointMetadata, each variant with a status beside."""
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
def test_a_finished_experiment_shows_when_it_ended(slow_mock, sagemaker, status):
    """CompletionTime is the instant at which the last status was reached, and stays."""
    bring_to(slow_mock, status)
    ended = slow_mock.clock.now()

    slow_mock.clock.advance(days=1)

    shown = describe(sagemaker)
    assert shown["CompletionTime"] == shown["LastModifiedTime"] == ended


def test_an_unknown_name_is_not_found(mock, sagemaker):
    """An experiment nobody created is not found."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.describe_inference_experiment(Name="nobody-created-it")
