"""What is captured of an exchange, and when: the records, whatever becomes of them."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid

import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, stop
from tests.traffic.shared import DESTINATION, capturing, invoke, invoke_times, launch, serve, with_shadow

STORAGE = {"Destination": DESTINATION}
CSV_AND_JSON = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def by_experiment(sagemaker, content_types):
    """Capture by an experiment's DataStorageConfig."""
    launch(sagemaker, DataStorageConfig={**STORAGE, "ContentType": content_types})


def by_endpoint(sagemaker, content_types):
    """Capture by an endpoint's own DataCaptureConfig."""
    serve(sagemaker, **with_shadow(), **capturing(CaptureContentTypeHeader=content_types))


in_both_ways = pytest.mark.parametrize("configure", [by_experiment, by_endpoint])


# --- the record


@in_both_ways
def test_a_record_is_written_as_aws_writes_it(mock, sagemaker, runtime, configure):
    """Compact JSON, its members in the order observed on AWS."""
    configure(sagemaker, CSV_AND_JSON)
    mock.serve("model-prod", lambda request: {"score": 0.7})

    invoke(runtime, b"1,2,3", ContentType="text/csv", InferenceId="request-7", CustomAttributes="trace=7")

    capture = mock.captures[0]
    event = capture.record["eventMetadata"]["eventId"]
    assert uuid.UUID(event).version == 4
    assert capture.line == (
        '{"captureData":'
        '{"endpointInput":{"observedContentType":"text/csv","mode":"INPUT","data":"1,2,3","encoding":"CSV"},'
        '"endpointOutput":{"observedContentType":"application/json","mode":"OUTPUT","data":"{\\"score\\": 0.7}",'
        '"encoding":"JSON"}},'
        f'"eventMetadata":{{"eventId":"{event}","customAttributes":["trace=7"],"inferenceId":"request-7",'
        '"inferenceTime":"2026-01-01T09:00:00Z"},'
        '"eventVersion":"0"}'
    )


def test_what_the_caller_did_not_say_is_left_out(mock, sagemaker, runtime):
    """All but the content types, which are null then."""
    launch(sagemaker, DataStorageConfig=STORAGE)

    invoke(runtime)

    record = mock.captures[0].record
    assert [side["observedContentType"] for side in record["captureData"].values()] == [None, None]
    assert record["eventMetadata"].keys() == {"eventId", "inferenceTime"}


def test_a_capture_knows_whose_it_is(mock, sagemaker, runtime):
    """Beside the record it tells the endpoint, the variant, the instant and where it belongs."""
    launch(sagemaker, DataStorageConfig={**STORAGE, "KmsKey": "alias/captured"})
    mock.clock.advance(minutes=5)

    invoke(runtime)

    production, shadow = mock.captures
    assert (production.endpoint, production.variant) == (ENDPOINT, PRODUCTION)
    assert (shadow.endpoint, shadow.variant) == (ENDPOINT, SHADOW)
    assert production.at == shadow.at == START + dt.timedelta(minutes=5)
    assert (production.destination, production.kms_key) == (DESTINATION, "alias/captured")


@in_both_ways
@pytest.mark.parametrize(
    "case",
    [
        ("text/csv", b"1,2,3", "CSV"),
        ("text/csv; charset=utf-8", b"1,2,3", "CSV"),
        ("Text/CSV", b"1,2,3", "CSV"),
        ("text/csv", "häfte".encode(), "CSV"),
        ("application/json", b'{"a": 1}', "JSON"),
        ("application/jsonlines", b'{"a": 1}', "BASE64"),
        ("text/csv", b"\xff", "BASE64"),  # No text, whatever its sender says.
        (None, b"1,2,3", "BASE64"),
    ],
)
def test_listed_content_types_are_text_and_the_rest_base_64(mock, sagemaker, runtime, configure, case):
    """Parameters and case of a content type do not count; no byte is lost in either way."""
    content_type, body, encoding = case
    configure(sagemaker, CSV_AND_JSON)

    invoke(runtime, body, **({} if content_type is None else {"ContentType": content_type}))

    for capture in mock.captures:
        for side in capture.record["captureData"].values():
            assert side["encoding"] == encoding
            assert (base64.b64decode if encoding == "BASE64" else str.encode)(side["data"]) == body


def test_without_listed_content_types_all_is_base_64(mock, sagemaker, runtime):
    """That is what the service does unless told."""
    launch(sagemaker, DataStorageConfig=STORAGE)

    invoke(runtime, b"1,2,3", ContentType="text/csv")

    assert mock.captures[0].record["captureData"]["endpointInput"]["data"] == base64.b64encode(b"1,2,3").decode()


def test_a_line_is_one_line(mock, sagemaker, runtime):
    """Whatever the body: what ends a line within it is escaped."""
    launch(sagemaker, DataStorageConfig={**STORAGE, "ContentType": CSV_AND_JSON})

    invoke(runtime, b"1\n2\r\n3\x0b\x00", ContentType="text/csv")

    assert len(mock.captures[0].line.splitlines()) == 1
    assert json.loads(mock.captures[0].line) == mock.captures[0].record


# --- of whom


@in_both_ways
def test_the_shadows_record_can_be_joined_to_productions(mock, sagemaker, runtime, configure):
    """Both carry the caller's inferenceId, the same request, and each its own answer and eventId."""
    configure(sagemaker, CSV_AND_JSON)
    mock.serve("model-prod", lambda request: "0.7")
    mock.serve("model-shadow", lambda request: "0.9")

    invoke(runtime, ContentType="text/csv", InferenceId="request-7")

    production, shadow = (capture.record for capture in mock.captures)
    assert production["captureData"]["endpointInput"] == shadow["captureData"]["endpointInput"]
    assert [each["captureData"]["endpointOutput"]["data"] for each in (production, shadow)] == ["0.7", "0.9"]
    assert production["eventMetadata"]["inferenceId"] == shadow["eventMetadata"]["inferenceId"] == "request-7"
    assert production["eventMetadata"]["eventId"] != shadow["eventMetadata"]["eventId"]


def test_production_is_captured_though_nothing_is_copied(mock, sagemaker, runtime):
    """Every request to an endpoint under test is, and every copy."""
    launch(sagemaker, percentage=40, DataStorageConfig=STORAGE)

    invoke_times(runtime, 10)

    variants = [capture.variant for capture in mock.captures]
    assert (variants.count(PRODUCTION), variants.count(SHADOW)) == (10, 4)


@pytest.mark.parametrize(("fails", "captured"), [(PRODUCTION, SHADOW), (SHADOW, PRODUCTION)])
def test_a_failure_is_not_captured(mock, sagemaker, runtime, fails, captured):
    """What the other variant answered to the same request is."""
    launch(sagemaker, DataStorageConfig=STORAGE)
    mock.serve(f"model-{fails}", lambda request: 1 / 0)

    try:
        invoke(runtime)
    except runtime.exceptions.ModelError:
        assert fails == PRODUCTION

    assert [capture.variant for capture in mock.captures] == [captured]


# --- when


def test_an_experiment_captures_while_it_copies(clock, sagemaker, runtime):
    """Neither before it runs nor once it is over."""
    minute = dt.timedelta(minutes=1)
    captured = {}
    with mock_inference_experiment(clock=clock, durations=Durations(starting=minute, updating=minute)) as mock:

        def count(status):
            assert mock.experiments[NAME]["Status"] == status
            before = len(mock.captures)
            invoke(runtime)
            captured[status] = len(mock.captures) - before

        launch(sagemaker, DataStorageConfig=STORAGE)
        count("Starting")
        mock.clock.advance(minute)
        count("Running")
        sagemaker.update_inference_experiment(Name=NAME, Description="Updated")
        count("Updating")
        mock.clock.advance(minute)
        sagemaker.stop_inference_experiment(**stop(shadow="Retain"))
        count("Cancelled")

    assert captured == {"Starting": 0, "Running": 2, "Updating": 2, "Cancelled": 0}


def test_an_endpoints_own_capture_goes_on_during_a_test(mock, sagemaker, runtime):
    """The experiment's capture comes beside it."""
    serve(sagemaker, **capturing(DestinationS3Uri="s3://captured/own"))
    launch(sagemaker, DataStorageConfig=STORAGE)

    invoke(runtime)

    expected = {(variant, place) for variant in (PRODUCTION, SHADOW) for place in (DESTINATION, "s3://captured/own")}
    assert {(capture.variant, capture.destination) for capture in mock.captures} == expected


@pytest.mark.parametrize("percentage", [0, 29, 100])
def test_an_endpoint_captures_its_sampling_percentage(mock, sagemaker, runtime, percentage):
    """Exactly so many of every 100 exchanges, with what the shadow made of them."""
    serve(sagemaker, **with_shadow(), **capturing(percentage))

    invoke_times(runtime, 100)

    assert len(mock.captures) == 2 * percentage


@pytest.mark.parametrize(
    ("modes", "captured"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["Input", "Output"], {"endpointInput", "endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_an_endpoint_captures_what_its_options_say(mock, sagemaker, runtime, modes, captured):
    """The request, the answer or both."""
    if not set(modes) <= set(sagemaker.meta.service_model.shape_for("CaptureMode").enum):
        pytest.skip("this botocore knows fewer modes")
    serve(sagemaker, **capturing(CaptureOptions=[{"CaptureMode": mode} for mode in modes]))

    invoke(runtime)

    assert mock.captures[0].record["captureData"].keys() == captured


def test_capture_can_be_switched_off(mock, sagemaker, runtime):
    """EnableCapture wins over all the rest."""
    serve(sagemaker, **capturing(EnableCapture=False))

    invoke(runtime)

    assert mock.captures == ()


# --- how many are kept


@pytest.mark.parametrize("keep", [0, 1, 5])
def test_what_is_kept_can_be_bounded(clock, sagemaker, runtime, keep):
    """With `keep=` the last calls and the last captures stay."""
    with mock_inference_experiment(clock=clock, keep=keep) as mock:
        launch(sagemaker, DataStorageConfig=STORAGE)
        for number in range(10):
            invoke(runtime, InferenceId=f"request-{number}")

        ids = [call.params["InferenceId"] for call in mock.calls]
        captured = [capture.record["eventMetadata"]["inferenceId"] for capture in mock.captures]

    assert ids == [f"request-{number}" for number in range(10)][10 - keep :]
    assert captured == [f"request-{number}" for number in range(10) for _ in range(2)][20 - keep :]


@pytest.mark.parametrize("keep", [-1, 1.5, "all"])
def test_a_bound_is_a_number(keep):
    """Anything else is refused where it is given."""
    with pytest.raises(TypeError, match="keep="):
        mock_inference_experiment(keep=keep)


def test_a_reset_forgets_captures(mock, sagemaker, runtime):
    """And metrics, as it does calls; the handlers stay."""
    launch(sagemaker, DataStorageConfig=STORAGE)
    mock.serve("model-prod", lambda request: b"0.7")
    invoke(runtime)

    mock.reset()

    assert (mock.captures, mock.metrics, mock.calls) == ((), (), ())
    launch(sagemaker)
    assert invoke(runtime)["Body"] == b"0.7"
