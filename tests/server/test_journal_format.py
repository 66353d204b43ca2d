"""The format of the journal: older and newer versions, damaged lines, and the commands that check and repair a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.server.app import running_server
from mock_sagemaker_ie.server.journal_file import JournalError
from tests.conftest import START
from tests.requests import NAME, create, model
from tests.server.commands import command, run
from tests.server.test_journal import server_with_state, visible_state

DATA = Path(__file__).with_name("data")
SETTINGS = ("--durations", "realistic")


@pytest.fixture
def journal(tmp_path):
    """The path of a journal with the lines: header, a model, an experiment, the clock, another model."""
    path = tmp_path / "state.journal"
    with server_with_state(path) as (http, _):
        http.call("CreateModel", **model("first"))
        http.call("CreateInferenceExperiment", **create())
        http.post("/_mock/clock", {"advance": 60})
        http.call("CreateModel", **model("second"))
    return path


def refusal(path: Path) -> str:
    """Return the error with which a server refuses the file, which does not change."""
    before = path.read_bytes()
    options = {"clock": START.isoformat(), "durations": Durations.realistic()}
    with pytest.raises(JournalError) as error, running_server(state=path, **options):
        pass
    assert path.read_bytes() == before
    return str(error.value)


def change_line(path: Path, number: int, old: bytes, new: bytes) -> None:
    """Replace a part of one line."""
    lines = path.read_bytes().splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_bytes(b"".join(lines))


# --- versions


def test_a_file_of_version_1_gives_the_same_state(tmp_path):
    """It is the file, and the state, of version 0.1.0. The server writes the file anew in its own format."""
    path = tmp_path / "journal"
    shutil.copy(DATA / "version-1.journal", path)
    expected = json.loads((DATA / "version-1.state.json").read_text())
    expected["models"] = {"models": [], "match_count": 0}  # Version 0.1.0 had no answers of models.

    for _ in range(2):
        with server_with_state(path) as (http, mock):
            assert json.loads(json.dumps(visible_state(http, mock), default=str)) == expected
        assert path.read_bytes().startswith(b'{"version":2,')


def test_a_file_of_version_1_stays_usable_if_it_cannot_be_written_anew(tmp_path):
    """Its lines may or may not have checksums."""
    path = tmp_path / "journal"
    shutil.copy(DATA / "version-1.journal", path)
    (tmp_path / "journal.new").symlink_to("no folder/file")  # Also root cannot write it.
    with server_with_state(path) as (http, mock):
        http.call("CreateModel", **model("another"))
        state = visible_state(http, mock)

    assert path.read_bytes().startswith(b'{"version":1,')
    with server_with_state(path) as (http, mock):
        assert visible_state(http, mock) == state


@pytest.mark.parametrize("more", ["", ',"crc32":"00000000"'], ids=["other checksums", "the same checksums"])
@pytest.mark.parametrize("version", [3, 99])
def test_a_file_of_a_newer_version_is_refused_as_such(tmp_path, version, more):
    """The message says what to do. A header that is damaged is not one of a newer version."""
    path = tmp_path / "journal"
    path.write_text(f'{{"version":{version},"new":"things"{more}}}\nother lines\n')

    message = refusal(path)

    if more:
        assert "is damaged in line 1" in message
    else:
        assert f"newer version of mock-sagemaker-ie: its format is {version}" in message
        assert "upgrade mock-sagemaker-ie, or use another --state file" in message


@pytest.mark.parametrize("version", ['"2"', "0", "-1", "1.5", "true", "null", "[]"])
def test_a_file_with_a_version_that_is_none_is_refused(tmp_path, version):
    """It is not a journal."""
    path = tmp_path / "journal"
    path.write_text(f'{{"version":{version},"world":{{}}}}\n')

    assert "is not a journal of a mock" in refusal(path)


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null"])
def test_a_device_is_refused(path):
    """It keeps nothing."""
    with pytest.raises(JournalError, match="not a regular file"), running_server(state=Path(path)):
        pass


# --- damage


def test_a_line_without_its_checksum_is_refused(journal):
    """The message names the line, and the command that saves the others."""
    change_line(journal, 3, b'"crc32"', b'"crc33"')

    assert f"{journal} is damaged in line 3: it does not end with a checksum; " in refusal(journal)
    assert f"'mock-sagemaker-ie journal repair {journal}'" in refusal(journal)


def test_check_says_that_a_file_is_intact(journal):
    """Its status is 0."""
    checked = run(command("journal", "check", journal))

    assert (checked.returncode, checked.stdout) == (0, f"{journal}: 5 lines, none is damaged\n")


def test_check_names_each_damaged_line(journal):
    """Its status is 1, and it says the way to save the other lines. The file does not change."""
    change_line(journal, 2, b"first", b"fizst")
    change_line(journal, 4, b"clock", b"cl\xffck")
    before = journal.read_bytes()

    checked = run(command("journal", "check", journal))

    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        "line 2 is damaged: it does not have the checksum that is at its end",
        "line 4 is damaged: it does not have the checksum that is at its end",
        f"{journal}: damaged lines: 2 of 5; 'mock-sagemaker-ie journal repair {journal}' saves the other lines",
    ]
    assert journal.read_bytes() == before


def test_repair_saves_the_other_lines_and_keeps_the_file_beside(journal):
    """The next server has everything except what the damaged line said."""
    change_line(journal, 2, b"first", b"fizst")
    damaged = journal.read_bytes()

    repaired = run(command("journal", "repair", journal))

    beside = journal.with_name("state.journal.damaged")
    assert repaired.returncode == 0
    assert repaired.stdout.splitlines() == [
        "line 2 is lost: it does not have the checksum that is at its end",
        f"{journal}: saved 4 of 5 lines",
        f"{beside}: the damaged file",
    ]
    assert beside.read_bytes() == damaged
    with server_with_state(journal) as (http, mock):
        assert [each["ModelName"] for each in http.call("ListModels").values["Models"]] == ["second"]
        assert list(mock.experiments) == [NAME]
        assert (mock.now() - START).total_seconds() == 60


def test_repair_names_the_lines_that_depend_on_a_lost_one(journal):
    """An experiment whose creation is lost can neither fail nor be deleted."""
    with server_with_state(journal) as (http, _):
        http.post("/_mock/failures", {"experiment": NAME, "reason": "as arranged"})
        http.call("DeleteInferenceExperiment", Name=NAME)
    change_line(journal, 3, b"prod", b"pxod")

    repaired = run(command("journal", "repair", journal))

    lost = [line for line in repaired.stdout.splitlines() if "is lost" in line]
    assert lost[0] == "line 3 is lost: it does not have the checksum that is at its end"
    assert len(lost) == 3
    for line in lost[1:]:
        assert f"it cannot be replayed: AWSError('ResourceNotFound: Inference experiment {NAME} does not exist" in line
    with server_with_state(journal) as (http, mock):
        assert (list(mock.experiments), len(http.call("ListModels").values["Models"])) == ([], 2)


def test_repair_takes_the_settings_from_its_options_if_the_header_is_damaged(journal):
    """check says so."""
    change_line(journal, 1, b"account", b"acc0unt")

    checked = run(command("journal", "check", journal))
    repaired = run(command("journal", "repair", journal, *SETTINGS))

    assert "give it the --account-id, --durations, --strict and --assume of the server" in checked.stdout
    assert repaired.returncode == 0
    with server_with_state(journal) as (http, mock):
        assert (list(mock.experiments), len(http.call("ListModels").values["Models"])) == ([NAME], 2)


def test_repair_leaves_an_intact_file_as_it_is(journal):
    """There is no copy either."""
    before = journal.read_bytes()

    repaired = run(command("journal", "repair", journal))

    assert (repaired.returncode, repaired.stdout) == (0, f"{journal}: 5 lines, none is damaged: it did not change\n")
    assert journal.read_bytes() == before
    assert [it.name for it in journal.parent.iterdir()] == [journal.name]


def test_repair_keeps_each_damaged_file(journal):
    """A second repair does not replace the file that the first one has kept."""
    for number in (2, 3):
        change_line(journal, number, b"crc32", b"crc23")
        run(command("journal", "repair", journal))

    assert {it.name for it in journal.parent.iterdir()} == {
        "state.journal",
        "state.journal.damaged",
        "state.journal.damaged-2",
    }


@pytest.mark.parametrize("action", ["check", "repair"])
def test_a_file_that_is_missing_in_use_or_something_else_is_refused(tmp_path, journal, action):
    """Its status is 1, and nothing is made or changed."""
    (tmp_path / "shopping.txt").write_text("milk\neggs\n")
    (tmp_path / "settings").write_text('{"version":1,"world":5}\n')
    no_settings = run(command("journal", action, tmp_path / "settings"))
    with server_with_state(journal):
        in_use = run(command("journal", action, journal))
    something_else = run(command("journal", action, tmp_path / "shopping.txt"))
    missing = run(command("journal", action, tmp_path / "missing"))

    assert [it.returncode for it in (in_use, something_else, missing, no_settings)] == [1, 1, 1, 1]
    assert "settings has settings in its first line that cannot be read" in no_settings.stderr
    assert "is in use by another server" in in_use.stderr
    assert "shopping.txt is not a journal of a mock" in something_else.stderr
    assert "missing does not exist" in missing.stderr
    assert "Traceback" not in in_use.stderr + something_else.stderr + missing.stderr
    assert not (tmp_path / "missing").exists()
