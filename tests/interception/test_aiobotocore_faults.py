"""Faults over aiobotocore's wire: what holds of botocore's retries holds of its own."""

from __future__ import annotations

import asyncio

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from mock_sagemaker_ie.service.service import INVOKE_ENDPOINT
from tests.aws import NOWHERE
from tests.conftest import START
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
TRANSIENT = ["ThrottlingException", "InternalFailure", ConnectTimeoutError, ReadTimeoutError]

either_mode = pytest.mark.parametrize("mode", ["standard", "legacy"])


def make_client(service="sagemaker", *, attempts=3, mode="standard", keys=KEYS):
    """An asynchronous client that would connect to NOWHERE, and makes so many attempts; use it with `async with`."""
    config = Config(retries={"total_max_attempts": attempts, "mode": mode})
    session = aiobotocore_session.get_session()
    return session.create_client(service, region_name="us-east-1", endpoint_url=NOWHERE, config=config, **keys)


@pytest.fixture
def retrying(monkeypatch):
    """A mock in which clients retry without waiting: whoever really sleeps fails."""
    really_sleep = asyncio.sleep

    async def wait(delay, result=None):
        assert delay <= 0, f"slept {delay} seconds"
        return await really_sleep(delay, result)

    monkeypatch.setattr(asyncio, "sleep", wait)
    with mock_inference_experiment(clock=START, virtual_sleep=True, unused_faults="error") as mock:
        yield mock


@either_mode
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_retries_survive_what_passes(retrying, connections, mode, fault):
    """Of three attempts two fail, each is recorded, and the third is answered; nothing leaves the process."""
    retrying.fail_next("CreateInferenceExperiment", fault, times=2)

    async with make_client(mode=mode) as client:
        answer = await client.create_inference_experiment(**create())

    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert list(retrying.experiments) == [NAME]
    assert [each.error is None for each in retrying.calls] == [False, False, True]
    assert connections == []


@either_mode
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_retries_give_up_on_what_stays(retrying, mode, fault):
    """When every attempt fails, the caller gets the last error, and nothing is created."""
    retrying.fail_next("CreateInferenceExperiment", fault, times=3)

    async with make_client(mode=mode) as client:
        with pytest.raises(ClientError if isinstance(fault, str) else fault):
            await client.create_inference_experiment(**create())

    assert (len(retrying.calls), dict(retrying.experiments)) == (3, {})


async def test_a_retried_invocation_is_answered_in_full(retrying):
    """The body of an answer over the wire is read as ever."""
    sagemaker = retrying.client()
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    retrying.fail_next(INVOKE_ENDPOINT, "ServiceUnavailable")

    async with make_client("sagemaker-runtime") as client:
        answer = await client.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1,2", ContentType="text/csv")
        body = await answer["Body"].read()

    assert (body, answer["ContentType"]) == (b"1,2", "text/csv")


@pytest.mark.parametrize("fault", ["AccessDeniedException", ReadTimeoutError])
async def test_without_credentials_the_fault_comes_at_once(mock, fault):
    """Such a client can sign nothing, so nothing is tried again."""
    mock.fail_next("ListModels", fault)

    async with make_client(keys={}) as client:
        with pytest.raises(ClientError if isinstance(fault, str) else fault):
            await client.list_models()

    assert len(mock.calls) == 1


async def test_what_is_not_ours_stays_in_the_process_even_after_a_fault(retrying, connections):
    """Tags of another mock's resources are not ours to list: the attempt after the fault is refused, not sent."""
    retrying.fail_next("ListTags", "ThrottlingException")

    async with make_client() as client:
        with pytest.raises(UnansweredCallError, match="ListTags"):
            await client.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/job")

    assert connections == []


async def test_of_many_tasks_as_many_fail_as_were_arranged(mock):
    """Whichever tasks are the next, faults are met once each, and delays too."""
    mock.fail_next("ListModels", "AccessDeniedException", times=3)
    mock.slow_next("ListModels", 1, times=5)

    async with make_client() as client:
        outcomes = await asyncio.gather(*(client.list_models() for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, ClientError) for outcome in outcomes) == 3
    assert (mock.clock.now() - START).total_seconds() == 5
