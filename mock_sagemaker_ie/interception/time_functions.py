"""Replaces the functions of `time` while a mock has virtual sleep: `sleep` lets virtual time pass, and readings see it.

The standard library and the tools that run tests keep the real functions: their waits are real, as their threads,
sockets and processes are.
"""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.event_loops import EventLoopPatch
from mock_sagemaker_ie.interception.replacement import Replacement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mock_sagemaker_ie.interception.replacement import Link

# They run tests, or wait for other processes and machines.
_TOOLS = {
    *("pytest", "_pytest", "pluggy", "py", "hypothesis", "xdist", "execnet", "coverage", "freezegun", "time_machine"),
    *("selenium", "playwright", "docker", "testcontainers", "psutil", "pexpect"),
}
# These sleep between looks at real processes. Other modules of the standard library sleep only for their callers, as a
# thread does whose target is `time.sleep`.
_REAL_SLEEPERS = frozenset({*_TOOLS, __name__.partition(".")[0], "subprocess", "multiprocessing"})
# A scheduler reads the time and sleeps for its caller.
_REAL_READERS = _REAL_SLEEPERS.union(sys.stdlib_module_names) - {"sched"}


@lru_cache(maxsize=10_000)
def _is_one_of(modules: frozenset[str], module: str) -> bool:
    package = module.partition(".")[0]
    return package in modules or package.startswith("pytest_")


def _of_caller(real: frozenset[str]) -> Any:
    """Return the virtual time for the caller of a replaced function, or None. `real`: callers that get real time."""
    caller = sys._getframe(2).f_globals.get("__name__", "")  # noqa: SLF001 - documented for this use
    return None if _is_one_of(real, caller) else stack.virtual_time()


def _sleep(link: Link) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        virtual = _of_caller(_REAL_SLEEPERS)
        if virtual is None or not seconds > 0:
            link.original(seconds)  # It raises for a wrong value, and lets other threads run for zero.
        else:
            virtual.sleep(seconds, drives=stack.drives(virtual))

    return sleep


def _async_sleep(link: Link) -> Callable[..., Awaitable[Any]]:
    """Return `asyncio.sleep` for loops that are not asyncio's: other tasks do not wake in between."""

    async def sleep(delay: float, result: Any = None) -> Any:
        from asyncio import BaseEventLoop, get_running_loop  # noqa: PLC0415 - asyncio is imported already

        virtual = stack.virtual_time()
        if virtual is None or isinstance(get_running_loop(), BaseEventLoop):
            result = await link.original(delay, result)
            if virtual is not None:
                virtual.raise_if_polling_forever()
            return result
        if delay > 0:
            virtual.sleep(delay, drives=True)
        return await link.original(0, result)  # Other tasks get their turn, as with the real function.

    return sleep


def _reading(unit: float) -> Callable[[Link], Callable[[], Any]]:
    """Return the maker of a function that reads the time. `unit`: the length of a second."""

    def make(link: Link) -> Callable[[], Any]:
        def read() -> Any:
            virtual = _of_caller(_REAL_READERS)
            if virtual is None or virtual.is_told_by_freezegun:
                return link.original()
            return link.original() + type(unit)(virtual.read() * unit)

        return read

    return make


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sleep": _sleep,
    "monotonic": _reading(1.0),
    "monotonic_ns": _reading(10**9),
    "time": _reading(1.0),
    "time_ns": _reading(10**9),
}


class _Place(NamedTuple):
    """A name in a module that is bound to one of the functions."""

    module: str
    name: str


class _Searched(NamedTuple):
    """A module as it was when it was searched: its names, and how many it had."""

    module: Any
    names: dict[str, Any]
    size: int


class _BoundNames:
    """The names that modules have bound to the functions, as by `from time import sleep`.

    A process may have thousands of modules, so each is searched once, and again when it has got more names.
    """

    def __init__(self) -> None:
        self._searched: dict[str, _Searched] = {}
        self._places: set[_Place] = set()
        self._known: set[int] = set()

    def rebind(self, functions: dict[int, Any]) -> None:
        """Bind the names to other functions. `functions`: the new function by the id of the present one."""
        if not self._known.issuperset(functions):
            self._known |= functions.keys()
            self.search_again()
        for module, names in self._unsearched():
            self._places.update(
                _Place(module, name) for name, value in names.copy().items() if id(value) in self._known
            )
        for place in self._places:
            names = _names(sys.modules.get(place.module))
            if id(names.get(place.name)) in functions:
                names[place.name] = functions[id(names[place.name])]

    def search_again(self) -> None:
        """Search all modules at the next opportunity, also those that have no new names."""
        self._searched.clear()

    def _unsearched(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, module in sys.modules.copy().items():  # Other threads may import.
            searched = self._searched.get(name)
            if searched is None or searched.module is not module or len(searched.names) != searched.size:
                names = _names(module)
                self._searched[name] = _Searched(module, names, len(names))
                if not _is_one_of(_REAL_READERS, name):
                    yield name, names


def _names(module: Any) -> dict[str, Any]:
    """Return the names of a module, without running the code of a module that loads itself when it is used."""
    if not issubclass(type(module), ModuleType):
        return {}
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names


class _Patch:
    """Our versions of the functions, in `time`, in `asyncio` and wherever a name is bound to one, and of the loops."""

    def __init__(self) -> None:
        self._loops = EventLoopPatch()
        self._names = _BoundNames()
        self._replacements: list[Replacement] = []
        self._functions: list[tuple[Any, Any]] = []  # The original, and ours.
        self._references: list[int] = []  # How many there are to each of ours, but for bound names.

    def install(self) -> None:
        """Replace each function."""
        import asyncio  # noqa: PLC0415 - slow, and few need it

        places = [*((time, name, make) for name, make in _FUNCTIONS.items()), (asyncio, "sleep", _async_sleep)]
        self._replacements = self._replacements or [Replacement(*each) for each in places]
        originals = [vars(module)[name] for module, name, _ in places]
        for each in self._replacements:
            each.install()
        self._references = []
        self._functions = [
            (original, vars(of)[name]) for original, (of, name, _) in zip(originals, places, strict=True)
        ]
        self._references = self._count()
        self._names.rebind({id(original): ours for original, ours in self._functions})
        self._loops.install()

    def remove(self) -> None:
        """Restore the original functions, unless somebody else has replaced ours."""
        self._loops.remove()
        originals = {id(ours): original for original, ours in self._functions}
        self._names.rebind(originals)
        for each in self._replacements:
            each.remove()
        # An exception may have interrupted `install` before it had counted.
        if any(now >= then for now, then in zip(self._count(), self._references, strict=False)):
            # Somebody else has one of ours, maybe as the new value of a name that was there before.
            self._names.search_again()
            self._names.rebind(originals)
        self._functions = []

    def _count(self) -> list[int]:
        return [sys.getrefcount(ours) for _, ours in self._functions]


interceptor = stack.Interceptor(_Patch(), needed=lambda active: any(each.virtual_time for each in active))
