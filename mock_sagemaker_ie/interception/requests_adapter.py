"""What a session of `requests` sends by while the mock answers SageMaker's hosts: see requests.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from mock_sagemaker_ie.interception.botocore_hook import unanswered
from mock_sagemaker_ie.service.aws_http import BrokenConnection, HTTPRequest, NotAnswered, answer, is_sagemaker_host

if TYPE_CHECKING:
    from mock_sagemaker_ie.interception.requests_hook import RequestsDoor
    from mock_sagemaker_ie.service.aws_http import HTTPAnswer


def adapter_for(door: RequestsDoor, url: str, behind: Any) -> Any:
    """What sends a request to `url`: `behind`, as ever, unless the host is SageMaker's."""
    return Adapter(door, behind) if is_sagemaker_host(urlsplit(url).hostname or "") else behind


class Adapter:
    """What a session sends a request to SageMaker by, in place of `behind`, which takes what is not ours."""

    def __init__(self, door: RequestsDoor, behind: Any) -> None:
        self._door = door
        self._behind = behind

    def send(self, request: Any, **options: Any) -> Any:
        """The answer to a prepared request, as requests reads it."""
        came, door = _read(request), self._door
        try:
            return _response(request, answer(door.service, came, door.passthrough))
        except BrokenConnection as broken:
            raise broken.error from None
        except NotAnswered as other:
            if other.operation not in door.passthrough and _leaves(self._behind):
                raise unanswered(other.service, other.operation) from None
        request.body = came.body  # Where it was a file or an iterator, it has been read.
        return self._behind.send(request, **options)


def _read(request: Any) -> HTTPRequest:
    address = urlsplit(request.url)
    return HTTPRequest(
        method=request.method,
        host=address.hostname or "",
        path=address.path or "/",
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        body=_content(request.body or b""),
    )


def _content(body: Any) -> bytes:
    """The bytes of a body: text, bytes, a file, or pieces of these."""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else b"".join(map(_content, body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _response(request: Any, answered: HTTPAnswer) -> Any:
    import responses  # noqa: PLC0415 - slow, and wanted only by who calls SageMaker with requests

    headers = {name: value for name, value in answered.headers.items() if name != "content-type"}
    canned = responses.Response(
        request.method,
        request.url,
        body=answered.body,
        status=answered.status,
        headers=headers,
        content_type=answered.headers.get("content-type"),
        auto_calculate_content_length=False,
    )
    return HTTPAdapter().build_response(request, canned.get_response(request))


def _leaves(adapter: Any) -> bool:
    """Whether what an adapter sends leaves the process: neither `responses` nor moto stands in for requests' own."""
    return isinstance(adapter, HTTPAdapter) and HTTPAdapter.send.__module__ == HTTPAdapter.__module__
