"""Shared fixtures: a clock that stands still, a mock that uses it, and a boto3 client."""

from __future__ import annotations

import datetime as dt
import sys

import boto3
import pytest
from hypothesis import settings

from mock_sagemaker_ie import MockClock, mock_inference_experiment
from tests import guardrails

# No test depends on the speed of the machine.
settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")

START = dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone.utc)


@pytest.fixture
def clock():
    """Return a clock that stays at START until a test moves it."""
    return MockClock(START, tick=False)


@pytest.fixture
def mock(clock):
    """Yield an active mock on `clock`, with zero durations: transitional statuses take no time."""
    with mock_inference_experiment(clock=clock) as mock:
        yield mock


@pytest.fixture(scope="session")
def sagemaker():
    """Return a boto3 client created before any mock, like a client that user code creates at import."""
    return boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.fixture
def frequent_thread_switches():
    """Make threads switch as often as possible, so that a race condition shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def guarded(clock, sagemaker):
    """Yield a mock with an InService endpoint of 3 instances. Launching takes 2 minutes, terminating 1."""
    with mock_inference_experiment(clock=clock, durations=guardrails.DURATIONS) as mock:
        guardrails.serve_old(sagemaker, Tags=[{"Key": "team", "Value": "ranking"}])
        yield mock
