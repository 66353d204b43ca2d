"""The decorator on functions of every kind: each call runs in an empty mock, and the function's metadata is kept."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import inspect
import itertools
import types
import unittest.mock

import hypothesis
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


@pytest.mark.parametrize("order", ["above", "below"])
@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_static_and_class_methods_can_be_decorated(order, kind):
    """The decorator works above and below @staticmethod and @classmethod."""

    def names(*arguments):
        return *arguments, *function("first")

    class Tests:
        method = mock_inference_experiment(kind(names)) if order == "above" else kind(mock_inference_experiment(names))

    expected = (Tests, "first") if kind is classmethod else ("first",)
    assert (Tests.method(), Tests().method(), seen()) == (expected, expected, [ON_AWS])


# --- callables that are not marked as what they are


class AsyncCallable:
    """An object that is called like a coroutine function."""

    async def __call__(self, name):
        return await coroutine_function(name)


class GeneratorCallable:
    """An object that is called like a generator function."""

    def __call__(self, name):
        yield from generator_function(name)


class AsyncGeneratorCallable:
    """An object that is called like an async generator function."""

    async def __call__(self, name):
        async for names in async_generator_function(name):
            yield names


class Awaitable:
    """An awaitable object that is not a coroutine."""

    def __init__(self, name):
        self.name = name

    def __await__(self):
        return coroutine_function(self.name).__await__()


def plain(target):
    """Return a plain function that calls another one, as decorators do."""

    @functools.wraps(target)
    def wrapper(*arguments):
        return target(*arguments)

    return wrapper


@types.coroutine
def generator_based_coroutine_function(name):
    """Launch an experiment and return the names of all experiments, after another step of the event loop."""
    yield
    return function(name)


UNMARKED = {
    "partial of a coroutine function": functools.partial(coroutine_function),
    "object with async __call__": AsyncCallable(),
    "partial of an object with async __call__": functools.partial(AsyncCallable()),
    "object with a generator as __call__": GeneratorCallable(),
    "object with an async generator as __call__": AsyncGeneratorCallable(),
    "wrapped coroutine function": plain(coroutine_function),
    "wrapped generator function": plain(generator_function),
    "wrapped async generator function": plain(async_generator_function),
    "generator-based coroutine function": generator_based_coroutine_function,
    "wrapped generator-based coroutine function": plain(generator_based_coroutine_function),
    "function that returns an awaitable": lambda name: Awaitable(name),  # noqa: PLW0108
    "generator expression": lambda name: (function(each) for each in [name]),
    "map": lambda name: map(function, [name]),
    "itertools": lambda name: itertools.starmap(function, [[name]]),
    "cached function": functools.lru_cache(plain(coroutine_function)),
    "patched generator function": unittest.mock.patch("os.sep")(lambda name, _: generator_function(name)),
}


@pytest.mark.parametrize("target", UNMARKED.values(), ids=UNMARKED)
def test_deferred_work_runs_in_the_mock(target):
    """A callable runs in the mock to its end, also when it only gives what runs later, and is not marked as such."""
    decorated = mock_inference_experiment(target)

    assert run(decorated("first")) == ["first"]
    assert run(decorated("second")) == ["second"]
    assert seen() == [ON_AWS]


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (functools.partial(coroutine_function), inspect.iscoroutinefunction),
        (AsyncCallable(), inspect.iscoroutinefunction),
        (GeneratorCallable(), inspect.isgeneratorfunction),
        (AsyncGeneratorCallable(), inspect.isasyncgenfunction),
    ],
)
def test_partials_and_objects_become_functions_of_their_kind(target, kind):
    """Plugins recognize what is decorated: pytest-asyncio runs a decorated object with async __call__."""
    assert kind(mock_inference_experiment(target))


def test_deferred_work_continues_from_the_state_at_the_return():
    """A function may launch an experiment and return a coroutine that sees it."""

    @mock_inference_experiment
    def decorated():
        launch("of-the-function")
        return coroutine_function("of-the-coroutine")

    assert run(decorated()) == ["of-the-function", "of-the-coroutine"]


def test_what_a_coroutine_gives_runs_in_the_mock():
    """A coroutine function may return a generator, an async generator or another coroutine."""

    @mock_inference_experiment
    async def decorated(target):
        launch("of-the-function")
        return target("of-the-result")

    for target in (coroutine_function, generator_function, async_generator_function):
        assert run(run(decorated(target))) == ["of-the-function", "of-the-result"]


def test_deferred_work_side_by_side_has_a_mock_each():
    """Coroutines that plain functions gave, and that run at the same time, share nothing."""
    decorated = mock_inference_experiment(plain(coroutine_function))

    async def together():
        return await asyncio.gather(*[decorated(name) for name in ("first", "second", "third")])

    assert asyncio.run(together()) == [["first"], ["second"], ["third"]]


@pytest.mark.parametrize("start", [asyncio.ensure_future, asyncio.gather])
def test_a_task_is_refused(start):
    """A task goes on by itself, after the mock has ended: it is cancelled, and the error says what to do."""
    started = []

    async def work():
        started.append(seen())

    async def call():
        with pytest.raises(TypeError, match="wait for it in the decorated function"):
            mock_inference_experiment(lambda: start(work()))()
        await asyncio.sleep(0)

    asyncio.run(call())

    assert started == []


def test_a_future_of_a_pool_is_refused_unless_it_is_done():
    """Work that another thread goes on with after the mock has ended is refused."""
    done = concurrent.futures.Future()
    done.set_result("done")

    with pytest.raises(TypeError, match="wait for it in the decorated function"):
        mock_inference_experiment(lambda: concurrent.futures.Future())()  # noqa: PLW0108

    assert mock_inference_experiment(lambda: done)() is done


@contextlib.contextmanager
def context_manager(name):
    """Launch an experiment and give the names of all experiments."""
    launch(name)
    yield seen()


@contextlib.asynccontextmanager
async def async_context_manager(name):
    """Launch an experiment and give the names of all experiments."""
    launch(name)
    yield seen()


@pytest.mark.parametrize("target", [context_manager, plain(context_manager), functools.partial(context_manager)])
def test_a_context_manager_is_in_the_mock_from_its_enter_to_its_exit(target):
    """The decorator above @contextmanager does the same as below it, also when the result is used as a decorator."""
    decorated = mock_inference_experiment(target)

    with decorated("first") as names:
        assert (names, seen()) == (["first"], ["first"])
    assert seen() == [ON_AWS]

    inside = decorated("second")(seen)
    assert (inside(), inside()) == (["second"], ["second"])


@pytest.mark.asyncio
async def test_an_async_context_manager_is_in_the_mock_from_its_enter_to_its_exit():
    """The decorator above @asynccontextmanager does the same as below it."""
    async with mock_inference_experiment(async_context_manager)("first") as names:
        assert (names, seen()) == (["first"], ["first"])

    assert seen() == [ON_AWS]


# --- Hypothesis


@pytest.mark.parametrize("order", ["above", "below"])
def test_each_example_of_hypothesis_runs_in_an_empty_mock(order):
    """The decorator does the same above and below @given."""
    examples = []

    def test(number):
        assert seen() == []
        launch("of-one-example")
        examples.append(number)

    given = hypothesis.given(number=hypothesis.strategies.integers())
    test = mock_inference_experiment(given(test)) if order == "above" else given(mock_inference_experiment(test))
    hypothesis.settings(max_examples=5, database=None, deadline=None)(test)()

    assert len(examples) == 5
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


@pytest.mark.parametrize("kind", [property, functools.cached_property, functools.singledispatchmethod])
def test_a_descriptor_is_refused(kind):
    """The error says that the decorator belongs below it, where it gets a function."""
    with pytest.raises(TypeError, match=f"put @mock_inference_experiment below @{kind.__name__}"):
        mock_inference_experiment(kind(function))


@pytest.mark.parametrize("target", ["2026-01-01T09:00:00Z", 1, {"account_id": "123456789012"}])
def test_an_object_that_is_not_callable_is_refused(target):
    """For example, an option without its name cannot be decorated."""
    with pytest.raises(TypeError, match="cannot decorate"):
        mock_inference_experiment(target)
