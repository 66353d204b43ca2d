"""Assumptions in pytest runs: the ini setting, the marker, and a test under every reading of AWS."""

from __future__ import annotations

import textwrap

import pytest

MODULE = """
    import pytest
    from botocore.exceptions import ClientError
    from mock_sagemaker_ie import Assumptions, mock_inference_experiment
    from tests.requests import create

    def code(sagemaker):
        sagemaker.create_inference_experiment(**create(EndpointName="one"))
        with pytest.raises(ClientError) as error:
            sagemaker.create_inference_experiment(**create("second", EndpointName="one"))
        return error.value.response["Error"]["Code"]

"""


@pytest.fixture
def run(pytester):
    """Return a function that runs pytest in this process on a test module, with ini settings."""

    def run(module, ini="", *arguments):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile(textwrap.dedent(MODULE) + textwrap.dedent(module))
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:hypothesispytest", *arguments)

    return run


IN_THE_INI_FILE = """
    def test_ini(sagemaker_ie):
        assert code(sagemaker_ie.client()) == "ConflictException"
"""


def test_the_ini_setting_has_choices_and_the_marker_takes_precedence(run):
    """The marker replaces the assumptions of the ini file."""
    module = (
        IN_THE_INI_FILE
        + """
    @pytest.mark.sagemaker_ie(assumptions=Assumptions())
    def test_marker(sagemaker_ie):
        assert code(sagemaker_ie.client()) == "ResourceInUse"
    """
    )

    run(module, "sagemaker_ie_assumptions = busy_endpoint=ConflictException").assert_outcomes(passed=2)


def test_the_ini_setting_may_name_a_file_beside_the_ini_file(run, pytester):
    """The file has a choice per line, and comments."""
    pytester.path.joinpath("aws.txt").write_text("# seen\nbusy_endpoint=ConflictException\n", encoding="utf-8")

    run(IN_THE_INI_FILE, "sagemaker_ie_assumptions = aws.txt").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("busy_endpont=x", "*sagemaker_ie_assumptions: *mean 'busy_endpoint'*"),
        ("no.txt", "*sagemaker_ie_assum*no.txt*"),
    ],
)
def test_a_wrong_setting_is_a_usage_error(run, setting, message):
    """The message names the setting and the way out."""
    result = run(IN_THE_INI_FILE, f"sagemaker_ie_assumptions = {setting}")

    result.stdout.fnmatch_lines([message])
    assert result.ret != 0


def test_a_test_runs_under_every_reading_of_aws(run):
    """`Assumptions.each()` with `ids=str` gives a test per choice, with a readable name."""
    module = """
    @pytest.mark.parametrize("assumptions", Assumptions.each(), ids=str)
    def test_reading(assumptions):
        with mock_inference_experiment(assumptions=assumptions) as mock:
            assert code(mock.client()) == assumptions.busy_endpoint
    """

    result = run(module, "", "-v")

    result.stdout.fnmatch_lines(["*test_reading?default? PASSED*", "*?busy_endpoint=ConflictException? PASSED*"])
    assert result.parseoutcomes().keys() == {"passed"}
