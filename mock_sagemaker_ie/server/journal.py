"""The journal: a file that keeps the state of a mock from one server to the next.

The file has the state at some moment, and each change since then. A change is written before it is applied, and removed
when it is refused. A server that opens the file applies the changes again. When they are longer than the state, the
file is compacted. docs/reference/the-journal.md says what is kept.
"""

from __future__ import annotations

import datetime as dt
import gc
import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import snapshot
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.clock import MockClock, instant
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.limits import LATEST
from mock_sagemaker_ie.protocol.wire import WireRequest
from mock_sagemaker_ie.server.canned_answers import CannedAnswer, serve_canned
from mock_sagemaker_ie.server.journal_file import (
    SETTINGS_KEY,
    VERSION,
    Entry,
    JournalError,
    JournalFile,
    Line,
    as_line,
    encode,
    read_lines,
)
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mock_sagemaker_ie.clock import Clock
    from mock_sagemaker_ie.service.service import Service

# Bytes of changes that are never compacted: reading them takes a moment only.
MIN_COMPACTED = 64 * 1024


class Journal:
    """The journal of one service.

    `settings`: JSON-able values that must be equal each time the file is opened. Raises JournalError for a file that is
    in use, is damaged, is not a journal, or was written with other settings; such a file is left unchanged.
    """

    def __init__(self, path: Path, service: Service, settings: dict[str, Any]) -> None:
        self._service, self._settings = service, settings
        self._lock = threading.RLock()  # Clocks move while no call is answered.
        self._is_old = False  # The file has an older format.
        self._refusal = ""  # Why changes are refused, if they are.
        self._state_size = self._changes_size = 0
        self._clock: list[Entry] = []  # The entry of the last move: the clock may be about to move there.
        self._file = JournalFile(path)
        try:
            self._open(path)
            if isinstance(service.clock, MockClock):
                self._clock = [_clock_entry(service.clock.now(), service.clock.ahead)]
            self._compact(always=self._is_old)
        except BaseException:
            self._file.close()
            raise
        service.on_change = self._write
        if isinstance(service.clock, MockClock):
            service.clock.on_move = self._write_move

    def _open(self, path: Path) -> None:
        """Give the service the state in the file. Write the header of a new file, remove an incomplete last line."""
        content, header = self._file.read(), as_line(encode(_header(self._settings, 0)))
        # The file is empty, or the process was killed while it wrote the header.
        if b"\n" not in content and header.startswith(content):
            self._file.truncate(0)
            self._append(header)
            return
        try:
            lines = read_lines(content)
            _require_intact(lines, path)
            _require_settings(lines[0], self._settings)
        except JournalError as error:
            raise JournalError(f"{path} {error}") from None
        saved = (lines[0].entry or {}).get("lines", 0)
        self._state_size = sum(line.size for line in lines[1 : saved + 1])
        self._changes_size = sum(line.size for line in lines[saved + 1 :])
        end = self._replay(lines, path)
        self._file.truncate(end)
        self._is_old = (lines[0].entry or {})["version"] < VERSION

    def _replay(self, lines: list[Line], path: Path) -> int:
        """Give the service the state in the lines after the header. Return the end of the last one that counts."""
        end = lines[-1].end

        def refuse(line: Line, error: Exception) -> None:
            nonlocal end
            if not is_unanswered(line, lines, error):
                raise JournalError(f"{path}, line {line.number} cannot be replayed: {error!r}; {way_out(path)}")
            end = lines[-2].end

        replay(self._service, lines[1:], refuse)
        return end

    # --- write

    @contextmanager
    def _write(self, entry: Entry) -> Iterator[None]:
        """Write a change before it is applied, in the context. Remove it if that raises an error."""
        with self._lock:
            size = self._append(as_line(encode(entry)))
            try:
                yield
            except BaseException:
                self._remove(size)
                raise
            self._compact(always="reset" in entry)

    def _write_move(self, when: dt.datetime, ahead: dt.timedelta | None) -> None:
        """Write the position that the clock is about to move to."""
        entry = _clock_entry(when, ahead)
        with self._lock:
            self._append(as_line(encode(entry)))
            self._clock = [entry]

    def close(self) -> None:
        """Close the file, and refuse later changes, which could not be written any more."""
        with self._service.pause(), self._lock:
            if not self._refusal:
                self._compact(always=self._changes_size > MIN_COMPACTED)  # So the next start is fast.
            self._refusal = "the server has ended, so changes are refused"
            if isinstance(self._service.clock, MockClock):
                self._service.clock.on_move = None  # The clock may be of a test, which goes on.
            self._file.close()

    def _append(self, line: bytes) -> int:
        """Write a line whole, or raise JournalError and refuse all later changes. Return the size of the file before.

        An error of the disk may come back at any time, so only the next start begins again.
        """
        if self._refusal:
            raise JournalError(self._refusal)
        size = self._file.size
        try:
            self._file.append(line)
        except OSError as error:
            self._refusal = (
                f"the journal {self._file.path} could not be written ({error.strerror}), so changes are refused; make "
                "room, then start the server again: the file has every change that was answered"
            )
            raise JournalError(self._refusal) from None
        self._changes_size += len(line)
        return size

    def _remove(self, size: int) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            self._refusal = (
                f"the journal {self._file.path} has a change that was refused and could not be removed "
                f"({error.strerror}), so changes are refused; start the server again"
            )

    def _compact(self, *, always: bool = False) -> None:
        """Replace the changes by the state that they led to, when they are longer than the state was."""
        if not always and self._changes_size <= max(MIN_COMPACTED, self._state_size // 2):
            return
        texts = [encode(entry) for entry in compacted(self._service, self._settings, self._clock)]
        # In a folder that is full or read-only, the file goes on as it is.
        with suppress(OSError):
            self._file.replace(map(as_line, texts))
        self._state_size, self._changes_size = sum(map(len, texts)), 0


def compacted(service: Service, settings: dict[str, Any], clock: list[Entry]) -> list[Entry]:
    """Return the entries of a file with the present state of a service. `clock`: the entry of its clock, if any."""
    entries = [*clock]
    if service.latest is not None:
        entries.append({"latest": service.latest.isoformat()})
    handlers = service.handlers.items()
    entries += ({"model": model, "answer": each.members} for model, each in handlers if isinstance(each, CannedAnswer))
    for account, region in service.scopes():
        values = snapshot.take(service.backend(region, account))
        entries += ({**each, "region": region, "account": account} for each in values)
    return [_header(settings, len(entries)), *entries]


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a mock that must be the same each time its file is opened, as the header has them."""
    assumed = {"assume": str(options["assumptions"])} if options["assumptions"].changed() else {}
    return {
        "account_id": options["account_id"],
        "durations": repr(options["durations"]),
        "strict": options["strict"],
        **assumed,
        # Files of version 0.1.0 do not have these.
        **{name: [*options[name]] for name in ("denied", "role_denied") if options.get(name)},
    }


def _header(settings: dict[str, Any], lines: int) -> Entry:
    """Return the header of a file whose next `lines` lines are the state; changes follow."""
    return {"version": VERSION, SETTINGS_KEY: settings, "lines": lines}


def _clock_entry(now: dt.datetime, ahead: dt.timedelta | None) -> Entry:
    exact = None if ahead is None else [ahead.days, ahead.seconds, ahead.microseconds]
    return {"clock": now.isoformat(), "ahead": exact}


# --- replay


def replay(service: Service, lines: Iterable[Line], refuse: Callable[[Line, Exception], None]) -> None:
    """Give a service what intact lines say. `refuse` gets each line that cannot be replayed; it may raise an error."""
    clock, replay_clock = service.clock, ReplayClock()
    service.clock = replay_clock
    collects = gc.isenabled()
    gc.disable()  # Almost all that is made here stays, so looking for garbage only takes time.
    try:
        for line in lines:
            try:
                with service.pause():
                    _replay(service, clock, replay_clock, line.entry or {})
            except Exception as error:  # noqa: BLE001, PERF203 - a line of a file may be wrong in any way
                refuse(line, error)
    finally:
        if collects:
            gc.enable()
        service.clock = clock
        service.calls.clear()  # They are not kept.


def is_unanswered(line: Line, lines: list[Line], error: Exception) -> bool:
    """Return whether a line that cannot be replayed is the change that the server was about to refuse when it ended.

    A change is written before it is applied. If the service then refuses it, the line is removed.
    """
    return line is lines[-1] and isinstance(error, AWSError) and (lines[0].entry or {}).get("version", 0) > 1


def _replay(service: Service, clock: Clock, replay_clock: ReplayClock, entry: Entry) -> None:
    if "call" in entry:
        replay_clock.at = instant(entry["at"])
        operation = service_model("sagemaker").operation_model(entry["call"])
        request = WireRequest(entry["body"])
        service.answer(operation, request, region=entry["region"], account_id=entry["account"])
    elif "clock" in entry:
        _move(clock, entry)
    elif "reset" in entry:
        service.reset()
    elif "model" in entry:
        serve_canned(service, entry["model"], entry["answer"])
    elif "latest" in entry:
        replay_clock.at = instant(entry["latest"])
        service.now()
    elif "failure" in entry:
        replay_clock.at = instant(entry["at"])
        _replay_failure(service, entry)
    elif "at" in entry and ("alarm" in entry or "scale" in entry):
        replay_clock.at = instant(entry["at"])
        _replay_change(service, entry)
    else:
        snapshot.restore(service.backend(entry["region"], entry["account"]), entry)


def _replay_failure(service: Service, entry: Entry) -> None:
    now, name, reason = service.now(), entry["name"], entry["reason"]
    backend = service.backend(entry["region"], entry["account"]).as_of(now)
    if entry["failure"] == "experiment":
        when = entry["when"] if "when" in entry else entry["at"]  # Version 1 has no later failures.
        backend.fail_experiment(name, reason, instant(when), now)
    else:
        backend.fail_endpoint(name, reason, now)


def _replay_change(service: Service, entry: Entry) -> None:
    backend = service.backend(entry["region"], entry["account"]).as_of(now := service.now())
    if "alarm" in entry:
        backend.set_alarm(entry["alarm"], entry["state"], now)
    else:
        backend.scale(entry["scale"], entry["variant"], entry["count"], now)


class ReplayClock:
    """A clock that stands at the instant of the entry that is replayed."""

    at: dt.datetime

    def now(self) -> dt.datetime:
        """Return the instant of the entry."""
        return self.at


def _move(clock: Clock, entry: Entry) -> None:
    """Move a clock to its position at the time of the entry."""
    if not isinstance(clock, MockClock):
        return
    ahead = entry["ahead"]  # Version 1 has a number of seconds.
    if clock.ahead is not None and ahead is not None:
        position = dt.timedelta(*ahead) if isinstance(ahead, list) else dt.timedelta(seconds=ahead)
        rest = LATEST - dt.timedelta(seconds=1) - clock.now()  # The wall clock has run on since, and does now.
        clock.advance(max(min(position - clock.ahead, rest), dt.timedelta(0)))
    elif instant(entry["clock"]) > clock.now():
        clock.move_to(entry["clock"])


# --- files that cannot be used


def way_out(path: Path) -> str:
    """Return the end of a message about a damaged file."""
    return f"'mock-sagemaker-ie journal repair {path}' keeps the file beside, and saves the rest of it"


def _require_intact(lines: list[Line], path: Path) -> None:
    for line in lines:
        if line.damage:
            raise JournalError(f"is damaged in line {line.number}: {line.damage}; {way_out(path)}")


def _require_settings(header: Line, expected: dict[str, Any]) -> None:
    """Raise JournalError, with the first difference, for a file with other settings."""
    written = (header.entry or {}).get(SETTINGS_KEY)
    if not isinstance(written, dict):
        raise JournalError("is not a journal of a mock: its first line has no settings")
    for name in sorted(written.keys() | expected.keys()):
        if written.get(name) != expected.get(name):
            flag = f"--{name.replace('_', '-')}"
            was, given = (_shown(settings.get(name)) for settings in (written, expected))
            raise JournalError(
                f"was written with other settings: {flag} {was}, not {given}; "
                f"start with the same {flag}, or use another --state file"
            )


def _shown(setting: Any) -> str:
    """Return a setting as on the command line."""
    if setting is None:
        return "default"  # Of an option that the header has only when it is another.
    durations = read_durations(setting) if str(setting).startswith("Durations(") else None
    if durations is None:
        return str(setting)
    for named in ("zero", "realistic"):
        if durations == Durations.parse(named):
            return named
    seconds = {name: value.total_seconds() for name, value in vars(durations).items()}
    return ",".join(f"{name}={number:g}" for name, number in seconds.items() if number)


def read_durations(text: str) -> Durations:
    """Return the Durations of their repr, as which the header has them."""
    parts = re.findall(r"(\w+)=datetime\.timedelta\(([^)]*)\)", text)
    units = {name: dict(re.findall(r"(\w+)=(\d+)", value)) for name, value in parts}
    return Durations(
        **{name: dt.timedelta(**{unit: int(number) for unit, number in each.items()}) for name, each in units.items()}
    )
