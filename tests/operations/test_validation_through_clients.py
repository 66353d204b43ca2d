"""A request that breaks rules is refused with one message that names them all, whatever the client has checked."""

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

# A valid request of each operation, with every member there is.
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
def unchecked():
    """A boto3 client that checks nothing itself."""
    return boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(parameter_validation=False),
    )


@pytest.fixture(params=["checking", "unchecked"])
def client(request, sagemaker, unchecked):
    """A client that checks parameters, then one that does not."""
    return sagemaker if request.param == "checking" else unchecked


@pytest.fixture
def shape_of(sagemaker):
    """The shape of an operation's request, by botocore's model."""
    return lambda operation: sagemaker.meta.service_model.operation_model(operation).input_shape


def refusal(client, operation, request):
    """The message of the ValidationException with which a request is refused."""
    with pytest.raises(ClientError) as caught:
        getattr(client, xform_name(operation))(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return error["Message"]


def blamed(message):
    """The paths that a message says are wrong, in its order; their number is as it says."""
    paths = re.findall(r"at '([^']*)' failed to satisfy constraint", message)
    assert message.startswith(f"{len(paths)} validation error")
    return paths


# --- broken constraints, found by walking botocore's model along a complete request


def flaws(shape, value, path=()):
    """Each constrained place in a request: the path to it, and the value there made wrong."""
    if (wrong := breaking(shape, value)) is not None:
        yield path, wrong
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from flaws(member, value[name], (*path, name))
    elif shape.type_name == "list":
        yield from flaws(shape.member, value[0], (*path, 0))
    elif shape.type_name == "map":
        key, item = next(iter(value.items()))
        yield path, {breaking(shape.key, key): item}
        yield path, {key: breaking(shape.value, item)}


def breaking(shape, value):
    """What the shape forbids in the place of `value`, None when it forbids nothing; what clients let pass, if any."""
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
    """A copy of a request with one place in it replaced."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def in_words(path):
    """A path as AWS writes it: `modelVariants.1.member.modelName`; a plain item is blamed at its list."""
    if path and isinstance(path[-1], int):
        path = path[:-1]
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in path)


@for_each_operation
def test_every_constraint_of_the_model_is_checked(mock, unchecked, shape_of, operation):
    """Each member with a length, pattern, enum or range, broken by itself, is blamed."""
    request = COMPLETE[operation]
    places = list(flaws(shape_of(operation), request))
    assert places

    let_pass = [
        in_words(path)
        for path, wrong in places
        if in_words(path) not in blamed(refusal(unchecked, operation, replaced(request, path, wrong)))
    ]

    assert let_pass == []


@for_each_operation
def test_every_required_member_is_missed(mock, unchecked, shape_of, operation):
    """An empty request is refused with all that it lacks; a client that checks does not even send it."""
    required = shape_of(operation).required_members
    if not required:
        assert getattr(unchecked, xform_name(operation))()
        return

    assert sorted(blamed(refusal(unchecked, operation, {}))) == sorted(map(in_words, zip(required)))
    with pytest.raises(ParamValidationError):
        getattr(mock.client(), xform_name(operation))()


# --- all of them in one message


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        pytest.param(
            create(Type="Canary", RoleArn="nobody's role at all"), ["type", "roleArn"], id="several constraints"
        ),
        pytest.param(create("-" * 1_000), ["name", "name"], id="two of one member"),
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
def test_all_that_is_wrong_is_in_one_message(mock, client, request_, paths):
    """Constraints of the model and rules between members are told at once, to every client alike."""
    assert sorted(blamed(refusal(client, "CreateInferenceExperiment", request_))) == sorted(paths)
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
def test_other_operations_tell_all_at_once_too(mock, client, operation, changes, paths):
    """What a request breaks by itself is told together, whatever the experiment."""
    client.create_inference_experiment(**create())

    message = refusal(client, operation, {**COMPLETE[operation], **changes})

    assert paths <= set(blamed(message))


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
def test_a_value_of_another_type_cannot_be_read(mock, unchecked, changes):
    """A client that checks nothing gets a SerializationException for a value of the wrong type."""
    with pytest.raises(ClientError, match="SerializationException"):
        unchecked.create_inference_experiment(**create(**changes))

    assert mock.experiments == {}
