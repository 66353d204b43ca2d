"""Brings captures to S3 or into a folder and metrics to CloudWatch, through the clients that the user gave.

What cannot be delivered is no matter of whoever invoked the endpoint: a warning says so, the capture stays in
`mock.captures`, and it is tried again with the next one of its file.
"""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.captures import new_key
from mock_sagemaker_ie.backend.metrics import NAMESPACE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from mock_sagemaker_ie.backend.captures import Capture
    from mock_sagemaker_ie.backend.metrics import Invocation

# AWS gathers captures for a while before it writes them; a file here takes at most so many, of at most one minute.
LINES_PER_FILE = 100


class DeliveryWarning(UserWarning):
    """Captures or metrics could not be delivered."""


@dataclass
class _File:
    minute: dt.datetime
    bucket: str
    key: str
    kms_key: str | None
    lines: list[str] = field(default_factory=list)
    delivered: bool = True


class Delivery:
    """Delivers to `s3`, a client of S3 or the path of a folder, and to `cloudwatch`, a client; to nowhere without."""

    def __init__(self, s3: Any = None, cloudwatch: Any = None) -> None:
        self._s3 = s3
        self._cloudwatch = cloudwatch
        self._files: dict[tuple[str, str, str], _File] = {}
        self._delivering = threading.Lock()

    def deliver(self, captures: Sequence[Capture], invocations: Sequence[Invocation]) -> None:
        """Deliver what one call of InvokeEndpoint brought about."""
        if self._s3 is not None:
            with self._delivering:
                for capture in captures:
                    self._write(capture)
        if self._cloudwatch is not None:
            for invocation in invocations:
                self._put_metrics(invocation)

    def after_fork(self) -> None:
        """In a child, no thread is left that could release the lock."""
        self._delivering = threading.Lock()

    def close(self) -> None:
        """Try once more what could not be delivered."""
        with self._delivering:
            for file in self._files.values():
                if not file.delivered:
                    self._put(file)

    def _write(self, capture: Capture) -> None:
        place = capture.destination, capture.endpoint, capture.variant
        minute = capture.at.replace(second=0, microsecond=0)
        file = self._files.get(place)
        full = file is not None and (file.minute != minute or len(file.lines) >= LINES_PER_FILE)
        if file is None or (full and file.delivered):
            self._files[place] = file = _File(minute, *new_key(capture), capture.kms_key)
        file.lines.append(capture.line)
        self._put(file)

    def _put(self, file: _File) -> None:
        content = "".join(f"{line}\n" for line in file.lines).encode()
        try:
            if isinstance(self._s3, Path):
                _replace(self._s3, file.key, content)
            else:
                encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": file.kms_key} if file.kms_key else {}
                self._s3.put_object(Bucket=file.bucket, Key=file.key, Body=content, **encryption)
        except Exception as error:  # noqa: BLE001 - whatever it is, the invocation is not at fault
            file.delivered = False
            _warn(f"captures for s3://{file.bucket}/{file.key} could not be written; see mock.captures: {error}")
        else:
            file.delivered = True

    def _put_metrics(self, invocation: Invocation) -> None:
        dimensions = [
            {"Name": "EndpointName", "Value": invocation.endpoint},
            {"Name": "VariantName", "Value": invocation.variant},
        ]
        data = [
            {"MetricName": name, "Value": value, "Unit": unit, "Timestamp": invocation.at, "Dimensions": dimensions}
            for name, value, unit in invocation.data()
        ]
        try:
            self._cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the invocation is not at fault
            _warn(f"metrics of {invocation.endpoint} could not be put; see mock.metrics: {error}")


def _warn(message: str) -> None:
    warnings.warn(message, DeliveryWarning, stacklevel=2)


def _replace(folder: Path, key: str, content: bytes) -> None:
    """Write a file below `folder` whole or not at all."""
    path = folder / key
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{key} leads out of {folder}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
