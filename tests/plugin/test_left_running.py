"""Mocks that a test started and nobody stopped: the plugin ends them, and says so."""

from __future__ import annotations

import textwrap

import pytest

HELPERS = """
    import unittest

    import pytest
    from mock_sagemaker_ie import mock_inference_experiment
    from tests.aws import ON_AWS, launch, seen
"""
AFTER = """
    def test_after():
        assert seen() == [ON_AWS]
"""


@pytest.fixture
def run(pytester):
    """Run pytest on the texts of a test module, in this process."""

    def run(*texts, arguments=()):
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        pytester.makepyfile("".join(map(textwrap.dedent, (HELPERS, *texts))))
        return pytester.runpytest_inprocess("-Wdefault", "-p", "no:hypothesispytest", *arguments)

    return run


LEAVING = {
    "test": """
        def test_leaves():
            mock_inference_experiment().start()
            raise ZeroDivisionError
    """,
    "several": """
        def test_leaves():
            for _ in range(3):
                mock_inference_experiment().start()
            raise ZeroDivisionError
    """,
    "a fault in vain": """
        def test_leaves():
            for _ in range(2):
                mock_inference_experiment(unused_faults="error").start().fail_next("ListModels", "InternalFailure")
            raise ZeroDivisionError
    """,
    "setUp": """
        class TestLeaves(unittest.TestCase):
            def setUp(self):
                mock_inference_experiment().start()

            def test_leaves(self):
                raise ZeroDivisionError
    """,
    "setup_method": """
        class TestLeaves:
            def setup_method(self):
                self.mock = mock_inference_experiment()
                self.mock.start()
                raise ZeroDivisionError

            def teardown_method(self):
                self.mock.stop()

            def test_leaves(self):
                pass
    """,
    "fixture": """
        @pytest.fixture
        def leaving():
            mock_inference_experiment().start()
            raise ZeroDivisionError

        def test_leaves(leaving):
            pass
    """,
}


@pytest.mark.parametrize("leaving", LEAVING)
def test_what_a_crashed_test_left_running_is_ended(run, leaving):
    """The next test does not run inside it, and a warning names who left it; the crash is all that fails."""
    result = run(LEAVING[leaving], AFTER)

    crash = "errors" if leaving in ("setup_method", "fixture") else "failed"
    result.assert_outcomes(passed=1, warnings=1, **{crash: 1})
    result.stdout.fnmatch_lines(
        ["*LeftRunningWarning: test_leaves started a mock_inference_experiment*did not stop it"]
    )


def test_a_test_that_passes_is_warned_too(run):
    """To leave a mock running is a mistake also where nothing failed."""
    result = run("def test_leaves():\n    mock_inference_experiment().start()\n", AFTER)

    result.assert_outcomes(passed=2, warnings=1)


def test_the_warning_can_be_an_error(run):
    """As any warning, and then too everything has ended."""
    result = run(LEAVING["several"], AFTER, arguments=["-Werror::mock_sagemaker_ie.plugin.LeftRunningWarning"])

    result.assert_outcomes(failed=1, errors=1, passed=1)


STOPPED = {
    "by the test": """
        def test_inside():
            mock = mock_inference_experiment()
            mock.start()
            assert seen() == []
            mock.stop()
    """,
    "tearDown": """
        class TestInside(unittest.TestCase):
            def setUp(self):
                self.mock = mock_inference_experiment()
                self.mock.start()

            def tearDown(self):
                self.mock.stop()

            def test_inside(self):
                assert seen() == []
    """,
    "teardown_method": """
        class TestInside:
            def setup_method(self):
                self.mock = mock_inference_experiment()
                self.mock.start()

            def teardown_method(self):
                self.mock.stop()

            def test_inside(self):
                assert seen() == []
    """,
    "teardown_class": """
        class TestInside:
            @classmethod
            def setup_class(cls):
                cls.mock = mock_inference_experiment()
                cls.mock.start()

            @classmethod
            def teardown_class(cls):
                cls.mock.stop()

            def test_first(self):
                launch("first")

            def test_inside(self):
                assert seen() == ["first"]
    """,
    "tearDownClass": """
        class TestInside(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.mock = mock_inference_experiment()
                cls.mock.start()

            @classmethod
            def tearDownClass(cls):
                cls.mock.stop()

            def test_first(self):
                launch("first")

            def test_inside(self):
                assert seen() == ["first"]
    """,
    "a wider fixture": """
        @pytest.fixture(scope="class")
        def mock():
            entry = mock_inference_experiment()
            yield entry.start()
            entry.stop()

        class TestInside:
            def test_first(self, mock):
                launch("first")

            def test_inside(self, mock):
                assert seen() == ["first"]
    """,
    "a wider fixture that a test asks for": """
        @pytest.fixture(scope="class")
        def mock():
            entry = mock_inference_experiment()
            yield entry.start()
            entry.stop()

        class TestInside:
            def test_first(self, request):
                request.getfixturevalue("mock")
                launch("first")

            def test_inside(self, mock):
                assert seen() == ["first"]
    """,
}


@pytest.mark.parametrize("stopped", STOPPED)
def test_what_is_stopped_later_goes_on_until_then(run, stopped):
    """Whoever started a mock may stop it, however much later; nobody is warned."""
    result = run(STOPPED[stopped], AFTER)

    result.assert_outcomes(passed=3 if "first" in STOPPED[stopped] else 2, warnings=0)


def test_a_mock_may_last_from_start_to_end_of_a_run(run, pytester):
    """A conftest that starts one when pytest begins stops it when pytest ends."""
    pytester.makeconftest("""
        from mock_sagemaker_ie import mock_inference_experiment

        mock = mock_inference_experiment(unused_faults="ignore")

        def pytest_configure():
            mock.start().fail_next("ListModels", "InternalFailure")

        def pytest_unconfigure():
            mock.stop()
    """)

    result = run("def test_inside():\n    assert seen() == []\n")

    result.assert_outcomes(passed=1)
    assert result.ret == 0
