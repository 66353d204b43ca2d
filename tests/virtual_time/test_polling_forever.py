"""A loop that polls for something that cannot happen any more is ended by PollingForeverError; no other loop is."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_sagemaker_ie import Durations, MockClock, PollingForeverError, mock_inference_experiment
from mock_sagemaker_ie.service import polling
from tests.conftest import START
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config, stop

OPTIONS = {"clock": START, "virtual_sleep": True}
HOUR, DAY = 3600, 86_400
FEW_PAUSES = polling.Enough(300, dt.timedelta(0), has_read_time=False)


@pytest.fixture
def mock():
    """Yield a mock whose clock moves only when the code under test sleeps."""
    with mock_inference_experiment(**OPTIONS) as mock:
        yield mock


@pytest.fixture(autouse=True)
def _few_pauses(monkeypatch):
    """Let fewer pauses be enough than usual, so that these tests are quick."""
    monkeypatch.setattr(polling, "ENOUGH", (FEW_PAUSES, *polling.ENOUGH[1:]))


def status(sagemaker):
    return sagemaker.describe_inference_experiment(Name=NAME)["Status"]


def poll(sagemaker, wanted, seconds=HOUR, times=10_000):
    """Poll for a status, and give up after so many times."""
    for _ in range(times):
        if status(sagemaker) == wanted:
            return
        time.sleep(seconds)
    pytest.fail("the loop was not ended")


# --- loops that are ended


def test_a_loop_for_a_status_that_never_comes_is_ended(mock, sagemaker):
    """The error names the experiment, its status, why it is in it, what was polled and the way out."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop(Reason="a bad candidate", DesiredState="Cancelled"))

    with pytest.raises(PollingForeverError) as raised:
        poll(sagemaker, "Completed")

    message = str(raised.value)
    for words in (
        "DescribeInferenceExperiment",
        NAME,
        "stays Cancelled",
        "a bad candidate",
        'polling_forever="ignore"',
    ):
        assert words in message


def test_the_error_names_the_operations_that_would_change_the_status(mock, sagemaker):
    """An endpoint that is InService stays it until somebody updates or deletes it."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    with pytest.raises(PollingForeverError, match=r"my-endpoint stays InService until.*UpdateEndpoint"):
        while sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] != "Failed":
            time.sleep(HOUR)


def test_a_waiter_for_what_never_comes_is_ended(mock, sagemaker):
    """A waiter of botocore with very many attempts is ended, too."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    with pytest.raises(PollingForeverError, match="stays InService"):
        sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT, WaiterConfig={"MaxAttempts": 100_000})


def test_a_loop_around_an_error_is_ended(mock, sagemaker):
    """A loop that waits for an experiment that nobody creates shows the error that it gets."""
    with pytest.raises(
        PollingForeverError, match=f"DescribeInferenceExperiment.{NAME}. is answered with ResourceNotFound"
    ):
        while True:
            try:
                status(sagemaker)
            except sagemaker.exceptions.ResourceNotFound:  # noqa: PERF203 - what is tested
                time.sleep(HOUR)


def test_a_coroutine_that_polls_forever_is_ended(mock, sagemaker):
    """A task that polls with asyncio.sleep is ended when nothing else goes on in its loop."""
    sagemaker.create_inference_experiment(**create(Schedule=None))
    sagemaker.stop_inference_experiment(**stop())

    async def main():
        while status(sagemaker) != "Running":  # noqa: ASYNC110 - what is tested
            await asyncio.sleep(HOUR)

    with pytest.raises(PollingForeverError):
        asyncio.run(main())


def test_a_task_of_aiobotocore_that_polls_forever_is_ended(mock, sagemaker):
    """An asynchronous client is ended like others."""
    aio = pytest.importorskip("aiobotocore.session")
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}

    async def main():
        async with aio.get_session().create_client("sagemaker", **keys) as client:
            while (await client.describe_inference_experiment(Name=NAME))["Status"] != "Running":  # noqa: ASYNC110
                await asyncio.sleep(HOUR)

    with pytest.raises(PollingForeverError, match="stays Cancelled"):
        asyncio.run(main())


def test_a_loop_with_auto_advance_is_ended(sagemaker):
    """A loop that only calls, with a clock that each call moves, is ended by a call."""
    clock = MockClock(START, tick=False, auto_advance=dt.timedelta(hours=1))
    with mock_inference_experiment(clock=clock, virtual_sleep=True):
        sagemaker.create_inference_experiment(**create())
        sagemaker.stop_inference_experiment(**stop())
        with pytest.raises(PollingForeverError, match="stays Cancelled"):
            while status(sagemaker) != "Running":
                pass


def test_a_loop_that_reads_the_time_is_ended_when_two_months_have_passed(mock, sagemaker):
    """A loop that may have a deadline is ended much later than one that has none."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    with pytest.raises(PollingForeverError):
        while status(sagemaker) != "Running" and time.monotonic():
            time.sleep(HOUR)

    assert mock.clock.now() - START >= dt.timedelta(days=61)


def test_calls_of_other_operations_are_answered_after_the_error(mock, sagemaker):
    """The clean-up of a test that was ended works."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    with pytest.raises(PollingForeverError):
        poll(sagemaker, "Running")

    sagemaker.delete_inference_experiment(Name=NAME)

    time.sleep(HOUR)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        status(sagemaker)


def test_idle_workers_of_a_pool_do_not_hide_a_loop_without_end(mock, sagemaker):
    """A thread pool whose workers have nothing to do cannot act."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    with ThreadPoolExecutor(1) as threads:
        threads.submit(int).result()
        with pytest.raises(PollingForeverError):
            poll(sagemaker, "Running")


def test_the_alarm_of_pytest_timeout_does_not_hide_a_loop_without_end(mock, sagemaker):
    """pytest-timeout's thread only ends the run."""

    def timeout_timer():
        raise AssertionError

    timeout_timer.__module__ = "pytest_timeout"
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    alarm = threading.Timer(600, timeout_timer)
    alarm.daemon = True
    alarm.start()
    with pytest.raises(PollingForeverError):
        poll(sagemaker, "Running")
    alarm.cancel()
    alarm.join()


def fault(mock, sagemaker):
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    mock.fail_next("CreateInferenceExperiment", "ThrottlingException")


def slow_answer(mock, sagemaker):
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    mock.slow_next("CreateInferenceExperiment", 1)


def failure_of_an_endpoint(mock, sagemaker):
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock.fail_endpoint(ENDPOINT, "a reason")


@pytest.mark.parametrize("waits", [fault, slow_answer, failure_of_an_endpoint])
def test_a_loop_is_ended_while_something_waits_for_another_call(mock, sagemaker, waits):
    """A fault of an operation that is not polled, and the failure of a next deployment, change no answer."""
    waits(mock, sagemaker)

    with pytest.raises(PollingForeverError):
        poll(sagemaker, "Running")

    mock._service.faults.clear()


# --- loops that are not


def polls_to_the_end(sagemaker):
    """Poll for a status that does not come, longer than is enough."""
    for _ in range(500):
        assert status(sagemaker) != "Nothing"
        time.sleep(HOUR)


def test_somebody_may_poll_each_ten_seconds_for_a_day(mock, sagemaker, monkeypatch):
    """8,640 polls are not too many."""
    monkeypatch.undo()
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    for _ in range(24 * 60 * 6):
        time.sleep(10)

    assert status(sagemaker) == "Cancelled"


@pytest.mark.parametrize(("seconds", "polls"), [(15, 10_000), (2 * DAY, 1_000)])
def test_a_loop_is_ended_after_ten_thousand_polls(mock, sagemaker, monkeypatch, seconds, polls):
    """Or after a thousand when they take more than twice as long as the longest experiment."""
    monkeypatch.undo()
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    made = itertools.count(1)
    with pytest.raises(PollingForeverError):
        while next(made) and status(sagemaker) == "Cancelled":
            time.sleep(seconds)

    assert polls <= next(made) <= polls + 150


def test_a_loop_that_reads_the_time_is_ended_later(mock, sagemaker, monkeypatch):
    """A deadline may end it, so three times as many polls are made."""
    monkeypatch.undo()
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    made = itertools.count(1)
    with pytest.raises(PollingForeverError):
        while time.monotonic() and next(made) and status(sagemaker) == "Cancelled":
            time.sleep(15)

    assert 30_000 <= next(made) <= 30_150


def test_a_loop_with_a_deadline_is_not_ended(mock, sagemaker):
    """A loop that reads the time for its deadline ends there, however often it polls."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    deadline, polls = time.monotonic() + 300, 0
    while time.monotonic() < deadline:
        status(sagemaker)
        time.sleep(0.5)
        polls += 1

    assert polls > FEW_PAUSES.pauses


def test_the_option_turns_it_off(sagemaker):
    """With polling_forever="ignore" a loop without end goes on."""
    with mock_inference_experiment(**OPTIONS, polling_forever="ignore"):
        sagemaker.create_inference_experiment(**create())
        sagemaker.stop_inference_experiment(**stop())
        polls_to_the_end(sagemaker)


def test_the_option_is_checked():
    """A value that is not known is refused."""
    with pytest.raises(ValueError, match="polling_forever='no': expected one of error, ignore"):
        mock_inference_experiment(polling_forever="no")


def schedule(mock, sagemaker):
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=29)}))


def deployment(mock, sagemaker):
    sagemaker.create_inference_experiment(**create())
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName="another", EndpointConfigName=CONFIG)


def pending_failure(mock, sagemaker):
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=29)}))
    mock.fail_experiment(NAME, "a reason", at=START + dt.timedelta(days=28))


def faults(mock, sagemaker):
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    mock.slow_next("DescribeInferenceExperiment", 1, times=1000)


@pytest.mark.parametrize("lies_ahead", [schedule, deployment, pending_failure, faults])
def test_a_loop_is_not_ended_while_something_lies_ahead(sagemaker, lies_ahead):
    """A schedule, a deployment, an arranged failure and a fault of a polled operation may still change an answer."""
    durations = Durations(endpoint_creating=dt.timedelta(days=300))
    with mock_inference_experiment(**OPTIONS, durations=durations, unused_faults="ignore") as mock:
        lies_ahead(mock, sagemaker)
        began = mock.clock.now()
        while mock.clock.now() - began < dt.timedelta(days=27):
            status(sagemaker)
            time.sleep(HOUR)


def test_a_loop_is_not_ended_while_another_thread_may_act(mock, sagemaker):
    """A thread that waits for something may call something."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    done = threading.Event()
    thread = threading.Thread(target=done.wait, daemon=True)
    thread.start()
    polls_to_the_end(sagemaker)
    done.set()
    thread.join()


def test_a_loop_is_not_ended_while_another_task_may_act(mock, sagemaker):
    """A task that sleeps beside the loop may call something."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    async def poll_beside():
        for _ in range(500):
            status(sagemaker)
            await asyncio.sleep(HOUR)

    async def main():
        await asyncio.gather(poll_beside(), asyncio.sleep(2600 * HOUR))

    asyncio.run(main())


def test_a_loop_is_not_ended_while_its_handler_answers(mock, sagemaker):
    """The function that serves a model may answer differently each time."""
    answers = iter(range(1000))
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock.serve("model-prod", lambda request: str(next(answers)).encode())
    runtime = mock.client("sagemaker-runtime")

    for _ in range(500):
        runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")
        time.sleep(HOUR)


def test_a_loop_that_changes_something_is_not_ended(mock, sagemaker):
    """A loop that makes a change now and then is not a loop without end."""
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())
    arn = sagemaker.describe_inference_experiment(Name=NAME)["Arn"]
    for number in range(1000):
        if number % 250 == 0:
            sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "number", "Value": str(number)}])
        status(sagemaker)
        time.sleep(HOUR)


def test_a_server_never_ends_a_loop(sagemaker_ie_server):
    """The mock of a server has no virtual sleep, so that its clients are answered for ever."""
    assert not sagemaker_ie_server.mock._service.watch.enabled
