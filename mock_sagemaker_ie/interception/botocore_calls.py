"""Answers the calls of botocore's, boto3's and aiobotocore's clients.

Most calls are answered at `before-call`. A call for which a fault is arranged goes on to `before-send`, so that
botocore's own retries run, and gets HTTP responses there; with `wire=True` every call does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ReadTimeoutError

from mock_sagemaker_ie.calls import ANSWERED
from mock_sagemaker_ie.interception.botocore_http import (
    HTTPResponse,
    ImmediateResponse,
    async_streaming_body,
    streaming_body,
)
from mock_sagemaker_ie.interception.botocore_streams import (
    async_event_stream,
    error_response,
    event_stream,
    stream_response,
)
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.event_stream import in_stream
from mock_sagemaker_ie.protocol.wire import (
    WireRequest,
    answer_headers,
    encode,
    error_body,
    error_headers,
    response_headers,
)
from mock_sagemaker_ie.service.faults import BrokenConnection, ReadTimeout

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator

    from botocore.model import OperationModel

    from mock_sagemaker_ie.interception.stack import ActiveMock
    from mock_sagemaker_ie.service.service import Answer
    from mock_sagemaker_ie.service.steps import Steps

# The arguments of a botocore event.
Arguments = dict[str, Any]
# An HTTP response as botocore has parsed it: the response, and its body as values.
Parsed = tuple[ImmediateResponse, dict[str, Any]]


# --- before-call


def before_call(active: ActiveMock, arguments: Arguments, *, asynchronous: bool) -> Steps[Parsed | None]:
    """Answer a call. Return None when the mock does not have the operation, or when the call uses the wire."""
    model: OperationModel = arguments["model"]
    try:
        if _uses_wire(active, model, arguments, asynchronous=asynchronous):
            return None
        answer = yield from active.service.steps(model, **_call(arguments), asynchronous=asynchronous)
    except AWSError as error:
        return _parsed_error(model, error, error.at or active.service.now())
    except BrokenConnection as broken:  # Arranged by another thread since this call began.
        raise broken.error from broken.error.__cause__
    return None if answer is None else _parsed_answer(answer, asynchronous=asynchronous)


def _uses_wire(active: ActiveMock, model: OperationModel, arguments: Arguments, *, asynchronous: bool) -> bool:
    """Return whether a call goes on to the wire: a fault waits for it there, or the mock has `wire=True`."""
    wire = active.wire and model.name in ANSWERED
    read_timeout = getattr(arguments["context"].get("client_config"), "read_timeout", None)
    if not wire and not active.service.faults.has_error(model.name, read_timeout):
        active.service.delay(model.name)
        return False
    context = arguments["context"]
    context[_CALL] = WireCall(active, model, _call(arguments), asynchronous, read_timeout)
    if not _can_sign(getattr(arguments["request_signer"], "_credentials", None)):
        # Versions of botocore that do not read this sign with the client's own, or the request stays unsigned.
        context.setdefault("signing", {})["request_credentials"] = _PlaceholderCredentials()
    return True


def _can_sign(credentials: Any) -> bool:
    """Return whether a client has credentials of its own that need not be fetched from anywhere first."""
    return credentials is not None and not hasattr(credentials, "refresh_needed")


class _PlaceholderCredentials:
    """The credentials that sign requests of a client that cannot sign, so that a test runs alike on every machine."""

    def get_frozen_credentials(self) -> _FrozenCredentials:
        """Return the keys. aiobotocore awaits them."""
        return _FrozenCredentials("testing", "testing", None)


class _FrozenCredentials(ReadOnlyCredentials):  # type: ignore[misc]  # botocore is untyped
    def __await__(self) -> Generator[Any, None, ReadOnlyCredentials]:
        return self
        yield  # Never reached; it makes this method a generator, as `await` needs.


def _read_timeout(seconds: float | None, url: str) -> ReadTimeout | None:
    """Return what a client does that waits this long for an answer; None for a client that waits for ever."""
    return None if seconds is None else ReadTimeout(seconds, ReadTimeoutError(endpoint_url=url))


# --- before-send, of calls that use the wire


class WireCall(NamedTuple):
    """A call that uses the wire. The context of its requests keeps it, under the key _CALL."""

    active: ActiveMock
    model: OperationModel
    call: dict[str, Any]
    asynchronous: bool
    read_timeout: float | None


_CALL = "mock_sagemaker_ie_call"


def call_of(request: Any) -> WireCall | None:
    """Return the call of a request, if a mock answers it on the wire."""
    call: WireCall | None = getattr(request, "context", {}).get(_CALL)
    return call


def keep_context(request: Any) -> None:
    """Let the prepared request, which `before-send` gets, have the context of this one, in old botocore too."""
    prepare = request.prepare

    def prepare_with_context() -> Any:
        prepared = prepare()
        prepared.context = request.context
        return prepared

    request.prepare = prepare_with_context


def answer_attempt(call: WireCall, url: str) -> Steps[HTTPResponse | None]:
    """Answer an attempt by an HTTP response. Return None when the mock does not have the operation."""
    try:
        _raise_fault(call, url)
        answer = yield from call.active.service.steps(call.model, **call.call, asynchronous=call.asynchronous)
    except AWSError as error:
        return _http_error(call.model, error, error.at or call.active.service.now(), url)
    except BrokenConnection as broken:
        raise broken.error from broken.error.__cause__
    return None if answer is None else _http_answer(answer, url)


def _raise_fault(call: WireCall, url: str) -> None:
    """Raise the fault that is arranged for this attempt, if there is one."""
    read_timeout = _read_timeout(call.read_timeout, url)
    error = call.active.service.take_fault(call.model, **call.call, read_timeout=read_timeout)
    if error is not None:
        raise error


# --- requests


def _call(arguments: Arguments) -> dict[str, Any]:
    """Return the arguments of `Service.answer` for those of `before-call`."""
    params = arguments["params"]
    rest = arguments["model"].service_model.metadata["protocol"] == "rest-json"
    # In JSON 1.1 the body has all members.
    headers = {name.lower(): _text(value) for name, value in params["headers"].items()} if rest else {}
    return {
        "request": WireRequest(_read(params["body"]), params["url_path"], headers),
        "region": arguments["context"]["client_region"],
        "account_id": _explicit_account(arguments["request_signer"]),
    }


def _read(body: Any) -> bytes | str:
    """Return the body of a request so that the caller cannot change it. A file keeps its position, for the signer."""
    if not hasattr(body, "read"):
        return bytes(body) if isinstance(body, bytearray) else body
    position = body.tell()
    content: bytes = body.read()
    body.seek(position)
    return content


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _explicit_account(signer: Any) -> str | None:
    """Return the account that the code gave a client together with its keys.

    The account of a profile or of the environment would make a test depend on the machine.
    """
    credentials = getattr(signer, "_credentials", None)
    return getattr(credentials, "account_id", None) if getattr(credentials, "method", None) == "explicit" else None


# --- answers, as values and as HTTP


def _parsed_answer(answer: Answer, *, asynchronous: bool) -> Parsed:
    values = answer.values
    body = None  # Nobody reads the body of a JSON answer here, so it is not encoded.
    if answer.model.has_event_stream_output:
        stream = async_event_stream if asynchronous else event_stream
        values["Body"] = stream(values["Body"], answer.model.name)
    elif answer.model.has_streaming_output:
        payload = answer.model.output_shape.serialization["payload"]
        body = values[payload]
        values[payload] = (async_streaming_body if asynchronous else streaming_body)(body)
    return _parsed(200, response_headers(answer.headers, answer.at, body), values)


def _parsed_error(model: OperationModel, error: AWSError, at: dt.datetime) -> Parsed:
    values = error_body(error, model.service_model)
    headers = response_headers(error_headers(error, model.service_model), at)
    del values["__type"]
    values.pop("message", None)  # Beside Error, botocore shows only the members of a modelled exception.
    return _parsed(error.status, headers, {"Error": {"Message": error.message, "Code": error.code}, **values})


def _parsed(status: int, headers: dict[str, str], values: dict[str, Any]) -> Parsed:
    values["ResponseMetadata"] = {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    return ImmediateResponse(status, headers), values


def _http_answer(answer: Answer, url: str) -> HTTPResponse:
    if answer.stream is not None:
        return stream_response(answer.stream, answer.model, url, response_headers(answer.headers, answer.at))
    body, headers = answer.wire
    return HTTPResponse(url, 200, response_headers(headers, answer.at, body), body)


def _http_error(model: OperationModel, error: AWSError, at: dt.datetime, url: str) -> HTTPResponse:
    if in_stream(model, error.code):
        return error_response(error, model, url, response_headers(answer_headers(model, {}), at))
    body = encode(error_body(error, model.service_model))
    headers = response_headers(error_headers(error, model.service_model), at, body)
    return HTTPResponse(url, error.status, headers, body)
