"""The package that a user installs. What the wheel contains is checked by check-wheel-contents in .ci/run."""

import re
from importlib.metadata import entry_points

import pytest

from tests.documentation import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    """Return the names of requirements."""
    return sorted(re.match(r"[\w.-]+", each)[0] for each in requirements)


def test_the_package_brings_four_dependencies():
    """Everything else is in an extra."""
    assert names(PROJECT["dependencies"]) == ["botocore", "freezegun", "pytest", "responses"]


def test_the_extra_of_the_main_job_brings_moto_and_hypothesis():
    """So no test of the examples is skipped. Hypothesis comes with our extra `explore`."""
    extras = PROJECT["optional-dependencies"]

    assert names(extras["examples"]) == ["boto3", "mock-sagemaker-ie", "moto"]
    assert "mock-sagemaker-ie[explore]" in extras["examples"]
    assert names(extras["explore"]) == ["hypothesis"]


def test_the_version_has_a_dated_entry_in_the_changelog():
    """The first entry with a date is that of the version."""
    dated = re.findall(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert dated[0] == PROJECT["version"]


def test_each_supported_python_has_a_classifier():
    """From the oldest supported version on, without a gap."""
    minors = [int(match[1]) for each in PROJECT["classifiers"] if (match := re.search(r":: 3\.(\d+)$", each))]

    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert (ROOT / "mock_sagemaker_ie" / "py.typed").exists()


def test_pytest_finds_the_plugin():
    """The entry point leads to the module that defines the fixtures."""
    (plugin,) = entry_points(group="pytest11", name="sagemaker_ie")

    assert plugin.value == "mock_sagemaker_ie.plugin"
