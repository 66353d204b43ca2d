"""Random programs of tasks and of threads, and what they do according to a simulation that uses nothing of ours."""

from __future__ import annotations

import asyncio
import heapq
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from selectors import DefaultSelector

from hypothesis import strategies as st

DELAYS = st.integers(1, 100)

# --- programs of tasks: a list of steps, each a tuple of its kind and arguments

TASKS = st.recursive(
    st.lists(st.tuples(st.sampled_from(["sleep", "call_later"]), DELAYS), min_size=1, max_size=4),
    lambda programs: st.lists(
        st.one_of(
            st.tuples(st.just("sleep"), DELAYS),
            st.tuples(st.sampled_from(["wait_for", "timeout", "cancel"]), DELAYS, programs),
            st.tuples(st.just("gather"), st.lists(programs, min_size=2, max_size=4)),
        ),
        min_size=1,
        max_size=4,
    ),
    max_leaves=12,
)


class TaskProgram:
    """A run of a program of tasks. `unit`: the length in seconds of a delay of 1.

    `trace`: what has happened, in order, with the instant in units. `deadlines`: the instants of all timers that were
    made, also of those that did not fire.
    """

    def __init__(self, unit=1.0):
        self.unit, self.trace, self.deadlines, self._number = unit, [], [], 0

    async def main(self, steps):
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        await self.run(steps)
        self.note("the end")

    def note(self, what):
        self.trace.append((what, round((self.loop.time() - self.began) / self.unit, 3)))

    def delay(self, units):
        # No two delays are equal, so that the order is certain.
        self._number += 1
        delay = (units + self._number / 97) * self.unit
        self.deadlines.append((self.loop.time() - self.began + delay) / self.unit)
        return delay

    async def run(self, steps):
        for kind, *arguments in steps:
            self._number += 1
            await getattr(self, kind)(f"{kind} {self._number}", *arguments)

    async def sleep(self, name, units):
        await asyncio.sleep(self.delay(units))
        self.note(name)

    async def call_later(self, name, units):
        self.loop.call_later(self.delay(units), self.note, name)

    async def gather(self, name, programs):
        await asyncio.gather(*map(self.run, programs))
        self.note(name)

    async def wait_for(self, name, units, steps):
        try:
            await asyncio.wait_for(self.run(steps), self.delay(units))
        except asyncio.TimeoutError:
            self.note(name)

    async def timeout(self, name, units, steps):
        if sys.version_info < (3, 11):
            return await self.wait_for(name, units, steps)
        try:
            async with asyncio.timeout(self.delay(units)):
                await self.run(steps)
        except TimeoutError:
            self.note(name)

    async def cancel(self, name, units, steps):
        task = asyncio.create_task(self.run(steps))
        await asyncio.sleep(self.delay(units))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            self.note(name)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop whose waiting takes no time and moves its own clock."""

    class Selector(DefaultSelector):
        def select(self, timeout=None):
            self.now += timeout or 0
            return super().select(0 if timeout else timeout)

    def __init__(self):
        selector = self.Selector()
        selector.now = 0.0
        super().__init__(selector)

    def time(self):
        return self._selector.now


def run_tasks(steps, loop, unit=1.0):
    """Run a program of tasks in a loop and close that; return the run."""
    program = TaskProgram(unit)
    try:
        loop.run_until_complete(program.main(steps))
        for task in asyncio.all_tasks(loop):
            task.cancel()
    finally:
        loop.close()
    return program


# --- programs of threads: a list of steps; a step is a sleep, a tuple of its kind and programs, or a hand-over

THREADS = st.recursive(
    st.lists(DELAYS, min_size=1, max_size=3),
    lambda programs: st.lists(
        st.one_of(
            DELAYS,
            st.tuples(st.just("start"), programs),
            st.tuples(st.just("join"), programs),
            st.tuples(st.just("pool"), st.integers(1, 3), st.lists(programs, min_size=1, max_size=4)),
            st.tuples(st.just("queue"), st.lists(DELAYS, min_size=1, max_size=3), DELAYS),
        ),
        min_size=1,
        max_size=4,
    ),
    max_leaves=10,
)


def simulate_threads(steps, at, wakes):
    """Return the instant at which a program of threads ends, and add those at which its sleeps end to `wakes`."""
    ends = []
    for step in steps:
        match step:
            case int():
                at += step
                wakes.append(at)
            case "start", program:
                ends.append(simulate_threads(program, at, wakes))
            case "join", program:
                at = simulate_threads(program, at, wakes)
            case "pool", workers, programs:
                free = [at] * workers
                for program in programs:
                    heapq.heapreplace(free, simulate_threads(program, free[0], wakes))
                at = max(free)
            case "queue", delays, work:
                put = got = at
                for delay in delays:
                    put += delay
                    got = max(put, got) + work
                    wakes += [put, got]
                at = got
    return max([at, *ends])


def run_threads(steps, note):
    """Run a program of threads. `note` is called after each sleep."""
    started = []
    for step in steps:
        match step:
            case int():
                time.sleep(step)
                note()
            case "start", program:
                started.append(threading.Thread(target=run_threads, args=(program, note)))
                started[-1].start()
            case "join", program:
                thread = threading.Thread(target=run_threads, args=(program, note))
                thread.start()
                thread.join()
            case "pool", workers, programs:
                with ThreadPoolExecutor(workers) as pool:
                    list(pool.map(lambda program: run_threads(program, note), programs))
            case "queue", delays, work:
                items = queue.Queue()
                producer = threading.Thread(target=_produce, args=(items, delays, note))
                producer.start()
                while items.get():
                    time.sleep(work)
                    note()
                producer.join()
    for thread in started:
        thread.join()


def _produce(items, delays, note):
    for delay in delays:
        time.sleep(delay)
        note()
        items.put(delay)
    items.put(None)
