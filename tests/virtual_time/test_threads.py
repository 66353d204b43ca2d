"""Threads in virtual time: sleeps that overlap take as long as the longest, end in their order, and nobody hangs."""

from __future__ import annotations

import asyncio
import math
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.interception import other_threads, stack
from tests.conftest import START
from tests.virtual_time.machine import ATTACK, busy_machine
from tests.virtual_time.programs import THREADS, run_threads, simulate_threads


@contextmanager
def virtual_time():
    """Enter a mock; yield a function that returns the seconds that have passed in it."""
    with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
        yield lambda: round((mock.clock.now() - START).total_seconds(), 3)


@pytest.fixture
def passed():
    """Return a function that returns the seconds that have passed in a mock."""
    with virtual_time() as passed:
        yield passed


def in_threads(*functions):
    """Call functions in threads that run side by side, and wait for them."""
    threads = [threading.Thread(target=function) for function in functions]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


# --- random programs


def check(steps):
    """Run a program of threads, and compare it with its simulation."""
    expected = []
    end = simulate_threads(steps, 0, expected)

    with virtual_time() as passed:
        woken = []
        run_threads(steps, lambda: woken.append(passed()))

        assert woken == sorted(expected)
        assert passed() == end


@given(steps=THREADS)
@settings(max_examples=ATTACK * 100)
def test_programs_take_as_long_as_their_longest_path(steps):
    """Sleeps end at their deadlines and in their order, whatever threads, pools and queues they are in."""
    check(steps)


@pytest.mark.usefixtures("frequent_thread_switches")
@given(steps=THREADS)
@settings(max_examples=ATTACK * 50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_programs_take_as_long_when_threads_switch_often(steps):
    """It is the same when Python switches threads after each few instructions."""
    check(steps)


@given(steps=THREADS)
@settings(max_examples=ATTACK * 20, suppress_health_check=[HealthCheck.too_slow])
def test_programs_take_as_long_on_a_busy_machine(busy, steps):
    """It is the same when other processes use the processors, and threads often have to wait for one."""
    check(steps)


@pytest.fixture(scope="module")
def busy():
    """Let other processes use the processors, and let Python switch threads often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with busy_machine():
        yield
    sys.setswitchinterval(interval)


@pytest.fixture
def other_system(monkeypatch):
    """Let threads be judged as on a system that is not Linux."""
    monkeypatch.setattr(other_threads, "LINUX", False)
    monkeypatch.setattr(other_threads, "LOOKS", 4)


@pytest.mark.usefixtures("other_system")
@given(steps=THREADS)
@settings(max_examples=ATTACK * 20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_programs_end_on_other_systems(steps):
    """Where the system does not say what a thread does, programs end and no sleep is too short."""
    with virtual_time() as passed:
        run_threads(steps, int)

        assert passed() >= simulate_threads(steps, 0, [])


# --- threads that hand over work


def test_a_thread_that_computes_is_waited_for(passed):
    """Time does not jump while a thread works, also between many threads that wait for Python's lock."""
    order = []

    def compute(seconds):
        math.factorial(5_000)
        order.append("computed")
        time.sleep(seconds)

    in_threads(*(lambda number=number: compute(number) for number in range(1, 6)), lambda: time.sleep(60))

    assert (order, passed()) == (["computed"] * 5, 60)


def test_a_thread_that_waits_for_another_gets_its_turn(passed):
    """A thread that a lock lets go on begins its own sleep before the time jumps."""
    lock, ends = threading.Lock(), []

    def work(seconds):
        with lock:
            time.sleep(seconds)
            ends.append(passed())

    in_threads(*(lambda: work(10) for _ in range(4)), lambda: time.sleep(100))

    assert (ends, passed()) == ([10, 20, 30, 40], 100)


def test_a_waiting_event_is_set_in_virtual_time(passed):
    """An event that a thread sets after a virtual sleep of an hour is set at once for a thread that really waits."""
    event = threading.Event()
    threading.Thread(target=lambda: (time.sleep(3600), event.set())).start()

    assert event.wait(30)
    assert passed() == 3600


def test_loops_and_threads_share_the_time(passed):
    """Timers of two loops in two threads, and the sleep of a third thread, end in the order of their deadlines."""
    ends = []

    async def sleep(*lengths):
        for seconds in lengths:
            await asyncio.sleep(seconds)
            ends.append(passed())

    loops = [threading.Thread(target=asyncio.run, args=(sleep(*each),)) for each in ([10, 10, 10], [4, 4, 4, 4])]
    for each in loops:
        each.start()
    time.sleep(11)
    ends.append(passed())
    for each in loops:
        each.join()

    assert ends == [4, 8, 10, 11, 12, 16, 20, 30]


def test_a_coroutine_handed_to_a_loop_of_a_daemon_thread_sleeps_for_its_caller(passed):
    """run_coroutine_threadsafe() takes no real time: the coroutine runs in the context of its caller, who waits."""
    loop, ends = asyncio.new_event_loop(), []
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def sleep(seconds):
        await asyncio.sleep(seconds)
        ends.append(passed())

    futures = [asyncio.run_coroutine_threadsafe(sleep(seconds), loop) for seconds in (50, 10)]
    time.sleep(30)
    ends.append(passed())
    for each in futures:
        each.result(timeout=30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

    assert ends == [10, 30, 50]


def test_a_polling_function_in_a_thread_of_a_loop_is_timed_out(passed):
    """wait_for() around to_thread() times out when the function in the thread sleeps longer."""

    def poll():
        for _ in range(100):
            time.sleep(10)

    async def main():
        task = asyncio.get_running_loop().run_in_executor(None, poll)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 95)
        at_timeout = passed()
        await task
        return at_timeout

    assert (asyncio.run(main()), passed()) == (95, 1000)


# --- daemon threads


def test_the_sleep_of_a_daemon_thread_does_not_move_the_time(passed):
    """A heartbeat of a daemon thread beats as often as the time that others pass allows."""
    beats, stop = [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(passed())
            time.sleep(10)

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    time.sleep(65)
    stop.set()

    assert (passed(), beats) == (65, [0, 10, 20, 30, 40, 50, 60])
    time.sleep(10)  # Lets the thread end.
    heart.join()


def test_the_sleep_of_a_daemon_thread_ends_for_real(passed):
    """A daemon thread that nobody moves the time for goes on after the real length of its sleep."""
    ended = threading.Event()
    threading.Thread(target=lambda: (time.sleep(0.05), ended.set()), daemon=True).start()

    assert ended.wait(30)
    assert passed() == 0


def test_work_that_a_daemon_thread_has_got_is_waited_for(passed):
    """A daemon thread handles a message at once, not after the sleeps of those who wait for the result."""
    messages, done = queue.Queue(), []

    def work():
        while messages.get():
            math.factorial(20_000)
            done.append(passed())

    threading.Thread(target=work, daemon=True).start()
    messages.put("message")
    while not done:
        time.sleep(1)
    messages.put(None)

    assert done == [0]
    assert passed() <= 1


def test_a_daemon_thread_that_never_rests_does_not_stop_the_time(passed):
    """An endless computation in a daemon thread delays the first sleep a little, and no other."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            pass

    spinner = threading.Thread(target=spin, daemon=True)
    spinner.start()
    for _ in range(20):
        time.sleep(3600)
    stop.set()
    spinner.join()

    assert passed() == 20 * 3600


def test_a_thread_that_never_rests_delays_a_sleep_by_its_real_length(passed):
    """A sleep beside an endless computation lasts for real, at least a second, and then has moved the time."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            pass

    spinner = threading.Thread(target=spin)
    spinner.start()
    time.sleep(1.2)
    stop.set()
    spinner.join()

    assert passed() == 1.2


def test_a_daemon_thread_moves_the_time_of_a_mock_of_its_own():
    """A daemon thread that has entered a mock itself sleeps in it without waiting."""
    passed = []

    def enter_and_sleep():
        with virtual_time() as its_own:
            time.sleep(3600)
            passed.append(its_own())

    thread = threading.Thread(target=enter_and_sleep, daemon=True)
    thread.start()
    thread.join(30)

    assert passed == [3600]


def test_mocks_of_two_threads_have_times_of_their_own():
    """Each of two threads in mocks of their own sees only its own sleeps pass."""

    def sleep(seconds):
        with virtual_time() as passed:
            for _ in range(10):
                time.sleep(seconds)
            return passed()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(sleep, [60, 3600])) == [600, 36000]


def test_a_thread_that_outlives_its_mock_ends_its_sleep():
    """A thread that still sleeps when its mock exits does not hang."""
    with virtual_time():
        sleepers = stack.virtual_time()._sleepers
        thread = threading.Thread(target=lambda: time.sleep(3600))
        thread.start()
        while thread.is_alive() and not sleepers:
            pass  # A sleep that begins after the mock is real. A wait here would let virtual time jump.
    thread.join(30)

    assert not thread.is_alive()
