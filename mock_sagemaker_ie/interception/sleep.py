"""Virtual sleep: `time.sleep` and `asyncio.sleep` move the clock of a mock instead of waiting.

A module that imported one of the functions by name before keeps the real one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.clock import movable
from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.replacement import Replacement, Replacements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mock_sagemaker_ie.interception.replacement import Link


class _Patch:
    """Our replacements of both functions. While no mock has virtual sleep, they call the originals."""

    _replacements: Replacements | None = None

    def install(self) -> None:
        """Replace both functions."""
        import asyncio  # noqa: PLC0415 - slow, and few need it

        if self._replacements is None:
            self._replacements = Replacements(
                [Replacement(time, "sleep", _sleep), Replacement(asyncio, "sleep", _async_sleep)]
            )
        self._replacements.install()

    def remove(self) -> None:
        """Restore the original functions, unless somebody else has replaced ours."""
        if self._replacements is not None:
            self._replacements.remove()


def _sleep(link: Link) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        (_mover() or link.original)(seconds)

    return sleep


def _async_sleep(link: Link) -> Callable[..., Awaitable[Any]]:
    async def async_sleep(delay: float, result: Any = None) -> Any:
        move = _mover()
        if move is None:
            return await link.original(delay, result)
        if delay > 0:
            move(delay)
        return await link.original(0, result)  # Other tasks get their turn, as with the real function.

    return async_sleep


interceptor = stack.Interceptor(_Patch(), needed=lambda active: any(each.virtual_sleep for each in active))


def _mover() -> Callable[[float], None] | None:
    """Return the function that moves the clock of the mock that counts here, or None."""
    sleeper = stack.choose([each for each in stack.active_mocks() if each.virtual_sleep])
    return None if sleeper is None else movable(sleeper.service.clock, "sleep")
