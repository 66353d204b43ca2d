"""Makes functions and test classes run inside a context: the decorator side of mock_inference_experiment."""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager, ExitStack, aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    # Enters a fresh world that begins as a copy of the given one's, or empty without one.
    Activate = Callable[[Any], AbstractContextManager[Any]]

T = TypeVar("T")


def decorate(target: T, activate: Activate) -> T:
    """Make `target`, a function of any kind or a test class, run inside `activate(None)`. Its signature is kept.

    Raises TypeError for what is neither.
    """
    if isinstance(target, type):
        _decorate_class(target, activate)
        return target
    if _is_fixture(target):
        raise TypeError(f"{target!r} is a fixture already: put @mock_inference_experiment below @pytest.fixture")
    if not callable(target):
        raise TypeError(f"cannot decorate {target!r}: expected a function or a test class")
    for is_kind, wrap in _WRAPS:
        if is_kind(target):
            return functools.wraps(target)(wrap(target, activate))  # type: ignore[return-value]
    raise AssertionError("the last kind of function is any callable")


def _is_fixture(target: Any) -> bool:
    """Whether pytest.fixture made it, before pytest 8.4 or since."""
    return hasattr(target, "_pytestfixturefunction") or hasattr(target, "_fixture_function")


# --- functions: the context holds from call to return, or from a generator's first step to its last


def _function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activate(None):
            return target(*args, **kwargs)

    return wrapper


def _coroutine_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with activate(None):
            return await target(*args, **kwargs)

    return wrapper


def _generator_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with activate(None):
            return (yield from target(*args, **kwargs))

    return wrapper


def _async_generator_function(target: Callable[..., Any], activate: Activate) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        # What `yield from` would do, had Python one for async generators.
        with activate(None):
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
                    except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
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


# --- classes: a world for the class, in which its set-up works, and for each test a copy of it


def _decorate_class(cls: type, activate: Activate) -> None:
    from unittest import TestCase  # noqa: PLC0415 - slow, and wanted only here

    worlds = _Worlds(activate)
    class_hooks = _test_case_hooks if issubclass(cls, TestCase) else _pytest_class_hooks
    hooks = {**_pytest_method_hooks(cls, worlds), **class_hooks(cls, worlds)}
    for name, hook in {**hooks, "__init_subclass__": _subclass_hook(cls, activate)}.items():
        if _is_fixture(fixture := inspect.getattr_static(cls, name, None)):
            setattr(cls, f"{name}_fixture", fixture)  # pytest lets a fixture be named as a hook; it needs no such name.
        setattr(cls, name, hook)


def _subclass_hook(cls: Any, activate: Activate) -> Any:
    """Decorate subclasses too: one that overrides a hook need not call super() to be mocked."""
    own = vars(cls).get("__init_subclass__")

    def decorate_subclass(subclass: Any, /, **kwargs: Any) -> None:
        if own is None:
            super(cls, subclass).__init_subclass__(**kwargs)
        else:
            own.__get__(None, subclass)(**kwargs)
        _decorate_class(subclass, activate)

    return classmethod(decorate_subclass)


# The worlds that are entered for classes and their instances, by owner. Of several decorated classes that an owner
# descends from, the nearest is the first to see it, and enters; the others leave it alone.
_entered: dict[int, tuple[_Worlds, ExitStack, Any]] = {}


class _Worlds:
    """Enters worlds for the tests of one decorated class."""

    def __init__(self, activate: Activate) -> None:
        self._activate = activate

    def enter(self, owner: Any) -> bool:
        """Enter a world for a class, or for a test's instance: a copy of its class's. False when it has one already."""
        if id(owner) in _entered:
            return False
        _, _, origin = _entered.get(id(type(owner)), (None, None, None))
        stack = ExitStack()
        world = stack.enter_context(self._activate(origin))
        _entered[id(owner)] = self, stack, world
        return True

    def leave(self, owner: Any) -> None:
        """Leave the world of `owner`, if it was entered here."""
        entrant, stack, _ = _entered.get(id(owner), (None, ExitStack(), None))
        if entrant is self:
            del _entered[id(owner)]
            stack.close()

    @contextmanager
    def around(self, owner: Any) -> Iterator[None]:
        """Be in the world of `owner`."""
        entered = self.enter(owner)
        try:
            yield
        finally:
            if entered:
                self.leave(owner)


def _test_case_hooks(cls: type, worlds: _Worlds) -> dict[str, Any]:
    """unittest: `run` encloses setUp, test, tearDown and clean-ups, for IsolatedAsyncioTestCase too.

    Under pytest the world around it is there already, for the fixtures.
    """
    inherited = _inherited(cls)

    def set_up_class(klass: Any) -> None:
        worlds.enter(klass)
        klass.addClassCleanup(worlds.leave, klass)  # Also reached when set-up fails, and after every other clean-up.
        inherited("setUpClass", klass)

    def run(test: Any, result: Any = None) -> Any:
        with worlds.around(test):
            return inherited("run", test, result)

    def debug(test: Any) -> None:
        with worlds.around(test):
            inherited("debug", test)

    return {"setUpClass": classmethod(set_up_class), "run": run, "debug": debug}


def _pytest_class_hooks(cls: type, worlds: _Worlds) -> dict[str, Any]:
    """Plain classes under pytest: setup_class comes before all fixtures of the class, teardown_class after them."""
    set_up, tear_down = _set_up_and_tear_down(cls, worlds)

    def setup_class(klass: Any) -> None:
        set_up(klass, "setup_class")

    def teardown_class(klass: Any) -> None:
        tear_down(klass, "teardown_class")

    return {"setup_class": classmethod(setup_class), "teardown_class": classmethod(teardown_class)}


def _pytest_method_hooks(cls: type, worlds: _Worlds) -> dict[str, Any]:
    """Any class under pytest: setup_method comes before a test's fixtures, teardown_method after them."""
    set_up, tear_down = _set_up_and_tear_down(cls, worlds)

    def setup_method(test: Any, method: Any = None) -> None:
        set_up(test, "setup_method", method)

    def teardown_method(test: Any, method: Any = None) -> None:
        tear_down(test, "teardown_method", method)

    return {"setup_method": setup_method, "teardown_method": teardown_method}


def _set_up_and_tear_down(cls: type, worlds: _Worlds) -> tuple[Callable[..., None], Callable[..., None]]:
    inherited = _inherited(cls)

    def set_up(owner: Any, hook: str, *args: Any) -> None:
        worlds.enter(owner)
        try:
            inherited(hook, owner, *args)
        except BaseException:
            worlds.leave(owner)  # pytest tears down only what was set up.
            raise

    def tear_down(owner: Any, hook: str, *args: Any) -> None:
        try:
            inherited(hook, owner, *args)
        finally:
            worlds.leave(owner)

    return set_up, tear_down


def _inherited(cls: type) -> Callable[..., Any]:
    """A function that calls what `cls` had under a name before it was decorated, its own or its bases'."""
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
            args = (owner, *args)  # setup_class may be a plain function; pytest hands it the class.
        accepted = len(inspect.signature(hook).parameters)
        return hook(*args[:accepted])  # setup_method may leave out the method; pytest lets it.

    return call
