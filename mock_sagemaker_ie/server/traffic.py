"""What the control API lists of traffic: captures, metrics, events and models' answers, by pages, with filters."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.documents import (
    capture_document,
    datapoint_document,
    handler_document,
    newest,
    shortened,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.server.limits import Limit
    from mock_sagemaker_ie.service.service import Service

Document = dict[str, Any]


class Listing(NamedTuple):
    """One kind of items, and the path that lists them.

    `name`: of the path, and of the list in its answer. `items`: all of them, oldest first. `limit`: the most items in
    an answer. `filters`: by argument of the path, the value of an item that must equal it. `defaults`: of arguments.
    `identity`: the arguments that name one item, which comes whole; empty when no item can be too long.
    """

    name: str
    items: Callable[[Service], Iterable[Any]]
    document: Callable[[Any], Document]
    limit: Limit
    filters: Mapping[str, Callable[[Any], str | None]]
    defaults: Mapping[str, None] = {}
    identity: tuple[str, ...] = ()

    def answer(self, service: Service, arguments: Mapping[str, str], offset: int) -> Document:
        """Return the newest items that the arguments select, without the newest `offset` of them, oldest first."""
        wanted = [(self.filters[name], value) for name, value in {**self.defaults, **arguments}.items()]
        matching = [item for item in self.items(service) if all(value_of(item) == value for value_of, value in wanted)]
        document = self.document if arguments.keys() >= set(self.identity) else self._within_limit
        return {
            self.name: [document(item) for item in newest(matching, self.limit, offset)],
            "match_count": len(matching),
        }

    def _within_limit(self, item: Any) -> Document:
        """Return the document of an item. If it is too long it is shortened, and "whole" has the path of all of it."""
        document, is_whole = shortened(self.document(item), limits.ITEM_SIZE)
        return document if is_whole else {**document, "whole": self.path(item)}

    def path(self, item: Any) -> str:
        """Return the path of one whole item."""
        return f"/_mock/{self.name}?{urlencode({name: self.filters[name](item) for name in self.identity})}"


class Total:
    """All invocations of one variant.

    `latest`: the last minute with one. `latency`: the sum of ModelLatency in microseconds.
    """

    def __init__(self, latest: dt.datetime) -> None:
        self.latest = latest
        self.invocations = 0
        self.errors = self.latency = 0.0

    def add(self, minute: Mapping[str, Datapoint]) -> None:
        """Add a minute."""
        self.latest = max(self.latest, minute["Invocations"].timestamp)
        self.invocations += minute["Invocations"].sample_count
        self.errors += minute["InvocationModelErrors"].sum
        self.latency += minute["ModelLatency"].sum


def totals(minutes: Iterable[Mapping[str, Datapoint]]) -> dict[tuple[str, str], Total]:
    """Return the totals of each variant, by the names of its endpoint and of itself."""
    found: dict[tuple[str, str], Total] = {}
    for minute in minutes:
        point = minute["Invocations"]
        if point.endpoint_config is None:  # Each invocation is in a second series, which has it.
            names = point.endpoint, point.variant
            if names not in found:
                found[names] = Total(point.timestamp)
            found[names].add(minute)
    return found


def newest_totals(found: Mapping[tuple[str, str], Total]) -> list[Document]:
    """Return the totals of the variants that were invoked last, as many as the limit allows, the last one first."""
    ordered = sorted(sorted(found.items()), key=lambda each: each[1].latest, reverse=True)
    return [
        {
            "endpoint": endpoint,
            "variant": variant,
            "Invocations": total.invocations,
            "InvocationModelErrors": round(total.errors),
            "ModelLatency": total.latency / total.invocations,
        }
        for (endpoint, variant), total in ordered[: limits.LATEST.value]
    ]


def _scope_part(position: int) -> Callable[[Notice], str]:
    """Return the function that gives a part of the ARN of an event's endpoint."""
    return lambda notice: notice.endpoint.arn.split(":")[position]


CAPTURES = Listing(
    "captures",
    lambda service: service.runtime.all_captures(),
    capture_document,
    limits.CAPTURES,
    filters={
        "endpoint": attrgetter("endpoint"),
        "variant": attrgetter("variant"),
        "event_id": lambda capture: capture.record["eventMetadata"]["eventId"],
    },
    identity=("event_id", "variant"),
)
METRICS = Listing(
    "metrics",
    lambda service: chain.from_iterable(map(dict.values, service.runtime.minutes())),
    datapoint_document,
    limits.METRICS,
    filters={name: attrgetter(name) for name in ("endpoint", "variant", "name", "endpoint_config")},
    defaults={"endpoint_config": None},  # As in mock.metrics, whose sums count each invocation once.
)
EVENTS = Listing(
    "events",
    lambda service: service.events(),
    attrgetter("event"),
    limits.EVENTS,
    filters={
        "endpoint": attrgetter("endpoint.name"),
        "region": _scope_part(3),
        "account": _scope_part(4),
        "id": attrgetter("id"),
    },
    identity=("id",),
)
MODELS = Listing(
    "models",
    lambda service: list(service.handlers.items()),
    lambda item: handler_document(*item),
    limits.MODELS,
    filters={"model": itemgetter(0)},
    identity=("model",),
)
