"""Who answers an invocation: which variant of an endpoint, and which endpoints do at all."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, deployed, endpoint_config
from tests.traffic.shared import KEYS, invoke, invoke_times, launch, serve, with_shadow

MINUTE = dt.timedelta(minutes=1)
SLOW = Durations(**{f"endpoint_{status}": MINUTE for status in ("creating", "updating", "rolling_back", "deleting")})


# --- which variant answers


def test_production_alone_answers(mock, experiment, runtime):
    """The answer names the variant, in a header as well; the shadow's answer goes nowhere."""
    mock.serve("model-shadow", lambda request: b"the shadow's")

    answer = invoke(runtime)

    assert (answer["Body"], answer["InvokedProductionVariant"]) == (b"1,2,3", PRODUCTION)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-invoked-production-variant"] == PRODUCTION
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("weights", "period"),
    [
        ({"a": 1, "b": 1}, 2),
        ({"a": 9, "b": 1}, 10),
        ({"a": 2, "b": 3, "c": 5}, 10),
        ({"a": 0.7, "b": 0.2, "c": 0.1}, 10),
        ({"a": 0, "b": 1}, 5),
    ],
)
def test_variants_take_turns_by_weight(mock, sagemaker, runtime, weights, period):
    """Of as many requests as the weights have parts, each takes exactly its own, wherever one begins to count."""
    serve(sagemaker, *(deployed(name, InitialVariantWeight=float(weight)) for name, weight in weights.items()))
    expected = {name: round(period * weight / sum(weights.values())) for name, weight in weights.items()}

    answered = invoke_times(runtime, 3 * period)

    for start in range(2 * period):
        turns = answered[start : start + period]
        assert {name: turns.count(name) for name in weights} == expected


def test_new_weights_hold_at_once(mock, sagemaker, runtime):
    """What turn it was under the old weights, however large they were, does not matter."""
    serve(sagemaker, *(deployed(name, InitialVariantWeight=100.0) for name in "ab"))
    invoke(runtime)

    desired = [{"VariantName": "a", "DesiredWeight": 0.9}, {"VariantName": "b", "DesiredWeight": 0.1}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=desired)

    answered = invoke_times(runtime, 10)
    assert (answered.count("a"), answered.count("b")) == (9, 1)


def test_a_caller_may_choose_the_variant(mock, sagemaker, runtime):
    """TargetVariant wins over the weights, even over a weight of nothing."""
    serve(sagemaker, deployed("a"), deployed("b", InitialVariantWeight=0.0))

    assert set(invoke_times(runtime, 5, TargetVariant="b")) == {"b"}


@pytest.mark.parametrize("target", [SHADOW, "unheard-of"])
def test_only_a_production_variant_can_be_chosen(experiment, runtime, target):
    """The shadow is not for callers."""
    with pytest.raises(runtime.exceptions.ValidationError, match=f"{target}.*{PRODUCTION}"):
        invoke(runtime, TargetVariant=target)


def test_a_shadow_of_a_plain_endpoint_is_not_for_callers_either(mock, sagemaker, runtime):
    """ShadowProductionVariants take no turns."""
    serve(sagemaker, **with_shadow(weight=100.0))

    assert set(invoke_times(runtime, 5)) == {PRODUCTION}


# --- which endpoints answer


def updating(sagemaker, mock):
    """Deploy another model on ENDPOINT, which serves already."""
    mock.clock.advance(MINUTE)
    sagemaker.create_endpoint_config(**endpoint_config("next", deployed("next")))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="next")


def deleting(sagemaker, mock):
    """Delete ENDPOINT, which serves already."""
    mock.clock.advance(MINUTE)
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


@pytest.mark.parametrize(
    ("status", "bring_about"),
    [
        ("Creating", lambda sagemaker, mock: None),
        ("Failed", lambda sagemaker, mock: mock.fail_endpoint(ENDPOINT, "No capacity")),
        ("Deleting", deleting),
        ("gone", lambda sagemaker, mock: (deleting(sagemaker, mock), mock.clock.advance(MINUTE))),
    ],
)
def test_an_endpoint_that_serves_nothing_is_not_found(clock, sagemaker, runtime, status, bring_about):
    """A deployment must have ended, and no deletion begun."""
    with mock_inference_experiment(clock=clock, durations=SLOW) as mock:
        serve(sagemaker)
        bring_about(sagemaker, mock)
        listed = [endpoint["EndpointStatus"] for endpoint in sagemaker.list_endpoints()["Endpoints"]]
        assert (listed or ["gone"]) == [status]

        with pytest.raises(runtime.exceptions.ValidationError, match=f"Endpoint {ENDPOINT} of account 123456789012"):
            invoke(runtime)


@pytest.mark.parametrize("fails", [False, True], ids=["Updating", "RollingBack"])
def test_an_endpoint_serves_what_it_had_until_an_update_is_done(clock, sagemaker, runtime, fails):
    """There is no loss of service, even where the update fails."""
    with mock_inference_experiment(clock=clock, durations=SLOW) as mock:
        serve(sagemaker)
        updating(sagemaker, mock)
        if fails:
            mock.fail_endpoint(ENDPOINT, "No capacity")

        assert invoke(runtime)["InvokedProductionVariant"] == PRODUCTION

        mock.clock.advance(MINUTE)
        assert invoke(runtime)["InvokedProductionVariant"] == (PRODUCTION if fails else "next")


def test_an_endpoint_is_found_only_where_it_is(endpoint):
    """Another region has endpoints of its own."""
    runtime = boto3.client("sagemaker-runtime", **{**KEYS, "region_name": "eu-west-1"})

    with pytest.raises(runtime.exceptions.ValidationError, match="not found"):
        invoke(runtime)


def test_the_endpoint_that_an_experiment_makes_answers_as_soon_as_it_is_there(clock, sagemaker, runtime):
    """That is when the experiment has been created, before its shadow runs."""
    durations = Durations(creating=MINUTE, starting=MINUTE)
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        launch(sagemaker)
        with pytest.raises(runtime.exceptions.ValidationError, match="not found"):
            invoke(runtime)

        mock.clock.advance(MINUTE)

        assert invoke(runtime)["InvokedProductionVariant"] == PRODUCTION
