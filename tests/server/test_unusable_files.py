"""Paths that cannot be the file of serve --state: the error says what is there and the way out."""

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
