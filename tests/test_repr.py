"""The repr of public objects shows what a person wants to see."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations, mock_inference_experiment
from mock_sagemaker_ie.server.app import running_server
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


def test_the_repr_of_a_call_has_operation_and_outcome(mock, sagemaker, monkeypatch):
    """It has the operation with its name, the outcome, the region and the time."""
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name=NAME)
    sagemaker.list_models()
    mock.fail_next("ListModels", "InternalFailure", after=True)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # The client retries.
    sagemaker.list_models()

    at = f"us-east-1, {START:%Y-%m-%d %H:%M:%S}>"
    failed, listed, lost, _ = mock.calls
    assert repr(failed) == f"<Call DescribeInferenceExperiment(my-experiment) -> ResourceNotFound, {at}"
    assert repr(listed) == f"<Call ListModels -> ok, {at}"
    assert repr(lost) == f"<Call ListModels -> ok, lost: InternalFailure, {at}"


def test_the_repr_of_durations_has_the_ones_that_are_not_zero():
    """It is the code that makes them."""
    durations = Durations(starting=dt.timedelta(minutes=5))

    assert repr(Durations()) == "Durations()"
    assert repr(durations) == "Durations(starting=datetime.timedelta(seconds=300))"
    assert eval(repr(durations), {"Durations": Durations, "datetime": dt}) == durations  # noqa: S307


def test_the_reprs_of_traffic_have_endpoint_variant_and_time(mock, sagemaker):
    """The bodies and the statistics are attributes: a repr is one line."""
    sagemaker.create_inference_experiment(**create(DataStorageConfig={"Destination": "s3://bucket/captures"}))
    endpoint = sagemaker.describe_inference_experiment(Name=NAME)["EndpointMetadata"]["EndpointName"]

    mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=b"x" * 5000)

    minute = f"{START:%Y-%m-%d %H:%M}"
    assert repr(mock.captures[0]) == f"<Capture of {endpoint}/prod at {minute}:00, for s3://bucket/captures>"
    assert repr(mock.metrics[0]) == f"<Datapoint Invocations of {endpoint}/prod, {minute}: sum 1, 1 sample>"
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    by_config = f"<Datapoint Invocations of {endpoint}/prod ({config}), {minute}: sum 1, 1 sample>"
    assert repr(mock.metrics.by_config[0]) == by_config


def test_the_repr_of_a_timeline_has_its_statuses(mock, sagemaker):
    """It has the status now, and all statuses in order."""
    sagemaker.create_inference_experiment(**create())

    timeline = mock.timeline(NAME)

    now = f"{START:%Y-%m-%d %H:%M:%S}"
    statuses = ", ".join(segment.status for segment in timeline.segments)
    assert repr(timeline) == f"<Timeline of my-experiment, Running at {now}: {statuses}>"
    assert repr(timeline.present) == f"<Segment Running from {now} to {timeline.end_time:%Y-%m-%d %H:%M:%S}>"
    assert repr(timeline.segments[-1]).endswith(f"from {timeline.segments[-1].begin:%Y-%m-%d %H:%M:%S}>")


def test_the_repr_of_a_server_has_its_address():
    """It has the state of its mock too."""
    with running_server() as server:
        assert repr(server) == f"<RunningServer at {server.url}, <InferenceExperimentMock no experiments; 0 calls>>"
