"""Assumptions as a value: what it accepts, how it reads and prints, and its variants for parametrized tests."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_sagemaker_ie import Assumptions, mock_inference_experiment
from mock_sagemaker_ie.backend.assumptions import ROWS

VALUES = st.fixed_dictionaries({}, optional={row.name: st.sampled_from(row.choices) for row in ROWS}).map(
    lambda choices: Assumptions(**choices)
)


@given(VALUES)
def test_every_value_can_be_read_from_its_texts(value):
    """`str` is what parse reads, `repr` is Python, and a copy or a pickle is equal."""
    assert Assumptions.parse(str(value)) == value
    assert eval(repr(value), {"Assumptions": Assumptions}) == value  # noqa: S307 - our own text
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value  # noqa: S301 - our own bytes


def test_each_has_the_default_and_every_other_choice_once():
    """The variants differ in one field each, and their texts make readable ids."""
    variants = Assumptions.each()

    assert variants[0] == Assumptions()
    assert [each.changed() for each in variants[1:]] == [
        {row.name: choice} for row in ROWS for choice in row.choices if choice != row.default
    ]
    assert [str(each) for each in variants[:2]] == ["default", "unscheduled_test=Starting"]
    assert len({str(each) for each in variants}) == len(variants)


def test_a_text_may_have_lines_commas_and_comments():
    """A file with a choice per line says why."""
    text = "# seen on AWS\nbusy_endpoint=ConflictException, arn_case=lower  # both\n\nlist_page_size=100\n"

    value = Assumptions.parse(text)

    assert value == Assumptions(busy_endpoint="ConflictException", arn_case="lower", list_page_size=100)
    assert Assumptions.parse("") == Assumptions.parse("default") == Assumptions()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Assumptions(busy_endpont="x"), TypeError, ["'busy_endpont'", "arn_case", "mean 'busy_endpoint'"]),
        (lambda: Assumptions(zzz="x"), TypeError, ["'zzz'", "(fields: unscheduled_test"]),
        (lambda: Assumptions("Running"), TypeError, ["positional"]),
        (
            lambda: Assumptions(busy_endpoint="ConflictExeption"),
            ValueError,
            ["busy_endpoint='ConflictExeption'", "expected one of 'ResourceInUse'", "mean 'ConflictException'"],
        ),
        (lambda: Assumptions(list_page_size="10"), ValueError, ["list_page_size='10'", "expected one of 10, 100"]),
        (lambda: Assumptions(list_page_size=True), ValueError, ["list_page_size=True"]),
        (lambda: Assumptions(arn_case=["lower"]), ValueError, ["arn_case=['lower']", "'kept', 'lower'"]),
        (lambda: Assumptions.parse("lower"), ValueError, ["'lower' is none of these", "busy_endpoint="]),
        (lambda: Assumptions.parse("arn_cas=lower"), ValueError, ["'arn_cas'", "mean 'arn_case'"]),
        (lambda: Assumptions.parse("arn_case=Lower"), ValueError, ["arn_case='Lower'", "mean 'lower'"]),
        (lambda: Assumptions.parse("arn_case=lower arn_case=kept"), ValueError, ["arn_case is there twice"]),
        (lambda: mock_inference_experiment(assumptions="arn_case=lower"), TypeError, ["expected Assumptions("]),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_known(make, error, words):
    """The message has the word, all known words, and those that are near."""
    with pytest.raises(error) as raised:
        make()

    assert [word for word in words if word not in str(raised.value)] == []


def test_the_documentation_has_every_row():
    """`help(Assumptions)` shows each field with its choices, default and meaning."""
    assert [row.name for row in ROWS if f"`{row.name}` ({row.choices[0]!r} or" not in Assumptions.__doc__] == []
    assert [row.name for row in ROWS if row.text not in " ".join(Assumptions.__doc__.split())] == []
    assert all(row.text.endswith(".") and row.source and row.default == row.choices[0] for row in ROWS)
