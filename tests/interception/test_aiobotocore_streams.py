"""InvokeEndpointWithResponseStream of aiobotocore: read with `async for`, from handlers of every kind."""

from __future__ import annotations

import asyncio
import gc

import pytest
from botocore.exceptions import EventStreamError

from mock_sagemaker_ie import InternalStreamFailure, ModelResponse, mock_inference_experiment
from tests.interception.test_aiobotocore_runtime import make_client
from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.traffic.shared import create_experiment, metric_sums
from tests.traffic.streams import CAPTURED, PROD_MODEL, SHADOW_MODEL, chunks, outputs

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=[False, True], ids=["as values", "over the wire"])
def mock(request, clock, sagemaker):
    """Yield a mock with a running experiment that copies and captures every request."""
    with mock_inference_experiment(clock=clock, wire=request.param) as mock:
        create_experiment(sagemaker, **CAPTURED)
        yield mock


async def start(client):
    """Begin a stream and return its answer."""
    return await client.invoke_endpoint_with_response_stream(EndpointName=ENDPOINT, Body=b"1,2", ContentType="text/csv")


async def read(answer):
    """Return the parts of a stream."""
    return [event["PayloadPart"]["Bytes"] async for event in answer["Body"]]


async def yielding(request):
    """Yield two chunks asynchronously."""
    for chunk in (b"a", b"b"):
        await asyncio.sleep(0)
        yield chunk


async def returning(request):
    """Return a response whose body is an asynchronous generator."""
    await asyncio.sleep(0)
    return ModelResponse(yielding(request))


@pytest.mark.parametrize("handler", [chunks(b"a", b"b"), yielding, returning], ids=["sync", "async", "response"])
async def test_every_kind_of_generator_is_read_with_async_for(mock, handler):
    """The shadow's too; captures and metrics come at the end."""
    mock.serve(PROD_MODEL, handler)
    mock.serve(SHADOW_MODEL, handler)

    async with make_client() as client:
        answer = await start(client)
        assert mock.captures == ()
        assert (await read(answer), answer["InvokedProductionVariant"]) == ([b"a", b"b"], PRODUCTION)
        whole = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1", ContentType="text/csv")
        assert await whole["Body"].read() == b"ab"

    assert [each.record["captureData"]["endpointOutput"]["data"] for each in mock.captures] == ["ab", "ab"] * 2
    assert metric_sums(mock) == {PRODUCTION: 2, SHADOW: 2}


async def test_a_loop_can_be_left_and_another_one_reads_on(mock):
    """Leaving a loop does not end the stream."""
    mock.serve(PROD_MODEL, yielding)

    async with make_client() as client:
        answer = await start(client)
        async for event in answer["Body"]:
            assert event == {"PayloadPart": {"Bytes": b"a"}}
            break
        assert await read(answer) == [b"b"]


async def test_other_tasks_run_while_a_handler_waits(mock):
    """A handler may wait for something that another task does."""
    event = asyncio.Event()

    async def handler(request):
        yield b"a"
        await event.wait()
        yield b"b"

    mock.serve(PROD_MODEL, handler)

    async with make_client() as client:
        reading = asyncio.create_task(read(await start(client)))
        await asyncio.sleep(0)
        event.set()
        assert await reading == [b"a", b"b"]


async def test_a_stream_that_breaks_raises_an_event_stream_error(mock):
    """The parts before it are read, and the exception of the handler is the cause of the recorded error."""

    async def handler(request):
        yield b"a"
        raise KeyError("weights")

    mock.serve(PROD_MODEL, handler)
    parts = []

    async with make_client() as client:
        answer = await start(client)
        with pytest.raises(EventStreamError, match="ModelStreamError"):
            async for event in answer["Body"]:
                parts.append(event["PayloadPart"]["Bytes"])  # noqa: PERF401 - the parts before the error count too

    assert parts == [b"a"]
    assert repr(mock.calls[-1].error.__cause__) == "KeyError('weights')"


async def test_an_arranged_error_of_a_stream_is_its_only_event(mock):
    """The call succeeds, and the caller's loop raises."""
    mock.fail_next("InvokeEndpointWithResponseStream", "InternalStreamFailure")

    async with make_client() as client:
        answer = await start(client)
        with pytest.raises(EventStreamError, match="InternalStreamFailure"):
            await read(answer)


async def test_closing_a_stream_closes_the_generator(mock):
    """The event loop closes an asynchronous generator, and no other part comes."""
    closed = []

    async def handler(request):
        try:
            while True:
                yield b"a"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    mock.serve(PROD_MODEL, handler)

    async with make_client() as client:
        answer = await start(client)
        reader = answer["Body"].__aiter__()
        await reader.__anext__()
        answer["Body"].close()
        assert outputs(mock)[PRODUCTION] == "a"
        assert [event async for event in reader] == []
    gc.collect()
    await asyncio.sleep(0.01)
    assert closed == [True]


async def test_a_cancelled_reader_ends_its_stream(mock):
    """The capture has what was sent before."""

    async def handler(request):
        yield b"a"
        await asyncio.Event().wait()

    mock.serve(PROD_MODEL, handler)

    async with make_client() as client:
        reading = asyncio.create_task(read(await start(client)))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    assert outputs(mock)[PRODUCTION] == "a"
    assert mock.calls[-1].error is None


async def test_an_internal_failure_before_the_first_chunk_is_an_event(mock):
    """A handler says so with the exception of the event."""

    async def handler(request):
        raise InternalStreamFailure
        yield

    mock.serve(PROD_MODEL, handler)

    async with make_client() as client:
        answer = await start(client)
        with pytest.raises(EventStreamError, match="InternalStreamFailure"):
            await read(answer)
