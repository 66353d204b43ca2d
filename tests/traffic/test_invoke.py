"""InvokeEndpoint as its caller sees it: what is sent, what is answered and what is refused."""

from __future__ import annotations

import copy
import io
import json

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from mock_sagemaker_ie import HandlerError, ModelRequest, ModelResponse
from tests.requests import ENDPOINT, PRODUCTION
from tests.traffic.shared import invoke

MODEL = "model-prod"
LIMIT = 26_214_400  # 25 MB, AWS's limit for the body of a real-time invocation.


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
)
def test_a_handler_answers_for_its_model(mock, endpoint, runtime, returned, body):
    """It returns bytes, a str, or anything that JSON can say."""
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
)
@pytest.mark.usefixtures("endpoint")
def test_an_answer_has_a_content_type(mock, runtime, returned, sent, content_type):
    """It is what the handler says, JSON's for what became JSON, or else what the caller accepts or sent."""
    mock.serve(MODEL, lambda request: returned)

    answer = invoke(runtime, **sent)

    assert answer.get("ContentType") == content_type
    assert answer["ResponseMetadata"]["HTTPHeaders"].get("content-type") == content_type


def test_a_model_that_nobody_serves_echoes(endpoint, runtime):
    """What was asked comes back, as it came."""
    answer = invoke(runtime, b"\x00\xff", ContentType="application/x-image")

    assert (answer["Body"], answer["ContentType"]) == (b"\x00\xff", "application/x-image")


def test_the_handler_served_last_answers(mock, endpoint, runtime):
    """A model can be replaced while the endpoint is in service."""
    mock.serve(MODEL, lambda request: b"old")
    mock.serve(MODEL, lambda request: b"new")

    assert invoke(runtime)["Body"] == b"new"


def test_only_what_can_be_called_is_served(mock):
    """A handler that is none is refused where it is given."""
    with pytest.raises(TypeError, match=r"handler=b'0\.7'"):
        mock.serve(MODEL, b"0.7")


@pytest.mark.parametrize(
    "given",
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
    ids=["the body alone", "everything"],
)
def test_a_handler_is_given_the_whole_request(mock, endpoint, runtime, given):
    """The request is the body as bytes, and knows what InvokeEndpoint said beside it and whom it came to."""
    requests = []
    mock.serve(MODEL, lambda request: requests.append(request) or b"")

    invoke(runtime, b"1,2,3", **given)

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
    } == dict.fromkeys(("ContentType", "Accept", "CustomAttributes", "InferenceId", "TargetModel")) | given


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_request_can_be_copied(mock, endpoint, runtime, copied):
    """The copy, which another process may get too, is as good as the original."""
    requests = []
    mock.serve(MODEL, lambda request: requests.extend([request, copied(request)]) or b"")

    invoke(runtime, ContentType="text/csv")

    original, twin = requests
    assert (twin, vars(twin)) == (original, vars(original))


def test_a_model_answers_with_custom_attributes(mock, endpoint, runtime):
    """They are the model's own, not an echo of the caller's."""
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
    ids=["read", "read in parts", "iter_lines", "iter_chunks", "iterated", "as JSON lines"],
)
def test_the_body_is_a_stream(mock, endpoint, runtime, read, expected):
    """It is botocore's own StreamingBody, read in any of the ways there are."""
    mock.serve(MODEL, lambda request: "1\n2\n3\n")

    body = runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")["Body"]

    assert isinstance(body, StreamingBody)
    assert read(body) == expected
    assert body.read() == b""


# --- what is sent


@pytest.mark.parametrize("send", [bytes, bytearray, bytes.decode, io.BytesIO])
def test_a_body_may_be_of_any_kind(endpoint, runtime, send):
    """Whatever the client takes, the model gets bytes."""
    assert invoke(runtime, send(b"1,2,3"))["Body"] == b"1,2,3"


def test_a_file_is_sent_from_where_it_stands(endpoint, runtime, tmp_path):
    """A header that has been read already is not sent again."""
    (tmp_path / "features.csv").write_bytes(b"a,b,c\n1,2,3")

    with (tmp_path / "features.csv").open("rb") as file:
        file.readline()

        assert invoke(runtime, file)["Body"] == b"1,2,3"


def test_the_recorded_request_stays_as_it_was_sent(mock, endpoint, runtime):
    """A caller may use its buffer again."""
    buffer = bytearray(b"1,2,3")
    invoke(runtime, buffer)

    buffer[:] = b"4,5,6"

    assert mock.calls[-1].params["Body"] == b"1,2,3"


def test_a_body_may_have_25_megabytes(mock, endpoint, runtime):
    """That is the limit of a real-time invocation; the service model's own is older."""
    mock.serve(MODEL, lambda request: str(len(request)))

    assert invoke(runtime, bytes(LIMIT))["Body"] == str(LIMIT).encode()


def test_a_body_of_one_byte_more_is_refused(mock, endpoint, runtime):
    """No model sees it."""
    mock.serve(MODEL, lambda request: pytest.fail("the model was asked"))

    with pytest.raises(runtime.exceptions.ValidationError, match=str(LIMIT)):
        invoke(runtime, io.BytesIO(bytes(LIMIT + 1)))


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
)
def test_the_service_validates_what_the_client_lets_pass(mock, endpoint, runtime, member, value):
    """The runtime's code for it is ValidationError, and the call is recorded with its error."""
    with pytest.raises(runtime.exceptions.ValidationError):
        runtime.invoke_endpoint(**{"EndpointName": ENDPOINT, "Body": b"", member: value})

    assert mock.calls[-1].error.code == "ValidationError"


def test_a_sensitive_value_is_not_repeated(endpoint, runtime):
    """What the service model marks as sensitive is not shown in a message, as AWS does not show it."""
    assert runtime.meta.service_model.shape_for("CustomAttributesHeader").metadata["sensitive"]

    with pytest.raises(runtime.exceptions.ValidationError, match="customAttributes") as caught:
        invoke(runtime, CustomAttributes="gehéim")

    assert "gehéim" not in str(caught.value)


# --- models that fail, handlers that are wrong


@pytest.mark.parametrize(
    ("error", "message"), [(ValueError("no such feature"), "no such feature"), (KeyError(), "KeyError")]
)
def test_a_model_that_raises_is_a_model_error(mock, endpoint, runtime, error, message):
    """The error has the members that AWS gives it, and says what the model said."""

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


NONSENSE = {
    "nothing": None,
    "an object": object(),
    "a set": {1, 2},
    "bytes within JSON": {"score": b"0.7"},
    "no number that JSON has": float("nan"),
    "a response of nothing": ModelResponse(None),
    "no content type": ModelResponse(b"", content_type=7),
    "no custom attributes": ModelResponse(b"", custom_attributes=b"model=7"),
    "no latency": ModelResponse(b"", latency="slow"),
    "a latency below nothing": ModelResponse(b"", latency=-1),
    "a latency that is no number": ModelResponse(b"", latency=float("nan")),
    "a latency beyond all time": ModelResponse(b"", latency=1e300),
    "a content type that no header can have": ModelResponse(b"", content_type="\ud800"),
    "custom attributes that no header can have": ModelResponse(b"", custom_attributes="a\nb"),
}


@pytest.mark.parametrize("returned", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_handler_that_returns_nonsense_is_told_so(mock, endpoint, runtime, returned):
    """That is a mistake of the test, not of a model: an error that names the model and the handler."""

    def predict(request):
        return returned

    mock.serve(MODEL, predict)

    with pytest.raises(HandlerError, match=rf"{MODEL}.*predict"):
        invoke(runtime)


def test_a_failure_to_answer_leaves_the_endpoint_as_it_was(mock, endpoint, runtime):
    """The next request is answered."""
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


# --- what is recorded


def test_calls_are_recorded_with_what_was_said(mock, endpoint, runtime):
    """An invocation is a call as any other, its bodies as bytes."""
    invoke(runtime, b"1,2,3", ContentType="text/csv")

    call = mock.calls[-1]
    assert call.operation == "InvokeEndpoint"
    assert call.params == {"EndpointName": ENDPOINT, "Body": b"1,2,3", "ContentType": "text/csv"}
    assert call.response == {"Body": b"1,2,3", "ContentType": "text/csv", "InvokedProductionVariant": PRODUCTION}
