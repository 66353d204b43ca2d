"""AWS's JSON 1.1 and REST-JSON wires: requests to Python values, answers to fresh values or to bytes, by the shapes.

Python values are what botocore's own parser gives: str, int, float, bool, dict, list and aware datetimes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import re
import time
from collections.abc import Callable
from email.utils import format_datetime
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from botocore.utils import parse_timestamp

from mock_sagemaker_ie.protocol.cache import per_shape
from mock_sagemaker_ie.protocol.errors import serialization_exception

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

    from mock_sagemaker_ie.protocol.errors import AWSError

UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
JSON_CONTENT_TYPE = "application/x-amz-json-1.1"
MILLISECOND = dt.timedelta(milliseconds=1)

Values = dict[str, Any]


class WireRequest(NamedTuple):
    """What of a request carries its members; header names are in lower case."""

    body: bytes | str
    path: str = "/"
    headers: Mapping[str, str] = MappingProxyType({})


def read_request(model: OperationModel, request: WireRequest) -> Values:
    """Read a request's members, wherever the operation's protocol puts them. Raises AWSError as `decode` does."""
    shape = model.input_shape
    if shape is None or model.service_model.metadata["protocol"] != "rest-json":
        return decode(shape, request.body)
    return {
        member: value for member in shape.members if (value := _rest_member(model, shape, member, request)) is not None
    }


def _rest_member(model: OperationModel, shape: Shape, member: str, request: WireRequest) -> Any:
    where = shape.members[member].serialization
    if member == shape.serialization.get("payload"):
        return request.body
    if where.get("location") == "header":
        return request.headers.get(where["name"].lower())
    labels = re.match(_path_pattern(model.http["requestUri"]), request.path)
    return unquote(labels[member]) if labels and member in labels.groupdict() else None


@lru_cache(maxsize=64)
def _path_pattern(uri: str) -> re.Pattern[str]:
    """`/endpoints/{EndpointName}/invocations` as a pattern that finds the labels in a path."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri)))


class Said(dict[str, Any]):
    """What was said of records that are the same ever since, never changed: who asks again gets the same again."""

    wire: tuple[bytes, dict[str, str]] | None = None
    read: Flat | None = None
    read_on: tuple[object, ...] = ()


class Flat:
    """Values to be copied often: all their dicts and lists side by side, and which holds which under what key."""

    def __init__(self, values: Values) -> None:
        self._containers: list[Any] = []
        self._links: list[tuple[int, Any, int]] = []
        self._add(values)

    def _add(self, container: Any) -> None:
        holder = len(self._containers)
        self._containers.append(container)
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(item, (dict, list)):
                self._links.append((holder, key, len(self._containers)))
                self._add(item)

    def copy(self) -> Values:
        """The values, in dicts and lists of their own."""
        fresh = [container.copy() for container in self._containers]
        for holder, key, held in self._links:
            fresh[holder][key] = fresh[held]
        values: Values = fresh[0]
        return values


def write_answer(model: OperationModel, values: Values) -> tuple[bytes, dict[str, str]]:
    """An answer as it travels: its body and the headers that say something of it."""
    if not isinstance(values, Said):
        return _write_answer(model, values)
    if values.wire is None:
        values.wire = _write_answer(model, values)
    return values.wire


def _write_answer(model: OperationModel, values: Values) -> tuple[bytes, dict[str, str]]:
    shape = model.output_shape
    if model.service_model.metadata["protocol"] != "rest-json":
        travelling = {} if shape is None else _copier(shape, _epoch_seconds)(values)
        return encode(travelling), {"content-type": JSON_CONTENT_TYPE}
    located = {
        member.serialization["name"].lower(): values[name]
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header" and name in values
    }
    return values[shape.serialization["payload"]], located


def decode(shape: Shape | None, body: bytes | str) -> Values:
    """Read a request's JSON `body` as the values of `shape`.

    Members unknown to the shape and JSON nulls are left out, as AWS leaves them out.
    Raises AWSError (SerializationException) for broken JSON and for a value of another type.
    """
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise serialization_exception(f"The request body is not valid JSON: {error}") from None
    if shape is None:
        return {}
    values: Values = _decode(shape, value)
    return values


def _decode(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            name: _decode(member, value[name])
            for name, member in shape.members.items()
            if _typed(shape, value, dict).get(name) is not None
        }
    if kind == "list":
        return [_decode(shape.member, item) for item in _typed(shape, value, list) if item is not None]
    if kind == "map":
        entries = _typed(shape, value, dict).items()
        return {key: _decode(shape.value, item) for key, item in entries if item is not None}
    return _SCALARS[kind](shape, value)


def _typed(shape: Shape, value: Any, *types: type) -> Any:
    """`value` itself when it is of one of `types`; a bool never passes for a number."""
    if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
        return value
    found = _JSON_NAMES.get(type(value), "A value")
    raise serialization_exception(f"{found} can not be converted to {shape.type_name} {shape.name}")


_JSON_NAMES = {
    bool: "A boolean",
    dict: "A structure or map",
    float: "A number",
    int: "A number",
    list: "A list",
    str: "A string",
    type(None): "null",
}


def _decode_integer(shape: Shape, value: Any) -> int:
    number = _typed(shape, value, int, float)
    limit = 2 ** (63 if shape.type_name == "long" else 31)
    if not -limit <= number < limit or number != int(number):  # NaN and the infinities are within no limits.
        raise serialization_exception(f"{value} can not be converted to {shape.type_name} {shape.name}")
    return int(number)


def _decode_float(shape: Shape, value: Any) -> float:
    try:
        number = float(_typed(shape, value, int, float))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):  # json.loads takes NaN and Infinity, which JSON has not.
        raise serialization_exception(f"{value} can not be converted to {shape.type_name} {shape.name}")
    return number


def _decode_timestamp(shape: Shape, value: Any) -> dt.datetime:
    """Epoch seconds, cut to the milliseconds in which SageMaker keeps time."""
    try:
        return whole_milliseconds(EPOCH + dt.timedelta(seconds=_typed(shape, value, int, float)))
    except (OverflowError, ValueError):
        raise serialization_exception(f"{value} is not a timestamp in epoch seconds") from None


_SCALARS: dict[str, Callable[[Shape, Any], Any]] = {
    "boolean": lambda shape, value: _typed(shape, value, bool),
    "double": _decode_float,
    "float": _decode_float,
    "integer": _decode_integer,
    "long": _decode_integer,
    "string": lambda shape, value: _typed(shape, value, str),
    "timestamp": _decode_timestamp,
}


def whole_milliseconds(when: dt.datetime) -> dt.datetime:
    """`when` cut to whole milliseconds: what the wire can carry."""
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def answer_values(shape: Shape | None, values: Values, *, local: bool = True) -> Values:
    """The members of `values` that `shape` knows, as fresh values of the types botocore's parser gives.

    `local`: whether times are in the machine's time zone, as the parser's, or in UTC.
    Nothing mutable in the result is shared with `values`.
    """
    if shape is None:
        return {}
    if local:
        _notice_the_machine()
        if isinstance(values, Said):
            if values.read is None or values.read_on is not _machine:
                values.read, values.read_on = Flat(_copier(shape, _local_time)(values)), _machine
            return values.read.copy()
    fresh: Values = _copier(shape, _local_time if local else _same)(values)
    return fresh


Copier = Callable[[Any], Any]


@per_shape
def _copier(shape: Shape, time: Copier) -> Copier:
    """A function that copies values of `shape`: walking the shape once per process is what makes answers fast."""
    kind = shape.type_name
    if kind == "structure":
        members = [(name, _copier(member, time)) for name, member in shape.members.items()]
        return lambda value: {
            name: value[name] if copy is _same else copy(value[name]) for name, copy in members if name in value
        }
    if kind == "list":
        item = _copier(shape.member, time)
        return list if item is _same else lambda value: [item(each) for each in value]
    if kind == "map":
        entry = _copier(shape.value, time)
        return lambda value: {key: entry(each) for key, each in value.items()}
    return time if kind == "timestamp" else _same


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=4096)
def _local_time(when: dt.datetime) -> dt.datetime:
    """The same instant as botocore's parser reads it off the wire: in the machine's time zone."""
    local: dt.datetime = parse_timestamp(_epoch_seconds(when))
    return local


_machine: tuple[object, ...] = ()


def _notice_the_machine() -> None:
    """Forget local times when a test has moved to another zone, or freezegun has replaced the datetimes."""
    global _machine  # noqa: PLW0603 - so is the machine
    machine = dt.datetime, time.tzname, time.timezone
    if machine != _machine:
        _local_time.cache_clear()
        _machine = machine


def copy_values(value: Any) -> Any:
    """A copy of plain values that shares no dict and no list with the original."""
    if isinstance(value, dict):
        return {key: copy_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_values(item) for item in value]
    return value


def encode(values: Values) -> bytes:
    """An answer as the JSON bytes that travel: times are epoch seconds with milliseconds."""
    return _encoder.encode(values).encode()


def _epoch_seconds(when: dt.datetime) -> float:
    return when.timestamp() if when.microsecond % 1000 == 0 else (when - EPOCH) // MILLISECOND / 1000


# Its own, so that it neither depends on what a test seeds nor disturbs it.
_random = random.Random()  # noqa: S311 - no secret


def _request_id() -> str:
    """A UUID, of the kind that is drawn at random (version 4)."""
    drawn = f"{_random.getrandbits(128):032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:]}"


_http_date = lru_cache(maxsize=64)(partial(format_datetime, usegmt=True))
_encoder = json.JSONEncoder(default=_epoch_seconds, separators=(",", ":"))


def response_headers(headers: dict[str, str], body: bytes, at: dt.datetime) -> dict[str, str]:
    """All headers of an answer, given those that say something of its body."""
    return {
        "x-amzn-requestid": _request_id(),
        **headers,
        "content-length": str(len(body)),
        "date": _http_date(at.replace(microsecond=0)),
    }


def error_headers(error: AWSError, model: ServiceModel) -> dict[str, str]:
    """The headers that say something of an error's body; REST-JSON names the error there."""
    if model.metadata["protocol"] == "rest-json":
        return {"content-type": "application/json", "x-amzn-errortype": error.code}
    return {"content-type": JSON_CONTENT_TYPE}


def error_body(error: AWSError, model: ServiceModel) -> Values:
    """An error as it travels: modelled exceptions write Message, the common ones message."""
    modelled = model.shape_for_error_code(error.code) is not None
    return {"__type": error.code, "Message" if modelled else "message": error.message, **error.members}
