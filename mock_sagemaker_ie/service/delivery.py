"""Brings captures to S3 or into a folder and metrics to CloudWatch, through the clients that the user gave.

What cannot be delivered is no matter of whoever invoked the endpoint: a warning says so, the capture stays in
`mock.captures`, and it is tried again with the next one of its file.
"""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.captures import new_key
from mock_sagemaker_ie.backend.hosting.metrics import NAMESPACE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Sequence

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.metrics import Invocation

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

    def takes(self, capture: Capture) -> bool:
        """Whether a capture belongs in this file: it has room, and is of the same minute."""
        return self.minute == _minute(capture) and len(self.lines) < LINES_PER_FILE


class Delivery:
    """Delivers to `s3`, a client of S3 or the path of a folder, and to `cloudwatch`, a client; to nowhere without."""

    def __init__(self, s3: Any = None, cloudwatch: Any = None) -> None:
        self._s3 = s3
        self._cloudwatch = cloudwatch
        # By place: the file that captures go to, and before it those that are full and could not be delivered yet.
        self._files: dict[tuple[str | None, ...], list[_File]] = {}
        # The user's client may bring about another invocation.
        self._delivering = threading.RLock()

    def deliver(self, captures: Sequence[Capture], invocations: Sequence[Invocation]) -> None:
        """Deliver what one call of InvokeEndpoint brought about."""
        problems: list[str] = []
        if self._s3 is not None:
            with self._delivering:
                for files in [self._add(capture) for capture in captures]:
                    problems += self._put_all(files)
        if self._cloudwatch is not None:
            for invocation in invocations:
                problems += self._put_metrics(invocation)
        _warn(problems)

    def after_fork(self) -> None:
        """In a child, no thread is left that could release the lock."""
        self._delivering = threading.RLock()

    def close(self) -> None:
        """Try once more what could not be delivered."""
        with self._delivering:
            problems = [problem for files in self._files.values() for problem in self._put_all(files)]
        _warn(problems)

    def reset(self) -> None:
        """Begin new files, and forget what could not be delivered."""
        with self._delivering:
            self._files.clear()

    def _add(self, capture: Capture) -> list[_File]:
        """Add a capture to the file that it belongs in; give the files of its place."""
        place = capture.destination, capture.kms_key, capture.endpoint, capture.variant
        files = self._files.setdefault(place, [])
        if not files or not files[-1].takes(capture):
            files.append(_File(_minute(capture), *new_key(capture), capture.kms_key))
        files[-1].lines.append(capture.line)
        files[-1].delivered = False
        return files

    def _put_all(self, files: list[_File]) -> Iterator[str]:
        """Put what is not delivered, the oldest first, as long as it can be; give what went wrong."""
        while (file := next((file for file in files if not file.delivered), None)) is not None:
            if (problem := self._put(file)) is not None:
                yield problem
                break
        files[:-1] = [file for file in files[:-1] if not file.delivered]

    def _put(self, file: _File) -> str | None:
        """Put a file whole; give what went wrong."""
        count = len(file.lines)
        try:
            content = "".join(f"{line}\n" for line in file.lines).encode()
            if isinstance(self._s3, Path):
                _replace(self._s3, file.key, content)
            else:
                encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": file.kms_key} if file.kms_key else {}
                self._s3.put_object(Bucket=file.bucket, Key=file.key, Body=content, **encryption)
        except Exception as error:  # noqa: BLE001 - whatever it is, the invocation is not at fault
            return f"captures for s3://{file.bucket}/{file.key} could not be written; see mock.captures: {error}"
        file.delivered = len(file.lines) == count  # The client may have brought about another line.
        return None

    def _put_metrics(self, invocation: Invocation) -> Iterator[str]:
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
            yield f"metrics of {invocation.endpoint} could not be put; see mock.metrics: {error}"


def _minute(capture: Capture) -> dt.datetime:
    return capture.at.replace(second=0, microsecond=0)


def _warn(problems: Iterable[str]) -> None:
    """Warn once all is done: where warnings are errors, nothing may be lost by one."""
    for problem in problems:
        warnings.warn(problem, DeliveryWarning, stacklevel=2)


def _replace(folder: Path, key: str, content: bytes) -> None:
    """Write a file below `folder` whole or not at all."""
    path = folder / key
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{key} leads out of {folder}")
    path.parent.mkdir(parents=True, exist_ok=True)
    from tempfile import mkstemp  # noqa: PLC0415 - large, and wanted by few

    handle, name = mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
