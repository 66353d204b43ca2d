"""What a user can name is documented, in the editor and on the site."""

import importlib.metadata
import inspect
import re

import pytest

import mock_sagemaker_ie
from mock_sagemaker_ie import InferenceExperimentMock, Options, mock_inference_experiment
from tests.documentation import ROOT

NAMES = sorted(mock_sagemaker_ie._HOMES)
REFERENCE = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_reference(name):
    """It has a docstring, and a place on a page of the reference."""
    assert inspect.getdoc(getattr(mock_sagemaker_ie, name))
    assert re.search(rf"auto\w+:: mock_sagemaker_ie\.{name}$", REFERENCE, re.MULTILINE)


def test_dir_has_every_public_name():
    """A REPL completes them although they are imported when they are first used."""
    assert {*NAMES, "__version__"} <= {*dir(mock_sagemaker_ie)}
    assert {*mock_sagemaker_ie.__all__} <= {*NAMES}


def test_the_version_is_that_of_the_package():
    """`__version__` is the installed version."""
    assert mock_sagemaker_ie.__version__ == importlib.metadata.version("mock-sagemaker-ie")


@pytest.mark.parametrize("option", Options.__annotations__)
def test_help_has_every_option(option):
    """The signature has the option with its type and default, and the docstring its meaning."""
    parameter = inspect.signature(mock_inference_experiment).parameters[option]

    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
    assert parameter.annotation
    assert parameter.default is not inspect.Parameter.empty
    assert f"`{option}` (" in mock_inference_experiment.__doc__


# The methods that took parameters by name in version 0.1.0, with the names.
FIRST_VERSION = {
    "advance_until": "name status region_name account_id",
    "assert_called_once": "operation",
    "assert_not_called": "operation",
    "client": "service region_name",
    "experiments_in": "region_name account_id",
    "fail_endpoint": "name reason region_name account_id",
    "fail_experiment": "name reason at region_name account_id",
    "fail_next": "operation error message times status",
    "now": "",
    "reset": "",
    "serve": "model_name handler",
    "slow_next": "operation seconds times",
    "timeline": "name region_name account_id",
    "timelines_in": "region account_id",
    "worlds": "",
}


@pytest.mark.parametrize("method", FIRST_VERSION)
def test_methods_keep_the_parameters_of_the_first_version(method):
    """Test suites are written against it."""
    parameters = inspect.signature(getattr(InferenceExperimentMock, method)).parameters

    assert {*FIRST_VERSION[method].split()} <= {*parameters}
