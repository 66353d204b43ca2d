"""What the tests of models, endpoint configurations and endpoints share: the three kinds, looks and refusals."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations
from tests.requests import CONFIG, ENDPOINT, PRODUCTION, SHADOW, create, endpoint_config, model

if TYPE_CHECKING:
    from collections.abc import Callable

ENDPOINT_CREATING, ENDPOINT_UPDATING, ENDPOINT_ROLLING_BACK, ENDPOINT_DELETING = (
    dt.timedelta(minutes=number) for number in (5, 6, 7, 8)
)
ENDPOINT_MINUTES = Durations(
    endpoint_creating=ENDPOINT_CREATING,
    endpoint_updating=ENDPOINT_UPDATING,
    endpoint_rolling_back=ENDPOINT_ROLLING_BACK,
    endpoint_deleting=ENDPOINT_DELETING,
)
ENDPOINT_STATUSES = ["Creating", "InService", "Updating", "RollingBack", "Failed", "Deleting"]
VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")


class Kind(NamedTuple):
    """How boto3 speaks of a kind of resource, and a request that creates one by its name."""

    type: str
    noun: str
    method: str
    name: str
    arn: str
    listed: str
    request: Callable[[str], dict[str, Any]]

    def create(self, sagemaker: Any, name: str, **members: Any) -> str:
        """Create one and return its ARN."""
        return getattr(sagemaker, f"create_{self.method}")(**self.request(name), **members)[self.arn]

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """What Describe says of one."""
        return _answer(getattr(sagemaker, f"describe_{self.method}")(**{self.name: name}))

    def delete(self, sagemaker: Any, name: str) -> None:
        """Delete one."""
        getattr(sagemaker, f"delete_{self.method}")(**{self.name: name})

    def list(self, sagemaker: Any, **query: Any) -> dict[str, Any]:
        """A page of the list."""
        return _answer(getattr(sagemaker, f"list_{self.method}s")(**query))

    def names(self, page: dict[str, Any]) -> list[str]:
        """The names on a page."""
        return [summary[self.name] for summary in page[self.listed]]

    def all(self, sagemaker: Any) -> dict[str, dict[str, Any]]:
        """What Describe says of each there is, by name, in the order of their creation."""
        paginator = sagemaker.get_paginator(f"list_{self.method}s")
        pages = paginator.paginate(SortBy="CreationTime", SortOrder="Ascending")
        return {name: self.describe(sagemaker, name) for page in pages for name in self.names(page)}


MODELS = Kind("model", "model", "model", "ModelName", "ModelArn", "Models", model)
ENDPOINT_CONFIGS = Kind(
    "endpoint-config",
    "endpoint configuration",
    "endpoint_config",
    "EndpointConfigName",
    "EndpointConfigArn",
    "EndpointConfigs",
    endpoint_config,
)
ENDPOINTS = Kind(
    "endpoint",
    "endpoint",
    "endpoint",
    "EndpointName",
    "EndpointArn",
    "Endpoints",
    lambda name: {"EndpointName": name, "EndpointConfigName": CONFIG},  # Which must be there.
)
KINDS = (MODELS, ENDPOINT_CONFIGS, ENDPOINTS)


def serve(sagemaker: Any, *production: dict[str, Any], endpoint: str = ENDPOINT, **changes: Any) -> None:
    """Create an endpoint, of a configuration of its own named CONFIG."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, *production, **changes))
    ENDPOINTS.create(sagemaker, endpoint)


def endpoint(sagemaker: Any, name: str = ENDPOINT) -> dict[str, Any]:
    """What DescribeEndpoint says."""
    return ENDPOINTS.describe(sagemaker, name)


def variants(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The summaries of the variants, production and shadow, of an endpoint or of a pending deployment, by name."""
    return {variant["VariantName"]: variant for member in VARIANT_LISTS for variant in described.get(member, ())}


def variant_names(described: dict[str, Any]) -> list[list[str]]:
    """The names of the production variants and those of the shadow variants."""
    return [[variant["VariantName"] for variant in described.get(member, ())] for member in VARIANT_LISTS]


def everything(mock: Any) -> list[Any]:
    """All that the mock's default region shows."""
    sagemaker = mock.client()
    return [dict(mock.experiments), *(list(kind.all(sagemaker).items()) for kind in KINDS)]


@contextmanager
def refused(mock: Any, code: str = "ValidationException"):
    """What is called inside is refused with this error code, and nothing changes."""
    before = everything(mock)
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code
    assert everything(mock) == before


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


# --- the endpoint that an experiment is on

UNDER_TEST = create()["EndpointName"]
NOTHING, PRODUCTION_ONLY, BOTH = [[], []], [[PRODUCTION], []], [[PRODUCTION], [SHADOW]]


def seen(sagemaker: Any) -> tuple[str, list[list[str]], list[list[str]] | None]:
    """Of the endpoint under test: its status, the names of the variants it serves, and of those pending."""
    shown = endpoint(sagemaker, UNDER_TEST)
    pending = shown.get("PendingDeploymentSummary")
    return shown["EndpointStatus"], variant_names(shown), pending and variant_names(pending)


def config_of(sagemaker: Any) -> dict[str, Any]:
    """The configuration that the endpoint under test serves."""
    return ENDPOINT_CONFIGS.describe(sagemaker, endpoint(sagemaker, UNDER_TEST)["EndpointConfigName"])


def reverted(shown: dict[str, Any], before: dict[str, Any], **members: Any) -> bool:
    """Whether an endpoint is what it was before, but for the time of its last change and these `members`."""
    return shown == {**before, "LastModifiedTime": shown["LastModifiedTime"], **members}


# --- an endpoint in any status

REASON = "The container did not answer"


def bring_to(mock: Any, status: str) -> dt.datetime:
    """Make an endpoint of CONFIG, in a mock whose statuses last, and bring it to `status`, now. Returns the present."""
    sagemaker, clock = mock.client(), mock.clock
    if status == "Failed":
        mock.fail_endpoint(ENDPOINT, REASON)
    serve(sagemaker)
    if status == "Creating":
        return clock.now()
    clock.advance(ENDPOINT_CREATING)
    if status in ("Updating", "RollingBack"):
        sagemaker.create_endpoint_config(**endpoint_config("other-config"))
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="other-config")
    if status == "RollingBack":
        mock.fail_endpoint(ENDPOINT, REASON)
    if status == "Deleting":
        sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    return clock.now()
