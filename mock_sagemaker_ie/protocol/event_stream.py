"""AWS's event stream encoding (application/vnd.amazon.eventstream), driven by the shape of the stream.

Source: AWS, Amazon Transcribe developer guide, Event stream encoding; and botocore.eventstream, which reads it.
"""

from __future__ import annotations

from binascii import crc32
from struct import pack
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from botocore.model import OperationModel, Shape

MAX_PART_SIZE = 1024 * 1024  # In bytes, of one event (inferred: stream_parts). botocore reads at most 16 MiB.
_STRING = 7  # The type of a header's value.


Values = dict[str, Any]


def stream_shape(model: OperationModel) -> Shape:
    """Return the shape of the events of an operation whose answer is a stream."""
    output = model.output_shape
    return output.members[output.event_stream_name]


def in_stream(model: OperationModel, code: str) -> bool:
    """Return whether an error of an operation comes as an event of its stream."""
    return bool(model.has_event_stream_output) and code in stream_shape(model).members


def encode_event(stream: Shape, event: Values) -> bytes:
    """Return the message for an event of a stream, as botocore's parser returns it: its name and its members."""
    ((name, values),) = event.items()
    return _encode(stream, "event", name, values)


def encode_error(stream: Shape, error: AWSError) -> bytes:
    """Return the message for the exception that ends a stream."""
    return _encode(stream, "exception", error.code, {"Message": error.message, **error.members})


def encoded(events: Iterable[Values], stream: Shape) -> Iterator[bytes]:
    """Yield the messages for events, and for the AWSError that the iterator raises."""
    try:
        for event in events:
            yield encode_event(stream, event)
    except AWSError as error:
        yield encode_error(stream, error)


def _encode(stream: Shape, kind: str, name: str, values: Values) -> bytes:
    event = stream.members[name]
    blobs = [member for member, shape in event.members.items() if shape.serialization.get("eventpayload")]
    content_type = "application/octet-stream" if blobs else "application/json"
    payload = values[blobs[0]] if blobs else encode(values)
    headers = {":message-type": kind, f":{kind}-type": name, ":content-type": content_type}
    return _message(b"".join(map(_header, headers.items())), payload)


def _header(header: tuple[str, str]) -> bytes:
    name, value = (text.encode() for text in header)
    return pack("!B", len(name)) + name + pack("!BH", _STRING, len(value)) + value


def _message(headers: bytes, payload: bytes) -> bytes:
    lengths = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = b"".join((lengths, pack("!I", crc32(lengths)), headers, payload))
    return message + pack("!I", crc32(message))
