"""The table of behaviours: every rule that the code marks as inferred has a row, and the package has the table."""

from __future__ import annotations

import importlib.resources
import inspect
import json
import re
from pathlib import Path

import pytest

import mock_sagemaker_ie
from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.backend.experiments import rules as experiment_rules
from mock_sagemaker_ie.backend.experiments.lifecycle import ALL_ROWS
from mock_sagemaker_ie.backend.hosting import rules as hosting_rules
from mock_sagemaker_ie.fidelity.behaviours import all_behaviours, switchable

PACKAGE = Path(mock_sagemaker_ie.__file__).parent
NAMES = {each.name for each in all_behaviours()}
MARK = re.compile(r"\binferred\b(?:: ([a-z_]+(?:, [a-z_]+)*))?", re.IGNORECASE)
# Modules about the rows themselves.
ABOUT = {PACKAGE / "backend" / "assumptions.py", *(PACKAGE / "fidelity").glob("*.py")}


def marks() -> list[tuple[str, str]]:
    """Return every mark in the code: its file, and the names of its rows."""
    return [
        (path.name, mark[1] or "")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path not in ABOUT
        for mark in MARK.finditer(re.sub(r"\n\s*(#:? )?", " ", path.read_text(encoding="utf-8")))
    ]


def test_every_mark_in_the_code_names_a_row():
    """`inferred: NAME` is the only form, and NAME is a behaviour of the table."""
    found = marks()

    assert len(found) > 20
    assert [(file, names) for file, names in found if not {*names.split(", ")} <= NAMES] == []


RULES = [
    (f"{module.__name__.rpartition('mock_sagemaker_ie.')[2]}.{name}", rule)
    for module in (experiment_rules, hosting_rules, tags)
    for name, rule in inspect.getmembers(module, inspect.isfunction)
    if rule.__module__ == module.__name__ and "Iterator[Violation]" in str(rule.__annotations__.get("return"))
]


@pytest.mark.parametrize("rule", [rule for _, rule in RULES], ids=[name for name, _ in RULES])
def test_every_rule_says_where_it_comes_from(rule):
    """A rule for requests names its source at AWS, or its row."""
    text = " ".join((inspect.getdoc(rule) or "").split())

    assert "AWS: " in text or MARK.search(text), text


def test_every_switchable_transition_names_an_assumption():
    """A row of the lifecycle that only some assumptions have names the assumption and one of its choices."""
    choices = {each.name: each.assumption for each in switchable()}
    switched = [row.assumption for row in ALL_ROWS if row.assumption is not None]

    assert switched
    assert [(name, choice) for name, choice in switched if choice not in choices[name]] == []


def test_the_package_has_the_table_for_programs():
    """fidelity.json has every behaviour with its mark and source, and the choices of those that can be switched."""
    text = importlib.resources.files("mock_sagemaker_ie.fidelity").joinpath("fidelity.json").read_text(encoding="utf-8")
    table = json.loads(text)["behaviours"]

    assert {each["name"] for each in table} == NAMES
    assert len(table) == len(NAMES)
    assert all({*each["mark"].split(", ")} <= {"D", "O", "I"} and each["source"] for each in table)
    assert {each["name"]: each["assumption"]["default"] for each in table if each["assumption"]} == {
        each.name: each.assumption[0] for each in switchable()
    }
