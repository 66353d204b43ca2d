"""Code for synchronous and asynchronous callers alike: a generator that yields each value that may be awaitable."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")

# It yields values, is sent each of them, awaited if it was an awaitable, and returns a T.
Steps = Generator[Any, Any, T]

# It yields items, and between them values that may be awaitable, as Steps do. No item is awaitable.
Flow = Generator[Any, Any, None]


def run(steps: Steps[T]) -> T | Awaitable[T]:
    """Run `steps` and return their result, or an awaitable of it as soon as they yield an awaitable."""
    try:
        value = next(steps)
        while not inspect.isawaitable(value):
            value = steps.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return _run_async(steps, value)


def advance(flow: Flow) -> Steps[Any]:
    """Return the next item of a flow; None at its end. For a synchronous caller, `next(flow, None)` is the same."""
    try:
        item = next(flow)
        while inspect.isawaitable(item):
            try:
                result = yield item
            except BaseException as error:  # noqa: BLE001, PERF203 - the flow handles it
                item = flow.throw(error)
            else:
                item = flow.send(result)
    except StopIteration:
        return None
    return item


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
