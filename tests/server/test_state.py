"""GET /_mock/state: what it costs to poll it, and what its answers leave out."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
from contextlib import closing

import pytest

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.server.documents import plain
from mock_sagemaker_ie.server.state import State
from tests.conftest import START
from tests.requests import CAPTURED, NAME, create, model, stop
from tests.server.http_client import HTTPClient, server_in_thread

INVOKE = f"/endpoints/{create()['EndpointName']}/invocations"
LONG = 100 * 1024

pytestmark = pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic())


@pytest.fixture
def state(http):
    """Return a function that gets the state, with these arguments in the query."""

    def state(**query):
        return http.get("/_mock/state?" + "&".join(f"{name}={value}" for name, value in query.items())).values

    return state


@pytest.fixture
def launch(http):
    """Return a function that creates experiments with these names."""

    def launch(*names):
        for name in names:
            assert http.call("CreateInferenceExperiment", **create(name)).status == 200

    return launch


# --- shortened calls


@pytest.mark.parametrize(
    "call",
    [
        lambda http: http.send("POST", INVOKE, b"x" * LONG),
        lambda http: http.send("POST", INVOKE, random.Random(1).randbytes(LONG)),  # noqa: S311 - no secret
        lambda http: http.send("POST", INVOKE, "\x00é東😀".encode() * (LONG // 10), content_type="a" * 1024),
        lambda http: http.call("DescribeInferenceExperiment", Name="\x00é東😀" * (LONG // 10)),
        lambda http: http.call("ListTags", ResourceArn="x" * LONG),
        lambda http: http.call("AddTags", ResourceArn="x", Tags=[{"Key": "k" * 30, "Value": "v" * 30}] * 2000),
        lambda http: http.call(
            "CreateModel", ModelName="m", PrimaryContainer={"Environment": {"k" * LONG: "v" * LONG}}
        ),
    ],
    ids=["body", "binary body", "wide body", "error", "long error", "many items", "long key"],
)
def test_two_hundred_long_calls_make_a_state_of_100_kilobytes(http, state, call):
    """Bodies, params and messages of errors are shortened; the rest of each call stays as it is.

    So are the captures of the calls, and the events.
    """
    http.call("CreateInferenceExperiment", **create(**CAPTURED))
    http.post("/_mock/clock", {"until": {"name": NAME, "status": "Running"}})
    for _ in range(200):
        call(http)

    size, shown = len(http.get("/_mock/state").body), state()["calls"]

    assert size <= 100_000
    assert len(shown) == 200
    (whole,) = http.get(shown[-1]["whole"]).values
    assert len(json.dumps(whole)) > LONG / 2
    for name in ("operation", "at", "region", "account"):
        assert shown[-1][name] == whole[name]
    assert (shown[-1]["error"] is None) == (whole["error"] is None)


def test_a_shortened_call_has_the_beginnings_of_its_params(http, state):
    """A cut text ends in an ellipsis, and params without space are left out."""
    http.call("DescribeInferenceExperiment", Name="abc" * 1000)

    (call,) = state()["calls"]

    assert call["params"] == {"Name": ("abc" * 1000)[:40] + "…"}
    assert call["error"]["code"] == "ValidationException"
    assert call["error"]["message"].startswith("2 validation errors detected: Value 'abc")
    assert http.get(call["whole"]).values[0]["params"] == {"Name": "abc" * 1000}


def test_a_short_call_is_complete_without_its_answer(http, state):
    """Its path leads to the whole call."""
    http.call("ListModels", NameContains="ranker")

    (call,) = state()["calls"]
    (whole,) = http.get(call.pop("whole")).values
    assert http.get("/_mock/calls").values == [whole]
    assert whole == {**call, "response": {"Models": []}}


@pytest.mark.parametrize(
    ("version", "status"), [("0", 404), ("99999999999999999", 404), ("-1", 400), ("x", 400), ("9" * 5000, 400)]
)
def test_a_whole_call_with_another_version_is_refused(http, version, status):
    """The answer is an error in words."""
    answer = http.get(f"/_mock/calls?version={version}")

    assert answer.status == status
    assert "version" in answer.values["error"]


# --- traffic


def test_the_state_has_the_traffic_of_each_variant(http, state, launch):
    """The number of invocations of each variant of the experiments' endpoints; None after a version with the same."""
    launch(NAME)
    http.post("/_mock/clock", {"until": {"name": NAME, "status": "Running"}})
    before = state()
    for _ in range(4):
        http.send("POST", INVOKE, b"1")

    after = state(since=before["version"])

    assert before["traffic"] == {}
    assert after["traffic"] == {create()["EndpointName"]: {"prod": 4, "shadow": 2}}
    assert state(since=after["version"])["traffic"] is None


def test_the_state_has_the_metrics_of_the_variants_that_were_invoked_last(http, state, launch):
    """The last one comes first; None after a version with the same. ModelLatency is the average."""
    http.post("/_mock/models", {"model": "model-prod", "body": "no", "status": 500, "latency": 0.5})
    http.post("/_mock/models", {"model": "model-shadow", "body": 1, "latency": 0.25})
    for name in ("first", "second"):
        launch(name)
        http.post("/_mock/clock", {"until": {"name": name, "status": "Running"}})
        for _ in range(2):
            http.send("POST", f"/endpoints/{create(name)['EndpointName']}/invocations", b"1")

    shown = state()

    def row(name, variant, *values):
        names = ("endpoint", "variant", "Invocations", "InvocationModelErrors", "ModelLatency")
        return dict(zip(names, (create(name)["EndpointName"], variant, *values), strict=True))

    assert shown["metrics"] == [
        row(name, *of_variant)
        for name in ("second", "first")
        for of_variant in (("prod", 2, 2, 500_000), ("shadow", 1, 0, 250_000))
    ]
    assert shown["metric_count"] == 4
    assert state(since=shown["version"])["metrics"] is None
    http.post("/_mock/reset", {})
    assert state(since=shown["version"])["metrics"] == []


def test_the_state_has_the_latest_captures_and_events(http, state):
    """They come once, and lead to all of each; a reset leaves none."""
    http.call("CreateInferenceExperiment", **create(**CAPTURED))
    http.post("/_mock/clock", {"until": {"name": NAME, "status": "Running"}})
    before = state()
    for number in range(30):
        http.send("POST", INVOKE, b"%d" % number, content_type="text/csv")

    after = state(since=before["version"])

    assert ([each["status"] for each in before["events"]], after["events"]) == (["CREATING", "IN_SERVICE"], [])
    assert (len(after["captures"]), after["capture_count"], after["event_count"]) == (20, 45, 2)
    last = after["captures"][-1]
    assert {name: last[name] for name in ("endpoint", "variant", "at", "input", "output")} == {
        "endpoint": create()["EndpointName"],
        "variant": "shadow",
        "at": "2026-01-01T09:06:00+00:00",
        "input": "29",
        "output": "29",
    }
    (whole,) = http.get(last["whole"]).values["captures"]
    assert whole["record"]["captureData"]["endpointOutput"]["data"] == "29"
    (event,) = http.get(before["events"][-1]["whole"]).values["events"]
    assert event["detail"]["EndpointStatus"] == "IN_SERVICE"
    assert state(since=after["version"])["captures"] == []
    http.post("/_mock/reset", {})
    reset = state(since=after["version"])
    assert [reset[name] for name in ("captures", "capture_count", "events", "event_count")] == [[], 0, [], 0]


# --- only what changed


def test_a_poll_after_nothing_has_changed_is_small(http, state, launch):
    """The version stays, and no experiment and no call comes again."""
    launch(*(f"experiment-{number}" for number in range(100)))
    version = state()["version"]

    changes = state(since=version)

    assert (changes["version"], changes["experiments"], changes["calls"], changes["page"]) == (version, [], [], None)
    assert (changes["experiment_count"], changes["call_count"]) == (100, 100)
    assert len(http.get(f"/_mock/state?since={version}").body) < 500


def test_a_poll_has_only_what_changed(http, state, launch):
    """One experiment that changed, one that was created, and the calls since."""
    launch("first", "second", "third")
    version = state()["version"]

    http.post("/_mock/failures", {"experiment": "second", "reason": "no capacity"})
    launch("fourth")
    changes = state(since=version)

    assert [(each["name"], each["status"]) for each in changes["experiments"]] == [
        ("second", "Cancelled"),
        ("fourth", "Creating"),
    ]
    assert [call["params"]["Name"] for call in changes["calls"]] == ["fourth"]
    assert [key.rpartition("/")[2] for key in changes["page"]] == ["first", "second", "third", "fourth"]
    assert state(since=changes["version"])["experiments"] == []


def test_time_that_passes_is_a_change_of_the_experiments_that_it_changes(http, state, launch):
    """`next_change` is the instant of the next one, also of an experiment that the filter leaves out."""
    launch("first")
    http.post("/_mock/clock", {"advance": 60})
    launch("second")
    first = state(filter="second")

    assert first["next_change"] == "2026-01-01T09:06:00+00:00"
    http.post("/_mock/clock", {"move_to": first["next_change"]})
    changes = state(since=first["version"])

    assert {each["name"]: each["status"] for each in state()["experiments"]} == {
        "first": "Running",
        "second": "Creating",
    }
    assert changes["next_change"] == "2026-01-01T09:07:00+00:00"


def test_a_reset_is_a_change(http, state, launch):
    """The numbers of experiments and calls tell the client what to drop."""
    launch("first", "second")
    version = state()["version"]

    http.post("/_mock/reset", {})
    launch("third")
    changes = state(since=version)

    assert [each["name"] for each in changes["experiments"]] == ["third"]
    assert (changes["experiment_count"], changes["call_count"], len(changes["calls"])) == (1, 1, 1)
    assert len(changes["page"]) == 1


def test_the_version_of_another_server_counts_as_none(http, state, launch):
    """After a restart a page gets everything."""
    launch("first")
    with server_in_thread() as other, closing(HTTPClient(other.url)) as client:
        client.call("ListModels")
        foreign = client.get("/_mock/state").values["version"]

    assert len(state(since=foreign)["experiments"]) == 1
    assert len(state(since=0)["experiments"]) == 1


@pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic(), unused_faults="ignore")
@pytest.mark.parametrize("seed", range(5))
def test_the_changes_of_a_history_add_up_to_the_whole_state(http, state, sagemaker_ie_server, seed):
    """A client that polls the changes has at each step what a client gets that asks for everything."""
    chance, mock, shown, version = random.Random(seed), sagemaker_ie_server.mock, {}, 0  # noqa: S311 - no secret
    events = []
    names = [f"experiment-{number}" for number in range(4)]
    minute = dt.timedelta(minutes=1)
    steps = [
        lambda name: http.call("CreateInferenceExperiment", **{**create(name), "EndpointName": f"endpoint-{name}"}),
        lambda name: http.call("UpdateInferenceExperiment", Name=name, Description=str(chance.random())),
        lambda name: http.call("StopInferenceExperiment", Name=name, ModelVariantActions=stop()["ModelVariantActions"]),
        lambda name: http.call("DeleteInferenceExperiment", Name=name),
        lambda name: http.call("CreateModel", **model("model-prod")),
        lambda name: http.call("DeleteModel", ModelName="model-prod"),
        lambda name: http.post("/_mock/failures", {"experiment": name, "reason": "no capacity"}),
        lambda name: http.post("/_mock/failures", {"endpoint": f"endpoint-{name}", "reason": "no capacity"}),
        lambda name: mock.fail_experiment(name, "later", at=mock.now() + minute),
        lambda name: http.post("/_mock/clock", {"advance": chance.choice([1, 360, 3600, 86400])}),
        lambda name: http.post("/_mock/reset", {}) if chance.random() < 0.1 else None,
    ]
    for _ in range(100):
        with contextlib.suppress(LookupError, ValueError):
            chance.choice(steps)(chance.choice(names))

        changes = state(since=version)
        version = changes["version"]
        shown |= {each["name"]: each for each in changes["experiments"]}
        if changes["page"] is not None:
            shown = {key.rpartition("/")[2]: shown[key.rpartition("/")[2]] for key in changes["page"]}
        fresh = json.loads(json.dumps(State(sagemaker_ie_server.http.application.service).changes(), default=plain))
        assert list(shown.values()) == fresh["experiments"]
        assert (changes["next_change"], changes["call_count"]) == (fresh["next_change"], fresh["call_count"])
        assert changes["event_count"] == fresh["event_count"]
        events = [*events, *changes["events"]][-min(fresh["event_count"], 20) or 1000 :]
        assert events == fresh["events"]


# --- pages


def test_the_state_has_a_page_of_experiments(state, launch):
    """The newest hundred, in the order of creation; `offset` selects older ones."""
    launch(*(f"experiment-{number}" for number in range(250)))

    pages = [[each["name"] for each in state(offset=offset)["experiments"]] for offset in (0, 100, 200, 300)]

    assert [len(page) for page in pages] == [100, 100, 50, 0]
    assert [*pages[2], *pages[1], *pages[0]] == [f"experiment-{number}" for number in range(250)]
    assert state()["experiment_count"] == state()["match_count"] == 250


def test_the_filter_searches_all_experiments(http, state, client, launch):
    """Words of name, status, region and account, in any case."""
    launch(*(f"experiment-{number}" for number in range(150)))
    client(region_name="eu-west-1", key="111122223333").create_inference_experiment(**create())
    http.post("/_mock/failures", {"experiment": "experiment-3", "reason": "no capacity"})

    found = {
        words: [each["name"] for each in state(filter=words.replace(" ", "%20"))["experiments"]]
        for words in ("-3 cancelled", "EU-WEST 1111", "nothing")
    }

    assert found == {"-3 cancelled": ["experiment-3"], "EU-WEST 1111": [NAME], "nothing": []}
    assert state(filter="experiment-1")["match_count"] == 61


@pytest.mark.parametrize("query", ["since=-1", "since=x", "offset=-5", "offset=1.5", "since=", "offset=" + "9" * 5000])
def test_a_number_that_is_none_is_refused(http, query):
    """The message contains the name of the argument."""
    answer = http.get(f"/_mock/state?{query}")

    assert answer.status == 400
    assert query.partition("=")[0] in answer.values["error"]
