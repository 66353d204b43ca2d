"""The JSON wire: what it carries arrives as botocore's own serializer sent it and as botocore's own parser reads it."""

from __future__ import annotations

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest
import time_machine
from botocore.model import ShapeResolver
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol import wire
from mock_sagemaker_ie.protocol.errors import AWSError, serialization_exception, validation_exception
from tests import shapes

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)

# One member of every type that the operations' shapes are made of.
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
    """botocore's model of SageMaker."""
    return sagemaker.meta.service_model


every_operation = pytest.mark.parametrize("operation", OPERATIONS)
some_examples = settings(max_examples=10, deadline=None)


# --- answers


@every_operation
@some_examples
@given(data=st.data())
def test_an_answer_is_what_botocore_would_read_off_the_wire(model, operation, data):
    """A client is handed the very values, types and time zones that its parser makes of the encoded answer."""
    shape = model.operation_model(operation).output_shape
    values = data.draw(shapes.values(shape))

    answer = wire.answer_values(shape, values)

    reply = {"status_code": 200, "headers": {}, "body": wire.encode(values)}
    parsed = create_parser("json").parse(reply, shape)
    del parsed["ResponseMetadata"]
    assert answer == parsed
    assert repr(answer) == repr(parsed)


@given(values=shapes.values(THING))
def test_an_answer_shares_nothing_with_its_origin(values):
    """Whoever changes an answer, or a copy, changes nothing but that."""

    def containers(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {id(value)}.union(*map(containers, inner)) if isinstance(value, (dict, list)) else set()

    answer, copy = wire.answer_values(THING, values), wire.copy_values(values)

    assert answer == copy == values
    assert not containers(values) & (containers(answer) | containers(copy))


def test_an_answer_has_only_members_of_its_shape():
    """What a record holds beyond the answer's shape is left out, at any depth."""
    values = {"Text": "a", "Secret": 1, "Inner": {"Secret": 2}, "Items": [{"Text": "b", "Secret": 3}]}

    answer = wire.answer_values(THING, values)

    assert answer == {"Text": "a", "Inner": {}, "Items": [{"Text": "b"}]}


def test_an_answer_without_a_shape_is_empty():
    """An operation that has no output shape answers with no members."""
    assert wire.answer_values(None, {"Text": "a"}) == {}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_times_are_in_the_machine_s_present_time_zone(zone):
    """A test that moves to another zone sees the same instant there, as botocore would show it."""
    with time_machine.travel(NOON.astimezone(ZoneInfo(zone))):
        answer = wire.answer_values(THING, {"When": NOON})

    assert answer["When"] == NOON
    assert answer["When"].utcoffset() == NOON.astimezone(ZoneInfo(zone)).utcoffset()


def test_times_are_plain_again_after_time_was_frozen():
    """freezegun's own datetimes do not outlive it."""
    instant = NOON + dt.timedelta(days=1)
    with freeze_time(instant):
        wire.answer_values(THING, {"When": instant})

    assert type(wire.answer_values(THING, {"When": instant})["When"]) is dt.datetime


def test_times_travel_as_epoch_seconds_with_milliseconds():
    """The wire carries whole milliseconds; finer parts are cut off, not rounded."""
    when = dt.datetime(1970, 1, 1, 0, 0, 1, 234999, tzinfo=dt.timezone.utc)

    assert wire.encode({"When": when, "Items": []}) == b'{"When":1.234,"Items":[]}'


# --- requests


@every_operation
@some_examples
@given(data=st.data())
def test_a_request_arrives_as_the_client_was_given_it(model, operation, data):
    """What botocore's serializer sends is decoded to the values that the caller passed, in whole seconds."""
    # botocore before 1.36 cuts times to seconds.
    seconds = st.integers(0, 2**32).map(lambda number: dt.datetime.fromtimestamp(number, dt.timezone.utc))
    operation_model = model.operation_model(operation)
    request = data.draw(shapes.values(operation_model.input_shape, valid=False, known={"Timestamp": seconds}))

    body = create_serializer("json", include_validation=False).serialize_to_request(request, operation_model)["body"]

    assert wire.decode(operation_model.input_shape, body) == request


def test_a_request_keeps_what_its_shape_knows():
    """Unknown members and nulls, in a structure, list or map, are as if they were not there."""
    body = {
        "Text": None,
        "Unknown": {"Count": "many"},
        "Inner": {"Text": "a", "Unknown": 1},
        "Items": [None, {}],
        "Counts": {"one": 1, "none": None},
    }

    assert wire.decode(THING, json.dumps(body)) == {"Inner": {"Text": "a"}, "Items": [{}], "Counts": {"one": 1}}


@pytest.mark.parametrize("body", ["", b"", "{}", b'{"Unknown": []}'])
def test_a_request_may_be_empty(body):
    """No body, and a body with no known member, is a request without members."""
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
def test_a_value_is_read_as_its_shape_says(member, json_value, value):
    """JSON knows fewer types than the shapes: the shape decides what a number is."""
    decoded = wire.decode(THING, f'{{"{member}": {json_value}}}')[member]

    assert (decoded, type(decoded)) == (value, type(value))


HUGE = "9" * 400  # More than a double can be.


def _wrong_types():
    """Every type of JSON value at every member that is made of another one."""
    json_values = {"text": '"a"', "number": "1", "flag": "true", "list": "[]", "object": "{}"}
    right = {"Text": "text", "Count": "number", "Ratio": "number", "Flag": "flag", "When": "number"}
    right |= {"Inner": "object", "Items": "list", "Counts": "object"}
    return [
        pytest.param(f'{{"{member}": {text}}}', id=f"{kind} for {member}")
        for member, right_kind in right.items()
        for kind, text in json_values.items()
        if kind != right_kind
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
def test_a_body_that_is_no_such_request_is_refused(body):
    """Broken JSON and values of another type are the caller's error, whatever they are; a boolean is no number."""
    with pytest.raises(AWSError) as refusal:
        wire.decode(THING, body)

    assert (refusal.value.code, refusal.value.status) == ("SerializationException", 400)


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
def test_an_error_says_its_message_as_its_kind_does(model, error, member):
    """Exceptions that the service model knows write Message, the common ones message."""
    assert wire.error_body(error, model) == {"__type": error.code, member: "No."}
