"""The decorator on functions of every kind: each call runs in a fresh world; the function stays what it was."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen


def function(name, *, fail=False):
    """Launch an experiment and give what is seen."""
    launch(name)
    if fail:
        raise ZeroDivisionError
    return seen()


async def coroutine_function(name, *, fail=False):
    """Launch an experiment and give what is seen, later."""
    launch(name)
    await asyncio.sleep(0)
    if fail:
        raise ZeroDivisionError
    return seen()


def generator_function(name, *, fail=False):
    """Launch an experiment and yield what is seen."""
    launch(name)
    if fail:
        raise ZeroDivisionError
    yield seen()


async def async_generator_function(name, *, fail=False):
    """Launch an experiment and yield what is seen, later."""
    launch(name)
    await asyncio.sleep(0)
    if fail:
        raise ZeroDivisionError
    yield seen()


KINDS = {
    function: callable,
    coroutine_function: inspect.iscoroutinefunction,
    generator_function: inspect.isgeneratorfunction,
    async_generator_function: inspect.isasyncgenfunction,
}
every_kind = pytest.mark.parametrize("target", KINDS, ids=lambda target: target.__name__)


def run(result):
    """What the call of a function of any kind gives in the end, be it returned or yielded."""

    async def last():
        if inspect.isawaitable(result):
            return await result
        return [value async for value in result][-1]

    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        return asyncio.run(last())
    return list(result)[-1] if inspect.isgenerator(result) else result


# --- every kind of function


@every_kind
@pytest.mark.parametrize(
    "decorator", [mock_inference_experiment, mock_inference_experiment()], ids=["bare", "parentheses"]
)
def test_each_call_runs_in_a_fresh_world(target, decorator):
    """What one call makes, the next does not see, and nothing of it remains."""
    decorated = decorator(target)

    assert run(decorated("first")) == ["first"]
    assert run(decorated("second")) == ["second"]
    assert seen() == [ON_AWS]


def test_options_hold_inside():
    """The options in the parentheses are those of each call's world."""

    @mock_inference_experiment(account_id="210987654321")
    def decorated():
        return launch()

    assert ":210987654321:" in decorated()


@every_kind
def test_an_error_inside_ends_the_world_and_is_raised(target):
    """The error is the function's own."""
    with pytest.raises(ZeroDivisionError):
        run(mock_inference_experiment(target)("first", fail=True))

    assert seen() == [ON_AWS]


@every_kind
def test_a_function_stays_what_it_is(target):
    """Name, docstring, signature and kind are kept, so pytest, inspect and readers find what they look for."""
    decorated = mock_inference_experiment(target)

    assert (decorated.__name__, decorated.__doc__) == (target.__name__, target.__doc__)
    assert inspect.signature(decorated) == inspect.signature(target)
    assert [is_kind(decorated) for is_kind in KINDS.values()] == [is_kind(target) for is_kind in KINDS.values()]


@every_kind
def test_nothing_happens_before_the_function_runs(target):
    """Neither decorating nor, for what runs later, calling enters a world."""
    decorated = mock_inference_experiment(target)
    assert seen() == [ON_AWS]

    if target is not function:
        pending = decorated("later")
        assert seen() == [ON_AWS]
        assert run(pending) == ["later"]


def test_a_decorated_function_may_call_itself():
    """The inner call has a world of its own, which hides the caller's until it returns."""

    @mock_inference_experiment
    def decorated(name, then=None):
        launch(name)
        return seen(), then and decorated(then), seen()

    assert decorated("outer", then="inner") == (["outer"], (["inner"], None, ["inner"]), ["outer"])


@mock_inference_experiment
@pytest.mark.parametrize("number", [1, 2])
def test_pytest_still_finds_parameters_and_fixtures(number, tmp_path):
    """Arguments come through as without the decorator."""
    assert (number in (1, 2), tmp_path.is_dir(), seen()) == (True, True, [])


@pytest.mark.asyncio
@mock_inference_experiment
async def test_pytest_still_runs_coroutine_functions():
    """pytest-asyncio sees a coroutine function."""
    assert seen() == []


class TestMethods:
    """Methods are functions."""

    @mock_inference_experiment
    def test_a_method_is_decorated_alone(self):
        """The instance comes through as the first argument."""
        assert (type(self), seen()) == (TestMethods, [])

    def test_its_neighbours_are_not(self):
        """The decorator is for one method only."""
        assert seen() == [ON_AWS]


@pytest.mark.parametrize("target", [functools.partial(function, "partial"), lambda: function("lambda")])
def test_any_callable_will_do(target):
    """It need not have been made by def."""
    assert len(mock_inference_experiment(target)()) == 1
    assert seen() == [ON_AWS]


# --- generators: fixtures, mostly


@pytest.fixture
@mock_inference_experiment
def launched():
    """A fixture that is set up and torn down in one world."""
    launch("by-the-fixture")
    yield
    assert seen() == ["by-the-fixture", "by-the-test"]


def test_a_fixtures_world_holds_for_the_test(launched):
    """From the first step of a generator to its last, its world is the one that answers."""
    launch("by-the-test")

    assert seen() == ["by-the-fixture", "by-the-test"]


def test_a_generator_converses_as_before():
    """What is sent and thrown in, yielded and returned goes through unchanged."""

    @mock_inference_experiment
    def conversation():
        heard = yield "hello"
        try:
            yield heard
        except KeyError as error:
            yield error
        return "goodbye"

    generator = conversation()
    assert next(generator) == "hello"
    assert generator.send("news") == "news"
    assert generator.throw(error := KeyError()) is error
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == "goodbye"
    assert seen() == [ON_AWS]


def test_closing_a_generator_ends_its_world():
    """Its own clean-up still runs inside."""
    cleaned_up = []

    @mock_inference_experiment
    def endless():
        launch("endless")
        try:
            while True:
                yield seen()
        finally:
            cleaned_up.append(seen())

    generator = endless()
    assert next(generator) == seen() == ["endless"]
    generator.close()

    assert cleaned_up == [["endless"]]
    assert seen() == [ON_AWS]


@pytest.mark.asyncio
async def test_an_async_generator_converses_as_before():
    """What is sent and thrown in and yielded goes through unchanged, and the world holds in between."""

    @mock_inference_experiment
    async def conversation():
        launch("conversation")
        heard = yield "hello"
        try:
            yield heard
        except KeyError as error:
            yield error

    generator = conversation()
    assert await anext(generator) == "hello"
    assert seen() == ["conversation"]
    assert await generator.asend("news") == "news"
    assert await generator.athrow(error := KeyError()) is error
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
    assert seen() == [ON_AWS]


@pytest.mark.asyncio
async def test_closing_an_async_generator_ends_its_world():
    """Its own clean-up still runs inside."""
    cleaned_up = []

    @mock_inference_experiment
    async def endless():
        launch("endless")
        try:
            while True:
                yield seen()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(seen())

    generator = endless()
    assert await anext(generator) == seen() == ["endless"]
    await generator.aclose()

    assert cleaned_up == [["endless"]]
    assert seen() == [ON_AWS]


# --- what cannot be decorated


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_fixture_is_decorated_below_pytests_decorator(scope):
    """Above it there is no function left to decorate; the error says where to put it."""

    @pytest.fixture(scope=scope)
    def fixture():
        """Never used."""

    with pytest.raises(TypeError, match=r"below @pytest\.fixture"):
        mock_inference_experiment(fixture)


@pytest.mark.parametrize("target", ["2026-01-01T09:00:00Z", 1, {"account_id": "123456789012"}])
def test_what_is_no_function_is_refused(target):
    """An option without its name, say."""
    with pytest.raises(TypeError, match="cannot decorate"):
        mock_inference_experiment(target)
