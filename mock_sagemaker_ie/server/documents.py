"""What the control API shows of experiments, calls and traffic: plain functions from records to JSON documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from mock_sagemaker_ie.protocol.errors import error_code
from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.canned_answers import CannedAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.events import Notice
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.server.limits import Limit
    from mock_sagemaker_ie.timeline import Timeline

Document = dict[str, Any]
T = TypeVar("T")

MAX_MESSAGE_SIZE, MAX_TEXT_SIZE = 120, 40  # In bytes: of each text in a call that is shortened.
MAX_BODY_SIZE = 100  # In bytes: of each body of a capture on the page.
MAX_ITEM_TEXT_SIZE = 400  # In bytes: of each text in a capture, an event or an answer that is shortened.


def experiment_document(account: str, region: str, described: Mapping[str, Any], timeline: Timeline) -> Document:
    """Return the data of one experiment that the page shows."""
    # A status without a duration is never visible.
    upcoming = next((segment for segment in timeline.future if segment.begin != segment.end), None)
    return {
        "name": described["Name"],
        "region": region,
        "account": account,
        "status": described["Status"],
        "reason": described.get("StatusReason"),
        "endpoint": described["EndpointMetadata"],
        "variants": [
            {"name": variant["VariantName"], "model": variant["ModelName"], "status": variant["Status"]}
            for variant in described["ModelVariants"]
        ],
        "percentage": described["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"],
        "next": upcoming and {"status": upcoming.status, "at": upcoming.begin.isoformat()},
        "modified": described["LastModifiedTime"].isoformat(),
    }


def timeline_document(account: str, region: str, timeline: Timeline) -> Document:
    """Return a timeline."""
    segments = [
        {
            "status": segment.status,
            "begin": segment.begin.isoformat(),
            "end": segment.end and segment.end.isoformat(),
            "trigger": segment.trigger,
            "variants": dict(segment.variants),
        }
        for segment in timeline.segments
    ]
    return {"name": timeline.name, "region": region, "account": account, "segments": segments}


def whole_call(call: Call) -> Document:
    """Return a call with its answer."""
    return {**call_document(call), "response": call.response}


def call_document(call: Call) -> Document:
    """Return a call without its answer. `lost`: the error that the caller got in place of the answer."""
    return {
        "operation": call.operation,
        "at": call.at.isoformat(),
        "region": call.region,
        "account": call.account_id,
        "params": call.params,
        "error": _error_document(call.error),
        "lost": _error_document(call.lost),
    }


def _error_document(error: Exception | None) -> Document | None:
    return None if error is None else {"code": error_code(error), "message": getattr(error, "message", str(error))}


def shortened_call(call: Call, version: int) -> Document:
    """Return a call whose params and error fit the limit. "whole" is the path of all of it, with the answer."""
    document = call_document(call)
    room = _Room(limits.CALL_SIZE.value)
    for name in ("error", "lost", "params"):
        document[name] = room.fit(document[name])
    if room.exceeded:
        document = call_document(call)
        room = _Room(limits.CALL_SIZE.value)
        for name in ("error", "lost"):
            document[name] = room.fit(document[name], MAX_MESSAGE_SIZE)
        document["params"] = room.fit(call.params, MAX_TEXT_SIZE)
    document["whole"] = f"/_mock/calls?version={version}"
    return document


def capture_document(capture: Capture) -> Document:
    """Return a capture."""
    return vars(capture)


_SIDES = {"input": "endpointInput", "output": "endpointOutput"}


def capture_row(capture: Capture, whole: str) -> Document:
    """Return what the page shows of a capture before it is opened. `whole`: the path of all of it."""
    sides = capture.record["captureData"]
    bodies = {name: sides[side]["data"] for name, side in _SIDES.items() if side in sides}
    return {
        "endpoint": capture.endpoint,
        "variant": capture.variant,
        "at": capture.at.isoformat(),
        **_Room(limits.CALL_SIZE.value).fit(bodies, MAX_BODY_SIZE),
        "whole": whole,
    }


def event_row(notice: Notice, whole: str) -> Document:
    """Return what the page shows of an event before it is opened. `whole`: the path of all of it."""
    event = notice.event
    return {
        "endpoint": notice.endpoint.name,
        "at": notice.at.isoformat(),
        "kind": notice.kind,
        "status": event["detail"]["EndpointStatus"],
        "region": event["region"],
        "whole": whole,
    }


def datapoint_document(datapoint: Datapoint) -> Document:
    """Return a minute of a metric."""
    return {**vars(datapoint), "average": datapoint.average}


def handler_document(model: str, handler: Any) -> Document:
    """Return the answer of a model; for a handler in Python, its name."""
    if isinstance(handler, CannedAnswer):
        return {"model": model, **handler.members}
    return {"model": model, "handler": getattr(handler, "__qualname__", type(handler).__qualname__)}


def newest(items: Sequence[T], limit: Limit, offset: int = 0) -> Sequence[T]:
    """Return the last items, as many as the limit allows, without the last `offset` of them."""
    end = max(len(items) - offset, 0)
    return items[max(end - limit.value, 0) : end]


def shortened(document: Document, limit: Limit) -> tuple[Document, bool]:
    """Return a document within the limit for its size, and whether that is all of it."""
    room = _Room(limit.value)
    whole = room.fit(document, limit.value)
    if not room.exceeded:
        return whole, True
    return _Room(limit.value).fit(document, MAX_ITEM_TEXT_SIZE), False


class _Room:
    """The bytes of JSON that are left for values."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.exceeded = False

    def fit(self, value: Any, longest: int = limits.CALL_SIZE.value) -> Any:
        """Return the beginning of a value for which there is room. `longest`: the most bytes of one text."""
        if isinstance(value, (str, bytes)):
            return self._fit_text(value, longest)
        if isinstance(value, dict):
            items = self._while_room(value.items())
            return {self._fit_text(key, longest): self.fit(each, longest) for key, each in items}
        if isinstance(value, list):
            return [self.fit(each, longest) for each in self._while_room(value)]
        self._left -= len(json.dumps(value, default=plain))
        return value

    def _while_room(self, items: Iterable[Any]) -> Iterable[Any]:
        self._left -= 2
        for item in items:
            if self._left <= 0:
                self.exceeded = True
                return
            self._left -= 2
            yield item

    def _fit_text(self, text: str | bytes, longest: int) -> str:
        room = max(min(self._left, longest), 0)
        start = text[: room + 1]
        kept = decoded = start.decode(errors="replace") if isinstance(start, bytes) else start
        while (size := len(json.dumps(kept)) - 2) > room:  # Some characters take several bytes.
            kept = kept[: min(len(kept) - 1, len(kept) * room // size)]
        self._left -= size + 2  # The quotation marks.
        if len(start) == len(text) and kept == decoded:
            return kept
        self.exceeded = True
        return f"{kept}…"


def plain(value: Any) -> Any:
    """Return a value that JSON has for one that it does not have."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if hasattr(value, "isoformat") else dict(value)
