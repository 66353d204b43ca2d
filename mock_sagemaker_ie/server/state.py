"""The state of a mock as the page shows it: rows and calls with version numbers, so that a poll costs what changed.

No call waits while a row is computed: that happens on a copy of a backend, which is made only when the backend changed.
"""

from __future__ import annotations

import random
from collections import deque
from heapq import merge
from itertools import islice
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.documents import (
    capture_row,
    event_row,
    experiment_document,
    newest,
    shortened_call,
    whole_call,
)
from mock_sagemaker_ie.server.traffic import CAPTURES, EVENTS, newest_totals, totals
from mock_sagemaker_ie.timeline import timeline

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.server.limits import Limit
    from mock_sagemaker_ie.server.traffic import Total
    from mock_sagemaker_ie.service.service import Service
    from mock_sagemaker_ie.timeline import Timeline

Document = dict[str, Any]


class Snapshot(NamedTuple):
    """A copy of one backend: `version` is that of `source`, the backend itself. `number` differs for every snapshot."""

    source: SageMakerBackend
    version: int
    copy: SageMakerBackend
    now: dt.datetime
    number: int

    @property
    def experiments(self) -> list[Experiment]:
        """The experiments, in the order of creation."""
        return list(self.copy.experiments.store.records.values())

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return what DescribeInferenceExperiment returns."""
        return self.copy.experiments.describe({"Name": name}, self.now)

    def timeline(self, name: str) -> Timeline:
        """Return the timeline of an experiment."""
        return timeline(self.copy.foreseen(name), self.now)


class _Row(NamedTuple):
    """The document of an experiment, what it depends on, and the version of its content."""

    snapshot: int
    causes: tuple[object, ...]
    version: int
    document: Document


class _Seen(NamedTuple):
    version: int
    item: Any
    document: Document


class _Log:
    """The newest calls, captures or events, each with the version at which it came.

    `document`: makes what the page shows of an item, from the item and its version.
    """

    def __init__(self, limit: Limit, document: Callable[[Any, int], Document]) -> None:
        self._document = document
        self._seen: deque[_Seen] = deque(maxlen=limit.value)
        self._latest: list[Any] = []
        self.count = 0

    def look(self, items: deque[Any]) -> None:
        """Note the newest items, and how many there are. Call it while no call changes anything."""
        self.count = len(items)
        self._latest = list(islice(reversed(items), self._seen.maxlen))[::-1]

    def refresh(self, version: int) -> int:
        """Find what is new since the last refresh, and return the version after that."""
        latest, last = self._latest, self._seen[-1].item if self._seen else None
        begin = next((index for index in range(len(latest), 0, -1) if latest[index - 1] is last), 0)
        if begin == 0 and self._seen:  # A reset.
            self._seen.clear()
            version += 1
        for item in latest[begin:]:
            version += 1
            self._seen.append(_Seen(version, item, self._document(item, version)))
        return version

    def since(self, version: int) -> list[Document]:
        """Return what came after a version."""
        return [seen.document for seen in self._seen if seen.version > version]

    def find(self, version: int) -> Any:
        """Return the item that came with a version, or None."""
        return next((seen.item for seen in self._seen if seen.version == version), None)


class State:
    """The state of one service. Many threads may look at it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        # A version of another server, for example before a restart, is none of this one.
        self._first = self._version = random.SystemRandom().getrandbits(50)
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._snapshots_made = 0
        self._listed: list[Experiment] = []
        self._rows: dict[str, _Row] = {}
        self._next_change: str | None = None
        self._minutes: list[dict[str, Datapoint]] = []
        self._totals: dict[tuple[str, str], Total] = {}
        self._traffic_version = self._version
        self._calls = _Log(limits.CALLS, shortened_call)
        self._captures = _Log(limits.LATEST, lambda capture, _: capture_row(capture, CAPTURES.path(capture)))
        self._events = _Log(limits.LATEST, lambda notice, _: event_row(notice, EVENTS.path(notice)))

    def changes(self, since: int = 0, offset: int = 0, filter: str = "") -> Document:  # noqa: A002 - a name of the API
        """Return what changed after the version `since`; everything when the version is not of this server.

        The experiments are a page: the newest that match the words in `filter`, without the newest `offset` of them.
        """
        with self._lock:
            self._refresh()
            if not self._first <= since <= self._version:
                since = 0
            words = filter.lower().split()
            matching = [each for each in self._listed if _contains(each, words)] if words else self._listed
            page = newest(matching, limits.ROWS, offset)
            rows = [self._row(each) for each in page]
            return {
                "now": self._service.now().isoformat(),
                "version": self._version,
                "experiments": [row.document for row in rows if row.version > since],
                "page": None if since == self._version else [_key(each) for each in page],
                "experiment_count": len(self._listed),
                "match_count": len(matching),
                "next_change": self._next_change,
                "traffic": self._traffic_of(page) if self._traffic_version > since else None,
                "metrics": newest_totals(self._totals) if self._traffic_version > since else None,
                "metric_count": len(self._totals),
                "calls": self._calls.since(since),
                "call_count": self._calls.count,
                "captures": self._captures.since(since),
                "capture_count": self._captures.count,
                "events": self._events.since(since),
                "event_count": self._events.count,
            }

    def call(self, version: int) -> Document:
        """Return one of the latest calls with its answer. Raises LookupError for any other version."""
        with self._lock:
            call = self._calls.find(version)
        if call is not None:
            return whole_call(call)
        raise LookupError(f"none of the latest calls has version {version}; /_mock/calls has all calls")

    def snapshots(self) -> dict[tuple[str, str], Snapshot]:
        """Return a snapshot of each account and region."""
        with self._lock:
            self._refresh()
            return self._snapshots

    # --- refresh

    def _refresh(self) -> None:
        """Find what changed since the last look."""
        snapshots = dict(self._take_snapshots())
        if snapshots != self._snapshots:
            self._snapshots = snapshots
            listed = list(merge(*(each.experiments for each in snapshots.values()), key=attrgetter("created")))
            self._version += listed != self._listed
            self._listed = listed
            known = {each.arn for each in listed}
            self._rows = {arn: row for arn, row in self._rows.items() if arn in known}
            self._next_change = self._find_next_change()
        minutes = self._service.runtime.minutes()
        if minutes != self._minutes:  # Quick: a minute that did not change is the same object.
            self._version += 1
            self._minutes, self._totals, self._traffic_version = minutes, totals(minutes), self._version
        with self._service.pause():
            self._calls.look(self._service.calls)
            self._captures.look(self._service.runtime.captures)
            self._events.look(self._service.notices)
        for log in (self._calls, self._captures, self._events):
            self._version = log.refresh(self._version)

    def _take_snapshots(self) -> Iterator[tuple[tuple[str, str], Snapshot]]:
        for account, region in self._service.scopes():
            with self._service.view(region, account) as (backend, now):
                snapshot = self._snapshots.get((account, region))
                if snapshot is None or snapshot.source is not backend or snapshot.version != backend.version:
                    self._snapshots_made += 1
                    snapshot = Snapshot(backend, backend.version, backend.copy(), now, self._snapshots_made)
            yield (account, region), snapshot

    def _row(self, experiment: Experiment) -> _Row:
        row, name, scope = self._rows.get(experiment.arn), experiment.name, _scope(experiment)
        snapshot = self._snapshots[scope]
        if row is not None and row.snapshot == snapshot.number:
            return row
        causes = snapshot.copy.causes(name)
        if row is None or row.causes != causes:
            document = experiment_document(*scope, snapshot.describe(name), snapshot.timeline(name))
            if row is None or row.document != document:
                self._version += 1
                row = _Row(snapshot.number, causes, self._version, document)
        self._rows[experiment.arn] = row = row._replace(snapshot=snapshot.number, causes=causes)
        return row

    def _traffic_of(self, experiments: Sequence[Experiment]) -> dict[str, dict[str, int]]:
        """Return the number of invocations by endpoint and variant, for the endpoints of these experiments."""
        counts: dict[str, dict[str, int]] = {each.endpoint: {} for each in experiments}
        for (endpoint, variant), total in self._totals.items():
            if endpoint in counts:
                counts[endpoint][variant] = total.invocations
        return {endpoint: variants for endpoint, variants in counts.items() if variants}

    def _find_next_change(self) -> str | None:
        """Return the instant at which the next experiment changes its status by itself."""
        soonest: str | None = None
        for snapshot in self._snapshots.values():
            for at, experiment in snapshot.copy.upcoming():
                if soonest is not None and at.isoformat() >= soonest:
                    break
                coming = self._row(experiment).document["next"]
                if coming is not None and (soonest is None or coming["at"] < soonest):
                    soonest = coming["at"]
        return soonest


def _scope(experiment: Experiment) -> tuple[str, str]:
    """Return the account and the region of an experiment."""
    _, _, _, region, account, _ = experiment.arn.split(":")
    return account, region


def _key(experiment: Experiment) -> str:
    return "/".join((*_scope(experiment), experiment.name))


def _contains(experiment: Experiment, words: list[str]) -> bool:
    """Return whether name, status, region and account contain all words."""
    text = f"{experiment.name} {experiment.status} {' '.join(_scope(experiment))}".lower()
    return all(word in text for word in words)
