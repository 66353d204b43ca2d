"""The door for every botocore client in the process: botocore's own, boto3's and aiobotocore's.

Each client's `meta.events` is an EventAliaser, so while a door is open two methods of that class are wrapped.
`before-call` comes once per call, before credentials, signing and sockets: what it gives is the call's answer.
`before-send` is where an unanswered call would leave the process: there it is refused.
"""

from __future__ import annotations

import functools
import inspect
import io
import threading
import uuid
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError
from botocore.hooks import EventAliaser
from botocore.response import StreamingBody

from mock_sagemaker_ie.doors.async_body import async_body
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import WireRequest, encode, error_body, error_headers, write_answer

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Collection

    from botocore.model import OperationModel

    from mock_sagemaker_ie.service import Answer, Service

# The service ids, as botocore writes them in events, whose calls never leave the process.
SERVICES = ("sagemaker", "sagemaker-runtime")

Parsed = dict[str, Any]


class UnansweredCallError(RuntimeError):
    """A SageMaker call was made while the mock is active, and nobody answered it."""


class BotocoreDoor:
    """While open, lets the calls of every botocore client in to `service`.

    `passthrough`: operations that are none of its business: neither answered nor refused.
    """

    def __init__(self, service: Service, passthrough: Collection[str] = ()) -> None:
        self.service = service
        self.passthrough = frozenset(passthrough)

    def open(self) -> None:
        """Begin to answer; doors that are open already are hidden behind this one."""
        global _open  # noqa: PLW0603 - botocore's classes are global, so what is wrapped around them is too
        with _switching:
            if not _open:
                _wrapping.start()
            _open = (*_open, self)

    def close(self) -> None:
        """Answer no more. After the last door botocore's classes are exactly what they were."""
        global _open  # noqa: PLW0603
        with _switching:
            _open = tuple(door for door in _open if door is not self)
            if not _open:
                _wrapping.stop()

    def answer(self, model: OperationModel, arguments: dict[str, Any]) -> tuple[AWSResponse, Parsed] | None:
        """What a call gets, given the arguments of its `before-call`; None when it is not ours."""
        try:
            answer = self.service.answer(model, **_call(arguments))
        except AWSError as error:
            return self._refusal(model, error)
        return None if answer is None else _accepted(model, answer, StreamingBody)

    async def answer_async(self, model: OperationModel, arguments: dict[str, Any]) -> tuple[AWSResponse, Parsed] | None:
        """The same for a client of aiobotocore."""
        try:
            answer = await self.service.answer_async(model, **_call(arguments))
        except AWSError as error:
            return self._refusal(model, error)
        return None if answer is None else _accepted(model, answer, async_body)

    def _refusal(self, model: OperationModel, error: AWSError) -> tuple[AWSResponse, Parsed]:
        body = error_body(error, model.service_model)
        headers = error_headers(error, model.service_model)
        values = {"Error": {"Message": error.message, "Code": error.code}, **error.members}
        if "Message" in body:  # A modelled exception's own members stand beside Error.
            values["Message"] = error.message
        return _response(error.status, encode(body), headers, values, self.service.now())


def _call(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `before-call` as those of `service.answer`."""
    params = arguments["params"]
    body = params["body"]
    headers = {name.lower(): _text(value) for name, value in params["headers"].items()}
    return {
        "request": WireRequest(body.read() if hasattr(body, "read") else body, params["url_path"], headers),
        "region": arguments["context"]["client_region"],
        "account_id": _explicit_account(arguments["request_signer"]),
    }


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


# The open doors, the innermost last. Replaced, never changed, so that any thread may look at it.
_open: tuple[BotocoreDoor, ...] = ()
_switching = threading.Lock()


class _Event(NamedTuple):
    """`before-call.sagemaker.ListModels` in its parts."""

    kind: str
    service: str
    operation: str


def _our_event(name: str) -> tuple[_Event, BotocoreDoor] | None:
    """The event and the door it concerns, None for most of botocore's events."""
    if ".sagemaker" not in name:
        return None
    parts = name.split(".")
    doors = _open
    if len(parts) != 3 or parts[1] not in SERVICES or not doors or parts[2] in doors[-1].passthrough:  # noqa: PLR2004
        return None
    return _Event(*parts), doors[-1]


class _Wrapping:
    """Wraps EventAliaser's methods. The originals run first, so a user's Stubber or handler still wins."""

    def start(self) -> None:
        self._originals = EventAliaser.emit_until_response, EventAliaser.emit
        original_until_response, original_emit = self._originals

        def emit_until_response(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            result = original_until_response(aliaser, event_name, **arguments)
            ours = _our_event(event_name)
            if ours is None or ours[0].kind != "before-call":
                return result
            door = ours[1]
            if inspect.isawaitable(result):
                return _answered(door, result, arguments)
            return result if result[1] is not None else (door, door.answer(arguments["model"], arguments))

        def emit(aliaser: EventAliaser, event_name: str, **arguments: Any) -> Any:
            ours = _our_event(event_name)
            if ours is None or ours[0].kind not in ("before-send", "request-created"):
                return original_emit(aliaser, event_name, **arguments)
            event = ours[0]
            if event.kind == "before-send":
                return _then(original_emit(aliaser, event_name, **arguments), functools.partial(_guard, event))
            try:
                return _then(original_emit(aliaser, event_name, **arguments), lambda responses: responses, event)
            except BotoCoreError as error:
                # Signing comes before sending, and advice to find credentials or to log in would mislead.
                raise _unanswered(event) from error

        self._wrappers = emit_until_response, emit
        EventAliaser.emit_until_response, EventAliaser.emit = self._wrappers

    def stop(self) -> None:
        for name, original, wrapper in zip(
            ("emit_until_response", "emit"), self._originals, self._wrappers, strict=True
        ):
            # Whoever wrapped it after us keeps what they have; with no door open our wrapper does nothing.
            if vars(EventAliaser)[name] is wrapper:
                setattr(EventAliaser, name, original)


_wrapping = _Wrapping()


async def _answered(door: BotocoreDoor, result: Awaitable[Any], arguments: dict[str, Any]) -> tuple[Any, Any]:
    """What aiobotocore's emitter gave if it is an answer, else the door's."""
    response: tuple[Any, Any] = await result
    return response if response[1] is not None else (door, await door.answer_async(arguments["model"], arguments))


def _then(result: Any, finish: Callable[[Any], Any], signing: _Event | None = None) -> Any:
    """`finish(result)`, or an awaitable of it when aiobotocore's emitter gave an awaitable.

    `signing`: the event, when what fails before `finish` is the signing of a request.
    """
    if not inspect.isawaitable(result):
        return finish(result)

    async def awaited() -> Any:
        try:
            value = await result
        except BotoCoreError as error:
            if signing is None:
                raise
            raise _unanswered(signing) from error
        return finish(value)

    return awaited()


def _guard(event: _Event, responses: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The responses of a request's handlers. Raises UnansweredCallError when none answered it."""
    if all(response is None for _, response in responses):
        raise _unanswered(event)
    return responses


def _unanswered(event: _Event) -> UnansweredCallError:
    return UnansweredCallError(
        f"{event.operation} ({event.service}) was called while mock_inference_experiment is active, and nobody "
        "answered it; it was not sent to AWS. The mock answers inference experiments, models, endpoint configurations, "
        "endpoints and their tags. For the rest, run moto's mock_aws alongside, stub the call with "
        "botocore.stub.Stubber, or let it through to AWS with "
        f"mock_inference_experiment(passthrough=[{event.operation!r}]).",
    )


def _explicit_account(signer: Any) -> str | None:
    """The account that a client was explicitly given with its keys.

    A profile's or the environment's would make a test depend on the machine it runs on.
    """
    credentials = getattr(signer, "_credentials", None)
    return getattr(credentials, "account_id", None) if getattr(credentials, "method", None) == "explicit" else None


def _accepted(model: OperationModel, answer: Answer, stream: Callable[[Any, int], Any]) -> tuple[AWSResponse, Parsed]:
    body, headers = write_answer(model, answer.values)
    values = answer.values
    if model.has_streaming_output:
        payload = model.output_shape.serialization["payload"]
        values = {**values, payload: stream(io.BytesIO(body), len(body))}
    return _response(200, body, headers, values, answer.at)


def _response(
    status: int, body: bytes, headers: dict[str, str], values: Parsed, at: dt.datetime
) -> tuple[AWSResponse, Parsed]:
    """What botocore makes of an HTTP response with this body and these headers, which it reads as these values."""
    request_id = str(uuid.uuid4())
    headers = {
        "x-amzn-requestid": request_id,
        **headers,
        "content-length": str(len(body)),
        "date": format_datetime(at, usegmt=True),
    }
    metadata = {"RequestId": request_id, "HTTPStatusCode": status, "HTTPHeaders": headers, "RetryAttempts": 0}
    return AWSResponse(None, status, headers, None), {**values, "ResponseMetadata": metadata}
