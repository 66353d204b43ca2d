"""Fixtures of the server's tests: clients of a running server, with and without an AWS SDK."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.requests import create
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


# --- the page


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests of a module."""
    from tests.server.page import browser  # noqa: PLC0415 - it needs selenium

    with browser() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, sagemaker_ie_server):
    """The page of the test's server."""
    from tests.server.page import Page  # noqa: PLC0415 - it needs selenium

    return Page(chromium, sagemaker_ie_server.url)


@pytest.fixture
def launch(http):
    """Return a function that creates experiments with these names."""

    def launch(*names: str, **members: Any) -> tuple[str, ...]:
        for name in names:
            assert http.call("CreateInferenceExperiment", **create(name, **members)).status == 200
        return names

    return launch


@pytest.fixture
def invoke(http):
    """Return a function that invokes the endpoints of experiments, each when it runs."""

    def invoke(names: tuple[str, ...], *bodies: bytes) -> None:
        for name in names:
            http.post("/_mock/clock", {"until": {"name": name, "status": "Running"}})
            for body in bodies or [b"1"]:
                path = f"/endpoints/{create(name)['EndpointName']}/invocations"
                http.send("POST", path, body, content_type="text/csv")

    return invoke
