"""Delivery of the events of endpoints to EventBridge or to a function: `events=`."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from mock_sagemaker_ie import DeliveryWarning, mock_inference_experiment
from tests.guardrails import CANARY, DURATIONS, serve_old, update
from tests.hosting import ENDPOINT_MINUTES, serve
from tests.requests import ENDPOINT
from tests.test_events import ARN, CANARY_EVENTS, CREATED, STATE, brief
from tests.traffic.shared import KEYS


def test_a_function_gets_each_event_at_the_first_call_after_its_instant(clock, sagemaker):
    """Nothing runs in the background: events whose instants the clock has passed come with the next call or look."""
    received = []
    with mock_inference_experiment(clock=clock, durations=DURATIONS, events=received.append) as mock:
        serve_old(sagemaker)
        update(sagemaker, CANARY)
        clock.advance(days=1)
        assert brief(received) == CANARY_EVENTS[:4]

        sagemaker.list_models()

        assert brief(received) == CANARY_EVENTS
        assert list(mock.events) == received


@pytest.mark.parametrize(
    "look",
    [
        lambda mock: mock.experiments,
        lambda mock: mock.events,
        lambda mock: mock.alarm("another", state="OK"),
        lambda mock: mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b""),
        lambda mock: None,
    ],
    ids=["experiments", "events", "alarm", "invoke", "the end of the mock"],
)
def test_any_look_delivers(clock, sagemaker, look):
    """So does the end of the mock."""
    received = []
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES, events=received.append) as mock:
        serve(sagemaker)
        clock.advance(hours=1)

        look(mock)

    assert brief(received) == [(0, "CREATING"), (5, "IN_SERVICE")]


def test_eventbridge_gets_the_events_and_its_rules_match(clock, sagemaker):
    """A rule of moto's EventBridge sends them to a queue, as a rule on AWS does."""
    pytest.importorskip("jsonpath_ng", reason="moto's rules need its extra `events`")
    with mock_aws():
        events, sqs = (boto3.client(service, **KEYS) for service in ("events", "sqs"))
        queue = sqs.create_queue(QueueName="changes")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = {"source": ["aws.sagemaker"], "detail-type": [STATE], "detail": {"EndpointStatus": ["IN_SERVICE"]}}
        events.put_rule(Name="deployed", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="deployed", Targets=[{"Id": "queue", "Arn": arn}])
        with mock_inference_experiment(clock=clock, events=events):
            serve(sagemaker)

        (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    body = json.loads(message["Body"])
    assert body["detail"]["EndpointName"] == ENDPOINT
    assert (body["source"], body["detail-type"], body["resources"]) == ("aws.sagemaker", STATE, [ARN])


def test_a_function_may_call_the_mock(clock, sagemaker):
    """Code that reacts to an event is tested like this; the events of its call come after the present one."""
    received = []

    def react(event):
        received.append(event)
        if event["detail"]["EndpointStatus"] == "IN_SERVICE":
            sagemaker.delete_endpoint(EndpointName=ENDPOINT)

    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES, events=react):
        serve(sagemaker)
        clock.advance(hours=1)
        sagemaker.list_models()

    assert brief(received) == [(0, "CREATING"), (5, "IN_SERVICE"), (60, "DELETING")]


def test_a_failing_function_warns_and_later_events_come(clock, sagemaker):
    """The call succeeds; the event that could not be delivered is in mock.events."""
    received = []

    def fail_once(event):
        received.append(event)
        if len(received) == 1:
            raise OSError("queue is full")

    with mock_inference_experiment(clock=clock, events=fail_once) as mock:
        with pytest.warns(DeliveryWarning, match=f"{STATE} of 2026-01-01T09:00:00Z .*mock.events.*queue is full"):
            serve(sagemaker)

        assert brief(received) == brief(mock.events) == CREATED


def test_a_refused_entry_warns(clock, sagemaker):
    """PutEvents answers with FailedEntryCount."""

    class Full:
        def put_events(self, **_):
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "Throttled", "ErrorMessage": "slow down"}]}

    with (
        mock_inference_experiment(clock=clock, events=Full()),
        pytest.warns(DeliveryWarning, match="slow down"),
    ):
        serve(sagemaker)


@pytest.mark.parametrize("wrong", ["arn:aws:events:::bus", 5, object()])
def test_a_wrong_target_is_refused(wrong):
    """The error says what is expected."""
    with pytest.raises(TypeError, match=r"events=.*put_events"):
        mock_inference_experiment(events=wrong)


def test_a_coroutine_function_is_refused():
    """Nobody would await it."""

    async def receive(event):
        """Receive an event."""

    with pytest.raises(TypeError, match="expected a plain function"):
        mock_inference_experiment(events=receive)
