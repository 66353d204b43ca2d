"""Fixtures of the server's tests: clients of a running server, with and without an AWS SDK."""

from __future__ import annotations

from contextlib import closing

import boto3
import pytest
from botocore.config import Config

from tests.server.http_client import HTTPClient


@pytest.fixture
def client(sagemaker_ie_server):
    """Return a function that makes a boto3 client of the server without retries: `client("sagemaker-runtime")`."""

    def client(service="sagemaker", *, region_name="us-east-1", key="testing"):
        return boto3.client(
            service,
            region_name=region_name,
            endpoint_url=sagemaker_ie_server.url,
            aws_access_key_id=key,
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )

    return client


@pytest.fixture
def http(sagemaker_ie_server):
    """An HTTP client of the server."""
    with closing(HTTPClient(sagemaker_ie_server.url)) as http:
        yield http
