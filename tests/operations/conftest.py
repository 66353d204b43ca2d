"""Fixtures for tests of operations: mocks with durations, a strict mock, and the kinds of hosting resources."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import ENDPOINT_MINUTES, ENDPOINTS, EXPERIMENT_ENDPOINT, KINDS, endpoint, serve
from tests.operations.shared import MINUTES
from tests.requests import PRODUCTION, deployed, endpoint_config


@pytest.fixture
def slow_mock(clock):
    """Yield an active mock on `clock`, in which the transitional statuses of experiments last the MINUTES."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        yield mock


@pytest.fixture
def slow_hosting_mock(clock):
    """Yield an active mock on `clock`; endpoints take the ENDPOINT_MINUTES, and experiments take no time."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES) as mock:
        yield mock


@pytest.fixture
def strict_mock(clock):
    """Yield an active mock in strict mode, which accepts no model that was never created."""
    with mock_inference_experiment(clock=clock, strict=True) as mock:
        yield mock


@pytest.fixture(params=KINDS, ids=lambda kind: kind.method)
def kind(request, mock, sagemaker):
    """Return each kind of hosting resource; the resources that it needs exist."""
    if request.param is ENDPOINTS:
        sagemaker.create_endpoint_config(**endpoint_config())
    return request.param


@pytest.fixture
def existing_endpoint(slow_mock, sagemaker):
    """Create the endpoint for `bring_to`, with its own configuration and instances, and return its description."""
    production = deployed(PRODUCTION, InstanceType="ml.c5.xlarge", InitialInstanceCount=3, InitialVariantWeight=2.0)
    capture = {
        "InitialSamplingPercentage": 30,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    serve(sagemaker, production, endpoint=EXPERIMENT_ENDPOINT, DataCaptureConfig=capture)
    return endpoint(sagemaker, EXPERIMENT_ENDPOINT)
