"""Deployment guardrails: the phases of an update of an endpoint that has a DeploymentConfig.

A deployment is a pure function: `phases` returns all that happens when no alarm interrupts it, with the instants.
Sources: AWS, Deployment guardrails; the status messages: AWS, Automating SageMaker with EventBridge. That a batch has
whole instances, at least one, is inferred: whole_instances.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting.deployment import containers, instance_types, variants
from mock_sagemaker_ie.backend.transitions import later
from mock_sagemaker_ie.protocol.limits import ZERO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from mock_sagemaker_ie.backend.hosting.resources import Resource
    from mock_sagemaker_ie.backend.settings import Durations

Values = dict[str, Any]
Counts = dict[str, int]  # Numbers of instances by variant.

# AWS's VariantStatus.
CREATING, UPDATING, DELETING, ACTIVATING, BAKING = "Creating", "Updating", "Deleting", "ActivatingTraffic", "Baking"

_WAIT, _TERMINATION_WAIT = "WaitIntervalInSeconds", "TerminationWaitInSeconds"
_ACCOUNT = 4  # The position in an ARN.
_EVERYTHING = {"Type": "CAPACITY_PERCENT", "Value": 100}


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a deployment or of a roll-back. Instants are in UTC.

    `status`: AWS's VariantStatus. `old`: the instances of the old fleet, by variant. `new`: those of the new fleet,
    also those that it launches in this phase. `active`: those of the new fleet that get traffic. `weights`: the
    production instances that are active, and all that the new fleet will have. `messages`: AWS's StatusMessage, by
    variant. `failure`: why the deployment fails at the end of the phase, None when it does not.
    """

    status: str
    begins: dt.datetime
    ends: dt.datetime
    old: Counts
    new: Counts
    active: Counts
    weights: tuple[int, int]
    messages: dict[str, str]
    failure: str | None = None

    @property
    def share(self) -> Fraction:
        """The share of the requests that the new fleet answers."""
        return Fraction(*self.weights)

    @property
    def concerns_new(self) -> bool:
        """Whether the status is that of the new fleet, not of the old one."""
        return self.status in (CREATING, ACTIVATING, BAKING)

    def variant_status(self, variant: str) -> Values:
        """Return the ProductionVariantStatus of a variant during this phase."""
        message = {"StatusMessage": self.messages[variant]} if variant in self.messages else {}
        return {"Status": self.status, **message, "StartTime": self.begins}


class Capacity(NamedTuple):
    """The instances of both fleets during a phase, by variant: see Phase."""

    old: Counts
    new: Counts
    active: Counts


# A phase without its instants: its status, its length, the fleets, and the messages.
Step = tuple[str, dt.timedelta, Capacity, dict[str, str]]


def phases(config: Values, old: Values, new: Values, at: dt.datetime, durations: Durations) -> tuple[Phase, ...]:
    """Return the phases of a deployment that begins at the instant `at`, if no alarm interrupts it.

    `config`: the DeploymentConfig. `old`, `new`: the deployment that serves, and the one that takes its place.
    The launch of a fleet or a batch lasts `endpoint_updating`, its termination `endpoint_deleting`.
    """
    plan = _rolling if "RollingUpdatePolicy" in config else _blue_green
    policy = config.get("RollingUpdatePolicy") or config.get("BlueGreenUpdatePolicy", {})
    after = NewFleet.of(new)
    steps = plan(policy, instance_counts(old), after, durations)
    seconds = policy.get("MaximumExecutionTimeoutInSeconds")
    limit = None if seconds is None else later(at, dt.timedelta(seconds=seconds))
    return tuple(_timed(steps, after.production, at, limit))


def _blue_green(policy: Values, old: Counts, fleet: NewFleet, durations: Durations) -> Iterator[Step]:
    """Yield the steps of a deployment that launches a whole fleet beside the old one."""
    routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE", _WAIT: 0})
    kind, full = routing["Type"], fleet.full
    batches = [full]
    if kind == "CANARY":
        batches = [fleet.batch(routing["CanarySize"], 1), full]
    elif kind == "LINEAR":
        batches = list(fleet.batches(routing["LinearStepSize"]))
    fleets = Capacity(old, full, dict.fromkeys(full, 0))
    yield CREATING, durations.endpoint_updating, fleets, _messages("Launching {} instance(s).", full)
    for number, active in enumerate(batches, start=1):
        last = number == len(batches)
        fleets = fleets._replace(active=active)
        wait, seconds = (_TERMINATION_WAIT, policy.get(_TERMINATION_WAIT, 0)) if last else (_WAIT, routing[_WAIT])
        yield from _shift(fleets, "full" if last else "canary" if kind == "CANARY" else "step", wait, seconds)
    yield DELETING, durations.endpoint_deleting, fleets, _messages("Terminating {} instance(s).", old)


def _rolling(policy: Values, old: Counts, fleet: NewFleet, durations: Durations) -> Iterator[Step]:
    """Yield the steps of a deployment that replaces the instances of the old fleet batch by batch."""
    present, active = old, dict.fromkeys(fleet.full, 0)
    for following in fleet.batches(policy["MaximumBatchSize"]):
        launched = {name: count - active[name] for name, count in following.items()}
        fleets = Capacity(present, following, active)
        yield CREATING, durations.endpoint_updating, fleets, _messages("Launching {} instance(s).", launched)
        fleets, active = fleets._replace(active=following), following
        size = "full" if active == fleet.full else "batch"
        yield from _shift(fleets, size, _WAIT, policy[_WAIT])
        left = {name: math.ceil(count * (1 - fleet.share(active))) for name, count in old.items()}
        terminated = {name: count - left[name] for name, count in present.items()}
        yield DELETING, durations.endpoint_deleting, fleets, _messages("Terminating {} instance(s).", terminated)
        present = left


def _shift(fleets: Capacity, size: str, wait: str, seconds: int) -> Iterator[Step]:
    """Yield the steps that turn on traffic and, unless the wait takes no time, bake."""
    capacity = f"{size} capacity of {{}} instance(s)."
    yield ACTIVATING, ZERO, fleets, _messages(f"Activating traffic on {capacity}", fleets.active)
    if seconds:
        text = f"Baking for {seconds} seconds ({wait}) with traffic enabled on {capacity}"
        yield BAKING, dt.timedelta(seconds=seconds), fleets, _messages(text, fleets.active)


def roll_back(phase: Phase, config: Values, old: Values, at: dt.datetime, takes: dt.timedelta) -> tuple[Phase, ...]:
    """Return the phases of the roll-back of a rolling deployment that fails at the instant `at` during `phase`.

    All traffic goes to the old fleet, which gets its instances back by RollbackMaximumBatchSize: each batch takes
    `takes`. The old fleet of any other deployment is complete: the result is empty.
    """
    full, present = instance_counts(old), phase.old
    steps: list[Step] = []
    size = config.get("RollingUpdatePolicy", {}).get("RollbackMaximumBatchSize", _EVERYTHING)
    while present != full:
        more = {name: min(instances(size, count), count - present[name]) for name, count in full.items()}
        nothing = dict.fromkeys(phase.new, 0)
        steps.append(
            (UPDATING, takes, Capacity(present, nothing, nothing), _messages("Launching {} instance(s).", more))
        )
        present = {name: count + more[name] for name, count in present.items()}
    return tuple(_timed(steps, {}, at, None))


def _timed(steps: Iterable[Step], production: Counts, at: dt.datetime, limit: dt.datetime | None) -> Iterator[Phase]:
    """Yield the steps with their instants. A deployment that has not succeeded by `limit` fails then.

    `production`: the instances of the new fleet. When the last instances of the old fleet terminate, the deployment
    has succeeded. Inferred: deployment_limits.
    """
    for status, takes, fleets, messages in steps:
        active = {name: fleets.active[name] for name in production}
        ends, failure = later(at, takes), None
        if limit is not None and ends > limit and not (status == DELETING and active == production):
            ends, failure = limit, "The deployment took longer than MaximumExecutionTimeoutInSeconds."
        weights = sum(active.values()), sum(production.values())
        if not weights[1]:  # No instances by which traffic could shift: all at once.
            weights = int(status in (ACTIVATING, BAKING, DELETING)), 1
        yield Phase(status, at, ends, *fleets, weights, messages, failure)
        if failure is not None:
            return
        at = ends


def alarm_names(config: Values) -> list[str]:
    """Return the names of the alarms of a DeploymentConfig."""
    listed = config.get("AutoRollbackConfiguration", {}).get("Alarms", ())
    return [alarm["AlarmName"] for alarm in listed if "AlarmName" in alarm]


# --- numbers of instances


def instance_counts(deployment: Values) -> Counts:
    """Return the number of instances of each variant; 0 for a serverless variant."""
    return {variant["VariantName"]: variant.get("InitialInstanceCount", 0) for variant in variants(deployment)}


def instances(size: Values, count: int) -> int:
    """Return the number of instances of a CapacitySize of a fleet of `count` instances: at least one.

    Inferred: whole_instances.
    """
    part = count * size["Value"] // 100 if size["Type"] == "CAPACITY_PERCENT" else size["Value"]
    return min(max(int(part), 1), count)


class NewFleet(NamedTuple):
    """The instances that a new fleet will have, of its production and of its shadow variants."""

    production: Counts
    shadow: Counts

    @classmethod
    def of(cls, deployment: Values) -> NewFleet:
        """Return the fleet of a deployment."""
        counts = instance_counts(deployment)
        production = {variant["VariantName"]: 0 for variant in deployment["ProductionVariants"]}
        return cls(
            {name: count for name, count in counts.items() if name in production},
            {name: count for name, count in counts.items() if name not in production},
        )

    @property
    def full(self) -> Counts:
        """All instances."""
        return {**self.production, **self.shadow}

    def share(self, active: Counts) -> Fraction:
        """Return the share of the production instances that are active; all when there are none."""
        total = sum(self.production.values())
        return Fraction(sum(active[name] for name in self.production), total) if total else Fraction(1)

    def batch(self, size: Values, number: int) -> Counts:
        """Return the instances that are active after so many batches. Shadow variants follow the share."""
        active = {name: min(number * instances(size, count), count) for name, count in self.production.items()}
        share = self.share(active)
        return {**active, **{name: math.ceil(count * share) for name, count in self.shadow.items()}}

    def batches(self, size: Values) -> Iterator[Counts]:
        """Yield the instances that are active after each batch, until all are."""
        number, active = 1, self.batch(size, 1)
        yield active
        while active != self.full:
            number += 1
            active = self.batch(size, number)
            yield active


def _messages(text: str, counts: Counts) -> dict[str, str]:
    """Return the status messages of the variants that a step concerns."""
    return {name: text.format(count) for name, count in counts.items() if count}


# --- what deployment guardrails do not support


def is_excluded(config: Values, deployments: Collection[Values], models: Mapping[str, Resource], arn: str) -> bool:
    """Return whether AWS falls back to all-at-once traffic shifting without baking (AWS: Exclusions).

    That is: ml.inf1 instances, Elastic Inference, Marketplace containers (inferred: guardrail_exclusions: a model
    package of another account than that of `arn`); for rolling deployments also several
    production variants. Serverless variants have no instances by which traffic could shift.
    """
    several = any(len(deployment["ProductionVariants"]) > 1 for deployment in deployments)
    return ("RollingUpdatePolicy" in config and several) or any(
        "InitialInstanceCount" not in variant
        or "AcceleratorType" in variant
        or any(instance_type.startswith("ml.inf1.") for instance_type in instance_types(variant))
        or any(_is_foreign(each.get("ModelPackageName", ""), arn) for each in containers(variant, models))
        for deployment in deployments
        for variant in variants(deployment)
    )


def _is_foreign(package: str, arn: str) -> bool:
    """Return whether the ARN of a model package has another account than `arn`. A plain name is of the same account."""
    parts = package.split(":")
    return len(parts) > _ACCOUNT and parts[_ACCOUNT] != arn.split(":")[_ACCOUNT]
