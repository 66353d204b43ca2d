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
from mock_sagemaker_ie.backend.hosting.endpoints import DEPLOYING, EndpointStatus
from mock_sagemaker_ie.backend.hosting.operations import Hosting
from mock_sagemaker_ie.backend.hosting.traffic import TrafficSplitter, require_invocable, route
from mock_sagemaker_ie.backend.transitions import END, NEVER
from mock_sagemaker_ie.protocol.errors import AWSError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.traffic import Route
    from mock_sagemaker_ie.backend.settings import Settings
    from mock_sagemaker_ie.backend.store import Record, Store

Values = dict[str, Any]


class SageMakerBackend:
    """Everything that one account has in one region.

    Call `as_of(now)` before every operation and every look: only `as_of` lets time pass. `now` (UTC) never goes back.
    An answer may share values with the records: nobody changes it.
    """

    def __init__(self, partition: str, region: str, account_id: str, settings: Settings) -> None:
        self._identity = partition, region, account_id
        self._settings = settings
        arn_prefix = f"arn:{partition}:sagemaker:{region}:{account_id}"
        self._events = EventQueue()
        self._traffic = TrafficSplitter()
        self.hosting = Hosting(arn_prefix, settings, self._events)
        self.experiments = Experiments(arn_prefix, settings, self._events, self.hosting)
        self._met: set[tuple[str, ...]] = set()
        self.version = 0  # Counts the changes, so that a cached answer can be checked.

    def copy(self) -> SageMakerBackend:
        """Return an independent backend with the same records. Records are immutable, so they are shared."""
        duplicate = SageMakerBackend(*self._identity, self._settings)
        duplicate._events, duplicate._traffic = self._events.copy(), self._traffic.copy()
        duplicate.hosting = self.hosting.copy(duplicate._events)
        duplicate.experiments = self.experiments.copy(duplicate._events, duplicate.hosting)
        return duplicate

    def _copy_of_one(self, name: str) -> SageMakerBackend:
        """Return a backend with one experiment and its endpoint only."""
        duplicate = SageMakerBackend(*self._identity, self._settings)
        endpoint = self.experiments.store.get(name).endpoint
        duplicate.hosting = self.hosting.copy_of_one(endpoint, duplicate._events)
        duplicate.experiments = self.experiments.copy_of_one(name, duplicate._events, duplicate.hosting)
        return duplicate

    # --- time

    @property
    def is_settled(self) -> bool:
        """Whether nothing lies ahead: no event, and no failure that waits for a deployment."""
        return not self._events and not self.hosting.has_pending_failures

    def as_of(self, now: dt.datetime) -> SageMakerBackend:
        """Apply every event until `now`, in the order of the instants, each at its own instant.

        One look or a thousand looks give the same history.
        """
        for at, kind, name in self._events.take_until(now):
            self.version += 1
            if kind is EventKind.ENDPOINT:
                self._end_endpoint_status(name, at)
            elif kind is EventKind.EXPERIMENT:
                self.experiments.pass_deadline(name, at)
            elif self.experiments.fail_pending(name, at):
                self._met.add(("experiment", name, at.isoformat()))
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
            self.hosting.fails_next(endpoint),
            [models.get(str(variant["ModelName"])) for variant in experiment.variants.values()],
            object() if self._settings.quotas else None,  # Quotas join all endpoints: any change may be a cause.
        )

    def upcoming(self) -> Iterator[tuple[dt.datetime, Experiment]]:
        """Yield each unfinished experiment with every instant at which it may change by itself, the earliest first.

        Stale events are among them: `foreseen` shows what happens.
        """
        for at, kind, name in self._events.copy().take_until(NEVER):
            experiments = self.experiments
            user = experiments.user_of(name) if kind is EventKind.ENDPOINT else experiments.store.records.get(name)
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
        """The arranged failures that have happened: ("endpoint", name) and ("experiment", name, instant)."""
        return self._met | {("endpoint", name) for name in self.hosting.failed}

    def fail_experiment(self, name: str, reason: str, at: dt.datetime, now: dt.datetime) -> None:
        """Make what the service does for an experiment fail, now or at a later instant."""
        self.version += 1
        self.experiments.arrange_failure(name, reason, at, now)

    def fail_endpoint(self, name: str, reason: str, now: dt.datetime) -> None:
        """Make the deployment of an endpoint fail now, or else its next deployment at its end."""
        self.version += 1
        endpoint, user = self.hosting.find(name), self.experiments.user_of(name)
        if endpoint is None or endpoint.status not in DEPLOYING:
            self.hosting.fail_next(name, reason)
        elif user is None or not endpoint.deploying:
            self.hosting.fail(name, reason, now)
        else:
            self.experiments.fail(user, reason, now)

    # --- traffic

    def route(self, params: Values) -> Route:
        """Return the variants to which an InvokeEndpoint request goes. Raises AWSError (ValidationError) for none."""
        name = params["EndpointName"]
        endpoint = self.hosting.find(name)
        if endpoint is None or endpoint.serving is None or endpoint.status is EndpointStatus.DELETING:
            _, _, account_id = self._identity
            raise AWSError("ValidationError", f"Endpoint {name} of account {account_id} not found.")
        require_invocable(endpoint.serving, params, self.hosting.models.records)
        user = self.experiments.user_of(name)
        if user is None:
            # A roll-back that removes the shadow comes from a failed test, whose traffic is no longer copied.
            copies = endpoint.status is not EndpointStatus.ROLLING_BACK or endpoint.pending is None
        else:
            copies = user.copies
        return route(endpoint, self._traffic, params.get("TargetVariant"), copies=copies)

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
            resource: Record | None = store.records.get(arn.rpartition("/")[2])
            if resource is not None and resource.arn == arn:
                return store, resource
        raise tags.no_resource(arn)

    def _stores(self) -> tuple[Store[Any], ...]:
        return self.experiments.store, self.hosting.models, self.hosting.configs, self.hosting.endpoints
