"""AWS's JSON 1.1 and REST-JSON: decode requests to Python values, and encode answers, as the shapes say.

The Python values are those of botocore's own parser: str, int, float, bool, dict, list and aware datetimes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import re
import time
from collections.abc import Callable
from decimal import Decimal
from email.utils import format_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from botocore.compat import get_tzinfo_options
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
EVENT_STREAM_CONTENT_TYPE = "application/vnd.amazon.eventstream"
MILLISECOND = dt.timedelta(milliseconds=1)
_END = (dt.datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND + 1  # The first millisecond after the calendar.

Values = dict[str, Any]


class WireRequest(NamedTuple):
    """The parts of a request that carry its members. Header names are in lower case."""

    body: bytes | str
    path: str = "/"
    headers: Mapping[str, str] = MappingProxyType({})


def read_request(model: OperationModel, request: WireRequest) -> Values:
    """Return the members of a request, from wherever the protocol puts them. Raises AWSError as `decode` does."""
    shape = model.input_shape
    if shape is None or not _is_rest(model):
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
    """Return a pattern that finds the labels of `/endpoints/{EndpointName}/invocations` in a path."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri)))


def encode_answer(model: OperationModel, values: Values) -> tuple[bytes, dict[str, str]]:
    """Encode an answer: return its body, and its headers as `answer_headers` does."""
    if _is_rest(model):
        return values[model.output_shape.serialization["payload"]], answer_headers(model, values)
    return encode(answer_reader(model.output_shape, same)(values)), answer_headers(model, values)


def answer_headers(model: OperationModel, values: Values) -> dict[str, str]:
    """Return the headers of an answer that describe its body or carry its members."""
    if not _is_rest(model):
        return {"content-type": JSON_CONTENT_TYPE}
    stream = {"content-type": EVENT_STREAM_CONTENT_TYPE} if model.has_event_stream_output else {}
    return stream | {
        member.serialization["name"].lower(): values[name]
        for name, member in model.output_shape.members.items()
        if member.serialization.get("location") == "header" and name in values
    }


def _is_rest(model: OperationModel) -> bool:
    return bool(model.service_model.metadata["protocol"] == "rest-json")


def decode(shape: Shape | None, body: bytes | str) -> Values:
    """Decode the JSON `body` of a request to the values of `shape`.

    Members that the shape does not know, and JSON nulls, are left out, as AWS leaves them out.
    Raises AWSError (SerializationException) for invalid JSON and for a value of another type.
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
    """Return `value` when it has one of `types`; a bool is not a number. Raises AWSError otherwise."""
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
    if not -limit <= number < limit or number != int(number):  # NaN and infinity fail too.
        raise serialization_exception(f"{value} can not be converted to {shape.type_name} {shape.name}")
    return int(number)


def _decode_float(shape: Shape, value: Any) -> float:
    try:
        number = float(_typed(shape, value, int, float))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):  # json.loads accepts NaN and Infinity, JSON does not.
        raise serialization_exception(f"{value} can not be converted to {shape.type_name} {shape.name}")
    return number


def _decode_timestamp(shape: Shape, value: Any) -> dt.datetime:
    """Decode epoch seconds, cut to whole milliseconds as SageMaker keeps them.

    A float far in the future is a little more or less than the decimal number of the request, which counts. Clients
    round `datetime.max` up to the next year.
    """
    number = _typed(shape, value, int, float)
    try:
        milliseconds = math.floor(Decimal(repr(number)) * 1000)
        return EPOCH + MILLISECOND * (milliseconds - (milliseconds == _END))
    except (ArithmeticError, ValueError):
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
    """Cut an instant to whole milliseconds, the precision of the wire."""
    rest = when.microsecond % 1000  # To subtract is faster than to replace.
    return when - dt.timedelta(microseconds=rest) if rest else when


Copier = Callable[[Any], Any]


def answer_reader(shape: Shape | None, time: Copier) -> Callable[[Values], Values]:
    """Return a function that copies the members of an answer that `shape` knows, and gives each time to `time`.

    The function does not keep the shape, which would keep the service model of its session in memory.
    """
    return _copier(shape, time) if shape is not None else lambda _values: {}


@per_shape
def _copier(shape: Shape, time: Copier) -> Copier:
    """Return a function that copies a value of `shape`. The copy shares no dict and no list with the original.

    A function per shape makes answers fast: the shape is walked once and not for each answer.
    """
    kind = shape.type_name
    if shape.serialization.get("eventstream"):
        return same
    if kind == "structure":
        members = [(name, _copier(member, time)) for name, member in shape.members.items()]
        return lambda value: {
            name: value[name] if copy is same else copy(value[name]) for name, copy in members if name in value
        }
    if kind == "list":
        item = _copier(shape.member, time)
        return list if item is same else lambda value: [item(each) for each in value]
    if kind == "map":
        entry = _copier(shape.value, time)
        return lambda value: {key: entry(each) for key, each in value.items()}
    return time if kind == "timestamp" else same


def same(value: Any) -> Any:
    """Return the value itself: times stay in UTC."""
    return value


def local_time(when: dt.datetime) -> dt.datetime:
    """Return the same instant as botocore's parser reads it: in the time zone of the machine."""
    seconds = _epoch_seconds(when)
    if time.daylight:
        local: dt.datetime = parse_timestamp(seconds)
        return local
    # Without daylight saving time the offset is constant, and the parser would take ten times as long.
    zone = get_tzinfo_options()[0]()
    return dt.datetime.fromtimestamp(seconds - time.timezone, UTC).replace(tzinfo=zone)


def copy_values(value: Any) -> Any:
    """Return a copy of plain values that shares no dict and no list with the original."""
    if isinstance(value, dict):
        return {key: copy_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_values(item) for item in value]
    return value


def encode(values: Values) -> bytes:
    """Encode an answer to JSON. Times are epoch seconds with milliseconds."""
    return _encoder.encode(values).encode()


def _epoch_seconds(when: dt.datetime) -> float:
    return when.timestamp() if when.microsecond % 1000 == 0 else (when - EPOCH) // MILLISECOND / 1000


# A generator of our own neither depends on the seed of a test nor changes its random numbers.
_random = random.Random()  # noqa: S311 - no secret


def _request_id() -> str:
    """Return a random UUID (version 4)."""
    drawn = f"{_random.getrandbits(128):032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:]}"


@lru_cache(maxsize=64)
def _http_day(day: dt.date) -> str:
    midnight = dt.datetime.combine(day, dt.time(), dt.timezone.utc)
    return format_datetime(midnight, usegmt=True).removesuffix(" 00:00:00 GMT")


def _http_date(at: dt.datetime) -> str:
    """Return an instant in the form of the header Date. In virtual time each call has another one."""
    return "%s %02d:%02d:%02d GMT" % (_http_day(at.date()), at.hour, at.minute, at.second)  # noqa: UP031 - faster


_encoder = json.JSONEncoder(default=_epoch_seconds, separators=(",", ":"))


def response_headers(headers: dict[str, str], at: dt.datetime, body: bytes | None = None) -> dict[str, str]:
    """Return all headers of an answer at the instant `at` (UTC).

    `headers`: the headers that describe its body. `body`: None when no body is encoded, so that its length is unknown.
    """
    length = {} if body is None else {"content-length": str(len(body))}
    return {"x-amzn-requestid": _request_id(), **headers, **length, "date": _http_date(at)}


def error_headers(error: AWSError, model: ServiceModel) -> dict[str, str]:
    """Return the headers that describe the body of an error; REST-JSON names the error in a header."""
    if model.metadata["protocol"] == "rest-json":
        return {"content-type": "application/json", "x-amzn-errortype": error.code}
    return {"content-type": JSON_CONTENT_TYPE}


def error_body(error: AWSError, model: ServiceModel) -> Values:
    """Return the body of an error: modelled exceptions have Message, the common ones message."""
    modelled = model.shape_for_error_code(error.code) is not None
    return {"__type": error.code, "Message" if modelled else "message": error.message, **error.members}
