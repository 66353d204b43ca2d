"""Arranging faults: what makes no sense is refused on the spot, in words that say what was meant or expected."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START


@pytest.mark.parametrize(
    ("operation", "near"),
    [
        ("CreateInferenceExperimnt", "did you mean 'CreateInferenceExperiment'"),
        ("create_model", "'CreateModel'"),
        ("ListTrainingJobs", "not an operation that the mock answers"),
    ],
)
def test_an_unknown_operation_is_refused(mock, operation, near):
    """A fault that nobody could meet is a mistake, and what was meant is said."""
    with pytest.raises(ValueError, match=near):
        mock.fail_next(operation, "ThrottlingException")
    with pytest.raises(ValueError, match=near):
        mock.slow_next(operation, 1)


@pytest.mark.parametrize(
    ("operation", "code", "says"),
    [
        ("StartInferenceExperiment", "ConflictExcepton", "did you mean 'ConflictException'"),
        ("StartInferenceExperiment", "Throttling", "'ThrottlingException'"),
        ("DescribeInferenceExperiment", "ResourceInUse", "DescribeInferenceExperiment does not return the error"),
        ("ListModels", "xyz", "expected one of AccessDeniedException"),
    ],
)
def test_an_unknown_code_is_refused(mock, operation, code, says):
    """A code is one of the operation's own or common to all; what is near, or else all there is, is said."""
    with pytest.raises(ValueError, match=says):
        mock.fail_next(operation, code)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        ("ThrottlingException", {"times": 0}),
        ("ThrottlingException", {"times": 1.5}),
        ("ThrottlingException", {"status": 200}),
        ("ThrottlingException", {"status": 600}),
        (ReadTimeoutError, {"message": "Too late"}),
        (ReadTimeoutError, {"status": 500}),
        (IncompleteReadError, {}),  # It does not say what was read.
        (ClientError, {}),
        (KeyboardInterrupt, {}),
        (500, {}),
        (None, {}),
    ],
)
def test_what_makes_no_sense_is_refused(mock, error, options):
    """Not when a call meets it, and in words that name what was wrong."""
    with pytest.raises((TypeError, ValueError), match="|".join([*options, getattr(error, "__name__", repr(error))])):
        mock.fail_next("ListModels", error, **options)


@pytest.mark.parametrize("arguments", [{"seconds": -1}, {"seconds": 1, "times": 0}])
def test_a_delay_that_makes_no_sense_is_refused(mock, arguments):
    """Time never goes back."""
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        mock.slow_next("ListModels", **arguments)


def test_a_delay_needs_a_clock_that_can_be_moved():
    """A clock that only tells the time cannot be late."""

    class Watch:
        def now(self):
            return START

    with mock_inference_experiment(clock=Watch()) as mock, pytest.raises(TypeError, match=r"no sleep\(\)"):
        mock.slow_next("ListModels", 1)
