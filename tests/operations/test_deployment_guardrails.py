"""UpdateEndpoint with a DeploymentConfig: the phases of each policy, traffic, alarms and rolling back."""

from __future__ import annotations

import datetime as dt

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.guardrails import (
    ALARM,
    ALL_TRAFFIC,
    CANARY,
    DURATIONS,
    LAUNCHING,
    LINEAR,
    MODELS,
    NEW,
    OLD,
    ROLLING,
    ROLLING_BACK,
    answers,
    blue_green,
    configure,
    percent,
    rolling,
    seen,
    serve_old,
    size,
    update,
)
from tests.hosting import endpoint
from tests.requests import ENDPOINT, SHADOW, deployed

# These tests serve two models, of which not every test reaches both.
pytestmark = pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")

MINUTE = dt.timedelta(minutes=1)


def by_minute(mock, sagemaker, minutes):
    """Return what Describe says, and how many of 3 requests the new model answers, at each of the next minutes."""
    shown = []
    for _ in range(minutes):
        shown.append((*seen(sagemaker), answers(mock, 3).count(MODELS[NEW])))
        mock.clock.advance(MINUTE)
    return shown


# --- the phases

OLD_SERVES, NEW_SERVES = ("InService", OLD, 3, None, None, 0), ("InService", NEW, 3, None, None, 3)


def deploying(old, new, status, answered):
    """Return what is seen while the endpoint is Updating."""
    return ("Updating", OLD, old, new, status, answered)


ALL_AT_ONCE_PHASES = [
    *[deploying(3, 0, "Creating", 0)] * 2,
    *[deploying(3, 3, "Baking", 3)] * 2,
    deploying(3, 3, "Deleting", 3),
    NEW_SERVES,
]
CANARY_PHASES = [
    *[deploying(3, 0, "Creating", 0)] * 2,
    *[deploying(3, 1, "Baking", 1)] * 5,
    *[deploying(3, 3, "Baking", 3)] * 2,
    deploying(3, 3, "Deleting", 3),
    NEW_SERVES,
]
LINEAR_PHASES = [
    *[deploying(3, 0, "Creating", 0)] * 2,
    *[deploying(3, 1, "Baking", 1)] * 3,
    *[deploying(3, 2, "Baking", 2)] * 3,
    *[deploying(3, 3, "Baking", 3)] * 2,
    deploying(3, 3, "Deleting", 3),
    NEW_SERVES,
]
ROLLING_PHASES = [
    *[deploying(3, 0, "Creating", 0)] * 2,
    *[deploying(3, 1, "Baking", 1)] * 3,
    deploying(3, 1, "Deleting", 1),
    *[deploying(2, 1, "Creating", 1)] * 2,
    *[deploying(2, 2, "Baking", 2)] * 3,
    deploying(2, 2, "Deleting", 2),
    *[deploying(1, 2, "Creating", 2)] * 2,
    *[deploying(1, 3, "Baking", 3)] * 3,
    deploying(1, 3, "Deleting", 3),
    NEW_SERVES,
]
every_policy = pytest.mark.parametrize(
    ("config", "expected"),
    [
        (blue_green(), ALL_AT_ONCE_PHASES),
        (CANARY, CANARY_PHASES),
        (LINEAR, LINEAR_PHASES),
        (ROLLING, ROLLING_PHASES),
    ],
    ids=["all at once", "canary", "linear", "rolling"],
)


@every_policy
def test_each_policy_shifts_traffic_in_its_phases(guarded, sagemaker, config, expected):
    """At every minute Describe shows the phase, the instances of both fleets, and their shares of the requests."""
    update(sagemaker, config)

    assert by_minute(guarded, sagemaker, len(expected)) == expected


@every_policy
def test_one_look_shows_what_many_looks_show(guarded, sagemaker, config, expected):
    """The phases pass although nobody looks; the endpoint changes at its own instants."""
    update(sagemaker, config)

    guarded.clock.advance(MINUTE * (len(expected) - 2))
    assert seen(sagemaker) == expected[-2][:-1]

    guarded.clock.advance(days=1)
    assert seen(sagemaker) == expected[-1][:-1]
    assert endpoint(sagemaker)["LastModifiedTime"] == START + MINUTE * (len(expected) - 1)


def test_without_a_deployment_config_the_old_configuration_serves_until_the_end(guarded, sagemaker):
    """An update without DeploymentConfig shifts all traffic when it ends."""
    update(sagemaker, None)

    assert [row[-1] for row in by_minute(guarded, sagemaker, 3)] == [0, 0, 3]


def test_status_messages_are_those_of_aws(guarded, sagemaker):
    """StatusMessage says how many instances launch, bake and terminate, and for how long they bake."""
    update(sagemaker, CANARY)

    found = []
    for _ in range(10):
        shown = endpoint(sagemaker)
        for variant in (*shown["ProductionVariants"], *shown["PendingDeploymentSummary"]["ProductionVariants"]):
            statuses = variant.get("VariantStatus", ())
            found += [(status["StatusMessage"], status["StartTime"] - START) for status in statuses]
        guarded.clock.advance(MINUTE)

    assert list(dict.fromkeys(found)) == [
        ("Launching 3 instance(s).", MINUTE * 0),
        (
            "Baking for 300 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).",
            MINUTE * 2,
        ),
        (
            "Baking for 120 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 3 instance(s).",
            MINUTE * 7,
        ),
        ("Terminating 3 instance(s).", MINUTE * 9),
    ]


def test_requests_alternate_between_the_fleets_evenly(guarded, sagemaker):
    """Of any number of requests in a row, each fleet answers its share, rounded down or up."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    answered = [model == MODELS[NEW] for model in answers(guarded, 60)]

    for length in range(1, 61):
        for start in range(61 - length):
            assert sum(answered[start : start + length]) in (length // 3, -(-length // 3))


def test_captures_and_metrics_are_those_of_the_fleet_that_answered(guarded, sagemaker):
    """Metrics by EndpointConfigName count each request once, for the configuration that answered it."""
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bucket/new",
        "CaptureOptions": [{"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    configure(sagemaker, "captured", DataCaptureConfig=capture)
    guarded.serve("captured", lambda _: {"new": True})
    update(sagemaker, CANARY, "captured")
    guarded.clock.advance(LAUNCHING)

    answers(guarded, 30)

    counted = {each.endpoint_config: each.sum for each in guarded.metrics.by_config if each.name == "Invocations"}
    per_instance = {
        each.endpoint_config: each.sum for each in guarded.metrics.by_config if each.name == "InvocationsPerInstance"
    }
    assert counted == {OLD: 20, "captured": 10}
    assert per_instance == pytest.approx({OLD: 20 / 3, "captured": 10})
    assert {each.record["captureData"]["endpointOutput"]["data"] for each in guarded.captures} == {'{"new": true}'}
    assert len(guarded.captures) == 10


def test_target_variant_goes_to_both_fleets(guarded, sagemaker):
    """A variant has the same name in both fleets, so TargetVariant does not choose between them."""
    runtime = guarded.client("sagemaker-runtime")
    for model in MODELS.values():
        guarded.serve(model, lambda _, model=model: model)
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    answered = [
        runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"", TargetVariant=ALL_TRAFFIC)["Body"].read().decode()
        for _ in range(6)
    ]

    assert answered.count(MODELS[NEW]) == 2


def test_the_shadow_of_the_fleet_that_answers_gets_the_copies(guarded, sagemaker):
    """Each fleet has its own shadow variant, whose instances become active with those of production."""
    configure(sagemaker, "shadowed", ShadowProductionVariants=[deployed(SHADOW, InitialInstanceCount=6)])
    update(sagemaker, CANARY, "shadowed")
    guarded.clock.advance(LAUNCHING)

    answers(guarded, 30)

    (shadow,) = endpoint(sagemaker)["PendingDeploymentSummary"]["ShadowProductionVariants"]
    assert shadow["CurrentInstanceCount"] == 2
    assert shadow["VariantStatus"][0]["Status"] == "Baking"

    counted = {each.variant: each.sum for each in guarded.metrics if each.name == "Invocations"}
    assert counted == {ALL_TRAFFIC: 30, SHADOW: 10}


def test_one_instance_is_the_smallest_canary(clock, sagemaker):
    """A canary has at least one instance: on an endpoint with one instance it is the whole fleet."""
    with mock_inference_experiment(clock=clock) as mock:
        serve_old(sagemaker, count=1)

        update(sagemaker, blue_green("CANARY", CanarySize=percent(10)))

        assert answers(mock, 3) == [MODELS[NEW]] * 3
        assert seen(sagemaker) == ("Updating", OLD, 1, 1, "Baking")


def test_an_update_to_another_number_of_instances_shifts_by_the_new_one(guarded, sagemaker):
    """The share is that of the active instances among those of the new fleet; a rolling update shrinks the old one."""
    configure(sagemaker, "larger", count=6)
    update(sagemaker, rolling(size(2)), "larger")

    rows = []
    for _ in range(4):
        rows.append(seen(sagemaker)[2:4])
        guarded.clock.advance(minutes=6)

    assert rows == [(3, 0), (2, 2), (1, 4), (3 * 2, None)]


# --- alarms and rolling back


@pytest.mark.parametrize("minute", range(2, 9))
@pytest.mark.parametrize("config", [CANARY, LINEAR], ids=["canary", "linear"])
def test_an_alarm_during_baking_rolls_back_at_once(guarded, sagemaker, config, minute):
    """The old fleet gets all traffic at the instant of the alarm, and the endpoint ends on the first configuration."""
    update(sagemaker, config)
    guarded.clock.advance(MINUTE * minute)

    guarded.alarm(ALARM, state="ALARM")

    assert seen(sagemaker) == ("RollingBack", OLD, 3, None, None)
    assert answers(guarded, 9) == [MODELS[OLD]] * 9
    assert endpoint(sagemaker)["LastModifiedTime"] == START + MINUTE * minute
    guarded.clock.advance(ROLLING_BACK)
    shown = endpoint(sagemaker)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", OLD)
    assert shown["FailureReason"] == f"The deployment was rolled back because alarm {ALARM} was in state ALARM."
    assert shown["LastDeploymentConfig"] == config


def test_an_alarm_before_baking_rolls_back_when_baking_begins(guarded, sagemaker):
    """Nobody looks at alarms while the new fleet launches."""
    guarded.alarm(ALARM, state="ALARM")
    update(sagemaker, CANARY)
    guarded.clock.advance(MINUTE)
    assert seen(sagemaker)[0] == "Updating"

    guarded.clock.advance(MINUTE)

    assert seen(sagemaker)[0] == "RollingBack"
    assert endpoint(sagemaker)["LastModifiedTime"] == START + LAUNCHING


@pytest.mark.parametrize("change", [{"name": "another", "state": "ALARM"}, {"name": ALARM, "state": "OK"}])
def test_other_alarms_and_other_states_do_not_roll_back(guarded, sagemaker, change):
    """Only an alarm of AutoRollbackConfiguration in state ALARM counts."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    guarded.alarm(**change)
    guarded.clock.advance(hours=1)

    assert seen(sagemaker) == ("InService", NEW, 3, None, None)


def test_an_alarm_that_is_over_before_baking_does_not_roll_back(guarded, sagemaker):
    """The state counts during the baking period."""
    guarded.alarm(ALARM, state="ALARM")
    update(sagemaker, CANARY)
    guarded.alarm(ALARM, state="OK")

    guarded.clock.advance(hours=1)

    assert seen(sagemaker) == ("InService", NEW, 3, None, None)


def test_an_alarm_in_another_region_does_not_roll_back(guarded, sagemaker):
    """An alarm has the region and the account of the endpoint."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    guarded.alarm(ALARM, state="ALARM", region_name="eu-west-1")
    guarded.alarm(ALARM, state="ALARM", account_id="210987654321")

    assert seen(sagemaker)[0] == "Updating"


def test_an_unknown_state_of_an_alarm_is_refused(guarded):
    """The states are those of CloudWatch."""
    with pytest.raises(ValueError, match="state='BROKEN': expected one of ALARM, OK, INSUFFICIENT_DATA"):
        guarded.alarm(ALARM, state="BROKEN")


@pytest.mark.parametrize("name", ["", " ", None, 5], ids=repr)
def test_the_name_of_an_alarm_is_not_empty(guarded, name):
    """The error shows what came."""
    with pytest.raises(ValueError, match=f"name={name!r}: expected the name of a CloudWatch alarm"):
        guarded.alarm(name, state="ALARM")


@pytest.mark.parametrize(
    ("rollback", "counts"),
    [({}, [1] * 4 + [3]), ({"RollbackMaximumBatchSize": size(1)}, [1] * 4 + [2] * 4 + [3])],
    ids=["at once by default", "one by one"],
)
def test_a_rolling_deployment_gets_its_old_instances_back_in_batches(guarded, sagemaker, rollback, counts):
    """The remaining old instances take all traffic at once; RollbackMaximumBatchSize says how the others return."""
    update(sagemaker, rolling(percent(33), **rollback))
    guarded.clock.advance(minutes=15)
    assert seen(sagemaker) == ("Updating", OLD, 1, 3, "Baking")

    guarded.alarm(ALARM, state="ALARM")

    rows = by_minute(guarded, sagemaker, len(counts))
    assert [row[2] for row in rows] == counts
    assert [row[-1] for row in rows] == [0] * len(counts)
    assert [row[0] for row in rows] == ["RollingBack"] * (len(counts) - 1) + ["InService"]
    assert rows[-1] == OLD_SERVES


def test_fail_endpoint_rolls_a_canary_back(guarded, sagemaker):
    """A failure that the test arranges is no alarm, but ends on the first configuration too."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    guarded.fail_endpoint(ENDPOINT, "No capacity")

    assert seen(sagemaker)[:2] == ("RollingBack", OLD)
    assert answers(guarded, 3) == [MODELS[OLD]] * 3
    assert endpoint(sagemaker)["FailureReason"] == "No capacity"


def test_an_arranged_failure_ends_the_launch_of_the_new_fleet(guarded, sagemaker):
    """The next deployment fails before it gets traffic."""
    guarded.fail_endpoint(ENDPOINT, "No capacity")
    update(sagemaker, CANARY)

    assert [row[-1] for row in by_minute(guarded, sagemaker, 6)] == [0] * 6
    assert seen(sagemaker)[:2] == ("InService", OLD)


def test_a_deployment_that_exceeds_its_time_limit_rolls_back(clock, sagemaker):
    """MaximumExecutionTimeoutInSeconds counts from the update, with the time that the new fleet needs to launch."""
    config = blue_green("CANARY", CanarySize=size(1))
    config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    slow = DURATIONS.__class__(endpoint_updating=MINUTE * 4)
    with mock_inference_experiment(clock=clock, durations=slow) as mock:
        serve_old(sagemaker)
        mock.clock.advance(MINUTE)
        update(sagemaker, config)

        mock.clock.advance(MINUTE * 10 - dt.timedelta(seconds=1))
        assert seen(sagemaker) == ("Updating", OLD, 3, 3, "Baking")

        mock.clock.advance(seconds=1)
        shown = endpoint(sagemaker)
        assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", OLD)
        assert shown["FailureReason"] == "The deployment took longer than MaximumExecutionTimeoutInSeconds."


# --- the retained configuration


def test_a_retained_deployment_config_is_acted_out(clock, sagemaker):
    """RetainDeploymentConfig uses the DeploymentConfig of CreateEndpoint, which itself deploys without phases."""
    with mock_inference_experiment(clock=clock) as mock:
        serve_old(sagemaker, DeploymentConfig=CANARY)
        assert seen(sagemaker) == ("InService", OLD, 3, None, None)

        update(sagemaker, None, RetainDeploymentConfig=True)

        assert seen(sagemaker) == ("Updating", OLD, 3, 1, "Baking")
        mock.clock.advance(hours=1)
        assert seen(sagemaker) == ("InService", NEW, 3, None, None)


def test_the_config_of_a_deployment_that_was_rolled_back_can_be_retained(guarded, sagemaker):
    """As in AWS's notebooks: the next update uses the DeploymentConfig of the failed one."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)
    guarded.alarm(ALARM, state="ALARM")
    guarded.clock.advance(ROLLING_BACK)
    guarded.alarm(ALARM, state="OK")
    configure(sagemaker, "fixed")

    update(sagemaker, None, "fixed", RetainDeploymentConfig=True)

    guarded.clock.advance(LAUNCHING)
    assert seen(sagemaker) == ("Updating", OLD, 3, 1, "Baking")
    assert "FailureReason" not in endpoint(sagemaker)
