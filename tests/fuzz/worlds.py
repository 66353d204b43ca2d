"""The world that the fuzz run is let loose on, what is known of it, and all that it shows of itself."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock
from mock_sagemaker_ie.backend.settings import Settings
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.service.delivery import Delivery
from mock_sagemaker_ie.service.invocation import Runtime
from mock_sagemaker_ie.service.service import ANSWERED, INVOKE_ENDPOINT, Service
from tests import requests as valid
from tests.conftest import START
from tests.every_operation import PREPARATIONS
from tests.fuzz.inputs import mix, numbers, texts, written

if TYPE_CHECKING:
    from botocore.model import OperationModel

ACCOUNT, REGION = "123456789012", "us-east-1"
NAMES = ("a",)  # Of an experiment, a model, an endpoint configuration and an endpoint alike.


@cache
def model(operation: str) -> OperationModel:
    """An answered operation, in botocore's service model."""
    service = "sagemaker-runtime" if operation == INVOKE_ENDPOINT else "sagemaker"
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


MODELS = {operation: model(operation) for operation in ANSWERED}


def call(service: Service, operation: str, **params: Any) -> dict[str, Any]:
    """What the service answers to a request of these members."""
    return service.answer(model(operation), written(model(operation), params), region=REGION).values


def new_world() -> Service:
    """An empty world in which everything takes a minute."""
    minute = dt.timedelta(minutes=1)
    clock, durations = MockClock(START, tick=False), Durations(*[minute] * 8)
    return Service(clock, Settings(durations), ACCOUNT, Runtime(Delivery(), keep=10), keep=10)


@cache
def populated() -> Service:
    """A world in which there is something of every kind."""
    service = new_world()
    for operation, params in PREPARATIONS:
        call(service, operation, **params)
    for name in NAMES:
        call(service, "CreateModel", **valid.model(name))
        call(service, "CreateEndpointConfig", **valid.endpoint_config(name))
        call(service, "CreateEndpoint", EndpointName=name, EndpointConfigName=name)
        call(service, "CreateInferenceExperiment", **valid.create(name))
    return service


def another() -> Service:
    """A populated world of its own."""
    service = new_world()
    service.adopt(populated())
    return service


def known() -> dict[str, st.SearchStrategy[Any]]:
    """What requests had better be about, by the name of a shape: names, ARNs, instants and tokens of the world."""
    names = _mostly(*NAMES, valid.NAME, valid.MODEL, valid.CONFIG, valid.ENDPOINT, "new", "a" * 63)
    arns = [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/a" for kind in ("inference-experiment", "model", "endpoint")]
    others = ["arn:aws:sagemaker:us-east-1:123456789012:training-job/a", "arn:aws:sagemaker:::model/a", ":" * 10]
    instants = st.sampled_from([-40, -1, 0, 0.001, 1, 8, 29, 31, 10**5]).map(
        lambda days: START + dt.timedelta(days=days)
    )
    return {
        **dict.fromkeys(("InferenceExperimentName", "ModelName", "EndpointName", "EndpointConfigName"), names),
        **dict.fromkeys(("ModelVariantName", "VariantName"), st.sampled_from([valid.PRODUCTION, valid.SHADOW])),
        "ResourceArn": _mostly(*arns, *arns, *others),
        "Timestamp": instants,
        "VariantWeight": mix((2, st.floats(0, 10)), (1, numbers)),
        **dict.fromkeys(("NextToken", "PaginationToken"), _mostly(*_tokens())),
    }


def _mostly(*values: str) -> st.SearchStrategy[str]:
    """One of these, or now and then some other text."""
    return mix((4, st.sampled_from(values)), (1, texts))


@cache
def _tokens() -> list[str]:
    """Tokens of every list, whole and tampered with."""
    lists = [operation for operation in ANSWERED if operation.startswith("List") and operation != "ListTags"]
    whole = [call(populated(), operation, MaxResults=1)["NextToken"] for operation in lists]
    return [
        *whole,
        *(token[:-4] for token in whole),
        *(token[::-1] for token in whole),
        f"{whole[0]}é",
        "=" * 9,
        "AAAA",
    ]


def everything(service: Service) -> str:
    """All that the world shows of itself to whoever lists and describes."""
    seen = []
    for operation in ANSWERED:
        if not operation.startswith("Describe"):
            continue
        kind = operation.removeprefix("Describe")
        (name,) = model(operation).input_shape.required_members
        for summary in _listed(service, f"List{kind}s"):
            described = call(service, operation, **{name: summary[name]})
            arn = described.get("Arn") or described[f"{kind}Arn"]
            seen.append([summary, described, call(service, "ListTags", ResourceArn=arn)])
    return json.dumps(seen, default=str)


def live_on(service: Service) -> None:
    """Let the world go on with what it has accepted: deploy every configuration, invoke every endpoint, pass time."""
    for number, config in enumerate(_listed(service, "ListEndpointConfigs")):
        with suppress(AWSError):
            name = config["EndpointConfigName"]
            call(service, "CreateEndpoint", EndpointName=f"lives-on-{number}", EndpointConfigName=name)
    for _ in range(3):
        service.clock.advance(days=20)
        for endpoint in _listed(service, "ListEndpoints"):
            with suppress(AWSError):
                call(service, INVOKE_ENDPOINT, EndpointName=endpoint["EndpointName"], Body=b"1,2")
        everything(service)


def _listed(service: Service, operation: str) -> list[dict[str, Any]]:
    (member,) = (name for name in model(operation).output_shape.members if name != "NextToken")
    summaries, query = [], {"MaxResults": 100}
    while True:
        page = call(service, operation, **query)
        summaries += page[member]
        if "NextToken" not in page:
            return summaries
        query["NextToken"] = page["NextToken"]
