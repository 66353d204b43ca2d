"""Experiments: the operations on the experiments of one account in one region, and how each drives its endpoint.

docs/explanations/how-an-experiment-drives-its-endpoint.md explains the order of the steps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import pages, tags
from mock_sagemaker_ie.backend.event_queue import EventKind
from mock_sagemaker_ie.backend.experiments import deployments, lifecycle, record
from mock_sagemaker_ie.backend.experiments.lifecycle import Fails
from mock_sagemaker_ie.backend.hosting.deployment import variant_named, variant_names
from mock_sagemaker_ie.backend.hosting.endpoints import EndpointStatus
from mock_sagemaker_ie.backend.store import ResourceKind, Store
from mock_sagemaker_ie.backend.transitions import NEVER
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception
from mock_sagemaker_ie.protocol.permissions import (
    CREATE_ENDPOINT,
    UPDATE_ENDPOINT,
    assumed_role,
    is_denied,
    not_authorized,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from mock_sagemaker_ie.backend.event_queue import EventQueue
    from mock_sagemaker_ie.backend.experiments.lifecycle import Status
    from mock_sagemaker_ie.backend.experiments.record import Experiment, Reading
    from mock_sagemaker_ie.backend.hosting.operations import Hosting
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.backend.transitions import Transition
    from mock_sagemaker_ie.changes import UndoLog

Values = dict[str, Any]


class ExperimentKind(ResourceKind):
    """Inference experiments have errors of their own (inferred: experiment_texts)."""

    def missing(self, name: str, arn: str) -> AWSError:  # noqa: ARG002 - other kinds name the resource by its ARN
        """Return the error for a name that no experiment has."""
        return AWSError("ResourceNotFound", f"Inference experiment {name} does not exist.")

    def taken(self, arn: str) -> AWSError:
        """Return the error for a name that another experiment has."""
        return AWSError(
            "ResourceInUse",
            "Inference experiment names must be unique within an AWS account and region, "
            f"and an inference experiment with this name already exists ({arn})",
        )


EXPERIMENT = ExperimentKind(
    "inference-experiment", "inference experiment", "Name", "InferenceExperimentArn", "InferenceExperiments"
)


class Experiments:
    """The experiments of one account in one region. Each operation takes a request and the present instant (UTC)."""

    def __init__(
        self, arn_prefix: str, settings: Settings, events: EventQueue, hosting: Hosting, undo: UndoLog
    ) -> None:
        self._arn_prefix = arn_prefix
        self._settings, self._durations = settings, settings.durations
        self._assumptions, self._reading = settings.assumptions, record.Reading.of(settings.assumptions)
        self._events = events
        self._hosting = hosting
        self._undo = undo
        self.store: Store[Experiment] = Store(EXPERIMENT, arn_prefix, undo, arn_case=settings.assumptions.arn_case)
        # By name: by instant, the reason. A value is replaced, never changed.
        self._pending_failures: dict[str, Mapping[dt.datetime, str]] = {}
        self._last_users: dict[str, str] = {}  # By endpoint: the name of the last experiment that used it.
        # Those of the scenario that have not happened yet.
        self.failures = tuple(each for each in settings.failures if isinstance(each, Fails))

    def copy(self, events: EventQueue, hosting: Hosting, undo: UndoLog) -> Experiments:
        """Return an independent copy, whose events are in `events` already."""
        duplicate = Experiments(self._arn_prefix, self._settings, events, hosting, undo)
        duplicate.store, duplicate._last_users = self.store.copy(undo), dict(self._last_users)
        duplicate._pending_failures, duplicate.failures = dict(self._pending_failures), self.failures
        return duplicate

    def copy_of_one(self, name: str, events: EventQueue, hosting: Hosting, undo: UndoLog) -> Experiments:
        """Return a copy that has one experiment only, to look ahead. It adds the experiment's events to `events`."""
        duplicate = Experiments(self._arn_prefix, self._settings, events, hosting, undo)
        experiment, duplicate.failures = self.store.get(name), self.failures
        duplicate._last_users[experiment.endpoint] = self._last_users.get(experiment.endpoint, "")
        duplicate._put(experiment, self._next_by_time(experiment))
        for at, reason in self._pending_failures.get(name, {}).items():
            duplicate._fail_later(name, reason, at)
        return duplicate

    # --- operations

    def create(self, params: Values, now: dt.datetime) -> Values:
        """Create an experiment. Refuse a taken name, and an endpoint that is in use or unfit."""
        name, endpoint = params["Name"], params["EndpointName"]
        identity = self.store.new_identity(name)
        before = self._testable(endpoint)
        labels = tags.add({}, params.get("Tags", ()))
        experiment = record.create(params, before=before, tags=labels, now=now, **identity)
        self._check_models(experiment)
        self._hosting.require_capacity(endpoint, deployments.with_shadow(experiment))
        self._undo.update(self._last_users, {endpoint: name})
        self._enter(experiment, now)
        return {"InferenceExperimentArn": experiment.arn}

    def describe(self, params: Values, _now: dt.datetime) -> Values:
        """Describe an experiment."""
        experiment = self.store.get(params["Name"])
        return {**experiment.facts(), **deployments.describe(experiment, self._hosting.find(experiment.endpoint))}

    def list(self, params: Values, _now: dt.datetime) -> Values:
        """List a page of experiments."""
        assumed = self._assumptions
        defaults = pages.Defaults(
            assumed.list_page_size, assumed.list_sort_by, assumed.list_sort_order, assumed.list_filters
        )
        return pages.answer(self.store, params, f"ListInferenceExperiments {self._arn_prefix}", defaults)

    def start(self, params: Values, now: dt.datetime) -> Values:
        """Start an experiment early."""
        return self._change(record.start, params, now)

    def update(self, params: Values, now: dt.datetime) -> Values:
        """Update what the status permits."""
        return self._change(record.update, params, now)

    def stop(self, params: Values, now: dt.datetime) -> Values:
        """Stop an experiment, which becomes Completed or Cancelled."""
        return self._change(record.stop, params, now)

    def delete(self, params: Values, _now: dt.datetime) -> Values:
        """Delete the record; endpoint, variants and captured data stay."""
        experiment = self.store.get(params["Name"])
        record.require_deletable(experiment, self._reading)
        self.store.remove(experiment.name)
        if experiment.name in self._pending_failures:
            self._undo.remove(self._pending_failures, experiment.name)
        # Another experiment with the same name may use another endpoint.
        if self._last_users.get(experiment.endpoint) == experiment.name:
            self._undo.remove(self._last_users, experiment.endpoint)
        return {"InferenceExperimentArn": experiment.arn}

    # --- time and failures

    def pass_deadline(self, name: str, at: dt.datetime) -> None:
        """Follow the transition that time triggers at the instant `at`, if there is one."""
        experiment = self.store.records.get(name)
        if experiment is None:
            return
        coming, failure = self._next_by_time(experiment), self._next_failure(experiment)
        if failure is not None and failure[1] == at:
            self._undo.assign(self, failures=_without(self.failures, failure[0]))
            self.fail(experiment, failure[0].reason, at)
        elif coming is not None and coming[1] == at:
            self._enter(record.pass_deadline(experiment, coming[0], at), at)

    def _next_failure(self, experiment: Experiment) -> tuple[Fails, dt.datetime] | None:
        """Return the failure of the scenario that ends the present status of an experiment, and its instant, or None.

        A status that takes no time fails at its beginning, so that the stage counts also where nobody can see it.
        """
        if not self.failures or experiment.finished:
            return None
        life, coming = experiment.life, self._next_by_time(experiment)
        ends = NEVER if coming is None else coming[1]
        instants = [(each, each.instant(experiment.name, life)) for each in self.failures]
        due = [(each, at) for each, at in instants if at is not None and (at < ends or at == life.since)]
        return min(due, key=lambda pair: pair[1], default=None)

    def pending_failures(self, name: str) -> dict[dt.datetime, str]:
        """Return the reasons of the failures that were arranged for an experiment, by their instants."""
        return dict(self._pending_failures.get(name, {}))

    def fail_pending(self, name: str, at: dt.datetime) -> bool:
        """Make an experiment fail if a failure was arranged for the instant `at` and it has not finished.

        Return whether it failed.
        """
        failures = dict(self._pending_failures.get(name, {}))
        reason = failures.pop(at, None)
        if reason is None:
            return False
        self._undo.update(self._pending_failures, {name: failures})
        experiment = self.store.records.get(name)
        if experiment is None or experiment.finished:
            return False
        self.fail(experiment, reason, at)
        return True

    def fail(self, experiment: Experiment, reason: str, now: dt.datetime) -> None:
        """Make an experiment fail now. Raises AWSError (ConflictException) when it has finished."""
        self._enter(record.fail(experiment, reason, now, self._reading), now)

    def arrange_failure(self, name: str, reason: str, at: dt.datetime, now: dt.datetime) -> None:
        """Make an experiment fail now, or at a later instant if it has not finished by then."""
        experiment = self.store.get(name)
        if at > now and not experiment.finished:
            self._fail_later(name, reason, at)
        else:
            self.fail(experiment, reason, now)

    def _fail_later(self, name: str, reason: str, at: dt.datetime) -> None:
        failures = {**self._pending_failures.get(name, {}), at: reason}
        self._undo.update(self._pending_failures, {name: failures})
        self._events.add(at, EventKind.EXPERIMENT_FAILURE, name)

    # --- what an experiment does to its endpoint

    def user_of(self, endpoint: str) -> Experiment | None:
        """Return the unfinished experiment that uses an endpoint, or None."""
        experiment = self.store.records.get(self._last_users.get(endpoint, ""))
        return None if experiment is None or experiment.finished else experiment

    def endpoint_deleted(self, endpoint: str, now: dt.datetime) -> None:
        """Cancel the unfinished experiment, if there is one, whose endpoint a client has deleted."""
        if (user := self.user_of(endpoint)) is not None:
            self.fail(user, f"Endpoint {endpoint} was deleted.", now)

    def require_untested(self, endpoint: str) -> None:
        """Raise AWSError (ValidationException) for an endpoint that an unfinished experiment uses."""
        if (user := self.user_of(endpoint)) is not None:
            arn = self._hosting.endpoints.arn(endpoint)
            raise validation_exception(
                f'Cannot change endpoint "{arn}": it is in use by inference experiment {user.arn}.'
            )

    def require_permitted_scaling(self, params: Values) -> None:
        """Raise AWSError (ValidationException) when UpdateEndpointWeightsAndCapacities changes a weight under a test.

        Autoscaling changes numbers of instances by this operation, which AWS recommends for the shadow variant. The
        ratio of the weights is the share of copied requests, so a test needs its weights (inferred:
        weights_under_test).
        """
        endpoint = self._hosting.find(params["EndpointName"])
        serving = None if endpoint is None else endpoint.serving
        for desired in params["DesiredWeightsAndCapacities"]:
            weight = variant_named(serving, desired["VariantName"]).get("InitialVariantWeight")
            if desired.get("DesiredWeight", weight) != weight:
                self.require_untested(params["EndpointName"])

    def _change(
        self,
        operation: Callable[[Experiment, Values, dt.datetime, Reading], Experiment],
        params: Values,
        now: dt.datetime,
    ) -> Values:
        changed = operation(self.store.get(params["Name"]), params, now, self._reading)
        if "ModelVariants" in params:
            self._check_models(changed)
        self._enter(changed, now)
        return {"InferenceExperimentArn": changed.arn}

    def _enter(self, experiment: Experiment, now: dt.datetime, *, changes_endpoint: bool = True) -> None:
        """Store an experiment that entered a status `now`. Its endpoint changes first, so that it is stored once."""
        coming, refusal = self._next_by_time(experiment), None
        if experiment.failed and changes_endpoint:
            self._roll_back(experiment, now)
        elif coming is not None:
            row, ends = coming
            if deployments.deletes_endpoint(experiment, self._assumptions):
                self._hosting.delete(experiment.endpoint, now, takes=ends - now)
            elif (deployment := deployments.target_deployment(experiment, row.target)) is not None:
                refusal = self._role_refusal(experiment)
                if refusal is None:
                    self._deploy(experiment, deployment, now, takes=ends - now)
        history = experiment.variant_history.plus(self._variant_statuses(experiment))
        entered = dataclasses.replace(experiment, variant_history=history)
        self._put(entered, coming)
        if refusal is not None:
            self._enter(record.fail(entered, refusal, now, self._reading), now, changes_endpoint=False)

    def _role_refusal(self, experiment: Experiment) -> str | None:
        """Return why the role of an experiment may not change its endpoint; None when it may (inferred: role_denied).

        Then the experiment is Cancelled at once, and the endpoint stays as it is: the role cannot roll it back either.
        """
        denied = self._settings.role_denied
        if not denied:
            return None
        action = CREATE_ENDPOINT if self._hosting.find(experiment.endpoint) is None else UPDATE_ENDPOINT
        principal = assumed_role(experiment.settings["RoleArn"], "SageMaker")
        arn = self._hosting.endpoints.arn(experiment.endpoint)
        return not_authorized(principal, action, arn).message if is_denied(action, denied) else None

    def _next_by_time(self, experiment: Experiment) -> tuple[Transition[Status], dt.datetime] | None:
        """Return the next transition that time triggers, and its instant; None when the status stays."""
        return lifecycle.next_by_time(experiment.life, self._durations, self._reading.lifecycle)

    def _variant_statuses(self, experiment: Experiment) -> dict[str, str]:
        """Return the status of each variant during the status that has just begun, by name."""
        endpoint = self._hosting.find(experiment.endpoint)
        if endpoint is not None and endpoint.status is EndpointStatus.ROLLING_BACK:
            endpoint = endpoint.end_status(self._durations)  # The experiment is Cancelled for longer than that.
        return deployments.variant_statuses(experiment, endpoint)

    def _put(self, experiment: Experiment, coming: tuple[object, dt.datetime] | None) -> None:
        """Store an experiment. Add the events of the next transition that time triggers, and of the next failure."""
        self.store.put(experiment)
        for each in (coming, self._next_failure(experiment)):
            if each is not None:
                self._events.add(each[1], EventKind.EXPERIMENT, experiment.name)

    def _deploy(self, experiment: Experiment, settings: Values, now: dt.datetime, takes: dt.timedelta) -> None:
        if settings is experiment.before:  # What the endpoint served before the test needs no new capacity.
            self._hosting.deploy(experiment.endpoint, settings, now, takes)
            return
        deployment = self._hosting.configure(settings, now)
        if (message := self._hosting.exceeded_quota(experiment.endpoint, deployment)) is not None:
            self._hosting.fail_next(experiment.endpoint, message)
        self._hosting.deploy(experiment.endpoint, deployment, now, takes)

    def _roll_back(self, experiment: Experiment, now: dt.datetime) -> None:
        """Make the endpoint of a failed experiment fail, or roll back to what it served before the test."""
        name, reason = experiment.endpoint, str(experiment.status_reason)
        endpoint = self._hosting.find(name)
        if endpoint is None or endpoint.status is EndpointStatus.DELETING:
            return  # Under a test, only if it is assumed to be permitted.
        if not experiment.started and not endpoint.deploying:
            return  # The experiment has not changed the endpoint yet, or its change is complete.
        before = experiment.before
        if before is None and experiment.shadow in variant_names(endpoint.serving):
            before = self._hosting.configure(deployments.production_only(experiment), now)
        self._hosting.fail(name, reason, now, before)

    # --- checks

    def _testable(self, name: str) -> Values | None:
        """Return what an endpoint serves, or None when it does not exist. Raises AWSError when it cannot be tested."""
        if (user := self.user_of(name)) is not None:
            raise AWSError(
                self._assumptions.busy_endpoint, f"Endpoint {name} is in use by inference experiment {user.arn}."
            )
        endpoint = self._hosting.find(name)
        if endpoint is None:
            return None
        if endpoint.status is not EndpointStatus.IN_SERVICE:
            raise validation_exception(f'Cannot test on endpoint "{endpoint.arn}" in status {endpoint.status}.')
        self._hosting.require_testable(f'endpoint "{endpoint.arn}"', endpoint.serving or {})
        return endpoint.serving

    def _check_models(self, experiment: Experiment) -> None:
        self._hosting.require_models(variant["ModelName"] for variant in experiment.settings["ModelVariants"])
        arn = self._hosting.endpoints.arn(experiment.endpoint)
        self._hosting.require_testable(f'endpoint "{arn}"', deployments.with_shadow(experiment))


def _without(failures: tuple[Fails, ...], failure: Fails) -> tuple[Fails, ...]:
    """Return the failures without the one that has happened. Two equal rows are two failures."""
    index = failures.index(failure)
    return failures[:index] + failures[index + 1 :]
