"""Fixtures for the traffic tests: an endpoint, an experiment, moto, and clients of the runtime, S3 and CloudWatch."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from mock_sagemaker_ie import mock_inference_experiment
from tests.traffic.shared import BUCKET, KEYS, create_endpoint, create_experiment
from tests.traffic.streams import CAPTURED


@pytest.fixture(scope="session")
def runtime():
    """Return a boto3 client of sagemaker-runtime that was created before any mock."""
    return boto3.client("sagemaker-runtime", **KEYS)


@pytest.fixture
def endpoint(mock, sagemaker):
    """Create an endpoint with one production variant."""
    create_endpoint(sagemaker)


@pytest.fixture
def experiment(mock, sagemaker):
    """Create a running experiment that copies every request."""
    create_experiment(sagemaker)


@pytest.fixture
def moto():
    """Activate moto."""
    with mock_aws():
        yield


@pytest.fixture
def s3(moto):
    """Return a client of moto's S3, in which BUCKET exists."""
    s3 = boto3.client("s3", **KEYS)
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def cloudwatch(moto):
    """Return a client of moto's CloudWatch."""
    return boto3.client("cloudwatch", **KEYS)


@pytest.fixture(params=[False, True], ids=["as values", "over the wire"])
def mock_both_ways(request, clock):
    """Yield a mock that gives botocore the events as values, and one whose bytes botocore parses."""
    with mock_inference_experiment(clock=clock, wire=request.param) as mock:
        yield mock


@pytest.fixture
def captured(mock, sagemaker):
    """Create a running experiment that copies and captures every request."""
    create_experiment(sagemaker, **CAPTURED)
