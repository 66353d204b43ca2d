"""The Endpoint record: its lifecycle table, what it serves and what Describe says of it.

Pure: an endpoint in, a new endpoint out. A *deployment* is what an endpoint serves or is about to serve: the values
of an endpoint configuration, changed since by weights and capacities. An endpoint keeps its own copy, so that deleting
the configuration changes nothing.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.transitions import After, Call, Failure, Table, Transition, later
from mock_sagemaker_ie.protocol.wire import Said

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.backend.transitions import Trigger

Values = dict[str, Any]


class EndpointStatus(str, Enum):
    """The status of an endpoint, in AWS's words; those that a mock can bring about."""

    CREATING = "Creating"
    IN_SERVICE = "InService"
    UPDATING = "Updating"
    ROLLING_BACK = "RollingBack"
    FAILED = "Failed"
    DELETING = "Deleting"

    def __str__(self) -> str:
        return self.value


DEPLOYING = frozenset({EndpointStatus.CREATING, EndpointStatus.UPDATING})

CREATE_ENDPOINT = Call("CreateEndpoint")
UPDATE_ENDPOINT = Call("UpdateEndpoint")
UPDATE_WEIGHTS = Call("UpdateEndpointWeightsAndCapacities")
DELETE_ENDPOINT = Call("DeleteEndpoint")

ENDPOINT_LIFECYCLE: Table[EndpointStatus] = Table(
    (
        Transition(None, CREATE_ENDPOINT, EndpointStatus.CREATING),
        Transition(EndpointStatus.CREATING, After("endpoint_creating"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.CREATING, Failure(), EndpointStatus.FAILED),
        Transition(EndpointStatus.IN_SERVICE, UPDATE_ENDPOINT, EndpointStatus.UPDATING),
        Transition(EndpointStatus.IN_SERVICE, UPDATE_WEIGHTS, EndpointStatus.UPDATING),
        Transition(EndpointStatus.UPDATING, After("endpoint_updating"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.UPDATING, Failure(), EndpointStatus.ROLLING_BACK),
        Transition(EndpointStatus.ROLLING_BACK, After("endpoint_rolling_back"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.IN_SERVICE, DELETE_ENDPOINT, EndpointStatus.DELETING),
        Transition(EndpointStatus.FAILED, DELETE_ENDPOINT, EndpointStatus.DELETING),
        Transition(EndpointStatus.DELETING, After("endpoint_deleting"), None),
    )
)


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    `modified`: the instant (UTC) at which the present status began. `until`: when it ends by itself, None if it stays.
    `serving`: the deployment that answers requests. `pending`: the one on its way, or that failed to be the first.
    `rescaling`: what is on its way is the same configuration, with other weights and capacities.
    `doom`: why the deployment on its way will have failed at its end. `number`: counts endpoints as they are created.
    """

    name: str
    arn: str
    number: int
    created: dt.datetime
    modified: dt.datetime
    status: EndpointStatus = EndpointStatus.CREATING
    until: dt.datetime | None = None
    serving: Values | None = None
    pending: Values | None = None
    deployment_config: Values | None = None
    failure_reason: str | None = None
    doom: str | None = None
    rescaling: bool = False

    def follow(self, trigger: Trigger, at: dt.datetime, takes: dt.timedelta | None, **changes: Any) -> Endpoint | None:
        """Take the row for `trigger`; the new status lasts `takes`, or stays. None when the endpoint is gone."""
        target = ENDPOINT_LIFECYCLE.row(self.status, trigger).target
        if target is None:
            return None
        assert isinstance(target, EndpointStatus), "no endpoint's target is derived"  # noqa: S101
        until = None if takes is None else later(at, takes)
        return dataclasses.replace(self, status=target, modified=at, until=until, **changes)

    def ended(self, durations: Durations) -> Endpoint | None:
        """The endpoint at the end of a status that ends by itself. None when it is gone."""
        at = self.until
        row = ENDPOINT_LIFECYCLE.by_itself(self.status)
        assert at is not None, "this status stays"  # noqa: S101
        assert row is not None, "this status stays"  # noqa: S101
        if self.doom is not None:
            return self.failed(self.doom, at, durations)
        landed = {"serving": self.pending, "pending": None} if self.status in DEPLOYING else {}
        return self.follow(row.trigger, at, None, **landed)

    def failed(self, reason: str, at: dt.datetime, durations: Durations) -> Endpoint | None:
        """What is being deployed fails: a first deployment for good, an update rolls back to what serves."""
        first = self.status is EndpointStatus.CREATING
        return self.follow(
            Failure(),
            at,
            None if first else durations.endpoint_rolling_back,
            pending=self.pending if first else None,
            failure_reason=reason,
            doom=None,
        )

    def variant_status(self, variant: str) -> str | None:
        """How a variant stands in the deployments (AWS: ModelVariantStatus); None when it is in neither."""
        serves = variant in variant_names(self.serving)
        if self.status is EndpointStatus.DELETING:
            return "Deleting" if serves else None
        if self.status not in DEPLOYING:
            return "InService" if serves else None
        comes = variant in variant_names(self.pending)
        return {(True, True): "Updating", (True, False): "Deleting", (False, True): "Creating"}.get((serves, comes))

    def metadata(self) -> Values:
        """What DescribeInferenceExperiment says of it (AWS: EndpointMetadata)."""
        metadata: Values = {"EndpointName": self.name, "EndpointStatus": self.status.value}
        if (shown := self.serving or self.pending) is not None:
            metadata["EndpointConfigName"] = _config(shown)
        if self.failure_reason is not None:
            metadata["FailureReason"] = self.failure_reason
        return metadata

    def summary(self) -> Values:
        """What List says of it."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status.value,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }

    @cached_property
    def facts(self) -> Said:
        """What Describe says of it; the output shape picks its members."""
        shown = self.serving or self.pending or {}
        # A change of weights and capacities is on its way within the configuration that serves.
        same = self.rescaling and self.pending is not None
        facts = Said(
            {
                **{member: value for member, value in shown.items() if member not in VARIANT_LISTS},
                **self._variants(self.serving, desired=self.pending if same else self.serving),
                **self.summary(),
            }
        )
        if "DataCaptureConfig" in shown:
            facts["DataCaptureConfig"] = _capture_summary(shown["DataCaptureConfig"])
        if self.failure_reason is not None:
            facts["FailureReason"] = self.failure_reason
        if self.deployment_config is not None:
            facts["LastDeploymentConfig"] = self.deployment_config
        if self.status in DEPLOYING and self.pending is not None and not same:
            facts["PendingDeploymentSummary"] = {
                "EndpointConfigName": _config(self.pending),
                "StartTime": self.modified,
                **self._variants(self.pending, desired=self.pending),
            }
        return facts

    def _variants(self, deployment: Values | None, *, desired: Values | None) -> Values:
        """The summaries of a deployment's variants, under each member that lists some."""
        return {
            member: [self._summary(variant, variant_named(desired, variant["VariantName"])) for variant in listed]
            for member in VARIANT_LISTS
            if (listed := (deployment or {}).get(member))
        }

    def _summary(self, variant: Values, desired: Values) -> Values:
        """ProductionVariantSummary or PendingProductionVariantSummary: what serves now, and what is wanted."""
        name = variant["VariantName"]
        current = variant_named(self.serving, name)
        summary = dict(variant)
        for prefix, source in (("Current", current), ("Desired", desired)):
            summary |= {prefix + noun: source[member] for member, noun in _MEASURES.items() if member in source}
        if pools := variant.get("InstancePools"):
            summary["InstancePools"] = _pools(pools, current.get("InitialInstanceCount", 0))
        status = self.variant_status(name)
        if status not in (None, "InService"):
            summary["VariantStatus"] = [{"Status": status, "StartTime": self.modified}]
        return summary


# --- deployments

VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")

# A variant's members that can be one thing and be wanted another.
_MEASURES = {
    "InitialVariantWeight": "Weight",
    "InitialInstanceCount": "InstanceCount",
    "ServerlessConfig": "ServerlessConfig",
}


def variants(deployment: Values | None) -> list[Values]:
    """Every variant of a deployment, production and shadow."""
    return [variant for member in VARIANT_LISTS for variant in (deployment or {}).get(member, ())]


def variant_names(deployment: Values | None) -> list[str]:
    """The names of a deployment's variants."""
    return [variant["VariantName"] for variant in variants(deployment)]


def variant_named(deployment: Values | None, name: str) -> Values:
    """A variant of a deployment by its name, empty when there is none."""
    return next((variant for variant in variants(deployment) if variant["VariantName"] == name), {})


def with_variants(deployment: Values, change: Callable[[Values], Values]) -> Values:
    """The deployment with every variant changed."""
    lists = {member: [change(v) for v in deployment[member]] for member in VARIANT_LISTS if member in deployment}
    return {**deployment, **lists}


def instances(deployment: Values | None) -> dict[str, int]:
    """How many instances of each type a deployment takes."""
    counts: dict[str, int] = {}
    for variant in variants(deployment):
        if "InstanceType" in variant:
            kind = variant["InstanceType"]
            counts[kind] = counts.get(kind, 0) + variant.get("InitialInstanceCount", 0)
    return counts


def _config(deployment: Values) -> str:
    return str(deployment["EndpointConfigName"])


def _pools(pools: list[Values], count: int) -> list[Values]:
    """Instances are taken from the pool of the first priority, which never runs dry here."""
    first = min(pools, key=lambda pool: int(pool["Priority"]))
    return [
        {"InstanceType": pool["InstanceType"], "CurrentInstanceCount": count if pool is first else 0} for pool in pools
    ]


def _capture_summary(config: Values) -> Values:
    """DataCaptureConfigSummary. The key is required there, and empty when none was given (inferred)."""
    enabled = config.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
