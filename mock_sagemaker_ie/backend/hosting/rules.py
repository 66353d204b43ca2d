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


# By kind of policy: the member with its size, and the least and most percent of the fleet (AWS: DeploymentConfig).
_SIZES = {
    "CANARY": ("CanarySize", 1, 50),
    "LINEAR": ("LinearStepSize", 10, 50),
    "ROLLING": ("MaximumBatchSize", 5, 50),
    "ROLLBACK": ("RollbackMaximumBatchSize", 5, 100),
}


def _sizes(config: Values) -> Iterator[tuple[str, Values | None, int, int]]:
    """Yield each CapacitySize of a DeploymentConfig: its path, itself or None, and the least and most percent."""
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if (kind := routing.get("Type")) in _SIZES:
        member, least, most = _SIZES[kind]
        path = f"blueGreenUpdatePolicy.trafficRoutingConfiguration.{lower_camel(member)}"
        yield path, routing.get(member), least, most
    rolling = config.get("RollingUpdatePolicy", {})
    for member, least, most in (_SIZES["ROLLING"], _SIZES["ROLLBACK"]):
        if member in rolling:
            yield f"rollingUpdatePolicy.{lower_camel(member)}", rolling[member], least, most


def deployment_config_fits(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check DeploymentConfig: it has one policy, the sizes that the policy needs, and time for its waits.

    Source: AWS, DeploymentConfig, TrafficRoutingConfig, RollingUpdatePolicy. That AWS refuses a time limit which the
    waits alone exceed is inferred: deployment_limits.
    """
    config = params.get("DeploymentConfig", {})
    blue_green, path = config.get("BlueGreenUpdatePolicy", {}), "deploymentConfig"
    if blue_green and "RollingUpdatePolicy" in config:
        constraint = "Member must not be given together with blueGreenUpdatePolicy"
        yield Violation(f"{path}.rollingUpdatePolicy", config["RollingUpdatePolicy"], constraint)
    for member, size, least, most in _sizes(config):
        if size is None:
            yield Violation(f"{path}.{member}", None, "Member must not be null")
        elif size.get("Type") == "CAPACITY_PERCENT" and not least <= size.get("Value", least) <= most:
            constraint = f"Member must have value between {least} and {most}"
            yield Violation(f"{path}.{member}.value", size["Value"], constraint)
    waits = blue_green.get("TrafficRoutingConfiguration", {}).get("WaitIntervalInSeconds", 0)
    waits += blue_green.get("TerminationWaitInSeconds", 0)
    limit = blue_green.get("MaximumExecutionTimeoutInSeconds")
    if limit is not None and limit <= waits:
        constraint = f"Member must have value greater than the total waiting time: {waits}"
        yield Violation(f"{path}.blueGreenUpdatePolicy.maximumExecutionTimeoutInSeconds", limit, constraint)


def require_same_variants(old: Values, new: Values) -> None:
    """Check UpdateEndpoint with a DeploymentConfig: the production variants keep their names. Raises AWSError."""
    before, after = ([each["VariantName"] for each in side["ProductionVariants"]] for side in (old, new))
    if set(before) != set(after):
        raise validation_exception(
            f'Endpoint configuration "{new["EndpointConfigName"]}" must have the production variants of endpoint '
            f'configuration "{old["EndpointConfigName"]}" when DeploymentConfig is used: {", ".join(before)}, '
            f"not {', '.join(after)}."
        )


def require_batches_fit(config: Values, new: Values) -> None:
    """Check that each INSTANCE_COUNT of a DeploymentConfig fits each production variant. Raises AWSError."""
    for path, size, least, most in _sizes(config):
        if size is None or size["Type"] != "INSTANCE_COUNT":
            continue
        for variant in new["ProductionVariants"]:
            count = variant.get("InitialInstanceCount", 0)
            if not least * count <= 100 * size["Value"] <= most * count:
                raise validation_exception(
                    f"{path}: {size['Value']} instance(s) must be between {least} and {most} percent of the {count} "
                    f'instance(s) of variant "{variant["VariantName"]}".'
                )


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
