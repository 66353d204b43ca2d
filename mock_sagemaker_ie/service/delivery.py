"""Delivery of captures to S3 or a folder, and of metrics to CloudWatch, with the clients that the user passes.

A delivery failure warns; the invocation still succeeds. The capture stays in `mock.captures`, and its delivery is
tried again with the next capture of the same destination, endpoint and variant, and when the mock ends.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.captures import new_key
from mock_sagemaker_ie.backend.hosting.metrics import NAMESPACE
from mock_sagemaker_ie.changes import Changes, locked
from mock_sagemaker_ie.forks import new_lock
from mock_sagemaker_ie.protocol.errors import error_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Sequence

    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.metrics import Invocation

# AWS collects captures for a while before it writes a file. Here a file has the captures of one minute, at most 100.
MAX_LINES_PER_FILE = 100


class DeliveryWarning(UserWarning):
    """Captures, metrics or events could not be delivered, or alarms could not be read or evaluated."""


@dataclass(frozen=True)
class _File:
    """A file of captures. `delivered`: whether these lines are written."""

    minute: dt.datetime
    bucket: str
    key: str
    kms_key: str | None
    lines: tuple[str, ...] = ()
    delivered: bool = True

    def accepts(self, capture: Capture) -> bool:
        """Return whether a capture can be added: it is of the same minute, and the file is not full."""
        return self.minute == _minute(capture) and len(self.lines) < MAX_LINES_PER_FILE


class Delivery:
    """Delivers captures and metrics.

    `s3`: an S3 client or the path of a folder, for captures. `cloudwatch`: a CloudWatch client, for metrics.
    None delivers nothing.
    """

    def __init__(self, s3: Any = None, cloudwatch: Any = None) -> None:
        self._s3 = s3
        self._cloudwatch = cloudwatch
        self.changes = Changes()
        # By destination and variant: earlier files that could not be delivered yet, and last the file in use.
        self._files: dict[Key, tuple[_File, ...]] = {}
        # While files are written. Reentrant, because a call of the user's client may invoke an endpoint again.
        self._lock = new_lock()

    def add(self, captures: Sequence[Capture]) -> None:
        """Add captures to their files, which `deliver` and `close` write. Call it in a change."""
        for capture in captures if self._s3 is not None else ():
            key = _key(capture)
            files = self._files.get(key, ())
            if not files or not files[-1].accepts(capture):
                files = (*files, _File(_minute(capture), *new_key(capture), capture.kms_key))
            added = replace(files[-1], lines=(*files[-1].lines, capture.line), delivered=False)
            self.changes.update(self._files, {key: (*files[:-1], added)})

    def deliver(self, captures: Sequence[Capture], invocations: Sequence[Invocation]) -> None:
        """Write the files of these captures, and put metrics. Warns with DeliveryWarning on failure."""
        problems: list[str] = []
        if self._s3 is not None and captures:
            problems += locked(self._lock, partial(self._put_all, list(map(_key, captures))))
        if self._cloudwatch is not None:
            for invocation in invocations:
                problems += self._put_metrics(invocation)
        _warn(problems)

    def undelivered(self) -> list[str]:
        """Return the files that could not be written: URIs of S3, or paths below the folder."""
        files = [each for key in list(self._files) for each in self._files.get(key, ()) if not each.delivered]
        return [each.key if isinstance(self._s3, Path) else f"s3://{each.bucket}/{each.key}" for each in files]

    def close(self) -> None:
        """Try once more to deliver the captures that could not be delivered."""
        _warn(locked(self._lock, partial(self._put_all, list(self._files))))

    def reset(self) -> None:
        """Discard undelivered captures, and write later captures to new files. Call it in a change."""
        self.changes.assign(self, _files={})

    def _put_all(self, keys: Iterable[Key]) -> list[str]:
        """Write the undelivered files of these keys, oldest first, until one of the key fails; return the problems."""
        problems = []
        for key in keys:
            while (file := next((file for file in self._files.get(key, ()) if not file.delivered), None)) is not None:
                if (problem := self._put(file)) is not None:
                    problems.append(problem)
                    break
                self.changes.whole(partial(self._mark_delivered, key, file))
        return problems

    def _mark_delivered(self, key: Key, file: _File) -> None:
        """Note that a file is written, unless the call of the user's client has added a line to it."""
        files = [replace(each, delivered=True) if each is file else each for each in self._files.get(key, ())]
        left = [each for each in files[:-1] if not each.delivered]
        self.changes.update(self._files, {key: (*left, *files[-1:])})

    def _put(self, file: _File) -> str | None:
        """Write all lines of a file, and return the problem if it fails."""
        try:
            content = "".join(f"{line}\n" for line in file.lines).encode()
            if isinstance(self._s3, Path):
                _write_whole(self._s3, file.key, content)
            else:
                encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": file.kms_key} if file.kms_key else {}
                self._s3.put_object(Bucket=file.bucket, Key=file.key, Body=content, **encryption)
        except Exception as error:  # noqa: BLE001 - no error of the delivery may fail the invocation
            place = f"s3://{file.bucket}/{file.key}"
            return f"captures for {place} could not be written; see mock.captures: {error_text(error)}"
        return None

    def _put_metrics(self, invocation: Invocation) -> Iterator[str]:
        """Put the metrics of one invocation, and yield the problem if it fails."""
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Unit": unit,
                "Timestamp": invocation.at,
                "Dimensions": series.dimensions,
            }
            for series in invocation.series()
            for name, value, unit in invocation.data()
        ]
        try:
            self._cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except Exception as error:  # noqa: BLE001 - no error of the delivery may fail the invocation
            yield f"metrics of {invocation.endpoint} could not be put; see mock.metrics: {error_text(error)}"


# Destination, KMS key, endpoint and variant.
Key = tuple["str | None", ...]


def _key(capture: Capture) -> Key:
    return capture.destination, capture.kms_key, capture.endpoint, capture.variant


def _minute(capture: Capture) -> dt.datetime:
    return capture.at.replace(second=0, microsecond=0)


def _warn(problems: Iterable[str]) -> None:
    """Warn of each problem. This comes last, because the first one raises where warnings are errors."""
    for problem in problems:
        warnings.warn(problem, DeliveryWarning, stacklevel=2)


def _write_whole(folder: Path, key: str, content: bytes) -> None:
    """Write a file below `folder`; when writing fails, the old file stays as it was."""
    path = folder / key
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{key} is outside the folder {folder}")
    path.parent.mkdir(parents=True, exist_ok=True)
    from tempfile import mkstemp  # noqa: PLC0415 - large, and rarely needed

    handle, name = mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
