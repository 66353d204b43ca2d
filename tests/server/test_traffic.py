"""What the server shows of traffic: captures, metrics and events, each with its bounds and filters."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.documents import plain
from tests.conftest import START
from tests.requests import CAPTURED, NAME, create

if TYPE_CHECKING:
    from tests.server.http_client import Answer


pytestmark = pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic())


@pytest.fixture
def mock(sagemaker_ie_server):
    """The mock of the server."""
    return sagemaker_ie_server.mock


@pytest.fixture
def listed(http):
    """Return a function that gets a list of the control API, with these filters: `listed("captures", offset=1)`."""

    def listed(path, **filters):
        return http.get(f"/_mock/{path}?{urlencode(filters)}").values

    return listed


@pytest.fixture
def running(http):
    """Return a function that creates experiments that run, and invokes the endpoint of each with these bodies."""

    def running(*names: str, bodies: list[bytes]) -> list[Answer]:
        for name in names:
            assert http.call("CreateInferenceExperiment", **create(name, **CAPTURED)).status == 200
            http.post("/_mock/clock", {"until": {"name": name, "status": "Running"}})
        paths = [f"/endpoints/{create(name)['EndpointName']}/invocations" for name in names]
        return [http.send("POST", path, body, content_type="text/csv") for path in paths for body in bodies]

    return running


def as_json(value):
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value, default=plain))


def size(document):
    """Return the bytes of a document in an answer."""
    return len(json.dumps(document, separators=(",", ":")))


# --- the same as in Python


def test_captures_are_those_of_the_mock(listed, mock, running):
    """Each has the attributes of a Capture. Filters select an endpoint and a variant."""
    running("first", "second", bodies=[b"1", b"2"])

    captures = listed("captures")

    assert captures == {"captures": as_json([vars(each) for each in mock.captures]), "match_count": 6}
    of_one = listed("captures", endpoint=create("second")["EndpointName"], variant="prod")["captures"]
    assert [each["record"]["captureData"]["endpointInput"]["data"] for each in of_one] == ["1", "2"]
    assert {(each["endpoint"], each["variant"]) for each in of_one} == {(create("second")["EndpointName"], "prod")}


def test_metrics_are_those_of_the_mock(http, listed, mock, running):
    """Each datapoint has the attributes of a Datapoint. With endpoint_config they come from metrics.by_config."""
    running(NAME, bodies=[b"1", b"2"])
    http.post("/_mock/clock", {"advance": 60})
    http.send("POST", f"/endpoints/{create()['EndpointName']}/invocations", b"3")

    metrics = listed("metrics")

    expected = [{**asdict(each), "average": each.average} for each in mock.metrics]
    assert metrics == {"metrics": as_json(expected), "match_count": len(expected)}
    invocations = listed("metrics", name="Invocations", variant="prod")["metrics"]
    assert [(each["timestamp"], each["sum"]) for each in invocations] == [
        ("2026-01-01T09:06:00+00:00", 2),
        ("2026-01-01T09:07:00+00:00", 1),
    ]
    config = mock.metrics.by_config[0].endpoint_config
    of_config = listed("metrics", name="Invocations", endpoint_config=config)["metrics"]
    assert [each["endpoint_config"] for each in of_config] == [config] * 3


def test_events_are_those_of_the_mock(http, listed, mock, running, client):
    """They are as EventBridge has them. Filters select an endpoint, a region and an account."""
    running(NAME, bodies=[])
    client(region_name="eu-west-1", key="111122223333").create_inference_experiment(**create())

    events = listed("events")

    assert events == {"events": as_json(list(mock.events)), "match_count": len(mock.events)}
    elsewhere = listed("events", region="eu-west-1", account="111122223333", endpoint=create()["EndpointName"])
    assert [each["detail"]["EndpointStatus"] for each in elsewhere["events"]] == ["CREATING"]
    assert listed("events", region="eu-west-1", account="123456789012")["events"] == []


# --- bounds


@pytest.mark.parametrize(
    ("path", "limit"), [("captures", limits.CAPTURES), ("events", limits.EVENTS), ("metrics", limits.METRICS)]
)
def test_a_list_has_the_newest_items_and_offset_selects_older_ones(listed, running, http, path, limit):
    """The pages add up to all items, oldest first."""
    for number in range(60):
        running(f"test-{number}", bodies=[b"1"] * 2)

    first = listed(path)
    pages = [listed(path, offset=offset)[path] for offset in range(0, first["match_count"] + limit.value, limit.value)]

    assert first["match_count"] > limit.value
    assert (len(first[path]), pages[0]) == (limit.value, first[path])
    assert (sum(map(len, pages)), pages[-1]) == (first["match_count"], [])
    instants = [each.get("at") or each.get("time") or each["timestamp"] for page in pages[::-1] for each in page]
    assert instants == sorted(instants)


@pytest.mark.parametrize(
    "body", [b"x" * 100_000, b"\xff" * 100_000, "😀".encode() * 25_000], ids=["text", "bytes", "wide"]
)
def test_a_long_capture_is_shortened_and_has_the_path_of_all_of_it(http, listed, running, body):
    """Its metadata and the beginnings of its bodies stay."""
    running(NAME, bodies=[b"short", body])  # Every second request is copied.

    short, long, copied = listed("captures")["captures"]

    assert size(long) <= limits.ITEM_SIZE.value + len(long["whole"]) + 20
    assert long["record"]["captureData"]["endpointOutput"]["data"].endswith("…")
    (whole,) = http.get(long.pop("whole")).values["captures"]
    assert len(whole["record"]["captureData"]["endpointInput"]["data"]) >= 25_000
    assert {**whole, "record": None} == {**long, "record": None}
    assert whole["record"]["eventMetadata"] == long["record"]["eventMetadata"]
    assert http.get(copied["whole"]).values["captures"][0]["variant"] == "shadow"
    assert "whole" not in short


def test_a_long_event_is_shortened_and_has_the_path_of_all_of_it(http, listed, mock):
    """For example one with many long tags."""
    tags = [{"Key": f"key-{number}", "Value": "v" * 256} for number in range(50)]
    http.call("CreateEndpoint", EndpointName="tagged", EndpointConfigName="missing", Tags=tags)
    http.call("CreateInferenceExperiment", **create())
    http.call(
        "AddTags",
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{create()['EndpointName']}",
        Tags=tags,
    )
    http.post("/_mock/clock", {"until": {"name": NAME, "status": "Running"}})

    event = listed("events")["events"][-1]

    assert size(event) <= limits.ITEM_SIZE.value + len(event["whole"]) + 20
    assert http.get(event["whole"]).values == {"events": as_json([mock.events[-1]]), "match_count": 1}


@pytest.mark.parametrize(
    "path", ["captures?offset=-1", "metrics?offset=x", "events?zone=a", "captures?region=eu-west-1"]
)
def test_an_unknown_filter_is_refused(http, path):
    """The message has the name, and what is known or expected."""
    answer = http.get(f"/_mock/{path}")

    assert answer.status == 400
    assert "known: " in answer.values["error"] or "expected a number" in answer.values["error"]
