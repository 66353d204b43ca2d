"""Fixtures of the tests of traffic: clients of the runtime, of S3 and of CloudWatch, moto beside the mock."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from tests.traffic.shared import BUCKET, KEYS, launch, serve


@pytest.fixture(scope="session")
def runtime():
    """A boto3 client of sagemaker-runtime made before any mock."""
    return boto3.client("sagemaker-runtime", **KEYS)


@pytest.fixture
def endpoint(mock, sagemaker):
    """An endpoint of one production variant."""
    serve(sagemaker)


@pytest.fixture
def experiment(mock, sagemaker):
    """A running experiment that copies every request."""
    launch(sagemaker)


@pytest.fixture
def moto():
    """Moto, active."""
    with mock_aws():
        yield


@pytest.fixture
def s3(moto):
    """A client of moto's S3, in which there is BUCKET."""
    s3 = boto3.client("s3", **KEYS)
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def cloudwatch(moto):
    """A client of moto's CloudWatch."""
    return boto3.client("cloudwatch", **KEYS)
