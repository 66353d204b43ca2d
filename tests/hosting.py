"""Helpers for tests of models, endpoint configurations and endpoints: three kinds, their state, and refused calls."""

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
    """A kind of resource: its names in boto3, and a function that builds a valid create request."""

    type: str
    noun: str
    method: str
    name: str
    arn: str
    listed: str
    request: Callable[[str], dict[str, Any]]

    def create(self, sagemaker: Any, name: str, **members: Any) -> str:
        """Create a resource and return its ARN."""
        return getattr(sagemaker, f"create_{self.method}")(**self.request(name), **members)[self.arn]

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """Return the answer of Describe without metadata."""
        return _answer(getattr(sagemaker, f"describe_{self.method}")(**{self.name: name}))

    def delete(self, sagemaker: Any, name: str) -> None:
        """Delete a resource."""
        getattr(sagemaker, f"delete_{self.method}")(**{self.name: name})

    def list(self, sagemaker: Any, **query: Any) -> dict[str, Any]:
        """Return a page of the list, without metadata."""
        return _answer(getattr(sagemaker, f"list_{self.method}s")(**query))

    def names(self, page: dict[str, Any]) -> list[str]:
        """Return the names on a page."""
        return [summary[self.name] for summary in page[self.listed]]

    def all(self, sagemaker: Any) -> dict[str, dict[str, Any]]:
        """Return the answers of Describe for all resources by name, in the order of their creation."""
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
    lambda name: {"EndpointName": name, "EndpointConfigName": CONFIG},  # This configuration must exist.
)
KINDS = (MODELS, ENDPOINT_CONFIGS, ENDPOINTS)


def serve(sagemaker: Any, *production: dict[str, Any], endpoint: str = ENDPOINT, **changes: Any) -> None:
    """Create an endpoint with its own configuration, which has the name CONFIG."""
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, *production, **changes))
    ENDPOINTS.create(sagemaker, endpoint)


def endpoint(sagemaker: Any, name: str = ENDPOINT) -> dict[str, Any]:
    """Return the answer of DescribeEndpoint without metadata."""
    return ENDPOINTS.describe(sagemaker, name)


def variants(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variant summaries, production and shadow, of an endpoint or a pending deployment, by name."""
    return {variant["VariantName"]: variant for member in VARIANT_LISTS for variant in described.get(member, ())}


def variant_names(described: dict[str, Any]) -> list[list[str]]:
    """Return the names of the production variants and those of the shadow variants."""
    return [[variant["VariantName"] for variant in described.get(member, ())] for member in VARIANT_LISTS]


def everything(mock: Any) -> list[Any]:
    """Return the complete state of the mock's default region."""
    sagemaker = mock.client()
    return [dict(mock.experiments), *(list(kind.all(sagemaker).items()) for kind in KINDS)]


@contextmanager
def refused(mock: Any, code: str = "ValidationException"):
    """Assert that the calls inside raise this error code and change nothing."""
    before = everything(mock)
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code
    assert everything(mock) == before


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


# --- the endpoint of an experiment

EXPERIMENT_ENDPOINT = create()["EndpointName"]
NO_VARIANTS, PRODUCTION_ONLY, BOTH = [[], []], [[PRODUCTION], []], [[PRODUCTION], [SHADOW]]


def endpoint_state(sagemaker: Any) -> tuple[str, list[list[str]], list[list[str]] | None]:
    """Return the status of the experiment's endpoint, and the names of its serving and of its pending variants."""
    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    pending = shown.get("PendingDeploymentSummary")
    return shown["EndpointStatus"], variant_names(shown), pending and variant_names(pending)


def deployed_config(sagemaker: Any) -> dict[str, Any]:
    """Return the configuration that the experiment's endpoint serves."""
    return ENDPOINT_CONFIGS.describe(sagemaker, endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointConfigName"])


def is_reverted(shown: dict[str, Any], before: dict[str, Any], **members: Any) -> bool:
    """Return whether an endpoint is as it was before, except for LastModifiedTime and these `members`."""
    return shown == {**before, "LastModifiedTime": shown["LastModifiedTime"], **members}


# --- an endpoint in any status

REASON = "The container did not answer"


def bring_to(mock: Any, status: str) -> dt.datetime:
    """Create an endpoint with the configuration CONFIG, bring it to `status` and return the current time.

    The mock must have the ENDPOINT_MINUTES.
    """
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
