"""Arranged faults in calls with botocore: errors, delays, botocore's own retries, and moto in the same test."""

from __future__ import annotations

import datetime as dt
import io
import time
from contextlib import ExitStack
from functools import cache

import boto3
import pytest
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.credentials import Credentials, DeferredRefreshableCredentials
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
from mock_sagemaker_ie.calls import ANSWERED, INVOCATIONS, INVOKE_ENDPOINT
from mock_sagemaker_ie.protocol.event_stream import in_stream
from tests.conftest import START
from tests.interception.conftest import needs_request_credentials
from tests.interception.test_moto import TRAINING_JOB
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
SAGEMAKER = [operation for operation in ANSWERED if operation not in INVOCATIONS]

# The errors common to all AWS actions, with the HTTP statuses of the API reference.
COMMON_ERRORS = {
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
RETRYABLE = ["ThrottlingException", "InternalFailure", "ServiceUnavailable", ConnectTimeoutError, ReadTimeoutError]


@cache
def client_of(operation: str = "ListModels", *, attempts: int = 1, mode: str = "standard"):
    """Return a client for an operation; it makes `attempts`, and does not validate parameters itself."""
    config = Config(retries={"total_max_attempts": attempts, "mode": mode}, parameter_validation=False)
    service = "sagemaker-runtime" if operation in INVOCATIONS else "sagemaker"
    return boto3.client(service, region_name="us-east-1", config=config, **KEYS)


def call(operation, client, **params):
    """Call an operation with `params` and the parameters that the request needs."""
    params = {"EndpointName": ENDPOINT, **params} if operation in INVOCATIONS else params
    return getattr(client, xform_name(operation))(**params)


def error_of(operation, client=None):
    """Call an operation that must fail, and return the response of its error."""
    with pytest.raises(ClientError) as caught:
        call(operation, client or client_of(operation))
    return caught.value.response


def recorded_calls(mock):
    """Return each recorded call as its operation and the code of its error, if any."""
    return [(each.operation, getattr(each.error, "code", each.error)) for each in mock.calls]


def modelled_errors():
    """Yield every modelled error of the answered operations: the operation, the code and the HTTP status.

    The errors that come as events of a stream are not among them.
    """
    for operation in ANSWERED:
        model = client_of(operation).meta.service_model.operation_model(operation)
        for shape in [each for each in model.error_shapes if not in_stream(model, each.name)]:
            error = shape.metadata.get("error", {})
            yield operation, error.get("code", shape.name), error.get("httpStatusCode", 400)


# --- errors of the service


@pytest.mark.parametrize("operation", ANSWERED)
def test_the_next_call_of_any_operation_fails(mock, operation):
    """The failed call is recorded with its error, and the call after it is answered."""
    mock.fail_next(operation, "AccessDeniedException")

    assert error_of(operation)["Error"]["Code"] == "AccessDeniedException"

    call("ListModels", client_of())
    assert recorded_calls(mock) == [(operation, "AccessDeniedException"), ("ListModels", None)]


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    dict.fromkeys(  # InvokeEndpoint models some of the common errors.
        [
            *modelled_errors(),
            *((operation, *error) for operation in ("ListModels", *INVOCATIONS) for error in COMMON_ERRORS.items()),
        ]
    ),
)
def test_an_error_code_has_its_http_status_and_exception_class(mock, operation, code, status):
    """Every modelled code and every common code can be arranged; the error has the form in which AWS sends it."""
    mock.fail_next(operation, code)

    with pytest.raises(client_of(operation).exceptions.from_code(code)) as caught:
        call(operation, client_of(operation))

    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("operation", ["DescribeInferenceExperiment", *INVOCATIONS])
@pytest.mark.parametrize("message", ["Slow down, München", ""], ids=["text", "empty"])
def test_message_and_status_can_be_chosen(mock, operation, message):
    """fail_next takes another message and another HTTP status than the default of the code."""
    mock.fail_next(operation, "ThrottlingException", message, status=429)

    response = error_of(operation)

    assert (response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]) == (message, 429)


def test_faults_are_used_in_the_order_in_which_they_were_arranged(mock):
    """Each operation has its own queue of faults, and `times` calls use the same fault."""
    mock.fail_next("ListModels", "ThrottlingException", times=2)
    mock.fail_next("ListEndpoints", "OptInRequired")
    mock.fail_next("ListModels", "InternalFailure")

    codes = [error_of("ListModels")["Error"]["Code"] for _ in range(3)]

    assert codes == ["ThrottlingException", "ThrottlingException", "InternalFailure"]
    assert call("ListModels", client_of())["Models"] == []
    assert error_of("ListEndpoints")["Error"]["Code"] == "OptInRequired"


def test_each_call_has_the_instant_of_its_own_error(mock):
    """An error that is arranged for several calls comes at another instant each time."""
    mock.fail_next("ListModels", "ThrottlingException", times=2)

    error_of("ListModels")
    mock.clock.advance(minutes=1)
    error_of("ListModels")

    assert [each.error.at for each in mock.calls] == [START, START + dt.timedelta(minutes=1)]


def test_a_failed_call_has_no_effect(mock):
    """A failed Create creates nothing, and a failed invocation does not reach the model of its endpoint."""
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


def test_reset_removes_arranged_faults(mock):
    """After a reset the next call is answered without delay, and the removed faults do not count as unused."""
    mock.fail_next("ListModels", "ThrottlingException")
    mock.slow_next("ListModels", 60)

    mock.reset()

    call("ListModels", client_of())
    assert mock.clock.now() == START


def test_an_inner_mock_does_not_use_the_faults_of_the_outer_mock(mock):
    """Each mock has its own faults."""
    mock.fail_next("ListModels", "ThrottlingException")

    with mock_inference_experiment():
        call("ListModels", client_of())

    assert error_of("ListModels")["Error"]["Code"] == "ThrottlingException"


# --- errors of the connection


@pytest.mark.parametrize("operation", ["ListModels", *INVOCATIONS])
@pytest.mark.parametrize(
    "error",
    [ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError, ConnectionClosedError, SSLError, ConnectionError],
)
def test_a_connection_error_is_raised_from_its_class(mock, operation, error):
    """fail_next takes an exception class of botocore or another; the call is recorded with the raised error."""
    mock.fail_next(operation, error)

    with pytest.raises(error) as caught:
        call(operation, client_of(operation))

    assert repr(mock.calls[-1].error) == repr(caught.value)


def test_an_exception_instance_is_raised_itself(mock):
    """The same instance is raised each time, and its traceback does not grow."""
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
def mock_without_waits(monkeypatch):
    """Activate a mock in which clients retry without waiting; a real sleep fails the test."""

    def sleep(seconds):
        raise AssertionError(f"slept {seconds} seconds")

    monkeypatch.setattr(time, "sleep", sleep)
    with mock_inference_experiment(clock=START, virtual_sleep=True, unused_faults="error") as mock:
        yield mock


@pytest.mark.parametrize("mode", ["standard", "legacy"])
@pytest.mark.parametrize("fault", RETRYABLE)
def test_a_retry_succeeds_after_two_faults(mock_without_waits, mode, fault):
    """botocore's own retries run: two of three attempts fail, and the third is answered. Each is recorded."""
    mock_without_waits.fail_next("ListModels", fault, times=2)

    answer = call("ListModels", client_of(attempts=3, mode=mode))

    assert (answer["Models"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 2)
    assert [each.error is None for each in mock_without_waits.calls] == [False, False, True]


@pytest.mark.parametrize("mode", ["standard", "legacy"])
@pytest.mark.parametrize("fault", RETRYABLE)
def test_the_caller_gets_the_error_when_every_attempt_fails(mock_without_waits, mode, fault):
    """All three attempts are recorded, and the caller gets the last error."""
    mock_without_waits.fail_next("ListModels", fault, times=3)

    with pytest.raises(ClientError if isinstance(fault, str) else fault):
        call("ListModels", client_of(attempts=3, mode=mode))

    assert len(mock_without_waits.calls) == 3


def test_an_error_that_botocore_does_not_retry_is_raised_after_one_attempt(mock_without_waits):
    """botocore does not retry AccessDeniedException, even if the client may make three attempts."""
    mock_without_waits.fail_next("ListModels", "AccessDeniedException")

    assert error_of("ListModels", client_of(attempts=3))["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("body", [b"1,2", io.BytesIO(b"1,2")], ids=["bytes", "file"])
def test_a_retried_invocation_sends_and_returns_the_whole_body(mock_without_waits, body):
    """Each attempt has the same body, and the answer equals the answer of a call without faults."""
    client_of().create_endpoint_config(**endpoint_config())
    client_of().create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock_without_waits.fail_next(INVOKE_ENDPOINT, "ServiceUnavailable", times=2)

    answer = call(INVOKE_ENDPOINT, client_of(INVOKE_ENDPOINT, attempts=3), Body=body, ContentType="text/csv")

    assert (answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]) == (
        b"1,2",
        "text/csv",
        "prod",
    )
    assert [each.params["Body"] for each in mock_without_waits.calls.of(INVOKE_ENDPOINT)] == [b"1,2"] * 3


# --- delays


def test_a_slow_call_takes_time_on_the_clock_of_the_mock(mock):
    """The clock advances by the arranged delay, and the call is answered with the state at that later time."""
    client_of().create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(minutes=1)}))
    mock.slow_next("DescribeInferenceExperiment", 45, times=2)

    statuses = [client_of().describe_inference_experiment(Name=NAME)["Status"] for _ in range(3)]

    assert statuses == ["Running", "Completed", "Completed"]
    seconds = [(each.at - START).total_seconds() for each in mock.calls.of("DescribeInferenceExperiment")]
    assert seconds == [45, 90, 90]


@pytest.mark.parametrize("slow_first", [True, False], ids=["slow_next first", "fail_next first"])
def test_a_call_can_be_slow_and_fail(mock_without_waits, slow_first):
    """The next attempt gets both faults, arranged in either order; the attempt after it gets none."""
    steps = [
        lambda: mock_without_waits.slow_next("ListModels", 600),
        lambda: mock_without_waits.fail_next("ListModels", ReadTimeoutError),
    ]
    for step in steps if slow_first else reversed(steps):
        step()

    call("ListModels", client_of(attempts=2))

    first, second = mock_without_waits.calls
    assert (first.at, second.error) == (START + dt.timedelta(minutes=10), None)
    assert second.at - first.at < dt.timedelta(minutes=10)


# --- delays beyond the read timeout of the client


@cache
def client_that_waits(read_timeout, *, attempts=1, mode="standard"):
    """Return a client that waits this number of seconds for an answer."""
    retries = {"total_max_attempts": attempts, "mode": mode}
    config = Config(retries=retries, read_timeout=read_timeout)
    return boto3.client("sagemaker", region_name="us-east-1", config=config, **KEYS)


def seconds_of(mock):
    """Return the seconds on the clock since START, without the waits between attempts, which take no time here."""
    return (mock.clock.now() - START).total_seconds()


def test_a_client_that_waits_less_long_gets_a_read_timeout(mock):
    """The clock moves by the read timeout, and the recorded call has the error."""
    mock.slow_next("DescribeInferenceExperiment", 120)

    with pytest.raises(ReadTimeoutError, match=r"Read timeout on endpoint URL: .*sagemaker\.us-east-1") as caught:
        client_that_waits(5).describe_inference_experiment(Name=NAME)

    assert seconds_of(mock) == 5
    assert mock.calls[-1].error is caught.value
    assert mock.calls[-1].params == {"Name": NAME}


@pytest.mark.parametrize("mode", ["standard", "legacy"])
def test_a_read_timeout_is_retried(mock, monkeypatch, mode):
    """The client's own retries run; each attempt has its own delay, and the third is answered at once."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    mock.slow_next("ListModels", 120, times=2)

    answer = client_that_waits(5, attempts=3, mode=mode).list_models()

    assert (answer["Models"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 2)
    assert seconds_of(mock) == 10
    assert [type(each.error) for each in mock.calls] == [ReadTimeoutError, ReadTimeoutError, type(None)]


def test_a_retry_may_be_slow_and_succeed(mock, monkeypatch):
    """The second delay is shorter than the read timeout."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    mock.slow_next("ListModels", 120)
    mock.slow_next("ListModels", 4)

    assert client_that_waits(5, attempts=2).list_models()["ResponseMetadata"]["RetryAttempts"] == 1
    assert seconds_of(mock) == 9


@pytest.mark.parametrize("delay", [0, 4.9, 5])
def test_a_client_that_waits_long_enough_gets_the_answer(mock, delay):
    """A delay up to the read timeout is as before: the call succeeds in its first attempt."""
    mock.slow_next("ListModels", delay)

    assert client_that_waits(5).list_models()["ResponseMetadata"]["RetryAttempts"] == 0
    assert seconds_of(mock) == delay


def test_the_read_timeout_is_60_seconds_by_default(mock):
    """It is botocore's default."""
    mock.slow_next("ListModels", 60)
    mock.slow_next("ListModels", 61)

    client_of().list_models()
    with pytest.raises(ReadTimeoutError):
        client_of().list_models()

    assert seconds_of(mock) == 120


def test_a_client_without_a_read_timeout_waits_for_ever(mock):
    """With read_timeout=None a call may take a day."""
    mock.slow_next("ListModels", 86_400)

    assert client_that_waits(None).list_models()["Models"] == []
    assert seconds_of(mock) == 86_400


def test_a_call_that_timed_out_has_no_effect(mock):
    """As for fail_next with ReadTimeoutError, nothing is created."""
    mock.slow_next("CreateInferenceExperiment", 120)

    with pytest.raises(ReadTimeoutError):
        client_that_waits(5).create_inference_experiment(**create())

    assert dict(mock.experiments) == {}


@pytest.mark.parametrize("operation", INVOCATIONS)
def test_an_invocation_can_time_out(mock, operation):
    """The client of the runtime waits 60 seconds by default; the model is not called."""
    client_of().create_endpoint_config(**endpoint_config())
    client_of().create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock.slow_next(operation, 61)

    with pytest.raises(ReadTimeoutError):
        call(operation, client_of(operation), Body=b"")

    assert mock.metrics == ()


def test_an_arranged_error_comes_after_the_whole_delay(mock):
    """A test that arranges both for one attempt gets both."""
    mock.slow_next("ListModels", 120)
    mock.fail_next("ListModels", "InternalFailure")

    with pytest.raises(ClientError, match="InternalFailure"):
        client_that_waits(5).list_models()

    assert seconds_of(mock) == 120


# --- credentials and moto


def session_with(credentials):
    """Return a botocore session whose clients get these credentials."""
    session = Session()
    session._credentials = credentials
    return session


def expired_login():
    """Return credentials that can no longer be fetched."""

    def fetch():
        raise UnauthorizedSSOTokenError

    return DeferredRefreshableCredentials(fetch, "sso")


@pytest.mark.parametrize("fault", RETRYABLE)
@pytest.mark.parametrize(
    ("credentials", "keys", "signature"),
    [
        pytest.param(lambda: Credentials("testing", "testing"), {}, {}, id="credentials of the session"),
        pytest.param(lambda: None, KEYS, {}, id="explicit keys"),
        pytest.param(lambda: None, {}, {}, id="no credentials"),
        pytest.param(expired_login, {}, {}, id="expired login"),
        pytest.param(lambda: None, {}, {"signature_version": UNSIGNED}, id="unsigned"),
        pytest.param(expired_login, {}, {"signature_version": UNSIGNED}, id="unsigned, expired login"),
    ],
)
def test_the_credentials_of_a_client_do_not_change_its_retries(mock_without_waits, credentials, keys, signature, fault):
    """A client with, without or with expired credentials, or one that does not sign, retries alike."""
    config = Config(retries={"total_max_attempts": 3}, **signature)
    session = session_with(credentials())
    client = session.create_client("sagemaker", region_name="us-east-1", config=config, **keys)
    mock_without_waits.fail_next("ListModels", fault, times=2)

    answer = client.list_models()

    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert [each.error is None for each in mock_without_waits.calls] == [False, False, True]


@needs_request_credentials
def test_credentials_of_the_machine_are_not_fetched_for_a_fault(mock):
    """Fetching credentials asks another service, so the arranged fault is raised without it."""
    fetched = []
    credentials = DeferredRefreshableCredentials(lambda: fetched.append("credentials"), "sso")
    mock.fail_next("ListModels", "AccessDeniedException")

    error = error_of("ListModels", session_with(credentials).create_client("sagemaker", region_name="us-east-1"))

    assert error["Error"]["Code"] == "AccessDeniedException"
    assert fetched == []


@pytest.fixture(params=["moto outer", "moto inner"])
def mock_and_client_with_moto(request):
    """Activate our mock and moto, nested in either order; return our mock and a client with three attempts."""
    mocks = [mock_inference_experiment(virtual_sleep=True), mock_aws()]
    with ExitStack() as stack:
        active = [stack.enter_context(each) for each in (mocks if request.param == "moto inner" else mocks[::-1])]
        config = Config(retries={"total_max_attempts": 3})
        sagemaker = boto3.Session().client("sagemaker", region_name="us-east-1", config=config, **KEYS)
        yield next(each for each in active if isinstance(each, InferenceExperimentMock)), sagemaker


def test_no_attempt_of_our_operation_reaches_moto(mock_and_client_with_moto):
    """Moto does not implement inference experiments, so its own error would replace the arranged fault."""
    mock, sagemaker = mock_and_client_with_moto
    mock.fail_next("CreateInferenceExperiment", "ThrottlingException", times=2)

    sagemaker.create_inference_experiment(**create())

    assert list(mock.experiments) == [NAME]
    assert recorded_calls(mock) == [
        *[("CreateInferenceExperiment", "ThrottlingException")] * 2,
        ("CreateInferenceExperiment", None),
    ]


def test_a_retried_call_for_a_resource_of_moto_reaches_moto(mock_and_client_with_moto):
    """ListTags for a training job gets our fault at the first attempt; moto answers the second attempt."""
    mock, sagemaker = mock_and_client_with_moto
    training_job = sagemaker.create_training_job(**TRAINING_JOB)
    mock.fail_next("ListTags", "ThrottlingException")

    answer = sagemaker.list_tags(ResourceArn=training_job["TrainingJobArn"])

    assert (answer["Tags"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 1)
