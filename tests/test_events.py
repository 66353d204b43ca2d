"""The events of endpoints: their payloads, their instants and their order."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import MockClock, mock_inference_experiment
from mock_sagemaker_ie.interception import stack
from tests.conftest import START
from tests.guardrails import ALARM, ALL_TRAFFIC, CANARY, DURATIONS, NEW, OLD, ROLLING, blue_green, serve_old, update
from tests.hosting import ENDPOINT_MINUTES, serve
from tests.operations.shared import MINUTES, bring_to
from tests.requests import ENDPOINT, PRODUCTION, deployed, endpoint_config
from tests.traffic.shared import KEYS

STATE, DEPLOYMENT = "SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}"
MINUTE = dt.timedelta(minutes=1)


def milliseconds(minutes):
    """Return the instant so many minutes after START, as events have it."""
    return int((START + minutes * MINUTE).timestamp() * 1000)


def brief(events):
    """Return the minute of each event, and what it says: a status of the endpoint, or the status of a variant."""
    shown = []
    for event in events:
        detail = event["detail"]
        after = (dt.datetime.fromisoformat(event["time"].replace("Z", "+00:00")) - START) / MINUTE
        if event["detail-type"] == STATE:
            shown.append((after, detail["EndpointStatus"]))
        else:
            lists = (detail, detail.get("PendingDeploymentSummary", {}))
            variants = [variant for each in lists for variant in each["ProductionVariants"]]
            shown += [(after, each["Status"]) for variant in variants for each in variant.get("VariantStatus", ())]
    return shown


# --- payloads


def test_an_endpoint_state_change_has_the_payload_of_aws(guarded):
    """EndpointStatus is in upper snake case, and instants are milliseconds since 1970."""
    creating, in_service = guarded.events

    assert creating["detail"]["EndpointStatus"] == "CREATING"
    assert creating["detail"]["ProductionVariants"][0]["DesiredInstanceCount"] == 3
    assert in_service == {
        "version": "0",
        "id": in_service["id"],
        "detail-type": STATE,
        "source": "aws.sagemaker",
        "account": "123456789012",
        "time": "2026-01-01T09:00:00Z",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {
            "EndpointName": ENDPOINT,
            "EndpointArn": ARN,
            "EndpointConfigName": OLD,
            "ProductionVariants": [
                {
                    "VariantName": ALL_TRAFFIC,
                    "CurrentWeight": 1.0,
                    "DesiredWeight": 1.0,
                    "CurrentInstanceCount": 3,
                    "DesiredInstanceCount": 3,
                }
            ],
            "EndpointStatus": "IN_SERVICE",
            "CreationTime": milliseconds(0),
            "LastModifiedTime": milliseconds(0),
            "Tags": {"team": "ranking"},
        },
    }
    assert creating["id"] != in_service["id"]
    assert guarded.events == (creating, in_service)


def test_a_deployment_state_change_has_the_payload_of_aws(guarded, sagemaker):
    """It has the endpoint as it serves, and PendingDeploymentSummary with the status of each variant."""
    update(sagemaker, CANARY)
    guarded.clock.advance(minutes=3)

    baking = guarded.events[-1]

    assert (baking["detail-type"], baking["time"]) == (DEPLOYMENT, "2026-01-01T09:02:00Z")
    assert baking["detail"]["EndpointStatus"] == "UPDATING"
    assert baking["detail"]["EndpointConfigName"] == OLD
    assert baking["detail"]["PendingDeploymentSummary"] == {
        "EndpointConfigName": NEW,
        "StartTime": milliseconds(0),
        "ProductionVariants": [
            {
                "VariantName": ALL_TRAFFIC,
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
                "CurrentInstanceCount": 1,
                "DesiredInstanceCount": 3,
                "VariantStatus": [
                    {
                        "Status": "Baking",
                        "StatusMessage": "Baking for 300 seconds (WaitIntervalInSeconds) with traffic enabled on "
                        "canary capacity of 1 instance(s).",
                        "StartTime": milliseconds(2),
                    }
                ],
            }
        ],
    }


def test_scaling_is_a_deployment_state_change(guarded):
    """The event of AWS's example: new capacity on an existing configuration."""
    guarded.scale(ENDPOINT, ALL_TRAFFIC, 6)

    event = guarded.events[-1]

    assert event["detail-type"] == DEPLOYMENT
    (variant,) = event["detail"]["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (3, 6)
    assert variant["VariantStatus"] == [
        {
            "Status": "Updating",
            "StatusMessage": "Scaling out desired instance count to 6.",
            "StartTime": milliseconds(0),
        }
    ]
    assert "PendingDeploymentSummary" not in event["detail"]


# --- instants and order

CREATED = [(0, "CREATING"), (0, "IN_SERVICE")]
CANARY_EVENTS = [
    *CREATED,
    (0, "UPDATING"),
    (0, "Creating"),
    (2, "ActivatingTraffic"),
    (2, "Baking"),
    (7, "ActivatingTraffic"),
    (7, "Baking"),
    (9, "Deleting"),
    (10, "IN_SERVICE"),
]


def test_every_phase_has_an_event_although_the_clock_leaps_over_all(guarded, sagemaker):
    """Each event has its own instant, also that of a phase that takes no time."""
    update(sagemaker, CANARY)

    guarded.clock.advance(days=1)

    assert brief(guarded.events) == CANARY_EVENTS


def test_many_looks_give_the_same_events_as_one(guarded, sagemaker):
    """A look adds no event."""
    update(sagemaker, CANARY)
    for _ in range(12):
        guarded.clock.advance(MINUTE)
        assert brief(guarded.events) == [each for each in CANARY_EVENTS if each[0] * MINUTE <= guarded.now() - START]


def test_a_roll_back_has_its_events(guarded, sagemaker):
    """The endpoint is ROLLING_BACK at the instant of the alarm, with FailureReason."""
    update(sagemaker, CANARY)
    guarded.clock.advance(minutes=3)

    guarded.alarm(ALARM, state="ALARM")
    guarded.clock.advance(hours=1)

    assert brief(guarded.events)[6:] == [(3, "ROLLING_BACK"), (7, "IN_SERVICE")]
    assert ALARM in guarded.events[-2]["detail"]["FailureReason"]


def test_an_update_without_deployment_config_is_one_deployment_state_change(guarded, sagemaker):
    """AWS makes a new fleet for it too."""
    update(sagemaker, None)
    guarded.clock.advance(hours=1)

    assert [event["detail-type"] for event in guarded.events[2:]] == [STATE, DEPLOYMENT, STATE]


def test_the_endpoint_of_an_experiment_has_events(clock, sagemaker):
    """AWS documents events of endpoints and none of experiments."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        bring_to(mock, "Completed")

        statuses = [event["detail"]["EndpointStatus"] for event in mock.events if event["detail-type"] == STATE]

    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]


def test_a_deleted_and_a_failed_endpoint_have_events(clock, sagemaker):
    """The last event of an endpoint is that it is deleted."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES) as mock:
        mock.fail_endpoint(ENDPOINT, "No capacity")
        serve(sagemaker)
        mock.clock.advance(hours=1)
        sagemaker.delete_endpoint(EndpointName=ENDPOINT)
        mock.clock.advance(hours=1)

        assert brief(mock.events) == [(0, "CREATING"), (5, "FAILED"), (60, "DELETING")]
        assert mock.events[1]["detail"]["FailureReason"] == "No capacity"


def test_an_excluded_endpoint_has_no_deployment_events(clock, sagemaker):
    """AWS: endpoints with ml.inf1 instances have no events of their deployments."""
    with mock_inference_experiment(clock=clock, durations=DURATIONS) as mock:
        serve(sagemaker, deployed(PRODUCTION, InstanceType="ml.inf1.xlarge"))
        sagemaker.create_endpoint_config(**endpoint_config("next"))
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="next", DeploymentConfig=CANARY)
        mock.clock.advance(hours=1)

        assert {event["detail-type"] for event in mock.events} == {STATE}


def test_events_of_all_regions_are_in_the_order_of_their_instants(clock):
    """Each event has its region."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES) as mock:
        for region in ("eu-west-1", "us-east-1"):
            serve(mock.client(region_name=region))
            clock.advance(MINUTE)
        clock.advance(hours=1)

        regions = [(event["region"], event["detail"]["EndpointStatus"]) for event in mock.events]

    assert regions == [
        ("eu-west-1", "CREATING"),
        ("us-east-1", "CREATING"),
        ("eu-west-1", "IN_SERVICE"),
        ("us-east-1", "IN_SERVICE"),
    ]


def test_a_refused_call_and_a_look_ahead_have_no_events(clock, sagemaker):
    """Only what happens has an event."""
    with mock_inference_experiment(clock=clock, durations=MINUTES, quotas={"ml.m5.xlarge": 2}) as mock:
        bring_to(mock, "Created")
        before = mock.events

        mock.timeline("my-experiment")
        with pytest.raises(sagemaker.exceptions.ResourceLimitExceeded):
            serve(sagemaker, deployed(PRODUCTION, InitialInstanceCount=9))

        assert mock.events == before


def test_keep_limits_the_events_and_reset_forgets_them(clock, sagemaker):
    """As for calls."""
    with mock_inference_experiment(clock=clock, keep=3) as mock:
        serve_old(sagemaker)
        update(sagemaker, CANARY)
        clock.advance(hours=1)
        assert len(mock.events) == 3

        mock.reset()
        assert mock.events == ()


def test_a_changed_event_does_not_change_the_mock(guarded):
    """A reader gets copies."""
    guarded.events[0]["detail"]["Tags"].clear()

    assert guarded.events[0]["detail"]["Tags"] == {"team": "ranking"}


# --- a law

waits = st.lists(st.integers(0, 700), max_size=12)


@settings(max_examples=30)
@given(st.sampled_from([CANARY, ROLLING, blue_green(), None]), st.booleans(), st.integers(0, 2000), waits)
def test_events_do_not_depend_on_looks(config, alarm, alarm_at, looks):
    """Whoever looks, and however often: each event comes once, in order, and says what Describe says then."""
    runs = []
    for instants in ([alarm_at, 100_000], sorted({*looks, alarm_at, 100_000})):
        clock, received = MockClock(START, tick=False), []
        options = {"clock": clock, "durations": DURATIONS, "events": received.append, "unused_faults": "ignore"}
        with mock_inference_experiment(**options) as mock:
            client = mock.client()
            serve_old(client)
            update(client, config)
            for instant in instants:
                clock.move_to(START + dt.timedelta(seconds=instant))
                if alarm and instant == alarm_at:
                    mock.alarm(ALARM, state="ALARM")
                described = client.describe_endpoint(EndpointName=ENDPOINT)
                last = received[-1]["detail"]
                assert last["EndpointStatus"].replace("_", "") == described["EndpointStatus"].upper()
                assert last["EndpointConfigName"] == described["EndpointConfigName"]
                pending = [it.get("PendingDeploymentSummary", {}) for it in (last, described)]
                if "ProductionVariants" in pending[0]:
                    counts = [it["ProductionVariants"][0]["CurrentInstanceCount"] for it in pending]
                    assert counts[0] == counts[1]
            assert list(mock.events) == received
        times = [event["time"] for event in received]
        assert times == sorted(times)
        runs.append([{**event, "id": None} for event in received])

    assert runs[0] == runs[1]


# --- a copied state


@mock_inference_experiment(clock=START.isoformat())
class TestCopiedState:
    """Each test of a class starts with a copy of what the set-up of the class has made."""

    @classmethod
    def setup_class(cls):
        serve(boto3.client("sagemaker", **KEYS))

    @pytest.mark.parametrize("times", range(2))
    def test_the_events_of_the_set_up_come_first(self, times):
        """Then come those of the test, which no other test sees."""
        boto3.client("sagemaker", **KEYS).delete_endpoint(EndpointName=ENDPOINT)

        assert brief(stack.active_mocks()[-1].mock.events) == [*CREATED, (0, "DELETING")]
