"""InvokeEndpoint: the request, the answer, and the errors."""

from __future__ import annotations

import copy
import io
import json

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from mock_sagemaker_ie import HandlerError, ModelRequest, ModelResponse
from tests.requests import ENDPOINT, PRODUCTION, model
from tests.traffic.shared import create_endpoint, invoke

MODEL = "model-prod"
MAX_BODY_LENGTH = 26_214_400  # Bytes: 25 MB, AWS's limit for the body of a real-time invocation.


# --- answers


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        (b"0.7", b"0.7"),
        (bytearray(b"0.7"), b"0.7"),
        (memoryview(b"0.7"), b"0.7"),
        ("häfte", "häfte".encode()),
        ("", b""),
        ({"score": 0.7}, b'{"score": 0.7}'),
        ([1, None], b"[1, null]"),
        (0, b"0"),
    ],
    ids=["bytes", "bytearray", "memoryview", "str", "empty str", "dict", "list", "int"],
)
def test_the_return_value_of_a_handler_is_the_body(mock, endpoint, runtime, returned, body):
    """A handler returns bytes, a str, or a value that JSON can represent."""
    mock.serve(MODEL, lambda request: returned)

    assert invoke(runtime)["Body"] == body


@pytest.mark.parametrize(
    ("returned", "sent", "content_type"),
    [
        ("0.7", {}, None),
        ("0.7", {"ContentType": "text/csv"}, "text/csv"),
        ("0.7", {"ContentType": "text/csv", "Accept": "*/*"}, "text/csv"),
        ("0.7", {"ContentType": "text/csv", "Accept": "text/plain"}, "text/plain"),
        ([0.7], {"ContentType": "text/csv", "Accept": "text/plain"}, "application/json"),
        (ModelResponse([0.7], content_type="application/jsonlines"), {"Accept": "*/*"}, "application/jsonlines"),
    ],
    ids=["none", "ContentType", "Accept any", "Accept", "JSON value", "handler"],
)
@pytest.mark.usefixtures("endpoint")
def test_an_answer_has_a_content_type(mock, runtime, returned, sent, content_type):
    """The content type is the handler's, else JSON's for a JSON value, else the one that the caller accepts or sent."""
    mock.serve(MODEL, lambda request: returned)

    answer = invoke(runtime, **sent)

    assert answer.get("ContentType") == content_type
    assert answer["ResponseMetadata"]["HTTPHeaders"].get("content-type") == content_type


def test_a_model_without_a_handler_returns_the_request(endpoint, runtime):
    """The answer has the body and the content type of the request."""
    answer = invoke(runtime, b"\x00\xff", ContentType="application/x-image")

    assert (answer["Body"], answer["ContentType"]) == (b"\x00\xff", "application/x-image")


def test_the_last_registered_handler_answers(mock, endpoint, runtime):
    """A handler can be replaced while the endpoint is in service."""
    mock.serve(MODEL, lambda request: b"old")
    mock.serve(MODEL, lambda request: b"new")

    assert invoke(runtime)["Body"] == b"new"


def test_a_handler_must_be_callable(mock):
    """`mock.serve` raises a TypeError for a handler that is not callable."""
    with pytest.raises(TypeError, match=r"handler=b'0\.7'"):
        mock.serve(MODEL, b"0.7")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {
            "ContentType": "text/csv",
            "Accept": "application/json",
            "CustomAttributes": "trace=7",
            "InferenceId": "request-7",
            "TargetModel": "tenant-7.tar.gz",
        },
    ],
    ids=["only the body", "all members"],
)
def test_a_handler_gets_the_whole_request(mock, sagemaker, runtime, members):
    """A ModelRequest is the body as bytes, with the other members of InvokeEndpoint, the endpoint and the variant."""
    sagemaker.create_model(**model(MODEL, mode="MultiModel"))
    create_endpoint(sagemaker)
    requests = []
    mock.serve(MODEL, lambda request: requests.append(request) or b"")

    invoke(runtime, b"1,2,3", **members)

    (request,) = requests
    assert isinstance(request, ModelRequest)
    assert request == request.body == b"1,2,3"
    assert (request.endpoint, request.variant) == (ENDPOINT, PRODUCTION)
    assert {
        "ContentType": request.content_type,
        "Accept": request.accept,
        "CustomAttributes": request.custom_attributes,
        "InferenceId": request.inference_id,
        "TargetModel": request.target_model,
    } == dict.fromkeys(("ContentType", "Accept", "CustomAttributes", "InferenceId", "TargetModel")) | members


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_a_request_can_be_copied(mock, endpoint, runtime, make_copy):
    """A copy, which another process may get too, has the same body and attributes."""
    requests = []
    mock.serve(MODEL, lambda request: requests.extend([request, make_copy(request)]) or b"")

    invoke(runtime, ContentType="text/csv")

    original, copied = requests
    assert (copied, vars(copied)) == (original, vars(original))


def test_an_answer_has_the_custom_attributes_of_the_model(mock, endpoint, runtime):
    """The custom attributes of the request are not in the answer."""
    mock.serve(MODEL, lambda request: ModelResponse(b"", custom_attributes="model=7"))

    assert invoke(runtime, CustomAttributes="trace=7")["CustomAttributes"] == "model=7"

    mock.serve(MODEL, lambda request: b"")
    assert "CustomAttributes" not in invoke(runtime, CustomAttributes="trace=7")


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda body: body.read(), b"1\n2\n3\n"),
        (lambda body: [body.read(amt=4), body.read()], [b"1\n2\n", b"3\n"]),
        (lambda body: list(body.iter_lines()), [b"1", b"2", b"3"]),
        (lambda body: list(body.iter_chunks(4)), [b"1\n2\n", b"3\n"]),
        (list, [b"1\n2\n3\n"]),
        (lambda body: [json.loads(line) for line in body.iter_lines()], [1, 2, 3]),
    ],
    ids=["read", "read in parts", "iter_lines", "iter_chunks", "for loop", "JSON lines"],
)
def test_the_body_is_a_botocore_stream(mock, endpoint, runtime, read, expected):
    """The body is botocore's own StreamingBody, and every way to read it works."""
    mock.serve(MODEL, lambda request: "1\n2\n3\n")

    body = runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")["Body"]

    assert isinstance(body, StreamingBody)
    assert read(body) == expected
    assert body.read() == b""


# --- requests


@pytest.mark.parametrize("convert", [bytes, bytearray, bytes.decode, io.BytesIO])
def test_the_model_gets_bytes_for_every_type_of_body(endpoint, runtime, convert):
    """The client accepts bytes, bytearray, str and files; the model gets bytes."""
    assert invoke(runtime, convert(b"1,2,3"))["Body"] == b"1,2,3"


def test_a_file_is_sent_from_its_current_position(endpoint, runtime, tmp_path):
    """A header line that was already read is not sent."""
    (tmp_path / "features.csv").write_bytes(b"a,b,c\n1,2,3")

    with (tmp_path / "features.csv").open("rb") as file:
        file.readline()

        assert invoke(runtime, file)["Body"] == b"1,2,3"


def test_a_recorded_request_does_not_change(mock, endpoint, runtime):
    """A caller may reuse its buffer after the call."""
    buffer = bytearray(b"1,2,3")
    invoke(runtime, buffer)

    buffer[:] = b"4,5,6"

    assert mock.calls[-1].params["Body"] == b"1,2,3"


def test_a_body_can_have_25_megabytes(mock, endpoint, runtime):
    """25 MB is AWS's limit for a real-time invocation; the limit in the service model is outdated."""
    mock.serve(MODEL, lambda request: str(len(request)))

    assert invoke(runtime, bytes(MAX_BODY_LENGTH))["Body"] == str(MAX_BODY_LENGTH).encode()


@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")
def test_a_body_above_25_megabytes_raises_validation_error(mock, endpoint, runtime):
    """A request with one byte more does not reach the model."""
    mock.serve(MODEL, lambda request: pytest.fail("the model was called"))

    with pytest.raises(runtime.exceptions.ValidationError, match=str(MAX_BODY_LENGTH)):
        invoke(runtime, io.BytesIO(bytes(MAX_BODY_LENGTH + 1)))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("EndpointName", "not/a/name"),
        ("EndpointName", "e" * 64),
        ("TargetVariant", "not a name"),
        ("InferenceId", "i" * 65),
        ("CustomAttributes", "é"),
        ("CustomAttributes", "c" * 1025),
    ],
    ids=["name pattern", "name length", "variant pattern", "ID length", "attributes pattern", "attributes length"],
)
def test_the_service_validates_constraints_that_the_client_does_not_check(mock, endpoint, runtime, member, value):
    """The runtime's error code is ValidationError, and the call is recorded with its error."""
    with pytest.raises(runtime.exceptions.ValidationError):
        runtime.invoke_endpoint(**{"EndpointName": ENDPOINT, "Body": b"", member: value})

    assert mock.calls[-1].error.code == "ValidationError"


def test_a_sensitive_value_is_not_in_the_error_message(endpoint, runtime):
    """As on AWS, a message does not show a value that the service model marks as sensitive."""
    assert runtime.meta.service_model.shape_for("CustomAttributesHeader").metadata["sensitive"]

    with pytest.raises(runtime.exceptions.ValidationError, match="customAttributes") as caught:
        invoke(runtime, CustomAttributes="gehéim")

    assert "gehéim" not in str(caught.value)


# --- failing models and wrong handlers


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("no such feature"), "no such feature"), (KeyError(), "KeyError")],
    ids=["with text", "without text"],
)
def test_an_exception_of_a_handler_is_a_model_error(mock, endpoint, runtime, error, message):
    """The ModelError has all members that AWS defines, with the text of the exception as OriginalMessage."""

    def handler(request):
        raise error

    mock.serve(MODEL, handler)

    with pytest.raises(runtime.exceptions.ModelError, match=message) as caught:
        invoke(runtime)

    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 500
    assert response["OriginalMessage"] == message
    group = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/{ENDPOINT}"
    assert response["LogStreamArn"].startswith(group)
    members = runtime.meta.service_model.shape_for("ModelError").members
    assert response.keys() - {"Error", "ResponseMetadata"} == members.keys()


INVALID_RETURN_VALUES = {
    "None": None,
    "object": object(),
    "set": {1, 2},
    "bytes in JSON": {"score": b"0.7"},
    "NaN": float("nan"),
    "response with None": ModelResponse(None),
    "content type of a wrong type": ModelResponse(b"", content_type=7),
    "custom attributes of a wrong type": ModelResponse(b"", custom_attributes=b"model=7"),
    "latency of a wrong type": ModelResponse(b"", latency="slow"),
    "negative latency": ModelResponse(b"", latency=-1),
    "latency NaN": ModelResponse(b"", latency=float("nan")),
    "latency too large": ModelResponse(b"", latency=1e300),
    "status of a wrong type": ModelResponse(b"", status="400"),
    "content type not allowed in a header": ModelResponse(b"", content_type="\ud800"),
    "custom attributes not allowed in a header": ModelResponse(b"", custom_attributes="a\nb"),
}


@pytest.mark.parametrize("returned", INVALID_RETURN_VALUES.values(), ids=INVALID_RETURN_VALUES.keys())
def test_an_invalid_return_value_of_a_handler_raises_handler_error(mock, endpoint, runtime, returned):
    """It is a bug of the test and no error of a model; the HandlerError names the model and the handler."""

    def predict(request):
        return returned

    mock.serve(MODEL, predict)

    with pytest.raises(HandlerError, match=rf"{MODEL}.*predict"):
        invoke(runtime)


def test_an_endpoint_answers_after_a_model_error(mock, endpoint, runtime):
    """A handler raises for the first invocation and answers the second."""
    answers = iter([RuntimeError("out of memory"), b"0.7"])

    def handler(request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    mock.serve(MODEL, handler)
    with pytest.raises(ClientError):
        invoke(runtime)

    assert invoke(runtime)["Body"] == b"0.7"


# --- recorded calls


def test_an_invocation_is_recorded_with_its_request_and_answer(mock, endpoint, runtime):
    """The recorded call has both bodies as bytes."""
    invoke(runtime, b"1,2,3", ContentType="text/csv")

    call = mock.calls[-1]
    assert call.operation == "InvokeEndpoint"
    assert call.params == {"EndpointName": ENDPOINT, "Body": b"1,2,3", "ContentType": "text/csv"}
    assert call.response == {"Body": b"1,2,3", "ContentType": "text/csv", "InvokedProductionVariant": PRODUCTION}
