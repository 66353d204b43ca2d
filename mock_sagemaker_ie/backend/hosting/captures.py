"""Captured exchanges: the record of one, its line, and the key of the file that it goes to. As observed on AWS."""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from mock_sagemaker_ie.backend.hosting.traffic import CaptureSettings

Values = dict[str, Any]


class Message(NamedTuple):
    """One way of an exchange: a body and its content type."""

    body: bytes
    content_type: str | None


@dataclass(frozen=True)
class Capture:
    """One captured exchange of a variant.

    `at`: when it happened (UTC). `destination`: the S3 URI below which it belongs. `record`: what the line says.
    """

    endpoint: str
    variant: str
    at: dt.datetime
    destination: str
    kms_key: str | None
    record: Values

    @property
    def line(self) -> str:
        """The record as a line of a capture file, without its end."""
        return json.dumps(self.record, separators=(",", ":"), ensure_ascii=False)


def capture(
    settings: CaptureSettings,
    *,
    endpoint: str,
    variant: str,
    at: dt.datetime,
    request: Message,
    response: Message,
    inference_id: str | None,
    custom_attributes: str | None,
) -> Capture:
    """The capture of one exchange."""
    data: Values = {}
    if settings.input:
        data["endpointInput"] = _side(request, "INPUT", settings)
    if settings.output:
        data["endpointOutput"] = _side(response, "OUTPUT", settings)
    metadata: Values = {"eventId": str(uuid.uuid4())}
    if custom_attributes is not None:
        metadata["customAttributes"] = [custom_attributes]
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    metadata["inferenceTime"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
    return Capture(endpoint, variant, at, settings.destination, settings.kms_key, record)


def _side(message: Message, mode: str, settings: CaptureSettings) -> Values:
    text, encoding = _encoded(message, settings)
    return {"observedContentType": message.content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoded(message: Message, settings: CaptureSettings) -> tuple[str, str]:
    """The body as text, and how it became one: as it is when its content type is listed, else in base 64."""
    kind = (message.content_type or "").partition(";")[0].strip().lower()
    for encoding, listed in (("CSV", settings.csv), ("JSON", settings.json)):
        if kind in _lowered(listed):
            try:
                return message.body.decode(), encoding
            except UnicodeDecodeError:
                break  # No text after all: base 64 loses nothing (inferred).
    return base64.b64encode(message.body).decode(), "BASE64"


def _lowered(content_types: Sequence[str]) -> list[str]:
    return [content_type.lower() for content_type in content_types]


def new_key(first: Capture) -> tuple[str, str]:
    """The bucket and key of a new file that begins with this capture."""
    bucket, _, prefix = re.sub("^(s3|https)://", "", first.destination).partition("/")
    folders = [part for part in (prefix.rstrip("/"), first.endpoint, first.variant) if part]
    milliseconds = first.at.microsecond // 1000
    name = f"{first.at:%M-%S}-{milliseconds:03}-{uuid.uuid4()}.jsonl"
    return bucket, "/".join([*folders, f"{first.at:%Y/%m/%d/%H}", name])
