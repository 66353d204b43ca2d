"""Copies of requests for the shadow variant: which requests are copied, and that callers do not notice."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, HandlerWarning, ModelResponse, mock_inference_experiment
from mock_sagemaker_ie.backend.hosting.traffic import TrafficSplitter
from tests.conftest import START
from tests.requests import NAME, PRODUCTION, SHADOW, deployed, shadow_mode, stop
from tests.traffic.shared import create_endpoint, create_experiment, invoke, invoke_times, metric_sums, shadow_variants

MINUTE = dt.timedelta(minutes=1)
MINUTES = Durations(creating=MINUTE, starting=MINUTE, updating=MINUTE, stopping=MINUTE)
MODEL = "model-shadow"


def copies_of(mock, runtime, times=100):
    """Invoke the endpoint `times` times and return the number of copies that the shadow gets."""
    before = metric_sums(mock).get(SHADOW, 0)
    invoke_times(runtime, times)
    return metric_sums(mock).get(SHADOW, 0) - before


# --- the number of copies


@given(percentage=st.integers(0, 100), start=st.integers(0, 1000), length=st.integers(1, 100))
@example(percentage=37, start=0, length=100)
@example(percentage=99, start=1, length=100)
@example(percentage=37, start=10_000, length=100)
def test_exactly_p_of_every_100_requests_are_copied(percentage, start, length):
    """Any 100 consecutive requests have exactly p copies; fewer requests have p percent, to within one request."""
    shares = TrafficSplitter()
    for _ in range(start):
        shares.sample("key", Fraction(percentage, 100))

    taken = sum(shares.sample("key", Fraction(percentage, 100)) for _ in range(length))

    assert abs(taken - length * percentage / 100) < 1
    assert length < 100 or taken == percentage


def test_the_share_is_exact_for_ten_thousand_requests():
    """Rounding errors do not accumulate: 37 percent of 10,000 requests are 3,700 copies."""
    shares = TrafficSplitter()

    assert sum(shares.sample("key", Fraction(37, 100)) for _ in range(10_000)) == 3700


@pytest.mark.parametrize("percentage", [0, 1, 29, 50, 100])
def test_an_experiment_copies_its_sampling_percentage(mock, sagemaker, runtime, percentage):
    """The shadow variant gets exactly SamplingPercentage copies of each 100 requests."""
    create_experiment(sagemaker, percentage=percentage)

    assert [copies_of(mock, runtime), copies_of(mock, runtime)] == [percentage, percentage]


def test_the_number_of_copies_is_exact_for_a_thousand_requests(mock, sagemaker, runtime):
    """37 percent of 1,000 invocations are 370 copies."""
    create_experiment(sagemaker, percentage=37)

    assert copies_of(mock, runtime, 1000) == 370


@pytest.mark.parametrize(
    ("weights", "copies"),
    [((1.0, 1.0), 100), ((4.0, 1.0), 25), ((1.0, 0.37), 37), ((1.0, 2.0), 100), ((1.0, 0.0), 0)],
    ids=["equal", "smaller", "not exact in binary", "larger", "zero"],
)
def test_weights_give_the_number_of_copies_without_an_experiment(mock, sagemaker, runtime, weights, copies):
    """The share of copies is the shadow's weight divided by the weight of production, and at most 100 percent."""
    production, shadow = weights
    create_endpoint(sagemaker, deployed(InitialVariantWeight=production), **shadow_variants(shadow))

    assert copies_of(mock, runtime) == copies


def test_each_endpoint_counts_its_own_requests(mock, sagemaker, runtime):
    """Requests to one endpoint do not change which requests to another endpoint are copied."""
    for name in ("one", "other"):
        create_endpoint(sagemaker, endpoint=name, **shadow_variants(0.5))

    for _ in range(10):
        invoke(runtime, endpoint="one")
        invoke(runtime, endpoint="other")

    assert metric_sums(mock, endpoint="one") == metric_sums(mock, endpoint="other") == {PRODUCTION: 10, SHADOW: 5}


# --- when requests are copied


def creating(mock, sagemaker):
    """Create an experiment."""
    create_experiment(sagemaker)


def created(mock, sagemaker):
    """Create an experiment that starts tomorrow."""
    create_experiment(sagemaker, Schedule={"StartTime": START + dt.timedelta(days=1)})
    mock.advance_until(NAME, "Created")


def updated(mock, sagemaker):
    """Update an experiment before it runs."""
    created(mock, sagemaker)
    sagemaker.update_inference_experiment(Name=NAME, Description="Updated")


def started(mock, sagemaker):
    """Bring an experiment to the deployment of its shadow."""
    created(mock, sagemaker)
    mock.advance_until(NAME, "Starting")


def running(mock, sagemaker):
    """Bring an experiment to Running."""
    create_experiment(sagemaker)
    mock.advance_until(NAME, "Running")


def updated_while_running(mock, sagemaker):
    """Update an experiment while it runs."""
    running(mock, sagemaker)
    sagemaker.update_inference_experiment(Name=NAME, Description="Updated")


def stopped(mock, sagemaker):
    """Stop an experiment, so that its shadow is being removed."""
    running(mock, sagemaker)
    sagemaker.stop_inference_experiment(**stop())


def completed(mock, sagemaker):
    """Advance an experiment to the end of its schedule."""
    running(mock, sagemaker)
    mock.advance_until(NAME, "Completed")


def cancelled(mock, sagemaker):
    """Let an experiment fail while it runs."""
    running(mock, sagemaker)
    mock.fail_experiment(NAME, "No capacity")


@pytest.mark.parametrize(
    ("set_up", "status", "copies"),
    [
        (creating, "Creating", False),
        (created, "Created", False),
        (updated, "Updating", False),
        (started, "Starting", False),
        (running, "Running", True),
        (updated_while_running, "Updating", True),
        (stopped, "Stopping", False),
        (completed, "Completed", False),
        (cancelled, "Cancelled", False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_only_a_running_experiment_copies_requests(clock, sagemaker, runtime, set_up, status, copies):  # noqa: PLR0917
    """An experiment copies requests in Running, and in Updating after Running. Production answers in every status."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        create_endpoint(sagemaker)
        set_up(mock, sagemaker)
        assert mock.experiments[NAME]["Status"] == status

        assert copies_of(mock, runtime, 10) == (10 if copies else 0)
        assert metric_sums(mock)[PRODUCTION] == 10


def test_a_retained_shadow_still_gets_copies_after_the_experiment(mock, sagemaker, runtime):
    """Stop with {Retain, Retain} leaves the endpoint with its shadow and the same share of copies."""
    create_experiment(sagemaker, percentage=40)

    sagemaker.stop_inference_experiment(**stop(production="Retain", shadow="Retain"))

    assert copies_of(mock, runtime) == 40


def test_a_promoted_shadow_answers_invocations(mock, sagemaker, runtime):
    """After Stop with Promote the shadow answers all invocations, and no request is copied."""
    create_experiment(sagemaker)

    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote"))

    assert invoke_times(runtime, 3) == [SHADOW] * 3
    assert metric_sums(mock) == {SHADOW: 3}


def test_a_new_sampling_percentage_applies_after_updating(clock, sagemaker, runtime):
    """The old percentage applies until Updating ends."""
    with mock_inference_experiment(clock=clock, durations=Durations(updating=MINUTE)) as mock:
        create_experiment(sagemaker, percentage=20)
        invoke(runtime)
        sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=70))

        assert copies_of(mock, runtime) == 20

        mock.clock.advance(MINUTE)
        assert copies_of(mock, runtime) == 70


def test_an_update_of_another_member_does_not_restart_the_count(mock, sagemaker, runtime):
    """The count of requests continues after an update of the description, so 37 of 100 requests are copied."""
    create_experiment(sagemaker, percentage=37)

    copies = 0
    for number in range(10):
        copies += copies_of(mock, runtime, 10)
        sagemaker.update_inference_experiment(Name=NAME, Description=f"Day {number}")

    assert copies == 37


# --- the request and the answer of a shadow


def test_a_copy_has_the_whole_request(mock, sagemaker, runtime):
    """The shadow gets the same request as production; only the variant differs."""
    requests = []
    for name in (PRODUCTION, SHADOW):
        mock.serve(f"model-{name}", lambda request: requests.append(request) or b"")
    create_experiment(sagemaker)

    invoke(runtime, b"1,2,3", ContentType="text/csv", InferenceId="request-7", CustomAttributes="trace=7")

    original, copy = requests
    assert (original, original.variant) == (b"1,2,3", PRODUCTION)
    assert (copy, vars(copy)) == (original, {**vars(original), "variant": SHADOW})


def raising(request):
    raise RuntimeError("out of memory")


def slow(request):
    return ModelResponse(b"the shadow's", latency=3600)


def different(request):
    return ModelResponse({"the": "shadow's"}, content_type="text/html", custom_attributes="the shadow's")


def returning_wrong_type(request):
    return object()


def with_infinite_latency(request):
    return ModelResponse(b"the shadow's", latency=float("inf"))


async def asynchronous(request):
    return b"the shadow's"


@pytest.mark.parametrize(
    "handler", [raising, slow, different, returning_wrong_type, with_infinite_latency, asynchronous]
)
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.HandlerWarning")
def test_a_shadow_does_not_change_the_answer_to_the_caller(mock, experiment, runtime, handler):
    """Whether the shadow answers or fails, the caller gets production's answer, and production counts no error."""

    def answer():
        return {member: value for member, value in invoke(runtime).items() if member != "ResponseMetadata"}

    before = answer()
    mock.serve(MODEL, handler)

    assert answer() == before
    assert metric_sums(mock) == {PRODUCTION: 2, SHADOW: 2}
    assert metric_sums(mock, "InvocationModelErrors")[PRODUCTION] == 0


@pytest.mark.parametrize("handler", [returning_wrong_type, with_infinite_latency, asynchronous])
def test_an_invalid_shadow_handler_warns(mock, experiment, runtime, handler):
    """It counts as a model error, and a HandlerWarning names the model and the handler, because the test has a bug."""
    mock.serve(MODEL, handler)

    with pytest.warns(HandlerWarning, match=rf"shadow.*{MODEL}.*{handler.__name__}"):
        invoke(runtime)

    assert metric_sums(mock, "InvocationModelErrors") == {PRODUCTION: 0, SHADOW: 1}


@pytest.mark.filterwarnings("error::mock_sagemaker_ie.HandlerWarning")
def test_an_exchange_is_recorded_although_the_warning_is_an_error(mock, sagemaker, runtime):
    """If the test turns HandlerWarning into an error, the caller gets it; metrics and captures are still recorded."""
    create_experiment(sagemaker, DataStorageConfig={"Destination": "s3://captured"})
    mock.serve(MODEL, returning_wrong_type)

    with pytest.raises(HandlerWarning):
        invoke(runtime)

    assert metric_sums(mock) == {PRODUCTION: 1, SHADOW: 1}
    assert [capture.variant for capture in mock.captures] == [PRODUCTION]


def test_a_request_is_copied_although_production_fails(mock, experiment, runtime):
    """The metrics then show that only the shadow can answer the request."""
    mock.serve("model-prod", raising)

    with pytest.raises(runtime.exceptions.ModelError):
        invoke(runtime)

    assert metric_sums(mock, "InvocationModelErrors") == {PRODUCTION: 1, SHADOW: 0}
