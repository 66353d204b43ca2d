"""The decorator on unittest's TestCases: every test runs in a copy of the world in which its class was set up.

The classes at the top level are run by pytest and by unittest; those in functions by unittest only.
"""

from __future__ import annotations

import unittest

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, account, launch, seen

ACCOUNT = "210987654321"


class InheritedCase:
    """Tests and set-up for TestCases to inherit; every hook checks that it runs in the world it should."""

    of_the_class = ["of-the-class"]  # noqa: RUF012 - never changed
    of_the_test = ["of-the-class", "of-the-test"]  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        launch("of-the-class")
        cls.addClassCleanup(cls.check_class)

    def setUp(self):
        launch("of-the-test")
        self.addCleanup(self.check_test)

    def test_sees_what_set_up_made(self):
        self.check_test()

    def test_sees_nothing_of_its_neighbours(self):
        launch("of-a-neighbour")
        assert seen() == [*self.of_the_test, "of-a-neighbour"]

    def test_neither_does_this_one(self):
        launch("of-a-neighbour")

    def test_subtests_share_the_world_of_their_test(self):
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
    """A TestCase: setUpClass, setUp, the test, tearDown, tearDownClass and clean-ups of both kinds are mocked."""


@mock_inference_experiment
class TestAsyncUnittest(InheritedCase, unittest.IsolatedAsyncioTestCase):
    """So are they, and their asynchronous kin, for an IsolatedAsyncioTestCase."""

    async def asyncSetUp(self):
        launch("of-the-async-set-up")
        self.addAsyncCleanup(self.check_async)

    async def asyncTearDown(self):
        await self.check_async()

    async def test_async(self):
        await self.check_async()

    async def check_async(self):
        assert seen() == [*self.of_the_test, "of-the-async-set-up"]

    test_sees_nothing_of_its_neighbours = test_neither_does_this_one = None
    test_subtests_share_the_world_of_their_test = None


class TestUndecoratedSubclassOfUnittest(TestUnittest):
    """A subclass inherits the decoration, also where its own set-up does not call super()."""

    of_the_class = ["of-the-subclass"]  # noqa: RUF012
    of_the_test = ["of-the-subclass", "of-the-test"]  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        launch("of-the-subclass")


@mock_inference_experiment(account_id=ACCOUNT)
class TestDecoratedSubclassOfUnittest(TestUnittest):
    """Where base and subclass are decorated, the subclass's options are the nearer ones."""

    def test_options(self):
        assert account() == ACCOUNT


@mock_inference_experiment
class TestFixturesOfUnittest(unittest.TestCase):
    """pytest's fixtures are a TestCase's too, and belong to its tests."""

    @classmethod
    def setUpClass(cls):
        launch("of-the-class")

    @pytest.fixture(autouse=True)
    def _fixture(self):
        launch("of-the-fixture")
        yield
        assert seen() == ["of-the-class", "of-the-fixture", "of-the-test"]

    def test_sees_what_its_fixture_made(self):
        launch("of-the-test")
        assert seen() == ["of-the-class", "of-the-fixture", "of-the-test"]

    def test_sees_nothing_of_its_neighbours_fixture(self):
        self.test_sees_what_its_fixture_made()


def outcome(case):
    """What unittest says of a class: how many tests it ran, and the texts of failures, errors and skips."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = [text for _, text in [*result.failures, *result.errors]]
    return result.testsRun, problems, [reason for _, reason in result.skipped]


@pytest.mark.parametrize(
    "case", [TestUnittest, TestAsyncUnittest, TestUndecoratedSubclassOfUnittest, TestDecoratedSubclassOfUnittest]
)
def test_unittest_runs_them_as_pytest_does(case):
    """The classes above pass when unittest runs them, and leave nothing behind."""
    tests_run, problems, _ = outcome(case)

    assert tests_run > 0
    assert problems == []
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("hook", ["setUpClass", "setUp", "test", "tearDown", "tearDownClass"])
def test_a_failure_anywhere_ends_the_world(hook):
    """Whatever of a TestCase fails, the report is its own, and nothing of the mock stays behind."""

    def fail(_):
        assert seen() == []
        raise ZeroDivisionError("division by zero in " + hook)

    namespace = {"test": lambda _: None, hook: classmethod(fail) if hook.endswith("Class") else fail}
    case = mock_inference_experiment(type("Case", (unittest.TestCase,), namespace))

    _, (problem,), _ = outcome(case)

    assert f"division by zero in {hook}" in problem
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("hook", ["setUpClass", "setUp", "test"])
def test_skipping_anywhere_ends_the_world(hook):
    """A test that is skipped half-way is skipped, not failed, and nothing of the mock stays behind."""

    def skip(_):
        launch()
        raise unittest.SkipTest("not today")

    namespace = {"test": lambda _: None, hook: classmethod(skip) if hook.endswith("Class") else skip}
    case = mock_inference_experiment(type("Case", (unittest.TestCase,), namespace))

    assert outcome(case)[1:] == ([], ["not today"])
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("order", ["skip above", "skip below"])
def test_a_skipped_class_is_skipped(order):
    """unittest.skip works above and below the decorator."""

    class Case(unittest.TestCase):
        def test(self):
            raise AssertionError("it was to be skipped")

    skip = unittest.skip("not today")
    case = skip(mock_inference_experiment(Case)) if order == "skip above" else mock_inference_experiment(skip(Case))

    assert outcome(case)[1:] == ([], ["not today"])


def test_debug_runs_a_test_inside_the_mock():
    """TestCase.debug(), which runs a test without collecting its outcome, is mocked from setUp to clean-up."""
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


def test_a_decorated_class_stays_what_it_is():
    """It is the same class, so that isinstance, super() and pickle go on working."""

    class Case(unittest.TestCase):
        """A docstring."""

    assert mock_inference_experiment(Case) is Case
    assert Case.__doc__ == "A docstring."
