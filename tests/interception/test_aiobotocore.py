"""The botocore interceptor also answers aiobotocore: asynchronous clients behave as synchronous clients do."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, UnauthorizedSSOTokenError

from mock_sagemaker_ie import (
    Delays,
    Durations,
    Interferes,
    Raises,
    Scenario,
    UnansweredCallError,
    mock_inference_experiment,
)
from tests.aws import NOWHERE
from tests.conftest import START
from tests.requests import NAME, create, stop

aiobotocore_session = pytest.importorskip("aiobotocore.session")
pytestmark = pytest.mark.asyncio

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
TAG = {"Key": "team", "Value": "ranking"}

# Every operation and every kind of failure, in an order in which each call has an effect or a distinct error.
CALL_SEQUENCE = [
    ("create_inference_experiment", create(Description="First text", Tags=[TAG])),
    ("create_inference_experiment", create()),  # The name is in use.
    ("create_inference_experiment", create("other", Type="NoSuchType")),  # The service rejects the request.
    ("create_inference_experiment", {"Name": "other"}),  # The client rejects the parameters.
    ("describe_inference_experiment", {"Name": NAME}),
    ("list_inference_experiments", {"StatusEquals": "Running"}),
    ("list_inference_experiments", {"NextToken": "forged"}),
    ("update_inference_experiment", {"Name": NAME, "Description": "Second text"}),
    ("start_inference_experiment", {"Name": NAME}),  # The experiment already runs.
    ("stop_inference_experiment", stop(Reason="The end")),
    ("describe_inference_experiment", {"Name": NAME}),
    ("list_tags", {"ResourceArn": ARN}),
    ("add_tags", {"ResourceArn": ARN, "Tags": [{"Key": "phase", "Value": "over"}]}),
    ("delete_tags", {"ResourceArn": ARN, "TagKeys": ["team"]}),
    ("list_tags", {"ResourceArn": ARN}),
    ("delete_inference_experiment", {"Name": NAME}),
    ("describe_inference_experiment", {"Name": NAME}),  # The experiment is deleted.
    ("list_training_jobs", {}),  # The mock does not answer this operation.
]

SCENARIOS = [
    *Scenario.each_fault("CreateInferenceExperiment", "StopInferenceExperiment", times=2),  # Each attempt gets one.
    *Scenario.each_fault("ListInferenceExperiments"),
    *Scenario.each_failure(),
    *Scenario.each_interference("CreateInferenceExperiment", "UpdateInferenceExperiment", "StopInferenceExperiment"),
    Scenario(pages=[0, 0]),
    Scenario(
        durations=Durations.parse("creating=5 stopping=5"),
        faults=[
            Raises("CreateInferenceExperiment", "ReadTimeoutError", after=True),
            Delays("DescribeInferenceExperiment", 3, times=2),
            Raises("DeleteInferenceExperiment", "ThrottlingException"),
        ],
        interference=[Interferes("StopInferenceExperiment", before="UpdateInferenceExperiment")],
    ),
]


def make_client(service="sagemaker", **options):
    """Return an asynchronous client, for `async with`, that makes one attempt and would connect to NOWHERE."""
    options = {"endpoint_url": NOWHERE, "config": Config(retries={"total_max_attempts": 1}), **options}
    return aiobotocore_session.get_session().create_client(service, region_name="us-east-1", **options)


def comparable(outcome):
    """Return an answer or an error as plain values, without the request ID, which differs in each request."""
    if isinstance(outcome, ClientError):
        return type(outcome).__name__, str(outcome), comparable(outcome.response)
    if isinstance(outcome, Exception):
        return type(outcome).__name__, str(outcome)
    metadata = outcome["ResponseMetadata"]
    headers = {name: value for name, value in metadata["HTTPHeaders"].items() if name != "x-amzn-requestid"}
    metadata = {**metadata, "RequestId": len(metadata["RequestId"]), "HTTPHeaders": headers}
    return {**outcome, "ResponseMetadata": metadata}


async def outcomes_of_call_sequence(client):
    """Make the calls of CALL_SEQUENCE and return the answer or the error of each."""
    outcomes = []
    for method, params in CALL_SEQUENCE:
        try:
            answer = getattr(client, method)(**params)
            outcomes.append(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001, PERF203 - both clients must raise the same error
            outcomes.append(error)
    return outcomes


async def test_both_clients_get_the_same_answers_and_errors(sagemaker):
    """All answers and errors have equal values. Therefore one client is enough to test each behaviour."""
    with mock_inference_experiment(clock=START) as sync_mock:
        synchronous = await outcomes_of_call_sequence(sagemaker)

    async with make_client(**KEYS) as client, mock_inference_experiment(clock=START) as async_mock:
        asynchronous = await outcomes_of_call_sequence(client)

    assert [comparable(outcome) for outcome in asynchronous] == [comparable(outcome) for outcome in synchronous]
    assert [(call.operation, call.params, call.at, call.response) for call in async_mock.calls] == [
        (call.operation, call.params, call.at, call.response) for call in sync_mock.calls
    ]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_a_scenario_does_the_same_to_both_clients(scenario):
    """Answers, errors and retries, and all that the mock records, at the same instants."""
    options = {"clock": START, "scenario": scenario, "virtual_sleep": True}
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, read_timeout=5)
    synchronous_client = boto3.client("sagemaker", "us-east-1", endpoint_url=NOWHERE, config=config, **KEYS)

    with mock_inference_experiment(**options) as sync_mock:
        synchronous = await outcomes_of_call_sequence(synchronous_client)
    async with make_client(config=config, **KEYS) as client:
        with mock_inference_experiment(**options) as async_mock:
            asynchronous = await outcomes_of_call_sequence(client)

    assert [comparable(outcome) for outcome in asynchronous] == [comparable(outcome) for outcome in synchronous]
    records = [
        [(repr(call), call.at, call.params, call.response, repr(call.error), repr(call.lost)) for call in mock.calls]
        for mock in (async_mock, sync_mock)
    ]
    assert records[0] == records[1]


async def test_both_clients_share_the_state_of_the_mock(sagemaker):
    """A synchronous client creates an experiment, and an asynchronous client sees its statuses."""
    async with make_client(**KEYS) as client:
        with mock_inference_experiment(clock=START, durations=Durations.realistic()) as mock:
            sagemaker.create_inference_experiment(**create())
            creating = await client.describe_inference_experiment(Name=NAME)
            mock.clock.advance(days=8)
            completed = await client.describe_inference_experiment(Name=NAME)

    assert (creating["Status"], completed["Status"]) == ("Creating", "Completed")
    assert completed["CompletionTime"] == START + dt.timedelta(days=7) + Durations.realistic().stopping


async def test_a_paginator_returns_all_pages(mock):
    """The paginators of aiobotocore work as those of botocore do."""
    async with make_client(**KEYS) as client:
        for number in range(5):
            await client.create_inference_experiment(**create(f"experiment-{number}"))

        pages = client.get_paginator("list_inference_experiments").paginate(PaginationConfig={"PageSize": 2})
        names = [[item["Name"] for item in page["InferenceExperiments"]] async for page in pages]

    assert names == [["experiment-4", "experiment-3"], ["experiment-2", "experiment-1"], ["experiment-0"]]


async def test_a_modelled_exception_can_be_caught_by_its_name(mock):
    """The client has the modelled exceptions in `client.exceptions`."""
    async with make_client(**KEYS) as client:
        with pytest.raises(client.exceptions.ResourceNotFound):
            await client.describe_inference_experiment(Name=NAME)


async def test_concurrent_tasks_are_all_answered(mock):
    """Fifty concurrent Create calls create fifty experiments."""
    names = [f"experiment-{number}" for number in range(50)]

    async with make_client(**KEYS) as client:
        await asyncio.gather(*(client.create_inference_experiment(**create(name)) for name in names))

    assert sorted(mock.experiments) == sorted(names)


async def _answer_asynchronously(**_):
    return _answer_immediately()


def _answer_immediately(**_):
    return SimpleNamespace(status_code=200), {"InferenceExperimentArn": "the user's"}


@pytest.mark.parametrize(
    "handler", [_answer_immediately, _answer_asynchronously], ids=["function", "coroutine function"]
)
async def test_the_answer_of_the_users_handler_has_precedence(mock, handler):
    """The user's before-call handler, asynchronous or not, answers instead of the mock."""
    async with make_client(**KEYS) as client:
        client.meta.events.register("before-call.sagemaker.CreateInferenceExperiment", handler)

        answer = await client.create_inference_experiment(**create())

    assert answer["InferenceExperimentArn"] == "the user's"
    assert mock.calls == ()


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["with credentials", "without credentials"])
async def test_an_unanswered_call_raises_an_error(mock, connections, unanswered_call, keys):
    """As with a synchronous client, no connection is attempted, and the error names the operation and the remedies."""
    operation = unanswered_call.operation
    remedies = rf"{operation}.*mock_aws.*Stubber.*passthrough=\['{operation}'\]"

    async with make_client(unanswered_call.service, **keys) as client:
        with pytest.raises(UnansweredCallError, match=remedies):
            await unanswered_call.send(client)

    assert connections == []


async def test_a_signing_error_does_not_replace_the_error_for_an_unanswered_call(mock):
    """The advice to log in again, because a login has expired, would mislead the user."""

    def raise_expired_login(**_):
        raise UnauthorizedSSOTokenError

    async with make_client(**KEYS) as client:
        client.meta.events.register("request-created.sagemaker", raise_expired_login)

        with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
            await client.list_training_jobs()


async def test_passthrough_calls_and_calls_after_the_mock_are_sent(connections):
    """An operation in passthrough= is sent while the mock is active; every operation is sent after the mock ended."""
    async with make_client(**KEYS) as client:
        with mock_inference_experiment(passthrough=["ListTrainingJobs"]), pytest.raises(EndpointConnectionError):
            await client.list_training_jobs()
        with pytest.raises(EndpointConnectionError):
            await client.list_inference_experiments()

    assert connections == [("127.0.0.1", 1)] * 2
