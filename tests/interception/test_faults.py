"""Faults over the real wire: how calls meet them, what botocore's own retries make of them, and who else is there."""

from __future__ import annotations

import datetime as dt
import io
import time
from contextlib import ExitStack
from functools import cache

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)
from botocore.session import Session
from moto import mock_aws

from mock_sagemaker_ie import InferenceExperimentMock, mock_inference_experiment
from mock_sagemaker_ie.service.service import ANSWERED, INVOKE_ENDPOINT
from tests.conftest import START
from tests.interception.test_moto import TRAINING_JOB
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
SAGEMAKER = [operation for operation in ANSWERED if operation != INVOKE_ENDPOINT]

# Common to all of AWS's actions, with the statuses that its API reference gives.
COMMON = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "InternalFailure": 500,
    "NotAuthorized": 401,
    "OptInRequired": 403,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "UnrecognizedClientException": 403,
    "ValidationError": 400,
}
TRANSIENT = ["ThrottlingException", "InternalFailure", "ServiceUnavailable", ConnectTimeoutError, ReadTimeoutError]


@cache
def client_of(operation: str = "ListModels", *, attempts: int = 1, mode: str = "standard"):
    """A client for an operation that makes so many attempts, and leaves it to the service to validate requests."""
    config = Config(retries={"total_max_attempts": attempts, "mode": mode}, parameter_validation=False)
    service = "sagemaker-runtime" if operation == INVOKE_ENDPOINT else "sagemaker"
    return boto3.client(service, region_name="us-east-1", config=config, **KEYS)


def call(operation, client, **params):
    """Call an operation with no more params than it takes to send a request."""
    params = {"EndpointName": ENDPOINT, **params} if operation == INVOKE_ENDPOINT else params
    return getattr(client, xform_name(operation))(**params)


def error_of(operation, client=None):
    """The response that a call of the operation fails with."""
    with pytest.raises(ClientError) as caught:
        call(operation, client or client_of(operation))
    return caught.value.response


def recorded(mock):
    """The calls, each as its operation and the code of its error, if any."""
    return [(each.operation, getattr(each.error, "code", each.error)) for each in mock.calls]


def modelled():
    """Every error that an answered operation models: the operation, the code and the HTTP status."""
    for operation in ANSWERED:
        for shape in client_of(operation).meta.service_model.operation_model(operation).error_shapes:
            error = shape.metadata.get("error", {})
            yield operation, error.get("code", shape.name), error.get("httpStatusCode", 400)


# --- errors of the service


@pytest.mark.parametrize("operation", ANSWERED)
def test_the_next_call_of_any_operation_fails(mock, operation):
    """The call that meets the error is recorded with it; the one after is answered as ever."""
    mock.fail_next(operation, "AccessDeniedException")

    assert error_of(operation)["Error"]["Code"] == "AccessDeniedException"

    call("ListModels", client_of())
    assert recorded(mock) == [(operation, "AccessDeniedException"), ("ListModels", None)]


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        *modelled(),
        *((operation, *common) for operation in ("ListModels", INVOKE_ENDPOINT) for common in COMMON.items()),
    ],
)
def test_an_error_comes_as_aws_sends_it(mock, operation, code, status):
    """Every modelled code and every common one is known by name, with its HTTP status and its exception's class."""
    mock.fail_next(operation, code)

    with pytest.raises(client_of(operation).exceptions.from_code(code)) as caught:
        call(operation, client_of(operation))

    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("operation", ["DescribeInferenceExperiment", INVOKE_ENDPOINT])
@pytest.mark.parametrize("message", ["Slow down, München", ""])
def test_message_and_status_are_as_you_like(mock, operation, message):
    """An error may say something else than usual, and travel with another HTTP status."""
    mock.fail_next(operation, "ThrottlingException", message, status=429)

    response = error_of(operation)

    assert (response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]) == (message, 429)


def test_as_many_calls_fail_as_were_arranged_in_that_order(mock):
    """Faults wait in line, each operation's in its own."""
    mock.fail_next("ListModels", "ThrottlingException", times=2)
    mock.fail_next("ListEndpoints", "OptInRequired")
    mock.fail_next("ListModels", "InternalFailure")

    codes = [error_of("ListModels")["Error"]["Code"] for _ in range(3)]

    assert codes == ["ThrottlingException", "ThrottlingException", "InternalFailure"]
    assert call("ListModels", client_of())["Models"] == []
    assert error_of("ListEndpoints")["Error"]["Code"] == "OptInRequired"


def test_a_call_that_fails_does_nothing(mock):
    """What fails is not created, and no model is asked, though its endpoint serves."""
    client_of().create_endpoint_config(**endpoint_config())
    client_of().create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock.fail_next("CreateInferenceExperiment", "InternalFailure")
    mock.fail_next(INVOKE_ENDPOINT, "ServiceUnavailable")

    with pytest.raises(ClientError, match="InternalFailure"):
        client_of().create_inference_experiment(**create())
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        client_of(INVOKE_ENDPOINT).invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

    assert dict(mock.experiments) == {}
    assert mock.metrics == ()


def test_reset_forgets_faults(mock):
    """After a reset the next call is answered, and nobody asks what became of the fault."""
    mock.fail_next("ListModels", "ThrottlingException")
    mock.slow_next("ListModels", 60)

    mock.reset()

    call("ListModels", client_of())
    assert mock.clock.now() == START


def test_an_inner_mock_knows_nothing_of_the_outer_ones_faults(mock):
    """Faults belong to a world."""
    mock.fail_next("ListModels", "ThrottlingException")

    with mock_inference_experiment():
        call("ListModels", client_of())

    assert error_of("ListModels")["Error"]["Code"] == "ThrottlingException"


# --- errors of the connection


@pytest.mark.parametrize("operation", ["ListModels", INVOKE_ENDPOINT])
@pytest.mark.parametrize(
    "error",
    [ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError, ConnectionClosedError, SSLError, ConnectionError],
)
def test_the_connection_fails(mock, operation, error):
    """An exception's class is enough, be it botocore's or another; the call is recorded with the very error."""
    mock.fail_next(operation, error)

    with pytest.raises(error) as caught:
        call(operation, client_of(operation))

    assert mock.calls[-1].error is caught.value


def test_an_error_of_yours_is_raised_itself(mock):
    """An instance is raised as it is, each time as if for the first time."""
    error = IncompleteReadError(actual_bytes=1, expected_bytes=2)
    mock.fail_next("ListModels", error, times=2)

    raised = []
    for _ in range(2):
        with pytest.raises(IncompleteReadError) as caught:
            call("ListModels", client_of())
        raised.append((caught.value, len(caught.traceback)))

    assert raised == [(error, raised[0][1])] * 2


# --- retries


@pytest.fixture
def retrying(monkeypatch):
    """A mock in which clients retry without waiting: whoever really sleeps fails."""

    def wait(seconds):
        raise AssertionError(f"slept {seconds} seconds")

    monkeypatch.setattr(time, "sleep", wait)
    with mock_inference_experiment(clock=START, virtual_sleep=True, unused_faults="error") as mock:
        yield mock


@pytest.mark.parametrize("mode", ["standard", "legacy"])
@pytest.mark.parametrize("fault", TRANSIENT)
def test_retries_survive_what_passes(retrying, mode, fault):
    """botocore's own retries run: of three attempts two fail, each is recorded, and the third is answered."""
    retrying.fail_next("ListModels", fault, times=2)

    answer = call("ListModels", client_of(attempts=3, mode=mode))

    assert (answer["Models"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 2)
    assert [each.error is None for each in retrying.calls] == [False, False, True]


@pytest.mark.parametrize("mode", ["standard", "legacy"])
@pytest.mark.parametrize("fault", TRANSIENT)
def test_retries_give_up_on_what_stays(retrying, mode, fault):
    """When every attempt fails, the caller gets the last error."""
    retrying.fail_next("ListModels", fault, times=3)

    with pytest.raises(ClientError if isinstance(fault, str) else fault):
        call("ListModels", client_of(attempts=3, mode=mode))

    assert len(retrying.calls) == 3


def test_what_no_client_retries_is_met_once(retrying):
    """A refusal is final, however many attempts there could be."""
    retrying.fail_next("ListModels", "AccessDeniedException")

    assert error_of("ListModels", client_of(attempts=3))["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("body", [b"1,2", io.BytesIO(b"1,2")], ids=["bytes", "file"])
def test_a_retried_request_is_whole(retrying, body):
    """What is sent again is what was sent first, and its answer is that of an undisturbed call."""
    client_of().create_endpoint_config(**endpoint_config())
    client_of().create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    retrying.fail_next(INVOKE_ENDPOINT, "ServiceUnavailable", times=2)

    answer = call(INVOKE_ENDPOINT, client_of(INVOKE_ENDPOINT, attempts=3), Body=body, ContentType="text/csv")

    assert (answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]) == (
        b"1,2",
        "text/csv",
        "prod",
    )
    assert [each.params["Body"] for each in retrying.calls.of(INVOKE_ENDPOINT)] == [b"1,2"] * 3


# --- delays


def test_a_slow_call_takes_its_time_on_the_mocks_clock(mock):
    """Each of the calls is answered as late as was arranged, and sees the world of that moment."""
    client_of().create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(minutes=1)}))
    mock.slow_next("DescribeInferenceExperiment", 45, times=2)

    statuses = [client_of().describe_inference_experiment(Name=NAME)["Status"] for _ in range(3)]

    assert statuses == ["Running", "Completed", "Completed"]
    seconds = [(each.at - START).total_seconds() for each in mock.calls.of("DescribeInferenceExperiment")]
    assert seconds == [45, 90, 90]


@pytest.mark.parametrize("slow_first", [True, False])
def test_a_call_may_be_slow_and_fail(retrying, slow_first):
    """The next call is both, in whichever order it was arranged; the attempt after it is neither."""
    arrange = [
        lambda: retrying.slow_next("ListModels", 600),
        lambda: retrying.fail_next("ListModels", ReadTimeoutError),
    ]
    for step in arrange if slow_first else reversed(arrange):
        step()

    call("ListModels", client_of(attempts=2))

    first, second = retrying.calls
    assert (first.at, second.error) == (START + dt.timedelta(minutes=10), None)
    assert second.at - first.at < dt.timedelta(minutes=10)


# --- who else there is


@pytest.mark.parametrize("fault", ["ThrottlingException", ReadTimeoutError])
def test_without_credentials_the_fault_comes_at_once(mock, monkeypatch, fault):
    """Such a client can sign nothing, so nothing is tried again."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)  # In case that anybody left some.
    unsigned = boto3.Session().client("sagemaker", region_name="us-east-1")
    mock.fail_next("ListModels", fault)

    with pytest.raises(ClientError if isinstance(fault, str) else fault):
        unsigned.list_models()

    assert unsigned.list_models()["Models"] == []
    assert len(mock.calls) == 2


def test_credentials_that_cannot_be_had_do_not_hide_the_fault(mock):
    """Calls without faults ask for no credentials, so those that meet one fail by it and not by an expired login."""

    def expired():
        raise UnauthorizedSSOTokenError

    session = Session()
    session._credentials = DeferredRefreshableCredentials(expired, "sso")
    mock.fail_next("ListModels", "AccessDeniedException")

    error = error_of("ListModels", session.create_client("sagemaker", region_name="us-east-1"))

    assert error["Error"]["Code"] == "AccessDeniedException"


@pytest.fixture(params=["moto outside", "moto inside"])
def beside_moto(request):
    """Our mock and a client that retries, beside moto's mock of all of AWS."""
    worlds = [mock_inference_experiment(virtual_sleep=True), mock_aws()]
    with ExitStack() as stack:
        entered = [stack.enter_context(world) for world in (worlds if request.param == "moto inside" else worlds[::-1])]
        config = Config(retries={"total_max_attempts": 3})
        sagemaker = boto3.Session().client("sagemaker", region_name="us-east-1", config=config, **KEYS)
        yield next(world for world in entered if isinstance(world, InferenceExperimentMock)), sagemaker


def test_moto_is_not_asked(beside_moto):
    """Moto, which knows no experiments, would fail each attempt in a way of its own."""
    mock, sagemaker = beside_moto
    mock.fail_next("CreateInferenceExperiment", "ThrottlingException", times=2)

    sagemaker.create_inference_experiment(**create())

    assert list(mock.experiments) == [NAME]
    assert recorded(mock) == [
        *[("CreateInferenceExperiment", "ThrottlingException")] * 2,
        ("CreateInferenceExperiment", None),
    ]


def test_what_is_motos_reaches_moto_in_the_end(beside_moto):
    """Tags of its resources are moto's to list, once our fault has passed."""
    mock, sagemaker = beside_moto
    made = sagemaker.create_training_job(**TRAINING_JOB)
    mock.fail_next("ListTags", "ThrottlingException")

    answer = sagemaker.list_tags(ResourceArn=made["TrainingJobArn"])

    assert (answer["Tags"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 1)
