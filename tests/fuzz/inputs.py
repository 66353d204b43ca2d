"""Inputs of the fuzz run, as they come off the wire: from what a client may send to what only an attacker would."""

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

# Text of any characters, halves of surrogate pairs included, which JSON can spell and UTF-8 cannot.
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


# Any JSON, in any place: wrong types, huge and deep values.
junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
junk |= st.builds(_nested, st.just(100)) | st.builds(lambda: [{}] * 1000) | st.builds(lambda: dict.fromkeys("abc", "x"))

# Whole bodies that are no request at all.
bodies = st.binary(max_size=100) | st.sampled_from(
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


def likely(model: OperationModel, known: Mapping[str, Strategy]) -> Strategy:
    """Requests of an operation that obey its shape.

    `known`: by the name of a shape, what to draw for it, say names of things that exist.
    """
    return st.builds(written, st.just(model), shapes.values(model.input_shape, known=known))


def inputs(model: OperationModel, known: Mapping[str, Strategy]) -> Strategy:
    """Requests of an operation, most of them wrong in one way or another."""
    obedient = shapes.values(model.input_shape, known=known)
    typed = shapes.values(model.input_shape, valid=False)
    right = st.builds(copy.deepcopy, st.just(REQUESTS[model.name]))
    values = mix((2, obedient), (1, typed), (2, spoilt(obedient)), (5, spoilt(right)))
    requests = st.builds(written, st.just(model), values)
    return mix((7, requests), (2, broken(requests)), (1, st.builds(WireRequest, bodies)))


def mix(*shares: tuple[int, Strategy]) -> Strategy:
    """Draw from each as often as its share says; `one_of` would count one once, however often it is named."""
    choices = [strategy for share, strategy in shares for _ in range(share)]
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)


@st.composite
def spoilt(draw: st.DrawFn, values: Strategy) -> Any:
    """Values of which something, somewhere, is something else."""
    place: Any = {"whole": draw(values)}
    whole, key = place, "whole"
    while (inside := _keys(place[key])) and draw(st.integers(0, 9)):
        place, key = place[key], draw(st.sampled_from(inside))
    number = isinstance(place[key], (int, float)) and draw(st.booleans())
    place[key] = draw(numbers if number else junk)
    return whole["whole"]


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


@st.composite
def broken(draw: st.DrawFn, requests: Strategy) -> WireRequest:
    """Requests some bytes of whose bodies were lost or changed on the way."""
    request = draw(requests)
    first = draw(st.integers(0, len(request.body)))
    last = draw(st.integers(first, len(request.body)))
    return request._replace(body=request.body[:first] + draw(st.binary(max_size=5)) + request.body[last:])


def written(model: OperationModel, values: Any) -> WireRequest:
    """Values, which may be of any type, where the operation's protocol puts them."""
    if model.service_model.metadata["protocol"] != "rest-json":
        return WireRequest(json.dumps(values, default=_epoch_seconds).encode())
    members = values if isinstance(values, dict) else {}
    path, headers = model.http["requestUri"], {}
    for name in members.keys() & model.input_shape.members.keys():
        place = model.input_shape.members[name].serialization
        if place.get("location") == "header":
            headers[place["name"].lower()] = _text(members[name])
        elif place.get("location") == "uri":
            path = path.replace(f"{{{name}}}", quote(_text(members[name]), safe="", errors="replace"))
    body = members.get("Body", b"")
    return WireRequest(body if isinstance(body, bytes) else json.dumps(body, default=_text).encode(), path, headers)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)[:1000]


def _epoch_seconds(value: Any) -> Any:
    return (value - EPOCH) / dt.timedelta(seconds=1) if isinstance(value, dt.datetime) else _text(value)
