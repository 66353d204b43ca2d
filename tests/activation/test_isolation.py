"""Changing params or answers after a call changes neither the mock's resources nor the records of its calls."""

from __future__ import annotations

import copy

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.calls import ANSWERED, INVOCATIONS, INVOKE_ENDPOINT
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.hosting import everything
from tests.requests import NAME, create


def empty(value):
    """Empty a value and every dict and list within it."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            empty(item)
        value.clear()


@pytest.fixture
def populated(mock):
    """A mock with one of each kind of resource."""
    for operation, params in PREPARATIONS:
        call(mock, operation, params)
    return mock


def call(mock, operation, params):
    """Call an operation; return its answer and the record of the call."""
    client = mock.client("sagemaker-runtime" if operation in INVOCATIONS else "sagemaker")
    return getattr(client, xform_name(operation))(**params), mock.calls[-1]


def test_requests_cover_every_operation():
    """The tests of this module run for every operation that the mock answers."""
    assert REQUESTS.keys() == {*ANSWERED}


@pytest.mark.parametrize("operation", REQUESTS)
def test_params_can_be_changed_after_a_call(populated, operation):
    """Changing the params afterwards changes neither a resource nor the record of the call."""
    params = copy.deepcopy(REQUESTS[operation])
    _, record = call(populated, operation, params)
    before = everything(populated)

    empty(params)

    assert everything(populated) == before
    assert record.params == REQUESTS[operation]


@pytest.mark.parametrize("operation", REQUESTS)
def test_an_answer_can_be_changed(populated, operation):
    """Changing an answer changes neither a resource nor the record of the call."""
    answer, record = call(populated, operation, REQUESTS[operation])
    recorded, before = copy.deepcopy(record.response), everything(populated)
    if operation not in INVOCATIONS:  # Their bodies are streams.
        assert {name: value for name, value in answer.items() if name != "ResponseMetadata"} == recorded

    empty(answer)

    assert everything(populated) == before
    assert record.response == recorded


@pytest.mark.parametrize("operation", REQUESTS)
def test_the_record_of_a_call_can_be_changed(populated, operation):
    """Changing params or response of a record in `.calls` changes no resource."""
    _, record = call(populated, operation, REQUESTS[operation])
    before = everything(populated)

    empty(record.params)
    empty(record.response)

    assert everything(populated) == before


# --- bodies, captures, metrics, timelines, errors and options


def test_a_body_can_be_changed_after_a_call(populated):
    """A bytearray can be reused after the call: record and capture have its content at the time of the call."""
    body = bytearray(b"1,2")
    _, record = call(populated, INVOKE_ENDPOINT, {**REQUESTS[INVOKE_ENDPOINT], "Body": body})

    body[:] = b"3,4"

    assert record.params["Body"] == b"1,2"
    assert populated.captures[-1].record["captureData"]["endpointInput"]["data"] == "1,2"


def test_captures_and_metrics_are_copies(populated):
    """Later invocations do not change them, and changing them does not change the mock's own."""
    call(populated, INVOKE_ENDPOINT, REQUESTS[INVOKE_ENDPOINT])
    (capture,), metrics = populated.captures, populated.metrics
    line, counts = capture.line, [point.sample_count for point in metrics]

    call(populated, INVOKE_ENDPOINT, REQUESTS[INVOKE_ENDPOINT])
    assert [point.sample_count for point in metrics] == counts

    empty(capture.record)
    for point in metrics:
        point.add(1000)
    assert populated.captures[0].line == line
    assert [point.sample_count for point in populated.metrics] == [2 * count for count in counts]


def test_timelines_are_copies(populated):
    """Changing a timeline changes no other one."""
    expected = copy.deepcopy([dict(segment.variants) for segment in populated.timeline(NAME).segments])

    for segment in populated.timeline(NAME).segments:
        empty(segment.variants)

    assert [segment.variants for segment in populated.timeline(NAME).segments] == expected


def test_the_response_of_an_error_can_be_changed(populated):
    """Each call that gets an arranged error gets its own copy of the response."""
    populated.fail_next("ListModels", "AccessDeniedException", "Not you", times=2)
    responses = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            populated.client().list_models()
        responses.append(caught.value.response["Error"].copy())
        empty(caught.value.response)

    assert responses == [{"Code": "AccessDeniedException", "Message": "Not you"}] * 2


def test_option_values_are_copied(sagemaker):
    """Changing a dict or list after it was given as an option changes no mock."""
    quotas, passthrough = {"ml.m5.xlarge": 0}, ["ListTrainingJobs"]
    entry = mock_inference_experiment(quotas=quotas, passthrough=passthrough)

    quotas.clear()
    passthrough.append("CreateInferenceExperiment")

    with entry, pytest.raises(sagemaker.exceptions.ResourceLimitExceeded):
        sagemaker.create_inference_experiment(**create())
