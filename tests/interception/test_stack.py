"""Which of several active mocks answers: the caller's own, or else the mock that was entered last."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen


class Steps:
    """Lets two threads take turns: each step waits until the other thread has reached it too."""

    def __init__(self):
        self._barrier = threading.Barrier(2, timeout=30)

    def together(self):
        self._barrier.wait()


def test_decorated_functions_in_two_threads_keep_their_own_states():
    """Each thread sees the experiment of its own mock, whichever mock was entered last."""
    steps = Steps()

    @mock_inference_experiment
    def decorated(name):
        steps.together()
        launch(name)
        steps.together()
        names = seen()
        steps.together()
        return names

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(decorated, ["one", "two"])) == [["one"], ["two"]]

    assert seen() == [ON_AWS]


def test_decorated_coroutines_in_one_gather_keep_their_own_states():
    """Each task sees the experiment of its own mock, although the tasks take turns."""

    @mock_inference_experiment
    async def decorated(name):
        await asyncio.sleep(0)
        launch(name)
        await asyncio.sleep(0)
        return seen()

    async def gather():
        return await asyncio.gather(*map(decorated, ["one", "two", "three"]))

    assert asyncio.run(gather()) == [["one"], ["two"], ["three"]]


def test_generators_that_take_turns_see_the_mock_that_was_entered_last():
    """Two generators run in one context, so the last mock answers both; each exit ends the mock of its generator."""

    @mock_inference_experiment
    def decorated(name):
        launch(name)
        yield seen()

    first, second = decorated("one"), decorated("two")
    assert (next(first), next(second)) == (["one"], ["two"])

    first.close()

    assert seen() == ["two"]
    second.close()
    assert seen() == [ON_AWS]


def test_a_thread_of_the_code_under_test_sees_the_mock_of_its_test():
    """A thread that has entered no mock gets its answers from the mock that was entered last."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(time.monotonic).result()  # The thread exists before the mock.

        with mock_inference_experiment():
            launch("ours")
            assert threads.submit(seen).result() == ["ours"]


def test_a_task_sees_the_mock_of_the_task_that_started_it():
    """asyncio.to_thread and create_task take over the mock of the caller."""

    async def body(name):
        with mock_inference_experiment():
            launch(name)
            return await asyncio.to_thread(seen), await asyncio.create_task(asyncio.to_thread(seen))

    async def gather():
        return await asyncio.gather(body("one"), body("two"))

    assert asyncio.run(gather()) == [(["one"], ["one"]), (["two"], ["two"])]


def test_a_mock_entered_in_another_context_answers_inside_the_mocks_of_its_starter():
    """A fixture may enter its mock in a task of its own, inside the mock of a wider scope: the inner mock answers."""
    inner = mock_inference_experiment()
    with mock_inference_experiment():
        launch("outer")

        contextvars.copy_context().run(inner.start)
        launch("inner")

        assert seen() == ["inner"]
        contextvars.copy_context().run(inner.stop)
        assert seen() == ["outer"]


def test_after_its_own_mock_a_context_sees_the_mock_around_it():
    """The answers follow the mocks of the context while they are exited, in any order."""
    outer, inner = mock_inference_experiment(), mock_inference_experiment()
    outer.start()
    launch("outer")
    inner.start()
    launch("inner")

    outer.stop()
    assert seen() == ["inner"]

    inner.stop()
    assert seen() == [ON_AWS]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in, first out", "last in, first out"])
def test_one_mock_object_in_two_threads_ends_the_entry_of_each_thread(order):
    """A mock object that two threads have entered ends, in each thread, what this thread has entered."""
    shared = mock_inference_experiment()
    exits = [threading.Event(), threading.Event()]
    steps = Steps()

    def enter_and_exit(index):
        with shared:
            launch(str(index))
            steps.together()
            assert exits[index].wait(timeout=30)
        return seen()

    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(enter_and_exit, index) for index in (0, 1)]
        for index in order:
            exits[index].set()
            results[index].exception(timeout=30)
        last = order[-1]
        assert [result.result() for result in results] == [
            [ON_AWS] if index == last else [str(last)] for index in (0, 1)
        ]


def test_sleeps_move_the_clock_of_the_callers_own_mock():
    """Two threads with virtual sleep in mocks of their own move their own clocks."""
    steps = Steps()

    def sleep(seconds):
        with mock_inference_experiment(clock="2026-01-01T09:00:00Z", virtual_sleep=True) as mock:
            began = mock.clock.now()
            steps.together()
            time.sleep(seconds)
            steps.together()
            return (mock.clock.now() - began).total_seconds()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(sleep, [60, 3600])) == [60, 3600]


def test_an_inner_mock_without_virtual_sleep_leaves_sleeping_to_the_outer_one():
    """The innermost mock with virtual_sleep=True counts for a sleep."""
    with mock_inference_experiment(clock="2026-01-01T09:00:00Z", virtual_sleep=True) as outer:
        began = outer.clock.now()
        with mock_inference_experiment():
            time.sleep(60)

        assert (outer.clock.now() - began).total_seconds() == 60


def test_a_wrapper_around_sleep_that_outlives_the_mock_still_sleeps(monkeypatch):
    """Code that wraps time.sleep inside a mock reaches the real function after that mock and the next one."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with mock_inference_experiment(virtual_sleep=True):
        replacement = time.sleep
        time.sleep = functools.partial(replacement)
    with mock_inference_experiment(virtual_sleep=True):
        time.sleep(1)

    time.sleep(2)

    assert slept == [2]
