"""The decorator of test classes: a mock for the class, and for each test a mock with a copy of the class's state."""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mock_sagemaker_ie.interception.stack import ActiveMock


class Activate(Protocol):
    """Returns a context manager that activates a mock with a copy of the state of `origin`, or with an empty one."""

    def __call__(self, *, origin: ActiveMock | None = None) -> AbstractContextManager[ActiveMock]: ...  # noqa: D102


class Activator(Protocol):
    """The part of an Activation that the decorators use."""

    @property
    def activate(self) -> Activate: ...  # noqa: D102
    def enter(self, entered_by: object, *, owner: object, origin: ActiveMock | None) -> Any: ...  # noqa: D102


# The attribute of a decorated class with its _ClassMocks.
_MOCKS = "_mock_inference_experiment"


def decorate_class(cls: type, activator: Activator) -> None:
    """Let each test of a class, of its subclasses and of the test classes inside it run inside a mock.

    Raises TypeError for a class that is no test class for pytest.
    """
    if not _may_be_test_class(cls):
        raise TypeError(
            f"cannot decorate {cls!r}: it has an __init__ or a __new__, and pytest takes no such class for a test"
            " class; decorate its methods, or the subclass of unittest.TestCase"
        )
    _decorate(cls, activator)


def _decorate(cls: type, activator: Activator) -> None:
    from unittest import TestCase  # noqa: PLC0415 - slow, and only classes need it

    mocks = _ClassMocks(activator)
    class_hooks = _test_case_hooks if issubclass(cls, TestCase) else _pytest_class_hooks
    hooks = {**_pytest_method_hooks(cls, mocks), **class_hooks(cls, mocks)}
    for name, hook in {**hooks, "__init_subclass__": _subclass_hook(cls, activator), _MOCKS: mocks}.items():
        if is_fixture(fixture := inspect.getattr_static(cls, name, None)):
            # A fixture may have the name of a hook; pytest finds it under any name.
            setattr(cls, f"{name}_fixture", fixture)
        setattr(cls, name, hook)
    for nested in _nested_test_classes(cls):
        if _MOCKS not in vars(nested):
            _decorate(nested, activator)
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
        _decorate(subclass, activator)

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
        if hook is None or is_fixture(hook):
            return None
        if isinstance(owner, type) and not inspect.ismethod(hook):
            args = (owner, *args)  # setup_class may be a plain function; pytest passes the class.
        accepted = len(inspect.signature(hook).parameters)
        return hook(*args[:accepted])  # setup_method need not take the method.

    return call


def is_fixture(target: Any) -> bool:
    """Return whether pytest.fixture made it, in any version of pytest."""
    return hasattr(target, "_pytestfixturefunction") or hasattr(target, "_fixture_function")
