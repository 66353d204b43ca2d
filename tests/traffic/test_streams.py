"""InvokeEndpointWithResponseStream: the parts, errors in the middle, the shadow, captures and metrics."""

from __future__ import annotations

import datetime as dt
import gc
import time

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from mock_sagemaker_ie import (
    HandlerWarning,
    MockClock,
    ModelResponse,
    mock_inference_experiment,
)
from mock_sagemaker_ie.protocol.event_stream import MAX_PART_SIZE
from tests.conftest import START
from tests.requests import PRODUCTION, SHADOW
from tests.traffic.shared import create_endpoint, data_capture, invoke, metric_sums
from tests.traffic.streams import PROD_MODEL, SHADOW_MODEL, chunks, outputs, parts, start


@pytest.fixture
def mock(mock_both_ways):
    """Run each test of this module with both."""
    return mock_both_ways


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
