"""Check and repair a journal whose lines are damaged."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.activation.activation import make_service
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.server.journal import compacted, is_unanswered, read_durations, replay
from mock_sagemaker_ie.server.journal_file import (
    SETTINGS_KEY,
    JournalError,
    JournalFile,
    as_line,
    encode,
    read_lines,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mock_sagemaker_ie.server.journal_file import Entry, Line
    from mock_sagemaker_ie.service.service import Service


class Examination(NamedTuple):
    """What a file contains.

    `total`: the number of its lines. `problems`: what is wrong, by number of a line. `entries`: of a file without them.
    """

    total: int
    problems: dict[int, str]
    entries: list[Entry]


def check(path: Path) -> Examination:
    """Find the damaged lines of a journal, and those that cannot be replayed. The file does not change.

    Raises JournalError for a file that is in use, cannot be opened, or is not a journal.
    """
    with _opened(path) as file:
        return _examine(file, None)


def repair(path: Path, settings: dict[str, Any]) -> tuple[Examination, Path | None]:
    """Replace a damaged journal by one with the state that its other lines give.

    `settings`: of the mock, which count only if the header is damaged, so that the file does not say them. Return what
    was found, and the path to which the damaged file was copied; None when it is intact, so that it did not change.
    Raises JournalError as `check` does, and OSError when the file cannot be copied or replaced.
    """
    with _opened(path) as file:
        found = _examine(file, settings)
        if not found.problems:
            return found, None
        kept = _unused(file.path)
        shutil.copy2(file.path, kept)
        sync_folder(kept)
        file.replace(as_line(encode(entry)) for entry in found.entries)
        return found, kept


@contextmanager
def _opened(path: Path) -> Iterator[JournalFile]:
    file = JournalFile(path, create=False)
    try:
        yield file
    except JournalError as error:
        raise JournalError(f"{path} {error}") from None
    finally:
        file.close()


def _examine(file: JournalFile, settings: dict[str, Any] | None) -> Examination:
    lines = read_lines(file.read())
    problems = {line.number: line.damage for line in lines if line.damage}
    written = (lines[0].entry or {}).get(SETTINGS_KEY, settings)
    if written is None:  # Without the settings of the mock, nobody knows which changes fit.
        return Examination(len(lines), problems, [])

    def refuse(line: Line, error: Exception) -> None:
        if problems or not is_unanswered(line, lines, error):
            problems[line.number] = f"it cannot be replayed: {error!r}"

    service = _service(written)
    intact = [line for line in lines[1:] if not line.damage]
    replay(service, intact, refuse)
    clocks = [line.entry for line in intact if line.entry and "clock" in line.entry and line.number not in problems]
    return Examination(len(lines), dict(sorted(problems.items())), compacted(service, written, clocks[-1:]))


def _service(settings: dict[str, Any]) -> Service:
    """Return the service of a mock with the settings of a header."""
    try:
        options: dict[str, Any] = {**settings, "durations": read_durations(settings["durations"])}
        options["assumptions"] = Assumptions.parse(options.pop("assume", "default"))
        service, _ = make_service(complete(options))
    except (LookupError, TypeError, ValueError) as error:
        raise JournalError(f"has settings in its first line that cannot be read: {error!r}") from None
    return service


def _unused(path: Path) -> Path:
    """Return a path beside a file for its copy, which no file has."""
    names = (f"{path.name}.damaged{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(each for each in map(path.with_name, names) if not each.exists())
