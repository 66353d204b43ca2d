"""Decorators: run functions of every kind inside a mock; class_decorator has test classes."""

from __future__ import annotations

import functools
import inspect
import sys
from contextlib import _GeneratorContextManagerBase, aclosing
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mock_sagemaker_ie.activation.class_decorator import decorate_class, is_fixture

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from mock_sagemaker_ie.activation.class_decorator import Activate, Activator

T = TypeVar("T")


def decorate(target: T, activator: Activator) -> T:
    """Return `target`, a function of any kind or a test class, so that it runs inside a mock. Its signature is kept.

    Raises TypeError for any other target.
    """
    if isinstance(target, type):
        decorate_class(target, activator)
        return target
    return _decorate_function(target, activator.activate)  # type: ignore[no-any-return]


def _decorate_function(target: Any, activate: Activate) -> Any:
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(_decorate_function(target.__func__, activate))
    if is_fixture(target):
        raise TypeError(f"{target!r} is a fixture already: put @mock_inference_experiment below @pytest.fixture")
    if not callable(target):
        below = f"; put @mock_inference_experiment below @{type(target).__name__}" * hasattr(target, "__get__")
        raise TypeError(f"cannot decorate {target!r}: expected a function or a test class{below}")
    if _is_hypothesis_test(target):
        # Hypothesis calls this function for each example, and lets plugins replace it.
        target.hypothesis.inner_test = _decorate_function(target.hypothesis.inner_test, activate)
        return target
    wrap = next((kind.wrap for kind in _KINDS if _is_function_of(kind, target)), _function)
    return functools.wraps(target)(wrap(target, activate))


def _is_hypothesis_test(target: Any) -> bool:
    return getattr(target, "is_hypothesis_test", False) is True and hasattr(target, "hypothesis")


# --- functions: the mock is active from call to return, or from the first step of a generator to its last


def _function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activate() as active:
            result = target(*args, **kwargs)
        # What the result has still to run continues from the state at the return.
        return _continue(target, result, functools.partial(activate, origin=active))

    return wrapper


def _continue(target: Any, result: Any, activate: Activate) -> Any:
    """Return the result of a function so that the work that it has deferred runs inside a mock.

    Raises TypeError for a result that works by itself, after the mock has ended.
    """
    if result is None:
        return None
    if isinstance(result, _GeneratorContextManagerBase):
        return type(result)(_decorate_function(result.func, activate), result.args, result.kwds)
    if _is_pending_future(result):
        result.cancel()
        raise TypeError(
            f"{target!r} returned {result!r}, which would go on outside the mock: wait for it in the decorated function"
            " (await it in a coroutine function), or decorate the function that it runs"
        )
    for kind in _KINDS:
        if kind.is_result(result):
            return kind.wrap(lambda: result, activate)()
    return result


def _is_pending_future(result: Any) -> bool:
    """Return whether it is an unfinished Future (or Task) of asyncio or of concurrent.futures."""
    modules = [sys.modules[name] for name in ("asyncio", "concurrent.futures") if name in sys.modules]
    return any(isinstance(result, module.Future) for module in modules) and not result.done()


def _coroutine_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activate() as active:
            result = await target(*args, **kwargs)
        return _continue(target, result, functools.partial(activate, origin=active))

    return wrapper


def _generator_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with activate():
            return (yield from target(*args, **kwargs))

    return wrapper


def _async_generator_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        # Python has no `yield from` for async generators; this does the same.
        with activate():
            async with aclosing(target(*args, **kwargs)) as generator:
                step = generator.__anext__()
                while True:
                    try:
                        value = await step
                    except StopAsyncIteration:
                        return
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 - the generator handles it
                        step = generator.athrow(error)
                    else:
                        step = generator.asend(sent)

    return wrapper


def _is_awaited(generator_function: Any) -> bool:
    """Return whether types.coroutine made it: its result is awaited, not iterated."""
    code = getattr(generator_function, "__code__", None)
    return bool(code and code.co_flags & inspect.CO_ITERABLE_COROUTINE)


def _is_lazy_iterator(result: Any) -> bool:
    """Return whether it is a generator, or an iterator of Python's own that calls functions or iterates generators."""
    return isinstance(result, (GeneratorType, map, filter, zip, enumerate)) or type(result).__module__ == "itertools"


class _Kind(NamedTuple):
    """A kind of function that does its work after the call, when its result is awaited or iterated.

    `is_function`: whether a function is marked as one. `is_result`: whether a function that is not marked gave such a
    result. `wrap`: makes the function that runs inside a mock.
    """

    is_function: Callable[[Any], bool]
    is_result: Callable[[Any], bool]
    wrap: Callable[[Callable[..., Any], Activate], Callable[..., Any]]


_KINDS = (
    _Kind(inspect.iscoroutinefunction, inspect.isawaitable, _coroutine_function),
    _Kind(inspect.isasyncgenfunction, inspect.isasyncgen, _async_generator_function),
    _Kind(
        lambda target: inspect.isgeneratorfunction(target) and not _is_awaited(target),
        _is_lazy_iterator,
        _generator_function,
    ),
)


def _is_function_of(kind: _Kind, target: Any) -> bool:
    """Return whether a function, a partial of it, or an object's `__call__` is marked as one of this kind."""
    while isinstance(target, functools.partial):
        target = target.func
    return kind.is_function(target) or kind.is_function(type(target).__call__)
