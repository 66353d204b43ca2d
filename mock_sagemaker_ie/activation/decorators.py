"""Decorators: run functions of every kind, and the tests of a class, inside a mock."""

from __future__ import annotations

import functools
import inspect
import sys
from contextlib import _GeneratorContextManagerBase, aclosing, contextmanager
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from mock_sagemaker_ie.interception.stack import ActiveMock

T = TypeVar("T")


class Activate(Protocol):
    """Returns a context manager that activates a mock with a copy of the state of `origin`, or with an empty one."""

    def __call__(self, *, origin: ActiveMock | None = None) -> AbstractContextManager[ActiveMock]: ...  # noqa: D102


class Activator(Protocol):
    """The part of an Activation that the decorators use."""

    @property
    def activate(self) -> Activate: ...  # noqa: D102
    def enter(self, entered_by: object, *, owner: object) -> Any: ...  # noqa: D102


def decorate(target: T, activator: Activator) -> T:
    """Return `target`, a function of any kind or a test class, so that it runs inside a mock. Its signature is kept.

    Raises TypeError for any other target.
    """
    if isinstance(target, type):
        _decorate_class(target, activator)
        return target
    return _decorate_function(target, activator.activate)  # type: ignore[no-any-return]


def _decorate_function(target: Any, activate: Activate) -> Any:
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(_decorate_function(target.__func__, activate))
    if _is_fixture(target):
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


def _is_fixture(target: Any) -> bool:
    """Return whether pytest.fixture made it, in any version of pytest."""
    return hasattr(target, "_pytestfixturefunction") or hasattr(target, "_fixture_function")


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
        with activate():
            return await target(*args, **kwargs)

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
        lambda result: isinstance(result, (GeneratorType, map, filter)),
        _generator_function,
    ),
)


def _is_function_of(kind: _Kind, target: Any) -> bool:
    """Return whether a function, a partial of it, or an object's `__call__` is marked as one of this kind."""
    while isinstance(target, functools.partial):
        target = target.func
    return kind.is_function(target) or kind.is_function(type(target).__call__)


# --- classes: a mock for the class, in which its set-up works, and for each test a mock with a copy of that state


def _decorate_class(cls: type, activator: Activator) -> None:
    from unittest import TestCase  # noqa: PLC0415 - slow, and only classes need it

    mocks = _ClassMocks(activator)
    class_hooks = _test_case_hooks if issubclass(cls, TestCase) else _pytest_class_hooks
    hooks = {**_pytest_method_hooks(cls, mocks), **class_hooks(cls, mocks)}
    for name, hook in {**hooks, "__init_subclass__": _subclass_hook(cls, activator)}.items():
        if _is_fixture(fixture := inspect.getattr_static(cls, name, None)):
            # A fixture may have the name of a hook; pytest finds it under any name.
            setattr(cls, f"{name}_fixture", fixture)
        setattr(cls, name, hook)


def _subclass_hook(cls: Any, activator: Activator) -> Any:
    """Return an `__init_subclass__` that decorates subclasses, so that their hooks need not call super()."""
    own = vars(cls).get("__init_subclass__")

    def decorate_subclass(subclass: Any, /, **kwargs: Any) -> None:
        if own is None:
            super(cls, subclass).__init_subclass__(**kwargs)
        else:
            own.__get__(None, subclass)(**kwargs)
        _decorate_class(subclass, activator)

    return classmethod(decorate_subclass)


class _ClassMocks:
    """Enters and exits mocks for one decorated class and for the instances of its tests, the owners of the mocks.

    An owner may descend from several decorated classes. The nearest class is the first to enter a mock for it; the
    others leave it alone.
    """

    def __init__(self, activator: Activator) -> None:
        self._activator = activator

    def enter(self, owner: Any) -> bool:
        """Enter a mock for a class or an instance. Return False when it has one already."""
        if stack.entered_for(owner) is not None:
            return False
        self._activator.enter(self, owner=owner)
        return True

    def exit(self, owner: Any) -> None:
        """Exit the mock of `owner`, if this object entered it."""
        active = stack.entered_for(owner)
        if active is not None and active.entered_by is self:
            active.exit(None, None, None)

    @contextmanager
    def around(self, owner: Any) -> Iterator[None]:
        """Make sure that `owner` has a mock during the context."""
        entered = self.enter(owner)
        try:
            yield
        finally:
            if entered:
                self.exit(owner)


def _test_case_hooks(cls: type, mocks: _ClassMocks) -> dict[str, Any]:
    """Return the hooks of a unittest class: `run` encloses setUp, test, tearDown and cleanups, also asynchronous ones.

    Under pytest the test has its mock already, for the fixtures.
    """
    inherited = _inherited(cls)

    def set_up_class(klass: Any) -> None:
        mocks.enter(klass)
        klass.addClassCleanup(mocks.exit, klass)  # It runs also when set-up fails, and after every other cleanup.
        inherited("setUpClass", klass)

    def run(test: Any, result: Any = None) -> Any:
        with mocks.around(test):
            return inherited("run", test, result)

    def debug(test: Any) -> None:
        with mocks.around(test):
            inherited("debug", test)

    return {"setUpClass": classmethod(set_up_class), "run": run, "debug": debug}


def _pytest_class_hooks(cls: type, mocks: _ClassMocks) -> dict[str, Any]:
    """Return the hooks of a plain class: they run before and after all fixtures of the class."""
    set_up, tear_down = _set_up_and_tear_down(cls, mocks)

    def setup_class(klass: Any) -> None:
        set_up(klass, "setup_class")

    def teardown_class(klass: Any) -> None:
        tear_down(klass, "teardown_class")

    return {"setup_class": classmethod(setup_class), "teardown_class": classmethod(teardown_class)}


def _pytest_method_hooks(cls: type, mocks: _ClassMocks) -> dict[str, Any]:
    """Return the hooks of every class: they run before and after the fixtures of a test."""
    set_up, tear_down = _set_up_and_tear_down(cls, mocks)

    def setup_method(test: Any, method: Any = None) -> None:
        set_up(test, "setup_method", method)

    def teardown_method(test: Any, method: Any = None) -> None:
        tear_down(test, "teardown_method", method)

    return {"setup_method": setup_method, "teardown_method": teardown_method}


def _set_up_and_tear_down(cls: type, mocks: _ClassMocks) -> tuple[Callable[..., None], Callable[..., None]]:
    inherited = _inherited(cls)

    def set_up(owner: Any, hook: str, *args: Any) -> None:
        mocks.enter(owner)
        try:
            inherited(hook, owner, *args)
        except BaseException:
            mocks.exit(owner)  # pytest tears down only what was set up.
            raise

    def tear_down(owner: Any, hook: str, *args: Any) -> None:
        try:
            inherited(hook, owner, *args)
        finally:
            mocks.exit(owner)

    return set_up, tear_down


def _inherited(cls: type) -> Callable[..., Any]:
    """Return a function that calls the hook that `cls` or its bases had before the class was decorated."""
    own = dict(vars(cls))

    def call(name: str, owner: Any, *args: Any) -> Any:
        if name in own:
            hook = own[name].__get__(
                None if isinstance(owner, type) else owner, owner if isinstance(owner, type) else type(owner)
            )
        else:
            hook = getattr(super(cls, owner), name, None)
        if hook is None or _is_fixture(hook):
            return None
        if isinstance(owner, type) and not inspect.ismethod(hook):
            args = (owner, *args)  # setup_class may be a plain function; pytest passes the class.
        accepted = len(inspect.signature(hook).parameters)
        return hook(*args[:accepted])  # setup_method need not take the method.

    return call
