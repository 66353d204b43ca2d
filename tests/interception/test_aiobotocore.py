"""The botocore door serves aiobotocore: what holds of a synchronous client holds of an asynchronous one."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from types import SimpleNamespace

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, UnauthorizedSSOTokenError

from mock_sagemaker_ie import Durations, UnansweredCallError, mock_inference_experiment
from tests.aws import NOWHERE
from tests.conftest import START
from tests.requests import NAME, create, stop

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
TAG = {"Key": "team", "Value": "ranking"}

# Every operation and every kind of failure, in an order in which each means something.
STORY = [
    ("create_inference_experiment", create(Description="A story", Tags=[TAG])),
    ("create_inference_experiment", create()),  # The name is taken.
    ("create_inference_experiment", create("other", Type="NoSuchType")),  # The service refuses.
    ("create_inference_experiment", {"Name": "other"}),  # The client itself refuses.
    ("describe_inference_experiment", {"Name": NAME}),
    ("list_inference_experiments", {"StatusEquals": "Running"}),
    ("list_inference_experiments", {"NextToken": "forged"}),
    ("update_inference_experiment", {"Name": NAME, "Description": "A story retold"}),
    ("start_inference_experiment", {"Name": NAME}),  # It runs already.
    ("stop_inference_experiment", stop(Reason="The end")),
    ("describe_inference_experiment", {"Name": NAME}),
    ("list_tags", {"ResourceArn": ARN}),
    ("add_tags", {"ResourceArn": ARN, "Tags": [{"Key": "phase", "Value": "over"}]}),
    ("delete_tags", {"ResourceArn": ARN, "TagKeys": ["team"]}),
    ("list_tags", {"ResourceArn": ARN}),
    ("delete_inference_experiment", {"Name": NAME}),
    ("describe_inference_experiment", {"Name": NAME}),  # It is gone.
    ("list_training_jobs", {}),  # Nobody answers.
]


def make_client(service="sagemaker", **options):
    """An asynchronous client that would connect to NOWHERE, once; use it with `async with`."""
    options = {"endpoint_url": NOWHERE, "config": Config(retries={"total_max_attempts": 1}), **options}
    return aiobotocore_session.get_session().create_client(service, region_name="us-east-1", **options)


def told(outcome):
    """An answer or an error as plain values, without the identifier that differs from request to request."""
    if isinstance(outcome, ClientError):
        return type(outcome).__name__, str(outcome), told(outcome.response)
    if isinstance(outcome, Exception):
        return type(outcome).__name__, str(outcome)
    metadata = outcome["ResponseMetadata"]
    headers = {name: value for name, value in metadata["HTTPHeaders"].items() if name != "x-amzn-requestid"}
    metadata = {**metadata, "RequestId": len(metadata["RequestId"]), "HTTPHeaders": headers}
    return {**outcome, "ResponseMetadata": metadata}


async def tell(client):
    """What a client gives at each step of the story, be it an answer or an error."""
    outcomes = []
    for method, params in STORY:
        try:
            answer = getattr(client, method)(**params)
            outcomes.append(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001, PERF203 - whatever it is, both clients must raise it
            outcomes.append(error)
    return outcomes


async def test_a_whole_story_is_told_alike_by_both_clients(sagemaker):
    """Every answer, error and refusal has equal values, so each behaviour needs testing through one client only."""
    with mock_inference_experiment(clock=START) as sync_mock:
        synchronous = await tell(sagemaker)

    async with make_client(**KEYS) as client, mock_inference_experiment(clock=START) as async_mock:
        asynchronous = await tell(client)

    assert [told(outcome) for outcome in asynchronous] == [told(outcome) for outcome in synchronous]
    assert [(call.operation, call.params, call.at, call.response) for call in async_mock.calls] == [
        (call.operation, call.params, call.at, call.response) for call in sync_mock.calls
    ]


async def test_both_pass_through_the_same_statuses(sagemaker):
    """An experiment launched by one client is watched by the other: there is one world for both."""
    async with make_client(**KEYS) as client:
        with mock_inference_experiment(clock=START, durations=Durations.realistic()) as mock:
            sagemaker.create_inference_experiment(**create())
            creating = await client.describe_inference_experiment(Name=NAME)
            mock.clock.advance(days=8)
            completed = await client.describe_inference_experiment(Name=NAME)

    assert (creating["Status"], completed["Status"]) == ("Creating", "Completed")
    assert completed["CompletionTime"] == START + dt.timedelta(days=7) + Durations.realistic().stopping


async def test_pages_are_turned(mock):
    """aiobotocore's paginators work as botocore's do."""
    async with make_client(**KEYS) as client:
        for number in range(5):
            await client.create_inference_experiment(**create(f"experiment-{number}"))

        pages = client.get_paginator("list_inference_experiments").paginate(PaginationConfig={"PageSize": 2})
        names = [[item["Name"] for item in page["InferenceExperiments"]] async for page in pages]

    assert names == [["experiment-4", "experiment-3"], ["experiment-2", "experiment-1"], ["experiment-0"]]


async def test_errors_are_caught_by_name(mock):
    """The modelled exceptions hang on the client."""
    async with make_client(**KEYS) as client:
        with pytest.raises(client.exceptions.ResourceNotFound):
            await client.describe_inference_experiment(Name=NAME)


async def test_many_tasks_lose_nothing(mock):
    """Calls that are under way at the same time are all answered."""
    names = [f"experiment-{number}" for number in range(50)]

    async with make_client(**KEYS) as client:
        await asyncio.gather(*(client.create_inference_experiment(**create(name)) for name in names))

    assert sorted(mock.experiments) == sorted(names)


async def _answer_later(**_):
    return _answer_at_once()


def _answer_at_once(**_):
    return SimpleNamespace(status_code=200), {"InferenceExperimentArn": "the user's"}


@pytest.mark.parametrize("handler", [_answer_at_once, _answer_later], ids=["function", "coroutine function"])
async def test_the_users_own_handler_wins(mock, handler):
    """A before-call handler that answers is asked first, be it asynchronous or not."""
    async with make_client(**KEYS) as client:
        client.meta.events.register("before-call.sagemaker.CreateInferenceExperiment", handler)

        answer = await client.create_inference_experiment(**create())

    assert answer["InferenceExperimentArn"] == "the user's"
    assert mock.calls == ()


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["with credentials", "without"])
async def test_an_unanswered_call_is_refused(mock, connections, unanswered, keys):
    """It fails closed as it does for a synchronous client: no socket, the operation's name, the remedies."""
    remedies = rf"{unanswered.operation}.*mock_aws.*Stubber.*passthrough=\['{unanswered.operation}'\]"

    async with make_client(unanswered.service, **keys) as client:
        with pytest.raises(UnansweredCallError, match=remedies):
            await unanswered.on(client)

    assert connections == []


async def test_a_request_that_cannot_be_signed_is_refused_too(mock):
    """Advice to log in, because the login has expired, would mislead."""

    def expired(**_):
        raise UnauthorizedSSOTokenError

    async with make_client(**KEYS) as client:
        client.meta.events.register("request-created.sagemaker", expired)

        with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
            await client.list_training_jobs()


async def test_calls_are_sent_where_no_mock_answers(connections):
    """Operations that pass through the mock leave it at once, and after the mock all do."""
    async with make_client(**KEYS) as client:
        with mock_inference_experiment(passthrough=["ListTrainingJobs"]), pytest.raises(EndpointConnectionError):
            await client.list_training_jobs()
        with pytest.raises(EndpointConnectionError):
            await client.list_inference_experiments()

    assert connections == [("127.0.0.1", 1)] * 2
