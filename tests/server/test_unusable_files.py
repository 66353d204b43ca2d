"""Paths that cannot be what serve takes, --state above all: the error says what is there and the way out."""

from __future__ import annotations

import os

import pytest

from mock_sagemaker_ie.server.command import main


def error_of(capsys, *arguments):
    """Run the command line, which must fail, and return what it prints as the error."""
    assert main([*map(str, arguments)]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("command", [("serve", "--port", "0", "--state"), ("journal", "check"), ("journal", "repair")])
def test_a_path_that_cannot_be_a_journal_is_refused(tmp_path, capsys, command):
    """A file in a folder that does not exist, a folder, and a file below a file are refused in a sentence."""
    (tmp_path / "file").touch()

    in_no_folder = error_of(capsys, *command, tmp_path / "nowhere" / "state")
    folder = error_of(capsys, *command, tmp_path)
    below_a_file = error_of(capsys, *command, tmp_path / "file" / "state")

    assert f"{tmp_path / 'nowhere'} does not exist; make it, or use another file" in in_no_folder
    assert f"{tmp_path} is a folder: expected the path of a file in it" in folder
    assert "cannot be opened for reading and writing: Not a directory; change" in below_a_file
    assert "Errno" not in in_no_folder + folder + below_a_file


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path, capsys):
    """The error names the file and the reason."""
    path = tmp_path / "state"
    path.touch(mode=0o000)

    assert "Permission denied; change its permissions" in error_of(capsys, "serve", "--port", "0", "--state", path)


def test_a_folder_with_the_name_of_the_next_content_is_refused(tmp_path, capsys):
    """The file is replaced by FILE.new when it becomes smaller. A folder of this name would prevent it for ever."""
    (tmp_path / "state.new").mkdir()

    error = error_of(capsys, "serve", "--port", "0", "--state", tmp_path / "state")

    assert f"{tmp_path / 'state.new'} is a folder" in error
    assert "remove or rename the folder" in error


def test_a_folder_that_cannot_have_captures_is_refused(tmp_path, capsys):
    """A file, and a folder below a file. A folder that does not exist is made."""
    (tmp_path / "file").touch()

    file = error_of(capsys, "serve", "--port", "0", "--s3", tmp_path / "file")
    below_a_file = error_of(capsys, "serve", "--port", "0", "--s3", tmp_path / "file" / "folder")

    assert f"{tmp_path / 'file'} is a file: expected a folder for captures" in file
    assert "cannot be written: Not a directory; change its permissions, or use another folder" in below_a_file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON: "),
        ("[1]", 'is no JSON object: expected answers by model, e.g. {"ranker-v2": {"body": 0.7}}'),
        ('{"m": 5}', 'model \'m\': 5: expected an object with "body" or "chunks"'),
        ('{"m": {"body": 1, "status": 302}}', "model 'm': status=302: expected 200, "),
        ('{"no name!": {"body": 1}}', "model 'no name!': model='no name!': expected the name of a model"),
    ],
)
def test_a_file_with_wrong_answers_of_models_is_refused(tmp_path, capsys, content, message):
    """The error names the file and the model."""
    path = tmp_path / "models.json"
    path.write_text(content)

    error = error_of(capsys, "serve", "--port", "0", "--models", path)

    assert error.startswith(f"mock-sagemaker-ie: {path}")
    assert message in error


def test_a_file_of_answers_that_does_not_exist_is_refused(tmp_path, capsys):
    """The error says that it cannot be read."""
    error = error_of(capsys, "serve", "--port", "0", "--models", tmp_path / "missing")

    assert f"{tmp_path / 'missing'} cannot be read: No such file or directory" in error
