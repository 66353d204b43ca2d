"""A cache for results that depend on a shape of the service model only."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import Shape

T = TypeVar("T")


def per_shape(compute: Callable[..., T]) -> Callable[..., T]:
    """Cache the results of a function of a shape and other arguments for as long as the shape exists.

    A shape keeps its service model alive, and each session has a model of its own with 8 MiB: so the cache must not
    keep shapes, and a result must not refer to its shape.
    """
    results: WeakKeyDictionary[Shape, dict[tuple[Any, ...], T]] = WeakKeyDictionary()

    @wraps(compute)
    def cached(shape: Shape, *arguments: Any) -> T:
        of_shape = results.get(shape)
        if of_shape is None:
            of_shape = results[shape] = {}
        if arguments not in of_shape:
            of_shape[arguments] = compute(shape, *arguments)
        return of_shape[arguments]

    return cached
