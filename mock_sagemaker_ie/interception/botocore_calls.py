"""The door for every botocore client in the process: botocore's own, boto3's and aiobotocore's.

Most calls are answered at once, at `before-call`. Those that are to meet a fault travel as far as `before-send`, so
that botocore's own retries run, and are answered there as HTTP responses.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.interception.botocore_hook import open_doors
from mock_sagemaker_ie.interception.botocore_http import (
    HTTPResponse,
    ImmediateResponse,
    async_streaming_body,
    streaming_body,
)
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import (
    WireRequest,
    encode,
    error_body,
    error_headers,
    response_headers,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection

    from botocore.model import OperationModel

    from mock_sagemaker_ie.interception.botocore_hook import Arguments
    from mock_sagemaker_ie.service.service import Answer, Service

# What botocore makes of an HTTP response: the response, and its body as values.
Parsed = tuple[ImmediateResponse, dict[str, Any]]


class BotocoreDoor:
    """While open, lets the calls of every botocore client in to `service`.

    `passthrough`: operations that are none of its business: neither answered nor refused.
    """

    def __init__(self, service: Service, passthrough: Collection[str] = ()) -> None:
        self.service = service
        self.passthrough = frozenset(passthrough)

    def open(self) -> None:
        """Begin to answer; doors that are open already are hidden behind this one."""
        open_doors.open(self)

    def close(self) -> None:
        """Answer no more. After the last door botocore's classes are exactly what they were."""
        open_doors.close(self)

    def after_fork(self) -> None:
        """Put right what a fork may have broken in the child."""
        self.service.after_fork()

    # --- calls

    def before_call(self, arguments: Arguments) -> Parsed | None:
        """What a call gets; None when it is not ours, or is to travel."""
        model: OperationModel = arguments["model"]
        try:
            if self._travels(model, arguments, asynchronous=False):
                return None
            answer = self.service.answer(model, **_call(arguments))
        except AWSError as error:
            return _refused(model, error, error.at or self.service.now())
        return None if answer is None else _accepted(answer, streaming_body)

    async def before_call_async(self, arguments: Arguments) -> Parsed | None:
        """The same for a client of aiobotocore."""
        model: OperationModel = arguments["model"]
        try:
            if self._travels(model, arguments, asynchronous=True):
                return None
            answer = await self.service.answer_async(model, **_call(arguments))
        except AWSError as error:
            return _refused(model, error, error.at or self.service.now())
        return None if answer is None else _accepted(answer, async_streaming_body)

    # --- requests on the wire, of calls that meet faults

    def _travels(self, model: OperationModel, arguments: Arguments, *, asynchronous: bool) -> bool:
        """Whether a call goes over the wire to meet a fault. Without credentials it meets the fault, raised, here."""
        _journey.set(None)
        if not self.service.faults.has_error(model.name):
            self.service.delay(model.name)
            return False
        call = _call(arguments)
        if getattr(arguments["request_signer"], "_credentials", None) is None:
            error = self.service.meet_fault(model, **call)
            if error is not None:
                raise error
            return False
        _journey.set(_Journey(self, model, call, asynchronous))
        return True

    def expects(self, operation: str) -> bool:
        """Whether a request of the operation belongs to a call that travels."""
        journey = _journey.get()
        return journey is not None and journey.door is self and journey.model.name == operation

    def before_send(self, operation: str, arguments: Arguments) -> Any:
        """What an attempt gets over the wire: a fault as long as one waits, then the answer."""
        journey = _journey.get()
        if journey is None or not self.expects(operation):
            return None
        return (self._arrive_async if journey.asynchronous else self._arrive)(journey, arguments["request"].url)

    def _arrive(self, journey: _Journey, url: str) -> HTTPResponse | None:
        model, call = journey.model, journey.call
        try:
            self._meet_fault(journey)
            answer = self.service.answer(model, **call)
        except AWSError as error:
            return _refused_on_wire(model, error, error.at or self.service.now(), url)
        return None if answer is None else _accepted_on_wire(answer, url)

    async def _arrive_async(self, journey: _Journey, url: str) -> HTTPResponse | None:
        model, call = journey.model, journey.call
        try:
            self._meet_fault(journey)
            answer = await self.service.answer_async(model, **call)
        except AWSError as error:
            return _refused_on_wire(model, error, error.at or self.service.now(), url)
        return None if answer is None else _accepted_on_wire(answer, url)

    def _meet_fault(self, journey: _Journey) -> None:
        error = self.service.meet_fault(journey.model, **journey.call)
        if error is not None:
            raise error


class _Journey(NamedTuple):
    """A call that travels; its attempts arrive one by one, in the thread or task that made it."""

    door: BotocoreDoor
    model: OperationModel
    call: dict[str, Any]
    asynchronous: bool


_journey: ContextVar[_Journey | None] = ContextVar("_journey", default=None)


def _call(arguments: Arguments) -> dict[str, Any]:
    """The arguments of `before-call` as those of `service.answer`."""
    params = arguments["params"]
    rest = arguments["model"].service_model.metadata["protocol"] == "rest-json"
    # In JSON 1.1 all members are in the body.
    headers = {name.lower(): _text(value) for name, value in params["headers"].items()} if rest else {}
    return {
        "request": WireRequest(_read(params["body"]), params["url_path"], headers),
        "region": arguments["context"]["client_region"],
        "account_id": _explicit_account(arguments["request_signer"]),
    }


def _read(body: Any) -> bytes | str:
    """A request's body, which the caller cannot change; a file is left where it was, for whoever signs it."""
    if not hasattr(body, "read"):
        return bytes(body) if isinstance(body, bytearray) else body
    position = body.tell()
    content: bytes = body.read()
    body.seek(position)
    return content


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _explicit_account(signer: Any) -> str | None:
    """The account that a client was explicitly given with its keys.

    A profile's or the environment's would make a test depend on the machine it runs on.
    """
    credentials = getattr(signer, "_credentials", None)
    return getattr(credentials, "account_id", None) if getattr(credentials, "method", None) == "explicit" else None


# --- answers, as values and as HTTP


def _accepted(answer: Answer, stream: Callable[[bytes], Any]) -> Parsed:
    body, headers = answer.wire
    values = answer.values
    if answer.model.has_streaming_output:
        values[answer.model.output_shape.serialization["payload"]] = stream(body)
    return _parsed(200, response_headers(headers, body, answer.at), values)


def _refused(model: OperationModel, error: AWSError, at: dt.datetime) -> Parsed:
    values = error_body(error, model.service_model)
    headers = response_headers(error_headers(error, model.service_model), encode(values), at)
    del values["__type"]
    values.pop("message", None)  # Only a modelled exception's own members stand beside Error.
    return _parsed(error.status, headers, {"Error": {"Message": error.message, "Code": error.code}, **values})


def _parsed(status: int, headers: dict[str, str], values: dict[str, Any]) -> Parsed:
    metadata = {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    values["ResponseMetadata"] = metadata
    return ImmediateResponse(status, headers), values


def _accepted_on_wire(answer: Answer, url: str) -> HTTPResponse:
    body, headers = answer.wire
    return HTTPResponse(url, 200, response_headers(headers, body, answer.at), body)


def _refused_on_wire(model: OperationModel, error: AWSError, at: dt.datetime, url: str) -> HTTPResponse:
    body = encode(error_body(error, model.service_model))
    headers = response_headers(error_headers(error, model.service_model), body, at)
    return HTTPResponse(url, error.status, headers, body)
