"""Validation by botocore's model: what a request breaks is said in the words that SageMaker was seen to use."""

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
from mock_sagemaker_ie.protocol.validation import Violation, compile_pattern, refuse, violations
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
    """A shape by its definition in a service model; `others` are those it refers to."""
    return ShapeResolver({"Thing": definition, **others}).get_shape_by_name("Thing")


def structure(required=(), **members):
    """A structure whose members are defined by name."""
    refers = {name: {"shape": name} for name in members}
    return shape({"type": "structure", "members": refers, "required": list(required)}, **members)


def constraints(shape, value):
    return [violation.constraint for violation in violations(shape, value)]


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
    ids=["longest", "shortest", "greatest", "least", "enum", "pattern"],
)
def test_a_broken_constraint_is_said_in_aws_s_words(definition, good, bad, constraint):
    """What is just right passes, what is just wrong does not."""
    member = shape(definition)

    assert constraints(member, good) == []
    assert constraints(member, bad) == [constraint]


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
    ids=["longest list", "shortest list", "longest map"],
)
def test_lists_and_maps_have_lengths(definition, good, bad, constraint):
    """How many items they may have is said as a string's length is."""
    container = shape(definition, Any={"type": "integer"}, Key={"type": "string"})

    assert constraints(container, good) == []
    assert constraints(container, bad) == [f"Member must have length {constraint}"]


def test_a_required_member_is_not_null():
    """A missing member is null to AWS."""
    thing = structure(["Name", "Kind"], Name=WORD, Kind=WORD)

    assert list(violations(thing, {"Kind": "a"})) == [Violation("name", None, "Member must not be null")]


@pytest.mark.parametrize("pattern", ["[a-z]+", "^[a-z]+", "^[a-z]+$"])
@pytest.mark.parametrize("value", ["ab!", "!ab", "ab\n"])
def test_a_pattern_matches_the_whole_value(pattern, value):
    """Anchored or not, as older and newer service models write it: a part that matches is not enough."""
    assert constraints(shape({"type": "string", "pattern": pattern}), value) != []


# --- patterns that Java wrote


def test_unicode_categories_are_those_of_unicode():
    """Tags may contain every letter, separator and number of Unicode and no other character but those listed."""
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    allowed = compile_pattern(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]")

    found = set(allowed.findall(everything))

    expected = {character for character in everything if unicodedata.category(character)[0] in "LZN"}
    assert found == expected | set("_.:/=+-@")


@pytest.mark.parametrize(("pattern", "foreign"), [(r"\d", "٣"), (r"\w", "é"), (r"\s", "\u2003")])
def test_classes_without_categories_are_ascii(pattern, foreign):
    r"""Java's \d, \w and \s know ASCII only."""
    assert not compile_pattern(pattern).fullmatch(foreign)


# --- several violations, and where they are


def test_a_path_is_written_as_aws_writes_it(sagemaker):
    """Members begin in lower case, items of a list count from 1 under `member`."""
    model = sagemaker.meta.service_model.operation_model("CreateInferenceExperiment")
    request = create(ModelVariants=[variant("prod", "no_model"), variant("shadow", count=-1)])

    found = [(violation.path, violation.value) for violation in violations(model.input_shape, request)]
    assert found == [
        ("modelVariants.1.member.modelName", "no_model"),
        ("modelVariants.2.member.infrastructureConfig.realTimeInferenceConfig.instanceCount", -1),
    ]


def test_a_value_may_break_several_constraints():
    """Each is a violation of its own: length before pattern, and a list before what is in it."""
    things = shape(
        {"type": "list", "member": {"shape": "Inner"}, "max": 1},
        Inner={"type": "structure", "members": {"Word": {"shape": "Word"}}},
        Word=WORD,
    )

    found = list(violations(things, [{"Word": "ABCD"}, {}], "things"))

    words, word = "Member must have length less than or equal to", "things.1.member.word"
    assert [(violation.path, violation.constraint) for violation in found] == [
        ("things", f"{words} 1"),
        (word, f"{words} 3"),
        (word, "Member must satisfy regular expression pattern: [a-z]+"),
    ]


@pytest.mark.parametrize(("bad", "part"), [({"A": "a", "B": "b"}, "keys"), ({"a": "A", "b": "B"}, "value")])
def test_a_map_says_all_that_its_keys_or_values_must_obey(bad, part):
    """One violation at the map for however many bad entries, with every constraint they have, broken or not."""
    words = shape({"type": "map", "key": {"shape": "Word"}, "value": {"shape": "Word"}}, Word=WORD)

    assert constraints(words, {"ok": "ok", **bad}) == [f"Map {part} must satisfy constraint: [{WORD_CONSTRAINTS}]"]


def test_a_list_says_all_that_its_plain_items_must_obey():
    """So does a list of strings or numbers, which have no path of their own."""
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
)
def test_a_value_is_shown_as_java_shows_it(value, text):
    """Lists and maps have Java's brackets, and there are quotes around everything but null."""
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
)
def test_all_violations_are_one_error(broken, message):
    """A ValidationException counts its violations and joins them."""
    with pytest.raises(AWSError) as refusal:
        refuse(broken)

    assert (refusal.value.code, refusal.value.message) == ("ValidationException", message)


def test_nothing_is_refused_for_nothing():
    """Without violations there is no error."""
    refuse([])


# --- whole requests


@every_operation
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_the_model_allows_passes(sagemaker, operation, data):
    """A value that obeys every constraint of the model has no violation."""
    input_shape = sagemaker.meta.service_model.operation_model(operation).input_shape

    request = data.draw(shapes.values(input_shape))

    assert constraints(input_shape, request) == []
