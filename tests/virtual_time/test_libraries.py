"""Libraries that wait, retry and time out, in virtual time."""

from __future__ import annotations

import asyncio
import datetime as dt
import sched
import time
import warnings

import anyio
import pytest
import tenacity
from botocore.exceptions import ReadTimeoutError, WaiterError

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.conftest import START
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config


@pytest.fixture
def mock():
    """Yield a mock whose clock moves only when the code under test sleeps."""
    with mock_inference_experiment(clock=START, virtual_sleep=True, durations=Durations.realistic()) as mock:
        yield mock


def passed(mock):
    """Return the seconds that have passed in a mock."""
    return round((mock.clock.now() - START).total_seconds(), 3)


# --- tenacity and anyio


def retrying(kind):
    """Return a tenacity object that tries every 10 s, for 5 minutes."""
    return kind(stop=tenacity.stop_after_delay(300), wait=tenacity.wait_fixed(10), reraise=True)


def fail():
    raise ConnectionError


def test_tenacity_stops_after_its_delay(mock):
    """stop_after_delay() sees the pauses between the attempts pass."""
    with pytest.raises(ConnectionError):
        retrying(tenacity.Retrying)(fail)

    assert 290 <= passed(mock) <= 300


def test_tenacity_stops_after_its_delay_in_a_loop(mock):
    """AsyncRetrying behaves alike."""

    async def fail_later():
        fail()

    with pytest.raises(ConnectionError):
        asyncio.run(retrying(tenacity.AsyncRetrying)(fail_later))

    assert 290 <= passed(mock) <= 300


def test_anyio_sleeps_and_times_out(mock):
    """The sleeps and the cancel scopes of anyio on asyncio see the same time."""

    async def main():
        await anyio.sleep(10)
        assert passed(mock) == 10
        with anyio.move_on_after(5) as scope:
            await anyio.sleep(60)
        assert scope.cancelled_caught
        assert passed(mock) == 15
        with pytest.raises(TimeoutError):
            with anyio.fail_after(5):
                await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            for seconds in (30, 10, 20):
                group.start_soon(anyio.sleep, seconds)
        assert passed(mock) == pytest.approx(50, abs=0.01)

    anyio.run(main)


# --- AWS's own


def test_the_waiter_of_botocore_waits_in_virtual_time(mock, sagemaker):
    """endpoint_in_service waits until the endpoint is InService."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT)

    assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
    assert passed(mock) % 30 == 0 < passed(mock)


def test_the_waiter_of_botocore_gives_up(mock, sagemaker):
    """A waiter for an endpoint that takes longer than its attempts raises WaiterError, not an error of ours."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    with pytest.raises(WaiterError, match="Max attempts"):
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=ENDPOINT, WaiterConfig={"Delay": 1, "MaxAttempts": 3}
        )


def test_a_slow_answer_beyond_the_read_timeout_is_retried(mock, sagemaker):
    """An answer that is slower than the client's read timeout is a ReadTimeoutError, which the client retries."""
    mock.slow_next("ListModels", 3600)
    assert sagemaker.list_models()["ResponseMetadata"]["RetryAttempts"] == 1

    mock.slow_next("ListModels", 3600, times=10)
    with pytest.raises(ReadTimeoutError):
        sagemaker.list_models()
    mock._service.faults.clear()


@pytest.fixture
def resource(monkeypatch):
    """Return the class of sagemaker-core for inference experiments."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sagemaker.core.resources").InferenceExperiment


def test_a_resource_of_sagemaker_core_waits_for_a_status(mock, sagemaker, resource):
    """wait_for_status() polls until the status is there."""
    sagemaker.create_inference_experiment(**create())

    resource.get(name=NAME).wait_for_status("Running", poll=5)

    assert mock.experiments[NAME]["Status"] == "Running"


def test_a_resource_of_sagemaker_core_times_out(mock, sagemaker, resource):
    """wait_for_status(timeout=) raises its error after so many seconds of virtual time."""
    sagemaker.create_inference_experiment(**create())

    with pytest.raises(Exception, match="Timeout") as raised:
        resource.get(name=NAME).wait_for_status("Completed", poll=5, timeout=600)

    assert type(raised.value).__name__ == "TimeoutExceededError"
    assert 600 <= passed(mock) <= 605


# --- the standard library


def test_a_scheduler_runs_its_events_in_virtual_time(mock):
    """sched.scheduler reads the time and sleeps for its caller."""
    scheduler, ran = sched.scheduler(time.monotonic, time.sleep), []
    for seconds in (3600, 60):
        scheduler.enter(seconds, 1, lambda: ran.append(round(passed(mock))))

    scheduler.run()

    assert ran == [60, 3600]


# --- uvloop


@pytest.fixture
def uvloop():
    """Return the module, if this Python has it."""
    return pytest.importorskip("uvloop")


def test_sleeps_in_uvloop_move_the_clock_call_by_call(mock, uvloop):
    """Timers of uvloop are not reached: asyncio.sleep moves the clock by the length of each sleep."""

    async def main():
        await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))

    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()

    assert mock.clock.now() == START + dt.timedelta(minutes=2)
