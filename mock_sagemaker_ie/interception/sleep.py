"""Virtual sleep: `time.sleep` and `asyncio.sleep` move the clock of a mock instead of waiting.

A module that imported one of the functions by name before keeps the real one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.clock import movable
from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import Callable


class _Patch:
    """Our replacements of both functions. While no mock has virtual sleep, they call the originals."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - slow, and few need it

        original, original_async = time.sleep, asyncio.sleep

        def sleep(seconds: float, /) -> None:
            (_mover() or original)(seconds)

        async def async_sleep(delay: float, result: Any = None) -> Any:
            move = _mover()
            if move is None:
                return await original_async(delay, result)
            if delay > 0:
                move(delay)
            return await original_async(0, result)  # Other tasks get their turn, as with the real function.

        self._replaced: list[tuple[Any, Any, Any]] = [
            (time, original, sleep),
            (asyncio, original_async, async_sleep),
        ]
        for module, _, replacement in self._replaced:
            module.sleep = replacement

    def remove(self) -> None:
        """Restore the original functions, unless somebody else has replaced ours."""
        for module, original, replacement in self._replaced:
            if module.sleep is replacement:
                module.sleep = original


interceptor = stack.Interceptor(_Patch, needed=lambda active: any(each.virtual_sleep for each in active))


def _mover() -> Callable[[float], None] | None:
    """Return the function that moves the clock of the mock that counts here, or None."""
    sleeper = stack.choose([each for each in stack.active_mocks() if each.virtual_sleep])
    return None if sleeper is None else movable(sleeper.service.clock, "sleep")
