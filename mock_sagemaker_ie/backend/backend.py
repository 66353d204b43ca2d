"""SageMakerBackend: everything that one account has in one region. It lets time pass and routes invocations.

It joins two halves, each with its own operations: Hosting (models, endpoint configurations, endpoints) and
Experiments, which changes endpoints through Hosting.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import pages, tags
from mock_sagemaker_ie.backend.event_queue import EventKind, EventQueue
from mock_sagemaker_ie.backend.experiments.operations import Experiments
from mock_sagemaker_ie.backend.hosting.deployment import variant_named
from mock_sagemaker_ie.backend.hosting.endpoints import DEPLOYING, EndpointStatus
from mock_sagemaker_ie.backend.hosting.metrics import Minutes
from mock_sagemaker_ie.backend.hosting.operations import Hosting
from mock_sagemaker_ie.backend.hosting.traffic import TrafficSplitter, choose_fleet, require_invocable, route
from mock_sagemaker_ie.backend.transitions import END, NEVER
from mock_sagemaker_ie.changes import UndoLog
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.traffic import Route
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.backend.store import Store

Values = dict[str, Any]


class SageMakerBackend:
    """Everything that one account has in one region.

    Call `as_of(now)` before every operation and every look: only `as_of` lets time pass. `now` (UTC) never goes back.
    An answer may share values with the records: nobody changes it.
    """

    def __init__(
        self,
        partition: str,
        region: str,
        account_id: str,
        settings: Settings,
        undo: UndoLog | None = None,
        *,
        metrics: Minutes | None = None,
    ) -> None:
        self._identity = partition, region, account_id
        self._settings = settings
        self._undo = UndoLog() if undo is None else undo
        arn_prefix = f"arn:{partition}:sagemaker:{region}:{account_id}"
        self._events = EventQueue(self._undo)
        self._traffic = TrafficSplitter(self._undo)
        self._metrics = Minutes(None) if metrics is None else metrics  # On which alarms are evaluated.
        self.hosting = Hosting(arn_prefix, settings, self._events, self._metrics, self._undo)
        self.experiments = Experiments(arn_prefix, settings, self._events, self.hosting, self._undo)
        self._met: dict[tuple[str, ...], None] = {}
        self.version = 0  # Counts the changes, so that a cached answer can be checked.

    def copy(self, undo: UndoLog | None = None, metrics: Minutes | None = None) -> SageMakerBackend:
        """Return an independent backend with the same records. Records are immutable, so they are shared.

        `undo`: what notes its changes. `metrics`: its metrics; by default it shares them, to look ahead.
        """
        duplicate = SageMakerBackend(*self._identity, self._settings, undo, metrics=metrics or self._metrics)
        undo = duplicate._undo
        duplicate._events, duplicate._traffic = self._events.copy(undo), self._traffic.copy(undo)
        duplicate.hosting = self.hosting.copy(duplicate._events, duplicate._metrics, undo)
        duplicate.experiments = self.experiments.copy(duplicate._events, duplicate.hosting, undo)
        return duplicate

    def _copy_of_one(self, name: str) -> SageMakerBackend:
        """Return a backend with one experiment and its endpoint only."""
        duplicate = SageMakerBackend(*self._identity, self._settings, metrics=self._metrics)
        endpoint, events, undo = self.experiments.store.get(name).endpoint, duplicate._events, duplicate._undo
        duplicate.hosting = self.hosting.copy_of_one(endpoint, events, self._metrics, undo)
        duplicate.experiments = self.experiments.copy_of_one(name, events, duplicate.hosting, undo)
        return duplicate

    @property
    def assumptions(self) -> Assumptions:
        """What is assumed of AWS."""
        return self._settings.assumptions

    def changing(self) -> None:
        """Say that a change begins. A version never comes again, also when the change is undone."""
        self._undo.note(self._next_version)
        self._next_version()

    def _next_version(self) -> None:
        self.version += 1

    # --- time

    @property
    def is_settled(self) -> bool:
        """Whether everything stays as it is until somebody calls an operation."""
        return not any(at < NEVER and self._may_happen(kind, name) for at, kind, name in self._events)

    def _may_happen(self, kind: EventKind, name: str) -> bool:
        """Return whether an event of this kind may still change the resource with this name."""
        if kind in (EventKind.ENDPOINT, EventKind.ALARMS):
            endpoint = self.hosting.find(name)
            return endpoint is not None and endpoint.until is not None
        experiment = self.experiments.store.records.get(name)
        return experiment is not None and not experiment.finished

    def as_of(self, now: dt.datetime) -> SageMakerBackend:
        """Apply every event until `now`, in the order of the instants, each at its own instant.

        One look or a thousand looks give the same history. So each event is a whole change by itself, unless it is a
        part of a change that has begun.
        """
        alone = self._undo.mark == 0
        for at, kind, name in self._events.take_until(now):
            self.changing()
            if kind is EventKind.ALARMS:
                self.hosting.check_alarms([name], at)
            elif kind is EventKind.ENDPOINT:
                self._end_endpoint_status(name, at)
            elif kind is EventKind.EXPERIMENT:
                self.experiments.pass_deadline(name, at)
            elif self.experiments.fail_pending(name, at):
                self._undo.update(self._met, {("experiment", name, at.isoformat()): None})
            if alone:
                self._undo.keep()
        return self

    def _end_endpoint_status(self, name: str, at: dt.datetime) -> None:
        """End the status of an endpoint. A deployment that fails makes the experiment fail that waits for it."""
        endpoint, user = self.hosting.find(name), self.experiments.user_of(name)
        waits = endpoint is not None and endpoint.until == at and endpoint.deploying
        failure = endpoint.pending_failure if endpoint is not None and waits else None
        if user is not None and failure is not None:
            self.experiments.fail(user, failure, at)
        else:
            self.hosting.end_status(name, at)

    def foreseen(self, name: str) -> Experiment:
        """Return an experiment as it will be in the end if nobody calls an operation.

        Only the experiment and its endpoint matter, unless quotas join all endpoints.
        """
        ahead = self.copy() if self._settings.quotas else self._copy_of_one(name)
        return ahead.as_of(END).experiments.store.get(name)

    def causes(self, name: str) -> tuple[object, ...]:
        """Return everything on which an experiment's present and future depend: while it is equal, so are they."""
        experiment = self.experiments.store.get(name)
        endpoint, models = experiment.endpoint, self.hosting.models.records
        return (
            experiment,
            self.hosting.find(endpoint),
            self.experiments.user_of(endpoint) is experiment,
            self.experiments.pending_failures(name),
            (self.experiments.failures, self.hosting.failures),
            self.hosting.fails_next(endpoint),
            [models.get(str(variant["ModelName"])) for variant in experiment.variants.values()],
            object() if self._settings.quotas else None,  # Quotas join all endpoints: any change may be a cause.
        )

    def upcoming(self) -> Iterator[tuple[dt.datetime, Experiment]]:
        """Yield each unfinished experiment with every instant at which it may change by itself, the earliest first.

        Stale events are among them: `foreseen` shows what happens.
        """
        for at, kind, name in self._events.copy(UndoLog()).take_until(NEVER):
            experiments = self.experiments
            hosting = kind in (EventKind.ENDPOINT, EventKind.ALARMS)
            user = experiments.user_of(name) if hosting else experiments.store.records.get(name)
            if user is not None and not user.finished:
                yield at, user

    # --- failures

    @property
    def scope(self) -> tuple[str, str]:
        """The account and the region."""
        _, region, account_id = self._identity
        return account_id, region

    @property
    def met(self) -> set[tuple[str, ...]]:
        """What was arranged and has happened: ("endpoint", name), ("experiment", name, instant) and ("alarm", name)."""
        alarms = {("alarm", name) for name in self.hosting.alarms.met}
        return self._met.keys() | {("endpoint", name) for name in self.hosting.failed} | alarms

    def fail_experiment(self, name: str, reason: str, at: dt.datetime, now: dt.datetime) -> None:
        """Make what the service does for an experiment fail, now or at a later instant."""
        self.changing()
        self.experiments.arrange_failure(name, reason, at, now)

    def fail_endpoint(self, name: str, reason: str, now: dt.datetime) -> None:
        """Make the deployment of an endpoint fail now, or else its next deployment at its end."""
        self.changing()
        endpoint, user = self.hosting.find(name), self.experiments.user_of(name)
        if endpoint is None or endpoint.status not in DEPLOYING:
            self.hosting.fail_next(name, reason)
        elif user is None or not endpoint.deploying:
            self.hosting.fail(name, reason, now)
        else:
            self.experiments.fail(user, reason, now)

    def set_alarm(self, name: str, state: str, now: dt.datetime) -> None:
        """Set the state of a CloudWatch alarm by hand, from now on."""
        self.changing()
        self.hosting.alarms.set_by_hand(name, state)
        self.hosting.check_alarms(self.hosting.alarms.watchers(name), now)

    def scale(self, endpoint: str, variant: str, count: int, now: dt.datetime) -> None:
        """Change the number of instances of a variant. Raises AWSError (ValidationException, ResourceLimitExceeded)."""
        self.changing()
        present = variant_named(self.hosting.endpoints.get(endpoint).serving, variant)
        if present and "InitialInstanceCount" not in present:
            raise validation_exception(f'Variant "{variant}" of endpoint "{endpoint}" has no instances to scale.')
        desired = [{"VariantName": variant, "DesiredInstanceCount": count}]
        request = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": desired}
        self.hosting.update_endpoint_weights_and_capacities(request, now)

    def note_alarms(self, described: Mapping[str, Values | None], since: dt.datetime, now: dt.datetime) -> None:
        """Note what CloudWatch says of alarms.

        The state of an alarm counts from its StateUpdatedTimestamp on if that is after `since`, the last call or look,
        and not after `now`; else from `since` on, because CloudWatch may have another clock.
        """

        def instant(name: str) -> dt.datetime:
            updated = (described[name] or {}).get("StateUpdatedTimestamp")
            return updated if updated is not None and since < updated <= now else since

        news = [name for name, alarm in described.items() if self.hosting.alarms.is_new(name, alarm)]
        for name in sorted(news, key=instant):
            at = instant(name)
            self.as_of(at).changing()
            self.hosting.alarms.describe(name, described[name])
            self.hosting.check_alarms(self.hosting.alarms.watchers(name), at)

    # --- traffic

    def route(self, params: Values) -> Route:
        """Return the variants to which an InvokeEndpoint request goes. Raises AWSError (ValidationError) for none."""
        name = params["EndpointName"]
        endpoint = self.hosting.find(name)
        if endpoint is None or endpoint.serving is None or endpoint.status is EndpointStatus.DELETING:
            _, _, account_id = self._identity
            raise AWSError("ValidationError", f"Endpoint {name} of account {account_id} not found.")
        fleet = choose_fleet(endpoint, self._traffic)
        require_invocable(fleet.deployment, params, self.hosting.models.records)
        user = self.experiments.user_of(name)
        if user is None:
            # A roll-back that removes the shadow comes from a failed test, whose traffic is no longer copied.
            copies = endpoint.status is not EndpointStatus.ROLLING_BACK or endpoint.pending is None
        else:
            copies = user.copies
        reaches_shadow = self.assumptions.target_shadow == "Invoked"
        target = params.get("TargetVariant")
        return route(endpoint, fleet, self._traffic, target, copies=copies, reaches_shadow=reaches_shadow)

    # --- tags, of every kind of resource

    def add_tags(self, params: Values, _now: dt.datetime) -> Values:
        """Add tags, or replace their values; the answer lists all tags of the resource."""
        store, tagged = self._tagged(params["ResourceArn"])
        changed = dataclasses.replace(tagged, tags=tags.add(tagged.tags, params["Tags"]))
        store.put(changed)
        return {"Tags": tags.listed(changed.tags)}

    def list_tags(self, params: Values, _now: dt.datetime) -> Values:
        """List tags. There are at most 50, so they always fit one page."""
        _, tagged = self._tagged(params["ResourceArn"])
        if "NextToken" in params:
            raise pages.invalid_token()
        return {"Tags": tags.listed(tagged.tags)}

    def delete_tags(self, params: Values, _now: dt.datetime) -> Values:
        """Delete tags by key."""
        store, tagged = self._tagged(params["ResourceArn"])
        store.put(dataclasses.replace(tagged, tags=tags.remove(tagged.tags, params["TagKeys"])))
        return {}

    def _tagged(self, arn: str) -> tuple[Store[Any], Any]:
        """Return the record with this ARN and its store. Raises AWSError (ValidationException) when there is none."""
        for store in self._stores():
            if (resource := store.find(arn)) is not None:
                return store, resource
        raise tags.no_resource(arn)

    def _stores(self) -> tuple[Store[Any], ...]:
        return self.experiments.store, self.hosting.models, self.hosting.configs, self.hosting.endpoints
