"""The probes that create nothing: AWS is expected to refuse each request that would."""

from __future__ import annotations

from typing import Any

from mock_sagemaker_ie.fidelity.probe import Call, Probe, endpoint_config, experiment, shadow_mode, stop, variant

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
                look=("InferenceExperiments",),
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
