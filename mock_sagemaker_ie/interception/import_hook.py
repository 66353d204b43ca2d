"""Patches a module in each of its copies: those that are imported already, and those that are imported later.

Somebody may remove a module from sys.modules, so that it is imported again: then its classes exist twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mock_sagemaker_ie.interception.replacement import Replacements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec

    from mock_sagemaker_ie.interception.replacement import Replacement


class ModulePatch:
    """Replacements in each copy of the module of this name.

    `replacements`: returns those of one copy. `known`: copies that need not be in sys.modules.
    """

    def __init__(self, name: str, replacements: Callable[[Any], Iterable[Replacement]], *known: Any) -> None:
        self._name, self._replacements, self._known = name, replacements, known
        self._copies: list[Replacements] = []
        self._made: WeakKeyDictionary[Any, Replacements] = WeakKeyDictionary()  # By copy of the module.
        self._import_hook = ImportHook(name, self._apply)

    def install(self) -> None:
        """Patch the copies that exist, and from now on each new one."""
        if self._copies:
            self.remove()  # An exception interrupted an earlier change.
        present = sys.modules.get(self._name)
        for module in self._known if present is None or present in self._known else (*self._known, present):
            self._apply(module)
        self._import_hook.install()

    def _apply(self, module: Any) -> None:
        if module not in self._made:
            self._made[module] = Replacements(self._replacements(module))
        self._copies.append(self._made[module])
        self._copies[-1].install()

    def remove(self) -> None:
        """Restore each copy."""
        self._import_hook.remove()
        while self._copies:
            self._copies[-1].remove()
            self._copies.pop()


class ImportHook:
    """Calls `apply` with the module of this name after each import of it, from `install` to `remove`."""

    def __init__(self, name: str, apply: Callable[[Any], None]) -> None:
        self._name, self._apply = name, apply

    def install(self) -> None:
        """Begin the hook."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """End the hook."""
        while self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of the module as the other finders give it. The import system calls this."""
        if name != self._name:
            return None
        finders = [each for each in sys.meta_path if each is not self]
        specs = (finder.find_spec(name, path, target) for finder in finders)
        spec = next((each for each in specs if each is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                # A loader may load several modules, and the hook may have ended meanwhile.
                if vars(loader).get("exec_module") is exec_module:
                    del loader.exec_module
                execute(module)
                if module.__name__ == self._name and self in sys.meta_path:
                    self._apply(module)

            loader = spec.loader
            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
