"""The models behind endpoints: what a handler is given, what it may return, and what stands in for a missing one."""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class ModelRequest(bytes):
    """The request that a model gets: its body as bytes, and what InvokeEndpoint said beside it.

    `content_type`, `accept`, `custom_attributes`, `inference_id`, `target_model`: members of InvokeEndpoint (AWS's
    ContentType and so on), None when the caller gave none. `endpoint`, `variant`: whom the request came to.
    """

    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    inference_id: str | None
    target_model: str | None
    endpoint: str
    variant: str

    def __new__(cls, body: bytes, *, endpoint: str, variant: str, **members: str | None) -> Self:
        """A request with this body."""
        request = super().__new__(cls, body)
        request.endpoint, request.variant = endpoint, variant
        for name in ("content_type", "accept", "custom_attributes", "inference_id", "target_model"):
            setattr(request, name, members.get(name))
        return request

    def __getnewargs_ex__(self) -> tuple[tuple[bytes], dict[str, Any]]:
        """What it takes to copy and to pickle it."""
        return (self.body,), vars(self)

    @property
    def body(self) -> bytes:
        """The body, as plain bytes."""
        return bytes(self)


@dataclass(frozen=True)
class ModelResponse:
    """What a model answers.

    `body`: bytes, a str, or anything that `json.dumps` takes. `content_type`: by default what the caller accepts, or
    else the type of the request for bytes and str; application/json for anything else.
    `latency`: how long the model took, in seconds or as a timedelta; by default what passed on the mock's clock.
    `custom_attributes`: CustomAttributes of the answer.
    """

    body: Any
    content_type: str | None = None
    latency: dt.timedelta | float | None = None
    custom_attributes: str | None = None


# Gives bytes, a str, something that json.dumps takes, or a ModelResponse; or raises, which is a model error.
Handler = Callable[[ModelRequest], Any]
AsyncHandler = Callable[[ModelRequest], Awaitable[Any]]


def echo(request: ModelRequest) -> bytes:
    """What stands in for a model without a handler: it answers what it was asked."""
    return request.body


class HandlerError(TypeError):
    """A handler returned what no model can answer, or cannot be called as it was."""


class Outcome(NamedTuple):
    """What came of calling a handler: exactly one of a response, whose body is bytes, and an error."""

    response: ModelResponse | None = None
    error: Exception | None = None


class ModelCall(NamedTuple):
    """A handler that is to be called with a request. Whoever came in from outside calls it, holding no lock."""

    model: str
    handler: Handler
    request: ModelRequest

    def run(self) -> Outcome:
        """Call the handler; what it raises is part of the outcome."""
        try:
            result = self.handler(self.request)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                return Outcome(
                    error=HandlerError(
                        f"{self._name} is asynchronous, but the caller is not: use an aiobotocore client"
                    )
                )
            return Outcome(response=self._response(result))
        except Exception as error:  # noqa: BLE001 - a model may fail in any way
            return Outcome(error=error)

    async def run_async(self) -> Outcome:
        """Call the handler, which may be a coroutine function; what it raises is part of the outcome."""
        try:
            result = self.handler(self.request)
            return Outcome(response=self._response(await result if inspect.isawaitable(result) else result))
        except Exception as error:  # noqa: BLE001 - a model may fail in any way
            return Outcome(error=error)

    @property
    def _name(self) -> str:
        return f"the handler of model {self.model!r}, {getattr(self.handler, '__qualname__', self.handler)!r},"

    def _response(self, result: Any) -> ModelResponse:
        response = result if isinstance(result, ModelResponse) else ModelResponse(result)
        for name, fits in _FITS.items():
            if not fits(value := getattr(response, name)):
                raise HandlerError(f"{self._name} returned {response!r:.200}: {name} cannot be {value!r}")
        body, content_type = response.body, response.content_type
        if isinstance(body, (bytes, bytearray, memoryview, str)):
            accepted = self.request.accept if self.request.accept not in (None, "*/*") else None
            content_type = content_type or accepted or self.request.content_type
            body = body.encode() if isinstance(body, str) else bytes(body)
        else:
            content_type = content_type or "application/json"
            body = self._as_json(body)
        return replace(response, body=body, content_type=content_type)

    def _as_json(self, body: Any) -> bytes:
        try:
            if body is None:
                raise TypeError("None is no answer; is a return missing?")  # noqa: TRY301 - one message for all
            return json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise HandlerError(
                f"{self._name} returned {body!r:.200}: expected bytes, str, what json.dumps takes, or a ModelResponse "
                f"({error})"
            ) from None


def _fits_a_header(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.isascii() and value.isprintable())


def _fits_a_latency(value: Any) -> bool:
    try:
        return value is None or seconds(value) >= dt.timedelta(0)
    except (TypeError, ValueError, OverflowError):  # No number, not a number, beyond all time.
        return False


_FITS: dict[str, Callable[[Any], bool]] = {
    "content_type": _fits_a_header,
    "latency": _fits_a_latency,
    "custom_attributes": _fits_a_header,
}


def seconds(latency: dt.timedelta | float) -> dt.timedelta:
    """A latency as a timedelta."""
    return latency if isinstance(latency, dt.timedelta) else dt.timedelta(seconds=latency)


Steps = Generator[ModelCall, Outcome, T]


def run(steps: Steps[T]) -> T:
    """Go through `steps` to what they give, calling the handlers on the way."""
    outcome: Any = None
    try:
        while True:
            outcome = steps.send(outcome).run()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def run_async(steps: Steps[T]) -> T:
    """The same for an asynchronous caller."""
    outcome: Any = None
    try:
        while True:
            outcome = await steps.send(outcome).run_async()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
