"""Lets a patch reach a module that is imported, or imported again, while a mock is active."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec


class ImportHook:
    """Calls `apply` with the module of this name after each import of it, from `install` to `remove`."""

    def __init__(self, name: str, apply: Callable[[Any], None]) -> None:
        self._name, self._apply = name, apply

    def install(self) -> None:
        """Begin the hook."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """End the hook."""
        if self in sys.meta_path:
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
                execute(module)
                # A loader may load several modules, and the hook may have ended meanwhile.
                if module.__name__ == self._name and self in sys.meta_path:
                    self._apply(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
