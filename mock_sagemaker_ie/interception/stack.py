"""The open doors of one transport: the innermost answers, and the first and the last switch what they stand in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

D = TypeVar("D")


class OpenDoors(Generic[D]):
    """A stack of doors that any thread may look at. `wrap` is called before the first, `unwrap` after the last."""

    def __init__(self, wrap: Callable[[], None], unwrap: Callable[[], None]) -> None:
        self._wrap, self._unwrap = wrap, unwrap
        self._doors: tuple[D, ...] = ()  # Replaced, never changed.
        self._switching = threading.Lock()

    def open(self, door: D) -> None:
        """Let calls in to `door`; doors that are open already are hidden behind it."""
        with self._switching:
            if not self._doors:
                self._wrap()
            self._doors = (*self._doors, door)

    def close(self, door: D) -> None:
        """Let none in any more. After the last door everything is exactly as it was."""
        with self._switching:
            self._doors = tuple(each for each in self._doors if each is not door)
            if not self._doors:
                self._unwrap()

    @property
    def innermost(self) -> D | None:
        """The door that answers, if one is open."""
        doors = self._doors
        return doors[-1] if doors else None

    def after_fork(self) -> tuple[D, ...]:
        """Be usable in a child, where no thread is left that could release a lock. Gives the open doors."""
        self._switching = threading.Lock()
        return self._doors
