"""The plugin stops mocks that a test started and did not stop, and warns."""

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
    """Return a function that runs pytest in this process on a test module, given as texts."""

    def run(*texts, arguments=()):
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        pytester.makepyfile("".join(map(textwrap.dedent, (HELPERS, *texts))))
        return pytester.runpytest_inprocess("-Wdefault", "-p", "no:hypothesispytest", *arguments)

    return run


TESTS_THAT_DO_NOT_STOP = {
    "test": """
        def test_does_not_stop():
            mock_inference_experiment().start()
            raise ZeroDivisionError
    """,
    "several mocks": """
        def test_does_not_stop():
            for _ in range(3):
                mock_inference_experiment().start()
            raise ZeroDivisionError
    """,
    "unused faults": """
        def test_does_not_stop():
            for _ in range(2):
                mock_inference_experiment(unused_faults="error").start().fail_next("ListModels", "InternalFailure")
            raise ZeroDivisionError
    """,
    "setUp": """
        class TestDoesNotStop(unittest.TestCase):
            def setUp(self):
                mock_inference_experiment().start()

            def test_does_not_stop(self):
                raise ZeroDivisionError
    """,
    "setup_method": """
        class TestDoesNotStop:
            def setup_method(self):
                self.mock = mock_inference_experiment()
                self.mock.start()
                raise ZeroDivisionError

            def teardown_method(self):
                self.mock.stop()

            def test_does_not_stop(self):
                pass
    """,
    "fixture": """
        @pytest.fixture
        def mock():
            mock_inference_experiment().start()
            raise ZeroDivisionError

        def test_does_not_stop(mock):
            pass
    """,
}


@pytest.mark.parametrize("where", TESTS_THAT_DO_NOT_STOP)
def test_a_mock_that_a_failed_test_did_not_stop_is_stopped(run, where):
    """The next test is not mocked, a warning names the test, and the test has no error besides its own."""
    result = run(TESTS_THAT_DO_NOT_STOP[where], AFTER)

    outcome = "errors" if where in ("setup_method", "fixture") else "failed"
    result.assert_outcomes(passed=1, warnings=1, **{outcome: 1})
    result.stdout.fnmatch_lines(
        ["*LeftRunningWarning: test_does_not_stop started a mock_inference_experiment*did not stop it; see*"]
    )


def test_a_passing_test_that_did_not_stop_its_mock_warns(run):
    """A passing test also gets the warning, and the next test is not mocked."""
    result = run("def test_does_not_stop():\n    mock_inference_experiment().start()\n", AFTER)

    result.assert_outcomes(passed=2, warnings=1)


def test_the_warning_can_be_an_error(run):
    """If a filter turns the warning into an error, all mocks are still stopped."""
    result = run(
        TESTS_THAT_DO_NOT_STOP["several mocks"],
        AFTER,
        arguments=["-Werror::mock_sagemaker_ie.plugin.LeftRunningWarning"],
    )

    result.assert_outcomes(failed=1, errors=1, passed=1)


TESTS_THAT_STOP = {
    "test": """
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
    "class fixture": """
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
    "class fixture from getfixturevalue": """
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


@pytest.mark.parametrize("where", TESTS_THAT_STOP)
def test_a_mock_stays_active_until_it_is_stopped(run, where):
    """A mock of a class or of a wider fixture stays active for several tests, and there is no warning."""
    result = run(TESTS_THAT_STOP[where], AFTER)

    result.assert_outcomes(passed=3 if "first" in TESTS_THAT_STOP[where] else 2, warnings=0)


def test_a_mock_can_be_active_for_a_whole_run(run, pytester):
    """A conftest can start a mock in pytest_configure and stop it in pytest_unconfigure."""
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
