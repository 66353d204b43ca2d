"""Signals, forks and tools with threads: virtual time goes on as before, and no sleeper is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.interception import stack, virtual_time
from tests.attack import interrupting
from tests.conftest import START
from tests.virtual_time.machine import ATTACK

OPTIONS = {"clock": START, "virtual_sleep": True}


@pytest.fixture
def mock():
    """Yield a mock whose clock moves only when the code under test sleeps."""
    with mock_inference_experiment(**OPTIONS) as mock:
        yield mock


@pytest.fixture
def spinner():
    """Run a thread that never rests, so that a sleep in the main thread really lasts."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    yield
    stop.set()
    thread.join()


def nobody_sleeps():
    """Return whether no thread is counted as asleep."""
    return not stack.virtual_time()._sleepers and not virtual_time._asleep


class Interrupted(Exception):  # noqa: N818 - not an error
    """Raised by the handler of a signal."""


@pytest.fixture
def on_alarm():
    """Return a function that arranges that SIGALRM calls another function after 50 ms."""
    before = signal.getsignal(signal.SIGALRM)

    def arrange(handler):
        signal.signal(signal.SIGALRM, lambda *_: handler())
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    yield arrange
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupt():
    raise Interrupted


@pytest.mark.usefixtures("spinner")
@pytest.mark.parametrize("sleep", [lambda: time.sleep(3600), lambda: asyncio.run(asyncio.sleep(3600))])
def test_a_signal_ends_a_virtual_sleep(mock, on_alarm, sleep):
    """An exception that a handler raises comes out of the sleep, and the next sleep is as if it had not been."""
    with pytest.raises(Interrupted):
        on_alarm(interrupt)
        sleep()

    assert nobody_sleeps()
    assert mock.clock.now() == START


@pytest.mark.usefixtures("spinner")
def test_a_handler_of_a_signal_may_sleep(mock, on_alarm):
    """A virtual sleep in a handler, within the sleep that the signal interrupted, does not hang."""
    woken = []
    on_alarm(lambda: (time.sleep(0.5), woken.append("handler")))

    time.sleep(1)

    assert woken == ["handler"]
    assert nobody_sleeps()
    assert (mock.clock.now() - START).total_seconds() == 1


@pytest.fixture
def resting_thread():
    """Run a thread that waits for something, so that a sleep has to look whether it rests."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("resting_thread")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Of a file that was just opened.
def test_interrupts_at_any_instant_leave_no_sleeper(mock, on_alarm):
    """An exception of a handler that comes anywhere in many virtual sleeps leaves nobody asleep, and no lock held."""
    for number in range(100 * ATTACK):
        with pytest.raises(Interrupted):
            on_alarm(interrupt)
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + number % 100 * 0.00001)
            while True:
                time.sleep(1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(1)
        assert nobody_sleeps()


@pytest.mark.usefixtures("resting_thread")
def test_an_interrupt_at_any_line_of_a_sleep_leaves_no_sleeper(mock):
    """Nobody is left asleep, and no lock is held, whichever line of a sleep an exception comes at."""
    number = 0
    while interrupting.interrupt(lambda: time.sleep(1), number := number + 1, Interrupted()):
        assert nobody_sleeps(), number
        beside = threading.Thread(target=lambda: time.sleep(1))
        beside.start()
        beside.join(10)
        assert not beside.is_alive(), number

    assert number > 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_goes_on_in_virtual_time(mock):
    """After a fork beside sleeping threads, the child sleeps without waiting for threads that it does not have."""
    stop = threading.Event()

    def sleep():
        while not stop.is_set():
            time.sleep(3600)

    sleepers = [threading.Thread(target=sleep, daemon=True) for _ in range(3)]
    for each in sleepers:
        each.start()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        before = time.monotonic()
        time.sleep(86400)
        asyncio.run(asyncio.sleep(86400))
        os.write(writer, b"%d" % round((time.monotonic() - before) / 86400))
        os._exit(0)
    os.waitpid(child, 0)
    stop.set()
    time.sleep(7200)

    assert os.read(reader, 100) == b"2"
    os.close(reader)
    os.close(writer)
    for each in sleepers:
        each.join()


TEST = """
import threading
import time
from mock_sagemaker_ie import mock_inference_experiment

def test_sleeps_beside_a_thread_that_rests():
    resting = threading.Timer(600, print)
    resting.start()
    with mock_inference_experiment(clock="2026-01-01T09:00:00Z", virtual_sleep=True) as mock:
        began = mock.clock.now()
        for _ in range(100):
            time.sleep(3600)
        assert (mock.clock.now() - began).total_seconds() == 360_000
    resting.cancel()
"""


def test_sleeps_take_no_time_beside_the_thread_of_pytest_timeout(pytester):
    """With the thread method of pytest-timeout, and a timer that is not a daemon, sleeps are virtual."""
    pytest.importorskip("pytest_timeout")
    pytester.makepyfile(TEST)

    result = pytester.runpytest_subprocess("--timeout=60", "--timeout-method=thread", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)


def test_an_interpreter_exits_while_a_daemon_thread_sleeps():
    """A daemon thread that sleeps in virtual time does not keep a process from its end."""
    program = """
        import threading, time
        from mock_sagemaker_ie import mock_inference_experiment
        mock_inference_experiment(virtual_sleep=True).start()
        threading.Thread(target=lambda: time.sleep(3600), daemon=True).start()
        time.sleep(60)
        print("done")
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own

    assert (done.stdout, done.stderr) == ("done\n", "")
