"""A mock with a journal but without a server, so that an attack can open files quickly; and its state."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.activation.activation import make_service
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.protocol.wire import WireRequest
from mock_sagemaker_ie.server.journal import Journal, settings_of
from mock_sagemaker_ie.service.clients import service_model
from tests.conftest import START
from tests.requests import create, endpoint_config, model, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mock_sagemaker_ie.service.service import Service

REGION = "us-east-1"
OPTIONS = {"clock": START.isoformat(), "durations": Durations.realistic()}


class Kept(NamedTuple):
    """A mock whose state is in a file."""

    service: Service
    mock: InferenceExperimentMock

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call an operation of SageMaker. Raises AWSError or JournalError."""
        request = WireRequest(json.dumps(members))
        answered = self.service.answer(service_model("sagemaker").operation_model(operation), request, region=REGION)
        return answered.answer.in_utc(answered.answer.values)

    def state(self) -> dict[str, Any]:
        """Return everything that clients can see, except the calls."""
        kinds = {"Model": "Models", "EndpointConfig": "EndpointConfigs", "Endpoint": "Endpoints"}
        return {
            "now": self.mock.now(),
            "experiments": dict(self.mock.experiments_in(REGION)),
            "timelines": dict(self.mock.timelines_in(REGION)),
            **{
                kind: [
                    self.call(f"Describe{kind}", **{f"{kind}Name": each[f"{kind}Name"]})
                    for each in self.call(f"List{kind}s", MaxResults=100)[listed]
                ]
                for kind, listed in kinds.items()
            },
            "tags": [
                self.call("ListTags", ResourceArn=each["Arn"]) for each in self.mock.experiments_in(REGION).values()
            ],
        }


@contextmanager
def kept(path: Path, **changes: Any) -> Iterator[Kept]:
    """Give a mock with the state in a file. `changes`: other options. Raises JournalError."""
    options = complete({**OPTIONS, **changes})
    service, _ = make_service(options)
    journal = Journal(path, service, settings_of(options))
    try:
        yield Kept(service, InferenceExperimentMock(service, REGION))
    finally:
        journal.close()


def _arn(name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:123456789012:inference-experiment/{name}"


# Changes of every kind, each of which is one line of a file.
CHANGES: list[Callable[[Kept], Any]] = [
    lambda it: it.call("CreateModel", **model("first")),
    lambda it: it.call("CreateInferenceExperiment", **create("first")),
    lambda it: it.call("AddTags", ResourceArn=_arn("first"), Tags=[{"Key": "team", "Value": "Grüße"}]),
    lambda it: it.mock.clock.advance(minutes=20),
    lambda it: it.call("CreateEndpointConfig", **endpoint_config("configured")),
    lambda it: it.mock.fail_endpoint("deployed", "as arranged"),
    lambda it: it.call("CreateEndpoint", EndpointName="deployed", EndpointConfigName="configured"),
    lambda it: it.call("UpdateInferenceExperiment", Name="first", Description="longer"),
    lambda it: it.call("CreateInferenceExperiment", **create("second")),
    lambda it: it.mock.fail_experiment("second", "later", at=it.mock.now().replace(hour=23)),
    lambda it: it.mock.advance_until("first", "Running"),
    lambda it: it.call("StopInferenceExperiment", **stop("first", Reason="enough")),
    lambda it: it.call("CreateInferenceExperiment", **create("third")),
    lambda it: it.mock.fail_experiment("third", "at once"),
    lambda it: it.call("DeleteInferenceExperiment", Name="third"),
]
