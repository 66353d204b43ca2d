"""Params and answers are the caller's own: spoiling either changes nothing that the mock holds or tells."""

from __future__ import annotations

import copy

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.service.service import ANSWERED, INVOKE_ENDPOINT
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.hosting import everything
from tests.operations.test_spy import spoil, without_metadata
from tests.requests import NAME, create


@pytest.fixture
def populated(mock):
    """A mock with one of each kind of resource."""
    for operation, params in PREPARATIONS:
        call(mock, operation, params)
    return mock


def call(mock, operation, params):
    """Call an operation and return its answer and the record of the call."""
    client = mock.client("sagemaker-runtime" if operation == INVOKE_ENDPOINT else "sagemaker")
    return getattr(client, xform_name(operation))(**params), mock.calls[-1]


def test_there_is_a_request_for_every_operation():
    """What is said here holds for all of them."""
    assert REQUESTS.keys() == {*ANSWERED}


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_request_is_the_callers(populated, operation):
    """Who changes what he sent changes neither a resource nor the record of the call."""
    params = copy.deepcopy(REQUESTS[operation])
    _, record = call(populated, operation, params)
    before = everything(populated)

    spoil(params)

    assert everything(populated) == before
    assert record.params == REQUESTS[operation]


@pytest.mark.parametrize("operation", REQUESTS)
def test_an_answer_is_the_callers(populated, operation):
    """Who changes what he got changes neither a resource nor what is told of the answer."""
    answer, record = call(populated, operation, REQUESTS[operation])
    told, before = copy.deepcopy(record.response), everything(populated)
    if operation != INVOKE_ENDPOINT:  # Whose body is a stream.
        assert without_metadata(answer) == told

    spoil(answer)

    assert everything(populated) == before
    assert record.response == told


@pytest.mark.parametrize("operation", REQUESTS)
def test_the_record_of_a_call_is_the_tests(populated, operation):
    """Who changes what `.calls` shows changes no resource."""
    _, record = call(populated, operation, REQUESTS[operation])
    before = everything(populated)

    spoil(record.params)
    spoil(record.response)

    assert everything(populated) == before


# --- what else goes in and comes out


def test_a_body_is_what_it_was_when_it_was_sent(populated):
    """A buffer may be used again after the call."""
    body = bytearray(b"1,2")
    _, record = call(populated, INVOKE_ENDPOINT, {**REQUESTS[INVOKE_ENDPOINT], "Body": body})

    body[:] = b"3,4"

    assert record.params["Body"] == b"1,2"
    assert populated.captures[-1].record["captureData"]["endpointInput"]["data"] == "1,2"


def test_captures_and_metrics_are_those_of_their_moment(populated):
    """Looking at them hands out copies: they change with no later invocation, and change nothing."""
    call(populated, INVOKE_ENDPOINT, REQUESTS[INVOKE_ENDPOINT])
    (capture,), metrics = populated.captures, populated.metrics
    line, counts = capture.line, [point.sample_count for point in metrics]

    call(populated, INVOKE_ENDPOINT, REQUESTS[INVOKE_ENDPOINT])
    assert [point.sample_count for point in metrics] == counts

    spoil(capture.record)
    for point in metrics:
        point.add(1000)
    assert populated.captures[0].line == line
    assert [point.sample_count for point in populated.metrics] == [2 * count for count in counts]


def test_timelines_are_the_tests(populated):
    """Who changes one changes no other."""
    expected = copy.deepcopy([dict(segment.variants) for segment in populated.timeline(NAME).segments])

    for segment in populated.timeline(NAME).segments:
        spoil(segment.variants)

    assert [segment.variants for segment in populated.timeline(NAME).segments] == expected


def test_an_error_is_the_callers(populated):
    """Each call that meets a fault gets a response of its own."""
    populated.fail_next("ListModels", "AccessDeniedException", "Not you", times=2)
    responses = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            populated.client().list_models()
        responses.append(caught.value.response["Error"].copy())
        spoil(caught.value.response)

    assert responses == [{"Code": "AccessDeniedException", "Message": "Not you"}] * 2


def test_options_are_taken_as_they_were_given(sagemaker):
    """Who changes a collection afterwards changes no mock."""
    quotas, passthrough = {"ml.m5.xlarge": 0}, ["ListTrainingJobs"]
    entry = mock_inference_experiment(quotas=quotas, passthrough=passthrough)

    quotas.clear()
    passthrough.append("CreateInferenceExperiment")

    with entry, pytest.raises(sagemaker.exceptions.ResourceLimitExceeded):
        sagemaker.create_inference_experiment(**create())
