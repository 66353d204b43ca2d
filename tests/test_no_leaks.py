"""Nothing of a mock stays behind: not in botocore's classes, not in the sleeps, not in memory."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import time
import tracemalloc
import unittest
import weakref

import boto3
import pytest
from botocore.hooks import EventAliaser

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen
from tests.conftest import START
from tests.requests import NAME, create

OPTIONS = {"clock": START, "virtual_sleep": True}


def world():
    """What of the process a mock may change while it is active, by name."""
    return {**vars(EventAliaser), "time.sleep": time.sleep, "asyncio.sleep": asyncio.sleep}


BEFORE = {}


@pytest.fixture(autouse=True)
def _before():
    """What the process is like before each of these tests."""
    BEFORE.clear()
    BEFORE.update(world())


def changed():
    """Whether a mock is active, by all that it changes."""
    now = world()
    names = {name for name in now if now[name] is not BEFORE[name]}
    return names == {"emit", "emit_until_response", "time.sleep", "asyncio.sleep"}


# --- every way out


def by_with():
    with mock_inference_experiment(**OPTIONS):
        assert changed()


def by_an_error():
    with pytest.raises(ZeroDivisionError), mock_inference_experiment(**OPTIONS):
        raise ZeroDivisionError


def by_an_interrupt():
    with pytest.raises(KeyboardInterrupt), mock_inference_experiment(**OPTIONS):
        raise KeyboardInterrupt


def by_stop():
    mock = mock_inference_experiment(**OPTIONS)
    mock.start()
    assert changed()
    mock.stop()


def by_the_end_of_a_function():
    @mock_inference_experiment(**OPTIONS)
    def function():
        assert changed()

    function()


def by_the_end_of_a_generator():
    @mock_inference_experiment(**OPTIONS)
    def generator():
        yield changed()

    assert list(generator()) == [True]


def by_closing_a_generator():
    @mock_inference_experiment(**OPTIONS)
    def generator():
        yield changed()

    running = generator()
    assert next(running)
    running.close()


def by_cancelling_a_task():
    @mock_inference_experiment(**OPTIONS)
    async def wait(inside):
        inside.set()
        await asyncio.Event().wait()

    async def main():
        inside = asyncio.Event()
        task = asyncio.create_task(wait(inside))
        await inside.wait()
        assert changed()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def by_the_end_of_a_test_case():
    @mock_inference_experiment(**OPTIONS)
    class Case(unittest.TestCase):
        def test_passes(self):
            assert changed()

        def test_fails(self):
            raise AssertionError

    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(unittest.TestResult())


def by_a_fault_in_vain():
    with pytest.raises(AssertionError), mock_inference_experiment(**OPTIONS, unused_faults="error") as mock:
        mock.fail_next("ListModels", "ThrottlingException")


def by_failing_to_enter():
    class Watch:
        def now(self):
            return START

    with pytest.raises(TypeError):
        mock_inference_experiment(clock=Watch(), virtual_sleep=True).start()


def in_another_order():
    first, second = mock_inference_experiment(**OPTIONS), mock_inference_experiment(**OPTIONS)
    first.start()
    second.start()
    first.stop()
    assert changed()
    second.stop()


WAYS = [
    by_with,
    by_an_error,
    by_an_interrupt,
    by_stop,
    by_the_end_of_a_function,
    by_the_end_of_a_generator,
    by_closing_a_generator,
    by_cancelling_a_task,
    by_the_end_of_a_test_case,
    by_a_fault_in_vain,
    by_failing_to_enter,
    in_another_order,
]


@pytest.mark.parametrize("way_out", WAYS, ids=lambda way: way.__name__)
def test_every_way_out_leaves_things_as_they_were(monkeypatch, way_out):
    """botocore's classes have the very attributes they had, the sleeps are the very functions, and nobody answers."""
    for module in (time, asyncio):
        monkeypatch.setattr(module, "sleep", module.sleep)  # Put back, should this test fail.

    way_out()

    assert {name for name, value in world().items() if value is not BEFORE.get(name)} == set()
    assert seen() == [ON_AWS]


def test_a_sleep_that_somebody_kept_is_the_real_one_again(monkeypatch):
    """A patch made inside a mock and undone after it puts back what it found: that is in the way of nobody."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    with mock_inference_experiment(**OPTIONS) as outer:
        with mock_inference_experiment(**OPTIONS) as inner:
            kept = time.sleep
        kept(60)
    kept(3600)

    assert (inner.clock.now(), outer.clock.now()) == (START, START + dt.timedelta(minutes=1))
    assert waited == [3600]


# --- memory


def enter_and_leave(times):
    for _ in range(times):
        with mock_inference_experiment():
            pass


def enter_call_and_leave(times):
    for number in range(times):
        with mock_inference_experiment(virtual_sleep=True) as mock:
            mock.client().create_inference_experiment(**create(f"experiment-{number}"))


@pytest.mark.parametrize(
    ("use", "times", "bytes_each"), [(enter_and_leave, 10_000, 5), (enter_call_and_leave, 500, 200)]
)
def test_mocks_leave_no_memory_behind(use, times, bytes_each):
    """After thousands of mocks there is as much memory in use as after the first few."""
    tracemalloc.start()
    try:
        use(500)  # Whatever keeps the last few has them now.
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        use(times)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < times * bytes_each


def test_a_world_goes_when_nobody_holds_it():
    """Of the mocks that were left, only the last few are kept, for the report of a test that fails."""
    with mock_inference_experiment() as mock:
        launch()
    gone = weakref.ref(mock)

    del mock
    enter_and_leave(5)
    gc.collect()

    assert gone() is None


def test_a_service_model_dies_with_its_client():
    """What is remembered of a client's model, which is large, keeps it no longer than its client and the mock."""

    def use_a_client_of_its_own():
        session = boto3.Session(region_name="us-east-1")
        client = session.client("sagemaker")
        with mock_inference_experiment():
            client.create_inference_experiment(**create())
            client.describe_inference_experiment(Name=NAME)
        return weakref.ref(client.meta.service_model)

    model = use_a_client_of_its_own()
    for _ in range(5):  # A report of this test's failure would tell of the last ones.
        with mock_inference_experiment():
            pass

    gc.collect()
    assert model() is None
