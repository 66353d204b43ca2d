"""One mock under many threads and tasks, overlapping mocks, and forks: nothing is lost, doubled or left behind."""

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


@pytest.fixture(autouse=True)
def _eager_threads():
    """Threads give way to each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def at_once(work, items):
    """Do some work on each of the items, in threads that begin together."""
    together = threading.Barrier(THREADS, timeout=30)

    def begin_together(share):
        together.wait()
        return [work(item) for item in share]

    items = list(items)
    with ThreadPoolExecutor(THREADS) as threads:
        shares = threads.map(begin_together, (items[number::THREADS] for number in range(THREADS)))
        return [result for share in shares for result in share]


def refusal(call, **params):
    """The code of the error with which a call is refused, None when it is answered."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


# --- threads


def test_one_of_many_stops_wins(mock, sagemaker):
    """A transition is taken once, by whoever comes first; the others are told that it was."""
    sagemaker.create_inference_experiment(**create())

    codes = at_once(lambda reason: refusal(sagemaker.stop_inference_experiment, **stop(Reason=reason)), "abcdefgh")

    assert sorted(map(str, codes)) == ["ConflictException"] * (THREADS - 1) + ["None"]
    (winner,) = (call for call in mock.calls.of("StopInferenceExperiment") if call.error is None)
    assert mock.experiments[NAME]["StatusReason"] == winner.params["Reason"]


@pytest.mark.parametrize("by", ["Name", "CreationTime"])
def test_lists_are_whole_while_others_create_and_delete(mock, sagemaker, by):
    """What is there all the time is on one page, once; what comes and goes is on one page at most."""
    staying = [f"stays-{number:02}" for number in range(30)]
    for name in staying:
        sagemaker.create_inference_experiment(**create(name))

    def come_and_go(number):
        for _ in range(10):
            sagemaker.create_inference_experiment(**create(f"goes-{number}"))
            sagemaker.stop_inference_experiment(**stop(f"goes-{number}"))
            sagemaker.delete_inference_experiment(Name=f"goes-{number}")

    def names(_):
        pages = sagemaker.get_paginator("list_inference_experiments").paginate(SortBy=by, MaxResults=7)
        return [experiment["Name"] for page in pages for experiment in page["InferenceExperiments"]]

    listed = at_once(lambda number: names(number) if number % 2 else come_and_go(number), range(THREADS * 3))

    for each in filter(None, listed):
        assert len(each) == len({*each})
        assert {*staying} <= {*each}


def test_no_invocation_is_lost(mock, sagemaker):
    """Metrics count every request, the shadow gets exactly its share, and each capture is there."""
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
    mock.clock.auto_advance = dt.timedelta(seconds=20)  # So that new minutes begin all the time.
    runtime = mock.client("sagemaker-runtime")

    at_once(lambda _: runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"x"), range(1200))

    counted = [point for point in mock.metrics if point.name == "Invocations"]
    assert {
        variant: sum(point.sample_count for point in counted if point.variant == variant)
        for variant in (PRODUCTION, SHADOW)
    } == {PRODUCTION: 1200, SHADOW: 1200 * Fraction(1, 4)}
    assert len(mock.captures) == 1500
    assert mock.clock.now() == START + 1200 * dt.timedelta(seconds=20)


def test_each_fault_is_met_once(mock):
    """However many calls come at once, as many fail and as many are slow as were arranged."""
    for _ in range(20):
        mock.slow_next("ListModels", 1)
        mock.fail_next("ListModels", "ThrottlingException")

    codes = at_once(lambda _: refusal(client().list_models), range(200))

    assert codes.count("ThrottlingException") == 20
    assert mock.clock.now() == START + dt.timedelta(seconds=20)


def test_looking_is_possible_while_others_call(mock, sagemaker):
    """Everything that a mock shows is shown whole, at any moment."""
    sagemaker.create_inference_experiment(**create())
    looks = [
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
            for look in looks:
                look()

    at_once(work, range(THREADS * 40))

    assert [segment.status for segment in mock.timeline(NAME).segments].count("Updating") == (THREADS - 1) * 40


def test_a_client_is_made_once(mock):
    """`.client()` gives every thread the same one."""
    clients = at_once(lambda _: mock.client(region_name="ap-southeast-2"), range(THREADS))

    assert len({id(client) for client in clients}) == 1


# --- tasks


@pytest.mark.asyncio
async def test_tasks_create_and_list_side_by_side(mock):
    """Of many tasks that want a name one gets it, and lists that are read meanwhile are whole."""
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


def test_the_mock_that_was_entered_last_answers_every_thread():
    """Mocks are a stack that all threads share; one may be left before another that it was entered before."""
    entered, left = threading.Event(), threading.Event()

    def other_thread():
        with mock_inference_experiment():
            launch("theirs")
            entered.set()
            assert left.wait(timeout=30)
            return seen()

    with ThreadPoolExecutor(1) as thread:
        with mock_inference_experiment():
            launch("ours")
            theirs = thread.submit(other_thread)
            assert entered.wait(timeout=30)
            assert seen() == ["theirs"]
        assert seen() == ["theirs"]
        left.set()
        assert theirs.result() == ["theirs"]

    assert seen() == [ON_AWS]


@pytest.mark.parametrize("shared", [True, False], ids=["one mock", "many"])
def test_after_the_last_of_many_everything_is_as_it_was(monkeypatch, shared):
    """Threads that enter and leave as they like wait in none, and leave botocore and the sleeps as they found them."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(asyncio, "sleep", asyncio.sleep)  # Put back, should this test fail.
    before = dict(vars(EventAliaser)), time.sleep, asyncio.sleep
    one = mock_inference_experiment(virtual_sleep=True)

    def enter_and_leave(_):
        with one if shared else mock_inference_experiment(virtual_sleep=True) as mock:
            mock.client().list_models()
            time.sleep(3600)

    at_once(enter_and_leave, range(THREADS * 25))

    assert (dict(vars(EventAliaser)), time.sleep, asyncio.sleep) == before
    assert waited == []
    assert seen() == [ON_AWS]


# --- forks


def run(program):
    """What a program prints, which has a process of its own to fork."""
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
        "Do something in a child of this process, which is to be done within ten seconds."
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

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")


@forks
def test_a_child_has_a_world_of_its_own_that_begins_as_the_parents():
    """What either does after the fork is not seen by the other."""
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
def test_a_child_can_leave_its_mock_and_enter_another():
    """As the parent can, and each without the other."""
    printed = run("""
        entry = mock_inference_experiment()
        mock = entry.start()

        def in_child():
            entry.stop()
            with mock_inference_experiment() as another:
                another.client().create_inference_experiment(**create("childs"))
                print(names(another))

        fork(in_child)
        mock.client().create_inference_experiment(**create("parents"))
        print(names(mock))
        entry.stop()
    """)

    assert printed == ["childs", "parents"]


@forks
@pytest.mark.parametrize(
    ("first", "busy_with"),
    [
        ("mock.client()", "mock.client().list_models()"),
        ("mock.client()", "mock.clock.move_to('2100-01-01T00:00:00Z')"),
        ("pass", "mock.client()"),
    ],
    ids=["answering", "moving the clock", "making a client"],
)
def test_a_child_does_not_wait_for_threads_it_does_not_have(first, busy_with):
    """A fork in the midst of what another thread does leaves the child no lock that nobody will release."""
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

        # A client is made of a service model, which is read from a file.
        sys.addaudithook(lambda event, arguments: event == "open" and "service-2" in str(arguments[0]) and wait())

        busy = threading.Thread(target=lambda: {busy_with}, daemon=True)
        mock = mock_inference_experiment(clock=Slow()).start()
        {first}
        busy.start()
        began.wait()

        def in_child():
            mock.clock.advance(days=1)
            mock.client().create_inference_experiment(**create("childs"))
            print(names(mock))

        fork(in_child)
        forked.set()
        busy.join()
    """)

    assert printed == ["childs"]
