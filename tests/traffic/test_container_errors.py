"""Errors of models: what the caller gets, and what the recorded call, the metrics and the captures have."""

from __future__ import annotations

import traceback

import pytest
import requests

from mock_sagemaker_ie import HandlerError, ModelResponse, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.traffic.shared import create_endpoint, create_experiment, data_capture, invoke, metric_sums

MODEL, SHADOW_MODEL = f"model-{PRODUCTION}", f"model-{SHADOW}"
ERROR_METRICS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
SEE = (
    "See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/"
    f"Endpoints/{ENDPOINT} in account 123456789012 for more information."
)
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each"
    " container in Amazon CloudWatch, resolve the issue, and try again."
)


class WithoutText(Exception):  # noqa: N818 - it has an error of its own
    """An exception that cannot be shown."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class WithoutRepr:
    """An object that cannot be shown."""

    def __repr__(self):
        raise RuntimeError("no repr")


def raise_key_error(request):
    raise KeyError("weights")


def raise_without_text(request):
    raise WithoutText


def model_error(runtime, **members):
    """Invoke the endpoint, which must fail with a ModelError, and return the response of the error."""
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(runtime, **members)
    return caught.value.response


# --- the status of the container


@pytest.mark.parametrize(
    ("status", "body", "text", "message"),
    [
        (400, "bad request", "client error (400)", "bad request"),
        (422, {"detail": "no text"}, "client error (422)", '{"detail": "no text"}'),
        (499, b"", "client error (499)", ""),
        (500, b"out of memory", "server error (500)", "out of memory"),
        (503, b"\xff", "server error (503)", "\ufffd"),
        (0, "", "server error (0)", TIMED_OUT),
    ],
)
def test_a_handler_can_answer_with_an_error_of_its_container(mock, endpoint, runtime, status, body, text, message):  # noqa: PLR0917
    """The caller gets a ModelError with the status and the body of the container, in AWS's words."""
    mock.serve(MODEL, lambda request: ModelResponse(body, status=status))

    response = model_error(runtime)

    assert response["Error"]["Message"] == f'Received {text} from primary with message "{message}". {SEE}'
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, message)
    assert mock.calls[-1].error.members["OriginalStatusCode"] == status


@pytest.mark.parametrize(
    ("status", "counts"), [(200, (0, 0, 0)), (400, (1, 0, 1)), (499, (1, 0, 1)), (500, (0, 1, 1)), (0, (0, 0, 1))]
)
@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_the_status_of_a_container_is_counted(mock, experiment, runtime, variant, status, counts):  # noqa: PLR0917
    """A 4xx is no 5xx error, and a container that does not answer is an error of the model only."""
    mock.serve(f"model-{variant}", lambda request: ModelResponse("", status=status))

    try:
        invoke(runtime)
    except runtime.exceptions.ModelError:
        assert variant == PRODUCTION

    assert tuple(metric_sums(mock, metric)[variant] for metric in ERROR_METRICS) == counts


def test_an_error_of_a_container_is_not_captured(mock, sagemaker, runtime):
    """It is the same as for an exception of a handler."""
    create_endpoint(sagemaker, **data_capture())
    mock.serve(MODEL, lambda request: ModelResponse("bad request", status=400))

    model_error(runtime)

    assert mock.captures == ()


@pytest.mark.parametrize("status", [404.0, "400", None, False, True, -1, 100, 204, 302, 399, 600, 10**8])
def test_a_wrong_status_is_an_error_of_the_handler(mock, endpoint, runtime, status):
    """The HandlerError has the status and the statuses that are possible."""
    mock.serve(MODEL, lambda request: ModelResponse("", status=status))

    with pytest.raises(HandlerError, match=f"status={status!r}: expected 200, .* 400 to 599, or 0"):
        invoke(runtime)


def test_a_caller_that_uses_requests_gets_the_status_of_the_container(mock, endpoint):
    """The error is the same on every way to the mock."""
    mock.serve(MODEL, lambda request: ModelResponse("bad request", status=400))

    answer = requests.post(
        f"https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/{ENDPOINT}/invocations", data=b"1", timeout=5
    )

    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert answer.json()["OriginalStatusCode"] == 400


# --- the exception of a handler


def test_the_exception_of_a_handler_is_the_cause_of_the_recorded_error(mock, endpoint, runtime):
    """It has its traceback; the caller sees the ModelError of AWS."""
    mock.serve(MODEL, raise_key_error)

    assert model_error(runtime)["OriginalMessage"] == "'weights'"

    error = mock.calls[-1].error
    assert (error.code, repr(error.__cause__)) == ("ModelError", "KeyError('weights')")
    assert traceback.extract_tb(error.__cause__.__traceback__)[-1].name == "raise_key_error"


def test_the_exception_of_a_shadow_is_recorded_too(mock, experiment, runtime):
    """The caller does not see it."""
    mock.serve(SHADOW_MODEL, raise_key_error)

    assert invoke(runtime)["Body"] == b"1,2,3"

    call = mock.calls[-1]
    assert (call.error, call.shadow_error.code) == (None, "ModelError")
    assert repr(call.shadow_error.__cause__) == "KeyError('weights')"


def test_both_variants_can_fail(mock, experiment, runtime):
    """Each error has its own cause."""
    mock.serve(MODEL, raise_key_error)
    mock.serve(SHADOW_MODEL, lambda request: ModelResponse("bad request", status=400))

    model_error(runtime)

    call = mock.calls[-1]
    assert (type(call.error.__cause__), call.shadow_error.__cause__) == (KeyError, None)
    assert call.shadow_error.members["OriginalStatusCode"] == 400


def test_a_call_without_a_failing_shadow_has_no_shadow_error(mock, experiment, runtime):
    """Neither an answered nor a refused call has one."""
    invoke(runtime)
    with pytest.raises(runtime.exceptions.ValidationError):
        invoke(runtime, endpoint="missing")

    assert [call.shadow_error for call in mock.calls] == [None] * len(mock.calls)


@pytest.mark.filterwarnings("error::mock_sagemaker_ie.HandlerWarning")
def test_a_call_is_recorded_although_the_warning_of_its_shadow_is_an_error(mock, sagemaker, runtime):
    """The recorded call has the HandlerError as the cause."""
    create_experiment(sagemaker)
    mock.serve(SHADOW_MODEL, lambda request: None)

    with pytest.raises(Warning, match="in the shadow"):
        invoke(runtime)

    assert isinstance(mock.calls[-1].shadow_error.__cause__, HandlerError)


# --- exceptions and values that cannot be shown


@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_an_exception_without_text_is_an_error_of_the_model(mock, experiment, runtime, variant):
    """The message is the name of its class."""
    mock.serve(f"model-{variant}", raise_without_text)

    if variant == PRODUCTION:
        assert model_error(runtime)["OriginalMessage"] == "WithoutText"
    else:
        invoke(runtime)

    assert metric_sums(mock, "InvocationModelErrors")[variant] == 1


def test_a_value_without_repr_is_an_error_of_the_handler(mock, endpoint, runtime):
    """The HandlerError names its class."""
    mock.serve(MODEL, lambda request: WithoutRepr())

    with pytest.raises(HandlerError, match="returned WithoutRepr: expected bytes"):
        invoke(runtime)


def test_an_unused_fault_without_repr_is_reported():
    """The warning at the end names its class."""
    with pytest.warns(match="WithoutText for ListModels"), mock_inference_experiment() as mock:
        mock.fail_next("ListModels", WithoutText())
