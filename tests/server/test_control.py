"""Control by HTTP: what each path below /_mock/ shows or does, and what it refuses."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from mock_sagemaker_ie import Durations
from tests.conftest import START
from tests.requests import NAME, create
from tests.server.plain import Plain

SVG = "{http://www.w3.org/2000/svg}"
DURATIONS = Durations.realistic()

pytestmark = pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=DURATIONS)


def after(duration: dt.timedelta) -> str:
    """The instant that comes so long after the start, as it is written."""
    return (START + duration).isoformat()


@pytest.fixture
def mock(sagemaker_ie_server):
    """The mock that is served."""
    return sagemaker_ie_server.mock


@pytest.fixture
def launched(plain):
    """An experiment that is being created."""
    assert plain.call("CreateInferenceExperiment", **create()).status == 200


# --- looking


def test_state_is_what_there_is_at_a_glance(plain, launched):
    """The time, each experiment as it stands and what comes next, and the calls."""
    plain.call("DescribeInferenceExperiment", Name="missing")

    state = plain.get("/_mock/state").values

    (experiment,) = state["experiments"]
    assert state["now"] == START.isoformat()
    assert {name: experiment[name] for name in ("name", "region", "account", "status", "percentage")} == {
        "name": NAME,
        "region": "us-east-1",
        "account": "123456789012",
        "status": "Creating",
        "percentage": 50,
    }
    assert [variant["name"] for variant in experiment["variants"]] == ["prod", "shadow"]
    assert experiment["next"] == {"status": "Starting", "at": after(DURATIONS.creating)}
    assert [call["operation"] for call in state["calls"]] == [
        "CreateInferenceExperiment",
        "DescribeInferenceExperiment",
    ]
    assert state["calls"][-1]["error"]["code"] == "ResourceNotFound"


def test_state_tells_of_the_latest_calls_and_how_many_there_were(plain):
    """A page is not sent every call again and again; `calls` has them all."""
    for number in range(250):
        plain.call("ListInferenceExperiments", NameContains=str(number))

    state, calls = plain.get("/_mock/state").values, plain.get("/_mock/calls").values

    assert state["call_count"] == len(calls) == 250
    assert state["calls"] == calls[-200:]


def test_calls_say_who_asked_for_what_and_when(plain, launched):
    """Params are the request's members; bytes are shown as text."""
    plain.send("POST", f"/endpoints/{create()['EndpointName']}/invocations", b"\xff text")

    created, invoked = plain.get("/_mock/calls").values

    assert created == {
        "operation": "CreateInferenceExperiment",
        "at": START.isoformat(),
        "region": "us-east-1",
        "account": "123456789012",
        "params": create(),
        "error": None,
    }
    assert invoked["params"]["Body"] == "\ufffd text"


def test_experiments_are_what_describe_says(plain, mock, launched):
    """Of every region; times are ISO strings."""
    (described,) = plain.get("/_mock/experiments").values

    assert described.keys() == mock.experiments[NAME].keys()
    assert described["CreationTime"] == START.isoformat()


def test_timelines_are_the_mocks(plain, mock, launched):
    """Each segment of each experiment, without a gap, the last one open."""
    (timeline,) = plain.get("/_mock/timelines").values

    segments = mock.timeline(NAME).segments
    assert [(it["status"], it["begin"], it["trigger"], it["variants"]) for it in timeline["segments"]] == [
        (it.status, it.begin.isoformat(), it.trigger, dict(it.variants)) for it in segments
    ]
    assert [it["end"] for it in timeline["segments"]] == [it["begin"] for it in timeline["segments"][1:]] + [None]


def test_a_timeline_is_a_picture(plain, launched):
    """It is an SVG that names the experiment."""
    answer = plain.get(f"/_mock/timeline.svg?name={NAME}&region=us-east-1&account=123456789012")

    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert NAME in ET.fromstring(answer.body).findtext(f"{SVG}title")  # noqa: S314 - our own


def test_the_root_is_a_page(plain):
    """HEAD says so too."""
    page, about = plain.get("/"), plain.send("HEAD", "/")

    assert page.headers["content-type"] == about.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")
    assert about.body == b""


def test_looking_sees_a_world_in_which_experiments_come_and_go(sagemaker_ie_server, plain):
    """What is deleted while somebody looks is no error."""

    def come_and_go() -> None:
        with closing(Plain(sagemaker_ie_server.url)) as busy:
            for name in (f"experiment-{number}" for number in range(40)):
                busy.call("CreateInferenceExperiment", **create(name))
                busy.post("/_mock/failures", {"experiment": name, "reason": "to be deleted"})
                assert busy.call("DeleteInferenceExperiment", Name=name).status == 200

    with ThreadPoolExecutor() as pool:
        work, looks = pool.submit(come_and_go), []
        while not work.done():
            looks += [plain.get(f"/_mock/{path}").status for path in ("state", "experiments", "timelines")]

    work.result()
    assert set(looks) == {200}


# --- steering


@pytest.mark.parametrize(
    ("move", "now"),
    [
        ({"advance": 90}, after(dt.timedelta(seconds=90))),
        ({"move_to": "2026-02-01T00:00:00Z"}, "2026-02-01T00:00:00+00:00"),
        ({"until": {"name": NAME, "status": "Starting"}}, after(DURATIONS.creating)),
    ],
    ids=lambda move: next(iter(move)) if isinstance(move, dict) else "",
)
def test_the_clock_is_moved(plain, launched, move, now):
    """By seconds, to an instant, or until an experiment reaches a status; the answer says what time it is."""
    assert plain.post("/_mock/clock", move).values == {"now": now}
    assert plain.get("/_mock/state").values["now"] == now


def test_an_error_is_arranged(plain):
    """The next calls of an operation fail as told, and later ones do not."""
    operation = "ListInferenceExperiments"
    fault = {"operation": operation, "error": "ThrottlingException", "message": "no", "times": 2, "status": 429}

    plain.post("/_mock/faults", fault)
    answers = [plain.call(operation) for _ in range(3)]

    assert [(answer.status, answer.code) for answer in answers] == [(429, "ThrottlingException")] * 2 + [(200, "")]
    assert answers[0].values["message"] == "no"


def test_a_delay_is_arranged(plain):
    """The next call takes so long on the mock's clock."""
    plain.post("/_mock/faults", {"operation": "ListInferenceExperiments", "seconds": 5})

    plain.call("ListInferenceExperiments")

    assert plain.get("/_mock/state").values["now"] == after(dt.timedelta(seconds=5))


@pytest.mark.parametrize("what", [{"experiment": NAME}, {"endpoint": create()["EndpointName"]}], ids=str)
def test_a_failure_is_arranged(plain, launched, what):
    """What the service is doing fails: the experiment is cancelled for the reason."""
    plain.post("/_mock/failures", {**what, "reason": "no capacity"})

    described = plain.call("DescribeInferenceExperiment", Name=NAME).values
    assert (described["Status"], described["StatusReason"]) == ("Cancelled", "no capacity")


def test_a_failure_is_arranged_in_another_region(plain, client):
    """Names are looked for in the region and account that are given."""
    client(region_name="eu-west-1", key="111122223333").create_inference_experiment(**create())

    plain.post(
        "/_mock/failures", {"experiment": NAME, "reason": "gone", "region": "eu-west-1", "account": "111122223333"}
    )

    assert plain.get("/_mock/state").values["experiments"][0]["status"] == "Cancelled"


def test_reset_forgets_everything(plain, mock, launched):
    """Experiments, calls and faults; the clock goes on."""
    mock.fail_next("ListInferenceExperiments", "ThrottlingException")
    mock.clock.advance(hours=1)

    plain.post("/_mock/reset", {})

    state = plain.get("/_mock/state").values
    assert (state["experiments"], state["calls"]) == ([], [])
    assert state["now"] == after(dt.timedelta(hours=1))
    assert plain.call("ListInferenceExperiments").status == 200


# --- what is refused


@pytest.mark.parametrize(
    ("path", "values", "status"),
    [
        ("clock", {}, 400),
        ("clock", [], 400),
        ("clock", {"advance": "soon"}, 400),
        ("clock", {"advance": -1}, 400),
        ("clock", {"advance": float("inf")}, 400),
        ("clock", {"advance": float("nan")}, 400),
        ("clock", {"advance": 1e12}, 400),
        ("clock", {"move_to": "2020-01-01T00:00:00Z"}, 400),
        ("clock", {"move_to": "tomorrow"}, 400),
        ("clock", {"move_to": 5}, 400),
        ("clock", {"until": "Running"}, 400),
        ("clock", {"until": {"name": NAME}}, 400),
        ("clock", {"until": {"name": NAME, "status": "Done"}}, 400),
        ("clock", {"until": {"name": NAME, "status": "Cancelled"}}, 400),
        ("clock", {"until": {"name": NAME, "status": "Running", "zone": "a"}}, 400),
        ("clock", {"until": {"name": "missing", "status": "Running"}}, 404),
        ("clock", {"until": {"name": NAME, "status": "Running", "region": "eu-west-1"}}, 404),
        ("faults", {}, 400),
        ("faults", {"operation": "ListModel", "error": "ThrottlingException"}, 400),
        ("faults", {"operation": "ListModels", "error": "Throttled"}, 400),
        ("faults", {"operation": "ListModels", "error": "ThrottlingException", "times": 0}, 400),
        ("faults", {"operation": "ListModels", "error": "ThrottlingException", "often": 1}, 400),
        ("faults", {"operation": "ListModels", "seconds": "long"}, 400),
        ("faults", {"operation": "ListModels", "seconds": -1}, 400),
        ("failures", {"reason": "no capacity"}, 400),
        ("failures", {"experiment": NAME}, 400),
        ("failures", {"experiment": NAME, "reason": ""}, 400),
        ("failures", {"experiment": NAME, "reason": "no capacity", "zone": "a"}, 400),
        ("failures", {"experiment": "missing", "reason": "no capacity"}, 404),
    ],
    ids=str,
)
def test_bad_values_are_refused_and_nothing_happens(plain, launched, path, values, status):
    """The answer is JSON that says what is wrong in words."""
    before = plain.get("/_mock/state").values

    answer = plain.post(f"/_mock/{path}", values)

    assert answer.status == status
    assert len(answer.values["error"].split()) > 2
    assert plain.get("/_mock/state").values == before
    assert plain.call("ListModels").status == 200


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "no UTF-8", "deep"])
def test_a_body_that_is_no_json_is_refused(plain, body):
    """The server stays up."""
    assert plain.send("POST", "/_mock/clock", body, content_type="application/json").status == 400
    assert plain.get("/_mock/state").status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_pages_of_other_origins_cannot_steer(plain, launched, content_type):
    """A browser sends these types for any page without asking, so they are refused."""
    answer = plain.send("POST", "/_mock/reset", b"{}", content_type=content_type)

    assert answer.status == 400
    assert "application/json" in answer.values["error"]
    assert len(plain.get("/_mock/state").values["experiments"]) == 1


@pytest.mark.parametrize(("method", "path", "takes"), [("GET", "reset", "POST"), ("POST", "state", "GET")])
def test_a_wrong_method_is_refused(plain, method, path, takes):
    """The answer says which one it takes."""
    answer = plain.send(method, f"/_mock/{path}", b"{}", content_type="application/json")

    assert answer.status == 405
    assert answer.values["error"].endswith(takes)


@pytest.mark.parametrize("path", ["/_mock/", "/_mock/unknown", "/_mock/../../etc/passwd", "/_mock/%2e%2e/cli.py"])
def test_an_unknown_path_is_refused(plain, path):
    """The answer says which ones there are."""
    answer = plain.get(path)

    assert answer.status == 404
    assert "/_mock/state" in answer.values["error"]


@pytest.mark.parametrize("query", ["", "?name=missing", f"?name={NAME}&region=eu-west-1"])
def test_a_picture_of_what_there_is_not_is_refused(plain, launched, query):
    """Names are looked for in the default region unless told."""
    assert plain.get(f"/_mock/timeline.svg{query}").status == 404
