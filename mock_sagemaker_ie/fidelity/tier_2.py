"""The probes that run shadow tests on an endpoint: at most two instances at a time."""

from __future__ import annotations

from typing import Any

from mock_sagemaker_ie.fidelity.probe import (
    Call,
    Captures,
    Metrics,
    Probe,
    Step,
    Values,
    Wait,
    endpoint_config,
    experiment,
    model,
    stop,
)

DAY = 86_400
TOMORROW = {"StartTime": f"{{now+{DAY}}}", "EndTime": f"{{now+{8 * DAY}}}"}
ENDED = ("Completed", "Cancelled")
SETTLED = ("InService", "Failed")


def _named(name: str) -> Values:
    return {"Name": f"{{prefix}}-{name}"}


def _endpoint(name: str) -> Values:
    return {"EndpointName": f"{{prefix}}-{name}"}


MODELS: tuple[Step, ...] = (
    Call("production model", "CreateModel", model("production"), ("hosting_errors",)),
    Call("shadow model", "CreateModel", model("shadow"), ("hosting_errors",)),
)
BOTH = ("production model", "shadow model")


def _create(name: str, about: tuple[str, ...] = ("arn_form",), needs: tuple[str, ...] = BOTH, **changes: Any) -> Call:
    request = experiment(name, **changes)
    return Call(f"create {name}", "CreateInferenceExperiment", request, about, needs, ("InferenceExperimentArn",))


def _until(name: str, *statuses: str, about: tuple[str, ...], after: str, step: str | None = None) -> Wait:
    """Return a wait for a status of an experiment. Every wait ends when the experiment has ended."""
    until = tuple(dict.fromkeys((*statuses, *ENDED)))
    label = step or f"until {name} is {' or '.join(statuses)}"
    return Wait(label, "DescribeInferenceExperiment", _named(name), "Status", until, about, (after,))


def _endpoint_until(name: str, about: tuple[str, ...], after: str, step: str) -> Wait:
    return Wait(step, "DescribeEndpoint", _endpoint(name), "EndpointStatus", SETTLED, about, (after,))


def _invoke(step: str, name: str, about: tuple[str, ...], after: str, **members: Any) -> Call:
    request = {**_endpoint(name), "Body": b"1,2", "ContentType": "text/csv", **members}
    return Call(step, "runtime:InvokeEndpoint", request, about, (after,), ("InvokedProductionVariant",))


RUNNING = "until running is Running"
SCHEDULED = "until scheduled is Running"
EARLY = "until early is Running"
CHANGED = "until changed is Running"

TIER_2 = (
    Probe(
        "running",
        2,
        "a shadow test without a schedule, on an endpoint of its own, that is stopped",
        (
            *MODELS,
            _create("running", DataStorageConfig={"Destination": "{capture}"}),
            _until("running", "Running", about=("unscheduled_test",), after="create running"),
            Call(
                "describe",
                "DescribeInferenceExperiment",
                _named("running"),
                ("default_schedule", "deployments_of_experiments", "times"),
                (RUNNING,),
                (
                    "Status",
                    "Schedule.EndTime-Schedule.StartTime",
                    "EndpointMetadata.EndpointStatus",
                    "EndpointMetadata.EndpointConfigName",
                    "ModelVariants.0.Status",
                    "ModelVariants.1.Status",
                ),
            ),
            Call(
                "endpoint",
                "DescribeEndpoint",
                _endpoint("running"),
                ("deployments_of_experiments",),
                (RUNNING,),
                ("EndpointStatus", "ProductionVariants.0.CurrentWeight", "ShadowProductionVariants.0.CurrentWeight"),
            ),
            _create("busy", ("busy_endpoint",), (RUNNING,), EndpointName="{prefix}-running"),
            Call("start", "StartInferenceExperiment", _named("running"), ("start_only_created",), (RUNNING,)),
            Call(
                "change a fixed member",
                "UpdateInferenceExperiment",
                {**_named("running"), "Schedule": {"StartTime": f"{{now+{DAY}}}"}},
                ("update_statuses",),
                (RUNNING,),
            ),
            Call(
                "change a weight",
                "UpdateEndpointWeightsAndCapacities",
                {
                    **_endpoint("running"),
                    "DesiredWeightsAndCapacities": [{"VariantName": "production", "DesiredWeight": 2}],
                },
                ("weights_under_test",),
                (RUNNING,),
            ),
            _invoke("invoke", "running", ("who_answers",), RUNNING),
            _invoke("target the shadow", "running", ("target_shadow",), RUNNING, TargetVariant="shadow"),
            _invoke("target nothing", "running", ("unknown_target",), RUNNING, TargetVariant="other"),
            Captures("captures", "{prefix}-running", 2, ("shadow_event_id", "capture_form"), ("capture", "invoke")),
            Metrics("metrics", "{prefix}-running", ("capture_form", "metrics_by_config"), ("invoke",)),
            Call("stop", "StopInferenceExperiment", stop("running"), ("stop_running",), (RUNNING,)),
            _until("running", about=("desired_state",), after="stop", step="until it has ended"),
            Call(
                "ended",
                "DescribeInferenceExperiment",
                _named("running"),
                ("desired_state", "stop_reason"),
                ("stop",),
                ("Status", "StatusReason", "ModelVariants.0.Status", "ModelVariants.1.Status"),
            ),
            Call(
                "endpoint after it",
                "DescribeEndpoint",
                _endpoint("running"),
                ("stop_actions",),
                ("stop",),
                ("EndpointStatus", "EndpointConfigName"),
            ),
            Call(
                "delete", "DeleteInferenceExperiment", _named("running"), ("delete_finished",), ("until it has ended",)
            ),
            Call("delete again", "DeleteInferenceExperiment", _named("running"), ("wrong_status",), ("delete",)),
        ),
        minutes=25,
    ),
    Probe(
        "end_of_schedule",
        2,
        "a shadow test on an endpoint of its own that its schedule ends",
        (
            *MODELS,
            _create("scheduled", Schedule={"EndTime": "{now+7200}"}),
            _until("scheduled", "Running", about=("unscheduled_test",), after="create scheduled"),
            Call(
                "end it soon",
                "UpdateInferenceExperiment",
                {**_named("scheduled"), "Schedule": {"EndTime": "{now+900}"}},
                ("update_statuses",),
                (SCHEDULED,),
            ),
            _until("scheduled", about=("deadline_in_updating",), after="end it soon", step="until it has ended"),
            Call(
                "endpoint after it",
                "DescribeEndpoint",
                _endpoint("scheduled"),
                ("created_endpoint",),
                ("until it has ended",),
                ("EndpointStatus",),
            ),
        ),
        minutes=40,
    ),
    Probe(
        "stop_in_created",
        2,
        "a shadow test that is stopped before it starts",
        (
            *MODELS,
            _create("early-stop", Schedule=TOMORROW),
            _until("early-stop", "Created", about=("deployments_of_experiments",), after="create early-stop"),
            Call(
                "stop",
                "StopInferenceExperiment",
                stop("early-stop"),
                ("stop_in_created",),
                ("until early-stop is Created",),
            ),
            Call(
                "status",
                "DescribeInferenceExperiment",
                _named("early-stop"),
                ("stop_in_created",),
                ("until early-stop is Created",),
                ("Status",),
            ),
        ),
        minutes=15,
    ),
    Probe(
        "delete_in_created",
        2,
        "a shadow test that is deleted before it starts",
        (
            *MODELS,
            _create("early-delete", Schedule=TOMORROW),
            _until("early-delete", "Created", about=("deployments_of_experiments",), after="create early-delete"),
            Call(
                "delete",
                "DeleteInferenceExperiment",
                _named("early-delete"),
                ("delete_in_created",),
                ("until early-delete is Created",),
            ),
        ),
        minutes=15,
    ),
    Probe(
        "early_start",
        2,
        "a shadow test that is started early, updated with its old StartTime, and deleted while it runs",
        (
            *MODELS,
            _create("early", Schedule=TOMORROW),
            _until("early", "Created", about=("deployments_of_experiments",), after="create early"),
            Call(
                "requested",
                "DescribeInferenceExperiment",
                _named("early"),
                ("times",),
                ("until early is Created",),
                ("Schedule.EndTime-Schedule.StartTime",),
            ),
            Call("start", "StartInferenceExperiment", _named("early"), ("start_only_created",), ("requested",)),
            _until("early", "Running", about=("deployments_of_experiments",), after="start"),
            Call(
                "repeat the requested StartTime",
                "UpdateInferenceExperiment",
                {**_named("early"), "Schedule": {"StartTime": "{requested.Schedule.StartTime}"}},
                ("repeated_start_time",),
                (EARLY,),
            ),
            _until("early", "Running", about=("repeated_schedule",), after=EARLY, step="until it is Running again"),
            Call("actual", "DescribeInferenceExperiment", _named("early"), ("times",), (EARLY,), ("Status",)),
            Call(
                "repeat the actual StartTime",
                "UpdateInferenceExperiment",
                {**_named("early"), "Schedule": {"StartTime": "{actual.Schedule.StartTime}"}},
                ("repeated_start_time",),
                ("actual",),
            ),
            _until("early", "Running", about=("repeated_schedule",), after="actual", step="until it runs on"),
            Call("delete", "DeleteInferenceExperiment", _named("early"), ("delete_in_running",), ("until it runs on",)),
        ),
        minutes=45,
    ),
    Probe(
        "endpoint_under_test",
        2,
        "an existing endpoint, which a client updates and deletes during a shadow test",
        (
            *MODELS,
            Call("config", "CreateEndpointConfig", endpoint_config("changed"), ("hosting_errors",), BOTH),
            Call("other config", "CreateEndpointConfig", endpoint_config("other"), ("hosting_errors",), BOTH),
            Call(
                "create endpoint",
                "CreateEndpoint",
                {**_endpoint("changed"), "EndpointConfigName": "{prefix}-changed"},
                ("hosting_errors",),
                ("config",),
            ),
            _endpoint_until("changed", ("hosting_errors",), "create endpoint", "until the endpoint is in service"),
            _create("changed", needs=("until the endpoint is in service",)),
            _until("changed", "Running", about=("unscheduled_test",), after="create changed"),
            Call(
                "update the endpoint",
                "UpdateEndpoint",
                {**_endpoint("changed"), "EndpointConfigName": "{prefix}-other"},
                ("update_endpoint_under_test",),
                (CHANGED,),
            ),
            _endpoint_until("changed", ("update_endpoint_under_test",), CHANGED, "until the endpoint is settled"),
            Call(
                "delete the endpoint",
                "DeleteEndpoint",
                _endpoint("changed"),
                ("delete_endpoint_under_test",),
                (CHANGED,),
            ),
            Call(
                "experiment after it",
                "DescribeInferenceExperiment",
                _named("changed"),
                ("delete_endpoint_under_test",),
                (CHANGED,),
                ("Status",),
            ),
        ),
        minutes=35,
    ),
    Probe(
        "lists_of_experiments",
        2,
        "lists of three shadow tests, of which two were stopped before they started",
        (
            *MODELS,
            _create("c", Schedule=TOMORROW),
            _create("b", Schedule=TOMORROW),
            _until("b", "Created", about=("deployments_of_experiments",), after="create b"),
            Call("stop b", "StopInferenceExperiment", stop("b"), ("stop_in_created",), ("until b is Created",)),
            _until("b", about=("desired_state",), after="stop b", step="until b has ended"),
            _create("a", needs=("until b has ended",), Schedule=TOMORROW, EndpointName="{prefix}-b"),
            _until("a", "Created", about=("deployments_of_experiments",), after="create a"),
            Call("stop a", "StopInferenceExperiment", stop("a"), ("stop_in_created",), ("until a is Created",)),
            _until("a", about=("desired_state",), after="stop a", step="until a has ended"),
            _until("c", "Created", about=("deployments_of_experiments",), after="create c"),
            *(
                Call(
                    step,
                    "ListInferenceExperiments",
                    {"NameContains": "{prefix}", **query},
                    (about,),
                    ("until c is Created",),
                    ("InferenceExperiments.0.Name", "InferenceExperiments.1.Name", "InferenceExperiments.2.Name"),
                )
                for step, query, about in (
                    ("default direction", {"SortBy": "CreationTime"}, "list_sort_order"),
                    ("default column", {"SortOrder": "Ascending"}, "list_sort_by"),
                    ("filter with pages of one", {"NameContains": "{prefix}-c", "MaxResults": 1}, "list_filters"),
                    ("filter in another case", {"NameContains": "{prefix}-A"}, "list_filter_edges"),
                )
            ),
        ),
        minutes=40,
    ),
)
