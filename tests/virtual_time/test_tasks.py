"""Tasks of asyncio in virtual time: the order of their wake-ups and the time they take are those of a real loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import math
import random
import time

import pytest
from hypothesis import assume, given, settings

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.virtual_time.machine import ATTACK
from tests.virtual_time.programs import TASKS, SimulatedLoop, run_tasks


@pytest.fixture
def mock():
    """Yield a mock whose clock moves only when the code under test sleeps."""
    with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
        yield mock


def in_virtual_time(steps):
    """Run a program in a mock; return its trace, and the seconds by which the clock was moved."""
    with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
        trace = run_tasks(steps, asyncio.SelectorEventLoop()).trace
        return trace, (mock.clock.now() - START).total_seconds()


def gap(run):
    """Return the time between those two timers of a run that are closest to each other, in units."""
    return min((later - sooner for sooner, later in itertools.pairwise(sorted(run.deadlines))), default=1)


@given(steps=TASKS)
@settings(max_examples=ATTACK * 200)
def test_programs_take_the_time_and_the_order_of_a_simulation(steps):
    """What happens in a random program of tasks, and when, is as in a loop that simulates the time."""
    run = run_tasks(steps, SimulatedLoop())
    assume(gap(run) > 1e-3)
    expected = run.trace

    trace, passed = in_virtual_time(steps)

    assert trace == expected
    assert passed == pytest.approx(expected[-1][1], abs=1e-3)


def drawn(generator, depth=0):
    """Return a random program that is not too large to run for real."""
    kinds = ["sleep", "call_later"] if depth == 2 else ["sleep", "wait_for", "timeout", "cancel", "gather"]
    steps = []
    for kind in generator.choices(kinds, k=generator.randint(1, 3)):
        inner = [drawn(generator, depth + 1) for _ in range(2)] if depth < 2 else []
        more = [] if kind in ("sleep", "call_later") else [inner] if kind == "gather" else [inner[0]]
        steps.append((kind, *([] if kind == "gather" else [generator.randint(1, 12)]), *more))
    return steps


def certain_programs():
    """Yield programs whose timers are so far apart that a real loop cannot take one for another."""
    for seed in itertools.count():
        steps = drawn(random.Random(seed))  # noqa: S311 - a program, not a secret
        run = run_tasks(steps, SimulatedLoop())
        if gap(run) > 0.3 and len(run.trace) > 5 and max(run.deadlines) < 60:
            yield steps


@pytest.mark.parametrize("number", range(ATTACK * 6))
def test_programs_wake_in_the_order_of_a_real_loop(number):
    """The order of events is that of the same program on a real loop, with milliseconds in place of seconds."""
    steps = next(itertools.islice(certain_programs(), number, None))
    names = [name for name, _ in in_virtual_time(steps)[0]]

    # On a busy machine a real loop may be late by more than a gap between two timers: then it gets more time.
    for unit in (0.004, 0.02, 0.1, 0.5):
        if [name for name, _ in run_tasks(steps, asyncio.SelectorEventLoop(), unit).trace] == names:
            return
    pytest.fail(f"a real loop never had the order {names}")


def test_sleeps_side_by_side_take_as_long_as_the_longest(mock):
    """Five sleeps of a minute in gather pass one minute; tasks wake in the order of their deadlines."""

    async def main():
        await asyncio.gather(*(asyncio.sleep(60) for _ in range(5)))
        assert mock.clock.now() == START + dt.timedelta(minutes=1)
        woken = []

        async def sleep(seconds):
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*map(sleep, [3, 1, 2]))
        return woken

    assert asyncio.run(main()) == [1, 2, 3]
    assert mock.clock.now() == START + dt.timedelta(minutes=1, seconds=3)


def test_equal_delays_end_in_the_order_of_their_start(mock):
    """Timers of the same length fire in the order in which they were made."""

    async def main():
        woken = []
        for number in range(100):
            asyncio.get_running_loop().call_later(60, woken.append, number)
        await asyncio.sleep(61)
        return woken

    assert asyncio.run(main()) == [*range(100)]


def test_a_sleep_in_a_callback_moves_the_time_of_the_loop(mock):
    """After a blocking sleep the loop's own time has passed, and its timers that are due fire in their order."""

    async def main():
        loop, fired = asyncio.get_running_loop(), []
        began = loop.time()
        loop.call_later(20, fired.append, 20)
        loop.call_later(10, fired.append, 10)

        time.sleep(60)  # noqa: ASYNC251 - what is tested

        assert loop.time() - began == pytest.approx(60)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return fired

    assert asyncio.run(main()) == [10, 20]
    assert mock.clock.now() == START + dt.timedelta(seconds=60)


def test_a_loop_that_waits_for_the_time_without_a_timer_goes_on(mock):
    """`while loop.time() < end: await asyncio.sleep(0)` ends, when the time has really passed."""

    async def main():
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.05
        while loop.time() < end:  # noqa: ASYNC110 - what is tested
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [math.inf, 1e12])
def test_a_sleep_without_end_does_not_move_the_time(mock, seconds):
    """A task that sleeps for ever, until it is cancelled, moves no clock, and others sleep as usual."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(seconds))
        await asyncio.to_thread(int)
        assert mock.clock.now() == START
        await asyncio.sleep(60)
        task.cancel()

    asyncio.run(main())
    assert mock.clock.now() == START + dt.timedelta(minutes=1)


def test_two_mocks_in_one_gather_pass_the_same_time():
    """Mocks of two tasks of one loop have clocks of their own, and each sleep is as long in both."""

    async def sleep(seconds):
        with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
            await asyncio.sleep(seconds)
            return (mock.clock.now() - START).total_seconds()

    async def main():
        return await asyncio.gather(sleep(60), sleep(3600))

    assert asyncio.run(main()) == pytest.approx([60, 3600])


def test_two_mocks_with_one_clock_move_it_once():
    """Two tasks in mocks that share a clock sleep side by side: the clock moves by the longer sleep."""
    with mock_inference_experiment(clock=START) as outer:

        async def sleep(seconds):
            with mock_inference_experiment(clock=outer.clock, virtual_sleep=True):
                await asyncio.sleep(seconds)

        async def main():
            await asyncio.gather(sleep(60), sleep(3600))

        asyncio.run(main())

        assert outer.clock.now() == START + dt.timedelta(hours=1)
