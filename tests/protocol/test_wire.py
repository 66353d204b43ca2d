"""The JSON wire format: values equal those that botocore's own serializer sends and botocore's own parser reads."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from botocore.model import ShapeResolver
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol import wire
from mock_sagemaker_ie.protocol.errors import AWSError, serialization_exception, validation_exception
from tests import shapes

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)

# A structure with one member of every type that occurs in the shapes of the operations.
THING = ShapeResolver(
    {
        "Thing": {
            "type": "structure",
            "members": {name: {"shape": name} for name in ("Text", "Count", "Ratio", "Flag", "When", "Items", "Counts")}
            | {"Inner": {"shape": "Inner"}},
        },
        "Inner": {"type": "structure", "members": {"Text": {"shape": "Text"}}},
        "Items": {"type": "list", "member": {"shape": "Inner"}},
        "Counts": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Count"}},
        "Text": {"type": "string"},
        "Count": {"type": "integer"},
        "Ratio": {"type": "double"},
        "Flag": {"type": "boolean"},
        "When": {"type": "timestamp"},
    }
).get_shape_by_name("Thing")


@pytest.fixture(scope="session")
def model(sagemaker):
    """Return botocore's service model of SageMaker."""
    return sagemaker.meta.service_model


every_operation = pytest.mark.parametrize("operation", OPERATIONS)
ten_examples = settings(max_examples=10, deadline=None)


# --- answers


def read(shape, values):
    """Return the answer that a client gets for these values."""
    return wire.answer_reader(shape, wire.local_time)(values)


@every_operation
@ten_examples
@given(data=st.data())
def test_an_answer_equals_the_values_that_botocore_parses(model, operation, data):
    """The answer has the same values, types and time zones as botocore's parser makes from the encoded answer."""
    shape = model.operation_model(operation).output_shape
    values = data.draw(shapes.values(shape))

    answer = read(shape, values)

    response = {"status_code": 200, "headers": {}, "body": wire.encode(values)}
    parsed = create_parser("json").parse(response, shape)
    del parsed["ResponseMetadata"]
    assert answer == parsed
    assert repr(answer) == repr(parsed)


@given(values=shapes.values(THING))
def test_an_answer_shares_no_container_with_its_source(values):
    """A caller that changes an answer, or a copy, does not change the source."""

    def container_ids(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {id(value)}.union(*map(container_ids, inner)) if isinstance(value, (dict, list)) else set()

    answer, copy = read(THING, values), wire.copy_values(values)

    assert answer == copy == values
    assert not container_ids(values) & (container_ids(answer) | container_ids(copy))


def test_an_answer_has_only_members_of_its_shape():
    """Members that are not in the answer's shape are omitted, at any depth."""
    values = {"Text": "a", "Internal": 1, "Inner": {"Internal": 2}, "Items": [{"Text": "b", "Internal": 3}]}

    answer = read(THING, values)

    assert answer == {"Text": "a", "Inner": {}, "Items": [{"Text": "b"}]}


def test_an_answer_without_a_shape_is_empty():
    """The answer of an operation without an output shape has no members."""
    assert read(None, {"Text": "a"}) == {}


def test_times_are_encoded_as_epoch_seconds_with_milliseconds():
    """Fractions of a millisecond are cut off and not rounded."""
    when = dt.datetime(1970, 1, 1, 0, 0, 1, 234999, tzinfo=dt.timezone.utc)

    assert wire.encode({"When": when, "Items": []}) == b'{"When":1.234,"Items":[]}'


# --- requests


@every_operation
@ten_examples
@given(data=st.data())
def test_a_decoded_request_equals_the_values_of_the_caller(model, operation, data):
    """A request that botocore serialized is decoded to the values that the caller passed."""
    # Whole seconds, because botocore before 1.36 cuts off fractions of a second.
    seconds = st.integers(0, 2**32).map(lambda number: dt.datetime.fromtimestamp(number, dt.timezone.utc))
    operation_model = model.operation_model(operation)
    request = data.draw(shapes.values(operation_model.input_shape, valid=False, known={"Timestamp": seconds}))

    body = create_serializer("json", include_validation=False).serialize_to_request(request, operation_model)["body"]

    assert wire.decode(operation_model.input_shape, body) == request


def test_unknown_members_and_nulls_of_a_request_are_ignored():
    """Unknown members, and nulls in a structure, list or map, are not in the decoded request."""
    body = {
        "Text": None,
        "Unknown": {"Count": "many"},
        "Inner": {"Text": "a", "Unknown": 1},
        "Items": [None, {}],
        "Counts": {"one": 1, "none": None},
    }

    assert wire.decode(THING, json.dumps(body)) == {"Inner": {"Text": "a"}, "Items": [{}], "Counts": {"one": 1}}


@pytest.mark.parametrize("body", ["", b"", "{}", b'{"Unknown": []}'])
def test_a_request_can_be_empty(body):
    """An empty body, and a body without a known member, are decoded to a request without members."""
    assert wire.decode(THING, body) == {}


@pytest.mark.parametrize(
    ("member", "json_value", "value"),
    [
        ("Text", r'"\u00e9"', "é"),
        ("Count", "3", 3),
        ("Count", "3.0", 3),
        ("Count", str(2**31 - 1), 2**31 - 1),
        ("Ratio", "3", 3.0),
        ("Ratio", "0.5", 0.5),
        ("Flag", "false", False),
        ("When", str(NOON.timestamp()), NOON),
        ("When", str(int(NOON.timestamp())), NOON),
        ("When", f"{int(NOON.timestamp())}.0019", NOON + dt.timedelta(milliseconds=1)),
        ("When", "-0.5", dt.datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=dt.timezone.utc)),
    ],
)
def test_a_value_has_the_type_of_its_shape(member, json_value, value):
    """JSON has fewer types than the shapes, so the shape decides the type of a number."""
    decoded = wire.decode(THING, f'{{"{member}": {json_value}}}')[member]

    assert (decoded, type(decoded)) == (value, type(value))


HUGE = "9" * 400  # Beyond the range of a double.


def _wrong_types():
    """Return a body for each member and each JSON type that is not the member's type."""
    json_values = {"string": '"a"', "number": "1", "boolean": "true", "list": "[]", "object": "{}"}
    expected_types = {"Text": "string", "Count": "number", "Ratio": "number", "Flag": "boolean", "When": "number"}
    expected_types |= {"Inner": "object", "Items": "list", "Counts": "object"}
    return [
        pytest.param(f'{{"{member}": {text}}}', id=f"{json_type} for {member}")
        for member, expected_type in expected_types.items()
        for json_type, text in json_values.items()
        if json_type != expected_type
    ]


@pytest.mark.parametrize(
    "body",
    [
        *_wrong_types(),
        *('{"Items": [1]}', '{"Counts": {"a": "b"}}'),
        *(f'{{"Count": {number}}}' for number in ("1.5", "NaN", "Infinity", "-Infinity", HUGE)),
        *(f'{{"When": {number}}}' for number in ("NaN", "Infinity", "1e30", HUGE)),
        f'{{"Ratio": {HUGE}}}',
        *("[]", "null", '"Thing"', "7"),
        *("{", "Thing", b"\xff\xfe", "[" * 100_000, HUGE * 20),
    ],
    ids=lambda body: str(body[:20]),
)
def test_a_malformed_body_raises_serialization_exception(body):
    """Broken JSON and values of a wrong type are errors of the caller. A boolean is not a number."""
    with pytest.raises(AWSError) as caught:
        wire.decode(THING, body)

    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)


# --- errors


@pytest.mark.parametrize(
    ("error", "member"),
    [
        (AWSError("ConflictException", "No."), "Message"),
        (AWSError("ResourceNotFound", "No."), "Message"),
        (validation_exception("No."), "message"),
        (serialization_exception("No."), "message"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_the_message_member_depends_on_the_error_code(model, error, member):
    """Exceptions of the service model have the member Message, and common errors the member message."""
    assert wire.error_body(error, model) == {"__type": error.code, member: "No."}
