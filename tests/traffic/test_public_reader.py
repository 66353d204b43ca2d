"""Readers of AWS's capture files that are public read ours as well. Each is told here in our own words, not copied."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.traffic.shared import BUCKET, DESTINATION, invoke, launch

QUESTIONS = ["Wieviel?", "Zwölf,\nod\u00e4 \u2028 mehr?", "Ende"]


def answer(request):
    """What a chat model says: JSON, whatever it was asked."""
    return {"choices": [], "usage": {"prompt_tokens": len(json.loads(request)["messages"][0]["content"])}}


def chat(runtime, clock):
    """Ask every question, half a minute apart; the requests are numbered."""
    for number, question in enumerate(QUESTIONS):
        body = json.dumps({"messages": [{"role": "user", "content": question}]}, ensure_ascii=False)
        invoke(runtime, body, ContentType="application/json", InferenceId=f"request-{number}")
        clock.advance(seconds=30)


def capture(sagemaker, **content_types):
    """Launch an experiment that captures all, with these content types listed."""
    storage = {"Destination": DESTINATION, **({"ContentType": content_types} if content_types else {})}
    launch(sagemaker, DataStorageConfig=storage)


# --- ai-dynamo/aiperf, src/aiperf/dataset/loader/sagemaker_data_capture.py: replays captured chats from a folder


def read_as_aiperf_does(folder):
    """The time in ms, messages and tokens of every record in every .jsonl below a folder, the oldest first."""
    traces = []
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            records = [json.loads(line) for line in map(str.strip, file) if line]
        assert all({"captureData", "eventMetadata"} <= record.keys() for record in records)
        for record in records:
            time = dt.datetime.fromisoformat(record["eventMetadata"]["inferenceTime"].replace("Z", "+00:00"))
            asked = payload(record["captureData"]["endpointInput"])
            answered = payload(record["captureData"].get("endpointOutput", {}))
            traces.append((time.timestamp() * 1000, asked["messages"], answered["usage"]["prompt_tokens"]))
    return sorted(traces, key=lambda trace: trace[0])


def payload(side):
    """JSON as it is or in base 64, which is assumed where nothing is said."""
    data = side["data"]
    return json.loads(data if side.get("encoding", "BASE64") == "JSON" else base64.b64decode(data))


@pytest.mark.parametrize("listed", [{"JsonContentTypes": ["application/json"]}, {}], ids=["as JSON", "in base 64"])
def test_aiperf_replays_what_was_asked(clock, sagemaker, runtime, tmp_path, listed):
    """Each question of each variant, at its time."""
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        for variant in (PRODUCTION, SHADOW):
            mock.serve(f"model-{variant}", answer)
        capture(sagemaker, **listed)
        chat(runtime, clock)

    traces = read_as_aiperf_does(tmp_path)

    began = START.timestamp() * 1000
    assert traces == [
        (began + 30_000 * number, [{"role": "user", "content": question}], len(question))
        for number, question in enumerate(QUESTIONS)
        for _ in (PRODUCTION, SHADOW)
    ]


# --- aws/amazon-sagemaker-examples, sagemaker_model_monitor/model_quality/model_quality_churn_sdk.ipynb: waits for the
# --- first captures of an endpoint, and looks whether they can be joined with the ground truth


def read_as_the_notebook_does(s3, prefix):
    """The records of the newest file of a prefix, which is the last of its keys when they are sorted."""
    keys = sorted(each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"])
    content = s3.get_object(Bucket=BUCKET, Key=keys[-1])["Body"].read().decode()
    return [json.loads(line) for line in content.split("\n")[:-1]]


def test_the_notebook_finds_the_newest_captures(clock, sagemaker, runtime, s3):
    """They are those of the last minute, each with the inferenceId by which ground truth is joined."""
    with mock_inference_experiment(clock=clock, s3=s3) as mock:
        mock.serve("model-prod", answer)
        capture(sagemaker, JsonContentTypes=["application/json"])
        chat(runtime, clock)

    (record,) = read_as_the_notebook_does(s3, f"traffic/{ENDPOINT}/{PRODUCTION}/")

    assert record["eventMetadata"]["inferenceId"] == "request-2"
    assert json.loads(record["captureData"]["endpointOutput"]["data"])["usage"] == {"prompt_tokens": 4}
