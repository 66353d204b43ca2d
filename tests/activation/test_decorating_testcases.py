"""The decorator on unittest's TestCases: each test runs in a copy of the mock in which its class was set up.

Both pytest and unittest run the classes of this module; only unittest runs the classes in functions.
"""

from __future__ import annotations

import unittest

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, account, launch, seen

ACCOUNT = "210987654321"


class InheritedCase:
    """Tests and set-up that TestCases inherit; each hook checks which experiments exist."""

    of_the_class = ["of-the-class"]  # noqa: RUF012 - never changed
    of_the_test = ["of-the-class", "of-the-test"]  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        launch("of-the-class")
        cls.addClassCleanup(cls.check_class)

    def setUp(self):
        launch("of-the-test")
        self.addCleanup(self.check_test)

    def test_begins_with_the_experiments_of_set_up(self):
        self.check_test()

    def test_does_not_see_experiments_of_other_tests(self):
        launch("of-one-test")
        assert seen() == [*self.of_the_test, "of-one-test"]

    def test_launches_the_same_experiment(self):
        launch("of-one-test")

    def test_subtests_share_the_mock_of_their_test(self):
        for number in range(2):
            with self.subTest(number=number):
                launch(f"subtest-{number}")
        assert seen() == [*self.of_the_test, "subtest-0", "subtest-1"]

    def tearDown(self):
        self.check_test()

    @classmethod
    def tearDownClass(cls):
        cls.check_class()

    def check_test(self):
        assert seen()[: len(self.of_the_test)] == self.of_the_test

    @classmethod
    def check_class(cls):
        assert seen() == cls.of_the_class


@mock_inference_experiment
class TestUnittest(InheritedCase, unittest.TestCase):
    """A TestCase is mocked in setUpClass, setUp, the test, tearDown, tearDownClass and both kinds of clean-up."""


@mock_inference_experiment
class TestAsyncUnittest(InheritedCase, unittest.IsolatedAsyncioTestCase):
    """An IsolatedAsyncioTestCase is mocked in the same hooks and in their asynchronous counterparts."""

    async def asyncSetUp(self):
        launch("of-the-async-set-up")
        self.addAsyncCleanup(self.check_async)

    async def asyncTearDown(self):
        await self.check_async()

    async def test_async(self):
        await self.check_async()

    async def check_async(self):
        assert seen() == [*self.of_the_test, "of-the-async-set-up"]

    test_does_not_see_experiments_of_other_tests = test_launches_the_same_experiment = None
    test_subtests_share_the_mock_of_their_test = None


class TestUndecoratedSubclassOfUnittest(TestUnittest):
    """A subclass is mocked too, even if its own set-up does not call super()."""

    of_the_class = ["of-the-subclass"]  # noqa: RUF012
    of_the_test = ["of-the-subclass", "of-the-test"]  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        launch("of-the-subclass")


@mock_inference_experiment(account_id=ACCOUNT)
class TestDecoratedSubclassOfUnittest(TestUnittest):
    """The options of a decorated subclass replace those of its decorated base class."""

    def test_options(self):
        assert account() == ACCOUNT


@mock_inference_experiment
class TestFixturesOfUnittest(unittest.TestCase):
    """pytest's fixtures of a TestCase run in the mock of each test."""

    @classmethod
    def setUpClass(cls):
        launch("of-the-class")

    @pytest.fixture(autouse=True)
    def _fixture(self):
        launch("of-the-fixture")
        yield
        assert seen() == ["of-the-class", "of-the-fixture", "of-the-test"]

    def test_sees_the_experiment_of_its_fixture(self):
        launch("of-the-test")
        assert seen() == ["of-the-class", "of-the-fixture", "of-the-test"]

    def test_does_not_see_the_fixture_of_another_test(self):
        self.test_sees_the_experiment_of_its_fixture()


def outcome(case):
    """Run a class by unittest; return the number of tests, and the texts of failures and errors and of skips."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = [text for _, text in [*result.failures, *result.errors]]
    return result.testsRun, problems, [reason for _, reason in result.skipped]


@pytest.mark.parametrize(
    "case", [TestUnittest, TestAsyncUnittest, TestUndecoratedSubclassOfUnittest, TestDecoratedSubclassOfUnittest]
)
def test_unittest_runs_decorated_classes(case):
    """The classes above pass when unittest runs them, and afterwards no mock answers."""
    tests_run, problems, _ = outcome(case)

    assert tests_run > 0
    assert problems == []
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("hook", ["setUpClass", "setUp", "test", "tearDown", "tearDownClass"])
def test_a_failure_in_any_hook_exits_the_mock(hook):
    """Wherever a TestCase fails, unittest reports that failure, and no mock answers afterwards."""

    def fail(_):
        assert seen() == []
        raise ZeroDivisionError("division by zero in " + hook)

    namespace = {"test": lambda _: None, hook: classmethod(fail) if hook.endswith("Class") else fail}
    case = mock_inference_experiment(type("Case", (unittest.TestCase,), namespace))

    _, (problem,), _ = outcome(case)

    assert f"division by zero in {hook}" in problem
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("hook", ["setUpClass", "setUp", "test"])
def test_a_skip_in_any_hook_exits_the_mock(hook):
    """A test that raises SkipTest is reported as skipped, and no mock answers afterwards."""

    def skip(_):
        launch()
        raise unittest.SkipTest("not today")

    namespace = {"test": lambda _: None, hook: classmethod(skip) if hook.endswith("Class") else skip}
    case = mock_inference_experiment(type("Case", (unittest.TestCase,), namespace))

    assert outcome(case)[1:] == ([], ["not today"])
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("order", ["skip above", "skip below"])
def test_unittest_skip_skips_a_decorated_class(order):
    """unittest.skip works above and below the decorator."""

    class Case(unittest.TestCase):
        def test(self):
            raise AssertionError("this test is skipped")

    skip = unittest.skip("not today")
    case = skip(mock_inference_experiment(Case)) if order == "skip above" else mock_inference_experiment(skip(Case))

    assert outcome(case)[1:] == ([], ["not today"])


def test_debug_runs_a_test_in_the_mock():
    """TestCase.debug(), which runs a test without a result, is mocked from setUp to clean-up."""
    steps = []

    @mock_inference_experiment
    class Case(unittest.TestCase):
        def setUp(self):
            launch("of-the-test")
            self.addCleanup(lambda: steps.append(seen()))

        def test(self):
            steps.append(seen())

    Case("test").debug()

    assert steps == [["of-the-test"], ["of-the-test"]]
    assert seen() == [ON_AWS]


def test_the_decorator_returns_the_class_itself():
    """isinstance, super() and pickle work as without the decorator."""

    class Case(unittest.TestCase):
        """A docstring."""

    assert mock_inference_experiment(Case) is Case
    assert Case.__doc__ == "A docstring."
