"""Handlers may call AWS, other endpoints and the mock itself, from any thread and without a deadlock."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_sagemaker_ie import HandlerError, mock_inference_experiment
from tests.requests import NAME, PRODUCTION, SHADOW, deployed, stop
from tests.traffic.shared import (
    BUCKET,
    DESTINATION,
    create_endpoint,
    create_experiment,
    invoke,
    invoke_times,
    metric_sums,
    split_lines,
    stored_lines,
)

TIMEOUT = 20  # Seconds after which a test stops waiting for a thread, and fails.


def run_with_timeout(function):
    """Call a function in a thread, and fail if it does not return in time, for example because of a deadlock."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def run_in_threads(number, function):
    """Call a function with each index in `number` threads at the same time, and return the results."""
    barrier = threading.Barrier(number)

    def run(index):
        barrier.wait(TIMEOUT)
        return function(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number), timeout=TIMEOUT))


# --- calling AWS


def test_a_handler_may_call_aws(mock, endpoint, runtime, s3):
    """Moto answers the handler's calls to other services."""
    s3.put_object(Bucket=BUCKET, Key="weights", Body=b"0.7")
    mock.serve("model-prod", lambda request: s3.get_object(Bucket=BUCKET, Key="weights")["Body"].read())

    assert invoke(runtime)["Body"] == b"0.7"


def test_a_handler_may_invoke_another_endpoint(mock, sagemaker, runtime):
    """Each endpoint counts its own invocations, and both calls are recorded."""
    for name in ("ensemble", "member"):
        create_endpoint(sagemaker, deployed(ModelName=f"model-{name}"), endpoint=name)
    mock.serve("model-member", lambda request: {"score": len(request)})
    mock.serve("model-ensemble", lambda request: invoke(runtime, request.body * 2, endpoint="member")["Body"])

    assert invoke(runtime, b"1,2", endpoint="ensemble")["Body"] == b'{"score": 6}'
    assert metric_sums(mock, endpoint="ensemble") == metric_sums(mock, endpoint="member") == {PRODUCTION: 1}
    assert [call.params["EndpointName"] for call in mock.calls[-2:]] == ["member", "ensemble"]


def test_a_handler_may_invoke_its_own_endpoint(mock, experiment, runtime):
    """Each of the nested invocations is copied and counted."""
    mock.serve("model-prod", lambda request: request if len(request) > 4 else invoke(runtime, request + b"0")["Body"])

    assert invoke(runtime, b"1")["Body"] == b"10000"
    assert metric_sums(mock) == {PRODUCTION: 5, SHADOW: 5}


def test_an_endless_recursion_of_a_handler_is_a_model_error(mock, endpoint, runtime):
    """Python's recursion limit ends it with a ModelError, and the endpoint answers the next invocation."""
    mock.serve("model-prod", lambda request: invoke(runtime)["Body"])
    with pytest.raises(runtime.exceptions.ModelError, match="recursion"):
        invoke(runtime)

    mock.serve("model-prod", lambda request: b"0.7")

    assert invoke(runtime)["Body"] == b"0.7"


def test_an_error_from_another_endpoint_is_a_model_error(mock, sagemaker, runtime):
    """If the handler does not catch the error, the caller gets a ModelError with its message."""
    create_endpoint(sagemaker)
    mock.serve("model-prod", lambda request: invoke(runtime, endpoint="missing-endpoint")["Body"])

    with pytest.raises(runtime.exceptions.ModelError, match="missing-endpoint"):
        invoke(runtime)


@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_a_handler_may_stop_the_experiment(mock, experiment, sagemaker, runtime, variant):
    """The current invocation is still copied; the next invocation is not, because the experiment is stopped."""

    def stop_experiment(request):
        if mock.experiments[NAME]["Status"] == "Running":
            sagemaker.stop_inference_experiment(**stop())
        return b"0.7"

    mock.serve(f"model-{variant}", stop_experiment)

    invoke_times(runtime, 2)

    assert mock.experiments[NAME]["Status"] == "Cancelled"
    assert metric_sums(mock) == {PRODUCTION: 2, SHADOW: 1}


def test_a_handler_may_reset_the_mock(mock, experiment, runtime):
    """After the reset, only the current invocation is recorded."""
    mock.serve("model-prod", lambda request: mock.reset() or b"0.7")

    assert invoke(runtime)["Body"] == b"0.7"
    assert mock.experiments == {}
    assert [call.operation for call in mock.calls] == ["InvokeEndpoint"]


def test_a_delivery_may_invoke_the_endpoint_again(clock, sagemaker, runtime, s3):
    """A new file in S3 can trigger an invocation, for example by a pipeline; the captures of both are delivered."""
    bodies = [b"second"]
    s3.meta.events.register("after-call.s3.PutObject", lambda **_: bodies and invoke(runtime, bodies.pop()))
    entry = mock_inference_experiment(clock=clock, s3=s3)
    mock = entry.start()
    try:
        create_experiment(sagemaker, percentage=0, DataStorageConfig={"Destination": DESTINATION})

        run_with_timeout(lambda: invoke(runtime, b"first"))
    finally:
        run_with_timeout(entry.stop)

    written = [line for lines in stored_lines(s3).values() for line in lines]
    assert len(written) == 2
    assert sorted(written) == sorted(capture.line for capture in mock.captures)


# --- threads


def test_handlers_run_concurrently(mock, endpoint, runtime):
    """A waiting handler does not block other handlers: here each of eight handlers waits for all the others."""
    barrier = threading.Barrier(8)
    mock.serve("model-prod", lambda request: str(barrier.wait(TIMEOUT)))

    answers = run_in_threads(8, lambda index: invoke(runtime)["Body"])

    assert sorted(map(int, answers)) == list(range(8))


def test_a_handler_may_wait_for_another_thread(mock, experiment, sagemaker, runtime):
    """A handler may wait for another thread that calls the mock."""

    def status(_):
        return sagemaker.describe_inference_experiment(Name=NAME)["Status"]

    mock.serve("model-prod", lambda request: run_in_threads(1, status)[0])

    assert invoke(runtime)["Body"] == b"Running"


@pytest.mark.usefixtures("frequent_thread_switches")
def test_no_record_is_lost_with_concurrent_threads(clock, sagemaker, runtime, tmp_path):
    """Eight threads invoke the endpoint, and calls, copies, captures, files and metrics are complete."""
    threads, times = 8, 25
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        create_experiment(sagemaker, percentage=40, DataStorageConfig={"Destination": DESTINATION})

        run_in_threads(threads, lambda index: invoke_times(runtime, times, InferenceId=f"thread-{index}"))

        counts = {PRODUCTION: 200, SHADOW: 80}
        assert [call.operation for call in mock.calls].count("InvokeEndpoint") == 200
        assert {name: [capture.variant for capture in mock.captures].count(name) for name in counts} == counts
        assert metric_sums(mock) == counts
        written = [line for path in tmp_path.rglob("*.jsonl") for line in split_lines(path.read_bytes())]
        assert sorted(written) == sorted(capture.line for capture in mock.captures)


@pytest.mark.usefixtures("frequent_thread_switches")
def test_no_sample_is_lost_if_threads_start_a_new_minute_together(mock, endpoint, runtime):
    """If the first invocations of a minute are concurrent, the metrics of that minute count all of them."""
    for _ in range(20):
        mock.clock.advance(minutes=1)
        run_in_threads(8, lambda index: invoke(runtime))

    assert {point.sum for point in mock.metrics if point.name == "Invocations"} == {8}


# --- coroutine functions


async def asynchronous(request):
    return b"0.7"


def test_a_coroutine_function_needs_an_asynchronous_client(mock, endpoint, runtime):
    """With a synchronous client, which cannot await the handler, an error names aiobotocore as the remedy."""
    mock.serve("model-prod", asynchronous)

    with pytest.raises(HandlerError, match=r"model-prod.*asynchronous.*aiobotocore"):
        invoke(runtime)
