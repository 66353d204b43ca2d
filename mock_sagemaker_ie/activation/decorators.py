"""Decorators: run functions of every kind, and the tests of a class, inside a mock."""

from __future__ import annotations

import functools
import inspect
import os
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
    def enter(self, entered_by: object, *, owner: object, origin: ActiveMock | None) -> Any: ...  # noqa: D102


def decorate(target: T, activator: Activator) -> T:
    """Return `target`, a function of any kind or a test class, so that it runs inside a mock. Its signature is kept.

    Raises TypeError for any other target.
    """
    if isinstance(target, type):
        if not _may_be_test_class(target):
            raise TypeError(
                f"cannot decorate {target!r}: it has an __init__ or a __new__, and pytest takes no such class for a"
                " test class; decorate its methods, or the subclass of unittest.TestCase"
            )
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


# --- classes: a mock for the class, in which its set-up works, and for each test a mock with a copy of that state


# The attribute of a decorated class with its _ClassMocks.
_MOCKS = "_mock_inference_experiment"


def _decorate_class(cls: type, activator: Activator) -> None:
    from unittest import TestCase  # noqa: PLC0415 - slow, and only classes need it

    mocks = _ClassMocks(activator)
    class_hooks = _test_case_hooks if issubclass(cls, TestCase) else _pytest_class_hooks
    hooks = {**_pytest_method_hooks(cls, mocks), **class_hooks(cls, mocks)}
    for name, hook in {**hooks, "__init_subclass__": _subclass_hook(cls, activator), _MOCKS: mocks}.items():
        if _is_fixture(fixture := inspect.getattr_static(cls, name, None)):
            # A fixture may have the name of a hook; pytest finds it under any name.
            setattr(cls, f"{name}_fixture", fixture)
        setattr(cls, name, hook)
    for nested in _nested_test_classes(cls):
        if _MOCKS not in vars(nested):
            _decorate_class(nested, activator)
        for each in (nested, *_nested_test_classes(nested, deep=True)):
            vars(each)[_MOCKS].enclosing.add(cls)


def _may_be_test_class(cls: type) -> bool:
    from unittest import TestCase  # noqa: PLC0415

    return issubclass(cls, TestCase) or (cls.__init__ is object.__init__ and cls.__new__ is object.__new__)


def _nested_test_classes(cls: type, *, deep: bool = False) -> Iterator[type]:
    """Return the classes in the body of a class that may be test classes; with `deep`, those in their bodies too."""
    for each in [*vars(cls).values()]:
        # An attribute may also be a class that is defined elsewhere.
        if isinstance(each, type) and _body(each) == (cls.__module__, cls.__qualname__) and _may_be_test_class(each):
            yield each
            if deep:
                yield from _nested_test_classes(each, deep=True)


def _body(cls: type) -> tuple[str, str]:
    """Return the names of the module and of the class in which a class is defined."""
    return cls.__module__, cls.__qualname__.rpartition(".")[0]


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
    others leave it alone. `enclosing`: the decorated classes around this class. pytest calls their hooks for its tests
    too.
    """

    def __init__(self, activator: Activator) -> None:
        self.activator = activator
        self.enclosing: set[type] = set()
        self._set_ups: dict[int, int] = {}

    def enter(self, owner: Any) -> bool:
        """Enter a mock for a class or an instance. Return False when it has one already.

        It starts with a copy of the state of its class, or, for a class, of the class around it.
        """
        if stack.entered_for(owner) is not None:
            return False
        nearest = _mocks_of(owner, self)
        nearest.activator.enter(self, owner=owner, origin=nearest.origin(owner))
        return True

    def origin(self, owner: Any) -> ActiveMock | None:
        """Return the mock with whose state that of an owner starts, if any."""
        if not isinstance(owner, type):
            return stack.entered_for(type(owner))
        enclosing = tuple(self.enclosing)
        return next(
            (
                each
                for each in reversed(stack.active_mocks())
                if isinstance(each.owner, type) and issubclass(each.owner, enclosing)
            ),
            None,
        )

    def exit(self, owner: Any) -> None:
        """Exit the mock of `owner`, if this object entered it."""
        active = stack.entered_for(owner)
        if active is not None and active.entered_by is self:
            active.exit(None, None, None)

    def begin(self, test: Any) -> bool:
        """Count a call of setup_method; return whether it is the one for the test's own class.

        pytest first calls the same method of the test for each class around it that has a method of this name.
        """
        if _mocks_of(test, self) is self:
            self._set_ups[id(test)] = self._set_ups.get(id(test), 0) + 1
        return self.has_begun(test)

    def has_begun(self, test: Any) -> bool:
        """Return whether setup_method was called for the test's own class, or by super()."""
        if _mocks_of(test, self) is not self:
            return True
        return self._set_ups.get(id(test), 0) > min(len(self.enclosing), _outer_classes())

    def end(self, test: Any) -> None:
        """Exit the mock of a test at the last call of teardown_method."""
        left = self._set_ups.pop(id(test), 1) - 1
        if left > 0:
            self._set_ups[id(test)] = left
        else:
            self.exit(test)

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
    inherited = _inherited(cls)

    def setup_class(klass: Any) -> None:
        mocks.enter(klass)
        try:
            inherited("setup_class", klass)
        except BaseException:
            mocks.exit(klass)  # pytest tears down only what was set up.
            raise

    def teardown_class(klass: Any) -> None:
        try:
            inherited("teardown_class", klass)
        finally:
            mocks.exit(klass)

    return {"setup_class": classmethod(setup_class), "teardown_class": classmethod(teardown_class)}


def _pytest_method_hooks(cls: type, mocks: _ClassMocks) -> dict[str, Any]:
    """Return the hooks of every class: they run before and after the fixtures of a test."""
    inherited = _inherited(cls)

    def setup_method(test: Any, method: Any = None) -> None:
        mocks.enter(test)
        if mocks.begin(test):
            try:
                inherited("setup_method", test, method)
            except BaseException:
                mocks.end(test)  # pytest tears down only what was set up.
                raise

    def teardown_method(test: Any, method: Any = None) -> None:
        try:
            if mocks.has_begun(test):
                inherited("teardown_method", test, method)
        finally:
            mocks.end(test)

    return {"setup_method": setup_method, "teardown_method": teardown_method}


def _outer_classes() -> int:
    """Return the number of classes around the class of the test that pytest runs, for whose sake it calls our hooks.

    They may be fewer than at the decoration: a nested class may have another name in the module.
    """
    pytest = sys.modules.get("pytest")
    if pytest is None or pytest.version_tuple < (8, 2):  # It called the hooks of the outer class itself.
        return 0
    # For example "tests/test_rollout.py::TestOuter::TestInner::test_launch[1] (setup)".
    return os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].count("::") - 2


def _mocks_of(owner: Any, default: _ClassMocks) -> _ClassMocks:
    """Return the mocks of the nearest decorated class of a class or an instance."""
    mocks: _ClassMocks = getattr(owner if isinstance(owner, type) else type(owner), _MOCKS, default)
    return mocks


def _inherited(cls: type) -> Callable[..., Any]:
    """Return a function that calls the hook that `cls` or its bases had before the class was decorated."""
    own = dict(vars(cls))

    def call(name: str, owner: Any, *args: Any) -> Any:
        owner_class = owner if isinstance(owner, type) else type(owner)
        if name in own:
            hook = own[name].__get__(None if owner is owner_class else owner, owner_class)
        elif issubclass(owner_class, cls):
            hook = getattr(super(cls, owner), name, None)
        else:  # pytest calls setup_class for each nested class too.
            hook = getattr(super(cls, cls), name, None)
            hook = getattr(hook, "__func__", hook)
        if hook is None or _is_fixture(hook):
            return None
        if isinstance(owner, type) and not inspect.ismethod(hook):
            args = (owner, *args)  # setup_class may be a plain function; pytest passes the class.
        accepted = len(inspect.signature(hook).parameters)
        return hook(*args[:accepted])  # setup_method need not take the method.

    return call
