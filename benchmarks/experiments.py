"""Rows about one experiment: describe it, enter and exit the mock, and run a whole unit test."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from moto import mock_aws

from benchmarks.endpoints import REGION, ROLE, client, describe_endpoint
from benchmarks.measuring import Row
from mock_sagemaker_ie import mock_inference_experiment
from tests import requests

KEY = f"arn:aws:kms:{REGION}:123456789012:key/0f2c1b3a-5d6e-4f70-8a9b-1c2d3e4f5a6b"
CAPTURE = {
    "Destination": "s3://shadow-tests/captured/",
    "KmsKey": KEY,
    "ContentType": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


# --- describe an experiment that has every member


@contextmanager
def describe():
    sagemaker = client()
    full = requests.create(
        Description="Does the distilled model answer as the large one does within its latency budget?",
        KmsKey=KEY,
        DataStorageConfig=CAPTURE,
    )
    with mock_inference_experiment():
        sagemaker.create_inference_experiment(**full)
        sagemaker.stop_inference_experiment(**requests.stop(Reason="The shadow keeps up at half the price."))
        yield partial(sagemaker.describe_inference_experiment, Name=requests.NAME)


@contextmanager
def describe_stubbed():
    """Add a canned answer before each call, because a Stubber uses each answer only once."""
    with describe() as call:
        answer = call()
    del answer["ResponseMetadata"]
    sagemaker = client()
    with Stubber(sagemaker) as stubber:

        def canned() -> None:
            stubber.add_response("describe_inference_experiment", answer, {"Name": requests.NAME})
            sagemaker.describe_inference_experiment(Name=requests.NAME)

        yield canned


@contextmanager
def describe_by_handler():
    """Answer each call from the same JSON text, by a handler that is registered on one client.

    It parses the text for each call, because callers may change what they get.
    """
    with describe() as call:
        text = json.dumps(call(), default=str)
    http = AWSResponse("https://api.sagemaker.us-east-1.amazonaws.com/", 200, {}, None)

    def handler(**_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        return http, json.loads(text)

    sagemaker = client()
    sagemaker.meta.events.register("before-call.sagemaker.DescribeInferenceExperiment", handler)
    yield partial(sagemaker.describe_inference_experiment, Name=requests.NAME)


# --- enter and exit


@contextmanager
def enter_and_exit(mock: Any, operation: str):
    """Warm up with one call, because only the first test of a run pays for it."""

    def once() -> None:
        with mock():
            pass

    sagemaker = client()
    with mock():
        getattr(sagemaker, operation)()
    yield once


# --- a whole unit test: create, five describes, stop, delete


@contextmanager
def unit_test():
    def once() -> None:
        with mock_inference_experiment() as mock:
            sagemaker = mock.client()
            sagemaker.create_inference_experiment(**requests.create())
            for _ in range(5):
                sagemaker.describe_inference_experiment(Name=requests.NAME)
            sagemaker.stop_inference_experiment(**requests.stop())
            sagemaker.delete_inference_experiment(Name=requests.NAME)

    yield once


@contextmanager
def unit_test_in_moto():
    """Create, describe, stop and delete a notebook instance: moto has no inference experiments."""

    @mock_aws
    def once() -> None:
        sagemaker = boto3.client("sagemaker", region_name=REGION)
        sagemaker.create_notebook_instance(NotebookInstanceName="n", InstanceType="ml.t2.medium", RoleArn=ROLE)
        for _ in range(5):
            sagemaker.describe_notebook_instance(NotebookInstanceName="n")
        sagemaker.stop_notebook_instance(NotebookInstanceName="n")
        sagemaker.delete_notebook_instance(NotebookInstanceName="n")

    yield once


ROWS = (
    Row("DescribeInferenceExperiment vs a Stubber's canned answer", describe, describe_stubbed, 0.85),
    Row(
        "DescribeInferenceExperiment vs a before-call handler's canned answer",
        describe,
        describe_by_handler,
        1.5,
    ),
    Row("DescribeInferenceExperiment vs moto's DescribeEndpoint", describe, partial(describe_endpoint, mock_aws), 0.12),
    Row(
        "enter and exit vs mock_aws",
        partial(enter_and_exit, mock_inference_experiment, "list_inference_experiments"),
        partial(enter_and_exit, mock_aws, "list_endpoints"),
        0.02,
    ),
    Row("a whole unit test of 8 calls vs moto's usual style", unit_test, unit_test_in_moto, 0.02),
)
