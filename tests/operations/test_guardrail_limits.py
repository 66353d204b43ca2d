"""DeploymentConfig: what deployment guardrails do not support, requests that are refused, and quotas."""

from __future__ import annotations

import datetime as dt

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.guardrails import (
    ALL_TRAFFIC,
    CANARY,
    DURATIONS,
    LAUNCHING,
    NEW,
    OLD,
    ROLLING,
    alarms,
    blue_green,
    percent,
    rolling,
    seen,
    serve_old,
    size,
    update,
)
from tests.hosting import endpoint, refused
from tests.requests import deployed, endpoint_config

MINUTE = dt.timedelta(minutes=1)

# --- what guardrails do not support


@pytest.mark.parametrize(
    "change",
    [
        {"InstanceType": "ml.inf1.xlarge"},
        {"AcceleratorType": "ml.eia2.medium"},
        {"ModelName": "marketplace"},
        {
            "InstanceType": None,
            "InitialInstanceCount": None,
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5},
        },
    ],
    ids=["inf1", "Elastic Inference", "Marketplace", "serverless"],
)
@pytest.mark.parametrize("config", [CANARY, ROLLING], ids=["canary", "rolling"])
def test_excluded_endpoints_shift_all_traffic_at_once_without_baking(clock, sagemaker, change, config):
    """AWS falls back to all-at-once traffic shifting without a baking period."""
    with mock_inference_experiment(clock=clock, durations=DURATIONS) as mock:
        package = "arn:aws:sagemaker:us-east-1:865070037744:model-package/churn/1"
        role = "arn:aws:iam::123456789012:role/models"
        sagemaker.create_model(
            ModelName="marketplace", ExecutionRoleArn=role, PrimaryContainer={"ModelPackageName": package}
        )
        serve_old(sagemaker)
        variant = deployed(ALL_TRAFFIC, **change)
        sagemaker.create_endpoint_config(**endpoint_config("excluded", variant))

        update(sagemaker, config, "excluded")

        mock.clock.advance(LAUNCHING)
        statuses = [each["VariantStatus"][0]["Status"] for each in endpoint(sagemaker)["ProductionVariants"]]
        assert statuses == ["Deleting"]
        mock.clock.advance(MINUTE)
        assert endpoint(sagemaker)["EndpointConfigName"] == "excluded"


def test_a_rolling_deployment_of_several_variants_falls_back(clock, sagemaker):
    """Rolling deployments do not support several production variants; a canary does."""
    both = [deployed("a", InitialInstanceCount=2), deployed("b", InitialInstanceCount=4)]
    with mock_inference_experiment(clock=clock, durations=DURATIONS) as mock:
        for name in (OLD, NEW):
            sagemaker.create_endpoint_config(**endpoint_config(name, *both))
        for name, config, ends in (
            ("rolling", ROLLING, True),
            ("canary", blue_green("CANARY", CanarySize=percent(50)), False),
        ):
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=OLD)
            sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=NEW, DeploymentConfig=config)
            mock.clock.advance(LAUNCHING + MINUTE)

            shown = endpoint(sagemaker, name)

            assert (shown["EndpointStatus"] == "InService") is ends
        pending = shown["PendingDeploymentSummary"]["ProductionVariants"]
        assert [each["CurrentInstanceCount"] for each in pending] == [1, 2]


# --- refusals


def changed(config, **members):
    """Return a DeploymentConfig with other members of its BlueGreenUpdatePolicy."""
    return {**config, "BlueGreenUpdatePolicy": {**config["BlueGreenUpdatePolicy"], **members}}


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (blue_green("CANARY"), "trafficRoutingConfiguration.canarySize"),
        (blue_green("LINEAR"), "trafficRoutingConfiguration.linearStepSize"),
        (blue_green("CANARY", CanarySize=percent(51)), "canarySize.value"),
        (blue_green("CANARY", CanarySize=size(2)), "canarySize"),
        (blue_green("LINEAR", LinearStepSize=percent(9)), "linearStepSize.value"),
        (blue_green("LINEAR", LinearStepSize=percent(51)), "linearStepSize.value"),
        (blue_green("LINEAR", LinearStepSize=size(2)), "linearStepSize"),
        (rolling(percent(4)), "maximumBatchSize.value"),
        (rolling(percent(51)), "maximumBatchSize.value"),
        (rolling(size(2)), "maximumBatchSize"),
        (rolling(percent(33), RollbackMaximumBatchSize=size(4)), "rollbackMaximumBatchSize"),
        (CANARY | ROLLING, "rollingUpdatePolicy"),
        (changed(CANARY, MaximumExecutionTimeoutInSeconds=28801), "maximumExecutionTimeoutInSeconds"),
        (
            changed(CANARY, TerminationWaitInSeconds=400, MaximumExecutionTimeoutInSeconds=700),
            "maximumExecutionTimeoutInSeconds",
        ),
        (changed(CANARY, TerminationWaitInSeconds=3601), "terminationWaitInSeconds"),
        (alarms(*map(str, range(11))), "autoRollbackConfiguration.alarms"),
    ],
)
def test_a_wrong_deployment_config_is_refused(guarded, sagemaker, config, path):
    """ValidationException names the member, and nothing changes."""
    with refused(guarded) as caught:
        update(sagemaker, config)

    assert path in caught.value.response["Error"]["Message"]


def test_create_endpoint_checks_its_deployment_config(guarded, sagemaker):
    """It is kept for later updates, so it must be valid."""
    with refused(guarded):
        sagemaker.create_endpoint(
            EndpointName="another",
            EndpointConfigName=OLD,
            DeploymentConfig=blue_green("CANARY", CanarySize=percent(60)),
        )


def test_a_deployment_config_needs_the_same_variant_names(guarded, sagemaker):
    """AWS: the new configuration must have the variant names of the old one."""
    sagemaker.create_endpoint_config(**endpoint_config("renamed", deployed("Another")))

    with refused(guarded) as caught:
        update(sagemaker, CANARY, "renamed")

    assert "AllTraffic, not Another" in caught.value.response["Error"]["Message"]


def test_another_update_is_refused_during_a_deployment(guarded, sagemaker):
    """The endpoint is Updating until the last phase ends."""
    update(sagemaker, CANARY)
    guarded.clock.advance(LAUNCHING)

    with refused(guarded):
        update(sagemaker, None, OLD)


# --- quotas


@pytest.mark.parametrize(
    ("config", "quota", "fits"),
    [(CANARY, 5, False), (CANARY, 6, True), (ROLLING, 3, False), (ROLLING, 4, True)],
    ids=["canary: too few", "canary", "rolling: too few", "rolling"],
)
def test_a_rolling_deployment_needs_fewer_instances(clock, sagemaker, config, quota, fits):
    """A blue/green deployment needs a second fleet, a rolling one only a batch more."""
    with mock_inference_experiment(clock=clock, quotas={"ml.m5.xlarge": quota}) as mock:
        serve_old(sagemaker)

        if fits:
            update(sagemaker, config)
            assert seen(sagemaker)[0] == "Updating"
        else:
            with refused(mock, "ResourceLimitExceeded"):
                update(sagemaker, config)
