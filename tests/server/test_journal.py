"""The journal: a world kept in a file over restarts and kills, and files that are none."""

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

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.server.app import serving
from mock_sagemaker_ie.server.journal import JournalError
from tests.conftest import START
from tests.requests import NAME, create, endpoint_config, model, stop
from tests.server.plain import Plain, running
from tests.server.processes import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie import InferenceExperimentMock

STILL = START.isoformat()
OPTIONS = {"clock": STILL, "durations": Durations.realistic()}


@contextmanager
def world(path: Path, **options: Any) -> Iterator[tuple[Plain, InferenceExperimentMock]]:
    """A server whose world is in a file: a client of it, and the mock."""
    with running(state=path, **{**OPTIONS, **options}) as server, closing(Plain(server.url)) as plain:
        yield plain, server.mock


def seen(plain: Plain, mock: InferenceExperimentMock) -> dict[str, Any]:
    """All that can be seen of a world, but for the time that passes by itself and the calls."""
    values = {path: plain.get(f"/_mock/{path}").values for path in ("experiments", "timelines")}
    values |= {
        operation: plain.call(operation, MaxResults=100).values
        for operation in ("ListModels", "ListEndpointConfigs", "ListEndpoints")
    }
    values["endpoints"] = [
        plain.call("DescribeEndpoint", EndpointName=endpoint["EndpointName"]).values
        for endpoint in values["ListEndpoints"]["Endpoints"]
    ]
    values["tags"] = [
        plain.call("ListTags", ResourceArn=experiment["Arn"]).values for experiment in values["experiments"]
    ]
    ahead = mock.clock.ahead
    return {**values, "clock": mock.now().isoformat() if ahead is None else ahead}


# --- a restart


ACTIONS = {
    "create": lambda plain, name: plain.call("CreateInferenceExperiment", **create(name)),
    "create for later": lambda plain, name: plain.call(
        "CreateInferenceExperiment", **create(name, Schedule={"StartTime": START.timestamp() + 3600})
    ),
    "start": lambda plain, name: plain.call("StartInferenceExperiment", Name=name),
    "update": lambda plain, name: plain.call("UpdateInferenceExperiment", Name=name, Description="longer\n"),
    "stop": lambda plain, name: plain.call("StopInferenceExperiment", **stop(name, Reason="Grüße")),
    "delete": lambda plain, name: plain.call("DeleteInferenceExperiment", Name=name),
    "tag": lambda plain, name: plain.call(
        "AddTags",
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{name}",
        Tags=[{"Key": "team", "Value": "ranking"}],
    ),
    "model": lambda plain, name: plain.call("CreateModel", **model(name)),
    "configure": lambda plain, name: plain.call("CreateEndpointConfig", **endpoint_config(name)),
    "deploy": lambda plain, name: plain.call(
        "CreateEndpoint", EndpointName=create(name)["EndpointName"], EndpointConfigName=name
    ),
    "pass a minute": lambda plain, _: plain.post("/_mock/clock", {"advance": 60}),
    "pass a day": lambda plain, _: plain.post("/_mock/clock", {"advance": 86400}),
    "run": lambda plain, name: plain.post("/_mock/clock", {"until": {"name": name, "status": "Running"}}),
    "fail": lambda plain, name: plain.post("/_mock/failures", {"experiment": name, "reason": "as arranged"}),
    "fail to deploy": lambda plain, name: plain.post(
        "/_mock/failures", {"endpoint": create(name)["EndpointName"], "reason": "as arranged"}
    ),
    "answer slowly": lambda plain, _: (
        plain.post("/_mock/faults", {"operation": "ListModels", "seconds": 30}),
        plain.call("ListModels"),
    ),
    "reset": lambda plain, _: plain.post("/_mock/reset", {}),
}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([STILL, None]),
    st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.sampled_from(["first", "second"])), max_size=20),
)
def test_whatever_happened_a_restart_keeps_it(clock, actions):
    """Experiments, endpoints, tags, failures and the clock, which stands still or runs on, are as they were."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        with world(path, clock=clock) as (plain, mock):
            for action, name in actions:
                ACTIONS[action](plain, name)
            plain.post("/_mock/clock", {"advance": 15})  # Nothing is due while a clock that runs on is looked at twice.
            before = seen(plain, mock)

        with world(path, clock=clock) as (plain, mock):
            assert seen(plain, mock) == before


def test_a_world_goes_on_after_a_restart(tmp_path):
    """What is kept can be changed, and is kept again; a list goes on where its page ended."""
    path = tmp_path / "journal"
    with world(path) as (plain, _):
        for name in ("first", "second"):
            plain.call("CreateInferenceExperiment", **create(name))
        page = plain.call("ListInferenceExperiments", MaxResults=1).values

    with world(path) as (plain, _):
        following = plain.call("ListInferenceExperiments", MaxResults=1, NextToken=page["NextToken"]).values
        plain.call("CreateInferenceExperiment", **create("third"))

    with world(path) as (plain, mock):
        assert [it["Name"] for it in following["InferenceExperiments"]] == ["first"]
        assert list(mock.experiments) == ["first", "second", "third"]


def test_only_changes_are_written(tmp_path):
    """Looking, and calls that are refused, take no place."""
    path = tmp_path / "journal"
    with world(path) as (plain, mock):
        plain.call("CreateInferenceExperiment", **create())
        before = path.read_bytes()

        plain.call("CreateInferenceExperiment", **create())
        plain.call("StartInferenceExperiment", Name="missing")
        seen(plain, mock)

        assert path.read_bytes() == before


# --- a kill


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_loses_at_most_the_last_unanswered_call(tmp_path, seed):
    """Whatever was answered is there; what was not may be there or not, whole or not at all."""
    path, answered, heard = tmp_path / "journal", [], Semaphore(0)

    def write(url: str) -> None:
        with closing(Plain(url)) as plain:
            for name in (f"experiment-{number}" for number in count()):
                try:
                    assert plain.call("CreateInferenceExperiment", **create(name)).status == 200
                except OSError:
                    return
                answered.append(name)
                heard.release()

    with served("--state", path, "--clock", STILL, "--durations", "realistic") as server:
        writer = Thread(target=write, args=(server.url,))
        writer.start()
        for _ in range(random.Random(seed).randint(1, 80)):  # noqa: S311 - no secret
            heard.acquire()
        server.end(signal.SIGKILL)
        writer.join()

    with world(path) as (_, mock):
        kept = list(mock.experiments)
    assert kept in (answered, [*answered, f"experiment-{len(answered)}"])


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A journal, and what was to be seen after each of its lines."""
    path = tmp_path_factory.mktemp("history") / "journal"
    story = ["create", "tag", "run", "update", "fail to deploy", "pass a day", "stop", "create", "reset", "create"]
    with world(path) as (plain, mock):
        worlds = {path.read_bytes().count(b"\n"): seen(plain, mock)}
        for action in story:
            ACTIONS[action](plain, NAME)
            worlds[path.read_bytes().count(b"\n")] = seen(plain, mock)
    return path.read_bytes(), worlds


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_the_world_before(history, data):
    """What is left of a line is no change; the next one is written in its place."""
    content, worlds = history
    length = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        path.write_bytes(content[:length])
        lines = max(content[:length].count(b"\n"), 1)

        with world(path) as (plain, mock):
            assert seen(plain, mock) == worlds[lines]
            plain.post("/_mock/clock", {"advance": 5})
            after = seen(plain, mock)

        with world(path) as (plain, mock):
            assert seen(plain, mock) == after


def test_a_change_that_cannot_be_written_is_refused_and_so_is_what_comes_after(tmp_path):
    """A full disk is an error to the caller, not a file that cannot be read again."""
    resource = pytest.importorskip("resource", reason="no limits on files here")
    path = tmp_path / "journal"
    with world(path) as (plain, _):
        plain.call("CreateInferenceExperiment", **create("first"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limits[1]))
        try:
            full = plain.call("CreateInferenceExperiment", **create("second"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        after = plain.call("StopInferenceExperiment", **stop("second"))

    assert [(answer.status, answer.code) for answer in (full, after)] == [(500, "InternalFailure")] * 2
    with world(path) as (_, mock):
        assert list(mock.experiments) == ["first"]


# --- files that cannot be used


def refused(path: Path, **options: Any) -> str:
    """Why a server does not take the file, which is left as it is."""
    before = path.read_bytes()
    with pytest.raises(JournalError, match=path.name) as error, serving(state=path, **{**OPTIONS, **options}):
        pass
    assert path.read_bytes() == before
    return str(error.value)


@pytest.fixture
def journal(tmp_path):
    """The journal of an experiment."""
    path = tmp_path / "world.journal"
    with world(path) as (plain, _):
        plain.call("CreateInferenceExperiment", **create())
    return path


@pytest.mark.parametrize(
    "option", [{"account_id": "111122223333"}, {"durations": Durations()}, {"strict": True}], ids=str
)
def test_another_worlds_file_is_refused(journal, option):
    """The same calls would not make the same world; with the right options they still do."""
    assert "another world" in refused(journal, **option)

    with world(journal) as (_, mock):
        assert list(mock.experiments) == [NAME]


def test_a_file_in_use_is_refused(journal):
    """One server at a time writes; afterwards the next one may."""
    with world(journal):
        assert "in use" in refused(journal)

    with world(journal) as (_, mock):
        assert list(mock.experiments) == [NAME]


@pytest.mark.parametrize(
    "content",
    [b"milk, eggs", b"milk\neggs\n", b"\n", b'{"milk": 2}\n', b"[]\n", b"5\n", b"\x89PNG\r\n\x1a\n\xff"],
    ids=str,
)
def test_a_file_that_is_no_journal_is_refused(tmp_path, content):
    """Nobody's file is cut or written to."""
    path = tmp_path / "shopping.txt"
    path.write_bytes(content)

    assert "no journal" in refused(path)


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
def test_a_change_that_cannot_be_repeated_is_an_error(journal, entry):
    """It names the line."""
    with journal.open("a") as file:
        file.write(f"{json.dumps(entry)}\n")

    assert "line 3" in refused(journal)
