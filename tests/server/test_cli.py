"""The command line mock-sagemaker-ie in its own process: serve, demo, and errors for bad options."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from contextlib import closing
from importlib.metadata import version

import pytest

from tests.requests import create, model
from tests.server.commands import command, run, server_process
from tests.server.http_client import HTTPClient

NO_WERKZEUG = """
import sys
sys.modules["werkzeug"] = None
from mock_sagemaker_ie.server.command import main
sys.exit(main(sys.argv[1:]))
"""


# --- serve


def test_serve_prints_its_url_and_environment_variables():
    """Port 0 selects a free port. With the printed environment variables, any SDK finds the server."""
    with server_process() as server, closing(HTTPClient(server.url)) as http:
        assert http.call("ListInferenceExperiments").values == {"InferenceExperiments": []}
        _, output = server.end(signal.SIGTERM)

    exports = dict(re.findall(r"export (\w+)=(\S+)", output))
    assert exports["AWS_ENDPOINT_URL_SAGEMAKER"] == exports["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == server.url
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= exports.keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_without_an_error(number):
    """It ends with status 0 and without a traceback, even directly after its first line of output."""
    with server_process() as server:
        status, output = server.end(number)

    assert status == 0
    assert "Traceback" not in output
    assert output.endswith("Ended.\n")


def test_serve_passes_its_options_to_the_mock():
    """--clock, --durations, --account-id, --strict and --assume become options of the mock."""
    clock, account = "2026-01-01T09:00:00+00:00", "111122223333"
    options = "--clock", clock, "--durations", "creating=60", "--account-id", account, "--strict"
    options += "--assume", "busy_endpoint=ConflictException", "--assume", "list_page_size=100"
    with server_process(*options) as server, closing(HTTPClient(server.url)) as http:
        refused = http.call("CreateInferenceExperiment", **create())
        for name in ("model-prod", "model-shadow"):
            http.call("CreateModel", **model(name))
        http.call("CreateInferenceExperiment", **create())
        busy = http.call("CreateInferenceExperiment", **create("other", EndpointName=create()["EndpointName"]))
        state = http.get("/_mock/state").values

    assert "Could not find model" in refused.values["message"]
    assert busy.values["__type"] == "ConflictException"
    (experiment,) = state["experiments"]
    assert (state["now"], experiment["account"]) == (clock, account)
    assert experiment["next"] == {"status": "Running", "at": "2026-01-01T09:01:00+00:00"}


def test_serve_writes_captures_below_a_folder(tmp_path):
    """--s3 makes the folder. A file has the key that AWS uses, and one line for each capture."""
    folder = tmp_path / "new" / "folder"
    storage = {"Destination": "s3://captures/tests", "ContentType": {"CsvContentTypes": ["text/csv"]}}
    options = "--s3", folder, "--clock", "2026-01-01T09:00:00Z"
    with server_process(*options) as server, closing(HTTPClient(server.url)) as http:
        http.call("CreateInferenceExperiment", **create(DataStorageConfig=storage))
        for _ in range(2):
            http.send("POST", f"/endpoints/{create()['EndpointName']}/invocations", b"1,2", content_type="text/csv")
        captures = http.get("/_mock/captures").values["captures"]

    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.jsonl")}
    hour = f"tests/{create()['EndpointName']}/{{}}/2026/01/01/09/00-00-000-"
    of_production, of_shadow = sorted(files)
    assert of_production.startswith(hour.format("prod"))
    assert of_shadow.startswith(hour.format("shadow"))
    lines = [json.loads(line) for line in files[of_production].read_text().splitlines()]
    assert lines == [each["record"] for each in captures if each["variant"] == "prod"]
    assert len(lines) == 2


def test_serve_reads_answers_of_models(tmp_path):
    """--models replaces the answers that --state has for the models in the file, at each start."""
    state, models = tmp_path / "state", tmp_path / "models.json"
    found = []
    for answers in (
        {"model-prod": {"body": "first"}, "model-shadow": {"body": "old"}},
        {"model-prod": {"body": "new"}},
    ):
        models.write_text(json.dumps(answers))
        with server_process("--state", state, "--models", models) as server, closing(HTTPClient(server.url)) as http:
            found.append({each["model"]: each["body"] for each in http.get("/_mock/models").values["models"]})
            server.end(signal.SIGTERM)

    assert found == [{"model-prod": "first", "model-shadow": "old"}, {"model-prod": "new", "model-shadow": "old"}]


def test_verbose_prints_each_call_and_each_request():
    """One line says what the mock made of a call; the access log has every request except those of the open page."""
    with (
        server_process("--verbose", "--clock", "2026-01-01T09:00:00Z") as server,
        closing(HTTPClient(server.url)) as http,
    ):
        http.call("ListModels", NameContains="ranker")
        http.send("POST", "/nowhere/%0Aforged")
        http.get("/_mock/state?since=0")
        http.get("/_mock/calls")
        _, output = server.end(signal.SIGTERM)

    lines = [re.sub(r"^\S+ \S+ ", "", line) for line in output.splitlines() if re.match(r"\d{4}-", line)]
    call, listed, unknown, calls = lines
    assert call == "ListModels(NameContains='ranker') in 123456789012/us-east-1 at 2026-01-01 09:00:00+00:00: ok"
    assert listed == "127.0.0.1 'POST / HTTP/1.1' 200 OK, 13 bytes"
    assert unknown.startswith("127.0.0.1 'POST /nowhere/%0Aforged HTTP/1.1' 404 Not Found, ")
    assert calls.startswith("127.0.0.1 'GET /_mock/calls HTTP/1.1' 200 OK, ")


def test_a_quiet_server_prints_no_request():
    """Without --verbose, only the address, the environment and problems are printed."""
    with server_process() as server, closing(HTTPClient(server.url)) as http:
        http.call("ListModels")
        _, output = server.end(signal.SIGTERM)

    assert "ListModels" not in output
    assert "POST" not in output


def test_remote_allows_a_host_that_other_machines_can_reach():
    """With --remote, the server listens on all addresses."""
    with server_process("--host", "0.0.0.0", "--remote") as server:  # noqa: S104
        assert server.url.startswith("http://0.0.0.0:")


def test_serve_reports_a_port_in_use():
    """The message contains the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run(command("serve", "--port", port))

    assert result.returncode == 1
    assert result.stderr == f"mock-sagemaker-ie: cannot listen on 127.0.0.1, port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--host", "0.0.0.0"], "--remote"),  # noqa: S104
        (["serve", "--port", "70000"], "70000"),
        (["serve", "--port", "http"], "http"),
        (["serve", "--clock", "yesterday"], "'yesterday' is not an instant"),
        (["serve", "--clock", "2026-01-01T09:00:00"], "time zone"),
        (["serve", "--durations", "starting"], "starting"),
        (["serve", "--durations", "begin=5"], "begin"),
        (["serve", "--durations", "starting=inf"], "starting=inf"),
        (["serve", "--durations", "5"], "--durations: durations '5': expected zero, realistic, or seconds by name"),
        (["serve", "--host", "0.0.0.0"], "other machines could reach the mock"),  # noqa: S104
        (["serve", "--clock", "yesterday"], "--clock"),
        (["serve", "--port", "70000"], "--port: '70000' is not a port: expected 0 (a free one) to 65535"),
        (["serve", "--region", "ireland"], "--region: region_name='ireland': expected the name of a region"),
        (["serve", "--account-id", "me"], "12 digits"),
        (["serve", "--state", "/nowhere/journal"], "/nowhere/journal"),
        (["serves"], "serves"),
        ([], "COMMAND"),
    ],
    ids=str,
)
def test_a_bad_option_gives_an_error_message(arguments, message):
    """The command prints a message without a traceback, and its exit status is not 0."""
    result = run(command(*arguments))

    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_serve_without_werkzeug_says_how_to_install_it():
    """The message contains the extra `server`."""
    result = run([sys.executable, "-c", NO_WERKZEUG, "serve", "--port", "0"])

    assert result.returncode == 1
    assert "werkzeug" in result.stderr
    assert "pip install 'mock-sagemaker-ie[server]'" in result.stderr


# --- demo and version


def test_the_demo_shows_a_shadow_test_from_launch_to_promotion():
    """All steps come in order. The demo needs neither werkzeug nor a terminal that can show the bars of a chart."""
    result = run([sys.executable, "-c", NO_WERKZEUG, "demo", "--fast"], PYTHONIOENCODING="ascii")

    assert (result.returncode, result.stderr) == (0, "")
    steps = ["Launch", "ranker-v2: Creating", "ranker-v2: Running", "invocations", "promote", "ranker-v2: Completed"]
    positions = [result.stdout.index(step) for step in steps]
    assert positions == sorted(positions)
    assert "ranker is served by: shadow" in result.stdout
    assert "300 x InvokeEndpoint" in result.stdout


def test_the_demo_shows_the_scenarios_that_break_a_rollout_and_the_fix():
    """The bug is met in some scenarios, and the fixed rollout ends well in all of them."""
    shown = run(command("demo", "--fast")).stdout

    careless, careful = shown.partition("Now a rollout with a bug")[2].split("The fix:")
    assert "  ok                    Scenario()" in careless
    assert "PollingForeverError   Scenario(failures=[Fails('Running', 'no capacity')])" in careless
    assert "ranker-v2 stays Cancelled (no capacity)" in " ".join(careless.split())
    assert careful.count("  ok ") == careless.count("  Scenario(") == careful.count("  Scenario(")


def test_version_prints_the_version_of_the_package():
    """--version prints the version in the package's metadata."""
    assert run(command("--version")).stdout.strip() == version("mock-sagemaker-ie")
