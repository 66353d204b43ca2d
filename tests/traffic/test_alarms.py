"""Alarms of CloudWatch that roll deployments back: their state, and their definition on the mock's metrics."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from mock_sagemaker_ie import DeliveryWarning, FrozenClock, MockClock, ModelResponse, mock_inference_experiment
from tests.conftest import START
from tests.guardrails import ALARM, ALL_TRAFFIC, CANARY, MODELS, NEW, OLD, ROLLING, seen, serve_old, update
from tests.hosting import endpoint, refused
from tests.requests import ENDPOINT
from tests.traffic.shared import KEYS

MINUTE = dt.timedelta(minutes=1)
ROLLED_BACK, BAKING, DONE = ("InService", OLD), ("Updating", OLD), ("InService", NEW)


@pytest.fixture
def watching(clock, cloudwatch, sagemaker):
    """Yield a mock beside moto's CloudWatch. Its endpoint has 3 instances, and takes no time to launch more."""
    with mock_inference_experiment(clock=clock, cloudwatch=cloudwatch, unused_faults="ignore") as mock:
        serve_old(sagemaker)
        yield mock


def put_alarm(cloudwatch, name=ALARM, *, config=None, **changes):
    """Create an alarm, by default on any error 5XX of the endpoint in a minute; a change to None leaves it out."""
    dimensions = {"EndpointName": ENDPOINT, "VariantName": ALL_TRAFFIC, "EndpointConfigName": config}
    definition = {
        "AlarmName": name,
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": [{"Name": each, "Value": value} for each, value in dimensions.items() if value],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        **changes,
    }
    cloudwatch.put_metric_alarm(**{member: value for member, value in definition.items() if value is not None})


def invoke(mock, times=3):
    """Invoke the endpoint, and read over errors of the model."""
    runtime = mock.client("sagemaker-runtime")
    for _ in range(times):
        with suppress(runtime.exceptions.ModelError):
            runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")


def state(sagemaker):
    """Return the status of the endpoint and its configuration."""
    return seen(sagemaker)[:2]


# --- the state in CloudWatch


def test_the_state_in_cloudwatch_rolls_back_at_once(watching, sagemaker, cloudwatch):
    """The alarm need not be on a metric of SageMaker: its StateValue counts at the next look."""
    put_alarm(cloudwatch, Namespace="Own", MetricName="Complaints", Dimensions=[])
    update(sagemaker, CANARY)
    watching.clock.advance(MINUTE)
    assert state(sagemaker) == BAKING

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

    assert state(sagemaker) == ROLLED_BACK
    assert endpoint(sagemaker)["LastModifiedTime"] == START + MINUTE
    assert (
        endpoint(sagemaker)["FailureReason"]
        == f"The deployment was rolled back because alarm {ALARM} was in state ALARM."
    )


def test_a_state_counts_from_the_last_look_on_when_the_clocks_differ(watching, sagemaker, cloudwatch):
    """The clock leaps over the whole deployment after the state was set, so the state rolls it back."""
    put_alarm(cloudwatch, Namespace="Own", MetricName="Complaints", Dimensions=[])
    update(sagemaker, CANARY)

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    watching.clock.advance(hours=1)

    assert state(sagemaker) == ROLLED_BACK
    assert endpoint(sagemaker)["LastModifiedTime"] == START


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_look_at_the_events_reads_the_alarms_first(watching, cloudwatch, region):
    """Also those of another region, whose time passes too."""
    put_alarm(cloudwatch, Namespace="Own", MetricName="Complaints", Dimensions=[])
    client = boto3.client("sagemaker", **{**KEYS, "region_name": region})
    if region != "us-east-1":
        serve_old(client)
    update(client, CANARY)

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    watching.clock.advance(hours=1)

    assert "ROLLING_BACK" in [event["detail"]["EndpointStatus"] for event in watching.events]


def test_a_state_counts_from_its_own_instant_on_when_the_clocks_agree(cloudwatch, sagemaker):
    """With a FrozenClock, which moto sees, StateUpdatedTimestamp says that the alarm came after the deployment."""
    put_alarm(cloudwatch, Namespace="Own", MetricName="Complaints", Dimensions=[])
    with mock_inference_experiment(clock=FrozenClock(START), cloudwatch=cloudwatch) as mock:
        serve_old(sagemaker)
        update(sagemaker, CANARY)
        mock.clock.advance(hours=1)

        cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

        assert state(sagemaker) == DONE


def test_a_state_set_by_hand_takes_precedence(watching, sagemaker, cloudwatch):
    """After mock.alarm(), what CloudWatch says of the alarm does not count."""
    put_alarm(cloudwatch, Namespace="Own", MetricName="Complaints", Dimensions=[])
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    watching.alarm(ALARM, state="OK")

    update(sagemaker, CANARY)
    watching.clock.advance(hours=1)

    assert state(sagemaker) == DONE


def test_an_alarm_that_does_not_exist_is_refused(watching, sagemaker):
    """A misspelt name would never roll back. Without `cloudwatch=` every alarm is assumed to exist."""
    with refused(watching) as caught:
        update(sagemaker, CANARY)

    assert caught.value.response["Error"]["Message"] == f'Could not find alarm "{ALARM}".'


def test_an_alarm_set_by_hand_need_not_exist_in_cloudwatch(watching, sagemaker):
    """The test stands for CloudWatch then."""
    watching.alarm(ALARM, state="OK")

    update(sagemaker, CANARY)

    assert state(sagemaker) == BAKING


# --- the definition, on the mock's metrics


@pytest.fixture
def failing(watching):
    """Return the mock, whose new model fails with status 500 after 50 ms; the old one answers after 2 ms."""
    watching.serve(MODELS[OLD], lambda _: ModelResponse("", latency=0.002))
    watching.serve(MODELS[NEW], lambda _: ModelResponse("", latency=0.05, status=500))
    return watching


def test_an_alarm_is_evaluated_when_its_minute_is_over(failing, sagemaker, cloudwatch):
    """The first minute with errors is complete at its end; the endpoint rolls back then, whenever somebody looks."""
    put_alarm(cloudwatch)
    update(sagemaker, CANARY)
    failing.clock.advance(seconds=90)
    invoke(failing)
    failing.clock.advance(seconds=29)
    assert state(sagemaker) == BAKING

    failing.clock.advance(hours=2)

    assert state(sagemaker) == ROLLED_BACK
    assert endpoint(sagemaker)["LastModifiedTime"] == START + 2 * MINUTE


@pytest.mark.parametrize(
    ("changes", "trips"),
    [
        ({}, True),
        ({"Threshold": 2}, False),
        ({"ComparisonOperator": "GreaterThanThreshold"}, False),
        ({"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0.5}, True),
        ({"Statistic": "Average", "Threshold": 0.3}, True),
        ({"Statistic": "Average", "Threshold": 0.4}, False),
        ({"Statistic": "Maximum"}, True),
        ({"Statistic": "Minimum"}, False),
        ({"Statistic": "SampleCount", "Threshold": 3}, True),
        ({"config": NEW, "Statistic": "Average"}, True),
        ({"config": OLD, "Statistic": "Average"}, False),
        ({"MetricName": "ModelLatency", "Statistic": "Average", "Threshold": 18_000}, True),
        ({"MetricName": "ModelLatency", "Statistic": "Average", "Threshold": 18_001}, False),
        ({"MetricName": "Invocation4XXErrors"}, False),
        ({"ComparisonOperator": "LessThanThreshold", "Threshold": 2, "TreatMissingData": "notBreaching"}, True),
        ({"ComparisonOperator": "LessThanOrEqualToThreshold", "Threshold": 0.5}, False),
        ({"EvaluationPeriods": 2}, False),
        ({"EvaluationPeriods": 2, "DatapointsToAlarm": 1}, True),
        ({"EvaluationPeriods": 2, "TreatMissingData": "breaching"}, True),
        ({"EvaluationPeriods": 2, "TreatMissingData": "ignore"}, False),
        ({"Period": 300}, True),
        ({"Period": 10}, True),
        ({"Dimensions": [{"Name": "EndpointName", "Value": ENDPOINT}]}, False),
        ({"Dimensions": [{"Name": "EndpointName", "Value": "x"}, {"Name": "VariantName", "Value": "y"}]}, False),
        ({"Namespace": "Own"}, False),
    ],
)
def test_an_alarm_trips_by_its_own_definition(failing, sagemaker, cloudwatch, changes, trips):
    """In the first minute of baking, one of three requests goes to the new model, which fails."""
    put_alarm(cloudwatch, **changes)
    update(sagemaker, CANARY)
    failing.clock.advance(seconds=30)
    invoke(failing)

    failing.clock.advance(seconds=31)

    assert state(sagemaker) == (ROLLED_BACK if trips else BAKING)


def test_missing_data_may_breach(watching, sagemaker, cloudwatch):
    """TreatMissingData=breaching rolls back an endpoint that nobody invokes, as soon as it bakes."""
    put_alarm(cloudwatch, TreatMissingData="breaching")

    update(sagemaker, CANARY)

    assert state(sagemaker) == ROLLED_BACK


def test_several_periods_must_breach(failing, sagemaker, cloudwatch):
    """With three evaluation periods the third minute in a row with errors trips the alarm."""
    put_alarm(cloudwatch, EvaluationPeriods=3)
    update(sagemaker, CANARY)

    states = []
    for _ in range(4):
        states.append(state(sagemaker))
        invoke(failing)
        failing.clock.advance(MINUTE)

    assert states == [BAKING, BAKING, BAKING, ROLLED_BACK]


@pytest.mark.parametrize("statistic", [{"ExtendedStatistic": "p90"}])
def test_a_definition_that_cannot_be_evaluated_warns(watching, sagemaker, cloudwatch, statistic):
    """Percentiles need every sample. The state in CloudWatch still counts."""
    put_alarm(cloudwatch, Statistic=None, **statistic)

    with pytest.warns(DeliveryWarning, match=f"alarm {ALARM} is not evaluated.*mock.alarm"):
        update(sagemaker, CANARY)
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

    assert state(sagemaker) == ROLLED_BACK


def test_the_metrics_of_another_region_do_not_count(failing, sagemaker, cloudwatch):
    """Endpoints of the same name may be deployed in several regions: one failing model rolls back one endpoint."""
    put_alarm(cloudwatch)
    elsewhere = boto3.client("sagemaker", **{**KEYS, "region_name": "eu-west-1"})
    serve_old(elsewhere)
    for client in (sagemaker, elsewhere):
        update(client, CANARY)

    runtime = boto3.client("sagemaker-runtime", **{**KEYS, "region_name": "eu-west-1"})
    for _ in range(3):
        with suppress(runtime.exceptions.ModelError):
            runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")
    failing.clock.advance(MINUTE)

    assert (state(sagemaker), state(elsewhere)) == (BAKING, ROLLED_BACK)


instants = st.lists(st.integers(0, 900), max_size=8)


@settings(max_examples=25)
@given(st.sampled_from([CANARY, ROLLING]), st.integers(1, 3), instants, instants)
def test_looks_do_not_change_when_an_alarm_trips(config, periods, invocations, looks):
    """The metrics alone decide: the endpoint rolls back at the same instant, whoever looks and however often."""
    last = 7200
    shown = []
    with mock_aws():
        cloudwatch = boto3.client("cloudwatch", **KEYS)
        put_alarm(cloudwatch, EvaluationPeriods=periods)
        for others in ([], looks):
            clock = MockClock(START, tick=False)
            with mock_inference_experiment(clock=clock, cloudwatch=cloudwatch, unused_faults="ignore") as mock:
                sagemaker = mock.client()
                mock.serve(MODELS[NEW], lambda _: ModelResponse("", status=500))
                serve_old(sagemaker)
                update(sagemaker, config)
                for instant in sorted({*invocations, *others, last}):
                    clock.move_to(START + dt.timedelta(seconds=instant))
                    if instant in invocations:
                        invoke(mock, 2)
                    described = endpoint(sagemaker)
                shown.append(described)

    assert shown[0] == shown[1]
    assert shown[0]["EndpointConfigName"] == (OLD if "FailureReason" in shown[0] else NEW)


# --- a client that fails


class Broken:
    """A CloudWatch client that cannot describe alarms."""

    def put_metric_data(self, **_):
        """Take metrics."""

    def describe_alarms(self, **_):
        """Fail."""
        raise OSError("no route to CloudWatch")


def test_a_failing_client_warns_and_the_deployment_goes_on(clock, sagemaker):
    """An alarm whose state is unknown does not roll back; the call is answered."""
    with mock_inference_experiment(clock=clock, cloudwatch=Broken()) as mock:
        serve_old(sagemaker)
        with pytest.warns(DeliveryWarning, match=f"alarms {ALARM} could not be read from CloudWatch: .*no route"):
            update(sagemaker, CANARY)
        mock.clock.advance(hours=1)

        with pytest.warns(DeliveryWarning):
            assert state(sagemaker) == DONE
        assert state(sagemaker) == DONE  # No deployment watches the alarm any more.
