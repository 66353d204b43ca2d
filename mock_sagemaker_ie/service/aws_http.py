"""One HTTP request of an AWS client, in whatever language, to one HTTP answer. The transports are other files'."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from botocore.loaders import Loader

from mock_sagemaker_ie.protocol.errors import AWSError, common_error
from mock_sagemaker_ie.protocol.wire import (
    WireRequest,
    encode,
    error_body,
    error_headers,
    response_headers,
)
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from botocore.model import OperationModel, ServiceModel

    from mock_sagemaker_ie.service.service import Service

DEFAULT_REGION = "us-east-1"
# A body of 25 MB and what JSON may add to it; AWS documents no limit of the control plane's.
LONGEST_BODY = 32 * 1024 * 1024


class HTTPRequest(NamedTuple):
    """A request as it came. Header names are in lower case."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class HTTPAnswer(NamedTuple):
    """An answer as it goes."""

    status: int
    headers: dict[str, str]
    body: bytes


class NotOurs(Exception):  # noqa: N818 - it tells whose a request is, nothing went wrong
    """A request is for an operation of SageMaker's that is none of the mock's business."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(f"{operation} is not answered here.")
        self.service, self.operation = service, operation


class BrokenConnection(Exception):  # noqa: N818 - it is what a test asked for
    """There is no answer: the connection breaks by `error`, as a test arranged it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def answer(service: Service, request: HTTPRequest, passthrough: Collection[str] = ()) -> HTTPAnswer:
    """Answer a request; what is wrong with it is answered in AWS's form.

    Raises NotOurs, for the operations of `passthrough` too, BrokenConnection, and HandlerError when the handler of a
    model is at fault.
    """
    name = "sagemaker-runtime" if request.path.startswith("/endpoints/") else "sagemaker"
    model = service_model(name)
    try:
        operation = _operation(model, request)
        if operation.name in passthrough:
            raise NotOurs(name, operation.name)
        region, account_id = _scope(request)
        rest = model.metadata["protocol"] == "rest-json"
        # In JSON 1.1 all members are in the body.
        call = WireRequest(request.body, request.path, request.headers) if rest else WireRequest(request.body)
        fault = service.take_fault(operation, call, region=region, account_id=account_id)
        if fault is not None:
            raise fault if isinstance(fault, AWSError) else BrokenConnection(fault)
        answered = service.answer(operation, call, region=region, account_id=account_id)
        if answered is None:
            raise NotOurs(name, operation.name)
    except AWSError as error:
        return refusal(error, model, error.at or service.now())
    body, headers = answered.wire
    return HTTPAnswer(200, response_headers(headers, body, answered.at), body)


def refusal(error: AWSError, model: ServiceModel, at: dt.datetime) -> HTTPAnswer:
    """An error as it goes."""
    body = encode(error_body(error, model))
    return HTTPAnswer(error.status, response_headers(error_headers(error, model), body, at), body)


def _operation(model: ServiceModel, request: HTTPRequest) -> OperationModel:
    """The operation that is asked for. Raises AWSError when there is none, or its request cannot be read."""
    if request.method != "POST":
        raise common_error("UnknownOperationException", f"{request.method} {request.path} is no operation.")
    if len(request.body) > LONGEST_BODY:
        raise common_error("RequestEntityTooLargeException")
    target = request.headers.get("x-amz-target", "")
    if model.metadata["protocol"] == "rest-json":
        name = _by_path(model).get(re.sub("^/endpoints/[^/]+/", "", request.path), "")
    else:
        prefix, _, name = target.partition(".")
        if prefix != model.metadata["targetPrefix"]:
            name = ""
        elif not request.headers.get("content-type", "").lower().startswith("application/x-amz-json"):
            found = request.headers.get("content-type")
            raise AWSError("SerializationException", f"Content-Type {found}: expected application/x-amz-json-1.1", 415)
    if name not in model.operation_names:
        raise common_error("UnknownOperationException", f"{target or request.path} is no operation of SageMaker.")
    return model.operation_model(name)


@lru_cache(maxsize=2)
def _by_path(model: ServiceModel) -> dict[str, str]:
    """The runtime's operations by what ends their paths."""
    paths = {name: model.operation_model(name).http["requestUri"] for name in model.operation_names}
    return {path.rpartition("}/")[2]: name for name, path in paths.items()}


_CREDENTIAL = re.compile(r"Credential=([^/\s]+)/\d+/([a-z0-9-]+)/")
_HOST = re.compile(r"^(?:api|runtime)(?:-fips)?\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.(.+)$")


def _scope(request: HTTPRequest) -> tuple[str, str | None]:
    """Region and account: by the signature's scope, or else the host. Keys of 12 digits are an account's number."""
    signed = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if signed:
        return signed[2], signed[1] if re.fullmatch("[0-9]{12}", signed[1]) else None
    hosted = _HOST.match(request.host)
    return hosted[1] if hosted else DEFAULT_REGION, None


def is_sagemaker(host: str) -> bool:
    """Whether a host is one of SageMaker's or SageMaker-runtime's, of any region and partition."""
    hosted = _HOST.match(host)
    return hosted is not None and hosted[2] in _suffixes()


@lru_cache(maxsize=1)
def _suffixes() -> frozenset[str]:
    """What AWS's hosts end in, by botocore's own data."""
    outputs = [each["outputs"] for each in Loader().load_data("partitions")["partitions"]]
    return frozenset(each[suffix] for each in outputs for suffix in ("dnsSuffix", "dualStackDnsSuffix"))
