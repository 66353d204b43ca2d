"""Hosting: the operations on models, endpoint configurations and endpoints of one account in one region.

It does not know experiments. The second half of the class is what an experiment may do to its endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import pages, tags
from mock_sagemaker_ie.backend.event_queue import EventKind
from mock_sagemaker_ie.backend.hosting import deployment as deployments
from mock_sagemaker_ie.backend.hosting import guardrails, rules
from mock_sagemaker_ie.backend.hosting.alarms import Alarms, next_look
from mock_sagemaker_ie.backend.hosting.endpoints import (
    CREATE_ENDPOINT,
    DELETE_ENDPOINT,
    ENDPOINT_LIFECYCLE,
    EXPERIMENT_CREATES,
    EXPERIMENT_DELETES,
    EXPERIMENT_UPDATES,
    UPDATE_ENDPOINT,
    UPDATE_WEIGHTS,
    Endpoint,
    EndpointStatus,
    FailsDeployment,
)
from mock_sagemaker_ie.backend.hosting.events import notices
from mock_sagemaker_ie.backend.hosting.quotas import exceeded_quota
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL, Resource, free_name
from mock_sagemaker_ie.backend.store import Store
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.backend.event_queue import EventQueue
    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.backend.hosting.guardrails import Phase
    from mock_sagemaker_ie.backend.hosting.metrics import Minutes
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.backend.transitions import Call, Trigger
    from mock_sagemaker_ie.changes import UndoLog

Values = dict[str, Any]


class Hosting:
    """Models, endpoint configurations and endpoints. Each operation takes a request and the present instant (UTC)."""

    def __init__(
        self, arn_prefix: str, settings: Settings, events: EventQueue, metrics: Minutes, undo: UndoLog
    ) -> None:
        self._arn_prefix = arn_prefix
        self._settings, self._durations = settings, settings.durations
        self._events = events
        self._undo = undo
        arn_case = settings.assumptions.arn_case
        self.models: Store[Resource] = Store(MODEL, arn_prefix, undo, arn_case=arn_case)
        self.configs: Store[Resource] = Store(ENDPOINT_CONFIG, arn_prefix, undo, arn_case=arn_case)
        self.endpoints: Store[Endpoint] = Store(ENDPOINT, arn_prefix, undo, arn_case=arn_case)
        self.alarms = Alarms(arn_prefix, metrics, undo)
        self.notify: Callable[[Notice], None] | None = None  # Gets the events. A look ahead has none.
        self._pending_failures: dict[str, str] = {}
        # Those of the scenario that have not happened yet.
        self.failures = tuple(each for each in settings.failures if isinstance(each, FailsDeployment))
        # The endpoints whose deployments got a failure that waited for them.
        self.failed: frozenset[str] = frozenset()
        # The endpoints that had served and were deleted, and since when they do not answer any more.
        self.deleted: dict[str, dt.datetime] = {}

    def copy(self, events: EventQueue, metrics: Minutes, undo: UndoLog) -> Hosting:
        """Return an independent copy, whose events are in `events` already."""
        duplicate = Hosting(self._arn_prefix, self._settings, events, metrics, undo)
        duplicate.alarms = self.alarms.copy(metrics, undo)
        duplicate.models, duplicate.configs = self.models.copy(undo), self.configs.copy(undo)
        duplicate.endpoints = self.endpoints.copy(undo)
        duplicate._pending_failures, duplicate.deleted = dict(self._pending_failures), dict(self.deleted)
        duplicate.failures = self.failures
        return duplicate

    def copy_of_one(self, endpoint: str, events: EventQueue, metrics: Minutes, undo: UndoLog) -> Hosting:
        """Return a copy that has one endpoint only, to look ahead. It shares the models and adds to `events`."""
        duplicate = Hosting(self._arn_prefix, self._settings, events, metrics, undo)
        duplicate.models, duplicate.alarms = self.models, self.alarms.copy(metrics, undo)
        duplicate.failures = self.failures
        if endpoint in self.endpoints.records:
            duplicate._put(self.endpoints.records[endpoint])
        if endpoint in self._pending_failures:
            duplicate._pending_failures[endpoint] = self._pending_failures[endpoint]
        return duplicate

    # --- models

    def create_model(self, params: Values, now: dt.datetime) -> Values:
        """Create a model. DescribeModel shows the defaults of the members that are not given (observed on AWS)."""
        return self._create(self.models, deployments.with_model_defaults(params), now)

    def describe_model(self, params: Values, _now: dt.datetime) -> Values:
        """Describe a model."""
        return self.models.get(params["ModelName"]).facts()

    def list_models(self, params: Values, _now: dt.datetime) -> Values:
        """List a page of models."""
        return self._list("ListModels", self.models, params)

    def delete_model(self, params: Values, _now: dt.datetime) -> Values:
        """Delete a model; endpoints that serve it stay."""
        self.models.remove(params["ModelName"])
        return {}

    # --- endpoint configurations

    def create_endpoint_config(self, params: Values, now: dt.datetime) -> Values:
        """Create an endpoint configuration. The default weight of a variant is 1 (AWS: InitialVariantWeight)."""
        rules.require_inference_components(params)
        self.require_models(each["ModelName"] for each in deployments.variants(params) if "ModelName" in each)
        if "ShadowProductionVariants" in params:
            self.require_testable(f'endpoint configuration "{self.configs.arn(params["EndpointConfigName"])}"', params)
        settings = deployments.with_variants(params, lambda variant: {"InitialVariantWeight": 1.0, **variant})
        return self._create(self.configs, settings, now)

    def describe_endpoint_config(self, params: Values, _now: dt.datetime) -> Values:
        """Describe an endpoint configuration."""
        return self.configs.get(params["EndpointConfigName"]).facts()

    def list_endpoint_configs(self, params: Values, _now: dt.datetime) -> Values:
        """List a page of endpoint configurations."""
        return self._list("ListEndpointConfigs", self.configs, params)

    def delete_endpoint_config(self, params: Values, _now: dt.datetime) -> Values:
        """Delete an endpoint configuration; endpoints that were made of it stay."""
        self.configs.remove(params["EndpointConfigName"])
        return {}

    # --- endpoints

    def create_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Create an endpoint with an endpoint configuration."""
        name = params["EndpointName"]
        self.endpoints.require_free(name)
        deployment = self._deployment(params["EndpointConfigName"], now)
        self.require_capacity(name, deployment)
        return self._create_endpoint(CREATE_ENDPOINT, params, deployment, now, self._durations.endpoint_creating)

    def describe_endpoint(self, params: Values, _now: dt.datetime) -> Values:
        """Describe an endpoint."""
        return self.endpoints.get(params["EndpointName"]).facts()

    def list_endpoints(self, params: Values, _now: dt.datetime) -> Values:
        """List a page of endpoints."""
        return self._list("ListEndpoints", self.endpoints, params)

    def update_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Deploy another endpoint configuration; the old configuration serves until that is done."""
        endpoint = self._permitting(params["EndpointName"], UPDATE_ENDPOINT)
        deployment = self._deployment(params["EndpointConfigName"], now)
        if params.get("RetainAllVariantProperties"):
            excluded = {each["VariantPropertyType"] for each in params.get("ExcludeRetainedVariantProperties", ())}
            deployment = deployments.retain_properties(endpoint.serving, deployment, excluded)
        kept = endpoint.deployment_config if params.get("RetainDeploymentConfig") else None
        takes, config = self._durations.endpoint_updating, params.get("DeploymentConfig", kept)
        phases = () if config is None else self._phases(config, endpoint.serving or {}, deployment, now)
        self.require_capacity(endpoint.name, deployment, phases=phases)
        self._update(endpoint, UPDATE_ENDPOINT, deployment, now, takes, deployment_config=config, phases=phases)
        return {"EndpointArn": endpoint.arn}

    def _phases(self, config: Values, old: Values, new: Values, now: dt.datetime) -> tuple[Phase, ...]:
        """Return the phases of an update with a DeploymentConfig. Raises AWSError (ValidationException)."""
        rules.require_same_variants(old, new)
        self.alarms.require(guardrails.alarm_names(config))
        if guardrails.is_excluded(config, (old, new), self.models.records, self._arn_prefix):
            config = {}  # All traffic shifts at once, without baking.
        rules.require_batches_fit(config, new)
        return guardrails.phases(config, old, new, now, self._durations)

    def update_endpoint_weights_and_capacities(self, params: Values, now: dt.datetime) -> Values:
        """Change weights and capacities within the endpoint configuration that serves."""
        endpoint = self._permitting(params["EndpointName"], UPDATE_WEIGHTS)
        rules.require_variants(endpoint.serving or {}, params["DesiredWeightsAndCapacities"])
        desired = {each["VariantName"]: each for each in params["DesiredWeightsAndCapacities"]}
        deployment = deployments.with_variants(
            endpoint.serving or {},
            lambda variant: deployments.rescale(variant, desired.get(variant["VariantName"], {})),
        )
        self.require_capacity(endpoint.name, deployment, in_place=True)
        self._update(endpoint, UPDATE_WEIGHTS, deployment, now, self._durations.endpoint_updating, rescaling=True)
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Delete an endpoint; its name is free when the deletion is done."""
        endpoint = self._permitting(params["EndpointName"], DELETE_ENDPOINT)
        if endpoint.serving is not None:
            self._undo.update(self.deleted, {endpoint.name: now})
        self._replace(endpoint, endpoint.follow(DELETE_ENDPOINT, now, self._durations.endpoint_deleting))
        return {}

    # --- what an experiment does to its endpoint

    def find(self, endpoint: str) -> Endpoint | None:
        """Return the endpoint with this name, or None."""
        return self.endpoints.records.get(endpoint)

    def configure(self, settings: Values, now: dt.datetime) -> Values:
        """Create an endpoint configuration with these settings, and return the deployment of it.

        It gets another name when somebody has taken its name: an experiment goes on, whatever else is there.
        """
        name = free_name(settings["EndpointConfigName"], self.configs.records)
        self._create(self.configs, {**settings, "EndpointConfigName": name}, now)
        return self._deployment(name, now)

    def deploy(self, endpoint: str, deployment: Values, now: dt.datetime, takes: dt.timedelta) -> None:
        """Create the endpoint, or update it when it exists. It serves `deployment` after `takes`."""
        present = self.find(endpoint)
        if present is None:
            self._create_endpoint(EXPERIMENT_CREATES, {"EndpointName": endpoint}, deployment, now, takes)
        else:
            self._update(present, EXPERIMENT_UPDATES, deployment, now, takes, deployment_config=None)

    def delete(self, endpoint: str, now: dt.datetime, takes: dt.timedelta) -> None:
        """Delete the endpoint; it is gone after `takes`."""
        present = self.endpoints.get(endpoint)
        self._replace(present, present.follow(EXPERIMENT_DELETES, now, takes, pending=None, pending_failure=None))

    def fail(self, endpoint: str, reason: str, now: dt.datetime, before: Values | None = None) -> None:
        """Make the deployment of an endpoint, or the experiment that uses it, fail now. See Endpoint.fail."""
        present = self.endpoints.get(endpoint)
        self._replace(present, present.fail(reason, now, self._durations, before))

    def fail_next(self, endpoint: str, reason: str) -> None:
        """Make the next deployment of an endpoint fail at its end. The endpoint need not exist yet."""
        self._undo.update(self._pending_failures, {endpoint: reason})
        self._undo.assign(self, failed=self.failed - {endpoint})

    def fails_next(self, endpoint: str) -> bool:
        """Return whether the next deployment of an endpoint is going to fail."""
        return endpoint in self._pending_failures

    def _take_failure(self, endpoint: str, stage: EndpointStatus) -> str | None:
        """Remove the failure that waits for the next deployment of an endpoint, and return its reason."""
        for index, each in enumerate(self.failures):
            if each.stage == stage.value and each.endpoint in (None, endpoint):
                self._undo.assign(self, failures=self.failures[:index] + self.failures[index + 1 :])
                return each.reason
        reason = self._pending_failures.get(endpoint)
        if reason is not None:
            self._undo.assign(self, failed=self.failed | {endpoint})
            self._undo.remove(self._pending_failures, endpoint)
        return reason

    def end_status(self, endpoint: str, at: dt.datetime) -> None:
        """End the status of an endpoint that lasts until the instant `at`. Any other endpoint stays as it is."""
        present = self.find(endpoint)
        if present is not None and present.until == at:
            self._replace(present, present.end_status(self._durations))

    def check_alarms(self, endpoints: Iterable[str], at: dt.datetime) -> None:
        """Roll deployments back that bake while an alarm is in state ALARM at the instant `at`; else look later."""
        for present in filter(None, map(self.find, endpoints)):
            if (phase := present.baking) is None:
                continue
            if (alarm := self.alarms.first_in_alarm(present.alarms, at)) is not None:
                self.fail(present.name, f"The deployment was rolled back because alarm {alarm} was in state ALARM.", at)
            elif present.alarms and (following := next_look(at)) <= phase.ends:
                self._events.add(following, EventKind.ALARMS, present.name)

    # --- what a deployment must satisfy

    def require_models(self, names: Iterable[str]) -> None:
        """Raise AWSError (ValidationException) for a model that nobody created, in strict mode."""
        if self._settings.strict:
            for name in names:
                self.models.get(name)

    def require_capacity(self, endpoint: str, deployment: Values, **how: Any) -> None:
        """Raise AWSError (ResourceLimitExceeded) when `deployment` would exceed a quota. See exceeded_quota."""
        if (message := self.exceeded_quota(endpoint, deployment, **how)) is not None:
            raise AWSError("ResourceLimitExceeded", message)

    def exceeded_quota(self, endpoint: str, deployment: Values, **how: Any) -> str | None:
        """Return AWS's message for a quota that is exceeded when the endpoint gets `deployment`, or None."""
        endpoints, present = self.endpoints.records, self.find(endpoint)
        one_fleet = self._settings.assumptions.quotas_in_updates == "larger"
        return exceeded_quota(
            self._settings.quotas, endpoints.values(), present, deployment, one_fleet=one_fleet, **how
        )

    def require_testable(self, noun: str, deployment: Values) -> None:
        """Raise AWSError (ValidationException) unless a shadow variant is supported (AWS: Shadow tests).

        `noun`: what the deployment belongs to, for the message.
        """
        for trait in deployments.traits(deployment, self.models.records):
            raise validation_exception(f"Shadow variants are not supported for {noun}: it is {trait}.")

    # --- records

    def _create(self, store: Store[Resource], params: Values, now: dt.datetime) -> Values:
        settings = {member: value for member, value in params.items() if member != "Tags"}
        labels = tags.add({}, params.get("Tags", ()))
        identity = store.new_identity(params[store.kind.name])
        store.put(Resource(kind=store.kind, **identity, created=now, settings=settings, tags=labels))
        return {store.kind.arn: identity["arn"]}

    def _list(self, operation: str, store: Store[Any], params: Values) -> Values:
        defaults = pages.Defaults(filters=self._settings.assumptions.list_filters)
        return pages.answer(store, params, f"{operation} {self._arn_prefix}", defaults)

    def _permitting(self, name: str, operation: Call) -> Endpoint:
        """Return an endpoint. Raises AWSError (ValidationException) when its status does not permit the operation."""
        endpoint = self.endpoints.get(name)
        if ENDPOINT_LIFECYCLE.permits(endpoint.status, operation):
            return endpoint
        if endpoint.failed_for_good:  # A failed endpoint permits only DeleteEndpoint (AWS: EndpointStatus).
            raise validation_exception(f'Cannot update failed endpoint "{endpoint.arn}".')
        raise validation_exception(f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _create_endpoint(
        self, trigger: Trigger, params: Values, deployment: Values, now: dt.datetime, takes: dt.timedelta
    ) -> Values:
        name = params["EndpointName"]
        labels = tags.add({}, params.get("Tags", ()))
        endpoint = Endpoint.create(
            trigger,
            now,
            takes,
            **self.endpoints.new_identity(name),
            pending=deployment,
            deployment_config=params.get("DeploymentConfig"),
            pending_failure=self._take_failure(name, EndpointStatus.CREATING),
            tags=labels,
        )
        self._put(endpoint)
        self._announce(None, endpoint)
        return {"EndpointArn": endpoint.arn}

    def _update(
        self,
        endpoint: Endpoint,
        trigger: Trigger,
        deployment: Values,
        now: dt.datetime,
        takes: dt.timedelta,
        **changes: Any,
    ) -> None:
        failure = self._take_failure(endpoint.name, EndpointStatus.UPDATING) or endpoint.pending_failure
        changes = {"rescaling": False, "failure_reason": None, **changes}
        updated = endpoint.follow(trigger, now, takes, pending=deployment, pending_failure=failure, **changes)
        self._replace(endpoint, updated)

    def _replace(self, endpoint: Endpoint, changed: Endpoint | None) -> None:
        """Store the changed record of an endpoint, or remove the endpoint when it is gone."""
        if changed is None:
            self.endpoints.remove(endpoint.name)
        else:
            self._put(changed)
            self._announce(endpoint, changed)

    def _announce(self, before: Endpoint | None, after: Endpoint) -> None:
        """Pass on the events that tell how an endpoint has changed."""
        if self.notify is not None:
            for notice in notices(before, after, self.models.records):
                self.notify(notice)

    def _put(self, endpoint: Endpoint) -> None:
        self.endpoints.put(endpoint)
        self.alarms.watch(endpoint.name, endpoint.alarms)
        if endpoint.until is not None:
            self._events.add(endpoint.until, EventKind.ENDPOINT, endpoint.name)
        if (phase := endpoint.baking) is not None:
            self._events.add(phase.begins, EventKind.ALARMS, endpoint.name)

    def _deployment(self, config: str, now: dt.datetime) -> Values:
        """Return the deployment of an endpoint configuration."""
        return deployments.resolve_images(self.configs.get(config).settings, self.models.records, now)
