"""Arranged faults with aiobotocore: its retries behave as those of botocore do."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from mock_sagemaker_ie.calls import INVOKE_ENDPOINT
from mock_sagemaker_ie.protocol.errors import error_code
from tests.aws import NOWHERE
from tests.conftest import START
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, create, endpoint_config

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
RETRYABLE = ["ThrottlingException", "InternalFailure", ConnectTimeoutError, ReadTimeoutError]

both_retry_modes = pytest.mark.parametrize("mode", ["standard", "legacy"])


def make_client(service="sagemaker", *, attempts=3, mode="standard", keys=KEYS, **options):
    """Return an asynchronous client, for `async with`, that makes `attempts` and would connect to NOWHERE."""
    config = Config(retries={"total_max_attempts": attempts, "mode": mode}, **options)
    session = aiobotocore_session.get_session()
    return session.create_client(service, region_name="us-east-1", endpoint_url=NOWHERE, config=config, **keys)


@pytest.fixture
def mock_without_waits():
    """Activate a mock in which clients retry without waiting."""
    with mock_inference_experiment(clock=START, virtual_sleep=True, unused_faults="error") as mock:
        yield mock


@both_retry_modes
@pytest.mark.parametrize("fault", RETRYABLE)
async def test_a_retry_succeeds_after_two_faults(mock_without_waits, connections, mode, fault):
    """Two of three attempts fail, and the third is answered. Each is recorded, and no connection is attempted."""
    mock_without_waits.fail_next("CreateInferenceExperiment", fault, times=2)

    async with make_client(mode=mode) as client:
        answer = await client.create_inference_experiment(**create())

    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert list(mock_without_waits.experiments) == [NAME]
    assert [each.error is None for each in mock_without_waits.calls] == [False, False, True]
    assert connections == []


@both_retry_modes
@pytest.mark.parametrize("fault", RETRYABLE)
async def test_the_caller_gets_the_error_when_every_attempt_fails(mock_without_waits, mode, fault):
    """All three attempts are recorded, and no experiment is created."""
    mock_without_waits.fail_next("CreateInferenceExperiment", fault, times=3)

    async with make_client(mode=mode) as client:
        with pytest.raises(ClientError if isinstance(fault, str) else fault):
            await client.create_inference_experiment(**create())

    assert (len(mock_without_waits.calls), dict(mock_without_waits.experiments)) == (3, {})


@both_retry_modes
async def test_a_delay_beyond_the_read_timeout_is_retried(mock_without_waits, mode):
    """Two attempts end at the read timeout, as the clock shows, and the third is answered."""
    mock_without_waits.slow_next("ListModels", 120, times=2)

    async with make_client(mode=mode, read_timeout=5) as client:
        answer = await client.list_models()

    assert (answer["Models"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 2)
    first, second, _ = mock_without_waits.calls
    assert [type(call.error) for call in (first, second)] == [ReadTimeoutError] * 2
    assert (first.at - START).total_seconds() == 5


@both_retry_modes
@pytest.mark.parametrize("fault", [ReadTimeoutError, ConnectionClosedError, "InternalFailure", "ServiceUnavailable"])
async def test_a_retry_after_a_lost_answer_meets_what_was_done(mock_without_waits, connections, mode, fault):
    """The first attempt creates the experiment, so the retry is refused."""
    mock_without_waits.fail_next("CreateInferenceExperiment", fault, after=True)

    async with make_client(mode=mode) as client:
        with pytest.raises(ClientError, match="ResourceInUse"):
            await client.create_inference_experiment(**create())

    first, second = mock_without_waits.calls
    assert (first.error, second.error.code, second.lost) == (None, "ResourceInUse", None)
    assert error_code(first.lost) == (fault if isinstance(fault, str) else fault.__name__)
    assert connections == []


async def test_a_lost_answer_of_a_model_was_made_by_the_model(mock_without_waits):
    """A retried invocation awaits the handler of the model again."""
    bodies = []

    async def handler(request):
        bodies.append(bytes(request))
        return b"1"

    sagemaker = mock_without_waits.client()
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock_without_waits.serve(f"model-{PRODUCTION}", handler)
    mock_without_waits.fail_next(INVOKE_ENDPOINT, ReadTimeoutError, after=True)

    async with make_client("sagemaker-runtime") as client:
        await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1,2")

    assert bodies == [b"1,2", b"1,2"]


async def test_a_delay_up_to_the_read_timeout_is_answered(mock_without_waits):
    """The call succeeds in its first attempt."""
    mock_without_waits.slow_next("ListModels", 5)

    async with make_client(read_timeout=5) as client:
        answer = await client.list_models()

    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert (mock_without_waits.clock.now() - START).total_seconds() == 5


async def test_a_retried_invocation_returns_the_whole_body(mock_without_waits):
    """The body of an answer after a retry can be read as any other body."""
    sagemaker = mock_without_waits.client()
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock_without_waits.fail_next(INVOKE_ENDPOINT, "ServiceUnavailable")

    async with make_client("sagemaker-runtime") as client:
        answer = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1,2", ContentType="text/csv")
        body = await answer["Body"].read()

    assert (body, answer["ContentType"]) == (b"1,2", "text/csv")


@pytest.mark.parametrize("fault", RETRYABLE)
@pytest.mark.parametrize("signature", [{}, {"signature_version": UNSIGNED}], ids=["signed", "unsigned"])
async def test_a_client_without_credentials_retries(mock_without_waits, connections, fault, signature):
    """The machine's credentials do not decide how often a client tries, and no connection is attempted."""
    mock_without_waits.fail_next("ListModels", fault, times=2)

    async with make_client(keys={}, **signature) as client:
        answer = await client.list_models()

    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert connections == []


async def test_a_retried_call_that_the_mock_does_not_answer_is_not_sent(mock_without_waits, connections):
    """ListTags for a training job gets its fault first; the second attempt raises an error and is not sent."""
    mock_without_waits.fail_next("ListTags", "ThrottlingException")

    async with make_client() as client:
        with pytest.raises(UnansweredCallError, match="ListTags"):
            await client.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/job")

    assert connections == []


async def test_concurrent_tasks_use_each_arranged_fault_once(mock):
    """Ten tasks use three arranged errors and five arranged delays, each exactly once."""
    mock.fail_next("ListModels", "AccessDeniedException", times=3)
    mock.slow_next("ListModels", 1, times=5)

    async with make_client() as client:
        outcomes = await asyncio.gather(*(client.list_models() for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, ClientError) for outcome in outcomes) == 3
    assert (mock.clock.now() - START).total_seconds() == 5


async def test_a_retry_after_the_end_of_the_mock_is_refused(monkeypatch, connections):
    """The mock ends while the client waits for its retry; the next call, which begins later, is sent."""
    mock = mock_inference_experiment(unused_faults="ignore")
    mock.start().fail_next("ListModels", "ThrottlingException", times=2)
    real_sleep = asyncio.sleep

    async def sleep(delay, result=None):
        mock.stop()
        return await real_sleep(0, result)

    async with make_client() as client:
        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(UnansweredCallError, match=r"ListModels \(sagemaker\) .* has ended since"):
            await client.list_models()
        assert connections == []
        monkeypatch.undo()

    async with make_client(attempts=1) as client:
        with pytest.raises(EndpointConnectionError):
            await client.list_models()


@pytest.mark.parametrize("wire", [False, True], ids=["immediate", "wire"])
async def test_a_client_is_freed_while_the_mock_goes_on(wire):
    """Its service model is large: neither an answer, nor an error, nor a fault keeps it."""

    async def use(mock):
        async with make_client(attempts=1) as client:
            await client.create_inference_experiment(**create())
            await client.describe_inference_experiment(Name=NAME)
            for fault, params in ((None, {"Name": "missing"}), (ConnectTimeoutError, {"Name": NAME})):
                if fault is not None:
                    mock.fail_next("DescribeInferenceExperiment", fault)
                with pytest.raises((ClientError, ConnectTimeoutError)):
                    await client.describe_inference_experiment(**params)
            return weakref.ref(client.meta.service_model)

    with mock_inference_experiment(wire=wire) as mock:
        reference = await use(mock)
        gc.collect()

        assert reference() is None
        assert len(mock.calls) == 4
