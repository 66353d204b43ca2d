"""What a user can name is documented, in the editor and on the site."""

import importlib.metadata
import inspect
import re

import pytest

import mock_sagemaker_ie
from mock_sagemaker_ie import Options, mock_inference_experiment
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
