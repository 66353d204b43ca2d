"""The two caches: results that depend on a shape only, and answers that are given again while nothing has changed."""

from __future__ import annotations

import datetime as dt
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from botocore.model import OperationModel, Shape

T = TypeVar("T")
Values = dict[str, Any]


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


class CachedAnswer:
    """A cached answer, valid while its records are unchanged.

    `params`: the members of the request. `values`: the answer, which may share dicts and lists with the records.
    `state`: what the answer was made from; it is compared by whoever uses the answer.
    """

    def __init__(self, params: Values, values: Values, state: tuple[Any, ...] = ()) -> None:
        self.params, self.values, self.state = params, values, state
        self._copies: _Copies | None = None
        self._machine: tuple[object, ...] = ()

    def fresh(self, read: Callable[[Values], Values]) -> Values:
        """Return the answer as `read` gives it, in dicts and lists that nobody shares.

        `read` runs again when the test has changed the time zone, or freezegun has replaced the datetime class.
        """
        machine = dt.datetime, time.tzname, time.timezone
        if self._copies is None or self._machine != machine:
            self._copies, self._machine = _Copies(read(self.values)), machine
        return self._copies.make()


class _Copies:
    """Makes copies of values quickly: it has all dicts and lists side by side, and knows which contains which."""

    def __init__(self, values: Values) -> None:
        self._containers: list[Any] = []
        self._links: list[tuple[int, Any, int]] = []
        self._add(values)

    def _add(self, container: Any) -> None:
        index = len(self._containers)
        self._containers.append(container)
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(item, (dict, list)):
                self._links.append((index, key, len(self._containers)))
                self._add(item)

    def make(self) -> Values:
        containers = [container.copy() for container in self._containers]
        for outer, key, inner in self._links:
            containers[outer][key] = containers[inner]
        values: Values = containers[0]
        return values


class AnswerCache:
    """The answers to the last read operations, by operation and request.

    A model is a weak key: it belongs to a session, which must be freed when nobody uses it.
    """

    MAX_ANSWERS = 256  # Of each operation.
    MAX_KEY_SIZE = 256  # A longer request is not worth its memory.

    def __init__(self) -> None:
        self._answers: WeakKeyDictionary[OperationModel, dict[Hashable, CachedAnswer]] = WeakKeyDictionary()

    def find(self, model: OperationModel, key: Hashable) -> CachedAnswer | None:
        """Return the answer to this request, or None."""
        answers = self._answers.get(model)
        return None if answers is None else answers.get(key)

    def put(self, model: OperationModel, key: Hashable, answer: CachedAnswer) -> None:
        """Keep an answer."""
        answers = self._answers.setdefault(model, {})
        if len(answers) >= self.MAX_ANSWERS:
            answers.clear()
        answers[key] = answer

    def clear(self) -> None:
        """Forget every answer."""
        self._answers.clear()
