"""The botocore interceptor answers aiobotocore's sagemaker-runtime: bodies are awaited, handlers may be coroutines."""

from __future__ import annotations

import asyncio
import io
import traceback

import boto3
import pytest

from mock_sagemaker_ie import HandlerError, HandlerWarning, ModelResponse, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, create, shadow_mode

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def make_client(service="sagemaker-runtime"):
    """Return an asynchronous client, for `async with`."""
    return aiobotocore_session.get_session().create_client(service, **KEYS)


@pytest.fixture
def experiment(mock, sagemaker):
    """Create a running experiment that copies and captures every request."""
    sagemaker.create_inference_experiment(
        **create(
            EndpointName=ENDPOINT,
            ShadowModeConfig=shadow_mode(percentage=100),
            DataStorageConfig={"Destination": "s3://captured"},
        )
    )


async def invoke(client, body=b"1,2,3", **members):
    """Invoke the endpoint and return the whole body of its answer."""
    answer = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=body, **members)
    return await answer["Body"].read()


# --- answers


def comparable(answer):
    """Return an answer without its body and its request ID, which differs in each request."""
    metadata = answer["ResponseMetadata"]
    headers = {name: value for name, value in metadata["HTTPHeaders"].items() if name != "x-amzn-requestid"}
    return {**answer, "Body": None, "ResponseMetadata": {**metadata, "RequestId": None, "HTTPHeaders": headers}}


async def test_both_clients_get_the_same_answer(mock, experiment):
    """Synchronous and asynchronous answers have equal values; only the body is read in a different way."""
    mock.serve("model-prod", lambda request: {"score": len(request)})
    request = {"EndpointName": ENDPOINT, "Body": b"1,2,3", "InferenceId": "request-7", "CustomAttributes": "trace=7"}

    synchronous = boto3.client("sagemaker-runtime", **KEYS).invoke_endpoint(**request)
    async with make_client() as client:
        asynchronous = await client.invoke_endpoint(**request)

    assert comparable(asynchronous) == comparable(synchronous)
    assert await asynchronous["Body"].read() == synchronous["Body"].read() == b'{"score": 5}'
    first, second = mock.calls[-2:]
    assert (first.params, first.response) == (second.params, second.response)


async def test_the_exception_of_a_coroutine_function_is_the_cause_of_the_recorded_error(mock, experiment):
    """It is the same as for a function: the caller gets a ModelError."""

    async def without_weights(request):
        await asyncio.sleep(0)
        raise KeyError("weights")

    mock.serve("model-prod", without_weights)

    async with make_client() as client:
        with pytest.raises(client.exceptions.ModelError):
            await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

    cause = mock.calls[-1].error.__cause__
    assert repr(cause) == "KeyError('weights')"
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "without_weights"


async def test_a_coroutine_function_can_answer_with_an_error_of_its_container(mock, experiment):
    """ModelResponse has the status for asynchronous handlers too."""

    async def refuse(request):
        return ModelResponse("bad request", status=400)

    mock.serve("model-prod", refuse)

    async with make_client() as client:
        with pytest.raises(client.exceptions.ModelError, match=r"Received client error \(400\)") as caught:
            await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

    assert caught.value.response["OriginalStatusCode"] == 400


async def read(body):
    return await body.read()


async def read_in_parts(body):
    return [await body.read(4), await body.read()]


async def read_in_async_with(body):
    async with body as stream:
        return await stream.read()


async def iter_lines(body):
    return [line async for line in body.iter_lines()]


async def iter_chunks(body):
    return [chunk async for chunk in body.iter_chunks(4)]


async def async_for(body):
    return [chunk async for chunk in body]


@pytest.mark.parametrize(
    ("read_body", "expected"),
    [
        (read, b"1\n2\n3\n"),
        (read_in_parts, [b"1\n2\n", b"3\n"]),
        (read_in_async_with, b"1\n2\n3\n"),
        (iter_lines, [b"1", b"2", b"3"]),
        (iter_chunks, [b"1\n2\n", b"3\n"]),
        (async_for, [b"1\n2\n3\n"]),
    ],
)
async def test_the_body_is_an_aiobotocore_stream(mock, experiment, read_body, expected):
    """The body has aiobotocore's own type, and every way to read it works."""
    mock.serve("model-prod", lambda request: "1\n2\n3\n")

    async with make_client() as client:
        answer = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

        assert type(answer["Body"]).__module__ == "aiobotocore.response"
        assert await read_body(answer["Body"]) == expected


@pytest.mark.parametrize("convert", [bytes, bytearray, bytes.decode, io.BytesIO])
async def test_the_model_gets_bytes_for_every_type_of_body(experiment, convert):
    """The client accepts bytes, bytearray, str and files; the model gets bytes."""
    async with make_client() as client:
        assert await invoke(client, convert(b"1,2,3")) == b"1,2,3"


# --- handlers


async def test_a_handler_may_be_a_coroutine_function(mock, experiment):
    """Coroutine functions answer for production and for the shadow, and both answers are captured."""

    async def handler(request):
        await asyncio.sleep(0)
        return f"{request.variant} of {request.decode()}"

    for model in ("model-prod", "model-shadow"):
        mock.serve(model, handler)

    async with make_client() as client:
        assert await invoke(client) == b"prod of 1,2,3"

    assert [capture.variant for capture in mock.captures] == [PRODUCTION, SHADOW]


async def test_a_handler_may_invoke_another_endpoint(mock, experiment, sagemaker):
    """The handler awaits the answer of the other endpoint."""
    sagemaker.create_inference_experiment(**create("other", EndpointName="other"))
    async with make_client() as client:

        async def invoke_other_endpoint(request):
            answer = await client.invoke_endpoint(EndpointName="other", Body=b"asked")
            return await answer["Body"].read()

        mock.serve("model-shadow", lambda request: b"")
        mock.serve(
            "model-prod",
            lambda request: invoke_other_endpoint(request) if request.endpoint == ENDPOINT else b"answered",
        )

        assert await invoke(client) == b"answered"


async def test_handlers_run_concurrently(mock, experiment):
    """A waiting handler does not block other handlers: the first request is answered after the last has arrived."""
    last_arrived = asyncio.Event()

    async def handler(request):
        if request == b"last":
            last_arrived.set()
        await last_arrived.wait()
        return request

    mock.serve("model-prod", handler)
    bodies = [b"first", b"second", b"last"]

    async with make_client() as client:
        answers = await asyncio.wait_for(asyncio.gather(*(invoke(client, body) for body in bodies)), 20)

    assert answers == bodies
    assert len(mock.captures) == 6


async def test_a_cancelled_request_is_not_recorded(mock, experiment):
    """A cancelled request adds no call, capture or metric, and the next request is answered."""
    handler_started = asyncio.Event()

    async def handler(request):
        handler_started.set()
        await asyncio.Event().wait()

    mock.serve("model-prod", handler)
    calls = mock.calls
    async with make_client() as client:
        task = asyncio.ensure_future(invoke(client))
        await handler_started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (mock.calls, mock.captures, mock.metrics) == (calls, (), ())

        mock.serve("model-prod", lambda request: b"0.7")
        assert await invoke(client) == b"0.7"


# --- errors


async def raises(request):
    await asyncio.sleep(0)
    raise RuntimeError("out of memory")


async def returns_wrong_type(request):
    return object()


async def test_a_modelled_exception_can_be_caught_by_its_name(mock, experiment):
    """The exceptions are the same as those of a synchronous client."""
    mock.serve("model-prod", raises)

    async with make_client() as client:
        with pytest.raises(client.exceptions.ModelError, match="out of memory") as caught:
            await invoke(client)
        with pytest.raises(client.exceptions.ValidationError, match="unheard-of"):
            await client.invoke_endpoint(EndpointName="unheard-of", Body=b"")

    assert caught.value.response["OriginalMessage"] == "out of memory"


async def test_a_wrong_return_type_of_the_production_handler_raises_an_error(mock, experiment):
    """The error names the model and the handler."""
    mock.serve("model-prod", returns_wrong_type)

    async with make_client() as client:
        with pytest.raises(HandlerError, match=r"model-prod.*returns_wrong_type"):
            await invoke(client)


async def test_a_wrong_return_type_of_the_shadow_handler_warns(mock, experiment):
    """The caller still gets the answer of production."""
    mock.serve("model-shadow", returns_wrong_type)

    async with make_client() as client:
        with pytest.warns(HandlerWarning, match=r"model-shadow.*returns_wrong_type"):
            assert await invoke(client) == b"1,2,3"


@pytest.mark.parametrize(("option", "service"), [("s3", "s3"), ("cloudwatch", "cloudwatch")])
async def test_an_asynchronous_delivery_client_raises_an_error(option, service):
    """The mock would not await an asynchronous client, and records would be lost. The option raises an error."""
    async with make_client(service) as client:
        with pytest.raises(TypeError, match=rf"{option}=.*boto3"):
            mock_inference_experiment(**{option: client})
