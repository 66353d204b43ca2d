"""An invalid request gets one message that names every error, with and without validation in the client."""

from __future__ import annotations

import re

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from tests.operations.shared import at
from tests.requests import NAME, create, shadow_mode, stop, variant

ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TAGS = [{"Key": "team", "Value": "search"}]
SCHEDULE = {"StartTime": at(days=1), "EndTime": at(days=2)}
STORAGE = {
    "Destination": "s3://bucket/captured",
    "KmsKey": KEY,
    "ContentType": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}

# A valid request for each operation, with every member.
COMPLETE = {
    "CreateInferenceExperiment": create(
        Description="New", DataStorageConfig=STORAGE, KmsKey=KEY, Schedule=SCHEDULE, Tags=TAGS
    ),
    "DescribeInferenceExperiment": {"Name": NAME},
    "ListInferenceExperiments": {
        "NameContains": "a",
        "Type": "ShadowMode",
        "StatusEquals": "Running",
        "CreationTimeAfter": at(),
        "CreationTimeBefore": at(),
        "LastModifiedTimeAfter": at(),
        "LastModifiedTimeBefore": at(),
        "SortBy": "Name",
        "SortOrder": "Ascending",
        "NextToken": "token",
        "MaxResults": 1,
    },
    "UpdateInferenceExperiment": {
        "Name": NAME,
        "Description": "New",
        "Schedule": SCHEDULE,
        "ModelVariants": create()["ModelVariants"],
        "DataStorageConfig": STORAGE,
        "ShadowModeConfig": shadow_mode(),
    },
    "StartInferenceExperiment": {"Name": NAME},
    "StopInferenceExperiment": stop(
        DesiredModelVariants=[variant("prod")], DesiredState="Completed", Reason="It was slow"
    ),
    "DeleteInferenceExperiment": {"Name": NAME},
    "AddTags": {"ResourceArn": ARN, "Tags": TAGS},
    "ListTags": {"ResourceArn": ARN, "NextToken": "token", "MaxResults": 50},
    "DeleteTags": {"ResourceArn": ARN, "TagKeys": ["team"]},
}

for_each_operation = pytest.mark.parametrize("operation", COMPLETE)


@pytest.fixture(scope="module")
def unchecked_client():
    """Return a boto3 client that does not validate requests."""
    return boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(parameter_validation=False),
    )


@pytest.fixture(params=["validating client", "unchecked client"])
def client(request, sagemaker, unchecked_client):
    """Return a client that validates requests, then one that does not."""
    return sagemaker if request.param == "validating client" else unchecked_client


@pytest.fixture
def input_shape(sagemaker):
    """Return a function that returns the input shape of an operation in botocore's model."""
    return lambda operation: sagemaker.meta.service_model.operation_model(operation).input_shape


def validation_message(client, operation, request):
    """Return the message of the ValidationException that a request raises."""
    with pytest.raises(ClientError) as caught:
        getattr(client, xform_name(operation))(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return error["Message"]


def reported_paths(message):
    """Return the paths of the errors in a message, in its order; assert that the message has their number."""
    paths = re.findall(r"at '([^']*)' failed to satisfy constraint", message)
    assert message.startswith(f"{len(paths)} validation error")
    return paths


# --- one violation for each constraint of botocore's model in a complete request


def violations(shape, value, path=()):
    """Yield each constrained place in a request: its path, and an invalid value for it."""
    if (wrong := invalid_value(shape, value)) is not None:
        yield path, wrong
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from violations(member, value[name], (*path, name))
    elif shape.type_name == "list":
        yield from violations(shape.member, value[0], (*path, 0))
    elif shape.type_name == "map":
        key, item = next(iter(value.items()))
        yield path, {invalid_value(shape.key, key): item}
        yield path, {key: invalid_value(shape.value, item)}


def invalid_value(shape, value):
    """Return a value that the shape forbids in place of `value`, or None if it forbids nothing.

    If possible, return a value that clients do not check.
    """
    traits = shape.metadata
    if "enum" in traits:
        return "no-such-value"
    if "max" in traits:
        return _of_size(value, traits["max"] + 1)
    if "min" in traits:
        return _of_size(value, traits["min"] - 1)
    return "\n" if "pattern" in traits else None


def _of_size(value, size):
    if isinstance(value, int):
        return size
    if isinstance(value, dict):
        return {f"key-{number}": item for item in value.values() for number in range(size)}
    return value[:1] * size


def replaced(value, path, new):
    """Return a copy of a request with the value at one path replaced."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def wire_path(path):
    """Return a path in AWS's notation, for example `modelVariants.1.member.modelName`.

    Errors of a plain item in a list have the path of the list.
    """
    if path and isinstance(path[-1], int):
        path = path[:-1]
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in path)


@for_each_operation
def test_every_constraint_of_the_model_is_checked(mock, unchecked_client, input_shape, operation):
    """Each member with a length, pattern, enum or range is reported when its value is the only invalid one."""
    request = COMPLETE[operation]

    def reported(request):
        return reported_paths(validation_message(unchecked_client, operation, request))

    places = list(violations(input_shape(operation), request))
    assert places

    not_reported = [
        wire_path(path) for path, wrong in places if wire_path(path) not in reported(replaced(request, path, wrong))
    ]

    assert not_reported == []


@for_each_operation
def test_every_missing_required_member_is_reported(mock, unchecked_client, input_shape, operation):
    """An empty request is refused with all its missing members; a client that validates does not even send it."""
    required = input_shape(operation).required_members
    if not required:
        assert getattr(unchecked_client, xform_name(operation))()
        return

    reported = reported_paths(validation_message(unchecked_client, operation, {}))
    assert sorted(reported) == sorted(map(wire_path, zip(required)))
    with pytest.raises(ParamValidationError):
        getattr(mock.client(), xform_name(operation))()


# --- several errors in one message


@pytest.mark.parametrize(
    ("create_request", "paths"),
    [
        pytest.param(
            create(Type="Canary", RoleArn="not the ARN of a role"),
            ["type", "roleArn"],
            id="several constraints",
        ),
        pytest.param(create("-" * 1_000), ["name", "name"], id="two constraints of one member"),
        pytest.param(
            create(
                ModelVariants=[variant("prod"), variant("prod")],
                ShadowModeConfig=shadow_mode(shadow="other", percentage=-1),
                Schedule={"EndTime": at()},
                Tags=[{"Key": "aws:team", "Value": "search"}],
            ),
            [
                "modelVariants.2.member.variantName",
                "schedule.endTime",
                "shadowModeConfig.shadowModelVariants.1.member.samplingPercentage",
                "shadowModeConfig.shadowModelVariants.1.member.shadowModelVariantName",
                "tags.1.member.key",
            ],
            id="several rules",
        ),
        pytest.param(
            create(Type="Canary", ModelVariants=[variant("prod", "bad model"), variant("prod")]),
            [
                "modelVariants.1.member.modelName",
                "modelVariants.2.member.variantName",
                "shadowModeConfig.shadowModelVariants.1.member.shadowModelVariantName",
                "type",
            ],
            id="constraints and rules",
        ),
    ],
)
def test_all_errors_are_in_one_message(mock, client, create_request, paths):
    """Errors of the model's constraints and of the rules between members are reported together, to every client."""
    message = validation_message(client, "CreateInferenceExperiment", create_request)

    assert sorted(reported_paths(message)) == sorted(paths)
    assert mock.experiments == {}


@pytest.mark.parametrize(
    ("operation", "changes", "paths"),
    [
        (
            "UpdateInferenceExperiment",
            {
                "Description": "d" * 1025,
                "ModelVariants": [variant("prod"), variant("prod")],
                "ShadowModeConfig": shadow_mode(percentage=-1),
            },
            {
                "description",
                "modelVariants.2.member.variantName",
                "shadowModeConfig.shadowModelVariants.1.member.samplingPercentage",
            },
        ),
        ("AddTags", {"Tags": [{"Key": "aws:a", "Value": "\n"}]}, {"tags.1.member.key", "tags.1.member.value"}),
    ],
    ids=["UpdateInferenceExperiment", "AddTags"],
)
def test_other_operations_report_all_errors_in_one_message(mock, client, operation, changes, paths):
    """All errors in the request itself are reported together, independent of the experiment."""
    client.create_inference_experiment(**create())

    message = validation_message(client, operation, {**COMPLETE[operation], **changes})

    assert paths <= set(reported_paths(message))


# --- types


@pytest.mark.parametrize(
    "changes",
    [
        {"Name": 5},
        {"Description": ["New"]},
        {"ShadowModeConfig": shadow_mode(percentage="50")},
        {"ShadowModeConfig": shadow_mode(percentage=0.5)},
        {"ShadowModeConfig": shadow_mode(percentage=True)},
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_raises_serialization_exception(mock, unchecked_client, changes):
    """A client that does not validate gets a SerializationException for a value of the wrong type."""
    with pytest.raises(ClientError, match="SerializationException"):
        unchecked_client.create_inference_experiment(**create(**changes))

    assert mock.experiments == {}
