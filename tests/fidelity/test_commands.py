"""The commands observe and conform, the file that they share with the ini setting, and observations as pytest tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Assumptions
from mock_sagemaker_ie.fidelity import report
from mock_sagemaker_ie.fidelity.conform import conform, mock_steps
from mock_sagemaker_ie.fidelity.observations import PROBES, Observation, ObservationError, read, write
from tests.fidelity.shared import ACCOUNT, SECRETS, resources, service
from tests.server.commands import EXIT_TIMEOUT, ROOT, command, run
from tests.server.http_client import server_in_thread

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_MAX_ATTEMPTS": "1"}
MEMBERS = ("outcome", "path", "seconds", "values", "members", "headers", "message", "delivered", "skipped", "wait")
CREATED = [probe for probe in PROBES if probe.name in ("unknown_experiment", "delete_in_created")]


@pytest.fixture
def folder(tmp_path):
    """Return a folder with observations of a service that refuses to delete a test in Created."""
    assumptions = Assumptions(delete_in_created="ConflictException")
    for probe in CREATED:
        write(tmp_path / "seen", Observation(probe, mock_steps(probe, assumptions), "1", "1", "2026-01-01"))
    return tmp_path / "seen"


# --- observe


def test_observe_says_what_it_calls_and_writes_one_file_per_probe(tmp_path):
    """Tier 1 of a server: the models and configurations are gone afterwards, and conform agrees."""
    with server_in_thread(strict=True, account_id=ACCOUNT) as server, observing(tmp_path, server, 1) as process:
        output = process.stdout.read()
        assert process.wait(EXIT_TIMEOUT) == 0

    assert output.startswith("It will call:\n  tier 0  unknown_experiment: DescribeInferenceExperiment")
    assert "removed Model mock-ie-" in output
    assert ACCOUNT not in output
    assert len(list(tmp_path.iterdir())) == 7
    agrees = run(command("conform", tmp_path))
    assert agrees.returncode == 0, agrees.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "no region: pass --region"),
        (["--region", "eu-west-1"], {}, "no credentials: set AWS_PROFILE"),
        (["--region", "eu-west-1"], {"AWS_PROFILE": "nobody"}, "nobody"),
        (["--tier", 2], KEYS, "pass --create-resources"),
        (["--tier", 1, "--create-resources"], KEYS, "pass --role and --image"),
        (["--poll", 0], KEYS, "--poll 0: expected"),
        (["--capture", "bucket/folder"], KEYS, "--capture bucket/folder: expected a text that begins with s3://"),
        (
            ["--tier", 1, "--create-resources", "--role", "me", "--image", "a/b"],
            KEYS,
            "--role me: expected a text that begins with arn:",
        ),
        (["--region", "eu-west-1", "--out", __file__], KEYS, "test_commands.py"),
    ],
)
def test_observe_refuses_what_it_cannot_do(tmp_path, arguments, environment, message):
    """Nothing is called, and the message says the way out."""
    environment = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **environment}

    result = run(command("observe", "--out", tmp_path, *arguments), **environment)

    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_observing_after_a_clean_up(tmp_path, name):
    """Ctrl-C, the end of a container, and a terminal that is closed: nothing stays on the server."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # Under nohup, a process ignores SIGHUP, and so do its children.
    with service() as server:
        with observing(tmp_path, server, 2) as process:
            signal.signal(number, before)
            next(line for line in process.stdout if line.startswith("running:"))
            while not resources(server):
                time.sleep(0.1)
            process.send_signal(number)
            while process.poll() is None:
                server.mock.clock.advance(seconds=10)
                time.sleep(0.1)

        assert resources(server) == []
    assert process.returncode == 130
    assert read(tmp_path / "running.json").ended_by == "Ctrl-C"


def test_a_closed_output_does_not_prevent_the_clean_up(tmp_path):
    """For example that of `| head -1`: the run goes on."""
    with service() as server:
        with observing(tmp_path, server, 1) as process:
            process.stdout.readline()
            process.stdout.close()
            process.wait(EXIT_TIMEOUT)

        assert resources(server) == []
    assert len(list(tmp_path.iterdir())) == 7


@contextmanager
def observing(out, server, tier):
    """Run `observe` on a server in its own process; kill it if it runs at the exit."""
    arguments = ["--tier", tier, "--create-resources", "--region", "eu-west-1", "--endpoint-url", server.url]
    arguments += [word for name, value in SECRETS.items() for word in (f"--{name}", value)]
    line = command("observe", *arguments, "--poll", 0.01, "--out", out)
    with subprocess.Popen(line, cwd=ROOT, env={**os.environ, **KEYS}, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()


# --- conform


def test_conform_prints_what_explains_a_difference_and_writes_it_for_the_ini_file(folder, tmp_path):
    """The exit status is 1; with the written file as the mock's assumptions it is 0."""
    file = tmp_path / "aws.txt"

    differs = run(command("conform", folder, "--write-assumptions", file))
    agrees = run(command("conform", folder, "--assumptions", file))

    assert (differs.returncode, differs.stderr) == (1, "")
    assert 'observed "ConflictException", the mock has "ok"' in differs.stdout
    assert "Assumptions(delete_in_created='ConflictException')" in differs.stdout
    assert "Durations(creating=datetime.timedelta(seconds=60))" in differs.stdout
    assert file.read_text(encoding="utf-8").splitlines()[1:] == ["delete_in_created=ConflictException"]
    assert (agrees.returncode, agrees.stderr) == (0, "")


def test_conform_prints_json(folder):
    """Programs get each difference with both values, and what explains it."""
    result = json.loads(run(command("conform", folder, "--json")).stdout)

    (difference,) = result["differences"]
    assert (difference["observed"], difference["mock"], difference["explained"]) == ("ConflictException", "ok", True)
    assert result["explaining"] == {"delete_in_created": "ConflictException"}
    assert result["behaviours"]["delete_in_created"] == {"agree": 0, "differ": 1, "not seen": 0}


def _change(folder, **members):
    path = folder / "unknown_experiment.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **members}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "has no observation"),
        (lambda folder: (folder / "models.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "models.json").write_text("[]"), "is not an observation"),
        (lambda folder: (folder / "models.json").write_bytes(b"\xff"), "cannot be read"),
        (lambda folder: _change(folder, format=2, tool="9.9"), "format 2 by version 9.9; this version reads format 1"),
        (lambda folder: _change(folder, probe="other"), "this version has no probe 'other'"),
        (lambda folder: _change(folder, steps={}), "'steps' must be a list"),
        (
            lambda folder: _change(folder, steps=[{"step": "stop", "path": 5}]),
            "'path' in 'steps' must be a list of stat",
        ),
        (lambda folder: (folder / "models.json").write_text("[" * 100_000), "is not JSON"),
    ],
)
def test_conform_refuses_a_folder_that_it_cannot_compare(folder, damage, message):
    """The message names the file and what is wrong."""
    damage(folder)

    result = run(command("conform", folder))

    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_conform_says_that_a_file_was_edited(folder):
    """It compares the file all the same; a step that this version does not have is not seen."""
    _change(folder, steps=[{"step": "new", "outcome": "ok"}, {"step": "start"}])

    result = run(command("conform", folder))

    assert "unknown_experiment: the file was edited after the observation" in result.stdout
    assert "unknown_experiment, new: this version of the probe has no such step" in result.stdout
    assert "Traceback" not in result.stderr


EDITS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["ok", "Running", "start", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3),
    max_leaves=8,
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"step": st.sampled_from(["start", "stop"]) | EDITS}, optional={**dict.fromkeys(MEMBERS, EDITS)}
    )
)


@given(
    st.fixed_dictionaries(
        {"steps": STEPS | EDITS},
        optional=dict.fromkeys(("given", "tool", "date", "ended_by", "format", "probe", "digest"), EDITS),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_edited_observation_is_compared_or_refused(folder, edits):
    """No edit is a traceback: it is refused with a message, or it is compared and noted."""
    _change(folder, **edits)

    try:
        observation = read(folder / "unknown_experiment.json")
    except ObservationError as error:
        assert "unknown_experiment.json: " in str(error)  # noqa: PT017
        return
    result = conform([observation])

    assert result.notes[0].startswith("unknown_experiment: the file was edited")
    assert report.text(result, [observation])
    assert report.as_json(result, [observation])
    assert report.assumptions_file(result, [observation])


# --- pytest


def test_pytest_compares_each_observation(folder, pytester):
    """A test per probe fails where they differ, and passes with the assumptions that the ini file names."""
    pytester.makeini("[pytest]\n")
    shutil.copytree(folder, pytester.path / "seen")
    arguments = ["-p", "no:hypothesispytest", "--sagemaker-ie-conform", "seen"]

    differs = pytester.runpytest_inprocess(*arguments, "-p", "no:asyncio")
    pytester.makeini("[pytest]\nsagemaker_ie_assumptions = delete_in_created=ConflictException\n")
    agrees = pytester.runpytest_inprocess(*arguments, "-p", "no:asyncio")

    differs.assert_outcomes(passed=1, failed=1)
    differs.stdout.fnmatch_lines(["*sagemaker_ie_conform?delete_in_created?*", "*Assumptions(delete_in_created=*"])
    assert "Traceback" not in differs.stdout.str()
    agrees.assert_outcomes(passed=2)


def test_pytest_refuses_a_folder_without_observations(pytester):
    """It is a usage error that names the folder."""
    result = pytester.runpytest_inprocess(
        "-p", "no:hypothesispytest", "-p", "no:asyncio", "--sagemaker-ie-conform", "nowhere"
    )

    result.stderr.fnmatch_lines(["*nowhere is not a folder: 'mock-sagemaker-ie observe*"])
