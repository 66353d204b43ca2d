"""Fixtures of the tests: a mock whose time stands still, and a boto3 client."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest

from mock_sagemaker_ie import MockClock, mock_inference_experiment

START = dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone.utc)


@pytest.fixture
def clock():
    """A clock that stands still at START."""
    return MockClock(START, tick=False)


@pytest.fixture
def mock(clock):
    """An active mock on `clock`, whose transitional statuses take no time."""
    with mock_inference_experiment(clock=clock) as mock:
        yield mock


@pytest.fixture(scope="session")
def sagemaker():
    """A boto3 client made before any mock, as user code makes its own at import."""
    return boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
