"""Handlers of a user that make calls or end the mock in the middle of a call, and calls that outlive their mock."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from tests.aws import NOWHERE
from tests.requests import model

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}

# In the order of a call that uses the wire.
EVENTS = [
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "after-call",
]

every_event = pytest.mark.parametrize("event", EVENTS)


@pytest.fixture
def client(monkeypatch):
    """Return a client that would connect to NOWHERE and retries without waiting."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    config = Config(retries={"total_max_attempts": 3, "mode": "standard"})
    return boto3.client("sagemaker", endpoint_url=NOWHERE, config=config, **KEYS)


def on_first(client, event, handle, operation="ListModels"):
    """Call `handle` at the first event of this kind."""
    left = [handle]

    def handler(**_):
        if left:
            left.pop()()

    client.meta.events.register_last(f"{event}.sagemaker.{operation}", handler)


def has_begun(event):
    """Return whether a call has begun when this event comes: it begins with `before-call`."""
    return EVENTS.index(event) >= EVENTS.index("before-call")


# --- calls within calls


@every_event
@pytest.mark.parametrize("wire", [False, True], ids=["immediate", "wire"])
@pytest.mark.parametrize("inner", ["list_models", "list_endpoints"])
def test_a_handler_may_make_a_call(client, connections, event, wire, inner):
    """A fault waits for both operations. Both calls are answered, whichever of them gets it."""
    with mock_inference_experiment(wire=wire) as mock:
        on_first(client, event, lambda: answers.append(getattr(client, inner)()))
        mock.fail_next("ListModels", "ThrottlingException")
        mock.fail_next("ListEndpoints", "ThrottlingException", times=1)
        answers = []

        answers.append(client.list_models())
        client.list_endpoints()

    assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [200] * 2
    assert connections == []


@every_event
def test_a_call_in_another_mock_keeps_its_own_mock(client, event):
    """A handler enters a mock of its own and stays in it: the call that has begun goes on in the mock of its caller."""
    with mock_inference_experiment(wire=True) as outer:
        inner = mock_inference_experiment()
        on_first(client, event, inner.start)

        client.list_models()
        inner.stop()

    assert len(outer.calls) == has_begun(event)


# --- the mock ends during a call


@pytest.mark.parametrize("event", EVENTS[:-1])
@pytest.mark.parametrize("operation", ["ListModels", "ListTrainingJobs"], ids=["answered", "not answered"])
def test_a_handler_may_end_the_mock(client, connections, event, operation):
    """No request of a call that began inside is sent; one that begins later is."""
    mock = mock_inference_experiment(wire=True, unused_faults="ignore")
    mock.start().fail_next("ListModels", "ThrottlingException")
    on_first(client, event, mock.stop, operation)

    with pytest.raises((EndpointConnectionError, UnansweredCallError)) as caught:
        client.list_models() if operation == "ListModels" else client.list_training_jobs()

    assert isinstance(caught.value, UnansweredCallError) == has_begun(event)
    assert (connections == []) == has_begun(event)
    with suppress(RuntimeError):  # The event did not come, so the handler has not ended the mock.
        mock.stop()


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_retry_after_the_end_of_the_mock_is_refused(monkeypatch, client, connections, attempt):
    """The error names the call and says what to do; the next call, which begins later, is sent."""
    sleeps = []
    monkeypatch.setattr(time, "sleep", lambda seconds: (sleeps.append(seconds), len(sleeps) == attempt and mock.stop()))
    mock = mock_inference_experiment(unused_faults="ignore")
    mock.start().fail_next("ListModels", "ThrottlingException", times=2)

    with pytest.raises(UnansweredCallError, match=r"ListModels \(sagemaker\) .* has ended since; .* not sent to AWS"):
        client.list_models()

    assert (len(sleeps), connections) == (attempt, [])
    with pytest.raises(EndpointConnectionError):
        client.list_models()


@pytest.mark.parametrize("operation", ["list_models", "list_training_jobs"])
def test_a_thread_that_waits_for_a_retry_is_refused_after_the_mock(monkeypatch, client, connections, operation):
    """The mock ends while the thread waits. The outer mock, which goes on, does not answer either."""
    waits, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.set(), ended.wait(30)))
    client.meta.events.register("before-send.sagemaker.ListTrainingJobs", lambda **_: AWSResponse("", 503, {}, Raw()))

    with ThreadPoolExecutor(1) as threads, mock_inference_experiment() as outer:
        with mock_inference_experiment() as inner:
            inner.fail_next("ListModels", "ThrottlingException", times=1)
            call = threads.submit(getattr(client, operation))
            assert waits.wait(30)
            inner.reset()
        ended.set()

        with pytest.raises(UnansweredCallError, match="has ended since"):
            call.result(30)

    assert (outer.calls, connections) == ((), [])


class Raw(io.BytesIO):
    """The body of a response, in the form that botocore reads."""

    def stream(self):
        yield self.read()


@pytest.mark.parametrize("wire", [False, True], ids=["immediate", "wire"])
def test_the_next_page_and_the_next_poll_are_calls_of_their_own(client, connections, wire):
    """A paginator and a waiter that outlive the mock make their next call outside it."""
    with mock_inference_experiment(wire=wire) as mock:
        for name in ("one", "two"):
            client.create_model(**model(name))
        pages = iter(client.get_paginator("list_models").paginate(PaginationConfig={"PageSize": 1}))
        next(pages)
        assert len(mock.calls) == 3

    with pytest.raises(EndpointConnectionError):
        next(pages)
    assert connections
