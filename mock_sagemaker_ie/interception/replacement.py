"""Replaces attributes of classes and modules, and restores exactly the objects that were there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Replacement:
    """An attribute of a class or module that we replace.

    `make` gets the original, as a caller would get it, and returns the replacement.
    """

    __slots__ = ("_make", "_name", "_original", "_ours", "_owner")

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._owner, self._name, self._make = owner, name, make
        self._original: Any = None
        self._ours: Any = None

    def install(self) -> None:
        """Replace the attribute."""
        # Read without the descriptor protocol: the wrapper of a tracer gives another object at each access.
        original = self._owner.__dict__[self._name]
        if original is not self._original:
            self._original, self._ours = original, self._make(getattr(self._owner, self._name))
        setattr(self._owner, self._name, self._ours)

    def remove(self) -> None:
        """Restore the original, unless somebody else has replaced ours; then ours only calls the original."""
        if self._owner.__dict__.get(self._name) is self._ours:
            setattr(self._owner, self._name, self._original)


class Replacements:
    """A patch that consists of replacements."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)

    def install(self) -> None:
        """Replace each attribute."""
        for each in self._replacements:
            each.install()

    def remove(self) -> None:
        """Restore each attribute."""
        for each in self._replacements:
            each.remove()
