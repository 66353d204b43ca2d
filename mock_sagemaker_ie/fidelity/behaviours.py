"""The table of behaviours: what the mock does, how sure we are that AWS does the same, and why.

The page Fidelity and fidelity.json are generated from it. A behaviour that a user can switch is a row of Assumptions,
and `switchable` adds it. A comment or docstring in the code that says `inferred: NAME` names a row of either.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mock_sagemaker_ie.backend.assumptions import ROWS


class Behaviour(NamedTuple):
    """One behaviour.

    `mark`: D (documented by AWS), O (observed in public responses), I (inferred), or several, for parts of the text.
    `source`: where AWS documents it, or where it was observed; for I, what it was inferred from. `assumption`: the
    choices of the assumption with the same name, default first, if the behaviour can be switched.
    """

    name: str
    text: str
    mark: str
    source: str
    assumption: tuple[Any, ...] = ()


# The sources.
CREATE = "API: CreateInferenceExperiment"
UPDATE = "API: UpdateInferenceExperiment"
STOP = "API: StopInferenceExperiment"
DELETE = "API: DeleteInferenceExperiment"
DESCRIBE = "API: DescribeInferenceExperiment"
CONFIG = "API: CreateEndpointConfig"
SHADOW_TESTS = "guide: Shadow tests"
GUARDRAILS = "guide: Deployment guardrails"
HANDLERS = "AWS's CloudFormation handlers"
RESPONSES = "public responses"
NONE = "none"

BEHAVIOURS = (
    Behaviour(
        "default_schedule",
        "**Schedule.** Without one the test starts at once and ends after 7 days; it lasts 30 days at most",
        "D",
        f"{CREATE}; {SHADOW_TESTS}",
    ),
    Behaviour(
        "one_end_of_schedule",
        "Only StartTime given: it ends 7 days later. Only EndTime given, or StartTime in the past: it starts at once",
        "I",
        "default_schedule; AWS's sample sends the present time as StartTime",
    ),
    Behaviour(
        "schedule_order",
        "EndTime not after StartTime, or not in the future: `ValidationException`; the same for dates before 1970 or "
        "after 8999",
        "I",
        NONE,
    ),
    Behaviour(
        "rules_across_members",
        "**Rules across members** (`ValidationException`): variant names differ; source and shadow each name another "
        "variant; SamplingPercentage from 0; tag keys unique, none beginning `aws:`, 50 tags at most",
        "I",
        "other operations of SageMaker",
    ),
    Behaviour("name_taken", "**Create** with a taken name: `ResourceInUse`", "D", CREATE),
    Behaviour(
        "start_only_created",
        "**Start** only from Created; the schedule then begins at once, and ends after 30 days at the latest",
        "I, D",
        f"{HANDLERS}; {SHADOW_TESTS}",
    ),
    Behaviour(
        "update_statuses",
        "**Update** in Created or Running; in Running only Description, EndTime and SamplingPercentage may change",
        "D, I",
        UPDATE,
    ),
    Behaviour("update_one_variant", "Update: ModelVariants may name one variant", "D", UPDATE),
    Behaviour(
        "repeated_schedule",
        "While Running, the EndTime as it was requested is as good as the actual one, also after an early Start",
        "I",
        HANDLERS,
    ),
    Behaviour("deadline_in_updating", "A deadline during Updating takes effect when Updating ends", "I", NONE),
    Behaviour("stop_running", "**Stop** from Running", "D", STOP),
    Behaviour(
        "stop_actions",
        "ModelVariantActions names every variant; only the shadow can be promoted, and production must then "
        "be removed; one variant stays as production; `{Retain, Retain}` is allowed",
        "O, I",
        f"public code; {STOP}",
    ),
    Behaviour("stop_reason", "Reason becomes StatusReason", "D", DESCRIBE),
    Behaviour(
        "desired_variants", "DesiredModelVariants names only variants that stay, with their own models", "I", STOP
    ),
    Behaviour(
        "deployments_of_experiments",
        "**Endpoint.** A test that starts at once deploys both variants during Creating. Otherwise Creating makes a "
        "missing endpoint with production alone, and Starting deploys the shadow",
        "I",
        HANDLERS,
    ),
    Behaviour(
        "infrastructure_precedence",
        "InfrastructureConfig takes precedence over the endpoint's; every other setting of the endpoint stays",
        "D, I",
        SHADOW_TESTS,
    ),
    Behaviour(
        "testable_endpoints",
        "An existing endpoint must be in service, real-time, with one production variant of one single-model "
        "container: else `ValidationException`",
        "D, I",
        SHADOW_TESTS,
    ),
    Behaviour(
        "endpoint_reverts",
        "When the schedule ends, the endpoint reverts to its configuration from before",
        "D",
        SHADOW_TESTS,
    ),
    Behaviour(
        "stop_leaves_endpoint",
        "A test that is stopped in Created with {Retain, Remove} leaves an existing endpoint as it is",
        "I",
        NONE,
    ),
    Behaviour(
        "weights_under_test",
        "UpdateEndpointWeightsAndCapacities changes numbers of instances under a test; a changed weight is refused",
        "D, I",
        f"{SHADOW_TESTS} recommends autoscaling",
    ),
    Behaviour(
        "unfit_for_shadow",
        "Shadow variants beside serverless, asynchronous, multi-model, multi-container or ml.inf1 are "
        "refused; memory in steps of 1,024",
        "D",
        f"{SHADOW_TESTS}; API: ProductionVariantServerlessConfig",
    ),
    Behaviour(
        "hosting_details",
        "ManagedInstanceScaling beside ModelName is refused; DescribeModel shows defaults",
        "O",
        RESPONSES,
    ),
    Behaviour(
        "capture_summary_key", "DataCaptureConfig of DescribeEndpoint has an empty KmsKeyId without a key", "I", "shape"
    ),
    Behaviour(
        "failed_tests",
        "When a test fails, its endpoint goes through RollingBack to the deployment from before the test; a "
        "failed first deployment leaves the endpoint Failed",
        "I",
        GUARDRAILS,
    ),
    Behaviour(
        "in_progress",
        '`Cannot update in-progress endpoint "<arn>".` for update, weights and delete while the endpoint changes',
        "O",
        RESPONSES,
    ),
    Behaviour(
        "hosting_errors",
        "Missing and duplicate models, configurations and endpoints, and exceeded quotas, in AWS's own words",
        "O",
        RESPONSES,
    ),
    Behaviour(
        "quotas_of_capacities", "A change of capacities counts the larger number of instances against quotas", "I", NONE
    ),
    Behaviour(
        "guardrails",
        "**DeploymentConfig.** All at once, canary, linear, rolling; baking; an alarm during baking rolls back; "
        "variants keep their names; ml.inf1, Elastic Inference and Marketplace, and rolling with several variants, "
        "fall back to all at once without baking",
        "D",
        GUARDRAILS,
    ),
    Behaviour(
        "guardrail_exclusions",
        "A container is of the Marketplace when its model package belongs to another account",
        "I",
        NONE,
    ),
    Behaviour(
        "whole_instances",
        "A batch has whole instances, rounded down, at least one; the share of the new fleet is that of its active "
        "instances",
        "I",
        GUARDRAILS,
    ),
    Behaviour(
        "variant_statuses",
        'VariantStatus and its messages; "step" and "batch capacity" for linear and rolling (I)',
        "D, I",
        "API: VariantStatus",
    ),
    Behaviour(
        "deployment_limits",
        "Exceeding MaximumExecutionTimeoutInSeconds rolls back; a limit that the waits exceed, a CanarySize above "
        "50 %, a LinearStepSize outside 10 to 50 % and a MaximumBatchSize outside 5 to 50 % are refused: "
        "`ValidationException`",
        "I",
        "API: BlueGreenUpdatePolicy; API: RollingUpdatePolicy; API: TrafficRoutingConfig",
    ),
    Behaviour(
        "roll_back",
        "A roll-back takes all traffic back at once; a rolling deployment then launches its old instances again by "
        "RollbackMaximumBatchSize",
        "D, I",
        f"{GUARDRAILS}; API: RollingUpdatePolicy",
    ),
    Behaviour(
        "unknown_alarms", "An alarm that CloudWatch does not have is refused; the text of FailureReason", "I", NONE
    ),
    Behaviour(
        "alarm_evaluation",
        "Alarms are evaluated each minute, on complete minutes; missing data never trips an alarm unless "
        "TreatMissingData is breaching",
        "D, I",
        "CloudWatch guide: Alarms",
    ),
    Behaviour(
        "endpoint_events",
        "**Events** of endpoints and of their deployments, with AWS's payloads; none of experiments, and none of "
        "deployments that guardrails do not support",
        "D",
        "guide: EventBridge",
    ),
    Behaviour(
        "event_edges",
        "CreateEndpoint has no deployment event; a deleted endpoint's last event is DELETING",
        "I",
        "guide: EventBridge",
    ),
    Behaviour(
        "scaling_messages",
        '"Scaling out desired instance count to 3."; "Scaling in" (I)',
        "D, I",
        "API: VariantStatus",
    ),
    Behaviour(
        "either_or",
        "A variant has either an instance type or a serverless configuration; a model either PrimaryContainer or "
        "Containers; provisioned concurrency is at most MaxConcurrency; variant names differ",
        "I",
        f"{CONFIG}; API: CreateModel",
    ),
    Behaviour("one_production_variant", "One shadow variant has exactly one production variant", "D", CONFIG),
    Behaviour(
        "who_answers",
        "**Traffic.** Production alone answers, and no caller sees a failure of the shadow; copies in Running, and in "
        "Updating that began there",
        "D",
        SHADOW_TESTS,
    ),
    Behaviour(
        "even_shares",
        "Shares are exact and evenly spread: of 100 requests, p copies; several production variants by weight",
        "I",
        f"{CREATE}, SamplingPercentage",
    ),
    Behaviour("capture_form", "Capture records, keys and metrics", "O, D", "public capture files; guide: Capture data"),
    Behaviour(
        "one_capture",
        "DataStorageConfig takes the place of the endpoint's DataCaptureConfig during a test, and captures "
        "both variants",
        "I",
        "an endpoint configuration has one DataCaptureConfig",
    ),
    Behaviour("metrics_by_config", "Metrics also with EndpointConfigName", "D", GUARDRAILS),
    Behaviour(
        "invocation_members",
        "InvokeEndpoint refuses TargetModel and InferenceComponentName that do not fit the endpoint; asynchronous "
        "endpoints are refused (text I)",
        "O",
        RESPONSES,
    ),
    Behaviour(
        "capture_encoding",
        "customAttributes come after eventId; a body that is not text is encoded in base64, whatever its type",
        "I",
        "public capture files",
    ),
    Behaviour("unknown_target", "TargetVariant without a variant of that name: `ValidationError`", "I", NONE),
    Behaviour(
        "model_errors",
        "`ModelError` 424; a container's 4xx is `Received client error`, its 5xx and silence (0) `Received server "
        "error`; OriginalStatusCode follows it",
        "O, I",
        RESPONSES,
    ),
    Behaviour(
        "streams",
        "**Streams**: events PayloadPart, ModelStreamError, InternalStreamFailure; errors before the first chunk are "
        "`ModelError`",
        "D, I",
        "API: InvokeEndpointWithResponseStream",
    ),
    Behaviour(
        "stream_parts",
        "A chunk of the model is a PayloadPart, at most 1 MiB long; an empty answer is one empty part",
        "I",
        NONE,
    ),
    Behaviour(
        "streams_under_test",
        "The shadow gets copies of streamed requests; a capture has what was sent, also of a stream that broke or was "
        "not read to its end",
        "I",
        NONE,
    ),
    Behaviour(
        "stream_metrics",
        "FirstChunkLatency, FirstChunkModelLatency, FirstChunkOverheadLatency and MidStreamErrors, which AWS documents "
        "for bidirectional streams; a broken stream counts as MidStreamErrors only; ModelLatency is the time that the "
        "model ran until the last chunk",
        "I",
        "guide: CloudWatch metrics",
    ),
    Behaviour(
        "silence",
        "Silence counts as InvocationModelErrors only; a call that timed out has no effect",
        "I",
        NONE,
    ),
    Behaviour(
        "handlers_wait",
        "The caller waits for handlers, also for the shadow's: use `latency=` for a slow model",
        "I",
        "the mock's own",
    ),
    Behaviour(
        "permissions",
        "**Permissions.** The actions, resources and `iam:PassRole` of each operation; "
        "InvokeEndpointWithResponseStream has an action of its own, which the API reference does not say",
        "D",
        "service authorization reference",
    ),
    Behaviour(
        "access_denied",
        "`AccessDeniedException` in AWS's words (`denied=`), before validation and before the existence of a resource",
        "O, I",
        RESPONSES,
    ),
    Behaviour(
        "role_denied",
        "A role without rights on the endpoint (`role_denied=`): the test is Cancelled when it would deploy, and the "
        "endpoint stays as it is",
        "I",
        NONE,
    ),
    Behaviour("delete_finished", "**Delete** from Completed and Cancelled; it removes the record only", "I, D", DELETE),
    Behaviour(
        "no_failed_status",
        "A failure cancels the experiment, and StatusReason says why: there is no status Failed",
        "D",
        DESCRIBE,
    ),
    Behaviour(
        "wrong_status",
        "Wrong status: `ConflictException`; unknown name: `ResourceNotFound`; nothing changes",
        "D",
        f"{UPDATE}; {STOP}; {DELETE}",
    ),
    Behaviour("experiment_texts", "The texts of these errors", "I", "texts of other operations"),
    Behaviour(
        "times",
        "**Times.** LastModifiedTime is the moment of the last change, CompletionTime that of Completed or Cancelled; "
        "whole milliseconds",
        "I",
        DESCRIBE,
    ),
    Behaviour(
        "list_filter_edges",
        "**List.** Before and After are exclusive; NameContains is case-sensitive",
        "I",
        "API: ListEndpoints",
    ),
    Behaviour(
        "list_tokens",
        "NextToken belongs to its query (MaxResults may change); a forged token or one of another query: "
        "`ValidationException`; pages stay complete while experiments come and go",
        "I",
        NONE,
    ),
    Behaviour(
        "constraint_texts",
        "**Constraint texts** `1 validation error detected: Value 'x' at 'modelVariants.1.member.modelName' failed to "
        "satisfy constraint: …`, all violations in one message; a violation of a plain item is reported for "
        "its list or map, with all constraints of the item",
        "O",
        RESPONSES,
    ),
    Behaviour(
        "unreadable_bodies",
        "A body that is not JSON, a member of another type, an integer beyond 32 bits: `SerializationException`",
        "O, I",
        RESPONSES,
    ),
    Behaviour(
        "arn_form",
        "ARN `arn:<partition>:sagemaker:<region>:<account>:inference-experiment/<name>`, partition by "
        "botocore's own data",
        "D",
        f"{CREATE}; service authorization reference",
    ),
    Behaviour(
        "patterns_in_texts",
        "Messages show patterns without anchors; instance types newer than botocore are accepted by their form",
        "O",
        RESPONSES,
    ),
    Behaviour("realistic_durations", "`Durations.realistic()`: 6, 8, 7 and 5 minutes", "I", NONE),
)


def switchable() -> tuple[Behaviour, ...]:
    """Return the behaviours that Assumptions can switch."""
    return tuple(Behaviour(row.name, row.text, row.mark, row.source, row.choices) for row in ROWS)


def all_behaviours() -> tuple[Behaviour, ...]:
    """Return every behaviour."""
    return (*BEHAVIOURS, *switchable())
