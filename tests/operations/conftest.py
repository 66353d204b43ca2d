"""Fixtures of the tests of operations: mocks whose transitional statuses last, and the kinds of hosting resources."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import ENDPOINT_MINUTES, ENDPOINTS, KINDS, UNDER_TEST, endpoint, serve
from tests.operations.shared import MINUTES
from tests.requests import PRODUCTION, deployed, endpoint_config


@pytest.fixture
def slow_mock(clock):
    """An active mock on `clock`, whose transitional statuses last the MINUTES."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        yield mock


@pytest.fixture
def hosting(clock):
    """An active mock on `clock`, whose endpoints take the ENDPOINT_MINUTES and whose experiments no time."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES) as mock:
        yield mock


@pytest.fixture(params=KINDS, ids=lambda kind: kind.method)
def kind(request, mock, sagemaker):
    """Each kind of resource that endpoints are made of; what it takes to create one is there."""
    if request.param is ENDPOINTS:
        sagemaker.create_endpoint_config(**endpoint_config())
    return request.param


@pytest.fixture
def existing(slow_mock, sagemaker):
    """What the endpoint that `bring_to` tests on is before the test: of CONFIG, on machines of its own."""
    production = deployed(PRODUCTION, InstanceType="ml.c5.xlarge", InitialInstanceCount=3, InitialVariantWeight=2.0)
    capture = {
        "InitialSamplingPercentage": 30,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    serve(sagemaker, production, endpoint=UNDER_TEST, DataCaptureConfig=capture)
    return endpoint(sagemaker, UNDER_TEST)
