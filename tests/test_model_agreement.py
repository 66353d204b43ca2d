"""The answers and errors of the mock agree with botocore's model of SageMaker."""

from __future__ import annotations

from collections import defaultdict

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from mock_sagemaker_ie import Status, mock_inference_experiment
from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol.validation import compile_pattern, violations
from tests.conftest import START
from tests.hosting import everything, serve
from tests.operations.shared import MINUTES, at, bring_to
from tests.requests import NAME, create, stop

# Errors that every operation may answer with; AWS declares them for none.
COMMON_ERRORS = {"ValidationException", "SerializationException"}

ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"

every_operation = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture(scope="session")
def client():
    """A client that does not validate params."""
    return boto3.client("sagemaker", region_name="us-east-1", config=Config(parameter_validation=False))


@pytest.fixture(scope="session")
def model(client):
    """botocore's model of SageMaker."""
    return client.meta.service_model


def call(client, operation, request):
    """Call an operation and return the answer without ResponseMetadata."""
    answer = getattr(client, xform_name(operation))(**request)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def problems(shape, values):
    """Return unknown, missing and wrongly typed members of an answer, and broken constraints."""
    if shape is None:
        return list(values)
    report = ParamValidator().validate(values, shape).generate_report()
    return [report] if report else list(map(str, violations(shape, values)))


def nested_shapes(shape):
    """Yield a shape and all shapes within it."""
    yield shape
    if shape.type_name == "structure":
        inner = shape.members.values()
    else:
        inner = {"list": ["member"], "map": ["key", "value"]}.get(shape.type_name, [])
        inner = [getattr(shape, name) for name in inner]
    for each in inner:
        yield from nested_shapes(each)


def members(shape, values=None, path=""):
    """Yield the paths of all members of a shape, or of those that `values` has."""
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
def test_every_operation_exists_at_aws(model, operation):
    """The mock answers only operations that SageMaker has."""
    assert operation in model.operation_names


def test_every_operation_on_inference_experiments_is_answered(model):
    """The mock answers each of AWS's operations on inference experiments; this fails if AWS adds one."""
    existing = {name for name in model.operation_names if "InferenceExperiment" in name}

    assert existing <= OPERATIONS.keys()


@every_operation
def test_every_pattern_compiles(model, operation):
    """Python can compile each pattern of an operation's input; AWS writes them for Java."""
    input_shape = model.operation_model(operation).input_shape

    for pattern in {shape.metadata.get("pattern", "") for shape in nested_shapes(input_shape)}:
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
    """The answers, by operation, of experiments that have all optional members and go through all statuses."""
    answers = defaultdict(list)

    def record(operation, **request):
        answers[operation].append(call(client, operation, request))
        return answers[operation][-1]

    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        schedule = {"StartTime": at(minutes=10), "EndTime": at(minutes=60)}
        for name in ("left-alone", "stopped", "failed"):
            record("CreateInferenceExperiment", **create(name, Schedule=schedule, **OPTIONAL))
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
                record(operation, **request)
            record("ListInferenceExperiments", MaxResults=1)
            for name in mock.experiments:
                arn = record("DescribeInferenceExperiment", Name=name)["Arn"]
                record("AddTags", ResourceArn=arn, Tags=[{"Key": "minute", "Value": str(minute)}])
                record("ListTags", ResourceArn=arn)
                record("DeleteTags", ResourceArn=arn, TagKeys=["minute"])
        for name in mock.experiments:
            record("DeleteInferenceExperiment", Name=name)
    return answers


def test_the_answers_cover_all_statuses(answers):
    """The answers that the next tests check cover every status and every operation on experiments."""
    assert {answer["Status"] for answer in answers["DescribeInferenceExperiment"]} == set(Status)
    assert {name for name in OPERATIONS if "InferenceExperiment" in name} <= answers.keys()


def test_every_answer_agrees_with_its_shape(model, answers):
    """Members, types, lengths, patterns and enums are those of the operation's output shape."""
    for operation, listed in answers.items():
        output_shape = model.operation_model(operation).output_shape
        assert [problem for answer in listed for problem in problems(output_shape, answer)] == [], operation


@pytest.mark.parametrize("operation", ["DescribeInferenceExperiment", "ListInferenceExperiments"])
def test_every_member_of_the_output_is_answered(model, answers, operation):
    """Each member that AWS documents, at any depth, is in at least one answer."""
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
def test_a_refusal_has_an_error_code_of_its_operation(client, model, operation, request_):
    """A name in use, an unknown name and a conflict are refused with a code that AWS declares for the operation."""
    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        bring_to(mock, "Stopping")

        with pytest.raises(ClientError) as refusal:
            call(client, operation, request_)

    codes = {shape.error_code for shape in model.operation_model(operation).error_shapes}
    assert refusal.value.response["Error"]["Code"] in codes


def empty_structures(shape):
    """Return a value in which every structure is present and empty."""
    if shape.type_name == "structure":
        members = {name: empty_structures(member) for name, member in shape.members.items()}
        return {name: value for name, value in members.items() if value is not None}
    if shape.type_name == "list":
        item = empty_structures(shape.member)
        return [] if item is None else [item]
    return {} if shape.type_name == "map" else None


@every_operation
def test_a_request_of_empty_structures_is_answered_or_refused(client, model, operation):
    """A request of empty structures gets a valid answer, or an error that AWS declares and that changes nothing."""
    operation_model = model.operation_model(operation)
    request = empty_structures(operation_model.input_shape)
    with mock_inference_experiment(clock=START, durations=MINUTES) as mock:
        bring_to(mock, "Created")
        serve(client)

        def shown():
            return everything(mock), call(client, "ListTags", {"ResourceArn": ARN})

        before = shown()

        try:
            answer = call(client, operation, request)
        except ClientError as refusal:
            code = refusal.response["Error"]["Code"]
            assert code in COMMON_ERRORS | {shape.error_code for shape in operation_model.error_shapes}
            assert shown() == before
        else:
            assert problems(operation_model.output_shape, answer) == []
