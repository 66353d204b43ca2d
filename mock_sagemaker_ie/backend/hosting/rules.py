"""The rules that join several members of a request about models and endpoint configurations.

A rule yields violations, which are answered together with ValidationException. A function that begins with `require`
raises one AWSError (ValidationException) with a text of AWS's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.deployment import VARIANT_LISTS, variant_names, variants
from mock_sagemaker_ie.protocol.errors import validation_exception
from mock_sagemaker_ie.protocol.validation import Violation, lower_camel, unique

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


Values = dict[str, Any]


def one_container_member(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateModel: it has either PrimaryContainer or Containers (inferred: either_or)."""
    if ("PrimaryContainer" in params) == bool(params.get("Containers")):
        constraint = "Member must be given exactly when containers is not"
        yield Violation("primaryContainer", params.get("PrimaryContainer"), constraint)


def variants_fit(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateEndpointConfig: a shadow variant has exactly one production variant (AWS: ShadowProductionVariants).

    A variant has either an instance type or a serverless configuration (inferred: either_or).
    """
    for member in VARIANT_LISTS:
        path, listed = lower_camel(member), params.get(member, ())
        if "ShadowProductionVariants" in params and len(listed) > 1:
            yield Violation(path, listed, "Member must have length less than or equal to 1 beside a shadow variant")
        for number, variant in enumerate(listed, start=1):
            if ("ServerlessConfig" in variant) == bool(variant.keys() & {"InstanceType", "InstancePools"}):
                constraint = "Member must be given exactly when serverlessConfig is not"
                yield Violation(f"{path}.{number}.member.instanceType", variant.get("InstanceType"), constraint)


def variant_names_differ(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateEndpointConfig: no two variants, production or shadow, have the same name (inferred: either_or)."""
    production, shadow = params.get("ProductionVariants", []), params.get("ShadowProductionVariants", [])
    yield from unique(production, "VariantName", "productionVariants")
    names = {variant["VariantName"] for variant in production if "VariantName" in variant}
    for number, variant in enumerate(shadow, start=1):
        if variant.get("VariantName") in names:
            path = f"shadowProductionVariants.{number}.member.variantName"
            yield Violation(path, variant["VariantName"], "Member must be unique")


def serverless_fits(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check CreateEndpointConfig: memory comes in steps of 1,024 MB (AWS: ProductionVariantServerlessConfig).

    Provisioned concurrency is at most MaxConcurrency (inferred: either_or).
    """
    for member in VARIANT_LISTS:
        for number, variant in enumerate(params.get(member, ()), start=1):
            path, serverless = (
                f"{lower_camel(member)}.{number}.member.serverlessConfig",
                variant.get("ServerlessConfig"),
            )
            if not serverless:
                continue
            if (memory := serverless.get("MemorySizeInMB", 0)) % 1024:
                yield Violation(f"{path}.memorySizeInMB", memory, "Member must be a multiple of 1024")
            most, provisioned = serverless.get("MaxConcurrency"), serverless.get("ProvisionedConcurrency", 0)
            if most is not None and provisioned > most:
                constraint = f"Member must have value less than or equal to maxConcurrency: {most}"
                yield Violation(f"{path}.provisionedConcurrency", provisioned, constraint)


def require_inference_components(params: Values) -> None:
    """Check CreateEndpointConfig: ManagedInstanceScaling is for variants without a model. Raises AWSError."""
    for variant in variants(params):
        if "ManagedInstanceScaling" in variant and "ModelName" in variant:
            raise validation_exception("ManagedInstanceScaling is only supported for inference component endpoints.")


def require_variants(deployment: Values, desired: list[Values]) -> None:
    """Check UpdateEndpointWeightsAndCapacities: each variant is one of the deployment's, named once. Raises AWSError.

    The texts are probably AWS's own.
    """
    names = [each["VariantName"] for each in desired]
    present = variant_names(deployment)
    if unknown := [name for name in dict.fromkeys(names) if name not in present]:
        raise validation_exception(
            f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
            f'"{deployment["EndpointConfigName"]}".'
        )
    if repeated := [name for name in names if names.count(name) > 1]:
        raise validation_exception(f'The variant name "{repeated[0]}" was non-unique within the request.')
