"""The control API: what each path under /_mock/ returns, changes and refuses."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import RemoteDisconnected
from xml.etree import ElementTree as ET

import boto3
import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations
from tests.conftest import START
from tests.guardrails import ALARM, ALL_TRAFFIC, CANARY, OLD, serve_old, update
from tests.requests import ENDPOINT, NAME, create
from tests.server.http_client import HTTPClient

SVG = "{http://www.w3.org/2000/svg}"
DURATIONS = Durations.realistic()

pytestmark = pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=DURATIONS)


def after(duration: dt.timedelta) -> str:
    """Return START plus a duration as an ISO string."""
    return (START + duration).isoformat()


@pytest.fixture
def mock(sagemaker_ie_server):
    """The mock of the server."""
    return sagemaker_ie_server.mock


@pytest.fixture
def experiment(http):
    """An experiment in status Creating."""
    assert http.call("CreateInferenceExperiment", **create()).status == 200


# --- inspect


def test_state_shows_the_time_the_experiments_and_the_calls(http, experiment):
    """Each experiment has its present status and its next change of status."""
    http.call("DescribeInferenceExperiment", Name="missing")

    state = http.get("/_mock/state").values

    (shown,) = state["experiments"]
    assert state["now"] == START.isoformat()
    assert {name: shown[name] for name in ("name", "region", "account", "status", "percentage")} == {
        "name": NAME,
        "region": "us-east-1",
        "account": "123456789012",
        "status": "Creating",
        "percentage": 50,
    }
    assert [variant["name"] for variant in shown["variants"]] == ["prod", "shadow"]
    assert shown["next"] == {"status": "Running", "at": after(DURATIONS.creating)}
    assert [call["operation"] for call in state["calls"]] == [
        "CreateInferenceExperiment",
        "DescribeInferenceExperiment",
    ]
    assert state["calls"][-1]["error"]["code"] == "ResourceNotFound"


def test_state_shows_the_latest_calls_and_the_number_of_calls(http):
    """State contains the latest 200 calls; /_mock/calls contains all."""
    for number in range(250):
        http.call("ListInferenceExperiments", NameContains=str(number))

    state, calls = http.get("/_mock/state").values, http.get("/_mock/calls").values

    assert state["call_count"] == len(calls) == 250
    assert [call["params"] for call in state["calls"]] == [call["params"] for call in calls[-200:]]


def test_calls_show_operation_instant_scope_parameters_and_answer(http, experiment):
    """The parameters are the members of the request. Bytes become text."""
    http.send("POST", f"/endpoints/{create()['EndpointName']}/invocations", b"\xff text")

    created, invoked = http.get("/_mock/calls").values

    assert created == {
        "operation": "CreateInferenceExperiment",
        "at": START.isoformat(),
        "region": "us-east-1",
        "account": "123456789012",
        "params": create(),
        "error": None,
        "response": {"InferenceExperimentArn": f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"},
        "lost": None,
    }
    assert invoked["params"]["Body"] == "\ufffd text"


def test_experiments_have_the_members_of_describe(http, mock, experiment):
    """Times become ISO strings."""
    (described,) = http.get("/_mock/experiments").values

    assert described.keys() == mock.experiments[NAME].keys()
    assert described["CreationTime"] == START.isoformat()


def test_timelines_are_those_of_the_mock(http, mock, experiment):
    """They contain every segment without a gap. The last segment has no end."""
    (timeline,) = http.get("/_mock/timelines").values

    segments = mock.timeline(NAME).segments
    assert [(it["status"], it["begin"], it["trigger"], it["variants"]) for it in timeline["segments"]] == [
        (it.status, it.begin.isoformat(), it.trigger, dict(it.variants)) for it in segments
    ]
    assert [it["end"] for it in timeline["segments"]] == [it["begin"] for it in timeline["segments"][1:]] + [None]


def test_a_timeline_is_available_as_svg(http, experiment):
    """The image has the name of the experiment in its title."""
    answer = http.get(f"/_mock/timeline.svg?name={NAME}&region=us-east-1&account=123456789012")

    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert NAME in ET.fromstring(answer.body).findtext(f"{SVG}title")  # noqa: S314 - our own


def test_the_root_is_the_web_page(http):
    """GET returns the page, HEAD only its headers."""
    get, head = http.get("/"), http.send("HEAD", "/")

    assert get.headers["content-type"] == head.headers["content-type"] == "text/html; charset=utf-8"
    assert get.body.startswith(b"<!doctype html>")
    assert head.body == b""


def test_inspection_works_while_experiments_are_created_and_deleted(sagemaker_ie_server, http):
    """An experiment that is deleted during an inspection causes no error."""

    def create_and_delete() -> None:
        with closing(HTTPClient(sagemaker_ie_server.url)) as other:
            for name in (f"experiment-{number}" for number in range(40)):
                other.call("CreateInferenceExperiment", **create(name))
                other.post("/_mock/failures", {"experiment": name, "reason": "to be deleted"})
                assert other.call("DeleteInferenceExperiment", Name=name).status == 200

    with ThreadPoolExecutor() as pool:
        changes, statuses = pool.submit(create_and_delete), []
        while not changes.done():
            statuses += [http.get(f"/_mock/{path}").status for path in ("state", "experiments", "timelines")]

    changes.result()
    assert set(statuses) == {200}


# --- steer


@pytest.mark.parametrize(
    ("move", "now"),
    [
        ({"advance": 90}, after(dt.timedelta(seconds=90))),
        ({"move_to": "2026-02-01T00:00:00Z"}, "2026-02-01T00:00:00+00:00"),
        ({"until": {"name": NAME, "status": "Running"}}, after(DURATIONS.creating)),
    ],
    ids=lambda move: next(iter(move)) if isinstance(move, dict) else "",
)
def test_a_client_moves_the_clock(http, experiment, move, now):
    """The clock moves by seconds, to an instant, or until an experiment has a status. The answer has the new time."""
    assert http.post("/_mock/clock", move).values == {"now": now}
    assert http.get("/_mock/state").values["now"] == now


def test_a_client_arranges_an_error(http):
    """The next calls of the operation get the error, later ones do not."""
    operation = "ListInferenceExperiments"
    fault = {"operation": operation, "error": "ThrottlingException", "message": "no", "times": 2, "status": 429}

    http.post("/_mock/faults", fault)
    answers = [http.call(operation) for _ in range(3)]

    assert [(answer.status, answer.code) for answer in answers] == [(429, "ThrottlingException")] * 2 + [(200, "")]
    assert answers[0].values["message"] == "no"


def test_a_client_arranges_that_answers_are_lost(http, sagemaker_ie_server):
    """The service acts, and the caller gets the error, or no answer on its connection; the call shows what was lost."""
    for error in ("ServiceUnavailable", "ConnectionClosedError"):
        http.post("/_mock/faults", {"operation": "CreateInferenceExperiment", "error": error, "after": True})

    assert http.call("CreateInferenceExperiment", **create("first")).code == "ServiceUnavailable"
    with closing(HTTPClient(sagemaker_ie_server.url)) as other, pytest.raises(RemoteDisconnected):
        other.call("CreateInferenceExperiment", **create("second"))

    assert [each["Name"] for each in http.get("/_mock/experiments").values] == ["first", "second"]
    found = [(call["error"], call["lost"]["code"]) for call in http.get("/_mock/calls").values]
    assert found == [(None, "ServiceUnavailable"), (None, "ConnectionClosedError")]


def test_a_client_arranges_that_a_connection_is_closed(http, sagemaker_ie_server):
    """Without "after" the call has no effect."""
    http.post("/_mock/faults", {"operation": "CreateInferenceExperiment", "error": "ConnectionClosedError"})

    with closing(HTTPClient(sagemaker_ie_server.url)) as other, pytest.raises(RemoteDisconnected):
        other.call("CreateInferenceExperiment", **create())

    assert http.get("/_mock/experiments").values == []


def test_the_retries_of_an_sdk_meet_what_was_done(sagemaker_ie_server, http):
    """botocore sends a Create again when the server closes the connection; its caller gets ResourceInUse."""
    http.post(
        "/_mock/faults", {"operation": "CreateInferenceExperiment", "error": "ConnectionClosedError", "after": True}
    )

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    sagemaker = boto3.client("sagemaker", region_name="us-east-1", endpoint_url=sagemaker_ie_server.url, **keys)
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_inference_experiment(**create())


def test_a_client_arranges_a_delay(http):
    """The next call of the operation moves the clock by the delay."""
    http.post("/_mock/faults", {"operation": "ListInferenceExperiments", "seconds": 5})

    http.call("ListInferenceExperiments")

    assert http.get("/_mock/state").values["now"] == after(dt.timedelta(seconds=5))


def test_a_server_waits_for_the_whole_delay(http):
    """It does not know how long its client waits, so the clock moves by the whole delay and the call is answered."""
    http.post("/_mock/faults", {"operation": "ListInferenceExperiments", "seconds": 600})

    assert http.call("ListInferenceExperiments").status == 200

    assert http.get("/_mock/state").values["now"] == after(dt.timedelta(seconds=600))


@pytest.mark.parametrize("target", [{"experiment": NAME}, {"endpoint": create()["EndpointName"]}], ids=str)
def test_a_client_arranges_a_failure(http, experiment, target):
    """The experiment becomes Cancelled, and the reason is its StatusReason."""
    http.post("/_mock/failures", {**target, "reason": "no capacity"})

    described = http.call("DescribeInferenceExperiment", Name=NAME).values
    assert (described["Status"], described["StatusReason"]) == ("Cancelled", "no capacity")


def test_a_client_arranges_a_failure_in_another_region(http, client):
    """The experiment with the name in the given region and account fails."""
    client(region_name="eu-west-1", key="111122223333").create_inference_experiment(**create())

    http.post(
        "/_mock/failures", {"experiment": NAME, "reason": "gone", "region": "eu-west-1", "account": "111122223333"}
    )

    assert http.get("/_mock/state").values["experiments"][0]["status"] == "Cancelled"


def test_a_client_sets_an_alarm_that_rolls_a_deployment_back(http, client):
    """The deployment that watches the alarm ends on the first configuration, with the alarm in its FailureReason."""
    sagemaker = client()
    serve_old(sagemaker)
    http.post("/_mock/clock", {"advance": 3600})
    update(sagemaker, CANARY)
    http.post("/_mock/clock", {"advance": 180})

    http.post("/_mock/alarms", {"name": ALARM, "state": "ALARM"})
    http.post("/_mock/clock", {"advance": 3600})

    described = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", OLD)
    assert ALARM in described["FailureReason"]


def test_a_client_scales_a_variant(http, client):
    """It is no call of the code under test."""
    sagemaker = client()
    serve_old(sagemaker)
    http.post("/_mock/clock", {"advance": 3600})
    before = len(http.get("/_mock/calls").values)

    http.post("/_mock/scale", {"endpoint": ENDPOINT, "variant": ALL_TRAFFIC, "count": 5, "region": "us-east-1"})

    assert len(http.get("/_mock/calls").values) == before
    http.post("/_mock/clock", {"advance": 3600})
    (variant,) = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 5


def test_reset_deletes_all_state(http, mock, experiment):
    """Experiments, calls and faults are deleted; the clock does not change."""
    mock.fail_next("ListInferenceExperiments", "ThrottlingException")
    mock.clock.advance(hours=1)

    http.post("/_mock/reset", {})

    state = http.get("/_mock/state").values
    assert (state["experiments"], state["calls"]) == ([], [])
    assert state["now"] == after(dt.timedelta(hours=1))
    assert http.call("ListInferenceExperiments").status == 200


# --- refusals


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
        ("faults", {"operation": "ListModels", "error": "ThrottlingException", "after": True}, 400),
        ("faults", {"operation": "ListModels", "error": "InternalFailure", "after": "yes"}, 400),
        ("faults", {"operation": "ListModels", "error": "ReadTimeoutError", "after": True}, 400),
        ("faults", {"operation": "ListModels", "seconds": 1, "after": True}, 400),
        ("faults", {"operation": "ListModels", "seconds": "long"}, 400),
        ("faults", {"operation": "ListModels", "seconds": -1}, 400),
        ("failures", {"reason": "no capacity"}, 400),
        ("failures", {"experiment": NAME}, 400),
        ("failures", {"experiment": NAME, "reason": ""}, 400),
        ("failures", {"experiment": NAME, "reason": "no capacity", "zone": "a"}, 400),
        ("failures", {"experiment": "missing", "reason": "no capacity"}, 404),
        ("failures", {"endpoint": "new", "reason": "no capacity", "region": 5}, 400),
        ("failures", {"endpoint": "new", "reason": "no capacity", "account": "mine"}, 400),
        ("alarms", {"name": "errors"}, 400),
        ("alarms", {"name": ["errors"], "state": "ALARM"}, 400),
        ("alarms", {"name": "errors", "state": "RED"}, 400),
        ("alarms", {"name": "errors", "state": "ALARM", "zone": "a"}, 400),
        ("scale", {"endpoint": create()["EndpointName"], "variant": "prod"}, 400),
        ("scale", {"endpoint": create()["EndpointName"], "variant": "prod", "count": -1}, 400),
        ("scale", {"endpoint": create()["EndpointName"], "variant": "prod", "count": "many"}, 400),
        ("scale", {"endpoint": {}, "variant": "prod", "count": 2}, 400),
        ("scale", {"endpoint": "missing", "variant": "prod", "count": 2}, 404),
        ("models", {}, 400),
        ("models", {"model": "no name!", "body": 1}, 400),
        ("models", {"model": 5, "body": 1}, 400),
        ("models", {"model": "m"}, 400),
        ("models", {"model": "m", "body": None}, 400),
        ("models", {"model": "m", "body": 1, "chunks": []}, 400),
        ("models", {"model": "m", "body": [float("nan")]}, 400),
        ("models", {"model": "m", "body": json.loads("[" * 101 + "]" * 101)}, 400),
        ("models", {"model": "m", "body": "\ud800"}, 400),
        ("models", {"model": "m", "body": "no base64", "encoding": "BASE64"}, 400),
        ("models", {"model": "m", "body": {}, "encoding": "BASE64"}, 400),
        ("models", {"model": "m", "body": 1, "encoding": "gzip"}, 400),
        ("models", {"model": "m", "body": 1, "status": 302}, 400),
        ("models", {"model": "m", "body": 1, "latency": -1}, 400),
        ("models", {"model": "m", "body": 1, "latency": float("inf")}, 400),
        ("models", {"model": "m", "body": 1, "content_type": "a\nb"}, 400),
        ("models", {"model": "m", "body": 1, "custom_attributes": 5}, 400),
        ("models", {"model": "m", "body": 1, "delay": 1}, 400),
        ("models", {"model": "m", "chunks": "abc"}, 400),
        ("models", {"model": "m", "chunks": ["a", 1]}, 400),
    ],
    ids=str,
)
def test_bad_values_are_refused_without_any_effect(http, experiment, path, values, status):
    """The answer is JSON with a message in words."""
    before = http.get("/_mock/state").values

    answer = http.post(f"/_mock/{path}", values)

    assert answer.status == status
    assert len(answer.values["error"].split()) > 2
    assert http.get("/_mock/state").values == before
    assert http.get("/_mock/models").values["models"] == []
    assert http.call("ListModels").status == 200


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000], ids=["incomplete", "not UTF-8", "too deep"])
def test_a_body_that_is_not_json_is_refused(http, body):
    """The server answers the next request."""
    assert http.send("POST", "/_mock/clock", body, content_type="application/json").status == 400
    assert http.get("/_mock/state").status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_pages_of_other_origins_cannot_steer_the_mock(http, experiment, content_type):
    """A browser sends these content types for any page without a preflight request, so the server refuses them."""
    answer = http.send("POST", "/_mock/reset", b"{}", content_type=content_type)

    assert answer.status == 400
    assert "send the header 'Content-Type: application/json'" in answer.values["error"]
    assert len(http.get("/_mock/state").values["experiments"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "reset", "POST"), ("POST", "state", "GET"), ("DELETE", "models", "GET or POST")],
)
def test_a_wrong_method_is_refused(http, method, path, expected):
    """The message contains the right method."""
    answer = http.send(method, f"/_mock/{path}", b"{}", content_type="application/json")

    assert answer.status == 405
    assert answer.values["error"].endswith(expected)


@pytest.mark.parametrize("path", ["/_mock/", "/_mock/unknown", "/_mock/../../etc/passwd", "/_mock/%2e%2e/cli.py"])
def test_an_unknown_path_is_refused(http, path):
    """The message contains the known paths."""
    answer = http.get(path)

    assert answer.status == 404
    assert "/_mock/state" in answer.values["error"]


@pytest.mark.parametrize("query", ["", "?name=missing", f"?name={NAME}&region=eu-west-1"])
def test_a_timeline_of_an_unknown_experiment_is_refused(http, experiment, query):
    """An experiment is unknown in regions other than its own."""
    assert http.get(f"/_mock/timeline.svg{query}").status == 404
