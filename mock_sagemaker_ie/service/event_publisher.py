"""Delivery of events to EventBridge or to a function, with what the user passes.

An event is delivered once, at the first call or look after its instant. A delivery failure warns; the call still
succeeds, and the event stays in `mock.events`.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.changes import Changes, locked
from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.protocol.errors import error_text
from mock_sagemaker_ie.service.delivery import DeliveryWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie.backend.hosting.events import Notice


class EventPublisher:
    """Delivers events. `target`: a function that takes an event, or an EventBridge client."""

    def __init__(self, target: Any, changes: Changes) -> None:
        self._target = target
        self._changes = changes
        self._waiting: tuple[Notice, ...] = ()
        # While events are delivered. Reentrant, because the function may call the mock, which has new events then.
        self._lock = new_lock()
        self._delivering = False

    def add(self, notice: Notice) -> None:
        """Add an event. Call it in a change."""
        self._changes.assign(self, _waiting=(*self._waiting, notice))

    def reset(self) -> None:
        """Discard what is not delivered yet. Call it in a change."""
        self._changes.assign(self, _waiting=())

    def publish(self) -> None:
        """Deliver the events that wait, in the order of their instants. Warns with DeliveryWarning on failure."""
        problems = locked(self._lock, self._publish) if self._waiting else []
        for problem in problems:
            warnings.warn(problem, DeliveryWarning, stacklevel=2)

    def _publish(self) -> list[str]:
        """Deliver the events that wait, and those that are added meanwhile; return the problems."""
        if self._delivering:  # The user's function has called the mock: the outer call goes on with the new events.
            return []
        problems: list[str] = []
        self._delivering = True
        try:
            while (notice := self._changes.whole(self._take)) is not None:
                problems += self._deliver(notice)
        finally:
            self._delivering = False
        return problems

    def _take(self) -> Notice | None:
        """Remove the event with the first instant and return it; None when none waits."""
        if not self._waiting:
            return None
        first = min(self._waiting, key=lambda notice: notice.at)
        self._changes.assign(self, _waiting=tuple(each for each in self._waiting if each is not first))
        return first

    def _deliver(self, notice: Notice) -> Iterator[str]:
        """Deliver an event, and yield the problem if it fails."""
        event = notice.event
        try:
            if hasattr(self._target, "put_events"):
                _put(self._target, notice, event)
            else:
                self._target(event)
        except Exception as error:  # noqa: BLE001 - no error of the user's target may fail the call
            what = f"{event['detail-type']} of {event['time']}"
            yield f"{what} could not be delivered; see mock.events: {error_text(error)}"


def _put(client: Any, notice: Notice, event: dict[str, Any]) -> None:
    """Put an event into EventBridge. Raises RuntimeError when EventBridge does not accept it."""
    entry = {
        "Time": notice.at,
        "Source": event["source"],
        "Resources": event["resources"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    }
    answer = client.put_events(Entries=[entry])
    if answer.get("FailedEntryCount"):
        raise RuntimeError(", ".join(str(each.get("ErrorMessage")) for each in answer.get("Entries", ())))
