"""Endpoint invocation metrics of the variants, in `mock.metrics` and in CloudWatch."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import time

import pytest
from botocore.stub import Stubber

from mock_sagemaker_ie import DeliveryWarning, ModelResponse, mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, deployed, endpoint_config
from tests.traffic.shared import create_endpoint, create_experiment, invoke, invoke_times, metric_sums

MINUTE = dt.timedelta(minutes=1)

# A successful invocation adds these values to the endpoint invocation metrics (AWS, Monitor SageMaker with CloudWatch).
SUCCESS = {
    "Invocations": (1, "None"),
    "InvocationsPerInstance": (1, "None"),
    "Invocation4XXErrors": (0, "None"),
    "Invocation5XXErrors": (0, "None"),
    "InvocationModelErrors": (0, "None"),
    "ModelLatency": (0, "Microseconds"),
    "OverheadLatency": (0, "Microseconds"),
}
FAILURE = {**SUCCESS, "Invocation5XXErrors": (1, "None"), "InvocationModelErrors": (1, "None")}


def metrics_of(mock, variant):
    """Return the sum and the unit of every metric of a variant, by name."""
    return {point.name: (point.sum, point.unit) for point in mock.metrics if point.variant == variant}


def fail(request):
    raise RuntimeError("out of memory")


# --- counts


@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_an_invocation_is_counted_in_every_metric(mock, experiment, runtime, variant):
    """The shadow has the same metrics as production, with its own variant name."""
    invoke(runtime)

    assert metrics_of(mock, variant) == SUCCESS


@pytest.mark.parametrize(("failing", "other"), [(PRODUCTION, SHADOW), (SHADOW, PRODUCTION)])
def test_a_failure_is_counted_for_the_failing_variant_only(mock, experiment, runtime, failing, other):
    """A failure counts as a model error, as a 5XX error and as an invocation."""
    mock.serve(f"model-{failing}", fail)

    try:
        invoke(runtime)
    except runtime.exceptions.ModelError:
        assert failing == PRODUCTION

    assert (metrics_of(mock, failing), metrics_of(mock, other)) == (FAILURE, SUCCESS)


def test_a_request_with_a_validation_error_is_not_counted(mock, endpoint, runtime):
    """The request reaches no variant, so no metric counts it."""
    with pytest.raises(runtime.exceptions.ValidationError):
        invoke(runtime, TargetVariant="missing-variant")

    assert mock.metrics == ()


def test_invocations_per_instance_are_divided_by_the_instance_count(mock, sagemaker, runtime):
    """Eight invocations of a variant with four instances are two invocations per instance."""
    create_endpoint(sagemaker, deployed(InitialInstanceCount=4))

    invoke_times(runtime, 8)

    assert metric_sums(mock, "InvocationsPerInstance") == {PRODUCTION: 2}


# --- latency


@pytest.mark.parametrize("latency", [0.25, dt.timedelta(milliseconds=250)], ids=["seconds", "timedelta"])
def test_a_handler_can_give_its_latency(mock, experiment, runtime, latency):
    """`ModelResponse.latency` is in seconds or a timedelta, and does not advance the clock."""
    mock.serve("model-shadow", lambda request: ModelResponse(b"", latency=latency))

    invoke(runtime)

    assert metric_sums(mock, "ModelLatency") == {PRODUCTION: 0, SHADOW: 250_000}
    assert mock.clock.now() == START


def test_latency_is_the_time_on_the_clock_by_default(clock, sagemaker, runtime):
    """With virtual sleep, each handler's `time.sleep` advances the clock and counts as the latency of its variant."""
    with mock_inference_experiment(clock=clock, virtual_sleep=True) as mock:
        create_experiment(sagemaker)
        mock.serve("model-prod", lambda request: time.sleep(0.02) or b"")
        mock.serve("model-shadow", lambda request: time.sleep(0.25) or b"")

        invoke(runtime)

    assert metric_sums(mock, "ModelLatency") == {PRODUCTION: 20_000, SHADOW: 250_000}


def test_the_latency_of_a_failing_model_is_counted(mock, endpoint, runtime):
    """The time until the error is also a latency."""

    def time_out(request):
        mock.clock.advance(minutes=1)
        raise TimeoutError

    mock.serve("model-prod", time_out)

    with pytest.raises(runtime.exceptions.ModelError):
        invoke(runtime)

    assert metric_sums(mock, "ModelLatency") == {PRODUCTION: 60_000_000}


# --- one point per minute


def test_metrics_are_aggregated_per_minute(mock, endpoint, runtime):
    """`mock.metrics` has the statistics that GetMetricStatistics returns for a period of 60 seconds."""
    latencies = iter([0.1, 0.3, 0.5])
    mock.serve("model-prod", lambda request: ModelResponse(b"", latency=next(latencies)))

    for _ in range(3):
        invoke(runtime)
        mock.clock.advance(seconds=30)

    first, second = (point for point in mock.metrics if point.name == "ModelLatency")
    assert (first.timestamp, second.timestamp) == (START, START + MINUTE)
    assert (first.sample_count, first.sum, first.average) == (2, 400_000, 200_000)
    assert (first.minimum, first.maximum) == (100_000, 300_000)
    assert (second.sample_count, second.sum) == (1, 500_000)


def test_both_variants_count_at_the_time_of_the_request(mock, experiment, runtime):
    """The clock may advance while production answers; the shadow still counts in the minute of the request."""
    mock.serve("model-prod", lambda request: mock.clock.advance(minutes=5) or b"")

    invoke(runtime)

    assert {(point.variant, point.timestamp) for point in mock.metrics} == {(PRODUCTION, START), (SHADOW, START)}


def test_metrics_are_a_snapshot(mock, endpoint, runtime):
    """A later invocation does not change metrics that were read before, so a test can compare both."""
    invoke(runtime)
    before = mock.metrics

    invoke(runtime)

    assert [point.sum for point in before if point.name == "Invocations"] == [1]
    assert [point.sum for point in mock.metrics if point.name == "Invocations"] == [2]


# --- by endpoint configuration


def test_every_metric_comes_with_the_endpoint_configuration_too(mock, sagemaker, runtime):
    """The alarms of deployment guardrails use that series; the other one continues over the update."""
    create_endpoint(sagemaker)
    invoke(runtime)
    sagemaker.create_endpoint_config(**endpoint_config("next", deployed(InstanceType="ml.c5.large")))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="next")
    invoke_times(runtime, 2)

    counts = {point.endpoint_config: point.sum for point in mock.metrics.by_config if point.name == "Invocations"}
    assert counts == {ENDPOINT: 1, "next": 2}
    assert [(point.sum, point.endpoint_config) for point in mock.metrics if point.name == "Invocations"] == [(3, None)]
    assert {point.name for point in mock.metrics.by_config} == SUCCESS.keys()


def test_the_shadow_of_an_experiment_has_the_configuration_of_the_experiment(mock, experiment, sagemaker, runtime):
    """Both variants are in the endpoint configuration that the experiment made."""
    invoke(runtime)

    config = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    found = {(point.variant, point.endpoint_config) for point in mock.metrics.by_config}
    assert found == {(PRODUCTION, config), (SHADOW, config)}


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda metrics: pickle.loads(pickle.dumps(metrics))])  # noqa: S301
def test_metrics_can_be_copied(mock, endpoint, runtime, make_copy):
    """A copy has both series."""
    invoke(runtime)
    metrics = mock.metrics

    copied = make_copy(metrics)

    assert (copied, copied.by_config) == (metrics, metrics.by_config)
    assert copied[0] is not metrics[0]


# --- in CloudWatch


STATISTICS = {
    "SampleCount": "sample_count",
    "Sum": "sum",
    "Average": "average",
    "Minimum": "minimum",
    "Maximum": "maximum",
}


def statistics(cloudwatch, metric, unit, dimensions):
    """Return the datapoints of a metric with exactly these dimensions, as dicts, for the first ten minutes.

    GetMetricData matches dimensions exactly. GetMetricStatistics of AWS does so too, but moto's counts all series that
    have the dimensions.
    """
    names = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    stat = {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": names}, "Period": 60}
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": name.lower(), "MetricStat": {**stat, "Stat": name, "Unit": unit}} for name in STATISTICS
        ],
        StartTime=START,
        EndTime=START + 10 * MINUTE,
        ScanBy="TimestampAscending",
    )
    (timestamps,) = {tuple(result["Timestamps"]) for result in answer["MetricDataResults"]}
    columns = [result["Values"] for result in answer["MetricDataResults"]]
    return [
        {"timestamp": timestamp, **dict(zip(STATISTICS.values(), row, strict=True))}
        for timestamp, *row in zip(timestamps, *columns, strict=True)
    ]


def test_metrics_in_cloudwatch_equal_the_metrics_of_the_mock(clock, sagemaker, runtime, cloudwatch):
    """CloudWatch has every metric of both variants at the clock's time, so the datapoints have equal timestamps."""
    latencies = iter(range(1, 100))
    with mock_inference_experiment(clock=clock, cloudwatch=cloudwatch) as mock:
        create_experiment(sagemaker)
        mock.serve("model-shadow", lambda request: ModelResponse(b"", latency=next(latencies)))
        for requests in (1, 3, 2):
            invoke_times(runtime, requests)
            clock.advance(MINUTE)
        metrics = mock.metrics
        config_name = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]

    for name, (_, unit) in SUCCESS.items():
        for variant in (PRODUCTION, SHADOW):
            for points, config in ((metrics, {}), (metrics.by_config, {"EndpointConfigName": config_name})):
                expected = [point for point in points if (point.name, point.variant) == (name, variant)]
                dimensions = {"EndpointName": ENDPOINT, "VariantName": variant, **config}
                found = statistics(cloudwatch, name, unit, dimensions)
                assert [point["timestamp"] for point in found] == [START, START + MINUTE, START + 2 * MINUTE]
                assert found == [{member: getattr(point, member) for member in found[0]} for point in expected]


def test_no_metric_is_sent_without_the_option_cloudwatch(experiment, runtime, cloudwatch):
    """Without `cloudwatch=` metrics are only in `mock.metrics`."""
    invoke(runtime)

    assert cloudwatch.list_metrics()["Metrics"] == []


def test_an_invocation_succeeds_and_warns_if_cloudwatch_fails(clock, sagemaker, runtime, cloudwatch):
    """A warning has the reason, `mock.metrics` has the metrics, and those of the other variant are still sent."""
    with Stubber(cloudwatch) as stubber, mock_inference_experiment(clock=clock, cloudwatch=cloudwatch) as mock:
        create_experiment(sagemaker)
        stubber.add_client_error("put_metric_data", "Throttling")
        stubber.add_response("put_metric_data", {})

        with pytest.warns(DeliveryWarning, match=rf"{ENDPOINT}.*Throttling"):
            assert invoke(runtime)["Body"] == b"1,2,3"

        stubber.assert_no_pending_responses()
        assert metric_sums(mock) == {PRODUCTION: 1, SHADOW: 1}


@pytest.mark.parametrize("cloudwatch", ["us-east-1", object()], ids=["str", "object"])
def test_the_option_cloudwatch_takes_only_a_client(cloudwatch):
    """Any other value raises a TypeError when the mock is created."""
    with pytest.raises(TypeError, match=r"cloudwatch=.*client"):
        mock_inference_experiment(cloudwatch=cloudwatch)
