"""Which quota a deployment would exceed: the number of instances of a type that all endpoints together may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.deployment import variants

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.hosting.guardrails import Phase

Values = dict[str, Any]


def exceeded_quota(
    quotas: Mapping[str, int],
    endpoints: Collection[Endpoint],
    present: Endpoint | None,
    deployment: Values,
    *,
    in_place: bool = False,
    one_fleet: bool,
    phases: Sequence[Phase] = (),
) -> str | None:
    """Return AWS's message for a quota that is exceeded when the endpoint `present` gets `deployment`, or None.

    `quotas`: the most instances of a type that all endpoints together may use. `present` is None for a new endpoint.
    `in_place`: whether the instances that `present` has stay, as when only capacities change. Otherwise a second
    fleet is made beside the one that serves; with the `phases` of a rolling deployment only as much as it needs.
    `one_fleet`: during an update, only the larger fleet counts (inferred:
    quotas_in_updates).
    """
    needed = _instances(deployment)
    if phases and present is not None:
        needed = _additional(phases, present.serving, deployment)
    for instance_type, count in needed.items():
        if instance_type not in quotas:
            continue
        used = sum(_usage(endpoint, instance_type, one_fleet=one_fleet) for endpoint in endpoints)
        more = count
        if (in_place or one_fleet) and present is not None:
            more -= _usage(present, instance_type, one_fleet=one_fleet)
        if more > 0 and used + more > quotas[instance_type]:
            return (
                f"The account-level service limit '{instance_type} for endpoint usage' is {quotas[instance_type]} "
                f"Instances, with current utilization of {used} Instances and a request delta of {more} Instances. "
                "Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
                "available, contact AWS support to request an increase for this quota."
            )
    return None


def _instances(deployment: Values | None, present: Mapping[str, int] | None = None) -> dict[str, int]:
    """Count the instances of each type that a deployment uses. `present`: their numbers by variant, if they differ."""
    counts: dict[str, int] = {}
    for variant in variants(deployment):
        if "InstanceType" in variant:
            count = variant.get("InitialInstanceCount", 0) if present is None else present[variant["VariantName"]]
            counts[variant["InstanceType"]] = counts.get(variant["InstanceType"], 0) + count
    return counts


def _in_phase(phase: Phase, old: Values | None, new: Values | None, instance_type: str) -> int:
    """Count the instances of a type that both fleets have during a phase."""
    fleets = _instances(old, phase.old), _instances(new, phase.new)
    return sum(fleet.get(instance_type, 0) for fleet in fleets)


def _additional(phases: Sequence[Phase], old: Values | None, new: Values) -> dict[str, int]:
    """Count the instances of each type that a deployment needs at most beside those that the old fleet has."""
    return {
        instance_type: max(_in_phase(phase, old, new, instance_type) for phase in phases)
        - _instances(old).get(instance_type, 0)
        for instance_type in _instances(new)
    }


def _usage(endpoint: Endpoint, instance_type: str, *, one_fleet: bool) -> int:
    """Count the instances of a type that an endpoint uses.

    During an update, those of both deployments count, because AWS makes the new fleet beside the old one (inferred:
    quotas_in_updates); with `one_fleet` only the larger. A change of capacities adds instances to the fleet that
    serves, so the larger number counts.
    """
    if endpoint.failed_for_good:
        return 0
    if endpoint.phase is not None:
        return _in_phase(endpoint.phase, endpoint.serving, endpoint.pending, instance_type)
    fleets = [_instances(deployment).get(instance_type, 0) for deployment in (endpoint.serving, endpoint.pending)]
    return max(fleets) if endpoint.rescaling or one_fleet else sum(fleets)
