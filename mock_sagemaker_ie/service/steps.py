"""Code for synchronous and asynchronous callers alike: a generator that yields each value that may be awaitable."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")

# It yields values, is sent each of them, awaited if it was an awaitable, and returns a T.
Steps = Generator[Any, Any, T]


def run(steps: Steps[T]) -> T | Awaitable[T]:
    """Run `steps` and return their result, or an awaitable of it as soon as they yield an awaitable."""
    try:
        value = next(steps)
        while not inspect.isawaitable(value):
            value = steps.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return _run_async(steps, value)


async def _run_async(steps: Steps[T], value: Any) -> T:
    try:
        while True:
            try:
                result = await value if inspect.isawaitable(value) else value
            except BaseException as error:  # noqa: BLE001, PERF203 - the generator handles it
                value = steps.throw(error)
            else:
                value = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
