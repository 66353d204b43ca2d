"""The botocore door serves aiobotocore's sagemaker-runtime: bodies are awaited, and handlers may be coroutines."""

from __future__ import annotations

import asyncio
import io

import boto3
import pytest

from mock_sagemaker_ie import HandlerError, HandlerWarning, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, create, shadow_mode

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def make_client(service="sagemaker-runtime"):
    """An asynchronous client; use it with `async with`."""
    return aiobotocore_session.get_session().create_client(service, **KEYS)


@pytest.fixture
def experiment(mock, sagemaker):
    """A running experiment that copies and captures every request."""
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


def told(answer):
    """An answer without its body and what differs from request to request."""
    metadata = answer["ResponseMetadata"]
    headers = {name: value for name, value in metadata["HTTPHeaders"].items() if name != "x-amzn-requestid"}
    return {**answer, "Body": None, "ResponseMetadata": {**metadata, "RequestId": None, "HTTPHeaders": headers}}


async def test_both_clients_are_answered_alike(mock, experiment):
    """But for the body, which each reads in its own way."""
    mock.serve("model-prod", lambda request: {"score": len(request)})
    request = {"EndpointName": ENDPOINT, "Body": b"1,2,3", "InferenceId": "request-7", "CustomAttributes": "trace=7"}

    synchronous = boto3.client("sagemaker-runtime", **KEYS).invoke_endpoint(**request)
    async with make_client() as client:
        asynchronous = await client.invoke_endpoint(**request)

    assert told(asynchronous) == told(synchronous)
    assert await asynchronous["Body"].read() == synchronous["Body"].read() == b'{"score": 5}'
    first, second = mock.calls[-2:]
    assert (first.params, first.response) == (second.params, second.response)


async def read(body):
    return await body.read()


async def read_in_parts(body):
    return [await body.read(4), await body.read()]


async def read_within(body):
    async with body as stream:
        return await stream.read()


async def iter_lines(body):
    return [line async for line in body.iter_lines()]


async def iter_chunks(body):
    return [chunk async for chunk in body.iter_chunks(4)]


async def iterated(body):
    return [chunk async for chunk in body]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (read, b"1\n2\n3\n"),
        (read_in_parts, [b"1\n2\n", b"3\n"]),
        (read_within, b"1\n2\n3\n"),
        (iter_lines, [b"1", b"2", b"3"]),
        (iter_chunks, [b"1\n2\n", b"3\n"]),
        (iterated, [b"1\n2\n3\n"]),
    ],
)
async def test_the_body_is_a_stream(mock, experiment, way, expected):
    """It is aiobotocore's own, read in any of the ways there are."""
    mock.serve("model-prod", lambda request: "1\n2\n3\n")

    async with make_client() as client:
        answer = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

        assert type(answer["Body"]).__module__ == "aiobotocore.response"
        assert await way(answer["Body"]) == expected


@pytest.mark.parametrize("send", [bytes, bytearray, bytes.decode, io.BytesIO])
async def test_a_body_may_be_of_any_kind(experiment, send):
    """Whatever the client takes, the model gets bytes."""
    async with make_client() as client:
        assert await invoke(client, send(b"1,2,3")) == b"1,2,3"


# --- handlers


async def test_a_handler_may_be_a_coroutine_function(mock, experiment):
    """Production's and the shadow's; what both answer is captured."""

    async def handler(request):
        await asyncio.sleep(0)
        return f"{request.variant} of {request.decode()}"

    for model in ("model-prod", "model-shadow"):
        mock.serve(model, handler)

    async with make_client() as client:
        assert await invoke(client) == b"prod of 1,2,3"

    assert [capture.variant for capture in mock.captures] == [PRODUCTION, SHADOW]


async def test_a_handler_may_invoke_another_endpoint(mock, experiment, sagemaker):
    """It awaits the other's answer."""
    sagemaker.create_inference_experiment(**create("other", EndpointName="other"))
    async with make_client() as client:

        async def ask_the_other(request):
            answer = await client.invoke_endpoint(EndpointName="other", Body=b"asked")
            return await answer["Body"].read()

        mock.serve("model-shadow", lambda request: b"")
        mock.serve(
            "model-prod", lambda request: ask_the_other(request) if request.endpoint == ENDPOINT else b"answered"
        )

        assert await invoke(client) == b"answered"


async def test_handlers_run_side_by_side(mock, experiment):
    """One that waits holds up no other: here the first request is answered once the last has come."""
    last = asyncio.Event()

    async def handler(request):
        if request == b"last":
            last.set()
        await last.wait()
        return request

    mock.serve("model-prod", handler)
    bodies = [b"first", b"second", b"last"]

    async with make_client() as client:
        answers = await asyncio.wait_for(asyncio.gather(*(invoke(client, body) for body in bodies)), 20)

    assert answers == bodies
    assert len(mock.captures) == 6


async def test_a_cancelled_request_leaves_nothing_behind(mock, experiment):
    """Neither a call nor a capture; the next request is answered."""
    asked = asyncio.Event()

    async def handler(request):
        asked.set()
        await asyncio.Event().wait()

    mock.serve("model-prod", handler)
    calls = mock.calls
    async with make_client() as client:
        task = asyncio.ensure_future(invoke(client))
        await asked.wait()
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


async def returns_nonsense(request):
    return object()


async def test_errors_are_caught_by_name(mock, experiment):
    """They are those of a synchronous client."""
    mock.serve("model-prod", raises)

    async with make_client() as client:
        with pytest.raises(client.exceptions.ModelError, match="out of memory") as caught:
            await invoke(client)
        with pytest.raises(client.exceptions.ValidationError, match="unheard-of"):
            await client.invoke_endpoint(EndpointName="unheard-of", Body=b"")

    assert caught.value.response["OriginalMessage"] == "out of memory"


async def test_nonsense_of_production_is_an_error(mock, experiment):
    """It names the model and the handler."""
    mock.serve("model-prod", returns_nonsense)

    async with make_client() as client:
        with pytest.raises(HandlerError, match=r"model-prod.*returns_nonsense"):
            await invoke(client)


async def test_nonsense_of_the_shadow_is_a_warning(mock, experiment):
    """The caller is answered."""
    mock.serve("model-shadow", returns_nonsense)

    async with make_client() as client:
        with pytest.warns(HandlerWarning, match=r"model-shadow.*returns_nonsense"):
            assert await invoke(client) == b"1,2,3"


@pytest.mark.parametrize(("option", "service"), [("s3", "s3"), ("cloudwatch", "cloudwatch")])
async def test_only_a_synchronous_client_delivers(option, service):
    """Nobody would await an asynchronous one: it is refused where it is given, lest records vanish."""
    async with make_client(service) as client:
        with pytest.raises(TypeError, match=rf"{option}=.*boto3"):
            mock_inference_experiment(**{option: client})
