"""The adapter by which a session of `requests` sends while a mock answers SageMaker's hosts."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from mock_sagemaker_ie.interception import name_lookup
from mock_sagemaker_ie.interception.unanswered import unanswered
from mock_sagemaker_ie.service.aws_http import HTTPRequest, NotAnswered, answer, sagemaker_service
from mock_sagemaker_ie.service.clients import ANSWERED_SERVICES
from mock_sagemaker_ie.service.faults import BrokenConnection, ReadTimeout

if TYPE_CHECKING:
    from mock_sagemaker_ie.interception.stack import ActiveMock
    from mock_sagemaker_ie.service.aws_http import HTTPAnswer


def adapter_for(active: ActiveMock, url: str, original: Any) -> Any:
    """Return the adapter that sends a request to `url`: the original one, unless the host is SageMaker's."""
    service = sagemaker_service(urlsplit(url).hostname or "")
    return original if service is None or service in active.passthrough else Adapter(active, service, original)


class Adapter:
    """Sends a request to SageMaker to the mock. The original adapter gets what the mock does not answer."""

    def __init__(self, active: ActiveMock, service: str, original: Any) -> None:
        self._active, self._service, self._original = active, service, original

    def send(self, request: Any, **options: Any) -> Any:
        """Return the answer to a prepared request, as requests reads it."""
        if self._service not in ANSWERED_SERVICES:
            if _leaves_process(self._original):
                raise unanswered(self._service, f"{request.method} {request.path_url}")
            return self._original.send(request, **options)
        received, active = _read(request), self._active
        timeout = _read_timeout(options.get("timeout"), request)
        try:
            return _response(request, answer(active.service, received, active.passthrough, timeout))
        except BrokenConnection as broken:
            raise broken.error from None
        except NotAnswered as other:
            passes = other.operation in active.passthrough
            if not passes and _leaves_process(self._original):
                raise unanswered(other.service, other.operation) from None
        request.body = received.body  # A file or an iterator has been read.
        with name_lookup.letting_through(received.host) if passes else nullcontext():
            return self._original.send(request, **options)


def _read(request: Any) -> HTTPRequest:
    address = urlsplit(request.url)
    return HTTPRequest(
        method=request.method,
        host=address.hostname or "",
        path=address.path or "/",
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        body=_content(request.body or b""),
    )


def _read_timeout(timeout: Any, request: Any) -> ReadTimeout | None:
    """Return what a caller does that passed this `timeout=`: seconds, a pair whose second is for reading, or None."""
    seconds = timeout[1] if isinstance(timeout, tuple) else getattr(timeout, "read_timeout", timeout)
    if not isinstance(seconds, (int, float)):
        return None
    error = requests.ReadTimeout(f"{request.url}: Read timed out. (read timeout={seconds})", request=request)
    return ReadTimeout(seconds, error)


def _content(body: Any) -> bytes:
    """Return the bytes of a body, which may be text, bytes, a file, or an iterator of these."""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else b"".join(map(_content, body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _response(request: Any, answered: HTTPAnswer) -> Any:
    import responses  # noqa: PLC0415 - slow, and only callers that use requests need it

    headers = {name: value for name, value in answered.headers.items() if name != "content-type"}
    canned = responses.Response(
        request.method,
        request.url,
        body=answered.body if answered.messages is None else b"".join(answered.messages),
        status=answered.status,
        headers=headers,
        content_type=answered.headers.get("content-type"),
        auto_calculate_content_length=False,
    )
    return HTTPAdapter().build_response(request, canned.get_response(request))


def _leaves_process(adapter: Any) -> bool:
    """Return whether requests of an adapter leave the process: neither `responses` nor moto has replaced its method."""
    return isinstance(adapter, HTTPAdapter) and HTTPAdapter.send.__module__ == HTTPAdapter.__module__
