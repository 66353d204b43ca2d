"""Rows about traffic: what copies, captures and a canary add to InvokeEndpoint, and what a stream costs."""

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


CHUNK = bytes(1_000_000 // 100)


@contextmanager
def _serving(handler):
    """Serve a handler on a plain endpoint; yield a client of the runtime."""
    with mock_inference_experiment(keep=KEPT) as mock:
        sagemaker = client()
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="config")
        mock.serve(VARIANT["ModelName"], handler)
        yield runtime()


@contextmanager
def stream():
    def call():
        answer = invoking.invoke_endpoint_with_response_stream(EndpointName=ENDPOINT, Body=BODY)
        return sum(len(event["PayloadPart"]["Bytes"]) for event in answer["Body"])

    def chunks(request):
        for _ in range(100):
            yield CHUNK

    with _serving(chunks) as invoking:
        assert call() == 1_000_000
        yield call


@contextmanager
def whole_answer():
    body = CHUNK * 100

    def call():
        return invoking.invoke_endpoint(EndpointName=ENDPOINT, Body=BODY)["Body"].read()

    with _serving(lambda request: body) as invoking:
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
    Row("A stream of 1 MB in 100 chunks vs InvokeEndpoint with the same body", stream, whole_answer, 2.0),
    Row("InvokeEndpoint during a canary deployment vs on a plain endpoint", invoke_during_canary, invoke_plain, 1.3),
)
