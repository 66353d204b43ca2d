"""The Endpoint record: its lifecycle table, what it serves, and what Describe and List show of it.

Every function is pure: an endpoint in, a new endpoint out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting import guardrails
from mock_sagemaker_ie.backend.hosting.deployment import VARIANT_LISTS, variant_named, variant_names
from mock_sagemaker_ie.backend.hosting.guardrails import Phase
from mock_sagemaker_ie.backend.settings import Row
from mock_sagemaker_ie.backend.transitions import After, ByExperiment, Call, Failure, Table, Transition, later
from mock_sagemaker_ie.protocol.errors import suggestion
from mock_sagemaker_ie.protocol.limits import check_name, check_reason

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.backend.tags import Tags
    from mock_sagemaker_ie.backend.transitions import Trigger

Values = dict[str, Any]


class EndpointStatus(str, Enum):
    """The statuses of an endpoint that the mock uses, in AWS's words."""

    CREATING = "Creating"
    IN_SERVICE = "InService"
    UPDATING = "Updating"
    ROLLING_BACK = "RollingBack"
    FAILED = "Failed"
    DELETING = "Deleting"

    def __str__(self) -> str:
        return self.value


# The statuses in which a deployment is under way.
DEPLOYING = frozenset({EndpointStatus.CREATING, EndpointStatus.UPDATING})

CREATE_ENDPOINT = Call("CreateEndpoint")
UPDATE_ENDPOINT = Call("UpdateEndpoint")
UPDATE_WEIGHTS = Call("UpdateEndpointWeightsAndCapacities")
DELETE_ENDPOINT = Call("DeleteEndpoint")
EXPERIMENT_CREATES = ByExperiment("creates the endpoint")
EXPERIMENT_UPDATES = ByExperiment("updates the endpoint")
EXPERIMENT_FAILS = ByExperiment("fails")
EXPERIMENT_DELETES = ByExperiment("deletes the endpoint that it created (if that is assumed)")

ENDPOINT_LIFECYCLE: Table[EndpointStatus] = Table(
    (
        Transition(None, CREATE_ENDPOINT, EndpointStatus.CREATING),
        Transition(None, EXPERIMENT_CREATES, EndpointStatus.CREATING),
        Transition(EndpointStatus.CREATING, After("endpoint_creating"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.CREATING, Failure(), EndpointStatus.FAILED),
        Transition(EndpointStatus.IN_SERVICE, UPDATE_ENDPOINT, EndpointStatus.UPDATING),
        Transition(EndpointStatus.IN_SERVICE, UPDATE_WEIGHTS, EndpointStatus.UPDATING),
        Transition(EndpointStatus.IN_SERVICE, EXPERIMENT_UPDATES, EndpointStatus.UPDATING),
        # UpdateEndpointWeightsAndCapacities is permitted under a test, whose own deployments take precedence.
        Transition(EndpointStatus.UPDATING, EXPERIMENT_UPDATES, EndpointStatus.UPDATING),
        Transition(EndpointStatus.ROLLING_BACK, EXPERIMENT_UPDATES, EndpointStatus.UPDATING),
        Transition(EndpointStatus.IN_SERVICE, EXPERIMENT_FAILS, EndpointStatus.ROLLING_BACK),
        Transition(EndpointStatus.ROLLING_BACK, EXPERIMENT_FAILS, EndpointStatus.ROLLING_BACK),
        Transition(EndpointStatus.UPDATING, After("endpoint_updating"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.UPDATING, Failure(), EndpointStatus.ROLLING_BACK),
        Transition(EndpointStatus.ROLLING_BACK, After("endpoint_rolling_back"), EndpointStatus.IN_SERVICE),
        Transition(EndpointStatus.IN_SERVICE, DELETE_ENDPOINT, EndpointStatus.DELETING),
        Transition(EndpointStatus.FAILED, DELETE_ENDPOINT, EndpointStatus.DELETING),
        *(
            Transition(status, EXPERIMENT_DELETES, EndpointStatus.DELETING)
            for status in (EndpointStatus.IN_SERVICE, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK)
        ),
        Transition(EndpointStatus.DELETING, After("endpoint_deleting"), None),
    )
)


# The statuses in which a deployment may fail.
DEPLOYMENT_STAGES = tuple(str(row.source) for row in ENDPOINT_LIFECYCLE if isinstance(row.trigger, Failure))


@dataclass(frozen=True, repr=False)
class FailsDeployment(Row):
    """A failure of the next deployment of an endpoint, at its end. An experiment that waits for it is Cancelled.

    `stage`: the status of the endpoint, "Creating" or "Updating". `reason`: the FailureReason, and the StatusReason of
    the experiment. `endpoint`: its name; by default the first endpoint of the account and region with such a
    deployment. One row makes one deployment fail.
    Raises ValueError or TypeError for a value that is not allowed.
    """

    stage: str
    reason: str
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if self.stage not in DEPLOYMENT_STAGES:
            raise ValueError(
                f"FailsDeployment: {self.stage!r} is not a stage{suggestion(str(self.stage), DEPLOYMENT_STAGES)}"
            )
        check_reason(self.reason)
        check_name(self.endpoint, "FailsDeployment: endpoint")

    def __str__(self) -> str:
        return f"{self.endpoint or 'an endpoint'} fails in {self.stage}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. Instants are in UTC.

    `modified`: the instant at which the present status began. `until`: the instant at which it, or its present phase,
    ends by itself, None when it stays. `phases`: the present phase and those to come of a deployment with a
    DeploymentConfig, or of its roll-back; else empty. `serving`: the deployment that answers requests. `pending`: the
    deployment that is under way, that failed to be the first, or that the endpoint rolls back to. `rescaling`: the
    pending deployment is the same configuration with other weights and capacities. `pending_failure`: why the
    deployment under way will fail at its end, or at the end of its present phase. `number`: counts the endpoints in the
    order of creation.
    """

    name: str
    arn: str
    number: int
    created: dt.datetime
    modified: dt.datetime
    status: EndpointStatus
    until: dt.datetime | None = None
    serving: Values | None = None
    pending: Values | None = None
    deployment_config: Values | None = None
    failure_reason: str | None = None
    pending_failure: str | None = None
    rescaling: bool = False
    tags: Tags = field(default_factory=dict)
    phases: Sequence[Phase] = ()

    @classmethod
    def create(cls, trigger: Trigger, now: dt.datetime, takes: dt.timedelta, **members: Any) -> Endpoint:
        """Return the endpoint that `trigger` creates; its first status lasts `takes`."""
        status = _target(None, trigger)
        assert status is not None, "a creation has a status"  # noqa: S101
        return cls(status=status, created=now, modified=now, until=later(now, takes), **members)

    def follow(self, trigger: Trigger, at: dt.datetime, takes: dt.timedelta | None, **changes: Any) -> Endpoint | None:
        """Return the endpoint after the row for `trigger`, or None when the endpoint is gone.

        The new status lasts `takes`, or as long as its `phases`, or stays when that is None.
        """
        target = _target(self.status, trigger)
        if target is None:
            return None
        phases = changes.setdefault("phases", ())
        until = phases[0].ends if phases else None if takes is None else later(at, takes)
        return dataclasses.replace(self, status=target, modified=at, until=until, **changes)

    def end_status(self, durations: Durations) -> Endpoint | None:
        """Return the endpoint after the present status has ended by itself, or None when the endpoint is gone."""
        at, (row,) = self.until, ENDPOINT_LIFECYCLE.rows_by_time(self.status)
        assert at is not None, "this status stays"  # noqa: S101
        failure = None if self.phase is None else self.phase.failure
        if (reason := self.pending_failure or failure) is not None:
            return self.fail(reason, at, durations)
        if len(self.phases) > 1:
            return dataclasses.replace(self, phases=self.phases[1:], until=self.phases[1].ends)
        return self.follow(row.trigger, at, None, serving=self.pending or self.serving, pending=None)

    def fail(self, reason: str, at: dt.datetime, durations: Durations, before: Values | None = None) -> Endpoint | None:
        """Return the endpoint after its deployment, or the experiment that uses it, has failed.

        A first deployment fails for good. Every other endpoint rolls back, to `before` or else to what it serves.
        """
        first = self.status is EndpointStatus.CREATING
        takes, phases = durations.endpoint_rolling_back, tuple[Phase, ...]()
        if self.phase is not None and self.serving is not None:
            phases = guardrails.roll_back(self.phase, self.deployment_config or {}, self.serving, at, takes)
        return self.follow(
            Failure() if self.status in DEPLOYING else EXPERIMENT_FAILS,
            at,
            None if first else takes,
            phases=phases,
            pending=self.pending if first else before,
            rescaling=False,
            failure_reason=reason,
            pending_failure=None,
        )

    @property
    def phase(self) -> Phase | None:
        """The present phase of a deployment with a DeploymentConfig, or of its roll-back; None when there is none."""
        return self.phases[0] if self.phases else None

    @property
    def alarms(self) -> list[str]:
        """The names of the alarms that roll the deployment under way back while it bakes; else none."""
        deploying = self.phase is not None and self.status in DEPLOYING
        return guardrails.alarm_names(self.deployment_config or {}) if deploying else []

    @property
    def baking(self) -> Phase | None:
        """The present phase if it is a baking period, in which an alarm rolls the deployment back; else None."""
        return self.phase if self.phase is not None and self.phase.status == guardrails.BAKING else None

    @property
    def deploying(self) -> bool:
        """True while another configuration is deployed, not only other weights and capacities."""
        return self.status in DEPLOYING and not self.rescaling

    @property
    def failed_for_good(self) -> bool:
        """True when the first deployment has failed."""
        return self.status is EndpointStatus.FAILED

    def variant_status(self, variant: str) -> str | None:
        """Return the status of a variant (AWS: ModelVariantStatus); None when no deployment has the variant."""
        serves = variant in variant_names(self.serving)
        if self.status is EndpointStatus.DELETING:
            return "Deleting" if serves else None
        if self.failed_for_good:
            return None
        stays = variant in variant_names(self.serving if self.pending is None else self.pending)
        unchanged = "Updating" if self.status in DEPLOYING else "InService"
        return {(True, True): unchanged, (True, False): "Deleting", (False, True): "Creating"}.get((serves, stays))

    def metadata(self) -> Values:
        """Return what DescribeInferenceExperiment shows of it (AWS: EndpointMetadata)."""
        metadata: Values = {"EndpointName": self.name, "EndpointStatus": self.status.value}
        if (shown := self.serving or self.pending) is not None:
            metadata["EndpointConfigName"] = shown["EndpointConfigName"]
        if self.failure_reason is not None:
            metadata["FailureReason"] = self.failure_reason
        return metadata

    def summary(self) -> Values:
        """Return what ListEndpoints shows of it."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status.value,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }

    def facts(self) -> Values:
        """Return what DescribeEndpoint shows of it, and more; the output shape selects its members."""
        shown = self.serving or self.pending or {}
        # A change of weights and capacities happens within the configuration that serves.
        same = self.rescaling and self.pending is not None
        facts: Values = {
            **{member: value for member, value in shown.items() if member not in VARIANT_LISTS},
            **self._variants(self.serving, desired=self.pending if same else self.serving),
            **self.summary(),
        }
        if "DataCaptureConfig" in shown:
            facts["DataCaptureConfig"] = _capture_summary(shown["DataCaptureConfig"])
        if self.failure_reason is not None:
            facts["FailureReason"] = self.failure_reason
        if self.deployment_config is not None:
            facts["LastDeploymentConfig"] = self.deployment_config
        if self.status in DEPLOYING and self.pending is not None and not same:
            facts["PendingDeploymentSummary"] = {
                "EndpointConfigName": self.pending["EndpointConfigName"],
                "StartTime": self.modified,
                **self._variants(self.pending, desired=self.pending),
            }
        return facts

    def _variants(self, deployment: Values | None, *, desired: Values | None) -> Values:
        """Return the summaries of the variants of a deployment, by the member that lists them."""
        new = self.phase is not None and deployment is self.pending
        return {
            member: [self._summary(each, variant_named(desired, each["VariantName"]), new=new) for each in listed]
            for member in VARIANT_LISTS
            if (listed := (deployment or {}).get(member))
        }

    def _summary(self, variant: Values, desired: Values, *, new: bool) -> Values:
        """Return a ProductionVariantSummary or a PendingProductionVariantSummary: what serves, and what is desired.

        `new`: whether the variant is of the new fleet of a deployment with a DeploymentConfig.
        """
        name = variant["VariantName"]
        current = variant if new else variant_named(self.serving, name)
        if self.phase is not None and "InitialInstanceCount" in variant:
            current = {**current, "InitialInstanceCount": (self.phase.active if new else self.phase.old)[name]}
        summary = dict(variant)
        for prefix, source in (("Current", current), ("Desired", desired)):
            summary |= {prefix + noun: source[member] for member, noun in _MEASURES.items() if member in source}
        if pools := variant.get("InstancePools"):
            summary["InstancePools"] = _pools(pools, current.get("InitialInstanceCount", 0))
        if (status := self._variant_status(name, new=new)) is not None:
            summary["VariantStatus"] = [status]
        return summary

    def _variant_status(self, name: str, *, new: bool) -> Values | None:
        """Return the ProductionVariantStatus of a variant, or None when nothing happens to it."""
        if self.phase is not None:
            concerned = name in self.phase.messages and self.phase.concerns_new is new
            return self.phase.variant_status(name) if concerned else None
        status = self.variant_status(name)
        if status in (None, "InService"):
            return None
        message = self._scaling(name) if self.rescaling else {}
        return {"Status": status, **message, "StartTime": self.modified}

    def _scaling(self, name: str) -> Values:
        """Return the StatusMessage while the number of instances changes (in part inferred: scaling_messages)."""
        before, after = (
            variant_named(each, name).get("InitialInstanceCount", 0) for each in (self.serving, self.pending)
        )
        direction = "out" if after > before else "in"
        return {} if before == after else {"StatusMessage": f"Scaling {direction} desired instance count to {after}."}


def _target(status: EndpointStatus | None, trigger: Trigger) -> EndpointStatus | None:
    target = ENDPOINT_LIFECYCLE.row(status, trigger).target
    assert target is None or isinstance(target, EndpointStatus), "no target of an endpoint is derived"  # noqa: S101
    return target


# The members of a variant that have a current and a desired value.
_MEASURES = {
    "InitialVariantWeight": "Weight",
    "InitialInstanceCount": "InstanceCount",
    "ServerlessConfig": "ServerlessConfig",
}


def _pools(pools: list[Values], count: int) -> list[Values]:
    """Return InstancePools: all instances come from the pool with the first priority, which never runs out here."""
    first = min(pools, key=lambda pool: int(pool["Priority"]))
    return [
        {"InstanceType": pool["InstanceType"], "CurrentInstanceCount": count if pool is first else 0} for pool in pools
    ]


def _capture_summary(config: Values) -> Values:
    """Return DataCaptureConfigSummary.

    It requires a key, which is empty when none was given (inferred: capture_summary_key).
    """
    enabled = config.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
