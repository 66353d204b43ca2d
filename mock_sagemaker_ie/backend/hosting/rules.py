"""The rules that join several members of a request about models and endpoint configurations.

Every rule yields violations, which are answered with ValidationException.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.validation import Violation, lower_camel, unique

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


Values = dict[str, Any]


def one_container_member(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateModel: it has either PrimaryContainer or Containers."""
    if ("PrimaryContainer" in params) == bool(params.get("Containers")):
        constraint = "Member must be given exactly when containers is not"
        yield Violation("primaryContainer", params.get("PrimaryContainer"), constraint)


def variants_fit(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateEndpointConfig: a shadow variant has exactly one production variant (AWS: ShadowProductionVariants).

    A variant has either an instance type or a serverless configuration.
    """
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        path, variants = lower_camel(member), params.get(member, ())
        if "ShadowProductionVariants" in params and len(variants) > 1:
            yield Violation(path, variants, "Member must have length less than or equal to 1 beside a shadow variant")
        for number, variant in enumerate(variants, start=1):
            if ("ServerlessConfig" in variant) == bool(variant.keys() & {"InstanceType", "InstancePools"}):
                constraint = "Member must be given exactly when serverlessConfig is not"
                yield Violation(f"{path}.{number}.member.instanceType", variant.get("InstanceType"), constraint)


def variant_names_differ(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateEndpointConfig: no two variants, production or shadow, have the same name."""
    production, shadow = params.get("ProductionVariants", []), params.get("ShadowProductionVariants", [])
    yield from unique(production, "VariantName", "productionVariants")
    names = {variant["VariantName"] for variant in production if "VariantName" in variant}
    for number, variant in enumerate(shadow, start=1):
        if variant.get("VariantName") in names:
            path = f"shadowProductionVariants.{number}.member.variantName"
            yield Violation(path, variant["VariantName"], "Member must be unique")


def variants_exist(names: list[str], desired: list[Values]) -> Iterator[Violation]:
    """Check UpdateEndpointWeightsAndCapacities: each variant is one of the endpoint's `names`, and named once."""
    yield from unique(desired, "VariantName", "desiredWeightsAndCapacities")
    for number, each in enumerate(desired, start=1):
        if each["VariantName"] not in names:
            path = f"desiredWeightsAndCapacities.{number}.member.variantName"
            constraint = f"Member must name a variant of the endpoint: [{', '.join(names)}]"
            yield Violation(path, each["VariantName"], constraint)
