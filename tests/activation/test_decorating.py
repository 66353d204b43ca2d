"""The decorator on functions of every kind: each call runs in an empty mock, and the function's metadata is kept."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen


def function(name, *, fail=False):
    """Launch an experiment and return the names of all experiments."""
    launch(name)
    if fail:
        raise ZeroDivisionError
    return seen()


async def coroutine_function(name, *, fail=False):
    """Launch an experiment and return the names of all experiments, after another step of the event loop."""
    launch(name)
    await asyncio.sleep(0)
    if fail:
        raise ZeroDivisionError
    return seen()


def generator_function(name, *, fail=False):
    """Launch an experiment and yield the names of all experiments."""
    launch(name)
    if fail:
        raise ZeroDivisionError
    yield seen()


async def async_generator_function(name, *, fail=False):
    """Launch an experiment and yield the names of all experiments, after another step of the event loop."""
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
    """Run what a call of a function of any kind gave, and return what it returns or yields last."""

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
def test_each_call_runs_in_an_empty_mock(target, decorator):
    """The experiment of one call does not exist in the next call, nor afterwards."""
    decorated = decorator(target)

    assert run(decorated("first")) == ["first"]
    assert run(decorated("second")) == ["second"]
    assert seen() == [ON_AWS]


def test_options_of_the_decorator_apply_to_each_call():
    """A call runs in a mock with the options in the parentheses."""

    @mock_inference_experiment(account_id="210987654321")
    def decorated():
        return launch()

    assert ":210987654321:" in decorated()


@every_kind
def test_an_error_exits_the_mock_and_is_raised(target):
    """The function's own error is raised, and no mock answers afterwards."""
    with pytest.raises(ZeroDivisionError):
        run(mock_inference_experiment(target)("first", fail=True))

    assert seen() == [ON_AWS]


@every_kind
def test_a_decorated_function_keeps_its_metadata(target):
    """Name, docstring, signature and kind of function are kept, for pytest and inspect."""
    decorated = mock_inference_experiment(target)

    assert (decorated.__name__, decorated.__doc__) == (target.__name__, target.__doc__)
    assert inspect.signature(decorated) == inspect.signature(target)
    assert [is_kind(decorated) for is_kind in KINDS.values()] == [is_kind(target) for is_kind in KINDS.values()]


@every_kind
def test_the_mock_is_entered_when_the_function_runs(target):
    """Decorating enters no mock; neither does calling a coroutine or generator function."""
    decorated = mock_inference_experiment(target)
    assert seen() == [ON_AWS]

    if target is not function:
        pending = decorated("later")
        assert seen() == [ON_AWS]
        assert run(pending) == ["later"]


def test_a_decorated_function_may_call_itself():
    """The inner call runs in an empty mock of its own; the caller's mock answers again when it returns."""

    @mock_inference_experiment
    def decorated(name, inner=None):
        launch(name)
        return seen(), inner and decorated(inner), seen()

    assert decorated("outer", inner="inner") == (["outer"], (["inner"], None, ["inner"]), ["outer"])


@mock_inference_experiment
@pytest.mark.parametrize("number", [1, 2])
def test_parameters_and_fixtures_reach_a_decorated_test(number, tmp_path):
    """pytest passes the same arguments as without the decorator."""
    assert (number in (1, 2), tmp_path.is_dir(), seen()) == (True, True, [])


@pytest.mark.asyncio
@mock_inference_experiment
async def test_pytest_asyncio_runs_a_decorated_test():
    """pytest-asyncio recognizes the decorated coroutine function."""
    assert seen() == []


class TestMethods:
    """The decorator on a single method."""

    @mock_inference_experiment
    def test_a_decorated_method(self):
        """The first argument is the instance."""
        assert (type(self), seen()) == (TestMethods, [])

    def test_another_method_is_not_mocked(self):
        """The decorator applies to one method only."""
        assert seen() == [ON_AWS]


@pytest.mark.parametrize("target", [functools.partial(function, "partial"), lambda: function("lambda")])
def test_any_callable_can_be_decorated(target):
    """A partial and a lambda can be decorated like a function."""
    assert len(mock_inference_experiment(target)()) == 1
    assert seen() == [ON_AWS]


# --- generators, above all fixtures


@pytest.fixture
@mock_inference_experiment
def launched():
    """A fixture that is set up and torn down in the same mock."""
    launch("by-the-fixture")
    yield
    assert seen() == ["by-the-fixture", "by-the-test"]


def test_the_mock_of_a_fixture_answers_the_test(launched):
    """From the first step of a decorated generator to its last, its mock answers."""
    launch("by-the-test")

    assert seen() == ["by-the-fixture", "by-the-test"]


def test_a_decorated_generator_passes_values_and_errors_through():
    """Values and errors that are sent, thrown, yielded and returned arrive unchanged."""

    @mock_inference_experiment
    def echo():
        sent = yield "first"
        try:
            yield sent
        except KeyError as error:
            yield error
        return "last"

    generator = echo()
    assert next(generator) == "first"
    assert generator.send("sent") == "sent"
    assert generator.throw(error := KeyError()) is error
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == "last"
    assert seen() == [ON_AWS]


def test_closing_a_generator_exits_its_mock():
    """The generator's clean-up still runs in the mock."""
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
async def test_a_decorated_async_generator_passes_values_and_errors_through():
    """Values and errors that are sent, thrown and yielded arrive unchanged, and the mock answers in between."""

    @mock_inference_experiment
    async def echo():
        launch("in-echo")
        sent = yield "first"
        try:
            yield sent
        except KeyError as error:
            yield error

    generator = echo()
    assert await anext(generator) == "first"
    assert seen() == ["in-echo"]
    assert await generator.asend("sent") == "sent"
    assert await generator.athrow(error := KeyError()) is error
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
    assert seen() == [ON_AWS]


@pytest.mark.asyncio
async def test_closing_an_async_generator_exits_its_mock():
    """The generator's clean-up still runs in the mock."""
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


# --- objects that cannot be decorated


@pytest.mark.parametrize("scope", ["function", "session"])
def test_the_decorator_above_pytest_fixture_is_refused(scope):
    """The error says that the decorator belongs below @pytest.fixture, where it gets a function."""

    @pytest.fixture(scope=scope)
    def fixture():
        """Return nothing."""

    with pytest.raises(TypeError, match=r"below @pytest\.fixture"):
        mock_inference_experiment(fixture)


@pytest.mark.parametrize("target", ["2026-01-01T09:00:00Z", 1, {"account_id": "123456789012"}])
def test_an_object_that_is_not_callable_is_refused(target):
    """For example, an option without its name cannot be decorated."""
    with pytest.raises(TypeError, match="cannot decorate"):
        mock_inference_experiment(target)
