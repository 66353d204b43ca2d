"""Agreement with botocore's model of SageMaker: what we answer and how we refuse is what AWS declares."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Status, mock_inference_experiment
from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol.validation import compile_pattern, violations
from tests import shapes
from tests.conftest import START
from tests.hosting import KINDS, serve
from tests.operations.shared import MINUTES, at, bring_to
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW, create, shadow_mode, stop, variant

# Errors that every operation may answer with, so that no model lists them.
COMMON_ERRORS = {"ValidationException", "SerializationException"}

ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"

every_operation = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture(scope="session")
def client():
    """A client that sends whatever it is given."""
    return boto3.client("sagemaker", region_name="us-east-1", config=Config(parameter_validation=False))


@pytest.fixture(scope="session")
def model(client):
    """botocore's model of SageMaker."""
    return client.meta.service_model


def call(client, operation, request):
    """The members of the answer, without what every answer has."""
    answer = getattr(client, xform_name(operation))(**request)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def problems(shape, values):
    """What is wrong with an answer: unknown, missing and wrongly typed members, and broken constraints."""
    if shape is None:
        return list(values)
    report = ParamValidator().validate(values, shape).generate_report()
    return [report] if report else list(map(str, violations(shape, values)))


def parts(shape):
    """A shape and all that it is made of."""
    yield shape
    if shape.type_name == "structure":
        inner = shape.members.values()
    else:
        inner = {"list": ["member"], "map": ["key", "value"]}.get(shape.type_name, [])
        inner = [getattr(shape, name) for name in inner]
    for part in inner:
        yield from parts(part)


def members(shape, values=None, path=""):
    """The paths of all the members that a shape has, or that `values` of it have."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if values is None or name in values:
                yield f"{path}.{name}"
                yield from members(member, values and values[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in [None] if values is None else values:
            yield from members(shape.member, item, f"{path}[]")


# --- operations and patterns


@every_operation
def test_every_operation_is_aws_s(model, operation):
    """We answer no operation that SageMaker does not have."""
    assert operation in model.operation_names


def test_every_operation_of_inference_experiments_is_answered(model):
    """An operation that AWS adds to the seven is noticed here."""
    theirs = {name for name in model.operation_names if "InferenceExperiment" in name}

    assert theirs <= OPERATIONS.keys()


@every_operation
def test_every_pattern_can_be_checked(model, operation):
    """Each pattern that a request can meet, written for Java, is one that Python understands."""
    input_shape = model.operation_model(operation).input_shape

    for pattern in {part.metadata.get("pattern", "") for part in parts(input_shape)}:
        compile_pattern(pattern)


# --- answers

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OPTIONAL = {
    "Description": "A new ranker",
    "KmsKey": KEY,
    "DataStorageConfig": {
        "Destination": "s3://bucket/captured",
        "KmsKey": KEY,
        "ContentType": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    },
    "Tags": [{"Key": "team", "Value": "search"}],
}


@pytest.fixture(scope="module")
def answers(client):
    """By operation, all the answers that experiments get which have everything and go through everything."""
    answers = defaultdict(list)

    def do(operation, **request):
        answers[operation].append(call(client, operation, request))
        return answers[operation][-1]

    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        schedule = {"StartTime": at(minutes=10), "EndTime": at(minutes=60)}
        for name in ("left-alone", "stopped", "failed"):
            do("CreateInferenceExperiment", **create(name, Schedule=schedule, **OPTIONAL))
        mock.fail_experiment("failed", "No capacity")
        steps = {
            5: ("StartInferenceExperiment", {"Name": "stopped"}),
            10: ("UpdateInferenceExperiment", {"Name": "stopped", "Description": "changed"}),
            20: ("StopInferenceExperiment", stop("stopped", Reason="It was slow")),
        }
        for minute in range(70):
            mock.clock.move_to(at(minutes=minute))
            if minute in steps:
                operation, request = steps[minute]
                do(operation, **request)
            do("ListInferenceExperiments", MaxResults=1)
            for name in mock.experiments:
                arn = do("DescribeInferenceExperiment", Name=name)["Arn"]
                do("AddTags", ResourceArn=arn, Tags=[{"Key": "minute", "Value": str(minute)}])
                do("ListTags", ResourceArn=arn)
                do("DeleteTags", ResourceArn=arn, TagKeys=["minute"])
        for name in mock.experiments:
            do("DeleteInferenceExperiment", Name=name)
    return answers


def test_the_answers_are_of_all_statuses(answers):
    """What the following tests look at is every status, and every operation on experiments."""
    assert {answer["Status"] for answer in answers["DescribeInferenceExperiment"]} == set(Status)
    assert {name for name in OPERATIONS if "InferenceExperiment" in name} <= answers.keys()


def test_every_answer_agrees_with_its_shape(model, answers):
    """Members, types, lengths, patterns and enums are those of the operation's output."""
    for operation, its_answers in answers.items():
        output_shape = model.operation_model(operation).output_shape
        assert [problem for answer in its_answers for problem in problems(output_shape, answer)] == [], operation


@pytest.mark.parametrize("operation", ["DescribeInferenceExperiment", "ListInferenceExperiments"])
def test_every_member_of_an_answer_is_given_at_some_time(model, answers, operation):
    """No member that AWS documents is forgotten, however deep."""
    output_shape = model.operation_model(operation).output_shape

    found = {path for answer in answers[operation] for path in members(output_shape, answer)}

    assert found == set(members(output_shape))


# --- refusals


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateInferenceExperiment", create()),
        ("CreateInferenceExperiment", create("another", EndpointName=create()["EndpointName"])),
        ("DescribeInferenceExperiment", {"Name": "unknown"}),
        *((f"{verb}InferenceExperiment", {"Name": "unknown"}) for verb in ("Update", "Start", "Delete")),
        *((f"{verb}InferenceExperiment", {"Name": NAME}) for verb in ("Update", "Start", "Delete")),
        ("StopInferenceExperiment", stop("unknown")),
        ("StopInferenceExperiment", stop()),
    ],
)
def test_a_refusal_is_an_exception_of_its_operation(client, model, operation, request_):
    """What is taken, unknown or in conflict is refused by a code that the model lists for the operation."""
    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        bring_to(mock, "Stopping")

        with pytest.raises(ClientError) as refusal:
            call(client, operation, request_)

    codes = {shape.error_code for shape in model.operation_model(operation).error_shapes}
    assert refusal.value.response["Error"]["Code"] in codes


# What lets requests meet what exists, by the name of the shape.
KNOWN = {
    "InferenceExperimentName": st.sampled_from([NAME, NAME, "another"]),
    "EndpointName": st.sampled_from([create()["EndpointName"], ENDPOINT, "another"]),
    "EndpointConfigName": st.sampled_from([CONFIG, "another"]),
    "VariantName": st.sampled_from([PRODUCTION, SHADOW, "another"]),
    "ModelVariantName": st.sampled_from([PRODUCTION, SHADOW, "another"]),
    "ModelName": st.sampled_from([f"model-{PRODUCTION}", f"model-{SHADOW}"]),
    "ResourceArn": st.sampled_from([ARN, ARN, f"{ARN}-of-another"]),
    "TagKey": st.sampled_from(["team", "owner", "stage", "aws:team"]),
}

# What lets them get past the rules that join several members, too.
LIKELY = {
    **KNOWN,
    "ModelVariantConfigList": st.permutations([variant(PRODUCTION), variant(SHADOW)]),
    "ShadowModeConfig": st.integers(0, 100).map(lambda percentage: shadow_mode(percentage=percentage)),
    "ModelVariantActionMap": st.fixed_dictionaries(
        {PRODUCTION: st.sampled_from(["Retain", "Remove"]), SHADOW: st.sampled_from(["Retain", "Remove", "Promote"])}
    ),
    "TagKey": st.sampled_from("abcdef"),
    "NextToken": st.nothing(),
    "Timestamp": st.integers(-30, 30).map(lambda days: START + dt.timedelta(days=days)),
}


def answered_or_refused(client, model, operation, request_, status):
    """Send a request to a world with an experiment in `status`, and judge what comes back."""
    operation_model = model.operation_model(operation)
    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        bring_to(mock, status)
        serve(client)

        def everything():
            return (
                mock.experiments,
                call(client, "ListTags", {"ResourceArn": ARN}),
                [kind.all(client) for kind in KINDS],
            )

        before = everything()
        try:
            answer = call(client, operation, request_)
        except ClientError as refusal:
            code = refusal.response["Error"]["Code"]
            assert code in COMMON_ERRORS | {shape.error_code for shape in operation_model.error_shapes}
            assert everything() == before
        else:
            assert problems(operation_model.output_shape, answer) == []


@every_operation
@settings(max_examples=15, deadline=None)
@given(data=st.data(), status=st.sampled_from(Status))
def test_any_request_is_answered_or_refused(client, model, operation, data, status):
    """An answer has its shape; a refusal has a code that AWS declares, and changes nothing."""
    input_shape = model.operation_model(operation).input_shape
    likely, odd = shapes.values(input_shape, known=LIKELY), shapes.values(input_shape, known=KNOWN, valid=False)

    request = data.draw(likely | odd, label="request")

    answered_or_refused(client, model, operation, request, status)


def hollow(shape):
    """A value with every structure and no content."""
    if shape.type_name == "structure":
        members = {name: hollow(member) for name, member in shape.members.items()}
        return {name: value for name, value in members.items() if value is not None}
    if shape.type_name == "list":
        item = hollow(shape.member)
        return [] if item is None else [item]
    return {} if shape.type_name == "map" else None


@every_operation
def test_a_request_without_content_is_answered_or_refused(client, model, operation):
    """Every structure is there and nothing in it: what is required is missed, and nothing else goes wrong."""
    request = hollow(model.operation_model(operation).input_shape)

    answered_or_refused(client, model, operation, request, Status.CREATED)
