"""The decorator on plain test classes: each test runs in a copy of the mock in which its class was set up.

The test classes here are themselves the examples.
"""

from __future__ import annotations

import dataclasses
import unittest
from enum import Enum
from typing import NamedTuple

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, account, client, launch, seen
from tests.requests import stop

ACCOUNT = "210987654321"


class InheritedTests:
    """Tests that classes inherit; `existing` are the experiments that exist when each test begins."""

    existing = ()

    def test_begins_with_the_experiments_of_set_up(self):
        """The experiments that set-up created exist."""
        assert seen() == list(self.existing)

    @pytest.mark.parametrize("number", [1, 2])
    def test_does_not_see_experiments_of_other_tests(self, number):
        """Experiments of another test, or of the same test with other parameters, do not exist."""
        launch("of-this-test")

        assert seen() == [*self.existing, "of-this-test"]


@mock_inference_experiment
class TestPlain(InheritedTests):
    """A class without set-up: its tests, inherited and its own, begin with an empty mock."""

    def test_of_its_own(self):
        assert seen() == []

    @staticmethod
    def test_static():
        assert seen() == []

    @classmethod
    def test_of_the_class(cls):
        assert seen() == []

    @pytest.mark.asyncio
    async def test_async(self):
        assert seen() == []


@mock_inference_experiment(account_id=ACCOUNT)
class TestWithOptions:
    """Options apply to set-up and to tests."""

    def setup_class(self):
        self.account_in_set_up = account()

    def test_options(self):
        assert self.account_in_set_up == ACCOUNT
        assert len(seen()) == 1
        assert ACCOUNT in launch()


@mock_inference_experiment
class TestSetUp(InheritedTests):
    """Set-up, fixtures and tear-down of a test run in the test's mock."""

    existing = ("of-the-class", "of-the-method", "of-the-fixture")

    @classmethod
    def setup_class(cls):
        launch("of-the-class")

    def setup_method(self, method):
        launch("of-the-method")
        self.tested = method.__name__

    @pytest.fixture(autouse=True)
    def _fixture(self):
        launch("of-the-fixture")
        yield
        assert seen()[:3] == list(self.existing)

    def test_attributes_that_set_up_assigned(self):
        assert self.tested == "test_attributes_that_set_up_assigned"

    @pytest.mark.parametrize("number", [1, 2])
    def test_changes_a_copy_of_the_experiments_of_set_up(self, number):
        """Each test can stop the experiment that the class launched once."""
        client().stop_inference_experiment(**stop("of-the-class"))

    def teardown_method(self):
        assert seen()[:3] == list(self.existing)

    @classmethod
    def teardown_class(cls):
        assert seen() == ["of-the-class"]


@mock_inference_experiment
class TestSetUpWithoutArguments(InheritedTests):
    """Set-up methods may be static and take no arguments."""

    existing = ("of-the-class", "of-the-method")

    @staticmethod
    def setup_class():
        launch("of-the-class")

    @staticmethod
    def setup_method():
        launch("of-the-method")


class SetUp:
    """Set-up that classes inherit."""

    def setup_class(self):
        launch("of-the-class")

    def setup_method(self):
        launch("of-the-method")

    def teardown_method(self):
        assert "of-the-method" in seen()


@mock_inference_experiment
class TestInheritedSetUp(InheritedTests, SetUp):
    """Set-up may be inherited from a class that is not decorated."""

    existing = ("of-the-class", "of-the-method")


@mock_inference_experiment
class TestFixtureNamedAsSetUp(InheritedTests):
    """A fixture may have the name of a set-up method."""

    existing = ("of-the-fixture",)

    @pytest.fixture(autouse=True)
    def setup_method(self):
        launch("of-the-fixture")


class TestUndecoratedSubclass(TestPlain):
    """A subclass of a decorated class is mocked, its own set-up included."""

    existing = ("of-the-class", "of-the-method")

    @classmethod
    def setup_class(cls):
        launch("of-the-class")

    def setup_method(self):
        launch("of-the-method")

    test_of_its_own = test_static = test_of_the_class = test_async = None


class TestSubclassThatCallsSuper(TestInheritedSetUp):
    """Set-up may call super(), as without the decorator."""

    existing = ("of-the-class", "of-the-method", "of-the-subclass")

    def setup_method(self):
        super().setup_method()
        launch("of-the-subclass")

    def teardown_method(self):
        super().teardown_method()
        assert seen()[:3] == list(self.existing)


@mock_inference_experiment
class TestDecoratedSubclass(TestWithOptions):
    """The options of a decorated subclass replace those of its decorated base class."""

    def test_options(self):
        assert self.account_in_set_up == "123456789012"
        assert len(seen()) == 1


@mock_inference_experiment
class TestDecoratedMethod:
    """The decorator of a method replaces that of its class."""

    def setup_method(self):
        launch("of-the-method")

    @mock_inference_experiment(account_id=ACCOUNT)
    def test_decorated_method(self):
        assert seen() == []
        assert account() == ACCOUNT

    def test_another_method(self):
        assert seen() == ["of-the-method"]


class WithInit:
    """A class that pytest does not take for a test class."""

    def __init__(self, name="name"):
        self.name = name


@pytest.mark.parametrize(
    "target", [WithInit, dataclasses.make_dataclass("Data", ["name"]), NamedTuple("Tuple", [("name", str)]), Enum, str]
)
def test_a_class_that_is_no_test_class_is_refused(target):
    """pytest would never run it, so nothing in it would be mocked."""
    with pytest.raises(TypeError, match="pytest takes no such class for a test class; decorate its methods"):
        mock_inference_experiment(target)


# --- classes within classes


@mock_inference_experiment(account_id=ACCOUNT)
class TestOuter:
    """The decorator applies to the classes inside too, with its options."""

    class TestInner(InheritedTests):
        """Without set-up, tests begin with an empty mock."""

        def test_options(self):
            assert account() == ACCOUNT

        class TestInnermost(InheritedTests):
            """The same holds at any depth."""

            def test_options(self):
                assert account() == ACCOUNT

    @mock_inference_experiment(account_id="222222222222")
    class TestDecoratedInner(InheritedTests):
        """The options of a decorated inner class replace those of the outer class."""

        def test_options(self):
            assert account() == "222222222222"

    class TestInnerSubclass(TestSetUp):
        """A subclass of a decorated class, with its own set-up and options."""

    @mock_inference_experiment
    class TestInnerSubclassWithSetUp(SetUp):
        """A class whose set-up is inherited."""

        def test_set_up(self):
            assert seen() == ["of-the-class", "of-the-method"]

    class TestCase(unittest.TestCase):
        """A TestCase."""

        def setUp(self):
            launch("of-the-test")

        def test_set_up(self):
            assert seen() == ["of-the-test"]

        def test_options(self):
            assert account() == ACCOUNT

    class Color(Enum):
        """A class that is no test class is left alone."""

        RED = "red"

    def test_the_class_of_another_purpose(self):
        assert [*self.Color] == [self.Color.RED]
        assert not hasattr(self.Color, "setup_method")


class OuterSetUp:
    """An outer class with set-up and fixtures, and an inner class with its own."""

    @classmethod
    def setup_class(cls):
        launch("of-the-outer-class")

    @pytest.fixture(autouse=True)
    def _outer_fixture(self):
        launch("of-the-outer-fixture")
        yield
        assert "of-the-outer-fixture" in seen()

    @classmethod
    def teardown_class(cls):
        assert seen()[0] == "of-the-outer-class"


class InnerSetUp(InheritedTests):
    """pytest runs the set-up of the outer class, its fixtures, and then the set-up of the inner class."""

    pytestmark = pytest.mark.skipif(
        pytest.version_tuple < (8, 2), reason="this pytest gives fixtures of the outer class another instance"
    )
    existing = ("of-the-outer-class", "of-the-inner-class", "of-the-outer-fixture", "of-the-method", "of-the-fixture")

    def setup_class(self):
        launch("of-the-inner-class")

    def setup_method(self, method):
        launch("of-the-method")
        self.tested = method.__name__

    @pytest.fixture(autouse=True)
    def _fixture(self):
        launch("of-the-fixture")
        yield
        assert seen()[:5] == [*self.existing]

    def test_attributes_that_set_up_assigned(self):
        assert self.tested == "test_attributes_that_set_up_assigned"

    def teardown_method(self):
        assert seen()[:5] == [*self.existing]

    def teardown_class(self):
        assert seen() == ["of-the-outer-class", "of-the-inner-class"]


@mock_inference_experiment
class TestOuterSetUp(OuterSetUp):
    """An inner class starts with a copy of the state of the outer class, which has tests of its own before."""

    def test_of_the_outer_class(self):
        assert seen() == ["of-the-outer-class", "of-the-outer-fixture"]

    class TestInner(InnerSetUp):
        """Each set-up has run once, in pytest's order."""


@mock_inference_experiment
class TestOuterWithoutTests(OuterSetUp):
    """pytest sets up the outer class for each inner class, because it has no tests of its own."""

    class TestInner(InnerSetUp):
        """Each set-up has run once, in pytest's order."""

    class TestAnotherInner(InnerSetUp):
        """A second class begins anew."""


class TestSubclassOfOuter(TestOuterSetUp):
    """Inner classes are inherited as other attributes are."""


TestInnerByAnotherName = TestOuter.TestInner
TestInnerWithSetUpByAnotherName = TestOuter.TestInnerSubclassWithSetUp


@pytest.mark.parametrize("inner", ["setup_class", "setup_method", "test", "teardown_method", "teardown_class"])
def test_a_failure_in_any_hook_of_an_inner_class_exits_the_mocks(pytester, inner):
    """Wherever an inner class fails, the next test is not mocked."""
    pytester.makepyfile(f"""
        from mock_sagemaker_ie import mock_inference_experiment
        from tests.aws import ON_AWS, seen

        @mock_inference_experiment
        class TestOuter:
            class TestFailing:
                def test(self):
                    assert seen() == []

                def {inner}(self):
                    assert seen() != []

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-p", "no:asyncio")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", outcomes.get("error", 0)) == 1
    result.stdout.no_fnmatch_line("*test_after*")


@pytest.mark.parametrize(
    ("hook", "outcomes"),
    [
        ("setup_class", {"errors": 1, "passed": 1}),
        ("setup_method", {"errors": 1, "passed": 1}),
        ("test", {"failed": 1, "passed": 1}),
        ("teardown_method", {"errors": 1, "passed": 2}),
        ("teardown_class", {"errors": 1, "passed": 2}),
    ],
)
def test_a_failure_in_any_hook_exits_the_mock(pytester, hook, outcomes):
    """Wherever a class fails, pytest reports that failure, and the next test is not mocked."""
    pytester.makepyfile(f"""
        from mock_sagemaker_ie import mock_inference_experiment
        from tests.aws import ON_AWS, seen

        @mock_inference_experiment
        class TestFailing:
            def test(self):
                assert seen() == []

            def {hook}(self):
                assert seen() != []

        def test_after():
            assert seen() == [ON_AWS]
    """)

    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-p", "no:asyncio")

    result.assert_outcomes(**outcomes)


def test_after_its_tests_the_mock_of_a_class_is_exited():
    """No mock of the classes above answers."""
    assert seen() == [ON_AWS]
