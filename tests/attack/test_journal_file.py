"""The file of a journal, cut, changed and interrupted at every byte: nothing acknowledged is lost without a word."""

from __future__ import annotations

import os
import random
import signal
import traceback
from typing import TYPE_CHECKING

import pytest

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.server import journal as journals
from mock_sagemaker_ie.server.journal_file import JournalError
from mock_sagemaker_ie.server.repair import check, repair
from tests.attack.journals import CHANGES, OPTIONS, kept
from tests.attack.size import LARGE
from tests.requests import create, model

if TYPE_CHECKING:
    from pathlib import Path

resource = pytest.importorskip("resource", reason="this system has no limits on files, and no fork")
# Python 3.12 warns when another test has left a thread.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def sample(numbers: range) -> list[int]:
    """Return all numbers, or some of them and the ends for a small attack."""
    if LARGE or len(numbers) < 80:
        return list(numbers)
    return sorted({numbers[0], numbers[-1], *random.Random(0).sample(numbers, 80)})  # noqa: S311 - not a secret


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The content of a file with changes of every kind, and the state after each number of lines."""
    path = tmp_path_factory.mktemp("history") / "journal"
    with kept(path) as it:
        states = {1: it.state()}
        for change in CHANGES:
            change(it)
            states[path.read_bytes().count(b"\n")] = it.state()
    return path.read_bytes(), states


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The content of a file with a saved state and two changes, the state, and the number of lines that are saved."""
    path = tmp_path_factory.mktemp("saved") / "journal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "MIN_COMPACTED", 0)
        with kept(path) as it:
            for change in CHANGES:
                change(it)
    lines = path.read_bytes().count(b"\n")
    with kept(path) as it:
        it.call("CreateInferenceExperiment", **create("fourth"))
        it.mock.clock.advance(minutes=1)
        state = it.state()
    return path.read_bytes(), state, lines


# --- cuts


def test_a_file_that_is_cut_anywhere_gives_the_state_of_its_complete_lines(history, tmp_path):
    """The incomplete line was never acknowledged: it is removed, and the next change is written in its place."""
    content, states = history
    path = tmp_path / "journal"
    for length in sample(range(len(content) + 1)):
        path.write_bytes(content[:length])

        with kept(path) as it:
            assert it.state() == states[max(content[:length].count(b"\n"), 1)]
            it.mock.clock.advance(hours=30)
            after = it.state()

        with kept(path) as it:
            assert it.state() == after


def test_a_saved_state_that_is_cut_is_refused(saved, tmp_path):
    """A saved state is written at once, so a part of it is damage. After it, the file may be cut like any other."""
    content, _, lines = saved
    path = tmp_path / "journal"
    for length in sample(range(content.index(b"\n") + 1, len(content))):
        path.write_bytes(content[:length])

        if (whole := content[:length].count(b"\n")) < lines:
            with pytest.raises(JournalError, match=rf"damaged in line {whole + 1}:.*lost its end.*journal repair"):
                kept(path).__enter__()
            assert path.read_bytes() == content[:length]
        else:
            with kept(path) as it:
                assert len(it.mock.experiments) == 2 + (whole > lines)


# --- changed bytes


@pytest.mark.parametrize("name", ["history", "saved"])
def test_one_changed_byte_is_found_and_named(request, tmp_path, name):
    """The server refuses the file, check names the line, and repair keeps the file beside and saves the other lines."""
    content, state, *_ = request.getfixturevalue(name)
    whole = state if name == "saved" else state[max(state)]
    path, number = tmp_path / "journal", random.Random(1)  # noqa: S311 - not a secret
    for position in sample(range(len(content))):
        changed = bytearray(content)
        changed[position] ^= number.randrange(1, 256)
        path.write_bytes(changed)
        line = content[:position].count(b"\n") + 1

        with pytest.raises(JournalError, match=rf"damaged in line {line}:"):
            kept(path).__enter__()
        assert path.read_bytes() == changed
        assert line in check(path).problems

        _, beside = repair(path, journals.settings_of(complete(OPTIONS)))
        assert beside.read_bytes() == changed
        beside.unlink()
        with kept(path) as it:
            it.mock.now()
            assert it.mock.experiments.keys() <= whole["experiments"].keys() | {"third"}


# --- kills


def killed(path: Path, step: int, part: float) -> list[int] | None:
    """Make changes in a child process that dies at a step of its work on files: an exact kind of `kill -9`.

    `part`: of the data of a write that dies. Return the numbers of the changes that were acknowledged, and None when
    the child has finished before that step.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        left = step

        def dying(function):
            def call(*arguments, **options):
                nonlocal left
                left -= 1
                if left == 0:
                    if function is os_write:
                        os_write(arguments[0], arguments[1][: int(len(arguments[1]) * part)])
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return call

        os_write = os.write
        status = 1
        try:
            journals.MIN_COMPACTED = 0
            for name in ("write", "fsync", "ftruncate", "replace", "rename", "close", "open", "unlink"):
                setattr(os, name, dying(getattr(os, name)))
            with kept(path) as it:
                for number, change in enumerate(CHANGES):
                    change(it)
                    os_write(writing, bytes([number]))
                    refused(it)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as acknowledged:
        numbers = list(acknowledged.read())
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return None if status == 0 else numbers


def refused(it) -> None:
    """Make a call that the service refuses, because the name is taken, after it was written."""
    with pytest.raises(AWSError):
        it.call("CreateModel", ModelName="first", ExecutionRoleArn="arn:aws:iam::123456789012:role/models",
                PrimaryContainer={"Image": "image"})  # fmt: skip


def test_a_process_that_dies_at_any_step_loses_nothing_acknowledged(tmp_path):
    """The steps are every write, also in part, and every other work on files; the file is compacted meanwhile."""
    expected = [tmp_path / "expected"]
    with kept(expected[0]) as it:
        states = [it.state()]
        for change in CHANGES:
            change(it)
            states.append(it.state())
    path, step, deaths = tmp_path / "journal", 0, 0
    while True:
        step += 1 if LARGE else 3
        path.unlink(missing_ok=True)

        acknowledged = killed(path, step, part=random.Random(step).choice([0, 0.5, 1]))  # noqa: S311 - not a secret

        if acknowledged is None:
            break
        deaths += 1
        with kept(path) as it:
            assert it.state() in states[len(acknowledged) : len(acknowledged) + 2], step
    assert deaths > 20


# --- full disks


def test_a_change_that_does_not_fit_on_the_disk_is_undone(tmp_path):
    """At every size of the disk: nothing refused is seen, all later changes are refused, and the rest reads again."""
    whole = tmp_path / "whole"
    with kept(whole) as it:
        for change in CHANGES:
            change(it)
    header = whole.read_bytes().index(b"\n") + 1
    for size in sample(range(header, whole.stat().st_size)):
        path = tmp_path / f"journal-{size}"

        in_child(lambda size=size, path=path: fill(path, size))


# Each can be made in every state, so only the disk refuses it.
ALWAYS = [
    lambda it: it.call("CreateModel", **model("another")),
    lambda it: it.mock.clock.advance(minutes=1),
    lambda it: it.mock.fail_endpoint("another", "as arranged"),
    lambda it: it.mock.reset(),
]


def fill(path: Path, size: int) -> None:
    """Make changes until the file has a size. The last one is refused and has no effect, like all later ones."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    with kept(path) as it:
        assert not all(succeeds(change, it) for change in CHANGES)
        assert not any(succeeds(change, it) for change in ALWAYS)
        state = it.state()
    with kept(path) as it:
        assert it.state() == state


def succeeds(change, it) -> bool:
    """Return whether a change is made. One that cannot be written leaves the state as it is, and says the way out."""
    before = it.state()
    try:
        change(it)
    except JournalError as error:
        assert "start the server again" in str(error)  # noqa: PT017 - an error is one of two right outcomes
        assert it.state() == before
        return False
    return True


def in_child(function) -> None:
    """Run a function in a child process, which may change its limits. Raises AssertionError when it fails."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:  # noqa: BLE001 - the child must end here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0


# --- growth


def test_the_work_of_many_updates_grows_with_their_number(tmp_path, monkeypatch):
    """All that is ever written, also by compaction, is at most a few times what the updates themselves are."""
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: written.append(len(data)) or write(file, data))
    path, updates = tmp_path / "journal", 20_000 if LARGE else 2000
    with kept(path, durations=Durations()) as it:
        it.call("CreateInferenceExperiment", **create("first"))
        begun = sum(written)
        for number in range(updates):
            it.call("UpdateInferenceExperiment", Name="first", Description=str(number))
            if number == 0:
                of_one = sum(written) - begun
        assert len(it.mock.timeline("first").segments) > 2 * updates

    assert sum(written) < 8 * of_one * updates
