"""Snapshots: everything that a backend has, one record each, with the records as JSON, and back again.

The traffic counts are left out, like all that invocations leave. The event queue is made anew: each record that will
change by itself has one event.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments.lifecycle import Entry, Life, Status
from mock_sagemaker_ie.backend.experiments.operations import EXPERIMENT
from mock_sagemaker_ie.backend.experiments.record import Experiment
from mock_sagemaker_ie.backend.history import History
from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint, EndpointStatus
from mock_sagemaker_ie.backend.hosting.guardrails import Phase
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL, Resource
from mock_sagemaker_ie.backend.store import ResourceKind
from mock_sagemaker_ie.backend.transitions import After, At, ByExperiment, Call, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.store import Store

Values = dict[str, Any]


def take(backend: SageMakerBackend) -> Iterator[Values]:
    """Yield the values of a snapshot. Endpoints come before the experiments that use them."""
    stores = _stores(backend)
    yield {"created": {kind: store._created for kind, store in stores.items()}}
    for name, reason in backend.hosting._pending_failures.items():
        yield {"endpoint": name, "fails": reason}
    yield from ({"alarm": name, "state": state} for name, state in backend.hosting.alarms.by_hand.items())
    yield from ({"record": record} for store in stores.values() for record in store.records.values())
    for name, failures in backend.experiments._pending_failures.items():
        yield from ({"experiment": name, "at": at.isoformat(), "fails": reason} for at, reason in failures.items())


def restore(backend: SageMakerBackend, values: Values) -> None:
    """Give a backend one of the values of a snapshot. Raises LookupError for an experiment without its endpoint."""
    match values:
        case {"created": created}:
            for kind, store in _stores(backend).items():
                store._created = created[kind]
        case {"endpoint": name, "fails": reason}:
            backend.hosting.fail_next(name, reason)
        case {"alarm": name, "state": state}:
            backend.hosting.alarms.set_by_hand(name, state)
        case {"experiment": name, "at": at, "fails": reason}:
            backend.experiments.store.get(name)
            backend.experiments._fail_later(name, reason, dt.datetime.fromisoformat(at))
        case {"record": record}:
            _put(backend, record)
        case _:
            raise LookupError(f"unknown values: {', '.join(values)}")


def _put(backend: SageMakerBackend, record: Any) -> None:
    if isinstance(record, Endpoint):
        backend.hosting._put(record)
    elif isinstance(record, Experiment):
        if not record.finished and backend.hosting.find(record.endpoint) is None:
            raise LookupError(f"experiment {record.name} needs endpoint {record.endpoint}, which is missing")
        backend.experiments._last_users[record.endpoint] = record.name
        backend.experiments._put(record, backend.experiments._next_by_time(record))
    else:
        _stores(backend)[record.kind.type].put(record)


def _stores(backend: SageMakerBackend) -> dict[str, Store[Any]]:
    hosting = backend.hosting
    stores = (hosting.models, hosting.configs, hosting.endpoints, backend.experiments.store)
    return {store.kind.type: store for store in stores}


# --- the records as JSON: each value of another type is an object with one member, $ and the name of the type. AWS
# permits no tag and no key of a map that begins with $. Statuses are strings.

_TYPES: tuple[type[Any], ...] = (
    Experiment,
    Life,
    Entry,
    Endpoint,
    Phase,
    Resource,
    Call,
    After,
    At,
    Failure,
    ByExperiment,
)
_FIELDS = {kind: [field.name for field in dataclasses.fields(kind)] for kind in _TYPES}
_KINDS = {kind.type: kind for kind in (MODEL, ENDPOINT_CONFIG, ENDPOINT, EXPERIMENT)}


def to_json(value: Any) -> Values:
    """Return a value of a record that is not of a type of JSON, for `json.dumps(default=)`. Raises KeyError."""
    if isinstance(value, dt.datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, History):
        return {"$History": list(value)}
    if isinstance(value, ResourceKind):
        return {"$ResourceKind": value.type}
    kind = type(value)
    return {f"${kind.__name__}": {name: getattr(value, name) for name in _FIELDS[kind]}}


def from_json(members: Values) -> Any:
    """Return the value that `to_json` has made an object, for `json.loads(object_hook=)`; else the object itself.

    Raises LookupError, TypeError or ValueError for an object that `to_json` has not made.
    """
    if len(members) == 1:
        ((name, content),) = members.items()
        if name.startswith("$"):
            return _FROM_JSON[name](content)
    return members


def _of(kind: Callable[..., Any], **types: Callable[[Any], Any]) -> Callable[[Values], Any]:
    """Return the function that makes a record of its fields. `types`: of the fields that are statuses or tuples."""

    def make(fields: Values) -> Any:
        converted = {name: type_of(fields[name]) for name, type_of in types.items() if name in fields}
        return kind(**{**fields, **converted})

    return make


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "$datetime": dt.datetime.fromisoformat,
    "$History": History,
    "$ResourceKind": _KINDS.__getitem__,
    **{f"${kind.__name__}": _of(kind) for kind in _TYPES},
    "$Entry": _of(Entry, status=Status),
    "$Life": _of(Life, desired_state=Status),
    "$Endpoint": _of(Endpoint, status=EndpointStatus, phases=tuple),
    "$Phase": _of(Phase, weights=tuple),
}
