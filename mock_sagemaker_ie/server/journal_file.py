"""The file of a journal: lines with checksums that are added whole, and a content that is replaced at once.

The first line is the header. Each line is a JSON object with its checksum as the last member, so one changed byte is
found. An incomplete last line was never acknowledged. docs/reference/the-journal.md describes the format.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.snapshot import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSION = 2  # Version 1 has no checksums.
COMPRESSED_FROM = 4096  # Bytes of a line: the history of an experiment can be long.
SETTINGS_KEY = "world"  # The header's key for the settings. It is part of the file format, so it keeps this name.

Entry = dict[str, Any]


class JournalError(RuntimeError):
    """The file is not a usable journal for this mock, or a change could not be written to it."""


class Line(NamedTuple):
    """A complete line of a file.

    `end`: its end in the file. `entry`: its content, and `size`: the bytes of that before compression. A damaged line
    has no entry, and `damage` says what is wrong.
    """

    number: int
    end: int
    entry: Entry | None
    size: int = 0
    damage: str = ""


def encode(entry: Entry) -> bytes:
    """Return the text of an entry."""
    return _encoder.encode(entry).encode()


_encoder = json.JSONEncoder(separators=(",", ":"), default=to_json)
_decoder = json.JSONDecoder(object_hook=from_json)


def as_line(text: bytes) -> bytes:
    """Return the line with the text of an entry and its checksum. A long text is compressed."""
    if len(text) > COMPRESSED_FROM:
        text = b'{"zlib":"%s"}' % base64.b64encode(zlib.compress(text, 1))
    return b'%s,"crc32":"%08x"}\n' % (text[:-1], zlib.crc32(text))


_CHECKSUM = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\Z')
_BEGIN = b'{"version":'


def _decode_line(text: bytes, *, needs_checksum: bool) -> tuple[Entry, int]:
    """Return the entry of a line without its newline, and the size of the entry.

    Raises ValueError, which says what is wrong, for any other text.
    """
    found = _CHECKSUM.search(text)
    if found is not None:
        text = text[: found.start()] + b"}"
        if zlib.crc32(text) != int(found[1], 16):
            raise ValueError("it does not have the checksum that is at its end")
    elif needs_checksum:
        raise ValueError("it does not end with a checksum")
    try:
        entry = _decoder.decode(text.decode())
        if isinstance(entry, dict) and "zlib" in entry:
            text = zlib.decompress(base64.b64decode(entry["zlib"]))
            entry = _decoder.decode(text.decode())
    except (ValueError, LookupError, TypeError, RecursionError, zlib.error) as error:
        raise ValueError(f"it cannot be read: {error!r}") from None
    if not isinstance(entry, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a value in a file, not an argument
    return entry, len(text)


def read_lines(content: bytes) -> list[Line]:
    """Return the complete lines of a file that is not empty, the header first.

    Raises JournalError for a file that is not a journal, or that a newer version has written.
    """
    texts = content.split(b"\n")
    version = _version(texts[0])
    if version > VERSION:
        raise JournalError(
            f"was written by a newer version of mock-sagemaker-ie: its format is {version}, this version reads formats "
            f"up to {VERSION}; upgrade mock-sagemaker-ie, or use another --state file"
        )
    lines: list[Line] = []
    end = 0
    for number, text in enumerate(texts[:-1], start=1):
        end += len(text) + 1
        try:
            lines.append(Line(number, end, *_decode_line(text, needs_checksum=version > 1)))
        except ValueError as error:
            lines.append(Line(number, end, None, damage=str(error)))
    with suppress(ValueError):  # Of an incomplete line, no part is a line.
        _decode_line(texts[-1][:-1], needs_checksum=True)
        damage = f"it ends with {texts[-1][-1:]!r} in place of a newline"
        lines.append(Line(len(texts), len(content), None, damage=damage))
    expected = 1 + ((lines[0].entry or {}).get("lines", 0) if lines else 0)
    if lines and len(lines) < expected:
        missing = f"lines {len(lines) + 1} to {expected} of the file are missing, so it has lost its end"
        lines.append(Line(len(lines) + 1, end, None, damage=missing))
    return lines


def _version(text: bytes) -> int:
    """Return the version of the format. Raises JournalError for the first line of something else."""
    try:
        header, _ = _decode_line(text, needs_checksum=False)
    except ValueError as error:
        if text.startswith(_BEGIN) or _CHECKSUM.search(text):
            return VERSION  # The header is damaged.
        raise JournalError(f"is not a journal of a mock: {error}") from None
    version = header.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise JournalError("is not a journal of a mock: it does not begin with a version")
    return version


class JournalFile:
    """The open file of a journal. Only one process can have it open. Raises JournalError when it cannot be opened.

    `create`: make the file when there is none.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        try:
            self.path = path.resolve()  # The content of a link's target is replaced, not the link.
            self._open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0))
        except (OSError, RuntimeError) as error:
            raise error if isinstance(error, JournalError) else JournalError(_why_not(path, error)) from None
        if self._beside.is_dir():
            self.close()
            raise JournalError(
                f"{self._beside} is a folder, but a file of this name is to replace {path}: remove or rename the folder"
            )

    def _open(self, path: Path, flags: int) -> None:
        while True:
            self._file = os.open(self.path, flags, 0o644)
            try:
                _lock(self._file, path)
                if os.path.samestat(os.fstat(self._file), self.path.stat()):
                    break
            except BaseException:
                self.close()
                raise
            self.close()  # Another server has replaced the file since it was opened.

    def read(self) -> bytes:
        """Return the content."""
        return self.path.read_bytes()

    @property
    def size(self) -> int:
        """The number of bytes."""
        return os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Add data whole. If that is not possible, raise OSError and leave the content as it is."""
        size = self.size
        try:
            _write(self._file, data)
        except OSError:
            self.truncate(size)
            raise

    def truncate(self, size: int) -> None:
        """Remove everything after so many bytes."""
        os.ftruncate(self._file, size)

    def replace(self, data: Iterable[bytes]) -> None:
        """Replace the content at once: a process that is killed at any moment leaves the old or the new content.

        Raises OSError when that is not possible; then the content stays.
        """
        beside = self._beside
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        file = os.open(beside, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, mode)
        try:
            _lock(file, beside)
            for each in data:
                _write(file, each)
            os.fsync(file)
            beside.replace(self.path)
        except BaseException:
            os.close(file)
            beside.unlink(missing_ok=True)
            raise
        self.close()
        self._file = file
        sync_folder(self.path)

    @property
    def _beside(self) -> Path:
        """The path of a new content, which replaces the file when it is complete."""
        return self.path.with_name(f"{self.path.name}.new")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _why_not(path: Path, error: Exception) -> str:
    """Return the message about a file that cannot be opened."""
    if path.is_dir():
        return f"{path} is a folder: expected the path of a file in it"
    if isinstance(error, FileNotFoundError):
        missing = path if path.parent.is_dir() else path.parent
        return f"{path} cannot be opened: {missing} does not exist; make it, or use another file"
    reason = error.strerror if isinstance(error, OSError) else error
    return f"{path} cannot be opened for reading and writing: {reason}; change its permissions, or use another file"


def _write(file: int, data: bytes) -> None:
    written = os.write(file, data)
    if written < len(data):  # The second attempt says why.
        _write(file, data[written:])


def sync_folder(path: Path) -> None:
    """Make a new name in the folder of a path last, also if the machine loses power."""
    with suppress(OSError):  # Windows opens no folders.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(file: int, path: Path) -> None:
    """Lock a file against other servers. Raises JournalError for one in use, and for a device or a pipe."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise JournalError(f"{path} is not a regular file")
    try:
        import fcntl  # noqa: PLC0415 - does not exist on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise JournalError(f"{path} is in use by another server") from None
