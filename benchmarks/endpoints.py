"""Rows about endpoints: describe and list, compared with the same calls in moto."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3
from moto import mock_aws

from benchmarks.measuring import Row
from mock_sagemaker_ie import mock_inference_experiment

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/shadow-tests"
VARIANT = {"VariantName": "prod", "ModelName": "model", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}


def client() -> Any:
    """Return a boto3 client as user code makes it."""
    return boto3.client("sagemaker", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


@contextmanager
def hosting(mock: Any, endpoints: int):
    """Enter a mock, ours or moto's, and create so many endpoints; yield a client."""
    with mock():
        sagemaker = client()
        sagemaker.create_model(ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"})
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
        for index in range(endpoints):
            sagemaker.create_endpoint(EndpointName=f"endpoint-{index}", EndpointConfigName="config")
        yield sagemaker


@contextmanager
def describe_endpoint(mock: Any):
    with hosting(mock, 1) as sagemaker:
        yield partial(sagemaker.describe_endpoint, EndpointName="endpoint-0")


@contextmanager
def page_of_endpoints(mock: Any, number: int):
    with hosting(mock, number) as sagemaker:
        yield partial(sagemaker.list_endpoints, MaxResults=100)


ROWS = (
    Row(
        "DescribeEndpoint vs moto's",
        partial(describe_endpoint, mock_inference_experiment),
        partial(describe_endpoint, mock_aws),
        0.12,
    ),
    Row(
        "ListEndpoints, page of 100 among 10,000 vs moto's",
        partial(page_of_endpoints, mock_inference_experiment, 10_000),
        partial(page_of_endpoints, mock_aws, 10_000),
        0.1,
    ),
)
