"""SageMakerBackend: what one account holds in one region, how time passes there, and the operations of experiments."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import pages, tags
from mock_sagemaker_ie.backend.event_queue import Agenda, Kind
from mock_sagemaker_ie.backend.experiments import deployments, lifecycle
from mock_sagemaker_ie.backend.experiments import record as experiments
from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED
from mock_sagemaker_ie.backend.hosting.endpoints import DEPLOYING, EndpointStatus, variant_names
from mock_sagemaker_ie.backend.hosting.operations import Hosting
from mock_sagemaker_ie.backend.hosting.traffic import CaptureSettings, TrafficSplitter, route
from mock_sagemaker_ie.backend.transitions import NEVER, Failure
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import Said

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.hosting.traffic import Route
    from mock_sagemaker_ie.backend.settings import Settings

Values = dict[str, Any]


class SageMakerBackend:
    """What one account in one region holds. Each operation is a method of (request, now) that gives an answer's values.

    `as_of(now)` comes before every operation and every look; it alone makes time pass. `now` never goes back.
    Values given out may be shared with the records: they are never changed, and must not be.
    """

    def __init__(self, partition: str, region: str, account_id: str, settings: Settings) -> None:
        self._arn_prefix = f"arn:{partition}:sagemaker:{region}:{account_id}"
        self._account_id = account_id
        self._shares = TrafficSplitter()
        self._durations = settings.durations
        self._agenda = Agenda()
        self._tags: tags.TagStore = {}
        self.hosting = Hosting(self._arn_prefix, settings, self._agenda, self._tags)
        self._experiments: dict[str, Experiment] = {}
        self._failures: dict[tuple[str, dt.datetime], str] = {}  # Arranged for later: the reason.
        self._users: dict[str, str] = {}  # The last experiment on each endpoint.
        self._created = 0
        # What Describe said last and of which records: who waits for a status asks often.
        self._said: dict[str, tuple[Experiment, Endpoint | None, Said]] = {}

    def copy(self) -> SageMakerBackend:
        """An independent backend that holds the same; records are immutable, so the dicts are all there is to copy."""
        twin = copy.copy(self)
        twin._agenda, twin._shares = self._agenda.copy(), self._shares.copy()
        twin._tags, twin._experiments, twin._users = dict(self._tags), dict(self._experiments), dict(self._users)
        twin._failures, twin._said = dict(self._failures), dict(self._said)
        twin.hosting = self.hosting.copy(twin._agenda, twin._tags)
        return twin

    # --- time

    def as_of(self, now: dt.datetime) -> SageMakerBackend:
        """Let everything happen that is due by `now`, each at its own instant and in the order of the instants.

        Looking once or a thousand times gives the same history.
        """
        for at, kind, name in self._agenda.due(now):
            self._DUE[kind](self, name, at)
        return self

    def _endpoint_due(self, name: str, at: dt.datetime) -> None:
        endpoint, user = self.hosting.find(name), self._user_of(name)
        doom = endpoint.doom if endpoint is not None and endpoint.until == at else None
        if user is not None and doom is not None:
            self._enter(experiments.fail(user, doom, at), at)
        else:
            self.hosting.ended(name, at)

    def _experiment_due(self, name: str, at: dt.datetime) -> None:
        experiment = self._experiments.get(name)
        due = None if experiment is None else lifecycle.due(experiment.life, self._durations)
        if experiment is not None and due is not None and due[1] == at:
            self._enter(dataclasses.replace(experiment, life=lifecycle.enter(experiment.life, *due)), at)

    def _failure_due(self, name: str, at: dt.datetime) -> None:
        reason = self._failures.pop((name, at), None)
        experiment = self._experiments.get(name)
        if reason is not None and experiment is not None and experiment.status not in FINISHED:
            self._enter(experiments.fail(experiment, reason, at), at)

    _DUE = {Kind.ENDPOINT: _endpoint_due, Kind.EXPERIMENT: _experiment_due, Kind.FAILURE: _failure_due}  # noqa: RUF012

    def _enter(self, experiment: Experiment, now: dt.datetime) -> None:
        """Keep an experiment whose status or content changed `now`, and let its endpoint follow."""
        self._experiments[experiment.name] = experiment
        due = lifecycle.due(experiment.life, self._durations)
        if due is not None:
            self._agenda.add(due[1], Kind.EXPERIMENT, experiment.name)
        if isinstance(experiment.life.entries[-1].trigger, Failure):
            self._abandon(experiment, now)
        elif due is not None and (settings := deployments.wanted(experiment)) is not None:
            self._deploy(experiment, settings, now, takes=due[1] - now)
        variants = self.describe(experiment.name)["ModelVariants"]
        seen = {variant["VariantName"]: variant["Status"] for variant in variants}
        self._experiments[experiment.name] = dataclasses.replace(experiment, seen=(*experiment.seen, seen))

    def _deploy(self, experiment: Experiment, settings: Values, now: dt.datetime, takes: dt.timedelta) -> None:
        endpoint = experiment.settings["EndpointName"]
        reverts = settings is experiment.before  # What was there before the test needs no room.
        deployment = settings if reverts else self.hosting.configure(settings, now)
        if not reverts and (message := self.hosting.over_quota(endpoint, deployment)) is not None:
            self.hosting.fail_next(endpoint, message)
        if self.hosting.find(endpoint) is None:
            self.hosting.launch(endpoint, deployment, now, takes)
        else:
            self.hosting.deploy(endpoint, deployment, now, takes)

    def _abandon(self, experiment: Experiment, now: dt.datetime) -> None:
        """Something failed: the endpoint keeps or regains what it served before the test."""
        name, reason = experiment.settings["EndpointName"], str(experiment.status_reason)
        endpoint = self.hosting.find(name)
        assert endpoint is not None, "an endpoint under test cannot be deleted"  # noqa: S101
        if endpoint.status is EndpointStatus.CREATING:
            self.hosting.fail(name, reason, now)
        elif experiment.started or endpoint.status is EndpointStatus.UPDATING:
            before = experiment.before
            if before is None and experiment.shadow in variant_names(endpoint.serving):
                before = self.hosting.configure(deployments.production_only(experiment), now)
            self.hosting.restore(name, before, reason, now)

    # --- looking, without an operation

    def names(self) -> list[str]:
        """The names of the experiments, in the order of their creation."""
        return list(self._experiments)

    def describe(self, name: str) -> Values:
        """Everything Describe says of an experiment."""
        experiment = self.experiment(name)
        endpoint = self.hosting.find(experiment.settings["EndpointName"])
        said = self._said.get(name)
        if said is None or said[0] is not experiment or said[1] is not endpoint:
            values = Said({**experiment.facts(), **deployments.describe(experiment, endpoint)})
            said = self._said[name] = experiment, endpoint, values
        return said[2]

    def experiment(self, name: str) -> Experiment:
        """The record of an experiment. Raises AWSError (ResourceNotFound) when there is none."""
        if name not in self._experiments:
            raise experiments.not_found(name)
        return self._experiments[name]

    def foreseen(self, name: str) -> Experiment:
        """The experiment as it will be in the end if nobody calls an operation."""
        twin = self.copy()
        while (coming := twin._next_change(name)) < NEVER:
            twin.as_of(coming)
        return twin.experiment(name)

    def _next_change(self, name: str) -> dt.datetime:
        """When the status of an experiment changes by itself or by a failure that is arranged; NEVER if it stays."""
        experiment = self.experiment(name)
        if experiment.status in FINISHED:
            return NEVER
        due = lifecycle.due(experiment.life, self._durations)
        failures = [at for failing, at in self._failures if failing == name]
        return min([*failures, NEVER if due is None else due[1]])

    def future(self) -> SageMakerBackend:
        """What there will be in the end if nobody calls an operation."""
        return self.copy().as_of(NEVER - NEVER.resolution)

    # --- arranging failures

    def fail_experiment(self, name: str, reason: str, at: dt.datetime, now: dt.datetime) -> None:
        """Make what the service is doing for an experiment fail, now or at a later instant if it goes on until then."""
        failed = experiments.fail(self.experiment(name), reason, now)  # Refused when it has finished.
        if at > now:
            self._failures[name, at] = reason
            self._agenda.add(at, Kind.FAILURE, name)
        else:
            self._enter(failed, now)

    def fail_endpoint(self, name: str, reason: str, now: dt.datetime) -> None:
        """Make what is being deployed on an endpoint fail now, or else its next deployment at its end."""
        endpoint, user = self.hosting.find(name), self._user_of(name)
        if endpoint is None or endpoint.status not in DEPLOYING:
            self.hosting.fail_next(name, reason)
        elif user is None:
            self.hosting.fail(name, reason, now)
        else:
            self._enter(experiments.fail(user, reason, now), now)

    # --- inference experiments

    def create_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Create, unless the name or the endpoint is taken, or the endpoint unfit."""
        name, endpoint = params["Name"], params["EndpointName"]
        arn = f"{self._arn_prefix}:inference-experiment/{name}"
        if name in self._experiments:
            raise experiments.name_taken(arn)
        before = self._testable(endpoint)
        labels = tags.add({}, params.get("Tags", ()))
        experiment = experiments.create(params, arn=arn, number=self._created + 1, before=before, now=now)
        self._check_models(experiment)
        self.hosting.require_capacity(endpoint, deployments.with_shadow(experiment))
        self._created += 1
        self._tags[arn], self._users[endpoint] = labels, name
        self._enter(experiment, now)
        return {"InferenceExperimentArn": arn}

    def describe_inference_experiment(self, params: Values, _now: dt.datetime) -> Values:
        """Describe."""
        return self.describe(params["Name"])

    def list_inference_experiments(self, params: Values, _now: dt.datetime) -> Values:
        """List, a page at a time."""
        scope = f"ListInferenceExperiments {self._arn_prefix}"
        return pages.answer("InferenceExperiments", self._experiments.values(), params, scope)

    def start_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Start early."""
        return self._change(experiments.start, params, now)

    def update_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Update what the status lets be updated."""
        return self._change(experiments.update, params, now)

    def stop_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Stop, as completed or cancelled."""
        return self._change(experiments.stop, params, now)

    def delete_inference_experiment(self, params: Values, _now: dt.datetime) -> Values:
        """Delete the record; endpoint, variants and captured data stay."""
        experiment = self.experiment(params["Name"])
        experiments.deletable(experiment)
        del self._experiments[experiment.name], self._tags[experiment.arn], self._said[experiment.name]
        if self._users.get(endpoint := experiment.settings["EndpointName"]) == experiment.name:
            del self._users[endpoint]  # A namesake may use another.
        self._failures = {key: reason for key, reason in self._failures.items() if key[0] != experiment.name}
        return {"InferenceExperimentArn": experiment.arn}

    # --- traffic

    def route(self, params: Values) -> Route:
        """Where an InvokeEndpoint request goes. Raises AWSError (ValidationError) when nowhere."""
        name = params["EndpointName"]
        endpoint = self.hosting.find(name)
        if endpoint is None or endpoint.serving is None or endpoint.status is EndpointStatus.DELETING:
            raise AWSError("ValidationError", f"Endpoint {name} of account {self._account_id} not found.")
        user = self._user_of(name)
        testing = user is not None and user.copies
        storage = user.settings.get("DataStorageConfig") if user is not None and testing else None
        return route(
            endpoint,
            self._shares,
            params.get("TargetVariant"),
            copies=user is None or testing,
            captures=() if storage is None else (CaptureSettings.of_experiment(storage),),
        )

    # --- tags, of whatever we hold

    def add_tags(self, params: Values, _now: dt.datetime) -> Values:
        """Add or overwrite tags; the answer lists all the resource has."""
        arn = params["ResourceArn"]
        self._tags[arn] = tags.add(self._tags_of(arn), params["Tags"])
        return {"Tags": tags.listed(self._tags[arn])}

    def list_tags(self, params: Values, _now: dt.datetime) -> Values:
        """List tags: at most 50, so they always fit one page."""
        present = self._tags_of(params["ResourceArn"])
        if "NextToken" in params:
            raise pages.invalid_token()
        return {"Tags": tags.listed(present)}

    def delete_tags(self, params: Values, _now: dt.datetime) -> Values:
        """Delete tags by key."""
        arn = params["ResourceArn"]
        self._tags[arn] = tags.remove(self._tags_of(arn), params["TagKeys"])
        return {}

    def _tags_of(self, arn: str) -> tags.Tags:
        if arn not in self._tags:
            raise tags.no_resource(arn)
        return self._tags[arn]

    # --- records

    def _change(
        self,
        operation: Callable[[Experiment, Values, dt.datetime], Experiment],
        params: Values,
        now: dt.datetime,
    ) -> Values:
        changed = operation(self.experiment(params["Name"]), params, now)
        if "ModelVariants" in params:
            self._check_models(changed)
        self._enter(changed, now)
        return {"InferenceExperimentArn": changed.arn}

    def _user_of(self, endpoint: str) -> Experiment | None:
        """The unfinished experiment that uses `endpoint`."""
        experiment = self._experiments.get(self._users.get(endpoint, ""))
        return None if experiment is None or experiment.status in FINISHED else experiment

    def require_untested(self, endpoint: str) -> None:
        """Raise AWSError (ValidationException) for an endpoint that an unfinished experiment uses."""
        if (user := self._user_of(endpoint)) is not None:
            raise experiments.endpoint_under_test(self.hosting.arn(endpoint), user.arn)

    def _testable(self, name: str) -> Values | None:
        """What the endpoint serves, None when there is none yet. Raises AWSError when it is taken or unfit."""
        if (user := self._user_of(name)) is not None:
            raise experiments.endpoint_taken(name, user.arn)
        endpoint = self.hosting.find(name)
        if endpoint is None:
            return None
        if endpoint.status is not EndpointStatus.IN_SERVICE:
            raise experiments.endpoint_not_in_service(endpoint.arn, endpoint.status)
        self._check_traits(name, endpoint.serving or {})
        return endpoint.serving

    def _check_models(self, experiment: Experiment) -> None:
        self.hosting.require_models(variant["ModelName"] for variant in experiment.settings["ModelVariants"])
        self._check_traits(experiment.settings["EndpointName"], deployments.with_shadow(experiment))

    def _check_traits(self, endpoint: str, deployment: Values) -> None:
        for trait in self.hosting.traits(deployment):
            raise experiments.endpoint_unfit(endpoint, trait)
