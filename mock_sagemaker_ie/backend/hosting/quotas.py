"""Which quota a deployment would exceed: the number of instances of a type that all endpoints together may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.deployment import variants

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint

Values = dict[str, Any]


def exceeded_quota(
    quotas: Mapping[str, int],
    endpoints: Collection[Endpoint],
    present: Endpoint | None,
    deployment: Values,
    *,
    in_place: bool,
    one_fleet: bool,
) -> str | None:
    """Return AWS's message for a quota that is exceeded when the endpoint `present` gets `deployment`, or None.

    `quotas`: the most instances of a type that all endpoints together may use. `present` is None for a new endpoint.
    `in_place`: whether the instances that `present` has stay, as when only capacities change. Otherwise a second
    fleet is made beside the one that serves. `one_fleet`: during an update, only the larger fleet counts (inferred:
    quotas_in_updates).
    """
    for instance_type, count in _instances(deployment).items():
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


def _instances(deployment: Values | None) -> dict[str, int]:
    """Count the instances of each type that a deployment uses."""
    counts: dict[str, int] = {}
    for variant in variants(deployment):
        if "InstanceType" in variant:
            instance_type = variant["InstanceType"]
            counts[instance_type] = counts.get(instance_type, 0) + variant.get("InitialInstanceCount", 0)
    return counts


def _usage(endpoint: Endpoint, instance_type: str, *, one_fleet: bool) -> int:
    """Count the instances of a type that an endpoint uses.

    During an update, those of both deployments count, because AWS makes the new fleet beside the old one (inferred:
    quotas_in_updates); with `one_fleet` only the larger. A change of capacities adds instances to the fleet that
    serves, so the larger number counts.
    """
    if endpoint.failed_for_good:
        return 0
    fleets = [_instances(deployment).get(instance_type, 0) for deployment in (endpoint.serving, endpoint.pending)]
    return max(fleets) if endpoint.rescaling or one_fleet else sum(fleets)
