"""The repr of public objects shows what a person wants to see."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.requests import NAME, create


def test_the_repr_of_a_mock_has_the_statuses(mock, sagemaker):
    """It has the status of each experiment, and the number of calls."""
    assert repr(mock) == "<InferenceExperimentMock no experiments; 0 calls>"

    sagemaker.create_inference_experiment(**create())

    assert repr(mock) == "<InferenceExperimentMock my-experiment: Running; 1 call>"


def test_the_repr_of_an_entry_has_the_changed_options():
    """Options with their default are left out."""
    assert repr(mock_inference_experiment()) == "mock_inference_experiment()"
    assert repr(mock_inference_experiment(strict=True, keep=3)) == "mock_inference_experiment(strict=True, keep=3)"


def test_the_repr_of_a_call_has_operation_and_outcome(mock, sagemaker):
    """It has the operation with its name, the outcome, the region and the time."""
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name=NAME)
    sagemaker.list_models()

    at = f"us-east-1, {START:%Y-%m-%d %H:%M:%S}>"
    failed, listed = mock.calls
    assert repr(failed) == f"<Call DescribeInferenceExperiment(my-experiment) -> ResourceNotFound, {at}"
    assert repr(listed) == f"<Call ListModels -> ok, {at}"
