"""Answers to the HTTP requests of AWS clients in any language: one request in, one answer out.

The callers, interception/requests_adapter.py and server/http.py, receive the requests and send the answers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mock_sagemaker_ie.protocol.errors import AWSError, common_error, error_text
from mock_sagemaker_ie.protocol.event_stream import encode_error, encoded, in_stream, stream_shape
from mock_sagemaker_ie.protocol.wire import (
    WireRequest,
    answer_headers,
    encode,
    error_body,
    error_headers,
    response_headers,
)
from mock_sagemaker_ie.service.chunks import InternalStreamFailure
from mock_sagemaker_ie.service.clients import partitions, service_model, services_by_host
from mock_sagemaker_ie.service.faults import BrokenConnection

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping

    from botocore.model import OperationModel, ServiceModel

    from mock_sagemaker_ie.service.faults import ReadTimeout
    from mock_sagemaker_ie.service.service import Service
    from mock_sagemaker_ie.service.streams import StreamReader

DEFAULT_REGION = "us-east-1"
# In bytes: the 25 MB of an invocation, with space for JSON. AWS documents no limit for the other operations.
MAX_BODY_SIZE = 32 * 1024 * 1024


class HTTPRequest(NamedTuple):
    """An HTTP request. Header names are in lower case, the path is still percent-encoded."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Messages:
    """The body of an answer that is an event stream: the bytes of each event, made when they are read.

    `close`: ends the stream.
    """

    def __init__(self, stream: StreamReader, model: OperationModel) -> None:
        self._stream, self._shape = stream, stream_shape(model)
        self.close = stream.close

    def __iter__(self) -> Iterator[bytes]:
        return encoded(self._stream.events, self._shape)

    def failure(self, error: Exception) -> bytes:
        """Return the message for an error of the mock itself or of the test."""
        return encode_error(self._shape, InternalStreamFailure(f"{type(error).__name__}: {error_text(error)}"))


class HTTPAnswer(NamedTuple):
    """The HTTP answer to an HTTPRequest. Header names are in lower case. `messages`: the body when it is a stream."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    messages: Messages | None = None


class NotAnswered(Exception):  # noqa: N818 - not an error: another mock or AWS may answer the request
    """A request is for an operation of SageMaker that the mock does not answer."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(f"The mock does not answer {operation}.")
        self.service, self.operation = service, operation


def answer(
    service: Service,
    request: HTTPRequest,
    passthrough: Collection[str] = (),
    read_timeout: ReadTimeout | None = None,
) -> HTTPAnswer:
    """Answer a request. An error, for example of a request that cannot be read, is an answer in AWS's format.

    `read_timeout`: of the caller. None when it waits for ever, or when it waits in another process: then nobody knows.

    Raises NotAnswered for an operation that the mock does not answer or that is in `passthrough`, BrokenConnection for
    an arranged error of the connection, and HandlerError for a faulty handler of a model.
    """
    name = "sagemaker-runtime" if request.path.startswith("/endpoints/") else "sagemaker"
    model, operation = service_model(name), None
    try:
        operation = _operation(model, request)
        if operation.name in passthrough:
            raise NotAnswered(name, operation.name)
        region, account_id = _scope(request)
        rest = model.metadata["protocol"] == "rest-json"
        # In JSON 1.1 all members are in the body.
        call = WireRequest(request.body, request.path, request.headers) if rest else WireRequest(request.body)
        fault = service.take_fault(operation, call, region=region, account_id=account_id, read_timeout=read_timeout)
        if fault is not None:
            raise fault if isinstance(fault, AWSError) else BrokenConnection(fault)
        answered = service.answer(operation, call, region=region, account_id=account_id)
        if answered is None:
            raise NotAnswered(name, operation.name)
    except AWSError as error:
        at = error.at or service.now()
        if operation is None or not in_stream(operation, error.code):
            return error_answer(error, model, at)
        message = encode_error(stream_shape(operation), error)
        return HTTPAnswer(200, response_headers(answer_headers(operation, {}), at, message), message)
    if (stream := answered.stream) is not None:
        return HTTPAnswer(200, response_headers(answered.headers, answered.at), messages=Messages(stream, operation))
    body, headers = answered.wire
    return HTTPAnswer(200, response_headers(headers, answered.at, body), body)


def error_answer(error: AWSError, model: ServiceModel, at: dt.datetime) -> HTTPAnswer:
    """Return the answer for an error at the instant `at`, in the format of the service's protocol."""
    body = encode(error_body(error, model))
    return HTTPAnswer(error.status, response_headers(error_headers(error, model), at, body), body)


def _operation(model: ServiceModel, request: HTTPRequest) -> OperationModel:
    """Return the operation that a request names.

    Raises AWSError for an unknown operation, a body that is too long, and a content type other than JSON 1.1.
    """
    if request.method != "POST":
        raise common_error("UnknownOperationException", f"{request.method} {request.path} is not an operation.")
    if len(request.body) > MAX_BODY_SIZE:
        raise common_error("RequestEntityTooLargeException")
    target = request.headers.get("x-amz-target", "")
    if model.metadata["protocol"] == "rest-json":
        name = _operations_by_path_end(model).get(re.sub("^/endpoints/[^/]+/", "", request.path), "")
    else:
        prefix, _, name = target.partition(".")
        if prefix != model.metadata["targetPrefix"]:
            name = ""
        elif not request.headers.get("content-type", "").lower().startswith("application/x-amz-json"):
            found = request.headers.get("content-type")
            raise AWSError("SerializationException", f"Content-Type {found}: expected application/x-amz-json-1.1", 415)
    if name not in model.operation_names:
        raise common_error("UnknownOperationException", f"{target or request.path} is not an operation of SageMaker.")
    return model.operation_model(name)


@lru_cache(maxsize=2)
def _operations_by_path_end(model: ServiceModel) -> dict[str, str]:
    """Return the names of the runtime's operations by the part of their path that follows the endpoint's name."""
    paths = {name: model.operation_model(name).http["requestUri"] for name in model.operation_names}
    return {path.rpartition("}/")[2]: name for name, path in paths.items()}


# Limited lengths keep the search linear. AWS: an access key ID has at most 128 characters.
_CREDENTIAL = re.compile(r"Credential=([^/\s]{1,128})/\d{1,16}/([a-z0-9-]{1,63})/")
# A VPC endpoint has a name of its own in front. A name may end in a dot, and its case does not matter.
# A bucket of S3 may be named sagemaker too.
_HOST = re.compile(
    r"^(?:vpce-[^.]+\.)?(?P<service>(?:[a-z0-9-]+\.)?sagemaker(?:-[a-z0-9-]+)?)\.(?!s3[.-])(?P<region>[a-z0-9-]+)\."
    r"(?:vpce\.)?(?P<suffix>.+?)\.?$",
    re.IGNORECASE,
)


def _scope(request: HTTPRequest) -> tuple[str, str | None]:
    """Return the region and the account id of a request; without an account id the mock's own applies.

    The region comes from the signature, or from the host when there is no signature. An access key id of 12 digits is
    taken as the account id.
    """
    signature = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if signature:
        return signature[2], signature[1] if re.fullmatch("[0-9]{12}", signature[1]) else None
    host_match = _HOST.match(request.host)
    return host_match["region"].lower() if host_match else DEFAULT_REGION, None


def is_sagemaker_host(host: str) -> bool:
    """Return whether a host belongs to a SageMaker service, in any region and partition."""
    return sagemaker_service(host) is not None


def sagemaker_service(host: str) -> str | None:
    """Return the name of the SageMaker service to which a host belongs, as boto3.client takes it; None for others."""
    host_match = _HOST.match(host)
    if host_match is None or host_match["suffix"].lower() not in _dns_suffixes():
        return None
    beginning = host_match["service"].lower().replace("-fips", "")
    return _ANSWERED_HOSTS.get(beginning) or services_by_host().get(beginning, beginning)


_ANSWERED_HOSTS = {"api.sagemaker": "sagemaker", "runtime.sagemaker": "sagemaker-runtime"}


@lru_cache(maxsize=1)
def _dns_suffixes() -> frozenset[str]:
    """Return the DNS suffixes of AWS's partitions, from botocore's data."""
    outputs = [each["outputs"] for each in partitions()["partitions"]]
    return frozenset(each[suffix] for each in outputs for suffix in ("dnsSuffix", "dualStackDnsSuffix"))
