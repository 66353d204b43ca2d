"""The probes that create and delete models and endpoint configurations, which cost nothing."""

from __future__ import annotations

from mock_sagemaker_ie.fidelity.probe import Call, Probe, endpoint_config, model

MODEL = {"ModelName": "{prefix}-Model"}
CONFIG = {"EndpointConfigName": "{prefix}-config"}

TIER_1 = (
    Probe(
        "models",
        1,
        "a model: its defaults, its ARN, a duplicate, its deletion",
        (
            Call("create", "CreateModel", model("Model"), ("arn_case",), look=("ModelArn",)),
            Call("describe", "DescribeModel", MODEL, ("hosting_details",), ("create",), ("EnableNetworkIsolation",)),
            Call("create again", "CreateModel", model("Model"), ("hosting_errors",), ("create",)),
            Call("other case", "CreateModel", model("model"), ("arn_case",), ("create",), ("ModelArn",)),
            Call(
                "find",
                "ListModels",
                {"NameContains": "{prefix}-Mod"},
                ("arn_case",),
                ("create",),
                ("Models.0.ModelName",),
            ),
            Call("delete", "DeleteModel", MODEL, ("hosting_errors",), ("create",)),
            Call("delete again", "DeleteModel", MODEL, ("hosting_errors",), ("delete",)),
        ),
    ),
    Probe(
        "endpoint_configurations",
        1,
        "an endpoint configuration: its defaults, a duplicate, members that are refused",
        (
            Call("model", "CreateModel", model("production"), ("hosting_errors",)),
            Call("create", "CreateEndpointConfig", endpoint_config("config"), ("hosting_details",), ("model",)),
            Call("describe", "DescribeEndpointConfig", CONFIG, ("hosting_details",), ("create",)),
            Call("create again", "CreateEndpointConfig", endpoint_config("config"), ("hosting_errors",), ("create",)),
            Call(
                "managed scaling",
                "CreateEndpointConfig",
                endpoint_config("scaled", variant={"ManagedInstanceScaling": {"Status": "ENABLED"}}),
                ("hosting_details",),
                ("model",),
            ),
            Call(
                "equal variant names",
                "CreateEndpointConfig",
                endpoint_config("equal", ShadowProductionVariants=endpoint_config("")["ProductionVariants"]),
                ("either_or",),
                ("model",),
            ),
            Call("delete", "DeleteEndpointConfig", CONFIG, ("hosting_errors",), ("create",)),
            Call("delete again", "DeleteEndpointConfig", CONFIG, ("hosting_errors",), ("delete",)),
        ),
    ),
)
