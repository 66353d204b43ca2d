"""Fixtures of the doors' tests: calls that nobody answers, and a count of the connections that are tried."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import pytest
from botocore import xform_name


class Unanswered(NamedTuple):
    """A call that is no business of the mock's."""

    service: str
    operation: str
    params: dict[str, Any]

    def on(self, client: Any) -> Any:
        """Make the call on a client, asynchronous or not."""
        return getattr(client, xform_name(self.operation))(**self.params)


@pytest.fixture(
    params=[
        Unanswered("sagemaker", "ListTrainingJobs", {}),
        Unanswered("sagemaker", "ListTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/j"}),
        Unanswered("sagemaker-runtime", "InvokeEndpointAsync", {"EndpointName": "e", "InputLocation": "s3://b/key"}),
    ],
    ids=lambda call: call.operation,
)
def unanswered(request):
    """A call that the mock does not answer."""
    return request.param


_connections: list[object] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        _connections.append(arguments[1])


sys.addaudithook(_count)


@pytest.fixture
def connections():
    """The addresses that the process tries to connect to during the test."""
    _connections.clear()
    return _connections
