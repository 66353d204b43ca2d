"""Remembers what was worked out of a shape for as long as the shape lives, and no longer."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import Shape

T = TypeVar("T")


def per_shape(work_out: Callable[..., T]) -> Callable[..., T]:
    """Like `lru_cache`, for a function of a shape and more.

    A shape keeps its whole service model alive, and each session has its own of 8 MiB: a cache must not keep shapes.
    What `work_out` gives must not refer to its shape.
    """
    known: WeakKeyDictionary[Shape, dict[tuple[Any, ...], T]] = WeakKeyDictionary()

    @wraps(work_out)
    def remembered(shape: Shape, *more: Any) -> T:
        of_shape = known.get(shape)
        if of_shape is None:
            of_shape = known[shape] = {}
        if more not in of_shape:
            of_shape[more] = work_out(shape, *more)
        return of_shape[more]

    return remembered
