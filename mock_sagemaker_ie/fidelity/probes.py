"""Probes: short lists of calls whose answers show what SageMaker does, as data, and those that create no endpoint.

A text in braces stands for what varies: `{prefix}` and the other names of a run, `{now+60}` for an instant in so many
seconds, `{step.Member}` for a member of the answer to an earlier step. A member whose name has no value is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Values = dict[str, Any]


class Call(NamedTuple):
    """A call, whose answer is compared: error code, text, members with their types, headers, and `look`.

    `operation`: as AWS writes it; `runtime:` before it for sagemaker-runtime. `about`: the behaviours that the answer
    shows. `look`: paths of members whose values are compared; `A-B` is the time from B to A. `needs`: steps that must
    have succeeded, and names that must have a value.
    """

    name: str
    operation: str
    params: Values
    about: tuple[str, ...]
    look: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


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
UNKNOWN = {"Name": "{prefix}-unknown"}
TEXTS = ("wrong_status", "experiment_texts")
CONSTRAINTS = ("constraint_texts", "patterns_in_texts")
ACROSS = ("rules_across_members",)
SCHEDULE = ("schedule_order", "default_schedule")


def _create(name: str, about: tuple[str, ...], **changes: Any) -> Call:
    """Return a call of CreateInferenceExperiment that a correct service refuses."""
    return Call(name, "CreateInferenceExperiment", experiment("refused", **changes), about)


TIER_0 = (
    Probe(
        "unknown_experiment",
        0,
        "operations on an experiment that does not exist",
        (
            Call("describe", "DescribeInferenceExperiment", UNKNOWN, TEXTS),
            Call("update", "UpdateInferenceExperiment", {**UNKNOWN, "Description": "new"}, TEXTS),
            Call("start", "StartInferenceExperiment", UNKNOWN, TEXTS),
            Call("stop", "StopInferenceExperiment", stop("unknown"), TEXTS),
            Call("delete", "DeleteInferenceExperiment", UNKNOWN, TEXTS),
        ),
    ),
    Probe(
        "constraints",
        0,
        "requests for an experiment that break constraints of single members",
        (
            _create("name with a space", CONSTRAINTS, Name="not a name"),
            _create("name too long", CONSTRAINTS, Name="a" * 121),
            _create("no endpoint", CONSTRAINTS, EndpointName=None),
            _create("unknown type", CONSTRAINTS, Type="Canary"),
            _create("one variant", CONSTRAINTS, ModelVariants=[]),
            _create("percentage above 100", CONSTRAINTS, ShadowModeConfig=shadow_mode(percentage=101)),
            _create("two violations", CONSTRAINTS, Name="not a name", EndpointName="not a name"),
            Call("describe without a name", "DescribeInferenceExperiment", {}, CONSTRAINTS),
            Call(
                "unknown action",
                "StopInferenceExperiment",
                {**UNKNOWN, "ModelVariantActions": {"production": "Keep"}},
                CONSTRAINTS,
            ),
        ),
    ),
    Probe(
        "rules",
        0,
        "requests for an experiment that break rules across members, with models that do not exist",
        (
            _create("percentage below 0", ACROSS, ShadowModeConfig=shadow_mode(percentage=-1)),
            _create("equal variant names", ACROSS, ModelVariants=[variant("production"), variant("production")]),
            _create("unknown source", ACROSS, ShadowModeConfig=shadow_mode(production="other")),
            _create("unknown shadow", ACROSS, ShadowModeConfig=shadow_mode(shadow="other")),
            _create("shadow is source", ACROSS, ShadowModeConfig=shadow_mode(shadow="production")),
            _create("equal tag keys", ACROSS, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]),
            _create("reserved tag key", ACROSS, Tags=[{"Key": "aws:a", "Value": "1"}]),
            _create("end before start", SCHEDULE, Schedule={"StartTime": "{now+7200}", "EndTime": "{now+3600}"}),
            _create("end in the past", SCHEDULE, Schedule={"EndTime": "{now-3600}"}),
            _create("too long", SCHEDULE, Schedule={"StartTime": "{now+3600}", "EndTime": "{now+2678400}"}),
            _create("unknown models", ("hosting_errors",)),
        ),
    ),
    Probe(
        "lists",
        0,
        "lists of experiments without a result, and with tokens that no list has returned",
        (
            Call(
                "nothing found",
                "ListInferenceExperiments",
                {"NameContains": "{prefix}"},
                ("list_tokens",),
                ("InferenceExperiments",),
            ),
            Call("forged token", "ListInferenceExperiments", {"NextToken": "forged"}, ("list_tokens",)),
            Call("page of 0", "ListInferenceExperiments", {"MaxResults": 0}, CONSTRAINTS),
            Call("page of 101", "ListInferenceExperiments", {"MaxResults": 101}, CONSTRAINTS),
            Call("unknown order", "ListInferenceExperiments", {"SortBy": "Size"}, CONSTRAINTS),
        ),
    ),
    Probe(
        "unknown_hosting",
        0,
        "operations on models, endpoint configurations and endpoints that do not exist",
        (
            Call("model", "DescribeModel", {"ModelName": "{prefix}-unknown"}, ("hosting_errors",)),
            Call("delete model", "DeleteModel", {"ModelName": "{prefix}-unknown"}, ("hosting_errors",)),
            Call(
                "configuration",
                "DescribeEndpointConfig",
                {"EndpointConfigName": "{prefix}-unknown"},
                ("hosting_errors",),
            ),
            Call("endpoint", "DescribeEndpoint", {"EndpointName": "{prefix}-unknown"}, ("hosting_errors",)),
            Call("delete endpoint", "DeleteEndpoint", {"EndpointName": "{prefix}-unknown"}, ("hosting_errors",)),
            Call(
                "endpoint of an unknown configuration",
                "CreateEndpoint",
                {"EndpointName": "{prefix}-unknown", "EndpointConfigName": "{prefix}-unknown"},
                ("hosting_errors",),
            ),
            Call(
                "configuration of an unknown model",
                "CreateEndpointConfig",
                endpoint_config("unknown", variant={"ModelName": "{prefix}-unknown"}),
                ("hosting_errors",),
            ),
            Call(
                "invocation",
                "runtime:InvokeEndpoint",
                {"EndpointName": "{prefix}-unknown", "Body": b"1"},
                ("invocation_members",),
            ),
        ),
    ),
)

MODEL = {"ModelName": "{prefix}-Model"}
CONFIG = {"EndpointConfigName": "{prefix}-config"}

TIER_1 = (
    Probe(
        "models",
        1,
        "a model: its defaults, its ARN, a duplicate, its deletion",
        (
            Call("create", "CreateModel", model("Model"), ("arn_case",), ("ModelArn",)),
            Call("describe", "DescribeModel", MODEL, ("hosting_details",), ("EnableNetworkIsolation",), ("create",)),
            Call("create again", "CreateModel", model("Model"), ("hosting_errors",), (), ("create",)),
            Call("other case", "CreateModel", model("model"), ("arn_case",), ("ModelArn",), ("create",)),
            Call(
                "find",
                "ListModels",
                {"NameContains": "{prefix}-Mod"},
                ("arn_case",),
                ("Models.0.ModelName",),
                ("create",),
            ),
            Call("delete", "DeleteModel", MODEL, ("hosting_errors",), (), ("create",)),
            Call("delete again", "DeleteModel", MODEL, ("hosting_errors",), (), ("delete",)),
        ),
    ),
    Probe(
        "endpoint_configurations",
        1,
        "an endpoint configuration: its defaults, a duplicate, members that are refused",
        (
            Call("model", "CreateModel", model("production"), ("hosting_errors",)),
            Call("create", "CreateEndpointConfig", endpoint_config("config"), ("hosting_details",), (), ("model",)),
            Call("describe", "DescribeEndpointConfig", CONFIG, ("hosting_details",), (), ("create",)),
            Call(
                "create again", "CreateEndpointConfig", endpoint_config("config"), ("hosting_errors",), (), ("create",)
            ),
            Call(
                "managed scaling",
                "CreateEndpointConfig",
                endpoint_config("scaled", variant={"ManagedInstanceScaling": {"Status": "ENABLED"}}),
                ("hosting_details",),
                (),
                ("model",),
            ),
            Call(
                "equal variant names",
                "CreateEndpointConfig",
                endpoint_config("equal", ShadowProductionVariants=endpoint_config("")["ProductionVariants"]),
                ("either_or",),
                (),
                ("model",),
            ),
            Call("delete", "DeleteEndpointConfig", CONFIG, ("hosting_errors",), (), ("create",)),
            Call("delete again", "DeleteEndpointConfig", CONFIG, ("hosting_errors",), (), ("delete",)),
        ),
    ),
)
