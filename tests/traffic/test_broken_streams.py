"""Errors of InvokeEndpointWithResponseStream: before the first chunk, in the middle, arranged, or of the handler."""

from __future__ import annotations

import pickle

import pytest

from mock_sagemaker_ie import (
    HandlerError,
    InternalStreamFailure,
    ModelResponse,
    ModelStreamError,
)
from tests.requests import PRODUCTION, SHADOW
from tests.traffic.shared import metric_sums
from tests.traffic.streams import PROD_MODEL, SHADOW_MODEL, broken, chunks, outputs, parts, start


@pytest.fixture
def mock(mock_both_ways):
    """Run each test of this module with both."""
    return mock_both_ways


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("weights"), ("ModelStreamError", "'weights'")),
        (ModelStreamError("too slow", "ModelInvocationTimeExceeded"), ("ModelStreamError", "too slow")),
        (InternalStreamFailure("try again"), ("InternalStreamFailure", "try again")),
    ],
    ids=["any", "model", "service"],
)
def test_a_stream_that_breaks_raises_an_event_stream_error(mock, captured, runtime, error, expected):
    """The caller gets the parts before it. The recorded call has both, and the capture what was sent."""
    mock.serve(PROD_MODEL, chunks(b"a", b"b", error))
    mock.serve(SHADOW_MODEL, chunks(b"s"))

    read, raised = broken(start(runtime))

    assert read == [b"a", b"b"]
    assert (raised.response["Error"]["Code"], raised.response["Error"]["Message"]) == expected
    call = pickle.loads(pickle.dumps(mock.calls[-1]))  # noqa: S301
    assert (call.error.code, call.error.message, call.response["Body"]) == (*expected, b"ab")
    assert mock.calls[-1].error.__cause__ is (error if isinstance(error, KeyError) else None)
    assert outputs(mock) == {PRODUCTION: "ab", SHADOW: "s"}
    assert metric_sums(mock, "MidStreamErrors") == {PRODUCTION: 1, SHADOW: 0}
    assert metric_sums(mock, "Invocation5XXErrors")[PRODUCTION] == 0


def test_the_event_of_an_exception_has_its_error_code(mock, endpoint, runtime):
    """ErrorCode says whether the connection to the model broke or the model took too long."""
    mock.serve(PROD_MODEL, chunks(b"a", ModelStreamError("too slow", "ModelInvocationTimeExceeded")))

    broken(start(runtime))

    assert mock.calls[-1].error.members == {"ErrorCode": "ModelInvocationTimeExceeded"}


def test_an_unknown_error_code_is_refused():
    """It is an error of the test."""
    with pytest.raises(ValueError, match="expected one of StreamBroken, ModelInvocationTimeExceeded"):
        ModelStreamError("message", "Broken")


def test_an_error_before_the_first_chunk_is_a_model_error(mock, endpoint, runtime):
    """Nothing has been sent yet, so the container answers with 500."""
    mock.serve(PROD_MODEL, chunks(KeyError("weights")))

    with pytest.raises(runtime.exceptions.ModelError, match=r"Received server error \(500\)"):
        start(runtime)

    assert metric_sums(mock, "Invocation5XXErrors")[PRODUCTION] == 1


def test_a_stream_can_break_before_its_first_part(mock, endpoint, runtime):
    """A handler says so with the exception of the event."""
    mock.serve(PROD_MODEL, chunks(InternalStreamFailure()))

    read, raised = broken(start(runtime))

    assert (read, raised.response["Error"]["Code"]) == ([], "InternalStreamFailure")


def test_a_status_of_an_error_is_a_model_error(mock, endpoint, runtime):
    """The chunks are its message."""
    mock.serve(PROD_MODEL, lambda request: ModelResponse(iter(["bad ", "request"]), status=400))

    with pytest.raises(runtime.exceptions.ModelError, match='with message "bad request"'):
        start(runtime)


def test_a_chunk_of_another_type_is_an_error_of_the_test(mock, endpoint, runtime):
    """The caller's loop raises HandlerError, which says what the handler yielded."""
    mock.serve(PROD_MODEL, chunks(b"a", 1))

    with pytest.raises(HandlerError, match="yielded 1: expected chunks of bytes or str"):
        list(start(runtime)["Body"])

    assert mock.calls[-1].error.code == "ModelStreamError"


def test_an_asynchronous_generator_needs_an_asynchronous_caller(mock, endpoint, runtime):
    """A synchronous caller gets HandlerError with the way out."""

    async def handler(request):
        yield b"a"

    mock.serve(PROD_MODEL, handler)

    with pytest.raises(HandlerError, match="use an aiobotocore client or a synchronous handler"):
        start(runtime)


@pytest.mark.parametrize("code", ["ModelStreamError", "InternalStreamFailure"])
def test_an_arranged_error_of_a_stream_is_its_only_event(mock, endpoint, runtime, code):
    """The call succeeds, and the caller's loop raises. The next call is answered."""
    mock.fail_next("InvokeEndpointWithResponseStream", code, "arranged")

    read, raised = broken(start(runtime))

    assert (read, raised.response["Error"]) == ([], {"Code": code, "Message": "arranged"})
    assert mock.calls[-1].error.code == code
    assert parts(start(runtime)) == [b"1,2"]
