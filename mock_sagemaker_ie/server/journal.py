"""The journal: a file that keeps the state of a mock from one server to the next.

Each line of the file is one change as JSON, written before the change is answered. A server that opens the file replays
the changes. When a process is killed while it writes, the last line is incomplete: this change was never answered, and
the next server removes the line.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from typing import TYPE_CHECKING, Any

from botocore.model import OperationNotFoundError

from mock_sagemaker_ie.clock import MockClock, instant
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.wire import WireRequest, encode
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.service.service import Service

VERSION = 1
SETTINGS_KEY = "world"  # The header's key for the settings. It is part of the file format, so it keeps this name.
READ_ONLY_PREFIXES = ("Describe", "List", "Invoke")

Entry = dict[str, Any]


class JournalError(RuntimeError):
    """The file is not a usable journal for this mock, or a change could not be written to it."""


class Journal:
    """The journal of one service.

    `settings`: JSON-able values that must be equal each time the file is opened. Raises JournalError for a file that is
    in use, is not a journal, or was written with other settings; such a file is left unchanged.
    """

    def __init__(self, path: Path, service: Service, settings: dict[str, Any]) -> None:
        self._service = service
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(self._file, path)
            self._replay_all(path, self._read(path, {"version": VERSION, SETTINGS_KEY: settings}))
        except BaseException:
            os.close(self._file)
            raise
        self._written_position = _position(service.clock)
        service.on_call = self.write_call

    def _read(self, path: Path, header: Entry) -> list[Entry]:
        """Return the entries after the header. Write the header to a new file, and remove an incomplete last line."""
        content = path.read_bytes()
        complete_lines, _, incomplete_line = content.rpartition(b"\n")
        try:
            entries = [json.loads(line) for line in complete_lines.splitlines()]
        except ValueError as error:
            raise JournalError(f"{path} is not a journal of a mock: {error}") from None
        # The file is empty, or the process was killed while it wrote the header.
        is_new = b"\n" not in content and _line(header).startswith(content)
        if not is_new and not (entries and isinstance(entries[0], dict) and "version" in entries[0]):
            raise JournalError(f"{path} is not a journal of a mock: it does not begin with a version")
        if not is_new and entries[0] != header:
            raise JournalError(f"{path} {_difference(entries[0], header)}")
        os.ftruncate(self._file, len(content) - len(incomplete_line))
        if is_new:
            self._append(header)
        return entries[1:]

    # --- write

    def write_call(self, call: Call) -> None:
        """Write a call that changed something, and before it the clock if the clock has moved."""
        self.write_clock()
        if call.error is None and not call.operation.startswith(READ_ONLY_PREFIXES):
            body = encode(call.params).decode()
            at = call.at.isoformat()
            self._append(
                {"call": call.operation, "at": at, "region": call.region, "account": call.account_id, "body": body}
            )

    def write_clock(self) -> None:
        """Write the position of the clock if somebody has moved the clock."""
        clock = self._service.clock
        position = _position(clock)
        if isinstance(clock, MockClock) and position != self._written_position:
            self._written_position = position
            ahead = None if clock.ahead is None else clock.ahead.total_seconds()
            self._append({"clock": clock.now().isoformat(), "ahead": ahead})

    def write_failure(
        self, kind: str, name: str, reason: str, *, region_name: str, account_id: str | None = None
    ) -> None:
        """Write a failure that a client has just arranged. `kind`: "experiment" or "endpoint"; `name`: its name."""
        at = self._service.latest or self._service.now()
        scope = {"region": region_name, "account": account_id}
        self._append({"failure": kind, "at": at.isoformat(), "name": name, "reason": reason, **scope})

    def clear(self) -> None:
        """Write that all state was deleted."""
        self._append({"reset": True})

    def pause(self) -> AbstractContextManager[None]:
        """Let no call run between a change and its entry."""
        return self._service.pause()

    def close(self) -> None:
        """Close the file, and refuse later calls, which could not be written any more."""
        with self.pause():
            self._service.on_call = _refuse
            os.close(self._file)

    def _append(self, entry: Entry) -> None:
        """Write a complete line or nothing. After an error, refuse all later calls: their entries would not fit."""
        line, size = _line(entry), os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
        except OSError:
            written = 0
        if written < len(line):
            os.ftruncate(self._file, size)
            self._service.on_call = _refuse
            raise JournalError("the journal cannot be written: is the disk full?")

    # --- replay

    def _replay_all(self, path: Path, entries: list[Entry]) -> None:
        clock, replay_clock = self._service.clock, ReplayClock()
        self._service.clock = replay_clock
        try:
            for line, entry in enumerate(entries, start=2):  # noqa: B007 - the error message contains the line
                self._replay(entry, clock, replay_clock)
        except (AWSError, LookupError, OperationNotFoundError, TypeError, ValueError) as error:
            raise JournalError(f"{path}, line {line} cannot be replayed: {error!r}") from None
        finally:
            self._service.clock = clock

    def _replay(self, entry: Entry, clock: Clock, replay_clock: ReplayClock) -> None:
        if "clock" in entry:
            _move(clock, entry)
        elif "reset" in entry:
            self._service.reset()
        else:
            replay_clock.at = instant(entry["at"])
            (self._replay_call if "call" in entry else self._replay_failure)(entry)

    def _replay_call(self, entry: Entry) -> None:
        operation = service_model("sagemaker").operation_model(entry["call"])
        self._service.answer(operation, WireRequest(entry["body"]), region=entry["region"], account_id=entry["account"])

    def _replay_failure(self, entry: Entry) -> None:
        with self._service.view(entry["region"], entry["account"]) as (backend, now):
            if entry["failure"] == "experiment":
                backend.fail_experiment(entry["name"], entry["reason"], now, now)
            else:
                backend.fail_endpoint(entry["name"], entry["reason"], now)


class ReplayClock:
    """A clock that stands at the instant of the entry that is replayed."""

    at: dt.datetime

    def now(self) -> dt.datetime:
        """Return the instant of the entry."""
        return self.at


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _difference(written: Entry, header: Entry) -> str:
    """Return a sentence about the first difference between the header of a file and the header expected."""
    if written["version"] != VERSION:
        return f"has version {written['version']!r} of the format: expected {VERSION}; use another file"
    before, now = written.get(SETTINGS_KEY), header[SETTINGS_KEY]
    if not isinstance(before, dict):
        return "is not a journal of a mock: its first line has no settings"
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            flag = f"--{name.replace('_', '-')}"
            was, given = (_shown(settings.get(name)) for settings in (before, now))
            return (
                f"was written with other settings: {flag} {was}, not {given}; "
                f"start with the same {flag}, or use another --state file"
            )
    return "has an unknown header; use another --state file"


def _shown(setting: Any) -> str:
    """Return a setting as on the command line. Durations are in the file as the text of their constructor."""
    from mock_sagemaker_ie.backend.settings import Durations  # noqa: PLC0415 - for an error only

    for named in ("zero", "realistic"):
        if setting == repr(Durations.parse(named)):
            return named
    text = str(setting)
    parts = re.findall(r"(\w+)=datetime\.timedelta\(([^)]*)\)", text)
    if not parts:
        return text
    units = [(name, dict(re.findall(r"(\w+)=(\d+)", value))) for name, value in parts]
    seconds = {
        name: dt.timedelta(**{unit: int(number) for unit, number in each.items()}).total_seconds()
        for name, each in units
    }
    return ",".join(f"{name}={number:g}" for name, number in seconds.items() if number)


def _refuse(_call: Call) -> None:
    raise JournalError("the change cannot be saved: the journal is closed, or an earlier change could not be written")


def _position(clock: Clock) -> dt.timedelta | dt.datetime | None:
    """Return the position of a clock, which differs only after somebody moved the clock.

    It is the instant of a clock that stands still, and the offset from the wall clock of a clock that runs.
    """
    if not isinstance(clock, MockClock):
        return None
    return clock.now() if clock.ahead is None else clock.ahead


def _move(clock: Clock, entry: Entry) -> None:
    """Move a clock to its position at the time of the entry."""
    if not isinstance(clock, MockClock):
        return
    if clock.ahead is not None and entry["ahead"] is not None:
        clock.advance(max(dt.timedelta(seconds=entry["ahead"]) - clock.ahead, dt.timedelta(0)))
    elif instant(entry["clock"]) > clock.now():
        clock.move_to(entry["clock"])


def _lock(file: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - does not exist on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise JournalError(f"{path} is in use by another server") from None
