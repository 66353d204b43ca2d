"""Arranging faults: invalid arguments of fail_next and slow_next are refused at once, with a helpful message."""

from __future__ import annotations

import socket

import pytest
import requests
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("CreateInferenceExperimnt", "did you mean 'CreateInferenceExperiment'"),
        ("create_model", "'CreateModel'"),
        ("ListTrainingJobs", "not an operation that the mock answers"),
    ],
)
def test_an_unknown_operation_is_refused(mock, operation, message):
    """The error names the nearest operation, or says that the mock does not answer the given one."""
    with pytest.raises(ValueError, match=message):
        mock.fail_next(operation, "ThrottlingException")
    with pytest.raises(ValueError, match=message):
        mock.slow_next(operation, 1)


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("StartInferenceExperiment", "ConflictExcepton", "did you mean 'ConflictException'"),
        ("StartInferenceExperiment", "Throttling", "'ThrottlingException'"),
        ("DescribeInferenceExperiment", "ResourceInUse", "DescribeInferenceExperiment does not return the error"),
        ("ListModels", "xyz", "expected one of AccessDeniedException"),
    ],
)
def test_an_unknown_code_is_refused(mock, operation, code, message):
    """The error names the nearest of the operation's own and common codes, or lists them all."""
    with pytest.raises(ValueError, match=message):
        mock.fail_next(operation, code)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        ("ThrottlingException", {"times": 0}),
        ("ThrottlingException", {"times": 1.5}),
        ("ThrottlingException", {"status": 200}),
        ("ThrottlingException", {"status": 600}),
        ("ThrottlingException", {"status": 404.0}),
        (ReadTimeoutError, {"message": "Too late"}),
        (ReadTimeoutError, {"status": 500}),
        (IncompleteReadError, {}),  # Its class cannot be constructed without arguments.
        (ClientError, {}),
        (KeyboardInterrupt, {}),
        (500, {}),
        (None, {}),
    ],
)
def test_an_invalid_fault_is_refused(mock, error, options):
    """The error is raised when the fault is arranged, and names what is wrong."""
    with pytest.raises((TypeError, ValueError), match="|".join([*options, getattr(error, "__name__", repr(error))])):
        mock.fail_next("ListModels", error, **options)


NOT_SENT = [
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
    NoCredentialsError,
    ConnectionRefusedError,
    socket.gaierror(-2, "Name or service not known"),
    requests.exceptions.ConnectTimeout,
    requests.exceptions.SSLError("certificate has expired"),
    requests.exceptions.ProxyError,
]


@pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: getattr(error, "__name__", type(error).__name__))
def test_an_answer_cannot_be_lost_before_a_request_was_sent(mock, error):
    """The service cannot have acted when nobody reached it. The message says which errors can come after it acted."""
    with pytest.raises(ValueError, match=r"no request reached the service.*expected ReadTimeoutError"):
        mock.fail_next("ListModels", error, after=True)

    mock.client().list_models()


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ResourceInUse", "ValidationException", "AccessDeniedException"]
)
def test_a_refusal_cannot_come_after_the_service_acted(mock, code):
    """With such a code the service says that it did not act, also when a test gives it another HTTP status."""
    with pytest.raises(ValueError, match=f"{code} .HTTP status 4.*expected .*500 or more"):
        mock.fail_next("CreateInferenceExperiment", code, status=500, after=True)


@pytest.mark.parametrize("after", [1, "yes", None])
def test_after_is_true_or_false(mock, after):
    """Another value is refused, because it could be meant for another option."""
    with pytest.raises(TypeError, match="after="):
        mock.fail_next("ListModels", ReadTimeoutError, after=after)


@pytest.mark.parametrize("arguments", [{"seconds": -1}, {"seconds": 1, "times": 0}])
def test_an_invalid_delay_is_refused(mock, arguments):
    """A negative delay and no delays at all are refused."""
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        mock.slow_next("ListModels", **arguments)


def test_a_delay_needs_a_clock_with_sleep():
    """slow_next() is refused if the clock has only now()."""

    class ClockWithoutSleep:
        def now(self):
            return START

    with mock_inference_experiment(clock=ClockWithoutSleep()) as mock, pytest.raises(TypeError, match=r"no sleep\(\)"):
        mock.slow_next("ListModels", 1)
