"""The journal: it keeps the state of a mock over restarts and kills, and refuses unusable files."""

from __future__ import annotations

import json
import random
import signal
import tempfile
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from threading import Semaphore, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Assumptions, Durations, MockClock
from mock_sagemaker_ie.server.app import running_server
from mock_sagemaker_ie.server.journal import JournalError
from tests.conftest import START
from tests.guardrails import rolling, size
from tests.requests import NAME, create, deployed, endpoint_config, model, stop
from tests.server.commands import server_process
from tests.server.http_client import HTTPClient, server_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie import InferenceExperimentMock

STILL = START.isoformat()
OPTIONS = {"clock": STILL, "durations": Durations.realistic()}


@contextmanager
def server_with_state(path: Path, **options: Any) -> Iterator[tuple[HTTPClient, InferenceExperimentMock]]:
    """Run a server that keeps its state in a file; yield an HTTP client and the mock."""
    with server_in_thread(state=path, **{**OPTIONS, **options}) as server, closing(HTTPClient(server.url)) as http:
        yield http, server.mock


def visible_state(http: HTTPClient, mock: InferenceExperimentMock) -> dict[str, Any]:
    """Return everything that clients can see, except the calls and the time that passes by itself."""
    values = {path: http.get(f"/_mock/{path}").values for path in ("experiments", "timelines", "models")}
    values |= {
        operation: http.call(operation, MaxResults=100).values
        for operation in ("ListModels", "ListEndpointConfigs", "ListEndpoints")
    }
    values["endpoints"] = [
        http.call("DescribeEndpoint", EndpointName=endpoint["EndpointName"]).values
        for endpoint in values["ListEndpoints"]["Endpoints"]
    ]
    values["tags"] = [
        http.call("ListTags", ResourceArn=experiment["Arn"]).values for experiment in values["experiments"]
    ]
    ahead = mock.clock.ahead
    return {**values, "clock": mock.now().isoformat() if ahead is None else ahead}


# --- restart

ACTIONS = {
    "create": lambda http, name: http.call("CreateInferenceExperiment", **create(name)),
    "create for later": lambda http, name: http.call(
        "CreateInferenceExperiment", **create(name, Schedule={"StartTime": START.timestamp() + 3600})
    ),
    "start": lambda http, name: http.call("StartInferenceExperiment", Name=name),
    "update": lambda http, name: http.call("UpdateInferenceExperiment", Name=name, Description="longer"),
    "stop": lambda http, name: http.call("StopInferenceExperiment", **stop(name, Reason="Grüße")),
    "delete": lambda http, name: http.call("DeleteInferenceExperiment", Name=name),
    "tag": lambda http, name: http.call(
        "AddTags",
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{name}",
        Tags=[{"Key": "team", "Value": "ranking"}],
    ),
    "model": lambda http, name: http.call("CreateModel", **model(name)),
    "configure": lambda http, name: http.call("CreateEndpointConfig", **endpoint_config(name)),
    "deploy": lambda http, name: http.call(
        "CreateEndpoint", EndpointName=create(name)["EndpointName"], EndpointConfigName=name
    ),
    "pass a minute": lambda http, _: http.post("/_mock/clock", {"advance": 60}),
    "pass a day": lambda http, _: http.post("/_mock/clock", {"advance": 86400}),
    "run": lambda http, name: http.post("/_mock/clock", {"until": {"name": name, "status": "Running"}}),
    "fail": lambda http, name: http.post("/_mock/failures", {"experiment": name, "reason": "as arranged"}),
    "fail to deploy": lambda http, name: http.post(
        "/_mock/failures", {"endpoint": create(name)["EndpointName"], "reason": "as arranged"}
    ),
    "answer": lambda http, name: http.post("/_mock/models", {"model": name, "body": {"score": 0.7}, "latency": 0.1}),
    "answer in parts": lambda http, name: http.post(
        "/_mock/models", {"model": name, "chunks": ["AP8=", ""], "encoding": "BASE64"}
    ),
    "answer slowly": lambda http, _: (
        http.post("/_mock/faults", {"operation": "ListModels", "seconds": 30}),
        http.call("ListModels"),
    ),
    "create and lose the answer": lambda http, name: (
        http.post(
            "/_mock/faults", {"operation": "CreateInferenceExperiment", "error": "InternalFailure", "after": True}
        ),
        http.call("CreateInferenceExperiment", **create(name)),
    ),
    "reset": lambda http, _: http.post("/_mock/reset", {}),
}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([STILL, None]),
    st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.sampled_from(["first", "second"])), max_size=20),
    st.sampled_from([0, 1000, 10**9]),
)
def test_a_restart_keeps_the_state(clock, actions, min_compacted):
    """Experiments, endpoints, tags, failures and the clock are the same, for a clock that stands still or runs.

    So it is when the file is compacted often, or never.
    """
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "journal")
        patch.setattr("mock_sagemaker_ie.server.journal.MIN_COMPACTED", min_compacted)
        with server_with_state(path, clock=clock) as (http, mock):
            for action, name in actions:
                ACTIONS[action](http, name)
            http.post("/_mock/clock", {"advance": 15})  # No status changes between two reads of a clock that runs.
            before = visible_state(http, mock)

        with server_with_state(path, clock=clock) as (http, mock):
            assert visible_state(http, mock) == before


def test_the_state_can_be_changed_after_a_restart(tmp_path):
    """The next restart keeps these changes too. A NextToken from before the restart gives the next page."""
    path = tmp_path / "journal"
    with server_with_state(path) as (http, _):
        for name in ("first", "second"):
            http.call("CreateInferenceExperiment", **create(name))
        page = http.call("ListInferenceExperiments", MaxResults=1).values

    with server_with_state(path) as (http, _):
        following = http.call("ListInferenceExperiments", MaxResults=1, NextToken=page["NextToken"]).values
        http.call("CreateInferenceExperiment", **create("third"))

    with server_with_state(path) as (http, mock):
        assert [it["Name"] for it in following["InferenceExperiments"]] == ["first"]
        assert list(mock.experiments) == ["first", "second", "third"]


def test_only_changes_are_written(tmp_path):
    """Calls that read, and calls that are refused, write nothing."""
    path = tmp_path / "journal"
    with server_with_state(path) as (http, mock):
        http.call("CreateInferenceExperiment", **create())
        before = path.read_bytes()

        http.call("CreateInferenceExperiment", **create())
        http.call("StartInferenceExperiment", Name="missing")
        visible_state(http, mock)

        assert path.read_bytes() == before


# --- kill


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_loses_at_most_the_last_unanswered_call(tmp_path, seed):
    """Each answered call is kept. The unanswered call is kept completely or not at all."""
    path, answered, answers = tmp_path / "journal", [], Semaphore(0)

    def create_experiments(url: str) -> None:
        with closing(HTTPClient(url)) as http:
            for name in (f"experiment-{number}" for number in count()):
                try:
                    assert http.call("CreateInferenceExperiment", **create(name)).status == 200
                except OSError:
                    return
                answered.append(name)
                answers.release()

    with server_process("--state", path, "--clock", STILL, "--durations", "realistic") as server:
        client = Thread(target=create_experiments, args=(server.url,))
        client.start()
        for _ in range(random.Random(seed).randint(1, 80)):  # noqa: S311 - not a secret
            answers.acquire()
        server.end(signal.SIGKILL)
        client.join()

    with server_with_state(path) as (_, mock):
        kept = list(mock.experiments)
    assert kept in (answered, [*answered, f"experiment-{len(answered)}"])


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The content of a journal, and the visible state after each of its lines."""
    path = tmp_path_factory.mktemp("history") / "journal"
    actions = ["create", "tag", "run", "update", "fail to deploy", "pass a day", "stop", "create", "tag"]
    with server_with_state(path) as (http, mock):
        states = {path.read_bytes().count(b"\n"): visible_state(http, mock)}
        for action in actions:
            ACTIONS[action](http, NAME)
            states[path.read_bytes().count(b"\n")] = visible_state(http, mock)
    return path.read_bytes(), states


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_truncated_file_gives_the_state_of_its_complete_lines(history, data):
    """An incomplete line is removed, and the next change is written in its place."""
    content, states = history
    length = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        path.write_bytes(content[:length])
        lines = max(content[:length].count(b"\n"), 1)

        with server_with_state(path) as (http, mock):
            assert visible_state(http, mock) == states[lines]
            http.post("/_mock/clock", {"advance": 5})
            after = visible_state(http, mock)

        with server_with_state(path) as (http, mock):
            assert visible_state(http, mock) == after


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let no file grow much beyond the present size of this one."""
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    "action", ["create", "model", "stop", "delete", "tag", "pass a day", "run", "fail", "answer", "reset"]
)
def test_a_change_that_cannot_be_written_is_undone_and_all_later_ones_are_refused(tmp_path, action):
    """The client gets an error with the way out. Clients can still look, and the next server begins there."""
    path = tmp_path / "journal"
    with server_with_state(path) as (http, mock):
        ACTIONS["create" if action == "run" else "pass a minute"](http, NAME)
        if action not in ("create", "model", "run"):
            ACTIONS["create"](http, NAME)
        if action == "delete":
            ACTIONS["fail"](http, NAME)
        before = visible_state(http, mock)

        with full_disk(path):
            refused_change = ACTIONS[action](http, NAME)
        after = [ACTIONS[each](http, "later") for each in ("create", "pass a minute", "reset")]

        assert {(answer.status, answer.code) for answer in (refused_change, *after)} == {(500, "InternalFailure")}
        assert "so changes are refused; make room, then start the server again" in refused_change.values["message"]
        assert visible_state(http, mock) == before

    with server_with_state(path) as (http, mock):
        assert visible_state(http, mock) == before
        assert ACTIONS["create"](http, "later").status == 200


def test_a_delay_that_cannot_be_written_does_not_move_the_clock(tmp_path):
    """The call that would have taken the time is refused."""
    path = tmp_path / "journal"
    with server_with_state(path) as (http, mock):
        http.post("/_mock/faults", {"operation": "ListModels", "seconds": 30})

        with full_disk(path):
            answer = http.call("ListModels")

        assert (answer.status, mock.now(), http.call("ListModels").status) == (500, START, 200)


def test_a_clock_of_the_caller_can_move_after_the_server(tmp_path):
    """It is free again, and the next server with the same file and clock begins at the later instant."""
    path, clock = tmp_path / "journal", MockClock(START, tick=False)
    with server_with_state(path, clock=clock) as (http, _):
        http.post("/_mock/clock", {"advance": 60})

    clock.advance(seconds=60)

    assert (clock.now() - START).total_seconds() == 120
    with server_with_state(path, clock=clock) as (_, mock):
        assert mock.now() == clock.now()


# --- compaction


def test_a_reset_makes_the_file_small(tmp_path):
    """The file has the header and the position of the clock; the next change follows."""
    path = tmp_path / "journal"
    with server_with_state(path) as (http, mock):
        for number in range(60):
            http.call("CreateInferenceExperiment", **create(f"experiment-{number}"))
        http.post("/_mock/clock", {"advance": 86400})
        before = path.stat().st_size

        http.post("/_mock/reset", {})

        assert path.stat().st_size < 1000 < before
        http.call("CreateInferenceExperiment", **create())
        state = visible_state(http, mock)

    with server_with_state(path) as (http, mock):
        assert visible_state(http, mock) == state


def test_the_file_does_not_grow_with_the_history(tmp_path):
    """Models that were deleted again leave nothing, however many they were."""
    path, sizes = tmp_path / "journal", []
    with server_with_state(path) as (http, _):
        for _ in range(400):
            http.call("CreateModel", **model())
            http.call("DeleteModel", ModelName="my-model")
            sizes.append(path.stat().st_size)

    assert max(sizes) < 70_000


def test_a_file_in_a_folder_that_cannot_be_written_still_keeps_the_state(tmp_path):
    """It is not compacted then."""
    path = tmp_path / "folder" / "journal"
    path.parent.mkdir()
    with server_with_state(path) as (http, mock):
        http.call("CreateInferenceExperiment", **create())
        (path.parent / "journal.new").symlink_to("no folder/file")  # Also root cannot write it.

        http.post("/_mock/reset", {})
        http.call("CreateModel", **model())
        state = visible_state(http, mock)

    with server_with_state(path) as (http, mock):
        assert visible_state(http, mock) == state


def test_a_link_to_the_file_stays_a_link(tmp_path):
    """The file that it leads to is compacted."""
    path, link = tmp_path / "journal", tmp_path / "link"
    link.symlink_to(path)
    with server_with_state(link) as (http, _):
        http.call("CreateModel", **model())
        http.post("/_mock/reset", {})

    assert link.is_symlink()
    with server_with_state(path) as (http, _):
        assert http.call("ListModels").values["Models"] == []


def test_a_compacted_file_keeps_its_permissions(tmp_path):
    """A file that only its owner may read stays like that."""
    path = tmp_path / "journal"
    path.touch(mode=0o600)
    with server_with_state(path) as (http, _):
        http.post("/_mock/reset", {})

    assert path.stat().st_mode & 0o777 == 0o600


# --- unusable files


def refused(path: Path, **options: Any) -> str:
    """Return the error with which a server refuses the file. The file does not change."""
    before = path.read_bytes()
    with pytest.raises(JournalError, match=path.name) as error, running_server(state=path, **{**OPTIONS, **options}):
        pass
    assert path.read_bytes() == before
    return str(error.value)


@pytest.fixture
def journal(tmp_path):
    """The path of a journal with one experiment."""
    path = tmp_path / "state.journal"
    with server_with_state(path) as (http, _):
        http.call("CreateInferenceExperiment", **create())
    return path


@pytest.mark.parametrize(
    "option",
    [
        {"account_id": "111122223333"},
        {"durations": Durations()},
        {"strict": True},
        {"assumptions": Assumptions(arn_case="lower")},
    ],
    ids=str,
)
def test_a_file_of_a_mock_with_other_settings_is_refused(journal, option):
    """Its calls would give another state. A mock with the right settings still opens the file."""
    message = refused(journal, **option)

    flag = f"--{next(iter(option)).replace('_', '-').replace('assumptions', 'assume')}"
    assert f"other settings: {flag} " in message
    assert f"start with the same {flag}, or use another --state file" in message
    assert "datetime" not in message

    with server_with_state(journal) as (_, mock):
        assert list(mock.experiments) == [NAME]


def test_a_file_in_use_is_refused(journal):
    """Only one server at a time can use a file. The next server can use it afterwards."""
    with server_with_state(journal):
        assert "in use" in refused(journal)

    with server_with_state(journal) as (_, mock):
        assert list(mock.experiments) == [NAME]


@pytest.mark.parametrize(
    "content",
    [b"milk, eggs", b"milk\neggs\n", b"\n", b'{"milk": 2}\n', b"[]\n", b"5\n", b"\x89PNG\r\n\x1a\n\xff"],
    ids=str,
)
def test_a_file_that_is_not_a_journal_is_refused(tmp_path, content):
    """The server does not write to the file."""
    path = tmp_path / "shopping.txt"
    path.write_bytes(content)

    assert "not a journal" in refused(path)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        5,
        {"call": "CreateInferenceExperiment"},
        {"call": "Unknown", "at": STILL, "region": "us-east-1", "account": "123456789012", "body": "{}"},
        {"call": "CreateModel", "at": STILL, "region": "us-east-1", "account": "123456789012", "body": "{}"},
        {"call": "CreateModel", "at": "soon", "region": "us-east-1", "account": "123456789012", "body": "{}"},
        {"failure": "experiment", "at": STILL, "region": "us-east-1", "account": None, "name": "x", "reason": "y"},
        {"clock": "soon", "ahead": None},
    ],
    ids=str,
)
def test_a_change_that_cannot_be_replayed_is_an_error(journal, entry):
    """The message contains the number of the line."""
    with journal.open("a") as file:
        file.write(f"{json.dumps(entry)}\n")

    assert "line 3" in refused(journal)


def test_a_restart_keeps_alarms_and_scaled_variants(tmp_path, monkeypatch):
    """The alarm rolls back the deployment that comes after the restart, also when the file was compacted."""
    path = tmp_path / "journal"
    fleet = {"InitialInstanceCount": 4}
    deployment = rolling(size(2))
    with server_with_state(path) as (http, mock):
        for name in ("old", "new"):
            http.call("CreateEndpointConfig", **endpoint_config(name, deployed(**fleet)))
        http.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="old")
        http.post("/_mock/clock", {"advance": 3600})
        mock.scale("endpoint", "prod", 6)
        http.post("/_mock/clock", {"advance": 3600})
        mock.alarm("errors", state="ALARM")

    for attempt in range(2):
        monkeypatch.setattr("mock_sagemaker_ie.server.journal.MIN_COMPACTED", attempt)
        with server_with_state(path) as (http, _):
            described = http.call("DescribeEndpoint", EndpointName="endpoint").values
            assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 6
            http.call("UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="new", DeploymentConfig=deployment)
            http.post("/_mock/clock", {"advance": 3600})
            described = http.call("DescribeEndpoint", EndpointName="endpoint").values
            assert described["EndpointConfigName"] == "old"
            assert "alarm errors" in described["FailureReason"]
