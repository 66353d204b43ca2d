"""The command mock-sagemaker-ie, in processes of its own: serve, demo, and what it says of bad options."""

from __future__ import annotations

import re
import signal
import socket
import sys
from contextlib import closing
from importlib.metadata import version

import pytest

from tests.requests import create, model
from tests.server.plain import Plain
from tests.server.processes import command, run, served

NO_WERKZEUG = """
import sys
sys.modules["werkzeug"] = None
from mock_sagemaker_ie.server.command import main
sys.exit(main(sys.argv[1:]))
"""


# --- serve


def test_it_says_where_it_serves_and_how_to_be_found():
    """Port 0 is a free one, which is printed, and with it the variables by which any SDK finds the server."""
    with served() as server, closing(Plain(server.url)) as plain:
        assert plain.call("ListInferenceExperiments").values == {"InferenceExperiments": []}
        _, output = server.end(signal.SIGTERM)

    exports = dict(re.findall(r"export (\w+)=(\S+)", output))
    assert exports["AWS_ENDPOINT_URL_SAGEMAKER"] == exports["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == server.url
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= exports.keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number):
    """Even as soon as it says that it serves; nothing but its last words is written, and the status is 0."""
    with served() as server:
        status, output = server.end(number)

    assert status == 0
    assert "Traceback" not in output
    assert output.endswith("Ended.\n")


def test_its_options_are_the_mocks():
    """Clock, durations, account and strictness are as told."""
    clock, account = "2026-01-01T09:00:00+00:00", "111122223333"
    options = "--clock", clock, "--durations", "creating=60", "--account-id", account, "--strict"
    with served(*options) as server, closing(Plain(server.url)) as plain:
        refused = plain.call("CreateInferenceExperiment", **create())
        for name in ("model-prod", "model-shadow"):
            plain.call("CreateModel", **model(name))
        plain.call("CreateInferenceExperiment", **create())
        state = plain.get("/_mock/state").values

    assert "Could not find model" in refused.values["message"]
    (experiment,) = state["experiments"]
    assert (state["now"], experiment["account"]) == (clock, account)
    assert experiment["next"] == {"status": "Running", "at": "2026-01-01T09:01:00+00:00"}


def test_other_machines_are_let_in_when_told():
    """--remote allows a host that is not this machine's alone."""
    with served("--host", "0.0.0.0", "--remote") as server:  # noqa: S104
        assert server.url.startswith("http://0.0.0.0:")


def test_a_port_in_use_is_said_at_once():
    """The message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run(command("serve", "--port", port))

    assert result.returncode == 1
    assert result.stderr == f"mock-sagemaker-ie: cannot listen on 127.0.0.1, port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--host", "0.0.0.0"], "remote"),  # noqa: S104
        (["serve", "--host", "example.com"], "remote"),
        (["serve", "--port", "70000"], "70000"),
        (["serve", "--port", "http"], "http"),
        (["serve", "--clock", "yesterday"], "'yesterday' is no instant"),
        (["serve", "--clock", "2026-01-01T09:00:00"], "time zone"),
        (["serve", "--durations", "starting"], "starting"),
        (["serve", "--durations", "begin=5"], "begin"),
        (["serve", "--durations", "starting=inf"], "starting=inf"),
        (["serve", "--account-id", "me"], "12 digits"),
        (["serve", "--state", "/nowhere/journal"], "/nowhere/journal"),
        (["serve", "--state", "."], "directory"),
        (["serves"], "serves"),
        ([], "COMMAND"),
    ],
    ids=str,
)
def test_bad_options_are_said_in_words(arguments, said):
    """What is wrong is one message, no traceback."""
    result = run(command(*arguments))

    assert result.returncode != 0
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_missing_werkzeug_is_said_with_the_way_to_install_it():
    """The extra is named."""
    result = run([sys.executable, "-c", NO_WERKZEUG, "serve", "--port", "0"])

    assert result.returncode == 1
    assert "werkzeug" in result.stderr
    assert "pip install 'mock-sagemaker-ie[server]'" in result.stderr


# --- demo and version


def test_the_demo_tells_a_shadow_test_from_launch_to_promotion():
    """Every scene is there, in order, and it ends well; it needs neither werkzeug nor a terminal that knows bars."""
    result = run([sys.executable, "-c", NO_WERKZEUG, "demo", "--fast"], PYTHONIOENCODING="ascii")

    assert (result.returncode, result.stderr) == (0, "")
    scenes = ["Launch", "ranker-v2: Creating", "ranker-v2: Running", "invocations", "promote", "ranker-v2: Completed"]
    positions = [result.stdout.index(scene) for scene in scenes]
    assert positions == sorted(positions)
    assert "ranker is served by: shadow" in result.stdout
    assert "300 x InvokeEndpoint" in result.stdout


def test_the_version_is_the_packages():
    """--version says it."""
    assert run(command("--version")).stdout.strip() == version("mock-sagemaker-ie")
