"""Threads, tasks, overlapping mocks and forks: no call is lost or answered twice, and nothing is left behind."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction

import pytest
from botocore.exceptions import ClientError
from botocore.hooks import EventAliaser

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, client, launch, seen
from tests.conftest import START
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, stop

THREADS = 8


pytestmark = pytest.mark.usefixtures("frequent_thread_switches")


def in_threads(work, items):
    """Call `work` with each of the items in threads that begin at the same time; return the results."""
    barrier = threading.Barrier(THREADS, timeout=30)

    def work_on(share):
        barrier.wait()
        return [work(item) for item in share]

    items = list(items)
    with ThreadPoolExecutor(THREADS) as threads:
        shares = threads.map(work_on, (items[number::THREADS] for number in range(THREADS)))
        return [result for share in shares for result in share]


def refusal(call, **params):
    """Return the error code with which a call is refused, None if it is answered."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


# --- threads


def test_only_one_of_many_stops_is_accepted(mock, sagemaker):
    """If many threads stop an experiment, one succeeds and the others get ConflictException."""
    sagemaker.create_inference_experiment(**create())

    codes = in_threads(lambda reason: refusal(sagemaker.stop_inference_experiment, **stop(Reason=reason)), "abcdefgh")

    assert sorted(map(str, codes)) == ["ConflictException"] * (THREADS - 1) + ["None"]
    (accepted,) = (call for call in mock.calls.of("StopInferenceExperiment") if call.error is None)
    assert mock.experiments[NAME]["StatusReason"] == accepted.params["Reason"]


@pytest.mark.parametrize("by", ["Name", "CreationTime"])
def test_lists_are_complete_while_other_threads_create_and_delete(mock, sagemaker, by):
    """An experiment that exists all the time is listed once; one that is created and deleted, at most once."""
    staying = [f"stays-{number:02}" for number in range(30)]
    for name in staying:
        sagemaker.create_inference_experiment(**create(name))

    def create_and_delete(number):
        for _ in range(10):
            sagemaker.create_inference_experiment(**create(f"goes-{number}"))
            sagemaker.stop_inference_experiment(**stop(f"goes-{number}"))
            sagemaker.delete_inference_experiment(Name=f"goes-{number}")

    def names(_):
        pages = sagemaker.get_paginator("list_inference_experiments").paginate(SortBy=by, MaxResults=7)
        return [experiment["Name"] for page in pages for experiment in page["InferenceExperiments"]]

    listed = in_threads(lambda number: names(number) if number % 2 else create_and_delete(number), range(THREADS * 3))

    for each in filter(None, listed):
        assert len(each) == len({*each})
        assert {*staying} <= {*each}


def test_no_invocation_is_lost(mock, sagemaker):
    """Metrics count every request, the shadow variant gets exactly its share, and each capture exists."""
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    variants = [deployed(PRODUCTION), deployed(SHADOW, InitialVariantWeight=0.25)]
    sagemaker.create_endpoint_config(
        **endpoint_config("config", variants[0], ShadowProductionVariants=variants[1:], DataCaptureConfig=capture)
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="config")
    mock.clock.auto_advance = dt.timedelta(seconds=20)  # A new minute of metrics begins every three requests.
    runtime = mock.client("sagemaker-runtime")

    in_threads(lambda _: runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"x"), range(1200))

    counted = [point for point in mock.metrics if point.name == "Invocations"]
    assert {
        variant: sum(point.sample_count for point in counted if point.variant == variant)
        for variant in (PRODUCTION, SHADOW)
    } == {PRODUCTION: 1200, SHADOW: 1200 * Fraction(1, 4)}
    assert len(mock.captures) == 1500
    assert mock.clock.now() == START + 1200 * dt.timedelta(seconds=20)


def test_each_arranged_fault_affects_one_call(mock):
    """Among calls of many threads, exactly as many fail and as many are slow as were arranged."""
    for _ in range(20):
        mock.slow_next("ListModels", 1)
        mock.fail_next("ListModels", "ThrottlingException")

    codes = in_threads(lambda _: refusal(client().list_models), range(200))

    assert codes.count("ThrottlingException") == 20
    assert mock.clock.now() == START + dt.timedelta(seconds=20)


def test_properties_can_be_read_while_other_threads_call(mock, sagemaker):
    """Calls, captures, metrics, experiments and timelines can be read at any time."""
    sagemaker.create_inference_experiment(**create())
    views = [
        lambda: mock.calls,
        lambda: mock.captures,
        lambda: mock.metrics,
        lambda: mock.experiments,
        lambda: str(mock.timeline(NAME)),
    ]

    def work(number):
        if number % THREADS:
            sagemaker.update_inference_experiment(Name=NAME, Description=str(number))
        else:
            for view in views:
                view()

    in_threads(work, range(THREADS * 40))

    assert [segment.status for segment in mock.timeline(NAME).segments].count("Updating") == (THREADS - 1) * 40


def test_all_threads_get_the_same_client(mock):
    """`.client()` makes one client for all threads."""
    clients = in_threads(lambda _: mock.client(region_name="ap-southeast-2"), range(THREADS))

    assert len({id(client) for client in clients}) == 1


# --- tasks


@pytest.mark.asyncio
async def test_tasks_create_and_list_concurrently(mock):
    """Of many tasks that create a name one succeeds, and lists that other tasks read meanwhile are complete."""
    session = pytest.importorskip("aiobotocore.session").get_session()
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    names = [f"experiment-{number:02}" for number in range(20)]

    async with session.create_client("sagemaker", region_name="us-east-1", **keys) as client:

        async def launch(name):
            with suppress(client.exceptions.ResourceInUse):
                await client.create_inference_experiment(**create(name))
                return name

        async def listed():
            pages = client.get_paginator("list_inference_experiments").paginate(SortBy="Name", MaxResults=3)
            return [experiment["Name"] async for page in pages for experiment in page["InferenceExperiments"]]

        launched = await asyncio.gather(*(launch(name) for name in names * 5))
        *lists, _ = await asyncio.gather(*(listed() for _ in range(10)), launch("zzz"))

    assert sorted(filter(None, launched)) == sorted(mock.experiments)[:-1] == names
    for each in lists:
        assert len(each) == len({*each})
        assert {*names} <= {*each}


# --- overlapping mocks


def test_a_thread_gets_its_answers_from_its_own_mock_else_from_the_last():
    """Each thread sees the mock that it has entered. After its exit it sees the mock of the other thread."""
    entered, exited = threading.Event(), threading.Event()

    def other_thread():
        with mock_inference_experiment():
            launch("other-thread")
            entered.set()
            assert exited.wait(timeout=30)
            return seen()

    with ThreadPoolExecutor(1) as thread:
        with mock_inference_experiment():
            launch("this-thread")
            result = thread.submit(other_thread)
            assert entered.wait(timeout=30)
            assert seen() == ["this-thread"]
        assert seen() == ["other-thread"]
        exited.set()
        assert result.result() == ["other-thread"]

    assert seen() == [ON_AWS]


@pytest.mark.parametrize("shared", [True, False], ids=["one mock", "many mocks"])
def test_threads_enter_and_exit_mocks_in_any_order(monkeypatch, shared):
    """No virtual sleep really waits, and after the last exit botocore and the sleep functions are the original ones."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(asyncio, "sleep", asyncio.sleep)  # Restores it if this test fails.
    before = dict(vars(EventAliaser)), time.sleep, asyncio.sleep
    one = mock_inference_experiment(virtual_sleep=True)

    def enter_and_exit(_):
        with one if shared else mock_inference_experiment(virtual_sleep=True) as mock:
            mock.client().list_models()
            time.sleep(3600)

    in_threads(enter_and_exit, range(THREADS * 25))

    assert (dict(vars(EventAliaser)), time.sleep, asyncio.sleep) == before
    assert waited == []
    assert seen() == [ON_AWS]


# --- forks


def run(program):
    """Run a program that forks, in a new process; return the words that it prints."""
    text = textwrap.dedent(FORKING) + textwrap.dedent(program)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text]  # Of forks beside threads.
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own
    assert done.stderr == ""
    return done.stdout.split()


FORKING = """
    import os, signal, sys, threading
    from mock_sagemaker_ie import MockClock, mock_inference_experiment
    from tests.requests import create

    def fork(in_child):
        "Call a function in a child of this process; it must return within ten seconds."
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            in_child()
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the child hangs or fails"

    def names(mock):
        answer = mock.client().list_inference_experiments(SortBy="Name", SortOrder="Ascending")
        return "+".join(each["Name"] for each in answer["InferenceExperiments"])
"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@forks
def test_a_child_process_has_a_copy_of_the_mock():
    """The child's copy begins with the parent's state; calls of one after the fork do not change the other."""
    printed = run("""
        with mock_inference_experiment() as mock:
            mock.client().create_inference_experiment(**create("before"))

            def in_child():
                mock.client().create_inference_experiment(**create("child"))
                print("child:", names(mock), len(mock.calls))

            fork(in_child)
            mock.client().create_inference_experiment(**create("parent"))
            print("parent:", names(mock), len(mock.calls))
    """)

    assert printed == ["child:", "before+child", "3", "parent:", "before+parent", "3"]


@forks
def test_a_child_process_can_exit_its_mock_and_enter_another():
    """The child's exit and entry do not change the parent's mock."""
    printed = run("""
        entry = mock_inference_experiment()
        mock = entry.start()

        def in_child():
            entry.stop()
            with mock_inference_experiment() as another:
                another.client().create_inference_experiment(**create("in-child"))
                print(names(another))

        fork(in_child)
        mock.client().create_inference_experiment(**create("in-parent"))
        print(names(mock))
        entry.stop()
    """)

    assert printed == ["in-child", "in-parent"]


@forks
@pytest.mark.parametrize(
    ("first", "busy_with"),
    [
        ("mock.client()", "mock.client().list_models()"),
        ("mock.client()", "mock.clock.move_to('2100-01-01T00:00:00Z')"),
        ("pass", "mock.client()"),
    ],
    ids=["a call", "moving the clock", "making a client"],
)
def test_a_child_process_does_not_wait_for_locks_of_other_threads(first, busy_with):
    """If another thread holds a lock of the mock during the fork, the child can still use the mock."""
    printed = run(f"""
        began, forked = threading.Event(), threading.Event()

        def wait():
            if threading.current_thread() is busy:
                began.set()
                forked.wait()

        class Slow(MockClock):
            def now(self):
                wait()
                return super().now()

        # Making a client reads the service model from a file.
        sys.addaudithook(lambda event, arguments: event == "open" and "service-2" in str(arguments[0]) and wait())

        busy = threading.Thread(target=lambda: {busy_with}, daemon=True)
        mock = mock_inference_experiment(clock=Slow()).start()
        {first}
        busy.start()
        began.wait()

        def in_child():
            mock.clock.advance(days=1)
            mock.client().create_inference_experiment(**create("in-child"))
            print(names(mock))

        fork(in_child)
        forked.set()
        busy.join()
    """)

    assert printed == ["in-child"]
