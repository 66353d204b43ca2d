"""Helpers for tests of deployment guardrails: an endpoint with two configurations, DeploymentConfigs, and views."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mock_sagemaker_ie import Durations
from tests.hosting import endpoint
from tests.requests import ENDPOINT, deployed, endpoint_config

ALL_TRAFFIC = "AllTraffic"
OLD, NEW = "config-1", "config-2"
MODELS = {OLD: "model-1", NEW: "model-2"}
ALARM = "errors"

LAUNCHING, TERMINATING, ROLLING_BACK = (dt.timedelta(minutes=number) for number in (2, 1, 4))
DURATIONS = Durations(endpoint_updating=LAUNCHING, endpoint_deleting=TERMINATING, endpoint_rolling_back=ROLLING_BACK)


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    """Return a CapacitySize."""
    return {"Type": kind, "Value": value}


def percent(value: int) -> dict[str, Any]:
    """Return a CapacitySize in percent."""
    return size(value, "CAPACITY_PERCENT")


def blue_green(kind: str = "ALL_AT_ONCE", *, wait: int = 300, termination: int = 120, **members: Any) -> dict[str, Any]:
    """Return a DeploymentConfig with a BlueGreenUpdatePolicy and one alarm. `members`: of the routing."""
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **members}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination}
    return {"BlueGreenUpdatePolicy": policy, **alarms(ALARM)}


def rolling(batch: dict[str, Any], *, wait: int = 180, **members: Any) -> dict[str, Any]:
    """Return a DeploymentConfig with a RollingUpdatePolicy and one alarm. `members`: of the policy."""
    policy = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait, **members}
    return {"RollingUpdatePolicy": policy, **alarms(ALARM)}


def alarms(*names: str) -> dict[str, Any]:
    """Return the member of a DeploymentConfig with these alarms."""
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in names]}}


CANARY = blue_green("CANARY", CanarySize=size(1))
LINEAR = blue_green("LINEAR", LinearStepSize=percent(33), wait=180)
ROLLING = rolling(percent(33))


def configure(sagemaker: Any, name: str, count: int = 3, **members: Any) -> None:
    """Create an endpoint configuration with one variant, AllTraffic, of the model of this configuration."""
    variant = deployed(ALL_TRAFFIC, ModelName=MODELS.get(name, name), InitialInstanceCount=count)
    sagemaker.create_endpoint_config(**endpoint_config(name, variant, **members))


def serve_old(sagemaker: Any, count: int = 3, **members: Any) -> None:
    """Create the endpoint with the old configuration, and the new configuration."""
    for name in (OLD, NEW):
        configure(sagemaker, name, count)
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OLD, **members)


def update(sagemaker: Any, config: dict[str, Any] | None, name: str = NEW, **members: Any) -> None:
    """Update the endpoint, by default to the new configuration."""
    if config is not None:
        members["DeploymentConfig"] = config
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=name, **members)


def answers(mock: Any, number: int) -> list[str]:
    """Invoke the endpoint so many times; return the names of the models that answered."""
    runtime = mock.client("sagemaker-runtime")
    for model in MODELS.values():
        if model not in mock._service.handlers:
            mock.serve(model, lambda _, model=model: model)
    return [runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")["Body"].read().decode() for _ in range(number)]


def seen(sagemaker: Any) -> tuple[str, str, int, int | None, str | None]:
    """Return what Describe says: the endpoint's status, its configuration, old and new instances, and VariantStatus."""
    shown = endpoint(sagemaker)
    (old,), new = shown["ProductionVariants"], shown.get("PendingDeploymentSummary", {}).get("ProductionVariants")
    statuses = {status["Status"] for each in (old, *(new or ())) for status in each.get("VariantStatus", ())}
    assert len(statuses) <= 1
    count = None if new is None else new[0]["CurrentInstanceCount"]
    config = shown["EndpointConfigName"]
    return shown["EndpointStatus"], config, old["CurrentInstanceCount"], count, next(iter(statuses), None)
