"""The events that SageMaker sends to EventBridge when an endpoint or its deployment changes.

Source: AWS, Automating SageMaker with EventBridge. AWS documents no events of inference experiments.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting.deployment import VARIANT_LISTS
from mock_sagemaker_ie.backend.hosting.endpoints import EndpointStatus
from mock_sagemaker_ie.backend.hosting.guardrails import is_excluded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.hosting.resources import Resource

Values = dict[str, Any]

SOURCE = "aws.sagemaker"
STATE_CHANGE = "SageMaker Endpoint State Change"
DEPLOYMENT_CHANGE = "SageMaker Endpoint Deployment State Change"

# The members of an endpoint, and of a variant, that an event has.
_ENDPOINT = ("EndpointName", "EndpointArn", "EndpointConfigName", "FailureReason", "CreationTime", "LastModifiedTime")
_VARIANT = (
    "VariantName",
    "CurrentWeight",
    "DesiredWeight",
    "CurrentInstanceCount",
    "DesiredInstanceCount",
    "VariantStatus",
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


class Notice(NamedTuple):
    """An event before anybody reads it. `at`: its instant (UTC). `kind`: its detail-type. `endpoint`: as it is then."""

    at: dt.datetime
    kind: str
    endpoint: Endpoint
    id: str

    @property
    def event(self) -> Values:
        """The event, as EventBridge has it."""
        _, _, _, region, account, _ = self.endpoint.arn.split(":")
        return {
            "version": "0",
            "id": self.id,
            "detail-type": self.kind,
            "source": SOURCE,
            "account": account,
            "time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": [self.endpoint.arn],
            "detail": _detail(self.kind, self.endpoint),
        }


def notices(before: Endpoint | None, after: Endpoint, models: Mapping[str, Resource]) -> Iterator[Notice]:
    """Yield the events that tell how an endpoint has changed, with the instant of the change.

    An endpoint that deployment guardrails do not support has no events of its deployment (AWS: Exclusions).
    """
    status_began = before is None or (before.status, before.modified) != (after.status, after.modified)
    if status_began:
        yield Notice(after.modified, STATE_CHANGE, after, str(uuid.uuid4()))
    phase_began = after.phase is not None and (before is None or before.phase != after.phase)
    if phase_began or (status_began and after.status is EndpointStatus.UPDATING):
        deployments = [each for each in (after.serving, after.pending) if each is not None]
        if not is_excluded(after.deployment_config or {}, deployments, models, after.arn):
            at = after.modified if after.phase is None else after.phase.begins
            yield Notice(at, DEPLOYMENT_CHANGE, after, str(uuid.uuid4()))


def _detail(kind: str, endpoint: Endpoint) -> Values:
    """Return what an event says of an endpoint: what DescribeEndpoint shows, with instants as milliseconds."""
    facts = endpoint.facts()
    pending = facts.get("PendingDeploymentSummary", {})
    detail = {
        **{member: facts[member] for member in _ENDPOINT if member in facts},
        **_variants(pending if endpoint.serving is None else facts),
        "EndpointStatus": re.sub("(?<!^)(?=[A-Z])", "_", facts["EndpointStatus"]).upper(),
        "Tags": dict(endpoint.tags),
    }
    if kind == DEPLOYMENT_CHANGE and pending:
        summary = {member: pending[member] for member in ("EndpointConfigName", "StartTime")}
        detail["PendingDeploymentSummary"] = {**summary, **_variants(pending)}
    return _with_milliseconds(detail)  # type: ignore[no-any-return]


def _variants(described: Values) -> Values:
    """Return the variants of an endpoint or of a pending deployment, with the members that an event has."""
    return {
        each: [{member: variant[member] for member in _VARIANT if member in variant} for variant in described[each]]
        for each in VARIANT_LISTS
        if each in described
    }


def _with_milliseconds(value: Any) -> Any:
    """Return a value with each instant in it as milliseconds since 1970."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // dt.timedelta(milliseconds=1)
    if isinstance(value, dict):
        return {name: _with_milliseconds(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_milliseconds(each) for each in value]
    return value
