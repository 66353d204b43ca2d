"""Whether the other threads of the process rest: each waits for something, so that none acts before it is woken.

On Linux a thread rests when it neither runs nor wants to, and has used no processor time between two looks. A thread
that waits for Python's lock does not rest: it gets the lock, or a part of it, between the looks. Elsewhere a thread
rests when it stands at the same instruction in several looks.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

LINUX = sys.platform == "linux"
# The real seconds between two looks, and the number of equal ones that are enough.
PAUSE, LOOKS = 0.0003, 2 if LINUX else 4
# The looks after which nobody waits any more for a daemon thread, or one that is not Python's, that does not rest.
MAX_LOOKS = 500

# What a look sees of each thread: it is equal in the next look if the thread rests. None: the thread does not rest.
Look = dict[int, "object | None"]


class OtherThreads:
    """Looks at the other threads during one wait.

    `asleep`: the native ids of threads that sleep in virtual time. `restless`: those of daemon threads that nobody
    waits for, as they did not rest before. `patient`: whether to wait for daemon threads however long they run.
    """

    def __init__(self, asleep: Collection[int], restless: set[int], *, patient: bool) -> None:
        self._asleep, self._restless, self._patient = asleep, restless, patient
        self._looks: list[Look] = []
        self._number = 0

    def rest(self) -> bool:
        """Look once, and return whether all threads rest that one has to wait for."""
        ignored = {threading.get_native_id(), *self._asleep, *self._restless}
        others = {each.native_id: each for each in threading.enumerate() if each.native_id not in ignored}
        if not others:
            return True
        look = _look_at_natives(ignored) if LINUX else _look_at_frames(others.values())
        self._looks = [*self._looks[1 - LOOKS :], look]
        self._number += 1
        if len(self._looks) < LOOKS:
            return False
        busy = {
            each for each in look if look[each] is None or any(seen.get(each) != look[each] for seen in self._looks)
        }
        if not self._patient and self._number > MAX_LOOKS:
            self._restless |= {each for each in busy if each not in others or others[each].daemon}
        return busy <= self._restless


def _look_at_natives(ignored: Collection[int]) -> Look:
    """Return the processor time of each thread of the process, also of those that begin or end at present."""
    look: Look = {}
    for folder in Path("/proc/self/task").iterdir():
        thread = int(folder.name)
        if thread not in ignored:
            with suppress(OSError):  # It has ended.
                status = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                # The clock of a thread, as pthread_getcpuclockid() returns it; that crashes when the thread has ended.
                look[thread] = None if status in "RD" else time.clock_gettime_ns((~thread << 3) | 6)
    return look


def _look_at_frames(threads: Collection[threading.Thread]) -> Look:
    """Return the instruction at which each thread stands."""
    frames = sys._current_frames()  # noqa: SLF001 - documented for this use
    look: Look = {}
    for each in threads:
        frame = frames.get(each.ident or 0)
        look[each.native_id or 0] = None if frame is None else (id(frame), frame.f_lasti)
    return look
