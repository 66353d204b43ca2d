"""A world kept in a file: every change is a line, written before it is answered; reading them again makes the world.

A line that was cut short, by a kill at any moment, is the change that nobody had been answered.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

from botocore.model import OperationNotFoundError

from mock_sagemaker_ie.clock import MockClock, instant
from mock_sagemaker_ie.mock import DEFAULT_REGION
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import WireRequest, encode
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.service.service import Call, Service

VERSION = 1
READING = ("Describe", "List", "Invoke")

Entry = dict[str, Any]


class JournalError(RuntimeError):
    """A file that cannot be the journal of this world."""


class Journal:
    """The journal of a service. `world`: what must be the same whenever it is read, as JSON-able values.

    Raises JournalError for a file that is in use, no journal, or of another world; such a file is left as it is.
    """

    def __init__(self, path: Path, service: Service, world: dict[str, Any]) -> None:
        self._service = service
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(self._file, path)
            self._repeat_all(path, self._read(path, {"version": VERSION, "world": world}))
        except BaseException:
            os.close(self._file)
            raise
        self._kept_clock = _stand(service.clock)
        service.on_call = self.write_call

    def _read(self, path: Path, header: Entry) -> list[Entry]:
        """The entries after the header, which is written when there is none."""
        content = path.read_bytes()
        whole, _, cut = content.rpartition(b"\n")
        try:
            entries = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise JournalError(f"{path} is no journal of a mock: {error}") from None
        begun = b"\n" not in content and _line(header).startswith(content)  # New, or killed while it wrote the header.
        if not begun and not (entries and isinstance(entries[0], dict) and "version" in entries[0]):
            raise JournalError(f"{path} is no journal of a mock: it does not begin with a version")
        if not begun and entries[0] != header:
            raise JournalError(f"{path} is of another world, {entries[0]}: expected {header}; use another file")
        os.ftruncate(self._file, len(content) - len(cut))
        if begun:
            self._append(header)
        return entries[1:]

    # --- writing

    def write_call(self, call: Call) -> None:
        """Keep a call that changed something, and the clock if the call moved it."""
        self.write_clock()
        if call.error is None and not call.operation.startswith(READING):
            body = encode(call.params).decode()
            at = call.at.isoformat()
            self._append(
                {"call": call.operation, "at": at, "region": call.region, "account": call.account_id, "body": body}
            )

    def write_clock(self) -> None:
        """Keep where the clock stands, if it has been moved."""
        clock = self._service.clock
        stand = _stand(clock)
        if isinstance(clock, MockClock) and stand != self._kept_clock:
            self._kept_clock = stand
            ahead = None if clock.ahead is None else clock.ahead.total_seconds()
            self._append({"clock": clock.now().isoformat(), "ahead": ahead})

    def write_failure(
        self, kind: str, name: str, reason: str, region_name: str = DEFAULT_REGION, account_id: str | None = None
    ) -> None:
        """Keep a failure that was arranged just now: of an `experiment` or an `endpoint`, and what was said of it."""
        at = self._service.latest or self._service.now()
        place = {"region": region_name, "account": account_id}
        self._append({"failure": kind, "at": at.isoformat(), "name": name, "reason": reason, **place})

    def clear(self) -> None:
        """Keep that there is nothing any more."""
        self._append({"reset": True})

    def pause(self) -> AbstractContextManager[None]:
        """Let no call come between a change and what is written of it."""
        return self._service.pause()

    def close(self) -> None:
        """Let go of the file. A call that comes later gets no answer, for it would not be kept."""
        with self.pause():
            self._service.on_call = _refuse
            os.close(self._file)

    def _append(self, entry: Entry) -> None:
        """Write a line, whole or not at all. One that cannot be written ends it: what came after would not fit."""
        line, size = _line(entry), os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
        except OSError:
            written = 0
        if written < len(line):
            os.ftruncate(self._file, size)
            self._service.on_call = _refuse
            raise JournalError("the journal cannot be written: is the disk full?")

    # --- reading them again

    def _repeat_all(self, path: Path, entries: list[Entry]) -> None:
        clock, told = self._service.clock, _ToldClock()
        self._service.clock = told
        try:
            for line, entry in enumerate(entries, start=2):  # noqa: B007 - an error names the line
                self._repeat(entry, clock, told)
        except (AWSError, LookupError, OperationNotFoundError, TypeError, ValueError) as error:
            raise JournalError(f"{path}, line {line} cannot be repeated: {error!r}") from None
        finally:
            self._service.clock = clock

    def _repeat(self, entry: Entry, clock: Clock, told: _ToldClock) -> None:
        if "clock" in entry:
            _move(clock, entry)
        elif "reset" in entry:
            self._service.reset()
        else:
            told.at = instant(entry["at"])
            (self._repeat_call if "call" in entry else self._repeat_failure)(entry)

    def _repeat_call(self, entry: Entry) -> None:
        operation = service_model("sagemaker").operation_model(entry["call"])
        self._service.answer(operation, WireRequest(entry["body"]), region=entry["region"], account_id=entry["account"])

    def _repeat_failure(self, entry: Entry) -> None:
        with self._service.view(entry["region"], entry["account"]) as (backend, now):
            if entry["failure"] == "experiment":
                backend.fail_experiment(entry["name"], entry["reason"], now, now)
            else:
                backend.fail_endpoint(entry["name"], entry["reason"], now)


class _ToldClock:
    """What time it was, as it is told."""

    at: dt.datetime

    def now(self) -> dt.datetime:
        return self.at


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _refuse(_call: Call) -> None:
    raise JournalError("nothing is kept any more: the journal is closed, or could not be written")


def _stand(clock: Clock) -> dt.timedelta | dt.datetime | None:
    """Where a clock stands: how far it is ahead if it runs on; it differs only after somebody moved it."""
    if not isinstance(clock, MockClock):
        return None
    return clock.now() if clock.ahead is None else clock.ahead


def _move(clock: Clock, entry: Entry) -> None:
    """Move a clock to where it stood when the entry was written."""
    if not isinstance(clock, MockClock):
        return
    if clock.ahead is not None and entry["ahead"] is not None:
        clock.advance(max(dt.timedelta(seconds=entry["ahead"]) - clock.ahead, dt.timedelta(0)))
    elif instant(entry["clock"]) > clock.now():
        clock.move_to(entry["clock"])


def _lock(file: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise JournalError(f"{path} is in use by another server") from None
