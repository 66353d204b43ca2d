"""What handlers may do: call AWS, each other and the service under test, from any thread, without a deadlock."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mock_sagemaker_ie import HandlerError, mock_inference_experiment
from tests.requests import NAME, PRODUCTION, SHADOW, deployed, stop
from tests.traffic.shared import BUCKET, DESTINATION, invoke, invoke_times, launch, lines, serve, stored, totals

SECONDS = 20  # Until a test gives up waiting for a thread that should have come long ago.


@pytest.fixture
def eager_threads():
    """Threads that take turns as often as they can, so that one that may get in between another's steps does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_time(work):
    """Do some work in a thread that may wait for ever, but must not."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


def in_threads(number, work):
    """Do some work in so many threads, all at once, and return what each gives."""
    barrier = threading.Barrier(number)

    def begin(which):
        barrier.wait(SECONDS)
        return work(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number), timeout=SECONDS))


# --- calling AWS


def test_a_handler_may_call_aws(mock, endpoint, runtime, s3):
    """What is not ours is moto's to answer, as everywhere else."""
    s3.put_object(Bucket=BUCKET, Key="weights", Body=b"0.7")
    mock.serve("model-prod", lambda request: s3.get_object(Bucket=BUCKET, Key="weights")["Body"].read())

    assert invoke(runtime)["Body"] == b"0.7"


def test_a_handler_may_invoke_another_endpoint(mock, sagemaker, runtime):
    """As a model that asks others does; what the other captures and counts is its own."""
    for name in ("ensemble", "member"):
        serve(sagemaker, deployed(ModelName=f"model-{name}"), endpoint=name)
    mock.serve("model-member", lambda request: {"score": len(request)})
    mock.serve("model-ensemble", lambda request: invoke(runtime, request.body * 2, endpoint="member")["Body"])

    assert invoke(runtime, b"1,2", endpoint="ensemble")["Body"] == b'{"score": 6}'
    assert totals(mock, endpoint="ensemble") == totals(mock, endpoint="member") == {PRODUCTION: 1}
    assert [call.params["EndpointName"] for call in mock.calls[-2:]] == ["member", "ensemble"]


def test_a_handler_may_invoke_its_own_endpoint(mock, experiment, runtime):
    """Each of the calls is one by itself, copied and counted."""
    mock.serve("model-prod", lambda request: request if len(request) > 4 else invoke(runtime, request + b"0")["Body"])

    assert invoke(runtime, b"1")["Body"] == b"10000"
    assert totals(mock) == {PRODUCTION: 5, SHADOW: 5}


def test_a_handler_that_invokes_itself_for_ever_fails(mock, endpoint, runtime):
    """Python's own limit ends it: a model error, after which the endpoint answers as before."""
    mock.serve("model-prod", lambda request: invoke(runtime)["Body"])
    with pytest.raises(runtime.exceptions.ModelError, match="recursion"):
        invoke(runtime)

    mock.serve("model-prod", lambda request: b"0.7")

    assert invoke(runtime)["Body"] == b"0.7"


def test_an_error_of_another_endpoint_is_one_of_this_model(mock, sagemaker, runtime):
    """Unless the handler catches it."""
    serve(sagemaker)
    mock.serve("model-prod", lambda request: invoke(runtime, endpoint="unheard-of")["Body"])

    with pytest.raises(runtime.exceptions.ModelError, match="unheard-of"):
        invoke(runtime)


@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_a_handler_may_steer_the_experiment(mock, experiment, sagemaker, runtime, variant):
    """The exchange that is under way is finished as it began; the next finds things changed."""

    def give_up(request):
        if mock.experiments[NAME]["Status"] == "Running":
            sagemaker.stop_inference_experiment(**stop())
        return b"0.7"

    mock.serve(f"model-{variant}", give_up)

    invoke_times(runtime, 2)

    assert mock.experiments[NAME]["Status"] == "Cancelled"
    assert totals(mock) == {PRODUCTION: 2, SHADOW: 1}


def test_a_handler_may_reset_the_mock(mock, experiment, runtime):
    """Only what the exchange itself brings about comes after."""
    mock.serve("model-prod", lambda request: mock.reset() or b"0.7")

    assert invoke(runtime)["Body"] == b"0.7"
    assert mock.experiments == {}
    assert [call.operation for call in mock.calls] == ["InvokeEndpoint"]


def test_what_is_delivered_may_invoke_the_endpoint_again(clock, sagemaker, runtime, s3):
    """As a pipeline does that is triggered by a new file in S3; both exchanges are delivered."""
    again = [b"again"]
    s3.meta.events.register("after-call.s3.PutObject", lambda **_: again and invoke(runtime, again.pop()))
    ours = mock_inference_experiment(clock=clock, s3=s3)
    mock = ours.start()
    try:
        launch(sagemaker, percentage=0, DataStorageConfig={"Destination": DESTINATION})

        in_time(lambda: invoke(runtime, b"at first"))
    finally:
        in_time(ours.stop)

    written = [line for content in stored(s3).values() for line in content]
    assert len(written) == 2
    assert sorted(written) == sorted(capture.line for capture in mock.captures)


# --- threads


def test_handlers_run_side_by_side(mock, endpoint, runtime):
    """One that waits holds up no other: here each waits for all."""
    barrier = threading.Barrier(8)
    mock.serve("model-prod", lambda request: str(barrier.wait(SECONDS)))

    answers = in_threads(8, lambda which: invoke(runtime)["Body"])

    assert sorted(map(int, answers)) == list(range(8))


def test_a_handler_may_wait_for_another_thread(mock, experiment, sagemaker, runtime):
    """One that calls the service itself."""

    def status(_):
        return sagemaker.describe_inference_experiment(Name=NAME)["Status"]

    mock.serve("model-prod", lambda request: in_threads(1, status)[0])

    assert invoke(runtime)["Body"] == b"Running"


@pytest.mark.usefixtures("eager_threads")
def test_many_threads_lose_nothing(clock, sagemaker, runtime, tmp_path):
    """Calls, copies, captures, their files and the metrics are all complete."""
    threads, each = 8, 25
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        launch(sagemaker, percentage=40, DataStorageConfig={"Destination": DESTINATION})

        in_threads(threads, lambda which: invoke_times(runtime, each, InferenceId=f"thread-{which}"))

        total = {PRODUCTION: 200, SHADOW: 80}
        assert [call.operation for call in mock.calls].count("InvokeEndpoint") == 200
        assert {name: [c.variant for c in mock.captures].count(name) for name in total} == total
        assert totals(mock) == total
        written = [line for path in tmp_path.rglob("*.jsonl") for line in lines(path.read_bytes())]
        assert sorted(written) == sorted(capture.line for capture in mock.captures)


@pytest.mark.usefixtures("eager_threads")
def test_a_minute_may_begin_in_many_threads(mock, endpoint, runtime):
    """None of the samples that come first of all is lost."""
    for _ in range(20):
        mock.clock.advance(minutes=1)
        in_threads(8, lambda which: invoke(runtime))

    assert {point.sum for point in mock.metrics if point.name == "Invocations"} == {8}


# --- coroutine functions


async def asynchronous(request):
    return b"0.7"


def test_a_coroutine_function_is_for_asynchronous_callers(mock, endpoint, runtime):
    """Others are told so: nobody could await it."""
    mock.serve("model-prod", asynchronous)

    with pytest.raises(HandlerError, match=r"model-prod.*asynchronous.*aiobotocore"):
        invoke(runtime)
