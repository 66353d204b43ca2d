"""Functions over a deployment: the values of an endpoint configuration as an endpoint serves or is about to serve them.

An endpoint keeps a copy of its own, so that deleting the configuration changes nothing, and a change of weights and
capacities changes the copy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping

    from mock_sagemaker_ie.backend.hosting.resources import Resource

Values = dict[str, Any]

VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")


# --- variants


def variants(deployment: Values | None) -> list[Values]:
    """Return every variant of a deployment, production and shadow."""
    return [variant for member in VARIANT_LISTS for variant in (deployment or {}).get(member, ())]


def variant_names(deployment: Values | None) -> list[str]:
    """Return the names of the variants of a deployment."""
    return [variant["VariantName"] for variant in variants(deployment)]


def variant_named(deployment: Values | None, name: str) -> Values:
    """Return the variant with this name, or an empty dict when there is none."""
    return next((variant for variant in variants(deployment) if variant["VariantName"] == name), {})


def instance_types(variant: Values) -> list[str]:
    """Return the instance types on which a variant may run."""
    types = [each["InstanceType"] for each in (variant, *variant.get("InstancePools", ())) if "InstanceType" in each]
    return [str(instance_type) for instance_type in types]


def with_variants(deployment: Values, change: Callable[[Values], Values]) -> Values:
    """Return the deployment with `change` applied to every variant."""
    lists = {member: [change(v) for v in deployment[member]] for member in VARIANT_LISTS if member in deployment}
    return {**deployment, **lists}


def containers(variant: Values, models: Mapping[str, Resource]) -> list[Values]:
    """Return the containers of the model of a variant; none when nobody created the model."""
    model = models.get(variant.get("ModelName", ""))
    return [] if model is None else containers_of(model.settings)


def containers_of(model: Values) -> list[Values]:
    """Return the containers of a CreateModel request."""
    return model.get("Containers") or [model["PrimaryContainer"]]


def is_multi_model(container: Values) -> bool:
    """Return whether a container serves several models, of which TargetModel selects one."""
    return bool(container.get("Mode") == "MultiModel")


def with_model_defaults(model: Values) -> Values:
    """Return a CreateModel request with the defaults that DescribeModel shows (observed on AWS)."""

    def with_defaults(container: Values) -> Values:
        return {"Mode": "SingleModel", "Environment": {}, **container}

    filled = {"EnableNetworkIsolation": False, **model}
    if "PrimaryContainer" in model:
        filled["PrimaryContainer"] = with_defaults(model["PrimaryContainer"])
    if "Containers" in model:
        filled["Containers"] = [with_defaults(container) for container in model["Containers"]]
    return filled


def resolve_images(settings: Values, models: Mapping[str, Resource], now: dt.datetime) -> Values:
    """Return the deployment of an endpoint configuration, with the images that are resolved `now`."""

    def with_images(variant: Values) -> Values:
        images = [each["Image"] for each in containers(variant, models) if "Image" in each]
        deployed = [{"SpecifiedImage": image, "ResolutionTime": now} for image in images]
        return {**variant, "DeployedImages": deployed} if deployed else variant

    return with_variants(settings, with_images)


# --- changes by UpdateEndpoint and UpdateEndpointWeightsAndCapacities

_MEMBERS = {"DesiredInstanceCount": "InitialInstanceCount", "DesiredWeight": "InitialVariantWeight"}


def retain_properties(serving: Values | None, deployment: Values, excluded: Collection[str]) -> Values:
    """Return the deployment with the properties of the variants that serve (AWS: RetainAllVariantProperties).

    `excluded`: the VariantPropertyTypes that are not retained.
    """
    members = [member for kind, member in _MEMBERS.items() if kind not in excluded]

    def with_present(variant: Values) -> Values:
        present = variant_named(serving, variant["VariantName"])
        return {**variant, **{member: present[member] for member in members if member in present}}

    retained = with_variants(deployment, with_present)
    if "DataCaptureConfig" not in excluded and serving and "DataCaptureConfig" in serving:
        retained["DataCaptureConfig"] = serving["DataCaptureConfig"]
    return retained


def rescale(variant: Values, desired: Values) -> Values:
    """Return a variant with the weight and capacity of a DesiredWeightAndCapacity."""
    changes = {member: desired[kind] for kind, member in _MEMBERS.items() if kind in desired}
    if "ServerlessUpdateConfig" in desired:
        changes["ServerlessConfig"] = {**variant.get("ServerlessConfig", {}), **desired["ServerlessUpdateConfig"]}
    return {**variant, **changes}


# --- what a deployment is


def traits(deployment: Values, models: Mapping[str, Resource]) -> Iterator[str]:
    """Yield what makes a deployment unfit for a shadow test (AWS: Shadow tests, ShadowProductionVariants).

    That is: serverless, asynchronous, multi-container, multi-model, ml.inf1 instances.
    """
    if "AsyncInferenceConfig" in deployment:
        yield "asynchronous"
    if len(deployment["ProductionVariants"]) > 1:
        yield "of several production variants"
    for variant in variants(deployment):
        if "ServerlessConfig" in variant:
            yield "serverless"
        present = containers(variant, models)
        if len(present) > 1:
            yield "multi-container"
        if any(map(is_multi_model, present)):
            yield "multi-model"
        if any(instance_type.startswith("ml.inf1.") for instance_type in instance_types(variant)):
            yield "on ml.inf1 instances"
