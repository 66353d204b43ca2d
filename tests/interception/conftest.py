"""Fixtures for the interceptor tests: calls that the mock does not answer, and the connections that were attempted."""

from __future__ import annotations

import inspect
import sys
from typing import Any, NamedTuple

import pytest
from botocore import xform_name
from botocore.signers import RequestSigner

# Old versions of botocore sign with the credentials of the client only.
needs_request_credentials = pytest.mark.skipif(
    "request_credentials" not in inspect.getsource(RequestSigner.sign), reason="an old botocore"
)


class UnansweredCall(NamedTuple):
    """A SageMaker call that the mock does not answer."""

    service: str
    operation: str
    params: dict[str, Any]

    def send(self, client: Any) -> Any:
        """Make the call with `client`; return the awaitable if the client is asynchronous."""
        return getattr(client, xform_name(self.operation))(**self.params)


@pytest.fixture(
    params=[
        UnansweredCall("sagemaker", "ListTrainingJobs", {}),
        UnansweredCall(
            "sagemaker", "ListTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/j"}
        ),
        UnansweredCall(
            "sagemaker-runtime", "InvokeEndpointAsync", {"EndpointName": "e", "InputLocation": "s3://b/key"}
        ),
    ],
    ids=lambda call: call.operation,
)
def unanswered_call(request):
    """Return a call that the mock does not answer."""
    return request.param


_addresses: list[object] = []


def _record_connection(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        _addresses.append(arguments[1])


sys.addaudithook(_record_connection)


@pytest.fixture
def connections():
    """Return the list of addresses that the process tries to connect to during the test."""
    _addresses.clear()
    return _addresses


@pytest.fixture(autouse=True)
def _no_credentials_in_the_environment(monkeypatch):
    """Remove the keys that moto leaves in the environment."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
