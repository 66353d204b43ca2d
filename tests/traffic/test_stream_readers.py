"""The ways in which libraries read a stream: langchain-aws and the SageMaker SDK, where they are installed."""

from __future__ import annotations

import io
import json

import boto3
import pytest
from botocore.exceptions import EventStreamError

from tests.requests import ENDPOINT, PRODUCTION
from tests.traffic.shared import KEYS, metric_sums
from tests.traffic.streams import PROD_MODEL, chunks, start

# Lines of JSON that end where no part ends: a model server sends them so.
LINES = [{"outputs": [word]} for word in (" a", " shadow", " test")]
TEXT = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
SPLIT = [TEXT[:7], TEXT[7:30], TEXT[30:]]


@pytest.fixture
def lines(mock, endpoint):
    """Serve a model that sends LINES in parts that end inside of a line."""
    mock.serve(PROD_MODEL, chunks(*SPLIT))


def test_lines_that_are_split_over_parts_can_be_joined(lines, runtime):
    """A reader that collects the bytes up to each line break, as AWS recommends, gets every line."""

    def read(events):
        buffer = bytearray()
        for event in events:
            buffer += event["PayloadPart"]["Bytes"]
            *complete, rest = buffer.split(b"\n")
            yield from complete
            buffer = rest

    assert [json.loads(line) for line in read(start(runtime)["Body"])] == LINES


def test_the_iterator_of_a_body_can_be_kept_without_the_answer(lines, runtime):
    """A reader class keeps nothing but `iter(response["Body"])`."""
    events = iter(start(runtime)["Body"])

    text = io.BytesIO()
    while (event := next(events, None)) is not None:
        text.write(event["PayloadPart"]["Bytes"])

    assert text.getvalue() == TEXT


# --- the libraries


@pytest.fixture
def langchain():
    """Return the module of langchain-aws, if it is installed."""
    return pytest.importorskip("langchain_aws.llms.sagemaker_endpoint")


@pytest.fixture
def llm(langchain):
    """Return langchain-aws's model of the endpoint."""

    class Handler(langchain.LLMContentHandler):
        content_type = accepts = "application/json"

        def transform_input(self, prompt, model_kwargs):
            return json.dumps({"inputs": prompt, **model_kwargs}).encode()

        def transform_output(self, output):
            return json.loads(output)["outputs"][0]

    client = boto3.client("sagemaker-runtime", **KEYS)
    return langchain.SagemakerEndpoint(
        endpoint_name=ENDPOINT, client=client, content_handler=Handler(), streaming=True, model_kwargs={"stream": True}
    )


def test_langchain_streams_each_line(llm, mock, lines):
    """`stream` of its LLM yields the text of each line, and the model gets the prompt."""
    assert list(llm.stream("What is it?")) == [" a", " shadow", " test"]
    assert json.loads(mock.calls[-1].params["Body"]) == {"inputs": "What is it?", "stream": True}


def test_langchain_raises_the_error_of_a_stream(llm, mock, endpoint):
    """The lines before it have come."""
    mock.serve(PROD_MODEL, chunks(b'{"outputs": ["a"]}\n', KeyError("weights")))
    read = []

    with pytest.raises(EventStreamError, match="ModelStreamError"):
        read.extend(llm.stream("What is it?"))

    assert read == ["a"]


@pytest.fixture
def sdk(monkeypatch):
    """Return the module with the SageMaker SDK's predictor, if it is installed (version 2, which warns of its end)."""
    monkeypatch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    return pytest.importorskip("sagemaker.base_predictor")


@pytest.fixture
def predictor(sdk):
    """Return the SDK's predictor of the endpoint."""
    from sagemaker import Session  # noqa: PLC0415 - only where it is installed

    session = Session(
        boto3.Session(**KEYS),
        sagemaker_client=boto3.client("sagemaker", **KEYS),
        sagemaker_runtime_client=boto3.client("sagemaker-runtime", **KEYS),
        default_bucket="bucket",
    )
    return sdk.Predictor(ENDPOINT, session)


def test_predict_stream_of_the_sagemaker_sdk_reads_bytes_and_lines(predictor, mock, lines):
    """Its ByteIterator yields the parts, its LineIterator the lines."""
    from sagemaker.iterators import LineIterator  # noqa: PLC0415 - only where it is installed

    assert list(predictor.predict_stream(b"1", target_variant=PRODUCTION)) == SPLIT
    assert [json.loads(line) for line in predictor.predict_stream(b"1", iterator=LineIterator)] == LINES
    assert metric_sums(mock) == {PRODUCTION: 2}
