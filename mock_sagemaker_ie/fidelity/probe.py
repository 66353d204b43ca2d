"""What a probe consists of: its steps, and the requests that several probes send.

A probe is a short list of calls whose answers show what SageMaker does.

A text in braces stands for what varies: `{prefix}` and the other names of a run, `{now+60}` for an instant in so many
seconds, `{step.Member}` for a member of the answer to an earlier step. A member whose name has no value is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Values = dict[str, Any]


class Call(NamedTuple):
    """A call, whose answer is compared: error code, text, members with their types, headers, and `look`.

    `operation`: as AWS writes it; `runtime:` before it for sagemaker-runtime. `about`: the behaviours that the answer
    shows. `needs`: steps that must have succeeded, and names that must have a value. `look`: paths of members whose
    values are compared; `A-B` is the time from B to A.
    """

    name: str
    operation: str
    params: Values
    about: tuple[str, ...]
    needs: tuple[str, ...] = ()
    look: tuple[str, ...] = ()


class Wait(NamedTuple):
    """Calls of a Describe operation until a status is one of `until`, or the resource is gone; the path is compared."""

    name: str
    operation: str
    params: Values
    member: str
    until: tuple[str, ...]
    about: tuple[str, ...]
    needs: tuple[str, ...] = ()


class Captures(NamedTuple):
    """The records that data capture has written for an endpoint, when there are at least `records`."""

    name: str
    endpoint: str
    records: int
    about: tuple[str, ...]
    needs: tuple[str, ...] = ()


class Metrics(NamedTuple):
    """The names and dimensions of the metrics of an endpoint."""

    name: str
    endpoint: str
    about: tuple[str, ...]
    needs: tuple[str, ...] = ()


Step = Call | Wait | Captures | Metrics


class Probe(NamedTuple):
    """A short list of steps.

    `tier`: 0 creates nothing; 1 creates what is free; 2 runs endpoints. `minutes`: how long it takes on AWS, about.
    """

    name: str
    tier: int
    text: str
    steps: tuple[Step, ...]
    minutes: int = 0


def variant(name: str, model: str | None = None) -> Values:
    """Return a member of ModelVariants on one instance."""
    infrastructure = {"InstanceType": "{instance_type}", "InstanceCount": 1}
    return {
        "ModelName": model or f"{{prefix}}-{name}",
        "VariantName": name,
        "InfrastructureConfig": {
            "InfrastructureType": "RealTimeInference",
            "RealTimeInferenceConfig": infrastructure,
        },
    }


def shadow_mode(production: str = "production", shadow: str = "shadow", percentage: int = 100) -> Values:
    """Return a ShadowModeConfig."""
    copied = {"ShadowModelVariantName": shadow, "SamplingPercentage": percentage}
    return {"SourceModelVariantName": production, "ShadowModelVariants": [copied]}


def experiment(name: str, **changes: Any) -> Values:
    """Return a CreateInferenceExperiment request; its name and its endpoint's begin with the prefix of the run."""
    request = {
        "Name": f"{{prefix}}-{name}",
        "Type": "ShadowMode",
        "RoleArn": "{role}",
        "EndpointName": f"{{prefix}}-{name}",
        "ModelVariants": [variant("production"), variant("shadow")],
        "ShadowModeConfig": shadow_mode(),
        "Tags": TAGS,
        **changes,
    }
    return {member: value for member, value in request.items() if value is not None}


def stop(name: str, **changes: Any) -> Values:
    """Return a StopInferenceExperiment request that keeps production alone."""
    actions = {"production": "Retain", "shadow": "Remove"}
    return {"Name": f"{{prefix}}-{name}", "ModelVariantActions": actions, **changes}


def model(name: str) -> Values:
    """Return a CreateModel request."""
    container = {"Image": "{image}", "ModelDataUrl": "{model_data}"}
    request = {"ModelName": f"{{prefix}}-{name}", "ExecutionRoleArn": "{role}", "PrimaryContainer": container}
    return {**request, "Tags": TAGS}


def endpoint_config(name: str, **changes: Any) -> Values:
    """Return a CreateEndpointConfig request with one production variant."""
    deployed = {"VariantName": "production", "ModelName": "{prefix}-production", "InitialInstanceCount": 1}
    production = [{**deployed, "InstanceType": "{instance_type}", **changes.pop("variant", {})}]
    return {"EndpointConfigName": f"{{prefix}}-{name}", "ProductionVariants": production, "Tags": TAGS, **changes}


TAGS = [{"Key": "created-by", "Value": "mock-sagemaker-ie"}, {"Key": "run", "Value": "{prefix}"}]
