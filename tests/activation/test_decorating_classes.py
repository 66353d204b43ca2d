"""The decorator on plain test classes: every test runs in a copy of the world in which its class was set up.

These are such classes, as pytest runs them.
"""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, account, client, launch, seen
from tests.requests import stop

ACCOUNT = "210987654321"


class InheritedTests:
    """Tests for classes to inherit, which say what is there when they begin."""

    there = ()

    def test_begins_with_what_set_up_made(self):
        """What set-up made is there."""
        assert seen() == list(self.there)

    @pytest.mark.parametrize("number", [1, 2])
    def test_sees_nothing_of_its_neighbours(self, number):
        """What another test made is not there, nor what another set of parameters did."""
        launch("of-a-neighbour")

        assert seen() == [*self.there, "of-a-neighbour"]


@mock_inference_experiment
class TestPlain(InheritedTests):
    """A class without any set-up: its tests, inherited and its own, begin with an empty world."""

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
    """Options hold for set-up and tests alike."""

    def setup_class(self):
        self.account_in_set_up = account()

    def test_options(self):
        assert self.account_in_set_up == ACCOUNT
        assert len(seen()) == 1
        assert ACCOUNT in launch()


@mock_inference_experiment
class TestSetUp(InheritedTests):
    """All that pytest does before and after a test of the class happens in the test's world."""

    there = ("of-the-class", "of-the-method", "of-the-fixture")

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
        assert seen()[:3] == list(self.there)

    def test_what_set_up_left_on_the_instance(self):
        assert self.tested == "test_what_set_up_left_on_the_instance"

    @pytest.mark.parametrize("number", [1, 2])
    def test_may_change_what_set_up_made(self, number):
        """It changes a copy, so what can be done once can be done in each test."""
        client().stop_inference_experiment(**stop("of-the-class"))

    def teardown_method(self):
        assert seen()[:3] == list(self.there)

    @classmethod
    def teardown_class(cls):
        assert seen() == ["of-the-class"]


@mock_inference_experiment
class TestSetUpWithoutArguments(InheritedTests):
    """Set-up methods may be static, or take no more than they need."""

    there = ("of-the-class", "of-the-method")

    @staticmethod
    def setup_class():
        launch("of-the-class")

    @staticmethod
    def setup_method():
        launch("of-the-method")


class SetUp:
    """Set-up for classes to inherit."""

    def setup_class(self):
        launch("of-the-class")

    def setup_method(self):
        launch("of-the-method")

    def teardown_method(self):
        assert "of-the-method" in seen()


@mock_inference_experiment
class TestInheritedSetUp(InheritedTests, SetUp):
    """Set-up may come from a base that knows no mock."""

    there = ("of-the-class", "of-the-method")


@mock_inference_experiment
class TestFixtureNamedAsSetUp(InheritedTests):
    """pytest lets a fixture have any name."""

    there = ("of-the-fixture",)

    @pytest.fixture(autouse=True)
    def setup_method(self):
        launch("of-the-fixture")


class TestUndecoratedSubclass(TestPlain):
    """A class inherits its base's decoration with its tests, and whatever it does in set-up is mocked too."""

    there = ("of-the-class", "of-the-method")

    @classmethod
    def setup_class(cls):
        launch("of-the-class")

    def setup_method(self):
        launch("of-the-method")

    test_of_its_own = test_static = test_of_the_class = test_async = None


class TestSubclassThatCallsSuper(TestInheritedSetUp):
    """Set-up that calls super(), as it would without the decorator, adds to what its base does."""

    there = ("of-the-class", "of-the-method", "of-the-subclass")

    def setup_method(self):
        super().setup_method()
        launch("of-the-subclass")

    def teardown_method(self):
        super().teardown_method()
        assert seen()[:3] == list(self.there)


@mock_inference_experiment
class TestDecoratedSubclass(TestWithOptions):
    """Where base and subclass are decorated, the subclass's options are the nearer ones."""

    def test_options(self):
        assert self.account_in_set_up == "123456789012"
        assert len(seen()) == 1


@mock_inference_experiment
class TestDecoratedMethod:
    """A method's own decorator is the nearest."""

    def setup_method(self):
        launch("of-the-method")

    @mock_inference_experiment(account_id=ACCOUNT)
    def test_decorated_method(self):
        assert seen() == []
        assert account() == ACCOUNT

    def test_its_neighbour(self):
        assert seen() == ["of-the-method"]


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
def test_a_failure_anywhere_ends_the_world(pytester, hook, outcomes):
    """Whatever of a class fails, the report is its own, and the next test is not mocked by what remained."""
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


def test_nothing_of_the_classes_above_remains():
    """When a class's tests are over, so is its world."""
    assert seen() == [ON_AWS]
