"""What CloudWatch would know of the variants: in `mock.metrics`, and put to CloudWatch itself."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from botocore.stub import Stubber

from mock_sagemaker_ie import DeliveryWarning, ModelResponse, mock_inference_experiment
from tests.conftest import START
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, deployed
from tests.traffic.shared import invoke, invoke_times, launch, serve, totals

MINUTE = dt.timedelta(minutes=1)

# AWS, Monitor SageMaker with CloudWatch: what an invocation that goes well adds to each endpoint invocation metric.
GOES_WELL = {
    "Invocations": (1, "None"),
    "InvocationsPerInstance": (1, "None"),
    "Invocation4XXErrors": (0, "None"),
    "Invocation5XXErrors": (0, "None"),
    "InvocationModelErrors": (0, "None"),
    "ModelLatency": (0, "Microseconds"),
    "OverheadLatency": (0, "Microseconds"),
}
FAILS = {**GOES_WELL, "Invocation5XXErrors": (1, "None"), "InvocationModelErrors": (1, "None")}


def said_of(mock, variant):
    """The sum and the unit of every metric of a variant, by name."""
    return {point.name: (point.sum, point.unit) for point in mock.metrics if point.variant == variant}


def fail(request):
    raise RuntimeError("out of memory")


# --- what is counted


@pytest.mark.parametrize("variant", [PRODUCTION, SHADOW])
def test_an_invocation_counts_in_every_metric(mock, experiment, runtime, variant):
    """The shadow has the same metrics as production, under its own name."""
    invoke(runtime)

    assert said_of(mock, variant) == GOES_WELL


@pytest.mark.parametrize(("failing", "other"), [(PRODUCTION, SHADOW), (SHADOW, PRODUCTION)])
def test_a_failure_counts_for_the_variant_that_failed(mock, experiment, runtime, failing, other):
    """It is an error of the model, a 5XX, and an invocation all the same."""
    mock.serve(f"model-{failing}", fail)

    try:
        invoke(runtime)
    except runtime.exceptions.ModelError:
        assert failing == PRODUCTION

    assert (said_of(mock, failing), said_of(mock, other)) == (FAILS, GOES_WELL)


def test_what_reaches_no_model_is_not_counted(mock, endpoint, runtime):
    """A request that is refused is none of a variant's."""
    with pytest.raises(runtime.exceptions.ValidationError):
        invoke(runtime, TargetVariant="unheard-of")

    assert mock.metrics == ()


def test_invocations_are_shared_among_instances(mock, sagemaker, runtime):
    """InvocationsPerInstance is what each of them had to do."""
    serve(sagemaker, deployed(InitialInstanceCount=4))

    invoke_times(runtime, 8)

    assert totals(mock, "InvocationsPerInstance") == {PRODUCTION: 2}


# --- how long it took


@pytest.mark.parametrize("latency", [0.25, dt.timedelta(milliseconds=250)])
def test_a_handler_may_say_how_long_it_took(mock, experiment, runtime, latency):
    """In seconds or as a timedelta; the clock is not moved."""
    mock.serve("model-shadow", lambda request: ModelResponse(b"", latency=latency))

    invoke(runtime)

    assert totals(mock, "ModelLatency") == {PRODUCTION: 0, SHADOW: 250_000}
    assert mock.clock.now() == START


def test_else_it_took_what_passed_on_the_clock(clock, sagemaker, runtime):
    """A handler that sleeps on a clock by which `time.sleep` passes is as slow as it says, and no other is."""
    with mock_inference_experiment(clock=clock, virtual_sleep=True) as mock:
        launch(sagemaker)
        mock.serve("model-prod", lambda request: time.sleep(0.02) or b"")
        mock.serve("model-shadow", lambda request: time.sleep(0.25) or b"")

        invoke(runtime)

    assert totals(mock, "ModelLatency") == {PRODUCTION: 20_000, SHADOW: 250_000}


def test_a_failing_model_takes_its_time_too(mock, endpoint, runtime):
    """How long one waited for an error is a latency as well."""

    def time_out(request):
        mock.clock.advance(minutes=1)
        raise TimeoutError

    mock.serve("model-prod", time_out)

    with pytest.raises(runtime.exceptions.ModelError):
        invoke(runtime)

    assert totals(mock, "ModelLatency") == {PRODUCTION: 60_000_000}


# --- by the minute


def test_metrics_are_summed_up_by_the_minute(mock, endpoint, runtime):
    """As GetMetricStatistics does with a period of 60 seconds."""
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


def test_both_variants_count_at_one_instant(mock, experiment, runtime):
    """That of the request, however long production took before the shadow was asked."""
    mock.serve("model-prod", lambda request: mock.clock.advance(minutes=5) or b"")

    invoke(runtime)

    assert {(point.variant, point.timestamp) for point in mock.metrics} == {(PRODUCTION, START), (SHADOW, START)}


def test_what_was_looked_at_stays_as_it_was(mock, endpoint, runtime):
    """Metrics are a look at a moment, so that before and after can be compared."""
    invoke(runtime)
    before = mock.metrics

    invoke(runtime)

    assert [point.sum for point in before if point.name == "Invocations"] == [1]
    assert [point.sum for point in mock.metrics if point.name == "Invocations"] == [2]


# --- in CloudWatch


def statistics(cloudwatch, metric, variant):
    """What GetMetricStatistics says of a variant for the first ten minutes, the oldest first."""
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": variant}],
        StartTime=START,
        EndTime=START + 10 * MINUTE,
        Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
    )
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def test_cloudwatch_is_told_what_the_mock_knows(clock, sagemaker, runtime, cloudwatch):
    """Every metric of both variants is there, at the clock's time: their datapoints line up by timestamp."""
    latencies = iter(range(1, 100))
    with mock_inference_experiment(clock=clock, cloudwatch=cloudwatch) as mock:
        launch(sagemaker)
        mock.serve("model-shadow", lambda request: ModelResponse(b"", latency=next(latencies)))
        for requests in (1, 3, 2):
            invoke_times(runtime, requests)
            clock.advance(MINUTE)
        metrics = mock.metrics

    for name, (_, unit) in GOES_WELL.items():
        for variant in (PRODUCTION, SHADOW):
            expected = [point for point in metrics if (point.name, point.variant) == (name, variant)]
            found = statistics(cloudwatch, name, variant)
            assert [point["Timestamp"] for point in found] == [START, START + MINUTE, START + 2 * MINUTE]
            assert [
                (
                    point["SampleCount"],
                    point["Sum"],
                    point["Average"],
                    point["Minimum"],
                    point["Maximum"],
                    point["Unit"],
                )
                for point in found
            ] == [
                (point.sample_count, point.sum, point.average, point.minimum, point.maximum, unit) for point in expected
            ]


def test_cloudwatch_is_told_nothing_unless_asked(experiment, runtime, cloudwatch):
    """Without `cloudwatch=` metrics are in `mock.metrics` only."""
    invoke(runtime)

    assert cloudwatch.list_metrics()["Metrics"] == []


def test_a_cloudwatch_that_refuses_is_no_matter_of_the_callers(clock, sagemaker, runtime, cloudwatch):
    """It is answered; a warning says why; the metrics are in `mock.metrics`, and the other variant's are put."""
    with Stubber(cloudwatch) as stubber, mock_inference_experiment(clock=clock, cloudwatch=cloudwatch) as mock:
        launch(sagemaker)
        stubber.add_client_error("put_metric_data", "Throttling")
        stubber.add_response("put_metric_data", {})

        with pytest.warns(DeliveryWarning, match=rf"{ENDPOINT}.*Throttling"):
            assert invoke(runtime)["Body"] == b"1,2,3"

        stubber.assert_no_pending_responses()
        assert totals(mock) == {PRODUCTION: 1, SHADOW: 1}


@pytest.mark.parametrize("cloudwatch", ["us-east-1", object()], ids=["a string", "an object"])
def test_only_a_client_can_be_told(cloudwatch):
    """Anything else is refused where it is given."""
    with pytest.raises(TypeError, match=r"cloudwatch=.*client"):
        mock_inference_experiment(cloudwatch=cloudwatch)
