"""A world kept in a file: every change is a line, written before it is answered; reading them again makes the world.

A line that was cut short, by a kill at any moment, is the change that nobody had been answered.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.clients import service_model
from mock_sagemaker_ie.clock import MockClock, instant
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import WireRequest, encode

if TYPE_CHECKING:
    from pathlib import Path

    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.service import Call, Service

VERSION = 1
READING = ("Describe", "List", "Invoke")


class JournalError(RuntimeError):
    """A file that cannot be the journal of this world."""


class Journal:
    """The journal of a service. `world`: what must be the same whenever it is read, as JSON-able values.

    Raises JournalError for a file that is in use, no journal, or of another world.
    """

    def __init__(self, path: Path, service: Service, world: dict[str, Any]) -> None:
        self._service = service
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _lock(self._file, path)
        entries = self._read(path)
        self._header = {"version": VERSION, "world": world}
        if not entries:
            self._append(self._header)
        elif entries[0] != self._header:
            raise JournalError(f"{path} is of another world, {entries[0]}: expected {self._header}; use another file")
        self._repeat_all(entries[1:])
        service.on_call = self.write_call

    def _read(self, path: Path) -> list[dict[str, Any]]:
        content = path.read_bytes()
        whole, _, cut = content.rpartition(b"\n")
        if cut:
            os.ftruncate(self._file, len(content) - len(cut))
        try:
            entries = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise JournalError(f"{path} is no journal of a mock: {error}") from None
        if entries and not (isinstance(entries[0], dict) and "version" in entries[0]):
            raise JournalError(f"{path} is no journal of a mock: it does not begin with a version")
        return entries

    def write_call(self, call: Call) -> None:
        """Keep a call that changed something."""
        if call.error is None and not call.operation.startswith(READING):
            body = encode(call.params).decode()
            at = call.at.isoformat()
            self._append(
                {"call": call.operation, "at": at, "region": call.region, "account": call.account_id, "body": body}
            )

    def write_clock(self) -> None:
        """Keep where the clock stands, after somebody moved it."""
        clock = self._service.clock
        if isinstance(clock, MockClock):
            ahead = None if clock.ahead is None else clock.ahead.total_seconds()
            self._append({"clock": clock.now().isoformat(), "ahead": ahead})

    def write_failure(self, kind: str, arguments: dict[str, Any]) -> None:
        """Keep a failure that somebody arranged: of an `experiment` or an `endpoint`, and what was said of it."""
        self._append({"failure": kind, "at": self._service.now().isoformat(), **arguments})

    def clear(self) -> None:
        """Keep that there is nothing any more."""
        self._append({"reset": True, "at": self._service.now().isoformat()})

    def close(self) -> None:
        """Let go of the file."""
        self._service.on_call = None
        os.close(self._file)

    def _append(self, entry: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    # --- reading them again

    def _repeat_all(self, entries: list[dict[str, Any]]) -> None:
        clock, told = self._service.clock, _ToldClock()
        self._service.clock = told
        try:
            for entry in entries:
                if "clock" in entry:
                    _move(clock, entry)
                    continue
                told.at = instant(entry["at"])
                if "call" in entry:
                    self._repeat_call(entry)
                elif "reset" in entry:
                    self._service.reset()
                else:
                    self._repeat_failure(entry)
        finally:
            self._service.clock = clock

    def _repeat_call(self, entry: dict[str, Any]) -> None:
        operation = service_model("sagemaker").operation_model(entry["call"])
        request = WireRequest(entry["body"])
        try:
            self._service.answer(operation, request, region=entry["region"], account_id=entry["account"])
        except AWSError as error:
            raise JournalError(f"{entry['call']} of {entry['at']} cannot be repeated: {error}") from None

    def _repeat_failure(self, entry: dict[str, Any]) -> None:
        with self._service.looking(entry["region"], entry["account"]) as (backend, now):
            if entry["failure"] == "experiment":
                backend.fail_experiment(entry["name"], entry["reason"], instant(entry["when"]), now)
            else:
                backend.fail_endpoint(entry["name"], entry["reason"], now)


class _ToldClock:
    """What time it was, as it is told."""

    at: dt.datetime

    def now(self) -> dt.datetime:
        return self.at


def _move(clock: Clock, entry: dict[str, Any]) -> None:
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
        os.close(file)
        raise JournalError(f"{path} is in use by another server") from None
