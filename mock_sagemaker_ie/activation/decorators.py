"""Decorators: run functions of every kind, and the tests of a class, inside a mock."""

from __future__ import annotations

import functools
import inspect
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")


class Activator(Protocol):
    """The part of an Activation that the decorators use."""

    def activate(self) -> AbstractContextManager[Any]: ...  # noqa: D102
    def enter(self, entered_by: object, *, owner: object) -> Any: ...  # noqa: D102


def decorate(target: T, activator: Activator) -> T:
    """Return `target`, a function of any kind or a test class, so that it runs inside a mock. Its signature is kept.

    Raises TypeError for any other target.
    """
    if isinstance(target, type):
        _decorate_class(target, activator)
        return target
    if _is_fixture(target):
        raise TypeError(f"{target!r} is a fixture already: put @mock_inference_experiment below @pytest.fixture")
    if not callable(target):
        raise TypeError(f"cannot decorate {target!r}: expected a function or a test class")
    for is_kind, wrap in _WRAPS:
        if is_kind(target):
            return functools.wraps(target)(wrap(target, activator))  # type: ignore[return-value]
    raise AssertionError("the last kind of function is any callable")


def _is_fixture(target: Any) -> bool:
    """Return whether pytest.fixture made it, in any version of pytest."""
    return hasattr(target, "_pytestfixturefunction") or hasattr(target, "_fixture_function")


# --- functions: the mock is active from call to return, or from the first step of a generator to its last


def _function(target: Callable[..., Any], activator: Activator) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activator.activate():
            return target(*args, **kwargs)

    return wrapper


def _coroutine_function(target: Callable[..., Any], activator: Activator) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activator.activate():
            return await target(*args, **kwargs)

    return wrapper


def _generator_function(target: Callable[..., Any], activator: Activator) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with activator.activate():
            return (yield from target(*args, **kwargs))

    return wrapper


def _async_generator_function(target: Callable[..., Any], activator: Activator) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        # Python has no `yield from` for async generators; this does the same.
        with activator.activate():
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


_WRAPS = (
    (inspect.iscoroutinefunction, _coroutine_function),
    (inspect.isasyncgenfunction, _async_generator_function),
    (inspect.isgeneratorfunction, _generator_function),
    (callable, _function),
)


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
