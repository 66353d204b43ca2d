"""Virtual sleep: `time.sleep` and `asyncio.sleep` pass time on a clock instead of waiting.

What imported one of the functions itself before keeps the real one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.clock import movable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.clock import Clock

Sleeps = tuple["Callable[[Any], None]", "Callable[..., Any]"]

# What the functions have been, from the real ones to the innermost world's: worlds may be left in any order.
_sleeps: list[Sleeps] = [(time.sleep, asyncio.sleep)]
_switching = threading.RLock()


@contextmanager
def sleeping_on(clock: Clock) -> Iterator[None]:
    """Have sleepers pass time on `clock`. Raises TypeError when it cannot be moved."""
    move = movable(clock, "sleep")

    def sleep(seconds: float, /) -> None:
        if (other := _instead_of(sleeps, before)) is not None:
            return other[0](seconds)
        return move(seconds)

    async def async_sleep(delay: float, result: Any = None) -> Any:
        if (other := _instead_of(sleeps, before)) is not None:
            return await other[1](delay, result)
        if delay > 0:
            move(delay)
        return await before[1](0, result)  # Others get their turn, as ever.

    sleeps = sleep, async_sleep
    with _switching:
        if len(_sleeps) == 1:  # Somebody else may have replaced them since.
            _sleeps[0] = time.sleep, asyncio.sleep
        before = _sleeps[0]
        _sleeps.append(sleeps)
        _install()
    try:
        yield
    finally:
        with _switching:
            _sleeps.remove(sleeps)
            _install()


def _instead_of(sleeps: Sleeps, before: Sleeps) -> Sleeps | None:
    """What somebody shall call who took hold of a world's functions that has been left since; None if it was not."""
    active = _sleeps[1:]
    if any(each is sleeps for each in active):
        return None
    return active[-1] if active else before


def _install() -> None:
    time.sleep, asyncio.sleep = _sleeps[-1]
