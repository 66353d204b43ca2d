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

# What the functions have been, from the real ones to the innermost world's: worlds may be left in any order.
_sleeps: list[tuple[Callable[[Any], None], Callable[..., Any]]] = [(time.sleep, asyncio.sleep)]
_switching = threading.RLock()


@contextmanager
def sleeping_on(clock: Clock) -> Iterator[None]:
    """Have sleepers pass time on `clock`. Raises TypeError when it cannot be moved."""
    move = movable(clock, "sleep")

    # Whoever took hold of these, say to put them back later or just before another thread left the world, sleeps
    # once that is left as the rest of the process does: in another world, or really.
    def sleep(seconds: float, /) -> None:
        if sleeps in _sleeps:
            move(seconds)
        else:
            _sleeps[-1][0](seconds)

    async def async_sleep(delay: float, result: Any = None) -> Any:
        if sleeps not in _sleeps:
            return await _sleeps[-1][1](delay, result)
        if delay > 0:
            move(delay)
        return await really_sleep_async(0, result)  # Others get their turn, as ever.

    sleeps = sleep, async_sleep
    with _switching:
        if len(_sleeps) == 1:  # Somebody else may have replaced them since.
            _sleeps[0] = time.sleep, asyncio.sleep
        _, really_sleep_async = _sleeps[0]
        _sleeps.append(sleeps)
        _install()
    try:
        yield
    finally:
        with _switching:
            _sleeps.remove(sleeps)
            _install()


def _install() -> None:
    time.sleep, asyncio.sleep = _sleeps[-1]
