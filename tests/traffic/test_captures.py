"""Data capture: the content of the records, and which invocations are captured."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid

import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, stop
from tests.traffic.shared import (
    DESTINATION,
    create_endpoint,
    create_experiment,
    data_capture,
    invoke,
    invoke_times,
    shadow_variants,
)

STORAGE = {"Destination": DESTINATION}
CSV_AND_JSON = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def by_experiment(sagemaker, content_types):
    """Turn on data capture with the DataStorageConfig of an experiment."""
    create_experiment(sagemaker, DataStorageConfig={**STORAGE, "ContentType": content_types})


def by_endpoint(sagemaker, content_types):
    """Turn on data capture with the DataCaptureConfig of an endpoint configuration."""
    create_endpoint(sagemaker, **shadow_variants(), **data_capture(CaptureContentTypeHeader=content_types))


both_configurations = pytest.mark.parametrize("configure", [by_experiment, by_endpoint])


# --- the record


@both_configurations
def test_a_record_has_the_format_of_aws(mock, sagemaker, runtime, configure):
    """A record is compact JSON with its members in the order observed on AWS."""
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


def test_a_record_omits_members_that_the_caller_did_not_send(mock, sagemaker, runtime):
    """Only the content types are in the record, as null."""
    create_experiment(sagemaker, DataStorageConfig=STORAGE)

    invoke(runtime)

    record = mock.captures[0].record
    assert [side["observedContentType"] for side in record["captureData"].values()] == [None, None]
    assert record["eventMetadata"].keys() == {"eventId", "inferenceTime"}


def test_a_capture_has_its_endpoint_variant_time_and_destination(mock, sagemaker, runtime):
    """A Capture has the record, the endpoint, the variant, the time, the destination and the KMS key."""
    create_experiment(sagemaker, DataStorageConfig={**STORAGE, "KmsKey": "alias/captured"})
    mock.clock.advance(minutes=5)

    invoke(runtime)

    production, shadow = mock.captures
    assert (production.endpoint, production.variant) == (ENDPOINT, PRODUCTION)
    assert (shadow.endpoint, shadow.variant) == (ENDPOINT, SHADOW)
    assert production.at == shadow.at == START + dt.timedelta(minutes=5)
    assert (production.destination, production.kms_key) == (DESTINATION, "alias/captured")


@both_configurations
@pytest.mark.parametrize(
    ("content_type", "body", "encoding"),
    [
        ("text/csv", b"1,2,3", "CSV"),
        ("text/csv; charset=utf-8", b"1,2,3", "CSV"),
        ("Text/CSV", b"1,2,3", "CSV"),
        ("text/csv", "häfte".encode(), "CSV"),
        ("application/json", b'{"a": 1}', "JSON"),
        ("application/jsonlines", b'{"a": 1}', "BASE64"),
        ("text/csv", b"\xff", "BASE64"),  # The body is not UTF-8 text.
        (None, b"1,2,3", "BASE64"),
    ],
    ids=["CSV", "parameter", "upper case", "not ASCII", "JSON", "not listed", "not UTF-8", "no content type"],
)
def test_listed_content_types_are_text_and_all_others_base64(  # noqa: PLR0917
    mock, sagemaker, runtime, configure, content_type, body, encoding
):
    """Parameters and letter case of a content type are ignored, and every body can be decoded without loss."""

    configure(sagemaker, CSV_AND_JSON)

    invoke(runtime, body, **({} if content_type is None else {"ContentType": content_type}))

    for capture in mock.captures:
        for side in capture.record["captureData"].values():
            assert side["encoding"] == encoding
            assert (base64.b64decode if encoding == "BASE64" else str.encode)(side["data"]) == body


def test_all_data_is_base64_without_listed_content_types(mock, sagemaker, runtime):
    """Base64 is the default of the service."""
    create_experiment(sagemaker, DataStorageConfig=STORAGE)

    invoke(runtime, b"1,2,3", ContentType="text/csv")

    assert mock.captures[0].record["captureData"]["endpointInput"]["data"] == base64.b64encode(b"1,2,3").decode()


def test_a_record_is_one_line(mock, sagemaker, runtime):
    """Line breaks in the body are escaped."""
    create_experiment(sagemaker, DataStorageConfig={**STORAGE, "ContentType": CSV_AND_JSON})

    invoke(runtime, b"1\n2\r\n3\x0b\x00", ContentType="text/csv")

    assert len(mock.captures[0].line.splitlines()) == 1
    assert json.loads(mock.captures[0].line) == mock.captures[0].record


# --- the captured variants


@both_configurations
def test_the_records_of_shadow_and_production_can_be_joined(mock, sagemaker, runtime, configure):
    """Both have the caller's inferenceId and the same request; each has its own answer and eventId."""
    configure(sagemaker, CSV_AND_JSON)
    mock.serve("model-prod", lambda request: "0.7")
    mock.serve("model-shadow", lambda request: "0.9")

    invoke(runtime, ContentType="text/csv", InferenceId="request-7")

    production, shadow = (capture.record for capture in mock.captures)
    assert production["captureData"]["endpointInput"] == shadow["captureData"]["endpointInput"]
    assert [each["captureData"]["endpointOutput"]["data"] for each in (production, shadow)] == ["0.7", "0.9"]
    assert production["eventMetadata"]["inferenceId"] == shadow["eventMetadata"]["inferenceId"] == "request-7"
    assert production["eventMetadata"]["eventId"] != shadow["eventMetadata"]["eventId"]


def test_production_is_captured_also_for_requests_without_a_copy(mock, sagemaker, runtime):
    """With 40 percent sampling, all ten requests and the four copies are captured."""
    create_experiment(sagemaker, percentage=40, DataStorageConfig=STORAGE)

    invoke_times(runtime, 10)

    variants = [capture.variant for capture in mock.captures]
    assert (variants.count(PRODUCTION), variants.count(SHADOW)) == (10, 4)


@pytest.mark.parametrize(("failing", "captured"), [(PRODUCTION, SHADOW), (SHADOW, PRODUCTION)])
def test_a_failed_answer_is_not_captured(mock, sagemaker, runtime, failing, captured):
    """The answer of the other variant to the same request is captured."""
    create_experiment(sagemaker, DataStorageConfig=STORAGE)
    mock.serve(f"model-{failing}", lambda request: 1 / 0)

    try:
        invoke(runtime)
    except runtime.exceptions.ModelError:
        assert failing == PRODUCTION

    assert [capture.variant for capture in mock.captures] == [captured]


# --- when data is captured


def test_an_experiment_captures_only_while_it_copies(clock, sagemaker, runtime):
    """An experiment captures in Running and Updating, and neither in Starting nor in Cancelled."""
    minute = dt.timedelta(minutes=1)
    captured = {}
    with mock_inference_experiment(clock=clock, durations=Durations(starting=minute, updating=minute)) as mock:

        def count(status):
            assert mock.experiments[NAME]["Status"] == status
            before = len(mock.captures)
            invoke(runtime)
            captured[status] = len(mock.captures) - before

        later = {"StartTime": START + minute}
        create_experiment(sagemaker, DataStorageConfig=STORAGE, Schedule=later)
        mock.clock.advance(minute)
        count("Starting")
        mock.clock.advance(minute)
        count("Running")
        sagemaker.update_inference_experiment(Name=NAME, Description="Updated")
        count("Updating")
        mock.clock.advance(minute)
        sagemaker.stop_inference_experiment(**stop(shadow="Retain"))
        count("Cancelled")

    assert captured == {"Starting": 0, "Running": 2, "Updating": 2, "Cancelled": 0}


OWN = {
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://captured/own",
    "CaptureOptions": [{"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}


def test_an_experiment_captures_in_place_of_its_endpoint(mock, sagemaker, runtime):
    """An endpoint has one configuration: each request is captured once per variant, as DataStorageConfig says."""
    storage = {**STORAGE, "ContentType": {"JsonContentTypes": ["text/csv"]}, "KmsKey": "alias/captured"}
    create_endpoint(sagemaker, DataCaptureConfig=OWN)
    create_experiment(sagemaker, DataStorageConfig=storage)

    invoke(runtime, ContentType="text/csv")

    assert [(each.variant, each.destination, each.kms_key) for each in mock.captures] == [
        (variant, DESTINATION, "alias/captured") for variant in (PRODUCTION, SHADOW)
    ]
    for each in mock.captures:
        data = each.record["captureData"]
        assert {side: data[side]["encoding"] for side in data} == {"endpointInput": "JSON", "endpointOutput": "JSON"}


def capture_config(sagemaker):
    """Return the DataCaptureConfig of the configuration that the endpoint serves, or None."""
    name = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    return sagemaker.describe_endpoint_config(EndpointConfigName=name).get("DataCaptureConfig")


@pytest.mark.parametrize("shadow", ["Remove", "Retain"])
@pytest.mark.parametrize("own", [{}, {"DataCaptureConfig": OWN}], ids=["nothing", "own"])
def test_the_configuration_of_a_test_shows_its_data_capture(mock, sagemaker, runtime, own, shadow):
    """DescribeEndpointConfig shows DataStorageConfig during the test, and the endpoint's own capture afterwards."""
    create_endpoint(sagemaker, **own)
    create_experiment(sagemaker, DataStorageConfig={**STORAGE, "ContentType": CSV_AND_JSON})

    assert capture_config(sagemaker) == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": DESTINATION,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": CSV_AND_JSON,
    }
    sagemaker.stop_inference_experiment(**stop(shadow=shadow))
    assert capture_config(sagemaker) == own.get("DataCaptureConfig")


def test_an_endpoint_captures_during_an_experiment_without_data_storage(mock, sagemaker, runtime):
    """Without DataStorageConfig the endpoint's own capture goes on, for both variants."""
    create_endpoint(sagemaker, DataCaptureConfig={**OWN, "InitialSamplingPercentage": 100})
    create_experiment(sagemaker)

    invoke(runtime)

    assert [(each.variant, each.destination) for each in mock.captures] == [
        (variant, "s3://captured/own") for variant in (PRODUCTION, SHADOW)
    ]


@pytest.mark.parametrize("percentage", [0, 29, 100])
def test_an_endpoint_captures_its_sampling_percentage(mock, sagemaker, runtime, percentage):
    """InitialSamplingPercentage gives the exact number of captured requests per 100, for production and shadow."""
    create_endpoint(sagemaker, **shadow_variants(), **data_capture(percentage))

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
    ids=["Input", "Output", "Input and Output", "InputAndOutput"],
)
def test_capture_options_select_the_request_and_the_answer(mock, sagemaker, runtime, modes, captured):
    """CaptureOptions select the request, the answer or both."""
    if not set(modes) <= set(sagemaker.meta.service_model.shape_for("CaptureMode").enum):
        pytest.skip("this version of botocore has fewer capture modes")
    create_endpoint(sagemaker, **data_capture(CaptureOptions=[{"CaptureMode": mode} for mode in modes]))

    invoke(runtime)

    assert mock.captures[0].record["captureData"].keys() == captured


def test_enable_capture_false_turns_data_capture_off(mock, sagemaker, runtime):
    """EnableCapture has precedence over the other members of DataCaptureConfig."""
    create_endpoint(sagemaker, **data_capture(EnableCapture=False))

    invoke(runtime)

    assert mock.captures == ()


# --- the number of records kept


@pytest.mark.parametrize("keep", [0, 1, 5])
def test_keep_limits_the_recorded_calls_and_captures(clock, sagemaker, runtime, keep):
    """With `keep=` only the last calls and the last captures are kept."""
    with mock_inference_experiment(clock=clock, keep=keep) as mock:
        create_experiment(sagemaker, DataStorageConfig=STORAGE)
        for number in range(10):
            invoke(runtime, InferenceId=f"request-{number}")

        ids = [call.params["InferenceId"] for call in mock.calls]
        captured = [capture.record["eventMetadata"]["inferenceId"] for capture in mock.captures]

    assert ids == [f"request-{number}" for number in range(10)][10 - keep :]
    assert captured == [f"request-{number}" for number in range(10) for _ in range(2)][20 - keep :]


@pytest.mark.parametrize("keep", [0, 1, 5, None])
def test_keep_limits_the_metrics(clock, sagemaker, runtime, keep):
    """With `keep=` only the last minutes of variants are kept, whole, in each of both series."""
    with mock_inference_experiment(clock=clock, keep=keep) as mock:
        create_endpoint(sagemaker)
        for _ in range(10):
            invoke(runtime)
            invoke(runtime)
            clock.advance(minutes=1)
        metrics = mock.metrics

    kept = [START + dt.timedelta(minutes=minute) for minute in range(10)][-keep if keep else 10 * (keep == 0) :]
    for series in (metrics, metrics.by_config):
        assert list(dict.fromkeys(each.timestamp for each in series)) == kept
        assert {each.sample_count for each in series} <= {2}
        assert len(series) == 7 * len(kept)


@pytest.mark.parametrize("keep", [-1, 1.5, "all"])
def test_keep_must_be_a_non_negative_integer(keep):
    """Any other value of `keep=` raises a TypeError when the mock is created."""
    with pytest.raises(TypeError, match="keep="):
        mock_inference_experiment(keep=keep)


def test_a_reset_removes_captures_metrics_and_calls(mock, sagemaker, runtime):
    """A reset keeps the handlers."""
    create_experiment(sagemaker, DataStorageConfig=STORAGE)
    mock.serve("model-prod", lambda request: b"0.7")
    invoke(runtime)

    mock.reset()

    assert (mock.captures, mock.metrics, mock.calls) == ((), (), ())
    create_experiment(sagemaker)
    assert invoke(runtime)["Body"] == b"0.7"
