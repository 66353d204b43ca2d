"""Public programs that read AWS's capture files can also read ours; each is reimplemented here and not copied."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.traffic.shared import BUCKET, DESTINATION, create_experiment, invoke

QUESTIONS = ["Wieviel?", "Zwölf,\nod\u00e4 \u2028 mehr?", "Ende"]


def answer(request):
    """Answer as a chat model does, in JSON."""
    return {"choices": [], "usage": {"prompt_tokens": len(json.loads(request)["messages"][0]["content"])}}


def chat(runtime, clock):
    """Send every question in a numbered request, 30 seconds apart."""
    for number, question in enumerate(QUESTIONS):
        body = json.dumps({"messages": [{"role": "user", "content": question}]}, ensure_ascii=False)
        invoke(runtime, body, ContentType="application/json", InferenceId=f"request-{number}")
        clock.advance(seconds=30)


def create_capturing_experiment(sagemaker, **content_types):
    """Create an experiment that captures every request, with these content types listed."""
    storage = {"Destination": DESTINATION, **({"ContentType": content_types} if content_types else {})}
    create_experiment(sagemaker, DataStorageConfig=storage)


# --- ai-dynamo/aiperf, src/aiperf/dataset/loader/sagemaker_data_capture.py: replays captured chats from a folder


def read_like_aiperf(folder):
    """Return the time in milliseconds, the messages and the tokens of each record in a folder, sorted by time."""
    traces = []
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            records = [json.loads(line) for line in map(str.strip, file) if line]
        assert all({"captureData", "eventMetadata"} <= record.keys() for record in records)
        for record in records:
            time = dt.datetime.fromisoformat(record["eventMetadata"]["inferenceTime"].replace("Z", "+00:00"))
            question = payload(record["captureData"]["endpointInput"])
            reply = payload(record["captureData"].get("endpointOutput", {}))
            traces.append((time.timestamp() * 1000, question["messages"], reply["usage"]["prompt_tokens"]))
    return sorted(traces, key=lambda trace: trace[0])


def payload(side):
    """Decode a JSON payload; its encoding is Base64 if the record has none."""
    data = side["data"]
    return json.loads(data if side.get("encoding", "BASE64") == "JSON" else base64.b64decode(data))


@pytest.mark.parametrize("listed", [{"JsonContentTypes": ["application/json"]}, {}], ids=["JSON", "Base64"])
def test_aiperf_reads_every_request(clock, sagemaker, runtime, tmp_path, listed):
    """aiperf finds each question of each variant with its time and tokens."""
    with mock_inference_experiment(clock=clock, s3=tmp_path) as mock:
        for variant in (PRODUCTION, SHADOW):
            mock.serve(f"model-{variant}", answer)
        create_capturing_experiment(sagemaker, **listed)
        chat(runtime, clock)

    traces = read_like_aiperf(tmp_path)

    start = START.timestamp() * 1000
    assert traces == [
        (start + 30_000 * number, [{"role": "user", "content": question}], len(question))
        for number, question in enumerate(QUESTIONS)
        for _ in (PRODUCTION, SHADOW)
    ]


# --- aws/amazon-sagemaker-examples, sagemaker_model_monitor/model_quality/model_quality_churn_sdk.ipynb: waits for the
# --- first captures of an endpoint, and checks that they can be joined with the ground truth


def read_like_the_notebook(s3, prefix):
    """Return the records of the newest file with a prefix; its key is the last key in sorted order."""
    keys = sorted(each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"])
    content = s3.get_object(Bucket=BUCKET, Key=keys[-1])["Body"].read().decode()
    return [json.loads(line) for line in content.split("\n")[:-1]]


def test_the_notebook_finds_the_newest_captures(clock, sagemaker, runtime, s3):
    """The newest file has the records of the last minute, with the inferenceId that joins them to the ground truth."""
    with mock_inference_experiment(clock=clock, s3=s3) as mock:
        mock.serve("model-prod", answer)
        create_capturing_experiment(sagemaker, JsonContentTypes=["application/json"])
        chat(runtime, clock)

    (record,) = read_like_the_notebook(s3, f"traffic/{ENDPOINT}/{PRODUCTION}/")

    assert record["eventMetadata"]["inferenceId"] == "request-2"
    assert json.loads(record["captureData"]["endpointOutput"]["data"])["usage"] == {"prompt_tokens": 4}
