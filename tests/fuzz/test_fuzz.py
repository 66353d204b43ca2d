"""The fuzz test: the service answers any input with a valid answer or a declared error, and an error changes nothing.

By default it is short; MOCK_SAGEMAKER_IE_ATTACK=large tries a hundred times as many inputs. For a run of any length,
set the number of inputs for each operation:

    MOCK_SAGEMAKER_IE_FUZZ=5000 pytest tests/fuzz -s
"""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections import Counter

import pytest
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Status
from mock_sagemaker_ie.calls import INVOKE_ENDPOINT
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.event_stream import encode_event, stream_shape
from mock_sagemaker_ie.protocol.validation import violations
from mock_sagemaker_ie.protocol.wire import WireRequest, encode, encode_answer, error_body
from tests.attack.size import LARGE
from tests.every_operation import REQUESTS
from tests.fuzz.inputs import requests, serialized
from tests.fuzz.populated_service import (
    MODELS,
    REGION,
    everything,
    known,
    populated_service,
    use_for_60_days,
    valid_requests_of,
)
from tests.time_limit import time_limit

EXAMPLES = int(os.environ.get("MOCK_SAGEMAKER_IE_FUZZ", "2000" if LARGE else "20"))
MAX_SECONDS = 2  # Of processor time for one input.


def outcome(service, model, request):
    """Send an input, check what comes back, and return "answered", "not answered" or the error's code."""
    before = everything(service)
    try:
        with time_limit(MAX_SECONDS):
            answer = service.answer(model, request, region=REGION)
    except AWSError as raised:
        error = raised
    else:
        if answer is not None:
            check_answer(model, answer.values)
            return "answered"
        error = None
    assert everything(service) == before
    return "not answered" if error is None else check_error(model, error)


def check_answer(model, values):
    """Check that an answer obeys the operation's output shape, constraints included, and can be serialized."""
    if model.has_event_stream_output:  # The first event is one of the stream's members.
        events = list(values["Body"].events)
        assert all(encode_event(stream_shape(model), event) for event in events)
        values = {**values, "Body": events[0]}
    if model.output_shape is not None:
        report = ParamValidator().validate(values, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        assert [str(each) for each in violations(model.output_shape, values)] == []
        assert model.has_event_stream_output or encode_answer(model, values)


def check_error(model, error):
    """Check that an error is one that the operation may answer with, and can be serialized; return its code."""
    modelled = [shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes]
    assert error.code in {*modelled, "ValidationException", "SerializationException"}
    assert 400 <= error.status < 600
    assert encode(error_body(error, model.service_model))
    return error.code


needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer for the time limit")


@needs_timer
@pytest.mark.parametrize("operation", REQUESTS)
def test_a_complete_request_is_answered(operation):
    """The requests that the next test changes are valid before the change; otherwise it would test little."""
    service = populated_service()
    service.clock.advance(hours=1)

    assert outcome(service, MODELS[operation], serialized(MODELS[operation], REQUESTS[operation])) == "answered"


@needs_timer
def test_an_invocation_without_headers_is_answered():
    """The path alone names the endpoint."""
    service = populated_service()
    service.clock.advance(hours=1)

    assert outcome(service, MODELS[INVOKE_ENDPOINT], WireRequest(b"1,2", "/endpoints/a/invocations")) == "answered"


@needs_timer
@pytest.mark.parametrize("operation", MODELS)
def test_any_input_is_answered_or_refused(operation, capsys):
    """Any input gets a valid answer or a declared error, and the service then works for 60 days.

    The input comes when an experiment has any status, and after up to two other calls.
    """
    tally = Counter()
    earlier_calls = st.lists(
        st.sampled_from(sorted(MODELS)).flatmap(lambda name: st.tuples(st.just(name), valid_requests_of(name))),
        max_size=2,
    )
    hours = st.sampled_from([0, 0, 0.01, 1, 24, 200])

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(Status),
        earlier_calls,
        requests(MODELS[operation], known()),
        st.lists(hours, min_size=3, max_size=3),
    )
    def run(status, calls, last, pauses):
        service = populated_service(status)
        for (name, request), pause in zip([*calls, (operation, last)], pauses, strict=False):
            service.clock.advance(dt.timedelta(hours=pause))
            result = outcome(service, MODELS[name], request)
            note(f"{name}: {result}")
            tally[result] += 1
        use_for_60_days(service)

    run()

    with capsys.disabled():
        if "MOCK_SAGEMAKER_IE_FUZZ" in os.environ:
            print(f"\n{operation}: {sum(tally.values())} inputs, {dict(tally.most_common())}")
