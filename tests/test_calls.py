"""Assertions on the calls that a mock answered, and their messages when they fail."""

from __future__ import annotations

import copy
import datetime as dt
import pickle

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    SSLError,
)

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.requests import NAME, create, deployed, endpoint_config, stop


@pytest.fixture
def called(mock, sagemaker):
    """A mock that answered four calls: Create, Describe twice, and Stop."""
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=3)}))
    for _ in range(2):
        sagemaker.describe_inference_experiment(Name=NAME)
    sagemaker.stop_inference_experiment(**stop(DesiredState="Completed", Reason="The shadow is better"))
    return mock


def failure(assertion, *arguments, **params):
    """Return the message of an assertion that fails."""
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **params)
    return str(caught.value)


# --- of


def test_of_returns_the_calls_of_one_operation(called):
    """The calls are in the order in which they were answered, and have `of` too."""
    describes = called.calls.of("DescribeInferenceExperiment")

    assert [call.params for call in describes] == [{"Name": NAME}] * 2
    assert list(describes) == [call for call in called.calls if call.operation == "DescribeInferenceExperiment"]
    assert describes.of("DescribeInferenceExperiment") == describes
    assert called.calls.of("ListModels") == ()


# --- assert_called_once


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"Name": NAME},
        {"DesiredState": "Completed", "Name": NAME},
        stop(DesiredState="Completed", Reason="The shadow is better"),
    ],
)
def test_assert_called_once_returns_the_call(called, params):
    """The given params must be equal, in any order; other params do not matter."""
    call = called.assert_called_once("StopInferenceExperiment", **params)

    assert call is called.calls[-1]


def test_equal_instants_may_have_different_time_zones(called):
    """A datetime param is compared as an instant."""
    india = dt.timezone(dt.timedelta(hours=5.5))

    called.assert_called_once(
        "CreateInferenceExperiment", Schedule={"EndTime": (START + dt.timedelta(days=3)).astimezone(india)}
    )


def test_the_message_shows_the_different_params(called):
    """The message is a diff of the expected and received params, without the other params."""
    message = failure(
        called.assert_called_once, "StopInferenceExperiment", Name=NAME, DesiredState="Cancelled", Reason="Enough"
    )

    lines = message.splitlines()
    assert "StopInferenceExperiment was called with other params than expected" in lines[0]
    assert lines[1:3] == ["--- expected", "+++ received"]
    assert {line[0] for line in lines if "Cancelled" in line or "Enough" in line} == {"-"}
    assert {line[0] for line in lines if "Completed" in line or "shadow is better" in line} == {"+"}
    assert {line[0] for line in lines if NAME in line} == {" "}
    assert "ModelVariantActions" not in message


def test_the_message_shows_a_missing_param(called):
    """A param that was not sent is in the expected and not in the received part of the diff."""
    message = failure(called.assert_called_once, "DeleteInferenceExperiment")
    assert "DeleteInferenceExperiment was called never, expected once" in message

    message = failure(called.assert_called_once, "StopInferenceExperiment", DesiredModelVariants=[])
    assert "-{'DesiredModelVariants': []}" in message.splitlines()
    assert "+{}" in message.splitlines()


@pytest.mark.parametrize("operation", ["ListModels", "DescribeInferenceExperiment"])
def test_the_message_counts_the_calls(called, operation):
    """Without a call, or with two, the message says how often each operation was called."""
    message = failure(called.assert_called_once, operation)

    assert f"{operation} was called {'never' if operation == 'ListModels' else 'twice'}, expected once" in message
    for part in ("CreateInferenceExperiment once", "DescribeInferenceExperiment twice", "StopInferenceExperiment once"):
        assert part in message


def test_the_message_says_that_there_were_no_calls(mock):
    """If nothing was called, the message ends with "calls: none"."""
    assert failure(mock.assert_called_once, "ListModels").endswith("calls: none")


def test_a_refused_call_counts_as_a_call(mock, sagemaker):
    """A call that was answered with an error is counted, and its record has the error."""
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name=NAME)

    assert mock.assert_called_once("DescribeInferenceExperiment", Name=NAME).error.code == "ResourceNotFound"


# --- assert_not_called


def test_assert_not_called_ignores_other_operations(called):
    """The assertion holds although other operations were called."""
    called.assert_not_called("DeleteInferenceExperiment")


def test_the_message_shows_unexpected_calls(called):
    """The message has the number of calls and the params of each."""
    message = failure(called.assert_not_called, "DescribeInferenceExperiment")

    assert "DescribeInferenceExperiment was called twice, expected never" in message
    assert message.count(repr({"Name": NAME})) == 2


def test_the_message_shortens_long_params(mock):
    """Every line of a message is shorter than 250 characters."""
    mock.client().create_inference_experiment(**create(Description="x" * 1000))

    message = failure(mock.assert_not_called, "CreateInferenceExperiment")

    assert max(map(len, message.splitlines())) < 250


# --- unknown operations, calls that were not kept


@pytest.mark.parametrize("assertion", ["assert_called_once", "assert_not_called", "of"])
@pytest.mark.parametrize(
    ("operation", "message"),
    [("StopInferenceExperimet", "did you mean 'StopInferenceExperiment'"), ("ListTrainingJobs", "not an operation")],
)
def test_an_unknown_operation_is_refused(called, assertion, operation, message):
    """An assertion on an operation that the mock does not answer would always hold, so it raises ValueError."""
    with pytest.raises(ValueError, match=message):
        getattr(called.calls if assertion == "of" else called, assertion)(operation)


def test_assertions_cover_the_calls_that_are_kept(sagemaker):
    """With keep= the assertions see the same calls as `.calls`."""
    with mock_inference_experiment(keep=1) as mock:
        for _ in range(2):
            sagemaker.list_models()

        mock.assert_called_once("ListModels")


# --- copies


def unpickled(value):
    """Return a copy by pickle, as another process would get it."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own pickle


def client_without_retries():
    """Return a client that makes one attempt."""
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(
        "sagemaker", region_name="us-east-1", config=once, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


every_copy = pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, unpickled])


@every_copy
def test_an_answered_call_can_be_copied(called, make_copy):
    """A copy has the same request and answer."""
    members = ("operation", "params", "account_id", "region", "at", "error", "response", "shadow_error")
    whole = make_copy(called.calls)

    for call, copied, item in zip(called.calls, map(make_copy, called.calls), whole, strict=True):
        for member in members:
            assert getattr(copied, member) == getattr(item, member) == getattr(call, member)
    assert len(whole.of("DescribeInferenceExperiment")) == 2


@every_copy
def test_a_call_whose_answer_was_lost_can_be_copied(mock, make_copy):
    """The copy has the answer and the error that the caller got."""
    mock.fail_next("ListModels", "InternalFailure", after=True)
    with pytest.raises(ClientError):
        client_without_retries().list_models()
    (call,) = mock.calls

    (copied,) = make_copy(mock.calls)

    assert (copied.response, copied.error) == (call.response, None)
    assert (copied.lost.code, copied.lost.at) == ("InternalFailure", call.at)


@every_copy
def test_a_call_with_an_error_of_the_service_can_be_copied(mock, sagemaker, make_copy):
    """The error in the copy has the same code, message, status, members and instant."""
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name=NAME)
    (call,) = mock.calls

    (copied,) = make_copy(mock.calls)

    assert (copied.operation, copied.params, copied.at, copied.response) == (
        call.operation,
        {"Name": NAME},
        START,
        None,
    )
    assert (type(copied.error), vars(copied.error)) == (type(call.error), vars(call.error))
    assert str(copied.error) == str(call.error)


@every_copy
@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError,
        ReadTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        SSLError,
        ConnectionResetError,
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_a_call_with_an_error_of_the_connection_can_be_copied(mock, make_copy, error):
    """The error in the copy has the same class and text."""
    sagemaker = client_without_retries()
    mock.fail_next("ListModels", error)
    with pytest.raises(type(error) if isinstance(error, Exception) else error) as caught:
        sagemaker.list_models()

    copied = make_copy(mock.calls[-1]).error

    assert (type(copied), str(copied)) == (type(caught.value), str(caught.value))


@every_copy
def test_a_call_of_a_failed_model_can_be_copied(mock, sagemaker, make_copy):
    """A copy in this process has the handler's exception; another process gets the error of AWS without it."""
    sagemaker.create_endpoint_config(**endpoint_config("plain", deployed(ModelName="broken")))
    sagemaker.create_endpoint(EndpointName="plain", EndpointConfigName="plain")
    mock.serve("broken", lambda request: {}["weights"])
    runtime = mock.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError):
        runtime.invoke_endpoint(EndpointName="plain", Body=b"1")

    copied = make_copy(mock.calls[-1]).error

    assert copied.members["OriginalMessage"] == "'weights'"
    assert isinstance(copied.__cause__, KeyError) is (make_copy is not unpickled)


def test_a_deep_copy_has_params_of_its_own(called):
    """A change of its params does not change the recorded call."""
    copied = copy.deepcopy(called.calls)

    copied[0].params["ModelVariants"].clear()

    assert len(called.calls[0].params["ModelVariants"]) == 2


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_a_copy_of_the_mock_is_the_mock(mock, make_copy):
    """Django copies what setUpTestData makes, for each test: so each test has the mock that is active."""
    assert make_copy(mock) is mock
    assert make_copy({"mock": mock, "calls": mock.calls})["mock"] is mock
