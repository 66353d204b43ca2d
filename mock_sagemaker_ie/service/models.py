"""Models behind endpoints: the request that a handler receives, its response, and the code that calls it."""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.protocol.errors import ERROR_STATUSES, error_text, shown
from mock_sagemaker_ie.protocol.limits import check_duration, check_seconds
from mock_sagemaker_ie.service.chunks import Chunks, InternalStreamFailure, ModelStreamError, raising

if TYPE_CHECKING:
    from typing_extensions import Self

    from mock_sagemaker_ie.service.steps import Steps


class ModelRequest(bytes):
    """The request that a handler receives: the body as bytes, and the other members of InvokeEndpoint as attributes.

    `content_type`, `accept`, `custom_attributes`, `inference_id`, `target_model`: the members ContentType, Accept,
    CustomAttributes, InferenceId and TargetModel, each a str, or None when the caller did not send it.
    `endpoint`, `variant`: the names of the endpoint and of the variant that received the request.
    """

    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    inference_id: str | None
    target_model: str | None
    endpoint: str
    variant: str

    def __new__(cls, body: bytes, *, endpoint: str, variant: str, **members: str | None) -> Self:
        """Create a request with this body. `members`: the optional attributes, by name."""
        request = super().__new__(cls, body)
        request.endpoint, request.variant = endpoint, variant
        for name in ("content_type", "accept", "custom_attributes", "inference_id", "target_model"):
            setattr(request, name, members.get(name))
        return request

    def __getnewargs_ex__(self) -> tuple[tuple[bytes], dict[str, Any]]:
        """Return the arguments of `__new__`, so that a request can be copied and pickled."""
        return (self.body,), vars(self)

    @property
    def body(self) -> bytes:
        """The body, as plain bytes."""
        return bytes(self)


@dataclass(frozen=True)
class ModelResponse:
    """The response of a model, for a handler that returns more than a body.

    `body`: bytes, a str, a value that `json.dumps` accepts, or an iterator of chunks, each bytes or a str.
    `content_type`: the ContentType of the response. By default it is application/json for a body that `json.dumps`
    encodes. For bytes, str and chunks it is the Accept of the request; without one, or with `*/*`, its ContentType.
    `latency`: the time that the model took, in seconds or as a timedelta, zero or more. By default it is the time that
    passed on the mock's clock while the handler ran.
    `custom_attributes`: the CustomAttributes of the response, a str of printable ASCII characters.
    `status`: the HTTP status with which the container answers: 200, or that of an error, 400 to 599. The caller then
    gets a ModelError with this OriginalStatusCode and the body as its message. With 0 the container does not answer in
    time.
    """

    body: Any
    content_type: str | None = None
    latency: dt.timedelta | float | None = None
    custom_attributes: str | None = None
    status: int = 200


# Returns bytes, a str, a value that json.dumps accepts, an iterator of chunks (a generator, for example), or a
# ModelResponse. An exception counts as an error of the model.
Handler = Callable[[ModelRequest], Any]
AsyncHandler = Callable[[ModelRequest], Awaitable[Any]]


def echo(request: ModelRequest) -> bytes:
    """Return the body of the request: the handler of a model that has no handler of its own."""
    return request.body


class HandlerError(TypeError):
    """A handler returned a value that cannot be a response, or is asynchronous although the caller is not."""


OK, FAILED, SILENT = 200, 500, 0
# AWS's message for a container that does not answer.
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


class Outcome(NamedTuple):
    """The result of calling a handler: either a response, or an error.

    The body of the response is bytes; that of a stream, Chunks whose first one has come.
    """

    response: ModelResponse | None = None
    error: Exception | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the container: 500 when the handler raised an exception, 0 when it does not answer."""
        return FAILED if self.response is None else self.response.status

    @property
    def failure(self) -> str:
        """The message of a container that did not answer with 200."""
        if self.response is None:
            return "" if self.error is None else error_text(self.error)
        silence = TIMED_OUT if self.status == SILENT else ""
        return self.response.body.decode(errors="replace") or silence


class ModelCall(NamedTuple):
    """A handler and the request for it. No lock is held while it runs."""

    model: str
    handler: Handler
    request: ModelRequest

    def run(self, *, asynchronous: bool, streaming: bool = False) -> Steps[Outcome]:
        """Call the handler and return its response, or the exception that it raised, as an Outcome.

        Only for an asynchronous caller may the handler be a coroutine function or an asynchronous generator function.
        `streaming`: whether the caller reads a response of status 200 in chunks.
        """
        try:
            result = self.handler(self.request)
            if inspect.isawaitable(result):
                if not asynchronous:
                    return Outcome(error=self._asynchronous(result))
                result = yield result
            response = self._response(result)
            if streaming or isinstance(response.body, Chunks):
                response = yield from self._begin(response, asynchronous=asynchronous, streaming=streaming)
            return Outcome(response=response)
        except Exception as error:  # noqa: BLE001 - a model may fail in any way
            return Outcome(error=error)

    def _begin(self, response: ModelResponse, *, asynchronous: bool, streaming: bool) -> Steps[ModelResponse]:
        """Return a response with chunks whose first one has come; for a caller that does not stream, with bytes."""
        chunks = response.body if isinstance(response.body, Chunks) else Chunks(iter([response.body]))
        if chunks.asynchronous and not asynchronous:
            raise self._asynchronous(None)
        if not streaming or response.status != OK:
            return replace(response, body=(yield from chunks.join()))
        try:
            yield from chunks.begin()
        except (ModelStreamError, InternalStreamFailure) as error:
            chunks = Chunks(raising(error))
        return replace(response, body=chunks)

    def _asynchronous(self, result: Any) -> HandlerError:
        if inspect.iscoroutine(result):
            result.close()
        return HandlerError(
            f"{self._name} is asynchronous, but the caller is synchronous; "
            f"use an aiobotocore client or a synchronous handler; {Page.TRAFFIC}"
        )

    @property
    def _name(self) -> str:
        return f"the handler of model {self.model!r} ({getattr(self.handler, '__qualname__', self.handler)!r})"

    def _response(self, result: Any) -> ModelResponse:
        """Return what the handler returned as a response with bytes and a content type. Raises HandlerError."""
        response = result if isinstance(result, ModelResponse) else ModelResponse(result)
        try:
            check_response(response)
        except ValueError as error:
            raise HandlerError(f"{self._name} returned {shown(response)} with {error}; {Page.TRAFFIC}") from None
        body, content_type = response.body, response.content_type
        accepted = self.request.accept if self.request.accept not in (None, "*/*") else None
        if isinstance(body, (bytes, bytearray, memoryview, str)):
            content_type = content_type or accepted or self.request.content_type
            body = body.encode() if isinstance(body, str) else bytes(body)
        elif isinstance(body, (Iterator, AsyncIterator)):
            content_type = content_type or accepted or self.request.content_type
            body = Chunks(body, self._chunk)
        else:
            content_type = content_type or "application/json"
            body = self._as_json(body)
        return replace(response, body=body, content_type=content_type)

    def _chunk(self, item: Any) -> bytes:
        """Return the bytes of a chunk. Raises HandlerError."""
        if isinstance(item, (bytes, bytearray, memoryview)):
            return bytes(item)
        if isinstance(item, str):
            return item.encode()
        raise HandlerError(f"{self._name} yielded {shown(item)}: expected chunks of bytes or str")

    def _as_json(self, body: Any) -> bytes:
        try:
            if body is None:
                raise TypeError("is a return statement missing?")  # noqa: TRY301 - one message for all
            return json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise HandlerError(
                f"{self._name} returned {shown(body)}: expected bytes, str, a value that json.dumps accepts, an "
                f"iterator of chunks, or a ModelResponse ({error_text(error)}); "
                f"{Page.TRAFFIC}"
            ) from None


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and (value in (OK, SILENT) or value in ERROR_STATUSES) and value is not False


def _is_header_value(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.isascii() and value.isprintable())


def _is_latency(value: Any) -> bool:
    try:
        if value is not None:
            check_duration(as_timedelta(value), "latency")
    except (TypeError, ValueError):
        return False
    return True


_HEADER_VALUE = _is_header_value, "expected a str of printable ASCII characters"
# By attribute of ModelResponse: the check of its value, and the advice when the check fails.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "content_type": _HEADER_VALUE,
    "latency": (_is_latency, "expected a number of seconds or a timedelta, zero or more"),
    "custom_attributes": _HEADER_VALUE,
    "status": (
        _is_status,
        "expected 200, the HTTP status of an error, 400 to 599, or 0 for a container that does not answer",
    ),
}


def check_response(response: ModelResponse) -> None:
    """Raise ValueError for a response with an attribute, other than its body, that is not allowed."""
    for name, (is_valid, expected) in _CHECKS.items():
        if not is_valid(value := getattr(response, name)):
            raise ValueError(f"{name}={shown(value)}: {expected}")


def as_timedelta(latency: dt.timedelta | float) -> dt.timedelta:
    """Return a latency, given in seconds or as a timedelta, as a timedelta."""
    return latency if isinstance(latency, dt.timedelta) else check_seconds(latency, "latency")
