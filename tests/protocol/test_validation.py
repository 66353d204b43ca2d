"""Validation with botocore's service model; the messages have the wording that was observed on SageMaker."""

from __future__ import annotations

import datetime as dt
import sys
import unicodedata

import pytest
from botocore.model import ShapeResolver
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie.backend.operations import OPERATIONS
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import (
    INSTANCE_TYPE,
    Violation,
    compile_pattern,
    refuse,
    violations,
)
from tests import shapes
from tests.requests import create, variant

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

WORD = {"type": "string", "min": 1, "max": 3, "pattern": "[a-z]+"}
WORD_CONSTRAINTS = (
    "Member must have length less than or equal to 3, "
    "Member must have length greater than or equal to 1, "
    "Member must satisfy regular expression pattern: [a-z]+"
)


def shape(definition, **others):
    """Return a shape from its definition in a service model; `others` are the shapes that it refers to."""
    return ShapeResolver({"Thing": definition, **others}).get_shape_by_name("Thing")


def structure(required=(), **members):
    """Return a structure with these members; each keyword gives a member's definition."""
    refers = {name: {"shape": name} for name in members}
    return shape({"type": "structure", "members": refers, "required": list(required)}, **members)


def broken_constraints(shape, value):
    """Return the text of each constraint that the value breaks."""
    return [violation.constraint for violation in violations(shape, value)]


def within(shape):
    """Yield a shape and the shapes of everything in it."""
    yield shape
    kind = shape.type_name
    parts = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member], "map": lambda: [shape.value]}  # noqa: PLW0108
    for part in parts.get(kind, tuple)():
        yield from within(part)


# --- one constraint


@pytest.mark.parametrize(
    ("definition", "good", "bad", "constraint"),
    [
        ({"type": "string", "max": 3}, "abc", "abcd", "Member must have length less than or equal to 3"),
        ({"type": "string", "min": 1}, "a", "", "Member must have length greater than or equal to 1"),
        ({"type": "integer", "max": 100}, 100, 101, "Member must have value less than or equal to 100"),
        ({"type": "integer", "min": 0}, 0, -1, "Member must have value greater than or equal to 0"),
        ({"type": "string", "enum": ["a", "b"]}, "b", "B", "Member must satisfy enum value set: [a, b]"),
        ({"type": "string", "pattern": "[a-z]+"}, "az", "aZ", "Member must satisfy regular expression pattern: [a-z]+"),
    ],
    ids=["max length", "min length", "max value", "min value", "enum", "pattern"],
)
def test_a_broken_constraint_has_the_wording_of_aws(definition, good, bad, constraint):
    """A value at the limit passes, and a value just beyond it breaks the constraint."""
    member = shape(definition)

    assert broken_constraints(member, good) == []
    assert broken_constraints(member, bad) == [constraint]


@pytest.mark.parametrize(
    ("definition", "good", "bad", "constraint"),
    [
        ({"type": "list", "member": {"shape": "Any"}, "max": 2}, [1, 2], [1, 2, 3], "less than or equal to 2"),
        ({"type": "list", "member": {"shape": "Any"}, "min": 1}, [1], [], "greater than or equal to 1"),
        (
            {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Any"}, "max": 1},
            *({"a": 1}, {"a": 1, "b": 2}),
            "less than or equal to 1",
        ),
    ],
    ids=["max length of a list", "min length of a list", "max length of a map"],
)
def test_the_length_of_lists_and_maps_is_checked(definition, good, bad, constraint):
    """The message for the number of items has the same wording as the message for the length of a string."""
    container = shape(definition, Any={"type": "integer"}, Key={"type": "string"})

    assert broken_constraints(container, good) == []
    assert broken_constraints(container, bad) == [f"Member must have length {constraint}"]


def test_a_missing_required_member_is_a_violation():
    """AWS reports a missing member as null."""
    thing = structure(["Name", "Kind"], Name=WORD, Kind=WORD)

    assert list(violations(thing, {"Kind": "a"})) == [Violation("name", None, "Member must not be null")]


@pytest.mark.parametrize("pattern", ["[a-z]+", "^[a-z]+", "^[a-z]+$"])
@pytest.mark.parametrize("value", ["ab!", "!ab", "ab\n"])
def test_a_pattern_matches_the_whole_value(pattern, value):
    """A partial match is not enough, with or without the anchors of older and newer service models."""
    assert broken_constraints(shape({"type": "string", "pattern": pattern}), value) != []


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("^[a-z]+$", "[a-z]+"),
        ("^[a-z]+", "[a-z]+"),
        ("[a-z]+$", "[a-z]+"),
        ("[a-z]+", "[a-z]+"),
        (r"^[a-z]+\$", r"[a-z]+\$"),
        ("^(?!x$)[a-z]+$", "(?!x$)[a-z]+"),
    ],
)
def test_a_message_shows_a_pattern_without_anchors(pattern, shown):
    """AWS writes patterns without the anchors around them, which the service models of older clients have."""
    assert broken_constraints(shape({"type": "string", "pattern": pattern}), "!") == [
        f"Member must satisfy regular expression pattern: {shown}"
    ]


@every_operation
def test_no_message_of_an_operation_shows_an_anchored_pattern(sagemaker, operation):
    """It holds for the members of every request, also with an old botocore."""
    patterns = [
        constraint.partition("pattern: ")[2]
        for member in within(sagemaker.meta.service_model.operation_model(operation).input_shape)
        if member.type_name == "string"
        for constraint in broken_constraints(member, "\0")
    ]

    assert [pattern for pattern in patterns if pattern.startswith("^") or pattern.endswith("$")] == []


# --- instance types

OLD_INSTANCE_TYPES = {"type": "string", "enum": ["ml.t2.medium", "ml.m5.large", "ml.p4d.24xlarge"]}


@pytest.mark.parametrize(
    "newer", ["ml.m7g.large", "ml.c7i-flex.2xlarge", "ml.p6-b200.48xlarge", "ml.trn2.48xlarge", "ml.dl1.24xlarge"]
)
def test_an_instance_type_that_the_client_does_not_know_is_accepted(newer):
    """The enum of an old client is not that of the service."""
    assert broken_constraints(shape(OLD_INSTANCE_TYPES), newer) == []


@pytest.mark.parametrize(
    "misspelt",
    [
        "ml.m5.xlrage",
        "m5.large",
        "ml.m5large",
        "ml.m5",
        "ml.mm5.large",
        "ml.M5.large",
        "ml.m5.1xlarge",
        "ml.m5.large ",
        "large",
        "",
    ],
)
def test_a_misspelt_instance_type_is_refused(misspelt):
    """The message lists the types that the client knows."""
    assert broken_constraints(shape(OLD_INSTANCE_TYPES), misspelt) == [
        "Member must satisfy enum value set: [ml.t2.medium, ml.m5.large, ml.p4d.24xlarge]"
    ]


def test_another_enum_does_not_accept_instance_types():
    """Only an enum that lists instance types accepts more of them."""
    accelerators = shape({"type": "string", "enum": ["ml.eia1.medium", "ml.eia2.large"]})

    assert broken_constraints(accelerators, "ml.m5.large") != []


def test_every_instance_type_of_the_service_model_has_the_form_of_newer_ones(sagemaker):
    """So a client that does not know a type of today accepts it, in every request that the mock answers."""
    model = sagemaker.meta.service_model
    members = {
        member.name: member
        for operation in OPERATIONS
        for member in within(model.operation_model(operation).input_shape)
        if member.name.endswith("InstanceType")
    }

    assert "ProductionVariantInstanceType" in members
    assert [value for member in members.values() for value in member.enum if not INSTANCE_TYPE.fullmatch(value)] == []
    assert [name for name, member in members.items() if broken_constraints(member, "ml.m9g.large")] == []


# --- patterns in Java's syntax


def test_category_classes_match_the_categories_of_unicode():
    """The pattern of tags matches every letter, separator and number of Unicode, and the listed characters only."""
    all_characters = "".join(map(chr, range(sys.maxunicode + 1)))
    allowed = compile_pattern(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]")

    found = set(allowed.findall(all_characters))

    expected = {character for character in all_characters if unicodedata.category(character)[0] in "LZN"}
    assert found == expected | set("_.:/=+-@")


@pytest.mark.parametrize(("pattern", "character"), [(r"\d", "٣"), (r"\w", "é"), (r"\s", "\u2003")])
def test_predefined_classes_match_ascii_only(pattern, character):
    r"""Java's \d, \w and \s match ASCII only."""
    assert not compile_pattern(pattern).fullmatch(character)


# --- several violations, and their paths


def test_a_path_has_the_form_of_aws(sagemaker):
    """Member names begin in lower case, and list items are numbered from 1, followed by `member`."""
    model = sagemaker.meta.service_model.operation_model("CreateInferenceExperiment")
    request = create(ModelVariants=[variant("prod", "no_model"), variant("shadow", count=-1)])

    found = [(violation.path, violation.value) for violation in violations(model.input_shape, request)]
    assert found == [
        ("modelVariants.1.member.modelName", "no_model"),
        ("modelVariants.2.member.infrastructureConfig.realTimeInferenceConfig.instanceCount", -1),
    ]


def test_a_value_can_break_several_constraints():
    """Each broken constraint is a violation: length before pattern, and a list before its items."""
    things = shape(
        {"type": "list", "member": {"shape": "Inner"}, "max": 1},
        Inner={"type": "structure", "members": {"Word": {"shape": "Word"}}},
        Word=WORD,
    )

    found = list(violations(things, [{"Word": "ABCD"}, {}], "things"))

    max_length, word_path = "Member must have length less than or equal to", "things.1.member.word"
    assert [(violation.path, violation.constraint) for violation in found] == [
        ("things", f"{max_length} 1"),
        (word_path, f"{max_length} 3"),
        (word_path, "Member must satisfy regular expression pattern: [a-z]+"),
    ]


@pytest.mark.parametrize(
    ("bad", "part"), [({"A": "a", "B": "b"}, "keys"), ({"a": "A", "b": "B"}, "value")], ids=["keys", "values"]
)
def test_a_map_with_bad_keys_or_values_has_one_violation(bad, part):
    """The violation has the path of the map and lists every constraint of its keys or values, broken or not."""
    words = shape({"type": "map", "key": {"shape": "Word"}, "value": {"shape": "Word"}}, Word=WORD)

    assert broken_constraints(words, {"ok": "ok", **bad}) == [
        f"Map {part} must satisfy constraint: [{WORD_CONSTRAINTS}]"
    ]


def test_a_list_with_bad_scalar_items_has_one_violation():
    """Strings and numbers in a list have no path, so the violation has the path of the list."""
    thing = structure(Words={"type": "list", "member": {"shape": "Word"}}, Word=WORD)

    words = ["a", "B", ""]
    assert list(violations(thing, {"Words": words})) == [
        Violation("words", words, f"Member must satisfy constraint: [{WORD_CONSTRAINTS}]"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ("a'b", "'a'b'"),
        (7, "'7'"),
        (["a", "b"], "'[a, b]'"),
        ({"prod": "Retain", "shadow": "Drop"}, "'{prod=Retain, shadow=Drop}'"),
        (dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone(dt.timedelta(hours=9))), "'2026-01-01T00:00:00.000Z'"),
    ],
    ids=["null", "string", "number", "list", "map", "timestamp"],
)
def test_a_violation_shows_the_value_in_the_form_of_java(value, text):
    """Lists and maps have the brackets of Java, and all values except null are in quotes."""
    assert str(Violation("name", value, "Member must be good")) == (
        f"Value {text} at 'name' failed to satisfy constraint: Member must be good"
    )


ONE, OTHER = Violation("one", 1, "Member must be 2"), Violation("other", None, "Member must not be null")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([ONE], f"1 validation error detected: {ONE}"),
        ([ONE, OTHER], f"2 validation errors detected: {ONE}; {OTHER}"),
    ],
    ids=["one", "two"],
)
def test_all_violations_are_in_one_error(broken, message):
    """A ValidationException has the number of violations and the text of each."""
    with pytest.raises(AWSError) as caught:
        refuse(broken)

    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


def test_no_violations_raise_no_error():
    """An empty list of violations raises nothing."""
    refuse([])


# --- whole requests


@every_operation
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_valid_request_has_no_violation(sagemaker, operation, data):
    """A request that meets every constraint of the service model has no violation."""
    input_shape = sagemaker.meta.service_model.operation_model(operation).input_shape

    request = data.draw(shapes.values(input_shape))

    assert broken_constraints(input_shape, request) == []
