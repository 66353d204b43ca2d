"""Virtual sleep: `time.sleep` and `asyncio.sleep` move the clock of a mock instead of waiting.

A module that imported one of the functions by name before keeps the real one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.clock import movable
from mock_sagemaker_ie.interception import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mock_sagemaker_ie.interception.stack import ActiveMock

# The functions that are replaced now; empty while no active mock has virtual sleep.
_replaced: dict[str, Callable[..., Any]] = {}
# The same functions, for code that keeps a replacement and calls it after the last mock has exited.
_originals: dict[str, Callable[..., Any]] = {}


def update(active: Sequence[ActiveMock]) -> None:
    """Replace both functions while an active mock has virtual sleep."""
    needed = any(each.virtual_sleep for each in active)
    if needed and not _replaced:
        for name, replacement in _REPLACEMENTS.items():
            module: Any = import_module(name)  # Here, because asyncio is slow to import and few need it.
            _replaced[name] = _originals[name] = module.sleep
            module.sleep = replacement
    elif _replaced and not needed:
        for name, replacement in _REPLACEMENTS.items():
            module = import_module(name)
            if module.sleep is replacement:  # Nobody else has replaced it meanwhile.
                module.sleep = _replaced.pop(name)
        _replaced.clear()


def _sleep(seconds: float, /) -> None:
    move = _mover()
    if move is None:
        _originals["time"](seconds)
    else:
        move(seconds)


async def _async_sleep(delay: float, result: Any = None) -> Any:
    move = _mover()
    if move is None:
        return await _originals["asyncio"](delay, result)
    if delay > 0:
        move(delay)
    return await _originals["asyncio"](0, result)  # Other tasks get their turn, as with the real function.


def _mover() -> Callable[[float], None] | None:
    """Return the function that moves the clock of the mock that counts here, or None."""
    sleeper = stack.choose([each for each in stack.active_mocks() if each.virtual_sleep])
    return None if sleeper is None else movable(sleeper.service.clock, "sleep")


_REPLACEMENTS: dict[str, Callable[..., Any]] = {"time": _sleep, "asyncio": _async_sleep}
