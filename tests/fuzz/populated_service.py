"""A service with resources of every kind for the fuzz test, requests on them, and views of its whole state."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from copy import deepcopy
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import botocore.session
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock, Status
from mock_sagemaker_ie.backend.settings import Settings
from mock_sagemaker_ie.calls import ANSWERED, INVOCATIONS, INVOKE_ENDPOINT
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.service.delivery import Delivery
from mock_sagemaker_ie.service.invocation import Runtime
from mock_sagemaker_ie.service.service import Service
from tests import requests as valid
from tests import shapes
from tests.conftest import START
from tests.every_operation import PREPARATIONS
from tests.fuzz.inputs import numbers, serialized, texts, valid_requests, weighted

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

    from mock_sagemaker_ie.protocol.wire import WireRequest

ACCOUNT, REGION = "123456789012", "us-east-1"
NAMES = ("a",)  # Of an experiment, a model, an endpoint configuration and an endpoint alike.


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


@cache
def model(operation: str) -> OperationModel:
    """Return botocore's model of an operation that the mock answers."""
    service = "sagemaker-runtime" if operation in INVOCATIONS else "sagemaker"
    return service_model(service).operation_model(operation)


MODELS = {operation: model(operation) for operation in ANSWERED}


def call(service: Service, operation: str, **params: Any) -> dict[str, Any]:
    """Call an operation and return the members of its answer."""
    return service.answer(model(operation), serialized(model(operation), params), region=REGION).values


@lru_cache(maxsize=1000)
def _request(operation: str, **params: Any) -> WireRequest:
    return serialized(model(operation), params)


def _repeated_call(service: Service, operation: str, **params: Any) -> dict[str, Any]:
    """Do the same as `call`, faster, for the few requests that the tests repeat all the time."""
    return service.answer(model(operation), _request(operation, **params), region=REGION).values


def empty_service() -> Service:
    """Return a service without resources, in which every transitional status lasts a minute."""
    minute = dt.timedelta(minutes=1)
    clock, durations = MockClock(START, tick=False), Durations(*[minute] * 8)
    return Service(clock, Settings(durations), ACCOUNT, Runtime(Delivery(), keep=10), keep=10)


@cache
def _original(status: Status) -> Service:
    service = empty_service()
    for operation, params in PREPARATIONS:
        call(service, operation, **params)
    for name in NAMES:
        call(service, "CreateModel", **valid.model(name))
        call(service, "CreateEndpointConfig", **valid.endpoint_config(name))
        call(service, "CreateEndpoint", EndpointName=name, EndpointConfigName=name)
        schedule = {"StartTime": START + dt.timedelta(hours=1), "EndTime": START + dt.timedelta(hours=2)}
        call(service, "CreateInferenceExperiment", **valid.create(name, Schedule=schedule))
        _bring_to(service, name, status)
    return service


def _bring_to(service: Service, name: str, status: Status) -> None:
    calls = {
        Status.STARTING: [("StartInferenceExperiment", {"Name": name})],
        Status.RUNNING: [("StartInferenceExperiment", {"Name": name})],
        Status.UPDATING: [("UpdateInferenceExperiment", {"Name": name, "Description": "Updated"})],
        Status.STOPPING: [("StopInferenceExperiment", valid.stop(name))],
        Status.CANCELLED: [("StopInferenceExperiment", valid.stop(name))],
    }
    if status is Status.CREATING:
        return
    service.clock.advance(minutes=1)
    for operation, params in calls.get(status, ()):
        call(service, operation, **params)
    if status in (Status.RUNNING, Status.CANCELLED):
        service.clock.advance(minutes=1)
    if status is Status.COMPLETED:
        service.clock.advance(hours=3)
    assert call(service, "DescribeInferenceExperiment", Name=name)["Status"] == status


def populated_service(status: Status = Status.CREATED) -> Service:
    """Return a new service with resources of every kind; the experiment "a" has this status."""
    service, original = empty_service(), _original(status)
    service.adopt(original)
    service.clock.move_to(original.clock.now())
    return service


@cache
def known() -> dict[str, st.SearchStrategy[Any]]:
    """Return strategies by the name of a shape, for values that `populated_service` usually accepts."""
    values = _known_scalars()
    shape_for = service_model("sagemaker").shape_for
    return {
        **values,
        **{
            name: weighted((3, accepted), (1, shapes.values(shape_for(name), known=values)))
            for name, accepted in _accepted_structures().items()
        },
    }


def _accepted_structures() -> dict[str, st.SearchStrategy[Any]]:
    """Return strategies for the structures that must agree with each other in a request on an experiment."""
    production, shadow = valid.PRODUCTION, valid.SHADOW
    return {
        # A copy, since the fuzz test changes what it draws.
        "ModelVariantConfigList": st.permutations([valid.variant(production), valid.variant(shadow)]).map(deepcopy),
        "ShadowModeConfig": st.integers(0, 100).map(lambda percentage: valid.shadow_mode(percentage=percentage)),
        "ModelVariantActionMap": st.fixed_dictionaries(
            {
                production: st.sampled_from(["Retain", "Remove"]),
                shadow: st.sampled_from(["Retain", "Remove", "Promote"]),
            }
        ),
    }


def _known_scalars() -> dict[str, st.SearchStrategy[Any]]:
    """Return strategies for names, ARNs, instants and tokens."""
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
        "VariantWeight": weighted((2, st.floats(0, 10)), (1, numbers)),
        **dict.fromkeys(("NextToken", "PaginationToken"), _mostly(*_tokens())),
    }


@cache
def valid_requests_of(operation: str) -> st.SearchStrategy[Any]:
    """Return valid requests on the resources of `populated_service`; made once, since making them is slow."""
    return valid_requests(model(operation), known())


def _mostly(*values: str) -> st.SearchStrategy[str]:
    """Return one of these values or, seldom, some other text."""
    return weighted((4, st.sampled_from(values)), (1, texts))


@cache
def _tokens() -> list[str]:
    """Return a valid token of every list, and some that were changed."""
    lists = [operation for operation in ANSWERED if operation.startswith("List") and operation != "ListTags"]
    valid_tokens = [call(_original(Status.CREATED), operation, MaxResults=1)["NextToken"] for operation in lists]
    return [
        *valid_tokens,
        *(token[:-4] for token in valid_tokens),
        *(token[::-1] for token in valid_tokens),
        f"{valid_tokens[0]}é",
        "=" * 9,
        "AAAA",
    ]


def everything(service: Service) -> str:
    """Return all that List, Describe and ListTags show."""
    described = resources(service)
    tags = {arn: _repeated_call(service, "ListTags", ResourceArn=arn) for arn in described}
    return json.dumps([described, tags], default=str)


def resources(service: Service) -> dict[str, Any]:
    """Return what List and Describe show of each resource, by ARN."""
    shown = {}
    for operation in ANSWERED:
        if not operation.startswith("Describe"):
            continue
        kind = operation.removeprefix("Describe")
        (name,) = model(operation).input_shape.required_members
        for summary in _listed(service, f"List{kind}s"):
            described = _repeated_call(service, operation, **{name: summary[name]})
            shown[described.get("Arn") or described[f"{kind}Arn"]] = summary, described
    return shown


def use_for_60_days(service: Service) -> None:
    """Use what the service has accepted: deploy each new configuration, invoke each endpoint, let time pass."""
    for number, config in enumerate(_listed(service, "ListEndpointConfigs")):
        if config in _original_configs():
            continue  # An endpoint of it exists.
        with suppress(AWSError):
            name = config["EndpointConfigName"]
            call(service, "CreateEndpoint", EndpointName=f"used-{number}", EndpointConfigName=name)
    for days in (20, 40, 60):
        service.clock.advance(days=20)
        for endpoint in _listed(service, "ListEndpoints"):
            with suppress(AWSError):
                _repeated_call(service, INVOKE_ENDPOINT, EndpointName=endpoint["EndpointName"], Body=b"1,2")
        if days != 40:  # No experiment shows anything then that it does not show before or later.
            resources(service)


@cache
def _original_configs() -> list[dict[str, Any]]:
    return [config for status in Status for config in _listed(_original(status), "ListEndpointConfigs")]


def _listed(service: Service, operation: str) -> list[dict[str, Any]]:
    (member,) = (name for name in model(operation).output_shape.members if name != "NextToken")
    summaries, query = [], {"MaxResults": 100}
    while True:
        page = _repeated_call(service, operation, **query)
        summaries += page[member]
        if "NextToken" not in page:
            return summaries
        query["NextToken"] = page["NextToken"]
