"""POST /_mock/models: answers of models as JSON, for programs in other languages."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from botocore.exceptions import ClientError

from tests.requests import create
from tests.server.http_client import HTTPClient, server_in_thread

MODEL, ENDPOINT = "model-prod", create()["EndpointName"]
INVOKE = f"/endpoints/{ENDPOINT}/invocations"

pytestmark = pytest.mark.sagemaker_ie(unused_faults="ignore")


@pytest.fixture
def answer_with(http):
    """Return a function that gives the production model of an endpoint an answer."""
    assert http.call("CreateInferenceExperiment", **create()).status == 200

    def answer_with(**members):
        answer = http.post("/_mock/models", {"model": MODEL, **members})
        assert (answer.status, answer.values) == (200, {})

    return answer_with


@pytest.mark.parametrize(
    ("members", "body", "content_type"),
    [
        ({"body": {"score": 0.7}}, b'{"score": 0.7}', "application/json"),
        ({"body": [1, 2], "content_type": "application/x-list"}, b"[1, 2]", "application/x-list"),
        ({"body": 0}, b"0", "application/json"),
        ({"body": "0.7,Grüße"}, "0.7,Grüße".encode(), "text/csv"),
        ({"body": "", "content_type": "text/plain"}, b"", "text/plain"),
        ({"body": "AP8=", "encoding": "BASE64"}, b"\x00\xff", "text/csv"),
        ({"chunks": ["a", "", "b"]}, b"ab", "text/csv"),
        ({"body": "null", "content_type": None}, b"null", "text/csv"),
    ],
    ids=str,
)
def test_a_model_gives_the_same_answer_to_each_request(http, answer_with, members, body, content_type):
    """A string is sent as it is, in the type that the caller sent; any other value as JSON."""
    answer_with(**members)

    for _ in range(2):
        answer = http.send("POST", INVOKE, b"1,2", content_type="text/csv")
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, content_type)


def test_an_answer_has_a_latency_and_custom_attributes(http, answer_with, sagemaker_ie_server):
    """The latency is in the metrics, in seconds; the clock stays."""
    answer_with(body="ok", latency=0.25, custom_attributes="trace=7")

    answer = http.send("POST", INVOKE, b"1")

    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    latencies = [each.sum for each in sagemaker_ie_server.mock.metrics if each.name == "ModelLatency"]
    assert latencies[0] == 250_000


@pytest.mark.parametrize(("status", "message"), [(503, "busy"), (400, "busy"), (0, "")])
def test_a_container_answers_with_an_error(client, answer_with, status, message):
    """The caller gets ModelError with the status and the body; with status 0 the container is silent."""
    answer_with(body=message, status=status)

    with pytest.raises(ClientError) as caught:
        client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")

    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == status
    assert message in caught.value.response["OriginalMessage"]


def test_chunks_are_the_parts_of_a_stream(client, answer_with):
    """Each request gets all of them."""
    answer_with(chunks=["AP8=", "AQ=="], encoding="BASE64")
    runtime = client("sagemaker-runtime")

    for _ in range(2):
        answer = runtime.invoke_endpoint_with_response_stream(EndpointName=ENDPOINT, Body=b"1")
        assert [event["PayloadPart"]["Bytes"] for event in answer["Body"]] == [b"\x00\xff", b"\x01"]


def test_the_answers_can_be_read(http, answer_with, sagemaker_ie_server):
    """They are as they were sent. A handler in Python has its name. A later answer replaces an earlier one."""
    answer_with(body="old")
    answer_with(body={"score": 1}, latency=0.5)
    sagemaker_ie_server.mock.serve("model-shadow", json.loads)
    http.post("/_mock/models", {"model": "long", "body": "x" * 100_000})
    http.post("/_mock/models", {"model": "deep", "body": json.loads("[" * 100 + "]" * 100)})

    listed = http.get("/_mock/models").values
    (whole,) = http.get("/_mock/models?model=long").values["models"]

    assert listed["match_count"] == 4
    assert listed["models"][:2] == [
        {"model": MODEL, "body": {"score": 1}, "latency": 0.5},
        {"model": "model-shadow", "handler": "loads"},
    ]
    assert (len(listed["models"][2]["body"]), listed["models"][2]["whole"]) == (401, "/_mock/models?model=long")
    assert whole == {"model": "long", "body": "x" * 100_000}


def test_a_reset_keeps_the_answers(http, answer_with):
    """As it keeps the handlers of a test in Python."""
    answer_with(body="canned")

    http.post("/_mock/reset", {})

    assert http.call("CreateInferenceExperiment", **create()).status == 200
    assert http.send("POST", INVOKE, b"1").body == b"canned"


def test_a_restart_keeps_the_answers(tmp_path):
    """Also those before a reset, which makes the file smaller."""
    for number in range(3):
        with server_in_thread(state=tmp_path / "state") as server, closing(HTTPClient(server.url)) as http:
            if number == 0:
                http.post("/_mock/models", {"model": MODEL, "body": {"score": 0.7}, "custom_attributes": "v=1"})
            if number == 1:
                http.post("/_mock/reset", {})
            http.call("CreateInferenceExperiment", **create(f"test-{number}", EndpointName=f"endpoint-{number}"))
            answer = http.send("POST", f"/endpoints/endpoint-{number}/invocations", b"1")

            assert answer.values == {"score": 0.7}
            assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "v=1"
