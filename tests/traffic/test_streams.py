"""InvokeEndpointWithResponseStream: the parts, errors in the middle, the shadow, captures and metrics."""

from __future__ import annotations

import datetime as dt
import gc
import pickle
import time

import pytest
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given
from hypothesis import strategies as st

from mock_sagemaker_ie import (
    HandlerError,
    HandlerWarning,
    InternalStreamFailure,
    MockClock,
    ModelResponse,
    ModelStreamError,
    mock_inference_experiment,
)
from mock_sagemaker_ie.protocol.event_stream import MAX_PART_SIZE
from tests.conftest import START
from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.traffic.shared import DESTINATION, create_endpoint, create_experiment, data_capture, invoke, metric_sums

PROD_MODEL, SHADOW_MODEL = "model-prod", "model-shadow"
CAPTURED = {"DataStorageConfig": {"Destination": DESTINATION, "ContentType": {"CsvContentTypes": ["text/csv"]}}}


@pytest.fixture(params=[False, True], ids=["as values", "over the wire"])
def mock(request, clock):
    """Yield a mock that gives botocore the events as values, and one whose bytes botocore parses."""
    with mock_inference_experiment(clock=clock, wire=request.param) as mock:
        yield mock


@pytest.fixture
def captured(mock, sagemaker):
    """Create a running experiment that copies and captures every request."""
    create_experiment(sagemaker, **CAPTURED)


def start(runtime, body=b"1,2", **members):
    """Begin a stream and return its answer."""
    return runtime.invoke_endpoint_with_response_stream(
        EndpointName=ENDPOINT, Body=body, ContentType="text/csv", **members
    )


def parts(answer):
    """Return the parts of a stream."""
    return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]


def broken(answer):
    """Read a stream that breaks; return the parts before and the error."""
    read = []
    with pytest.raises(EventStreamError) as caught:
        for event in answer["Body"]:
            read.append(event["PayloadPart"]["Bytes"])  # noqa: PERF401 - the parts before the error count too
    return read, caught.value


def outputs(mock):
    """Return the captured answers by variant."""
    return {each.variant: each.record["captureData"]["endpointOutput"]["data"] for each in mock.captures}


def chunks(*items):
    """Return a handler that yields these chunks and raises those that are exceptions."""

    def handler(request):
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    return handler


# --- parts


def test_each_chunk_of_a_generator_is_a_part(mock, endpoint, runtime):
    """The other members of the answer are those of InvokeEndpoint."""
    mock.serve(PROD_MODEL, chunks(b"a", "é", bytearray(b"c")))

    answer = start(runtime, Accept="application/jsonlines")

    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/jsonlines", PRODUCTION)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/vnd.amazon.eventstream"
    assert parts(answer) == [b"a", "é".encode(), b"c"]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"whole", [b"whole"]),
        ({"score": 1}, [b'{"score": 1}']),
        (b"", [b""]),
        (b"x" * (MAX_PART_SIZE + 1), [b"x" * MAX_PART_SIZE, b"x"]),
    ],
    ids=["bytes", "json", "empty", "long"],
)
def test_an_answer_that_is_not_an_iterator_is_one_part_or_several(mock, endpoint, runtime, response, expected):
    """Only one that is longer than a part has several."""
    mock.serve(PROD_MODEL, lambda request: response)

    assert parts(start(runtime)) == expected


@given(st.lists(st.binary(max_size=5), max_size=5), st.integers(0, 3))
def test_the_parts_joined_are_the_answer_of_invoke_endpoint(texts, long_part):
    """Whatever the chunks: empty ones are not sent, and long ones are split."""
    texts = [text * (MAX_PART_SIZE if index == long_part else 1) for index, text in enumerate(texts)]
    with mock_inference_experiment(wire=True) as mock:
        create_endpoint(mock.client())
        runtime = mock.client("sagemaker-runtime")
        mock.serve(PROD_MODEL, chunks(*texts))

        read = parts(start(runtime))

        assert b"".join(read) == b"".join(texts) == invoke(runtime)["Body"]
        assert read == [b""] or all(0 < len(part) <= MAX_PART_SIZE for part in read)


def test_a_model_response_may_have_a_generator_as_body(mock, endpoint, runtime):
    """Its other attributes count as for InvokeEndpoint."""
    mock.serve(
        PROD_MODEL,
        lambda request: ModelResponse(
            iter([b"a", b"b"]), content_type="text/event-stream", custom_attributes="trace", latency=2
        ),
    )

    answer = start(runtime)

    assert (answer["ContentType"], answer["CustomAttributes"]) == ("text/event-stream", "trace")
    assert parts(answer) == [b"a", b"b"]
    assert metric_sums(mock, "ModelLatency")[PRODUCTION] == 2_000_000


def test_a_chunk_is_made_when_the_caller_reads_it(mock, clock, endpoint, runtime):
    """Virtual time passes between two parts as the handler says, and the latency does not count the reader's pauses."""

    def handler(request):
        for second in range(3):
            clock.advance(dt.timedelta(seconds=1))
            yield str(second)

    mock.serve(PROD_MODEL, handler)

    answer = start(runtime)
    instants = []
    for _ in answer["Body"]:
        instants.append((clock.now() - START).seconds)
        clock.advance(dt.timedelta(seconds=10))

    assert instants == [1, 12, 23]
    assert metric_sums(mock, "ModelLatency")[PRODUCTION] == 3_000_000
    assert metric_sums(mock, "FirstChunkLatency")[PRODUCTION] == 1_000_000
    assert metric_sums(mock, "FirstChunkModelLatency")[PRODUCTION] == 1_000_000


def test_a_handler_may_sleep_in_virtual_time(sagemaker, runtime):
    """`time.sleep` between two chunks takes no time, and counts as the model's."""
    with mock_inference_experiment(clock=MockClock(START, tick=False), virtual_sleep=True) as mock:
        create_endpoint(sagemaker)

        def handler(request):
            for word in (b"a", b"b"):
                time.sleep(60)
                yield word

        mock.serve(PROD_MODEL, handler)

        assert parts(start(runtime)) == [b"a", b"b"]
        assert mock.now() == START + dt.timedelta(minutes=2)
        assert metric_sums(mock, "ModelLatency")[PRODUCTION] == 120_000_000
        assert metric_sums(mock, "FirstChunkLatency")[PRODUCTION] == 60_000_000


def test_a_loop_can_be_left_and_another_one_reads_on(mock, endpoint, runtime):
    """Leaving a loop does not end the stream."""
    mock.serve(PROD_MODEL, chunks(b"a", b"b", b"c"))
    answer = start(runtime)

    for event in answer["Body"]:
        assert event == {"PayloadPart": {"Bytes": b"a"}}
        break

    assert parts(answer) == [b"b", b"c"]
    assert parts(answer) == []


# --- errors


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


# --- requests


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TargetVariant": "other"}, "Variant other of endpoint"),
        ({"InferenceComponentName": "component"}, "Inference Component Name header is not allowed"),
    ],
    ids=["TargetVariant", "InferenceComponentName"],
)
def test_members_that_do_not_fit_the_endpoint_are_refused(mock, endpoint, runtime, members, message):
    """The errors are those of InvokeEndpoint."""
    with pytest.raises(ClientError, match=message) as caught:
        start(runtime, **members)

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_an_asynchronous_endpoint_does_not_stream(mock, sagemaker, runtime):
    """InvokeEndpointAsync is for such an endpoint."""
    create_endpoint(sagemaker, AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://bucket/out"}})

    with pytest.raises(ClientError, match="is an asynchronous endpoint"):
        start(runtime)


# --- the shadow


def test_the_shadow_gets_a_copy_that_the_caller_does_not_see(mock, captured, runtime):
    """Its answer is captured and counted; it gets the request of production."""
    received = []

    def shadow(request):
        received.append((request.body, request.variant))
        yield from (b"s", b"t")

    mock.serve(PROD_MODEL, chunks(b"a", b"b"))
    mock.serve(SHADOW_MODEL, shadow)

    assert parts(start(runtime)) == [b"a", b"b"]
    assert received == [(b"1,2", SHADOW)]
    assert outputs(mock) == {PRODUCTION: "ab", SHADOW: "st"}
    assert metric_sums(mock) == {PRODUCTION: 1, SHADOW: 1}


def test_a_shadow_that_breaks_is_invisible_to_the_caller(mock, captured, runtime):
    """It is in `shadow_error`, in the capture up to there, and in its MidStreamErrors."""
    mock.serve(SHADOW_MODEL, chunks(b"s", KeyError("weights")))

    assert parts(start(runtime)) == [b"1,2"]
    assert mock.calls[-1].error is None
    assert mock.calls[-1].shadow_error.code == "ModelStreamError"
    assert outputs(mock) == {PRODUCTION: "1,2", SHADOW: "s"}
    assert metric_sums(mock, "MidStreamErrors") == {PRODUCTION: 0, SHADOW: 1}


def test_a_shadow_that_yields_something_else_warns(mock, captured, runtime):
    """No caller sees that its handler is wrong, so a warning says it."""
    mock.serve(SHADOW_MODEL, chunks(b"s", 1))

    with pytest.warns(HandlerWarning, match="yielded 1"):
        answer = start(runtime)

    assert parts(answer) == [b"1,2"]


# --- readers that stop early


@pytest.fixture
def endless(mock, captured):
    """Serve a model that never stops by itself; return a list that says when its generator is closed."""
    closed = []

    def handler(request):
        try:
            while True:
                yield b"a"
        finally:
            closed.append(True)

    mock.serve(PROD_MODEL, handler)
    return closed


def test_closing_a_stream_closes_the_generator(mock, endless, runtime):
    """The capture has what was sent, the call is counted, and no other part comes."""
    answer = start(runtime)
    reader = iter(answer["Body"])
    next(reader), next(reader)
    assert (mock.captures, mock.metrics) == ((), ())

    answer["Body"].close()

    assert endless == [True]
    assert outputs(mock) == {PRODUCTION: "aa", SHADOW: "1,2"}
    assert metric_sums(mock) == {PRODUCTION: 1, SHADOW: 1}
    assert list(reader) == []
    answer["Body"].close()
    assert len(mock.captures) == 2


def test_a_stream_that_nobody_has_any_more_has_ended(mock, endless, runtime):
    """A look at captures or metrics shows it."""

    def first_part():
        return next(iter(start(runtime)["Body"]))

    first_part()
    gc.collect()  # The event stream of botocore itself refers to itself.

    assert outputs(mock) == {PRODUCTION: "a", SHADOW: "1,2"}
    assert endless == [True]


def test_the_end_of_the_mock_ends_its_streams(clock, sagemaker, runtime, tmp_path):
    """What was sent is delivered, and a later read says what has happened."""
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        create_endpoint(sagemaker, **data_capture())
        mock.serve(PROD_MODEL, chunks(b"a", b"b"))
        answer = start(runtime)
        reader = iter(answer["Body"])
        next(reader)

    assert len([*tmp_path.rglob("*.jsonl")]) == 1
    with pytest.raises(RuntimeError, match="the mock has ended, and with it this stream"):
        next(reader)


def test_a_reset_forgets_open_streams(mock, captured, runtime):
    """The stream can be read on, and leaves nothing."""
    mock.serve(PROD_MODEL, chunks(b"a", b"b"))
    answer = start(runtime)

    mock.reset()

    assert parts(answer) == [b"a", b"b"]
    assert (mock.captures, mock.metrics) == ((), ())


def test_what_was_read_so_far_is_in_the_recorded_call(mock, endpoint, runtime):
    """The call is recorded when it is answered, before anything was read."""
    mock.serve(PROD_MODEL, chunks(b"a", b"b"))

    answer = start(runtime)
    call = mock.calls[-1]

    assert call.response["Body"] == b""
    parts(answer)
    assert call.response == {"Body": b"ab", "ContentType": "text/csv", "InvokedProductionVariant": PRODUCTION}
