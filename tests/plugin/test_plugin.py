"""The pytest plugin, in real pytest runs: fixture, marker, ini options and what it reports."""

from __future__ import annotations

import textwrap

import pytest

# What the tests of the runs below know.
HELPERS = """
    import pytest
    from mock_sagemaker_ie import Durations, mock_inference_experiment
    from tests.aws import ON_AWS, account, launch, seen
"""


@pytest.fixture
def run(pytester):
    """Run pytest on the text of a test module, in this process and with pytest's arguments."""

    def run(module, *arguments, ini=""):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile(textwrap.dedent(HELPERS) + textwrap.dedent(module))
        # Hypothesis would be imported anew at the end of each run, which takes a second.
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:hypothesispytest", *arguments)

    return run


# --- the fixture


def test_the_fixture_is_a_mock_that_is_active_during_the_test(run):
    """It is there without any import, is fresh in each test, and gone between them."""
    result = run("""
        def test_before():
            assert seen() == [ON_AWS]

        @pytest.mark.parametrize("number", [1, 2])
        def test_inside(sagemaker_ie, number):
            assert seen() == []
            launch("mine")
            assert list(sagemaker_ie.experiments) == ["mine"]

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(passed=4)


def test_other_fixtures_may_use_it(run):
    """What a fixture launches is there in the test, in one and the same world."""
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


def test_a_failing_test_ends_its_world(run):
    """The next test is not mocked by what a failure left behind."""
    result = run("""
        def test_fails(sagemaker_ie):
            assert not launch()

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(failed=1, passed=1)


# --- the marker


def test_the_marker_alone_will_do(run):
    """A marked test is mocked without naming the fixture: functions, methods, coroutine functions and TestCases."""
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
                launch("by-set-up")

            def test_case(self):
                assert seen() == ["by-set-up"]
    """)

    result.assert_outcomes(passed=5)


def test_fixtures_of_a_marked_test_are_mocked(run):
    """What a test's fixtures do happens in the test's world, autouse fixtures included."""
    result = run("""
        @pytest.fixture(autouse=True)
        def _for_all():
            launch("autouse")

        @pytest.fixture
        def experiment():
            launch("asked-for")

        @pytest.mark.sagemaker_ie
        def test_marked(experiment):
            assert seen() == ["autouse", "asked-for"]
    """)

    result.assert_outcomes(passed=1)


def test_fixtures_of_a_wider_scope_are_set_up_before(run):
    """As ever in pytest: a module's fixture belongs to no test, so it does not depend on which one comes first."""
    result = run("""
        @pytest.fixture(scope="module")
        def seen_by_module():
            return seen()

        @pytest.mark.sagemaker_ie
        def test_marked(seen_by_module):
            assert (seen_by_module, seen()) == ([ON_AWS], [])
    """)

    result.assert_outcomes(passed=1)


def test_one_set_of_parameters_may_be_marked(run):
    """A mark in pytest.param is for that test only."""
    result = run("""
        @pytest.mark.parametrize(
            "expected", [[ON_AWS], pytest.param([], marks=pytest.mark.sagemaker_ie), [ON_AWS]]
        )
        def test_either(expected):
            assert seen() == expected
    """)

    result.assert_outcomes(passed=3)


def test_the_markers_options_are_those_of_the_mock(run):
    """Every keyword of mock_inference_experiment is the marker's, too."""
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


def test_the_nearest_marker_wins_option_by_option(run):
    """A function's marker wins over its class's, that over the module's, and that over the ini options."""
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
        ("sagemaker_ie_durations = creating=60 starting=30", "123456789012", 90),
        ("sagemaker_ie_durations = realistic", "123456789012", 14 * 60),
    ],
)
def test_ini_options_hold_for_the_whole_run(run, ini, account, seconds):
    """They are what every test gets that asks for nothing else."""
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


# --- decorated tests, as pytest runs them


def test_decorated_tests_and_fixtures_run_as_ever(run):
    """pytest collects, parametrizes and awaits what is decorated, and the decorator's world is the nearer one."""
    result = run("""
        import unittest
        import pytest_asyncio

        @pytest.fixture
        @mock_inference_experiment
        def launched():
            launch("by-the-fixture")
            yield
            assert seen() == ["by-the-fixture"]

        @pytest_asyncio.fixture
        @mock_inference_experiment
        async def launched_later():
            launch("by-the-async-fixture")
            yield
            assert seen() == ["by-the-async-fixture"]

        def test_function(launched):
            assert seen() == ["by-the-fixture"]

        @pytest.mark.asyncio
        async def test_coroutine_function(launched_later):
            assert seen() == ["by-the-async-fixture"]

        @mock_inference_experiment(account_id="210987654321")
        @pytest.mark.parametrize("number", [1, 2])
        def test_decorated(sagemaker_ie, number):
            assert account() == "210987654321"
            assert sagemaker_ie.calls == ()

        @mock_inference_experiment
        class TestPlain:
            def setup_class(self):
                launch("by-set-up")

            @pytest.mark.parametrize("number", [1, 2])
            def test_method(self, number):
                launch("by-the-test")
                assert seen() == ["by-set-up", "by-the-test"]

        @mock_inference_experiment
        class TestUnittest(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                launch("by-set-up")

            def test_method(self):
                assert seen() == ["by-set-up"]

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result.assert_outcomes(passed=8)


# --- what it reports


@pytest.mark.parametrize(
    ("marker", "ini", "says"),
    [
        ('("2026-01-01T09:00:00Z")', "", "*@pytest.mark.sagemaker_ie takes keywords only*"),
        ('(acount_id="1")', "", "*unknown option 'acount_id'; did you mean 'account_id'? (options: account_id, *"),
        ('(account_id="1")', "", "*account_id='1': expected a string of 12 digits*"),
        ("", "sagemaker_ie_account_id = 1", "*account_id='1': expected a string of 12 digits*"),
        ("", "sagemaker_ie_durations = slow", "*durations 'slow': expected zero, realistic, or seconds by name*"),
        ("", "sagemaker_ie_durations = booting=1", "*names: creating, starting, updating, stopping*"),
    ],
)
def test_a_mistake_in_options_is_told_in_one_line(run, marker, ini, says):
    """The test is an error, not a failure, and the report says what was expected."""
    result = run(f"@pytest.mark.sagemaker_ie{marker}\ndef test_marked():\n    pass\n", ini=ini)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E  {says}"])


@pytest.mark.parametrize(
    ("option", "lines"),
    [
        ("--markers", ["@pytest.mark.sagemaker_ie([*][*]options): *mock_inference_experiment*"]),
        ("--fixtures", ["sagemaker_ie -- *plugin.py*", "    A mock of SageMaker inference experiments*"]),
        ("--help", ["  sagemaker_ie_account_id*", "  sagemaker_ie_durations*"]),
    ],
)
def test_pytest_lists_what_there_is_to_use(run, option, lines):
    """Marker, fixture and ini options are documented where pytest's own are."""
    result = run("", option)

    result.stdout.fnmatch_lines(lines)
