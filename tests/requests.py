"""Valid requests; a test passes only the members that matter to it."""

from __future__ import annotations

from typing import Any

NAME = "my-experiment"
PRODUCTION, SHADOW = "prod", "shadow"


def variant(
    name: str, model: str | None = None, *, instance_type: str = "ml.m5.xlarge", count: int = 1
) -> dict[str, Any]:
    """Return a member of ModelVariants."""
    infrastructure = {"InstanceType": instance_type, "InstanceCount": count}
    return {
        "ModelName": model or f"model-{name}",
        "VariantName": name,
        "InfrastructureConfig": {
            "InfrastructureType": "RealTimeInference",
            "RealTimeInferenceConfig": infrastructure,
        },
    }


def shadow_mode(production: str = PRODUCTION, shadow: str = SHADOW, *, percentage: int = 50) -> dict[str, Any]:
    """Return a ShadowModeConfig."""
    return {
        "SourceModelVariantName": production,
        "ShadowModelVariants": [{"ShadowModelVariantName": shadow, "SamplingPercentage": percentage}],
    }


def create(name: str = NAME, **changes: Any) -> dict[str, Any]:
    """Return a CreateInferenceExperiment request; a change to None leaves the member out."""
    request = {
        "Name": name,
        "Type": "ShadowMode",
        "RoleArn": "arn:aws:iam::123456789012:role/shadow-tests",
        "EndpointName": f"endpoint-of-{name}"[:63].rstrip("-"),
        "ModelVariants": [variant(PRODUCTION), variant(SHADOW)],
        "ShadowModeConfig": shadow_mode(),
        **changes,
    }
    return {member: value for member, value in request.items() if value is not None}


# A member of a CreateInferenceExperiment request, with which the traffic is captured.
CAPTURED = {
    "DataStorageConfig": {"Destination": "s3://captures/tests", "ContentType": {"CsvContentTypes": ["text/csv"]}}
}


def stop(name: str = NAME, production: str = "Retain", shadow: str = "Remove", **changes: Any) -> dict[str, Any]:
    """Return a StopInferenceExperiment request."""
    return {"Name": name, "ModelVariantActions": {PRODUCTION: production, SHADOW: shadow}, **changes}


# --- models, endpoint configurations and endpoints

MODEL, CONFIG, ENDPOINT = "my-model", "my-config", "my-endpoint"


def model(name: str = MODEL, *, mode: str = "SingleModel", containers: int = 0) -> dict[str, Any]:
    """Return a CreateModel request with a PrimaryContainer, or with this number of Containers."""
    container = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/ranker:1", "Mode": mode}
    contents = {"Containers": [container] * containers} if containers else {"PrimaryContainer": container}
    return {"ModelName": name, "ExecutionRoleArn": "arn:aws:iam::123456789012:role/models", **contents}


def deployed(name: str = PRODUCTION, **changes: Any) -> dict[str, Any]:
    """Return a member of ProductionVariants or ShadowProductionVariants; a change to None leaves the member out."""
    members = {
        "VariantName": name,
        "ModelName": f"model-{name}",
        "InstanceType": "ml.m5.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        **changes,
    }
    return {member: value for member, value in members.items() if value is not None}


def endpoint_config(name: str = CONFIG, *production: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a CreateEndpointConfig request."""
    return {"EndpointConfigName": name, "ProductionVariants": list(production) or [deployed()], **changes}
