"""Locks that a forked child process can use: it has no thread that could release those that were held meanwhile."""

from __future__ import annotations

import os
import threading
import weakref

_locks: set[weakref.ref[threading.RLock]] = set()


def new_lock() -> threading.RLock:
    """Return a reentrant lock that is free in each forked child, unless the thread that forks holds it."""
    lock = threading.RLock()
    _locks.add(weakref.ref(lock, _locks.discard))
    return lock


def _free_locks() -> None:
    for lock in [reference() for reference in [*_locks]]:
        if lock is not None and not lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - as the standard library does


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)
