"""Locks that survive a fork: a child process has no thread that could release those that were held meanwhile."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakValueDictionary


class Locked(Protocol):
    """An object with a lock of its own."""

    _lock: threading.RLock


_owners: WeakValueDictionary[int, Locked] = WeakValueDictionary()


def give_lock(owner: Locked) -> None:
    """Give an object a lock, and another one in each child process that is forked while it exists."""
    owner._lock = threading.RLock()  # noqa: SLF001
    _owners[id(owner)] = owner


def _give_new_locks() -> None:
    for owner in [*_owners.values()]:
        owner._lock = threading.RLock()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_new_locks)
