"""Captured requests and responses: the record, its line in a capture file, and the key of the file.

All three are as observed on AWS.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import datetime as dt

    from mock_sagemaker_ie.backend.hosting.traffic import CaptureSettings

Values = dict[str, Any]


class Message(NamedTuple):
    """A request or a response of a model: a body and its content type."""

    body: bytes
    content_type: str | None


@dataclass(frozen=True)
class Capture:
    """A captured request to a variant and its response.

    `at`: the instant of the invocation (UTC). `destination`: the S3 URI of the folder for the capture files.
    `kms_key`: the KMS key with which S3 encrypts them, if any. `record`: the content of the capture's line, as a dict.
    """

    endpoint: str
    variant: str
    at: dt.datetime
    destination: str
    kms_key: str | None
    record: Values

    def __repr__(self) -> str:
        return f"<Capture of {self.endpoint}/{self.variant} at {self.at:%Y-%m-%d %H:%M:%S}, for {self.destination}>"

    @property
    def line(self) -> str:
        """The record as a line of a capture file, in JSON, without the line break."""
        return json.dumps(self.record, separators=(",", ":"), ensure_ascii=False)


def capture(
    settings: CaptureSettings,
    *,
    endpoint: str,
    variant: str,
    at: dt.datetime,
    request: Message,
    response: Message | None,
    inference_id: str | None,
    custom_attributes: str | None,
    event_id: str,
) -> Capture:
    """Return the capture of one invocation, with the request, the response or both, as `settings` say.

    `at`: the instant of the invocation (UTC). `response`: None when the container did not answer.
    """
    data: Values = {}
    if settings.input:
        data["endpointInput"] = _side(request, "INPUT", settings)
    if settings.output and response is not None:
        data["endpointOutput"] = _side(response, "OUTPUT", settings)
    metadata: Values = {"eventId": event_id}
    if custom_attributes is not None:
        metadata["customAttributes"] = [custom_attributes]
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    metadata["inferenceTime"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
    return Capture(endpoint, variant, at, settings.destination, settings.kms_key, record)


def new_event_id() -> str:
    """Return a new eventId."""
    return str(uuid.uuid4())


def _side(message: Message, mode: str, settings: CaptureSettings) -> Values:
    text, encoding = _encoded(message, settings)
    return {"observedContentType": message.content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoded(message: Message, settings: CaptureSettings) -> tuple[str, str]:
    """Return the body as text and the name of the encoding: CSV or JSON for a listed content type, else BASE64."""
    content_type = (message.content_type or "").partition(";")[0].strip().lower()
    for encoding, listed in (("CSV", settings.csv), ("JSON", settings.json)):
        if content_type in [each.lower() for each in listed]:
            try:
                return message.body.decode(), encoding
            except UnicodeDecodeError:
                break  # Not UTF-8, so BASE64 keeps every byte (inferred: capture_encoding).
    return base64.b64encode(message.body).decode(), "BASE64"


def new_key(first: Capture) -> tuple[str, str]:
    """Return the bucket and the key of a new file whose first line is this capture."""
    bucket, _, prefix = re.sub("^(s3|https)://", "", first.destination).partition("/")
    folders = [part for part in (prefix.rstrip("/"), first.endpoint, first.variant) if part]
    milliseconds = first.at.microsecond // 1000
    name = f"{first.at:%M-%S}-{milliseconds:03}-{uuid.uuid4()}.jsonl"
    return bucket, "/".join([*folders, f"{first.at:%Y/%m/%d/%H}", name])
