"""What the control API lists of traffic: captures, metrics, events and models' answers, by pages, with filters."""

from __future__ import annotations

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
    from collections.abc import Callable, Iterable, Mapping

    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.server.limits import Limit
    from mock_sagemaker_ie.service.service import Service

Document = dict[str, Any]


class Listing(NamedTuple):
    """One kind of items, and the path that lists them.

    `name`: of the path, and of the list in its answer. `items`: all of them, oldest first. `limit`: the most items in
    an answer. `filters`: by argument of the path, the value of an item that must equal it. `defaults`: of arguments.
    `identity`: the arguments that name one item, which comes whole.
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
    lambda service: service.runtime.all_datapoints(),
    datapoint_document,
    limits.METRICS,
    filters={name: attrgetter(name) for name in ("endpoint", "variant", "name", "endpoint_config")},
    defaults={"endpoint_config": None},  # As in mock.metrics, whose sums count each invocation once.
    identity=("endpoint", "variant", "name", "endpoint_config"),
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
