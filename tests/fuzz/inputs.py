"""Requests for the fuzz test as they arrive over HTTP: valid ones, and ones that only an attacker would send."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hypothesis import strategies as st

from mock_sagemaker_ie.protocol.wire import EPOCH, WireRequest
from tests import shapes
from tests.every_operation import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

    Strategy = st.SearchStrategy[Any]

# Text of any characters, with unpaired surrogates, which JSON can express and UTF-8 cannot.
texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\n",
        "a\n",
        "-",
        "é",
        "Ж",
        "東京",
        "\u202e",
        "\ud800",
        "../..",
        "%2F..",
        "a" * 100_000,
        "-" * 100_000,
    ]
)
numbers = st.sampled_from([-1, 0, 2**31, 2**63, -(10**30), 10**400, 0.5, 1e300, -1e300, math.nan, math.inf, -math.inf])
scalars = st.none() | st.booleans() | st.integers() | numbers | st.floats() | texts


def _nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = [{"Name": value}]
    return value


# Any JSON value, to replace a part of a request: of a wrong type, huge or deeply nested.
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
json_values |= st.builds(_nested, st.just(100)) | st.builds(lambda: [{}] * 1000)
json_values |= st.builds(lambda: dict.fromkeys("abc", "x"))

# Whole bodies that are not a request.
raw_bodies = st.binary(max_size=100) | st.sampled_from(
    [
        b"",
        b"null",
        b"NaN",
        b"1" * 10_000,
        b"[" * 100_000,
        b'{"Name":' * 100_000,
        b'{"Name":"a","Name":"b"}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b'{"Name":"\xc0\x80"}',
        '{"Name":"é"}'.encode("utf-16"),
        b'{"Name":"' + b"a" * 1_000_000 + b'"}',
        b'{"Name":"a"}' + b" " * 1_000_000,
    ]
)


def valid_requests(model: OperationModel, known: Mapping[str, Strategy]) -> Strategy:
    """Return requests of an operation that obey its input shape.

    `known`: strategies by the name of a shape, for example for the names of resources that exist.
    """
    return st.builds(serialized, st.just(model), shapes.values(model.input_shape, known=known))


def requests(model: OperationModel, known: Mapping[str, Strategy]) -> Strategy:
    """Return requests of an operation, most of which are invalid."""
    valid = shapes.values(model.input_shape, known=known)
    typed = shapes.values(model.input_shape, valid=False)
    complete = st.builds(copy.deepcopy, st.just(REQUESTS[model.name]))
    values = weighted((4, valid), (1, typed), (2, with_wrong_part(valid)), (5, with_wrong_part(complete)))
    serialized_values = st.builds(serialized, st.just(model), values)
    return weighted(
        (7, serialized_values), (2, with_wrong_bytes(serialized_values)), (1, st.builds(WireRequest, raw_bodies))
    )


def weighted(*weights: tuple[int, Strategy]) -> Strategy:
    """Draw from each strategy by its weight; `one_of` would count a strategy once, however often it is listed."""
    choices = [strategy for weight, strategy in weights for _ in range(weight)]
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)


@st.composite
def with_wrong_part(draw: st.DrawFn, values: Strategy) -> Any:
    """Draw values and replace one part of them, at any depth."""
    parent: Any = {"whole": draw(values)}
    whole, key = parent, "whole"
    while (keys := _keys(parent[key])) and draw(st.integers(0, 9)):
        parent, key = parent[key], draw(st.sampled_from(keys))
    number = isinstance(parent[key], (int, float)) and draw(st.booleans())
    parent[key] = draw(numbers if number else json_values)
    return whole["whole"]


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


@st.composite
def with_wrong_bytes(draw: st.DrawFn, requests: Strategy) -> WireRequest:
    """Draw a request and replace some bytes of its body."""
    request = draw(requests)
    first = draw(st.integers(0, len(request.body)))
    last = draw(st.integers(first, len(request.body)))
    return request._replace(body=request.body[:first] + draw(st.binary(max_size=5)) + request.body[last:])


def serialized(model: OperationModel, values: Any) -> WireRequest:
    """Serialize values of any type as the operation's protocol does."""
    if model.service_model.metadata["protocol"] != "rest-json":
        return WireRequest(json.dumps(values, default=_epoch_seconds).encode())
    members = values if isinstance(values, dict) else {}
    path, headers = model.http["requestUri"], {}
    for name in members.keys() & model.input_shape.members.keys():
        location = model.input_shape.members[name].serialization
        if location.get("location") == "header":
            headers[location["name"].lower()] = _text(members[name])
        elif location.get("location") == "uri":
            path = path.replace(f"{{{name}}}", quote(_text(members[name]), safe="", errors="replace"))
    body = members.get("Body", b"")
    return WireRequest(body if isinstance(body, bytes) else json.dumps(body, default=_text).encode(), path, headers)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)[:1000]


def _epoch_seconds(value: Any) -> Any:
    return (value - EPOCH) / dt.timedelta(seconds=1) if isinstance(value, dt.datetime) else _text(value)
