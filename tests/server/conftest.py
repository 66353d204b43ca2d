"""Fixtures of the server's tests: clients of the served mock, with and without an SDK."""

from __future__ import annotations

from contextlib import closing

import boto3
import pytest
from botocore.config import Config

from tests.server.plain import Plain


@pytest.fixture
def client(sagemaker_ie_server):
    """Make a boto3 client of the server, which calls once: `client()`, `client("sagemaker-runtime")`."""

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
def plain(sagemaker_ie_server):
    """A client without an SDK."""
    with closing(Plain(sagemaker_ie_server.url)) as plain:
        yield plain
