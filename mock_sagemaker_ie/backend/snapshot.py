"""Snapshots: everything that a backend has, as JSON-able values, one record each, and back again.

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
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL, Resource
from mock_sagemaker_ie.backend.transitions import After, At, ByExperiment, Call, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from enum import Enum

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.store import Store

Values = dict[str, Any]


def take(backend: SageMakerBackend) -> Iterator[Values]:
    """Yield the values of a snapshot. Endpoints come before the experiments that use them."""
    stores = _stores(backend)
    yield {"created": {kind: store._created for kind, store in stores.items()}}
    for name, reason in backend.hosting._pending_failures.items():
        yield {"endpoint": name, "fails": reason}
    for kind, store in stores.items():
        for record in store.records.values():
            yield {"resource": kind, "record": _to_json(record)}
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
        case {"experiment": name, "at": at, "fails": reason}:
            backend.experiments.store.get(name)
            backend.experiments._fail_later(name, reason, dt.datetime.fromisoformat(at))
        case {"resource": kind, "record": data}:
            _put(backend, kind, _from_json(data))
        case _:
            raise LookupError(f"unknown values: {', '.join(values)}")


def _put(backend: SageMakerBackend, kind: str, record: Any) -> None:
    if isinstance(record, Endpoint):
        backend.hosting._put(record)
    elif isinstance(record, Experiment):
        if not record.finished and backend.hosting.find(record.endpoint) is None:
            raise LookupError(f"experiment {record.name} needs endpoint {record.endpoint}, which is missing")
        backend.experiments._last_users[record.endpoint] = record.name
        backend.experiments._put(record)
    else:
        _stores(backend)[kind].put(record)


def _stores(backend: SageMakerBackend) -> dict[str, Store[Any]]:
    hosting = backend.hosting
    stores = (hosting.models, hosting.configs, hosting.endpoints, backend.experiments.store)
    return {store.kind.type: store for store in stores}


# --- values as JSON: a value of another type is an object with one key, which is $ and the name of the type

_RECORDS: tuple[type[Any], ...] = (Experiment, Life, Entry, Endpoint, Resource, Call, After, At, Failure, ByExperiment)
_ENUMS: tuple[type[Enum], ...] = (Status, EndpointStatus)
_KINDS = {kind.type: kind for kind in (MODEL, ENDPOINT_CONFIG, ENDPOINT, EXPERIMENT)}


def _to_json(value: Any) -> Any:
    """Return a value as JSON-able values. Raises KeyError for a value of a type that no record contains."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return list(map(_to_json, value))
    if kind is dict:
        plain = _each(value, _to_json)
        return {"$dict": plain} if any(key.startswith("$") for key in plain) else plain
    # freezegun and others have subclasses of datetime.
    name = "datetime" if isinstance(value, dt.datetime) else kind.__name__
    return {f"${name}": _TO_JSON[name](value)}


def _from_json(data: Any) -> Any:
    """Return the value that `_to_json` has made JSON-able. Raises LookupError or TypeError for unknown data."""
    if isinstance(data, list):
        return list(map(_from_json, data))
    if not isinstance(data, dict):
        return data
    name, content = next(iter(data.items()), ("", None))
    return _FROM_JSON[name[1:]](content) if name.startswith("$") else _each(data, _from_json)


def _each(members: Mapping[str, Any], function: Callable[[Any], Any]) -> Values:
    return {key: function(value) for key, value in members.items()}


def _fields(record: Any) -> Values:
    return {field.name: _to_json(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _record(kind: Callable[..., Any]) -> Callable[[Values], Any]:
    return lambda fields: kind(**_each(fields, _from_json))


_PLAIN = (str, int, float, bool, type(None))
# By name of a type: the function that makes its values JSON-able, and the function that makes them again.
_TO_JSON: dict[str, Callable[[Any], Any]] = {
    "datetime": lambda when: when.isoformat(),
    "History": lambda history: list(map(_to_json, history)),
    "ResourceKind": lambda kind: kind.type,
    **{kind.__name__: lambda value: value.value for kind in _ENUMS},
    **{kind.__name__: _fields for kind in _RECORDS},
}
_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "datetime": dt.datetime.fromisoformat,
    "dict": lambda members: _each(members, _from_json),
    "History": lambda items: History(map(_from_json, items)),
    "ResourceKind": _KINDS.__getitem__,
    **{kind.__name__: kind for kind in _ENUMS},
    **{kind.__name__: _record(kind) for kind in _RECORDS},
}
