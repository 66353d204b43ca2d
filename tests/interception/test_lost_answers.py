"""Lost answers: the service acts, and its caller gets an error in place of the answer. Retries meet what was done."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
)
from moto import mock_aws

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.calls import INVOCATIONS, INVOKE_ENDPOINT
from mock_sagemaker_ie.protocol.errors import error_code
from tests.conftest import START
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.interception.test_moto import TRAINING_JOB
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, create, endpoint_config, stop

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
BROKEN = IncompleteReadError(actual_bytes=1, expected_bytes=2)
LOST = [ReadTimeoutError, ConnectionClosedError, BROKEN, ConnectionResetError, "InternalFailure", "ServiceUnavailable"]


def name_of(error):
    """Return the code of an AWS error, or the name of the class of any other."""
    return error if isinstance(error, str) else getattr(error, "__name__", type(error).__name__)


@pytest.fixture
def mock():
    """Activate a mock in which clients retry without waiting, and every fault must be met."""
    with mock_inference_experiment(clock=START, virtual_sleep=True, unused_faults="error") as mock:
        yield mock


def client_of(operation, *, attempts=1):
    """Return a client for an operation that makes `attempts`."""
    service = "sagemaker-runtime" if operation in INVOCATIONS else "sagemaker"
    config = Config(retries={"total_max_attempts": attempts, "mode": "standard"})
    return boto3.client(service, region_name="us-east-1", config=config, **KEYS)


def call(operation, *, attempts=1, **params):
    """Call an operation."""
    return getattr(client_of(operation, attempts=attempts), xform_name(operation))(**params)


def prepared():
    """Make an experiment and what every operation of REQUESTS needs."""
    for operation, params in PREPARATIONS:
        call(operation, **params)


@pytest.mark.parametrize("error", LOST, ids=name_of)
def test_the_service_acts_and_the_caller_gets_the_error(mock, error):
    """The experiment is there. The recorded call has the answer of the service, and the error as `lost`."""
    mock.fail_next("CreateInferenceExperiment", error, after=True)

    with pytest.raises((ClientError, OSError, HTTPClientError, IncompleteReadError)) as caught:
        call("CreateInferenceExperiment", **create())

    assert mock.experiments[NAME]["Status"] == "Running"
    (made,) = mock.calls
    assert made.response["InferenceExperimentArn"].endswith(NAME)
    assert made.error is None
    assert error_code(made.lost) == name_of(error)
    # Nothing can refer weakly to an error whose class is built into Python, so the call has a copy.
    assert isinstance(error, str) or error is ConnectionResetError or made.lost is caught.value


@pytest.mark.parametrize("operation", REQUESTS)
def test_the_answer_of_any_operation_can_be_lost(mock, operation):
    """The state after a lost answer equals the state after an answer that arrived."""
    prepared()
    params = REQUESTS.get(operation, {"EndpointName": ENDPOINT, "Body": b"1"})
    with mock_inference_experiment(clock=START) as other:
        prepared()
        call(operation, **params)
        expected = left_by(other)

    mock.fail_next(operation, ReadTimeoutError, after=True)
    with pytest.raises(ReadTimeoutError):
        call(operation, **params)

    assert left_by(mock) == expected


def left_by(mock):
    """Return what the last call has left in a mock."""
    return dict(mock.experiments), mock.calls[-1].response, mock.metrics, len(mock.captures)


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateInferenceExperiment", create(), "ResourceInUse"),
        ("StopInferenceExperiment", stop(), "ConflictException"),
        ("CreateEndpointConfig", endpoint_config("fresh"), "ValidationException"),
        ("DeleteEndpointConfig", {"EndpointConfigName": "used"}, "ValidationException"),
    ],
)
@pytest.mark.parametrize("error", [ReadTimeoutError, "InternalFailure"], ids=["connection", "AWS"])
def test_a_retry_meets_what_was_done(mock, operation, params, code, error):
    """botocore sends the call again by itself, and its caller gets the error for the second one."""
    if operation == "StopInferenceExperiment":
        call("CreateInferenceExperiment", **create())
    call("CreateEndpointConfig", **endpoint_config("used"))
    mock.fail_next(operation, error, after=True)

    with pytest.raises(ClientError) as caught:
        call(operation, attempts=3, **params)

    assert caught.value.response["Error"]["Code"] == code
    first, second = mock.calls.of(operation)[-2:]
    assert (first.error, second.error.code, second.lost) == (None, code, None)


def test_a_retried_look_succeeds(mock):
    """Where the service changes nothing, the retry gets the answer."""
    mock.fail_next("ListModels", ConnectionClosedError, after=True, times=2)

    answer = call("ListModels", attempts=3)

    assert (answer["Models"], answer["ResponseMetadata"]["RetryAttempts"]) == ([], 2)


def test_the_refusal_of_a_call_can_be_lost(mock):
    """The recorded call has the service's own error, and the error that the caller got as `lost`."""
    mock.fail_next("DescribeInferenceExperiment", ReadTimeoutError, after=True)

    with pytest.raises(ReadTimeoutError):
        call("DescribeInferenceExperiment", Name=NAME)

    (described,) = mock.calls
    assert (described.error.code, type(described.lost)) == ("ResourceNotFound", ReadTimeoutError)


def test_a_retried_invocation_reaches_the_model_twice(mock):
    """The model was called and its answer was lost; metrics count both requests."""
    bodies = []
    mock.serve(f"model-{PRODUCTION}", lambda request: bodies.append(request) or b"1")
    call("CreateEndpointConfig", **endpoint_config())
    call("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    mock.fail_next(INVOKE_ENDPOINT, ReadTimeoutError, after=True)

    call(INVOKE_ENDPOINT, attempts=2, EndpointName=ENDPOINT, Body=b"1")

    assert bodies == [b"1", b"1"]
    assert sum(point.sum for point in mock.metrics if point.name == "Invocations") == 2


def test_faults_before_and_after_come_in_the_order_in_which_they_were_arranged(mock):
    """The first attempt is refused, the second acts and is lost, the third meets what the second did."""
    mock.fail_next("CreateInferenceExperiment", "ThrottlingException")
    mock.fail_next("CreateInferenceExperiment", ReadTimeoutError, after=True)

    with pytest.raises(ClientError, match="ResourceInUse"):
        call("CreateInferenceExperiment", attempts=3, **create())

    outcomes = [(getattr(each.error, "code", None), type(each.lost).__name__) for each in mock.calls]
    assert outcomes == [
        ("ThrottlingException", "NoneType"),
        (None, "ReadTimeoutError"),
        ("ResourceInUse", "NoneType"),
    ]


def test_a_slow_call_can_act_and_time_out(mock):
    """The service acts after the delay; the caller gets the error after it, at the same instant."""
    mock.slow_next("CreateInferenceExperiment", 120)
    mock.fail_next("CreateInferenceExperiment", ReadTimeoutError, after=True)

    with pytest.raises(ReadTimeoutError):
        call("CreateInferenceExperiment", **create())

    assert mock.experiments[NAME]["CreationTime"] == START + dt.timedelta(seconds=120)
    assert mock.calls[0].at == START + dt.timedelta(seconds=120)


def test_another_operation_does_not_use_the_fault(mock):
    """A lost answer waits for its operation."""
    mock.fail_next("ListModels", ReadTimeoutError, after=True)

    call("ListEndpoints")

    with pytest.raises(ReadTimeoutError):
        call("ListModels")


def test_a_call_that_another_mock_answers_leaves_the_fault(mock):
    """The mock has no answer for a tag of a training job that it could lose, so the fault waits for the next call."""
    with mock_aws():
        client = boto3.Session().client("sagemaker", region_name="us-east-1", **KEYS)
        training_job = client.create_training_job(**TRAINING_JOB)
        mock.fail_next("ListTags", ReadTimeoutError, after=True)
        assert client.list_tags(ResourceArn=training_job["TrainingJobArn"])["Tags"] == []

    call("CreateInferenceExperiment", **create())
    with pytest.raises(ReadTimeoutError):
        call("ListTags", ResourceArn=mock.experiments[NAME]["Arn"])


def test_the_same_instance_is_raised_each_time(mock):
    """It keeps its cause, and its traceback does not grow."""
    BROKEN.__cause__ = cause = OSError("reset by peer")
    mock.fail_next("ListModels", BROKEN, after=True, times=2)

    raised = []
    for _ in range(2):
        with pytest.raises(IncompleteReadError) as caught:
            call("ListModels")
        raised.append((caught.value, caught.value.__cause__, len(caught.traceback)))

    assert raised == [(BROKEN, cause, raised[0][2])] * 2
