"""Models, endpoint configurations and endpoints of one account in one region: their operations, and a few verbs.

It knows no experiment; what one does to an endpoint goes through the verbs.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import pages
from mock_sagemaker_ie.backend.event_queue import Kind
from mock_sagemaker_ie.backend.hosting.endpoints import (
    DELETE_ENDPOINT,
    ENDPOINT_LIFECYCLE,
    UPDATE_ENDPOINT,
    UPDATE_WEIGHTS,
    Endpoint,
    EndpointStatus,
    instances,
    variant_named,
    variant_names,
    variants,
    with_variants,
)
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL, Resource, Shelf
from mock_sagemaker_ie.backend.transitions import later
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception
from mock_sagemaker_ie.protocol.validation import Violation, refuse, unique

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator

    from mock_sagemaker_ie.backend.event_queue import Agenda
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.backend.tags import TagStore
    from mock_sagemaker_ie.backend.transitions import Call

Values = dict[str, Any]


class Hosting:
    """Models, endpoint configurations and endpoints. Each operation is a method of (request, now)."""

    def __init__(self, arn_prefix: str, settings: Settings, agenda: Agenda, tags: TagStore) -> None:
        self._durations, self._strict, self._quotas = settings.durations, settings.strict, settings.quotas
        self._agenda = agenda
        self._scope = arn_prefix
        self._models: Shelf[Resource] = Shelf(MODEL, arn_prefix, tags)
        self._configs: Shelf[Resource] = Shelf(ENDPOINT_CONFIG, arn_prefix, tags)
        self._endpoints: Shelf[Endpoint] = Shelf(ENDPOINT, arn_prefix, tags)
        self._dooms: dict[str, str] = {}

    def copy(self, agenda: Agenda, tags: TagStore) -> Hosting:
        """An independent hosting that holds the same."""
        twin = copy.copy(self)
        twin._agenda = agenda
        twin._models, twin._configs = self._models.copy(tags), self._configs.copy(tags)
        twin._endpoints = self._endpoints.copy(tags)
        twin._dooms = dict(self._dooms)
        return twin

    # --- models

    def create_model(self, params: Values, now: dt.datetime) -> Values:
        """Create a model."""
        return self._create(self._models, params, now)

    def describe_model(self, params: Values, _now: dt.datetime) -> Values:
        """Describe a model."""
        return self._models.get(params["ModelName"]).facts()

    def list_models(self, params: Values, _now: dt.datetime) -> Values:
        """List models, a page at a time."""
        return self._list("ListModels", self._models, params)

    def delete_model(self, params: Values, _now: dt.datetime) -> Values:
        """Delete a model; what was deployed of it goes on."""
        return self._models.remove(params["ModelName"])

    # --- endpoint configurations

    def create_endpoint_config(self, params: Values, now: dt.datetime) -> Values:
        """Create an endpoint configuration; a variant's weight is 1 unless given (AWS: InitialVariantWeight)."""
        self.require_models(variant["ModelName"] for variant in variants(params) if "ModelName" in variant)
        settings = with_variants(params, lambda variant: {"InitialVariantWeight": 1.0, **variant})
        return self._create(self._configs, settings, now)

    def describe_endpoint_config(self, params: Values, _now: dt.datetime) -> Values:
        """Describe an endpoint configuration."""
        return self._configs.get(params["EndpointConfigName"]).facts()

    def list_endpoint_configs(self, params: Values, _now: dt.datetime) -> Values:
        """List endpoint configurations, a page at a time."""
        return self._list("ListEndpointConfigs", self._configs, params)

    def delete_endpoint_config(self, params: Values, _now: dt.datetime) -> Values:
        """Delete an endpoint configuration; endpoints made of it go on."""
        return self._configs.remove(params["EndpointConfigName"])

    # --- endpoints

    def create_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Create an endpoint of an endpoint configuration."""
        name = params["EndpointName"]
        self._endpoints.require_free(name)
        deployment = self._deployment(params["EndpointConfigName"], now)
        self.require_capacity(name, deployment)
        self.launch(name, deployment, now, self._durations.endpoint_creating, params)
        return {"EndpointArn": self._endpoints.arn(name)}

    def describe_endpoint(self, params: Values, _now: dt.datetime) -> Values:
        """Describe an endpoint."""
        return self._endpoints.get(params["EndpointName"]).facts

    def list_endpoints(self, params: Values, _now: dt.datetime) -> Values:
        """List endpoints, a page at a time."""
        return self._list("ListEndpoints", self._endpoints, params)

    def update_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Deploy another endpoint configuration; the old one serves until that is done."""
        endpoint = self._permitting(params["EndpointName"], UPDATE_ENDPOINT)
        deployment = self._deployment(params["EndpointConfigName"], now)
        if params.get("RetainAllVariantProperties"):
            excluded = params.get("ExcludeRetainedVariantProperties", ())
            deployment = _retained(endpoint.serving, deployment, {each["VariantPropertyType"] for each in excluded})
        self.require_capacity(endpoint.name, deployment)
        kept = endpoint.deployment_config if params.get("RetainDeploymentConfig") else None
        takes, config = self._durations.endpoint_updating, params.get("DeploymentConfig", kept)
        self._start(endpoint, UPDATE_ENDPOINT, deployment, now, takes, deployment_config=config)
        return {"EndpointArn": endpoint.arn}

    def update_endpoint_weights_and_capacities(self, params: Values, now: dt.datetime) -> Values:
        """Change weights and capacities within the endpoint configuration that serves."""
        endpoint = self._permitting(params["EndpointName"], UPDATE_WEIGHTS)
        refuse(_unknown_variants(endpoint, params["DesiredWeightsAndCapacities"]))
        wanted = {each["VariantName"]: each for each in params["DesiredWeightsAndCapacities"]}
        deployment = with_variants(
            endpoint.serving or {}, lambda variant: _rescaled(variant, wanted.get(variant["VariantName"], {}))
        )
        self.require_capacity(endpoint.name, deployment)
        self._start(endpoint, UPDATE_WEIGHTS, deployment, now, self._durations.endpoint_updating, rescaling=True)
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, params: Values, now: dt.datetime) -> Values:
        """Delete an endpoint; its name is free once it is gone."""
        endpoint = self._permitting(params["EndpointName"], DELETE_ENDPOINT)
        self._keep(endpoint.name, endpoint.follow(DELETE_ENDPOINT, now, self._durations.endpoint_deleting))
        return {}

    # --- verbs: what others do to endpoints

    def find(self, endpoint: str) -> Endpoint | None:
        """The endpoint of this name, if there is one."""
        return self._endpoints.records.get(endpoint)

    def arn(self, endpoint: str) -> str:
        """The ARN of the endpoint of this name."""
        return self._endpoints.arn(endpoint)

    def configure(self, settings: Values, now: dt.datetime) -> Values:
        """Make an endpoint configuration of `settings`, name included, and give the deployment of it."""
        self._create(self._configs, settings, now)
        return self._deployment(settings["EndpointConfigName"], now)

    def launch(
        self, endpoint: str, deployment: Values, now: dt.datetime, takes: dt.timedelta, params: Values | None = None
    ) -> None:
        """Create an endpoint that serves `deployment` once `takes` has passed. Its name must be free."""
        params = params or {}
        made = Endpoint(
            **self._endpoints.place(endpoint, params),
            created=now,
            modified=now,
            until=later(now, takes),
            pending=deployment,
            deployment_config=params.get("DeploymentConfig"),
            doom=self._dooms.pop(endpoint, None),
        )
        self._keep(endpoint, made)

    def deploy(self, endpoint: str, deployment: Values, now: dt.datetime, takes: dt.timedelta) -> None:
        """Update an endpoint in service to `deployment`, once `takes` has passed."""
        self._start(self._endpoints.get(endpoint), UPDATE_ENDPOINT, deployment, now, takes, deployment_config=None)

    def restore(self, endpoint: str, deployment: Values | None, reason: str, now: dt.datetime) -> None:
        """An update failed: the endpoint is in service at once on `deployment`, or on what it serves."""
        present = self._endpoints.get(endpoint)
        restored = dataclasses.replace(
            present,
            status=EndpointStatus.IN_SERVICE,
            modified=now,
            until=None,
            serving=deployment or present.serving,
            pending=None,
            failure_reason=reason,
            doom=None,
        )
        self._keep(endpoint, restored)

    def fail(self, endpoint: str, reason: str, now: dt.datetime) -> None:
        """Make what is being deployed on the endpoint fail now."""
        self._keep(endpoint, self._endpoints.get(endpoint).failed(reason, now, self._durations))

    def fail_next(self, endpoint: str, reason: str) -> None:
        """Make the next deployment on the endpoint, which may not exist yet, fail at its end."""
        self._dooms[endpoint] = reason

    def ended(self, endpoint: str, at: dt.datetime) -> None:
        """Go on from a status that ends at the instant `at`; nothing when it does not."""
        present = self.find(endpoint)
        if present is not None and present.until == at:
            self._keep(endpoint, present.ended(self._durations))

    # --- what a deployment must obey

    def require_models(self, names: Iterable[str]) -> None:
        """Raise AWSError (ValidationException) for a model that nobody created, in strict mode."""
        if self._strict:
            for name in names:
                self._models.get(name)

    def require_capacity(self, endpoint: str, deployment: Values) -> None:
        """Raise AWSError (ResourceLimitExceeded) when `deployment` would exceed a quota."""
        if (message := self.over_quota(endpoint, deployment)) is not None:
            raise AWSError("ResourceLimitExceeded", message)

    def over_quota(self, endpoint: str, deployment: Values) -> str | None:
        """Which quota is exceeded when the endpoint gets `deployment`, in AWS's words."""
        present = self.find(endpoint)
        for kind, count in instances(deployment).items():
            if kind not in self._quotas:
                continue
            used = sum(_usage(each, kind) for each in self._endpoints.records.values())
            more = count - (0 if present is None else _usage(present, kind))
            if more > 0 and used + more > self._quotas[kind]:
                return (
                    f"The account-level service limit '{kind} for endpoint usage' is {self._quotas[kind]} Instances, "
                    f"with current utilization of {used} Instances and a request delta of {more} Instances. Please use "
                    "AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
                    "available, contact AWS support to request an increase for this quota."
                )
        return None

    def traits(self, deployment: Values) -> Iterator[str]:
        """What is special about a deployment: serverless, asynchronous, multi-container, multi-model."""
        if "AsyncInferenceConfig" in deployment:
            yield "asynchronous"
        if len(deployment["ProductionVariants"]) > 1:
            yield "of several production variants"
        for variant in variants(deployment):
            if "ServerlessConfig" in variant:
                yield "serverless"
            containers = self._containers(variant)
            if len(containers) > 1:
                yield "multi-container"
            if any(container.get("Mode") == "MultiModel" for container in containers):
                yield "multi-model"

    # --- records

    def _create(self, shelf: Shelf[Resource], params: Values, now: dt.datetime) -> Values:
        settings = {member: value for member, value in params.items() if member != "Tags"}
        resource = Resource(
            kind=shelf.kind, **shelf.place(params[shelf.kind.name], params), created=now, settings=settings
        )
        shelf.records[resource.name] = resource
        return {shelf.kind.arn: resource.arn}

    def _list(self, operation: str, shelf: Shelf[Any], params: Values) -> Values:
        return pages.answer(shelf.kind.listed, shelf.records.values(), params, f"{operation} {self._scope}")

    def _permitting(self, name: str, operation: Call) -> Endpoint:
        endpoint = self._endpoints.get(name)
        if ENDPOINT_LIFECYCLE.permits(endpoint.status, operation):
            return endpoint
        if endpoint.status is EndpointStatus.FAILED:  # Only DeleteEndpoint is for a failed one (AWS: EndpointStatus).
            raise validation_exception(f'Cannot update failed endpoint "{endpoint.arn}".')
        raise validation_exception(f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _start(
        self,
        endpoint: Endpoint,
        trigger: Call,
        deployment: Values,
        now: dt.datetime,
        takes: dt.timedelta,
        **changes: Any,
    ) -> None:
        doom = self._dooms.pop(endpoint.name, None)
        changes = {"rescaling": False, "failure_reason": None, "doom": doom, "pending": deployment, **changes}
        started = endpoint.follow(trigger, now, takes, **changes)
        self._keep(endpoint.name, started)

    def _keep(self, name: str, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self._endpoints.remove(name)
            return
        self._endpoints.records[name] = endpoint
        if endpoint.until is not None:
            self._agenda.add(endpoint.until, Kind.ENDPOINT, name)

    def _deployment(self, config: str, now: dt.datetime) -> Values:
        """What an endpoint of this configuration serves, with the images that are deployed `now`."""

        def with_images(variant: Values) -> Values:
            images = [each["Image"] for each in self._containers(variant) if "Image" in each]
            deployed = [{"SpecifiedImage": image, "ResolutionTime": now} for image in images]
            return {**variant, "DeployedImages": deployed} if deployed else variant

        return with_variants(self._configs.get(config).settings, with_images)

    def _containers(self, variant: Values) -> list[Values]:
        model = self._models.records.get(variant.get("ModelName", ""))
        if model is None:
            return []
        return model.settings.get("Containers") or [model.settings["PrimaryContainer"]]


def _usage(endpoint: Endpoint, kind: str) -> int:
    """How many instances of a type an endpoint takes; during an update the larger of both deployments counts."""
    if endpoint.status is EndpointStatus.FAILED:
        return 0
    return max(instances(deployment).get(kind, 0) for deployment in (endpoint.serving, endpoint.pending))


_RETAINED = {"DesiredInstanceCount": "InitialInstanceCount", "DesiredWeight": "InitialVariantWeight"}


def _retained(serving: Values | None, deployment: Values, excluded: Collection[str]) -> Values:
    """The deployment with the properties of the variants that serve, but for those excluded."""
    members = [member for kind, member in _RETAINED.items() if kind not in excluded]

    def with_present(variant: Values) -> Values:
        present = variant_named(serving, variant["VariantName"])
        return {**variant, **{member: present[member] for member in members if member in present}}

    retained = with_variants(deployment, with_present)
    if "DataCaptureConfig" not in excluded and serving and "DataCaptureConfig" in serving:
        retained["DataCaptureConfig"] = serving["DataCaptureConfig"]
    return retained


def _rescaled(variant: Values, wanted: Values) -> Values:
    """A variant with the weight and capacity of a DesiredWeightAndCapacity."""
    changes = {member: wanted[kind] for kind, member in _RETAINED.items() if kind in wanted}
    if "ServerlessUpdateConfig" in wanted:
        changes["ServerlessConfig"] = {**variant.get("ServerlessConfig", {}), **wanted["ServerlessUpdateConfig"]}
    return {**variant, **changes}


def _unknown_variants(endpoint: Endpoint, wanted: list[Values]) -> Iterator[Violation]:
    yield from unique(wanted, "VariantName", "desiredWeightsAndCapacities")
    names = variant_names(endpoint.serving)
    for number, each in enumerate(wanted, start=1):
        if each["VariantName"] not in names:
            path = f"desiredWeightsAndCapacities.{number}.member.variantName"
            yield Violation(
                path, each["VariantName"], f"Member must name a variant of the endpoint: [{', '.join(names)}]"
            )
