"""An immutable sequence that grows in constant time: the history of a resource."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

T = TypeVar("T")


class History(Sequence[T]):
    """An immutable sequence. `plus(item)` returns one with another item, and does not copy the others.

    Each history is the beginning of a list. The histories that grew from each other share this list, so a tuple, which
    is copied each time, would take quadratic time.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def plus(self, item: T) -> Self:
        """Return a history with `item` as its last item."""
        items, length = self._items, self._length
        if len(items) == length:
            items.append(item)
        # Another history, maybe in another thread, has added its own item there.
        if len(items) <= length or items[length] is not item:
            items = [*items[:length], item]
        longer = object.__new__(type(self))
        longer._items, longer._length = items, length + 1
        return longer

    @property
    def last(self) -> T:
        """The last item of a history that is not empty. It is read often, so no index is checked."""
        return self._items[self._length - 1]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return islice(self._items, self._length)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self._items[position] for position in range(self._length)[index])
        return self._items[range(self._length)[index]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"
