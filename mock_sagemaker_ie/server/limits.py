"""The limits of the server for what clients send and for what the page gets: size, time and number.

The page docs/reference/server-limits.md has the same table: `python -m tests.documentation` writes it.
"""

from __future__ import annotations

from typing import NamedTuple

from mock_sagemaker_ie.service.aws_http import MAX_BODY_SIZE


class Limit(NamedTuple):
    """One limit. `beyond`: what happens to a request, a connection or an answer that exceeds it."""

    what: str
    value: int
    unit: str
    beyond: str


REQUEST_LINE = Limit("Request line", 65_536, "bytes", "414")
HEADER_LINE = Limit("Line of a header", 65_536, "bytes", "431")
HEADERS = Limit("Headers of a request", 100, "headers", "431")
HEAD = Limit("Request line and headers together", 131_072, "bytes", "431")
BODY = Limit("Body of a request", MAX_BODY_SIZE, "bytes", "413")
CHUNK_LINE = Limit("Size and extensions of a chunk", 4_096, "bytes", "400")
CONNECTIONS = Limit("Open connections", 500, "connections", "503, and the connection is closed")

SILENCE = Limit("Silence of a client", 30, "seconds", "408 within a request, else the connection is closed")
REQUEST_TIME = Limit("From the first to the last byte of a request", 30, "seconds", "408")
ANSWER_TIME = Limit("Until a client has received the answer", 30, "seconds", "the connection is closed")
REFUSED_TIME = Limit("Reading the rest of a refused request", 10, "seconds", "the connection is closed")
REFUSED_SIZE = Limit("Rest of a refused request", 1024**3, "bytes", "the connection is closed")
SHUTDOWN_TIME = Limit("Answers in progress when the server ends", 3, "seconds", "they are abandoned")

ROWS = Limit("Experiments in `/_mock/state`", 100, "experiments", "`offset=` and `filter=` select others")
CALLS = Limit("Calls in `/_mock/state`", 200, "calls", "`/_mock/calls` has all")
CALL_SIZE = Limit(
    "Params and error of a call, or bodies of a capture, in `/_mock/state`",
    240,
    "bytes",
    "shortened; `whole` has the path of all of it",
)
LATEST = Limit(
    "Captures, events, and variants with metrics in `/_mock/state`",
    20,
    "of each",
    "`/_mock/captures`, `/_mock/events` and `/_mock/metrics` have more",
)
CAPTURES = Limit("Captures in `/_mock/captures`", 100, "captures", "`offset=` and the filters select others")
METRICS = Limit("Datapoints in `/_mock/metrics`", 500, "datapoints", "`offset=` and the filters select others")
EVENTS = Limit("Events in `/_mock/events`", 100, "events", "`offset=` and the filters select others")
MODELS = Limit("Answers in `/_mock/models`", 100, "models", "`offset=` and `model=` select others")
ITEM_SIZE = Limit(
    "Each capture, event and answer of a model", 4_096, "bytes", "shortened; `whole` has the path of all of it"
)

LIMITS = (
    REQUEST_LINE,
    HEADER_LINE,
    HEADERS,
    HEAD,
    BODY,
    CHUNK_LINE,
    CONNECTIONS,
    SILENCE,
    REQUEST_TIME,
    ANSWER_TIME,
    REFUSED_TIME,
    REFUSED_SIZE,
    SHUTDOWN_TIME,
    ROWS,
    CALLS,
    CALL_SIZE,
    LATEST,
    CAPTURES,
    METRICS,
    EVENTS,
    MODELS,
    ITEM_SIZE,
)
