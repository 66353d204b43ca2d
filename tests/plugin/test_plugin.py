"""The pytest plugin in real pytest runs: the fixture, the marker, the ini options, and errors in options."""

from __future__ import annotations

import textwrap

import pytest

# The imports of the test modules below.
HELPERS = """
    import pytest
    from mock_sagemaker_ie import Durations, mock_inference_experiment
    from tests.aws import ON_AWS, account, launch, seen
"""


@pytest.fixture
def run(pytester):
    """Return a function that runs pytest in this process on a test module, given as text."""

    def run(module, *arguments, ini=""):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile(textwrap.dedent(HELPERS) + textwrap.dedent(module))
        # Without this option Hypothesis is imported again at the end of each run, which takes a second.
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:hypothesispytest", *arguments)

    return run


# --- the fixture


def test_the_fixture_is_a_mock_that_is_active_during_the_test(run):
    """The fixture needs no import, each test has new state, and other tests are not mocked."""
    result = run("""
        def test_before():
            assert seen() == [ON_AWS]

        @pytest.mark.parametrize("number", [1, 2])
        def test_inside(sagemaker_ie, number):
            assert seen() == []
            launch("own")
            assert list(sagemaker_ie.experiments) == ["own"]

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(passed=4)


def test_a_fixture_and_its_test_share_the_state_of_the_mock(run):
    """The test sees an experiment that another fixture created, and the mock has the calls of both."""
    result = run("""
        @pytest.fixture
        def experiment(sagemaker_ie):
            launch("by-the-fixture")
            yield
            assert seen() == ["by-the-fixture", "by-the-test"]

        def test_inside(experiment, sagemaker_ie):
            launch("by-the-test")
            assert len(sagemaker_ie.calls) == 2
    """)

    result.assert_outcomes(passed=1)


def test_the_mock_ends_after_a_failed_test(run):
    """The test after a failed test is not mocked."""
    result = run("""
        def test_fails(sagemaker_ie):
            assert not launch()

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(failed=1, passed=1)


# --- the marker


def test_the_marker_needs_no_fixture(run):
    """A marked function, method, coroutine function or TestCase is mocked without the fixture in its arguments."""
    result = run("""
        import unittest

        @pytest.mark.sagemaker_ie
        def test_function():
            assert seen() == []

        @pytest.mark.asyncio
        @pytest.mark.sagemaker_ie
        async def test_coroutine_function():
            assert seen() == []

        class TestMethods:
            @pytest.mark.sagemaker_ie
            def test_marked(self):
                assert seen() == []

            def test_unmarked(self):
                assert seen() == [ON_AWS]

        @pytest.mark.sagemaker_ie
        class TestUnittest(unittest.TestCase):
            def setUp(self):
                launch("by-setup")

            def test_case(self):
                assert seen() == ["by-setup"]
    """)

    result.assert_outcomes(passed=5)


def test_fixtures_of_a_marked_test_are_mocked(run):
    """Function-scoped fixtures of a marked test, also autouse fixtures, use the mock of the test."""
    result = run("""
        @pytest.fixture(autouse=True)
        def _autouse_experiment():
            launch("autouse")

        @pytest.fixture
        def experiment():
            launch("requested")

        @pytest.mark.sagemaker_ie
        def test_marked(experiment):
            assert seen() == ["autouse", "requested"]
    """)

    result.assert_outcomes(passed=1)


def test_a_fixture_of_a_wider_scope_is_not_mocked(run):
    """pytest sets up a module's fixture before the mock of the test, so it does not depend on the first test."""
    result = run("""
        @pytest.fixture(scope="module")
        def seen_by_module():
            return seen()

        @pytest.mark.sagemaker_ie
        def test_marked(seen_by_module):
            assert (seen_by_module, seen()) == ([ON_AWS], [])
    """)

    result.assert_outcomes(passed=1)


def test_a_mark_in_pytest_param_applies_to_that_case_only(run):
    """The other cases of the parametrized test are not mocked."""
    result = run("""
        @pytest.mark.parametrize(
            "expected", [[ON_AWS], pytest.param([], marks=pytest.mark.sagemaker_ie), [ON_AWS]]
        )
        def test_with_or_without_mock(expected):
            assert seen() == expected
    """)

    result.assert_outcomes(passed=3)


def test_the_marker_has_the_options_of_the_mock(run):
    """The marker takes every keyword of mock_inference_experiment."""
    result = run("""
        import time

        @pytest.mark.sagemaker_ie(
            clock="2026-01-01T09:00:00Z", durations=Durations.realistic(), account_id="210987654321", virtual_sleep=True
        )
        def test_options(sagemaker_ie):
            time.sleep(3600)
            assert sagemaker_ie.clock.now().isoformat() == "2026-01-01T10:00:00+00:00"
            assert account() == "210987654321"
            assert sagemaker_ie.experiments["asks-for-the-account"]["Status"] == "Creating"
    """)

    result.assert_outcomes(passed=1)


def test_the_nearest_marker_has_precedence_for_each_option(run):
    """For each option, the function's marker precedes the class's, then the module's, then the ini options."""
    result = run(
        """
        pytestmark = pytest.mark.sagemaker_ie(account_id="2" * 12, clock="2026-01-01T00:00:00Z")

        def answers(sagemaker_ie):
            status = (launch("x"), sagemaker_ie.experiments["x"]["Status"])[1]
            return account()[0], sagemaker_ie.clock.now().year, status

        def test_of_the_module(sagemaker_ie):
            assert answers(sagemaker_ie) == ("2", 2026, "Creating")

        @pytest.mark.sagemaker_ie(account_id="3" * 12)
        class TestClass:
            def test_of_the_class(self, sagemaker_ie):
                assert answers(sagemaker_ie) == ("3", 2026, "Creating")

            @pytest.mark.sagemaker_ie(account_id="4" * 12)
            def test_of_the_function(self, sagemaker_ie):
                assert answers(sagemaker_ie) == ("4", 2026, "Creating")

            @pytest.mark.sagemaker_ie(clock="2027-01-01T00:00:00Z", account_id="6" * 12, durations=Durations())
            @pytest.mark.sagemaker_ie(account_id="5" * 12)
            def test_of_two_markers(self, sagemaker_ie):
                assert answers(sagemaker_ie) == ("5", 2027, "Running")
        """,
        ini="sagemaker_ie_account_id = 111111111111\nsagemaker_ie_durations = creating=60",
    )

    result.assert_outcomes(passed=4)


# --- the ini options


@pytest.mark.parametrize(
    ("ini", "account", "seconds"),
    [
        ("", "123456789012", 0),
        ("sagemaker_ie_account_id = 210987654321", "210987654321", 0),
        ("sagemaker_ie_durations = zero", "123456789012", 0),
        ("sagemaker_ie_durations = creating=60 starting=30", "123456789012", 60),
        ("sagemaker_ie_durations = realistic", "123456789012", 6 * 60),
    ],
)
def test_ini_options_are_the_defaults_of_a_run(run, ini, account, seconds):
    """The ini options apply to every test without an option of its own."""
    result = run(
        f"""
        @pytest.mark.sagemaker_ie(clock="2026-01-01T00:00:00Z")
        def test_options(sagemaker_ie):
            before = sagemaker_ie.clock.now()
            assert account() == "{account}"
            running = sagemaker_ie.advance_until("asks-for-the-account", "Running")
            assert (running - before).total_seconds() == {seconds}
        """,
        ini=ini,
    )

    result.assert_outcomes(passed=1)


# --- decorated tests and fixtures


def test_pytest_runs_decorated_tests_and_fixtures(run):
    """pytest collects, parametrizes and awaits decorated tests and fixtures; the decorator's mock is the inner one."""
    result = run("""
        import unittest
        import pytest_asyncio

        @pytest.fixture
        @mock_inference_experiment
        def fixture():
            launch("by-the-fixture")
            yield
            assert seen() == ["by-the-fixture"]

        @pytest_asyncio.fixture
        @mock_inference_experiment
        async def async_fixture():
            launch("by-the-async-fixture")
            yield
            assert seen() == ["by-the-async-fixture"]

        def test_function(fixture):
            assert seen() == ["by-the-fixture"]

        @pytest.mark.asyncio
        async def test_coroutine_function(async_fixture):
            assert seen() == ["by-the-async-fixture"]

        @mock_inference_experiment(account_id="210987654321")
        @pytest.mark.parametrize("number", [1, 2])
        def test_decorated(sagemaker_ie, number):
            assert account() == "210987654321"
            assert sagemaker_ie.calls == ()

        @mock_inference_experiment
        class TestPlain:
            def setup_class(self):
                launch("by-setup")

            @pytest.mark.parametrize("number", [1, 2])
            def test_method(self, number):
                launch("by-the-test")
                assert seen() == ["by-setup", "by-the-test"]

        @mock_inference_experiment
        class TestUnittest(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                launch("by-setup")

            def test_method(self):
                assert seen() == ["by-setup"]

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(passed=8)


# --- errors and help texts


@pytest.mark.parametrize(
    ("marker", "ini", "message"),
    [
        ('("2026-01-01T09:00:00Z")', "", "*@pytest.mark.sagemaker_ie takes keywords only*"),
        ('(acount_id="1")', "", "*unknown option 'acount_id'; did you mean 'account_id'? (options: account_id, *"),
        ('(account_id="1")', "", "*account_id='1': expected a string of 12 digits*"),
        ("", "sagemaker_ie_account_id = 1", "*account_id='1': expected a string of 12 digits*"),
        ("", "sagemaker_ie_durations = slow", "*durations 'slow': expected zero, realistic, or seconds by name*"),
        ("", "sagemaker_ie_durations = booting=1", "*names: creating, starting, updating, stopping*"),
    ],
    ids=[
        "marker with a positional argument",
        "marker with an unknown option",
        "marker with an invalid account ID",
        "ini with an invalid account ID",
        "ini with invalid durations",
        "ini with an unknown duration",
    ],
)
def test_a_wrong_option_is_reported_in_one_line(run, marker, ini, message):
    """The test has an error and no failure, and the message names the expected values."""
    result = run(f"@pytest.mark.sagemaker_ie{marker}\ndef test_marked():\n    pass\n", ini=ini)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E  {message}"])


@pytest.mark.parametrize(
    ("option", "lines"),
    [
        ("--markers", ["@pytest.mark.sagemaker_ie([*][*]options): *mock_inference_experiment*clock=, *wire=; help(*"]),
        ("--fixtures", ["sagemaker_ie -- *plugin.py*", "    Give a mock of SageMaker inference experiments*"]),
        ("--help", ["  sagemaker_ie_account_id*", "  sagemaker_ie_durations*"]),
    ],
    ids=["--markers", "--fixtures", "--help"],
)
def test_pytest_lists_the_marker_fixture_and_ini_options(run, option, lines):
    """pytest shows the texts of the marker, the fixture and the ini options."""
    result = run("", option)

    result.stdout.fnmatch_lines(lines)
