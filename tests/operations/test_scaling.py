"""mock.scale(): the number of instances of a variant changes, as Application Auto Scaling changes it."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from mock_sagemaker_ie import mock_inference_experiment
from tests.guardrails import CANARY, LAUNCHING, NEW, serve_old, update
from tests.guardrails import DURATIONS as GUARDED
from tests.hosting import (
    ENDPOINT_CREATING,
    ENDPOINT_UPDATING,
    EXPERIMENT_ENDPOINT,
    endpoint,
    serve,
    variants,
)
from tests.operations.shared import MINUTES, at, bring_to
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW, deployed, endpoint_config
from tests.traffic.shared import KEYS


@pytest.fixture
def serving(slow_hosting_mock, sagemaker):
    """Return a mock with an InService endpoint: 2 instances of `prod`."""
    serve(sagemaker, deployed(PRODUCTION, InitialInstanceCount=2))
    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)
    return slow_hosting_mock


def counts(sagemaker, name=ENDPOINT):
    """Return the current and the desired number of instances of each variant."""
    shown = variants(endpoint(sagemaker, name))
    return {each: (it["CurrentInstanceCount"], it["DesiredInstanceCount"]) for each, it in shown.items()}


@pytest.mark.parametrize(
    ("count", "message"),
    [(6, "Scaling out desired instance count to 6."), (1, "Scaling in desired instance count to 1.")],
)
def test_a_variant_is_scaled_while_the_endpoint_is_updating(serving, sagemaker, count, message):
    """The status message of the variant says what happens; the new number is current at the end."""
    serving.scale(ENDPOINT, PRODUCTION, count)
    updating = endpoint(sagemaker)
    assert counts(sagemaker) == {PRODUCTION: (2, count)}
    serving.clock.advance(ENDPOINT_UPDATING)

    assert updating["EndpointStatus"] == "Updating"
    (status,) = updating["ProductionVariants"][0]["VariantStatus"]
    assert (status["Status"], status["StatusMessage"]) == ("Updating", message)
    assert counts(sagemaker) == {PRODUCTION: (count, count)}
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


def test_scaling_is_no_call_of_the_code_under_test(serving):
    """The autoscaler calls UpdateEndpointWeightsAndCapacities; the code under test does not."""
    serving.scale(ENDPOINT, PRODUCTION, 3)

    serving.assert_not_called("UpdateEndpointWeightsAndCapacities")


def test_an_update_retains_the_scaled_number_if_asked(serving, sagemaker):
    """RetainAllVariantProperties keeps what the autoscaler has set; otherwise the configuration counts."""
    serving.scale(ENDPOINT, PRODUCTION, 5)
    serving.clock.advance(ENDPOINT_UPDATING)
    sagemaker.create_endpoint_config(**endpoint_config("next", deployed(PRODUCTION, InitialInstanceCount=1)))

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="next", RetainAllVariantProperties=True)
    serving.clock.advance(ENDPOINT_UPDATING)
    assert counts(sagemaker) == {PRODUCTION: (5, 5)}

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    serving.clock.advance(ENDPOINT_UPDATING)
    assert counts(sagemaker) == {PRODUCTION: (2, 2)}


def test_a_shadow_is_scaled_under_a_test_whose_end_restores_the_endpoint(clock, sagemaker):
    """The experiment stays Running; at EndTime the endpoint has the number from before the test."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        serve(sagemaker, deployed(PRODUCTION, InitialInstanceCount=2), endpoint=EXPERIMENT_ENDPOINT)
        bring_to(mock, "Running")

        mock.scale(EXPERIMENT_ENDPOINT, SHADOW, 4)
        mock.scale(EXPERIMENT_ENDPOINT, PRODUCTION, 3)

        assert counts(sagemaker, EXPERIMENT_ENDPOINT) == {PRODUCTION: (3, 3), SHADOW: (4, 4)}
        assert mock.experiments[NAME]["Status"] == "Running"
        mock.clock.move_to(at(days=9))
        assert counts(sagemaker, EXPERIMENT_ENDPOINT) == {PRODUCTION: (2, 2)}


def test_the_number_of_instances_counts_for_the_metrics_over_time(mock, sagemaker):
    """InvocationsPerInstance divides by the number at the instant of the invocation."""
    serve(sagemaker, deployed(PRODUCTION))
    runtime = mock.client("sagemaker-runtime")
    for count in (1, 2, 4):
        mock.scale(ENDPOINT, PRODUCTION, count)
        runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")
        mock.clock.advance(minutes=1)

    assert [each.sum for each in mock.metrics if each.name == "InvocationsPerInstance"] == [1, 0.5, 0.25]


def test_scaling_counts_against_quotas(clock, sagemaker):
    """The message is that of AWS."""
    with mock_inference_experiment(clock=clock, quotas={"ml.m5.xlarge": 3}) as mock:
        serve(sagemaker, deployed(PRODUCTION))
        mock.scale(ENDPOINT, PRODUCTION, 3)

        with pytest.raises(ValueError, match="account-level service limit"):
            mock.scale(ENDPOINT, PRODUCTION, 4)

        assert counts(sagemaker) == {PRODUCTION: (3, 3)}


def test_an_endpoint_is_not_scaled_during_a_deployment(clock, sagemaker):
    """The number of instances changes only when the endpoint is InService."""
    with mock_inference_experiment(clock=clock, durations=GUARDED) as mock:
        serve_old(sagemaker)
        update(sagemaker, CANARY)
        mock.clock.advance(LAUNCHING)

        with pytest.raises(ValueError, match="in-progress"):
            mock.scale(ENDPOINT, "AllTraffic", 4)

        mock.clock.advance(hours=1)
        mock.scale(ENDPOINT, "AllTraffic", 4)
        mock.clock.advance(hours=1)
        assert (endpoint(sagemaker)["EndpointConfigName"], counts(sagemaker)) == (NEW, {"AllTraffic": (4, 4)})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("missing", PRODUCTION, 1), LookupError, "Endpoint missing does not exist"),
        ((ENDPOINT, "other", 1), ValueError, 'variant name.*"other"'),
        ((ENDPOINT, PRODUCTION, -1), ValueError, "count=-1: expected a number of instances"),
        ((ENDPOINT, PRODUCTION, "2"), ValueError, "count='2'"),
        ((ENDPOINT, PRODUCTION, True), ValueError, "count=True"),
    ],
)
def test_wrong_arguments_are_refused(serving, sagemaker, arguments, error, message):
    """The error says what is wrong, and nothing changes."""
    with pytest.raises(error, match=message):
        serving.scale(*arguments)

    assert counts(sagemaker) == {PRODUCTION: (2, 2)}


def test_a_serverless_variant_has_no_instances(mock, sagemaker):
    """Its concurrency is changed by UpdateEndpointWeightsAndCapacities."""
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    serve(sagemaker, deployed(PRODUCTION, InstanceType=None, InitialInstanceCount=None, ServerlessConfig=serverless))

    with pytest.raises(ValueError, match="has no instances to scale"):
        mock.scale(ENDPOINT, PRODUCTION, 2)


def test_another_region_is_named(serving):
    """The error says which region has the endpoint."""
    with pytest.raises(LookupError, match="region_name='us-east-1'"):
        serving.scale(ENDPOINT, PRODUCTION, 2, region_name="eu-west-1")


def test_target_tracking_of_moto_can_scale_the_endpoint(clock, sagemaker):
    """moto keeps scalable targets and policies; a few lines of a test act as the autoscaler."""
    with mock_aws(), mock_inference_experiment(clock=clock) as mock:
        serve(sagemaker, deployed(PRODUCTION))
        autoscaling = boto3.client("application-autoscaling", **KEYS)
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{ENDPOINT}/variant/{PRODUCTION}",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)

        (registered,) = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        _, name, _, variant = registered["ResourceId"].split("/")
        mock.scale(name, variant, registered["MaxCapacity"])

        assert counts(sagemaker) == {PRODUCTION: (4, 4)}
