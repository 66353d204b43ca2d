"""Rows about traffic: the time that copies for the shadow, captures and a canary add to a call of InvokeEndpoint."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import boto3

from benchmarks.endpoints import REGION, VARIANT, client
from benchmarks.experiments import CAPTURE
from benchmarks.measuring import Row
from mock_sagemaker_ie import mock_inference_experiment
from tests import requests

BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
ENDPOINT = "endpoint"
KEPT = 100  # Calls and captures: the row does not measure the memory for a million of them.


def runtime():
    """Return a boto3 client as user code makes it."""
    return boto3.client(
        "sagemaker-runtime", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@contextmanager
def invoke_plain():
    with mock_inference_experiment(keep=KEPT):
        sagemaker = client()
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="config")
        yield partial(runtime().invoke_endpoint, EndpointName=ENDPOINT, Body=BODY, ContentType="application/json")


@contextmanager
def invoke_under_test():
    all_requests = requests.shadow_mode(percentage=100)
    with mock_inference_experiment(keep=KEPT) as mock:
        client().create_inference_experiment(
            **requests.create(EndpointName=ENDPOINT, DataStorageConfig=CAPTURE, ShadowModeConfig=all_requests)
        )
        call = partial(runtime().invoke_endpoint, EndpointName=ENDPOINT, Body=BODY, ContentType="application/json")
        call()
        assert len(mock.captures) == 2  # One of production and one of the shadow.
        yield call


@contextmanager
def invoke_during_canary():
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 3600}
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
    canary = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}, **alarms}
    with mock_inference_experiment(keep=KEPT):
        sagemaker = client()
        for config in ("config", "new-config"):
            variant = {**VARIANT, "InitialInstanceCount": 3}
            sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="config")
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="new-config", DeploymentConfig=canary)
        yield partial(runtime().invoke_endpoint, EndpointName=ENDPOINT, Body=BODY, ContentType="application/json")
        assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "Updating"


ROWS = (
    Row("InvokeEndpoint captured and copied at 100 % vs on a plain endpoint", invoke_under_test, invoke_plain, 2.0),
    Row("InvokeEndpoint during a canary deployment vs on a plain endpoint", invoke_during_canary, invoke_plain, 1.3),
)
