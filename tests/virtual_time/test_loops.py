"""Event loops in virtual time: those that run before and after a mock, those with connections, and other kinds."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager

import aiohttp
import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START

OPTIONS = {"clock": START, "virtual_sleep": True}


@pytest.fixture
def mock():
    """Yield a mock whose clock moves only when the code under test sleeps."""
    with mock_inference_experiment(**OPTIONS) as mock:
        yield mock


def passed(mock):
    """Return the seconds that have passed in a mock."""
    return round((mock.clock.now() - START).total_seconds(), 3)


# --- what we rely on


def test_asyncio_has_the_private_names_that_virtual_time_needs():
    """If this fails, a new version of Python has changed what `interception/event_loops.py` builds upon."""

    async def main():
        loop = asyncio.get_running_loop()
        timer = loop.call_later(1, print)
        assert timer in loop._scheduled
        assert timer._when == timer.when()
        assert "_context" in asyncio.Handle.__slots__
        assert not loop._stopping
        assert callable(loop._selector.select)
        assert len(loop._selector.get_map()) == 1  # The pipe with which other threads wake the loop.
        handle = loop.call_soon(print)
        assert handle in loop._ready
        handle.cancel()
        timer.cancel()
        timer._when -= 1

    assert [*inspect.signature(asyncio.BaseEventLoop._run_once).parameters] == ["self"]
    assert [*inspect.signature(asyncio.SelectorEventLoop._process_events).parameters] == ["self", "event_list"]
    source = inspect.getsource(asyncio.BaseEventLoop._run_once)
    for name in ("self._ready", "self._scheduled", "self._selector.select(timeout)", "self._process_events", "._when"):
        assert name in source
    assert "self._run_once()" in inspect.getsource(asyncio.BaseEventLoop)
    asyncio.run(main())


# --- loops that run already, and those that go on


@contextmanager
def loop_in_a_thread():
    """Yield a loop that runs in a daemon thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_timers_of_a_loop_that_runs_already_become_virtual():
    """A task that sleeps for an hour when the mock is entered wakes when others have slept for an hour."""
    with loop_in_a_thread() as loop:
        sleep = asyncio.run_coroutine_threadsafe(asyncio.sleep(3600, "woken"), loop)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        with mock_inference_experiment(**OPTIONS):
            time.sleep(3599)
            assert not sleep.done()
            time.sleep(2)

            assert sleep.result(timeout=30) == "woken"


def test_a_mock_that_is_entered_in_a_running_loop_has_virtual_timers():
    """A mock that a coroutine enters makes the timers of its own loop virtual, and its exit makes them real."""

    async def main():
        with mock_inference_experiment(**OPTIONS) as mock:
            await asyncio.sleep(3600)
            assert passed(mock) == 3600
        began = time.monotonic()
        await asyncio.sleep(0.05)
        assert 0.05 <= time.monotonic() - began < 60

    asyncio.run(main())


def test_timers_keep_their_distance_when_the_mock_exits():
    """A timer that is to come in 50 ms comes 50 ms after the exit of a mock in which hours have passed."""

    async def main():
        loop = asyncio.get_running_loop()
        fired = loop.create_future()
        with mock_inference_experiment(**OPTIONS):
            await asyncio.sleep(3600)
            loop.call_later(0.05, fired.set_result, None)
            loop.call_later(3600, fired.set_exception, AssertionError("fired too early"))
            began = time.clock_gettime(time.CLOCK_MONOTONIC)
        await fired
        assert 0.04 <= time.monotonic() - began < 60

    asyncio.run(main())


def test_timers_of_a_loop_in_a_thread_keep_their_distance_when_the_mock_exits():
    """A loop in another thread goes on after the mock, and its timers keep their distance."""
    with loop_in_a_thread() as loop:
        fired, late = threading.Event(), threading.Event()
        with mock_inference_experiment(**OPTIONS):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), loop).result(timeout=30)

            async def arrange():
                asyncio.get_running_loop().call_later(3600, late.set)

            asyncio.run_coroutine_threadsafe(arrange(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.call_later, 0.05, fired.set)

        assert fired.wait(30)
        assert not late.is_set()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("time_of_test", [60, 3600])
async def test_a_loop_of_the_session_has_virtual_timers_in_each_test(time_of_test):
    """The same loop serves mocks of several tests one after the other."""
    with mock_inference_experiment(**OPTIONS) as mock:
        await asyncio.sleep(time_of_test)
        assert passed(mock) == time_of_test


def test_a_closed_loop_is_not_kept(mock):
    """Nothing keeps a closed loop that has had virtual timers."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(60))
    loop.close()
    dead = weakref.ref(loop)
    del loop
    gc.collect()

    assert dead() is None


# --- real input and output come first


@contextmanager
def echo_server(work):
    """Run a server in a daemon thread that calls `work` before it sends back what it received; yield its address."""
    threads = []

    def start(target, *arguments):
        threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection):
            with connection:
                while data := connection.recv(100):
                    work()
                    connection.sendall(data)

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                start(serve, connection)

        start(accept)
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        for each in threads:
            each.join()


@pytest.mark.parametrize(
    ("work", "seconds"),
    [(lambda: None, 0), (lambda: sum(range(2_000_000)), 0), (lambda: time.sleep(20), 20)],
    ids=["at once", "after a computation", "after a virtual sleep"],
)
def test_an_answer_of_a_thread_comes_before_a_timeout(mock, work, seconds):
    """A client with a timeout of 30 s gets the answers of a server in a thread of the process."""

    async def main(address):
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            writer.write(b"hello")
            assert await asyncio.wait_for(reader.readexactly(5), 30) == b"hello"
        writer.close()

    with echo_server(work) as address:
        asyncio.run(main(address))
    assert passed(mock) == 3 * seconds


def test_a_server_that_answers_too_late_is_timed_out(mock):
    """A client with a timeout of 30 s raises TimeoutError when the server sleeps for a minute of virtual time."""

    async def main(address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.readexactly(5), 30)
        writer.close()

    with echo_server(lambda: time.sleep(60)) as address:
        asyncio.run(main(address))
        assert passed(mock) == 30
        time.sleep(30)  # Lets the server go on.


def test_a_loop_that_waits_for_a_connection_alone_waits_for_real(mock):
    """A task without a timer that waits for data moves no clock."""

    async def main():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        began = time.monotonic()
        threading.Timer(0.05, theirs.send, [b"data"]).start()
        assert await asyncio.get_running_loop().sock_recv(ours, 100) == b"data"
        assert time.monotonic() - began >= 0.04
        ours.close()
        theirs.close()

    asyncio.run(main())
    assert passed(mock) == 0


def test_aiohttp_gets_answers_of_a_server_in_a_thread(mock, sagemaker_ie_server):
    """A client of aiohttp with a timeout reaches the mock server of this package in the same process."""

    async def main():
        timeout = aiohttp.ClientTimeout(total=60, sock_read=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for _ in range(5):
                async with session.get(f"{sagemaker_ie_server.url}/_mock/state") as response:
                    await response.read()
                await asyncio.sleep(3600)

    asyncio.run(main())
    assert passed(mock) == 5 * 3600


def test_a_subprocess_is_waited_for_in_real_time(mock):
    """A child process that really takes a while ends before the timeout of its communicate()."""
    child = "import time; time.sleep(0.2); print('done')"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603

    assert done.stdout == "done\n"
    assert passed(mock) == 0


# --- many timers


def test_a_thousand_timers_are_passed_one_after_the_other(mock):
    """Many tasks with different deadlines wake in their order."""

    async def main():
        woken = []

        async def sleep(number):
            await asyncio.sleep(number)
            woken.append(number)

        await asyncio.gather(*(sleep(number) for number in range(1000, 0, -1)))
        return woken

    assert asyncio.run(main()) == [*range(1, 1001)]
    assert passed(mock) == 1000
