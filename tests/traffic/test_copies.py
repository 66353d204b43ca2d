"""Which requests a shadow gets a copy of, and that callers never notice."""

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
from tests.traffic.shared import invoke, invoke_times, launch, serve, totals, with_shadow

MINUTE = dt.timedelta(minutes=1)
MINUTES = Durations(creating=MINUTE, starting=MINUTE, updating=MINUTE, stopping=MINUTE)
MODEL = "model-shadow"


def copied(mock, runtime, times=100):
    """How many of so many requests the shadow gets a copy of."""
    before = totals(mock).get(SHADOW, 0)
    invoke_times(runtime, times)
    return totals(mock).get(SHADOW, 0) - before


# --- how many


@given(percentage=st.integers(0, 100), start=st.integers(0, 1000), length=st.integers(1, 100))
@example(percentage=37, start=0, length=100)
@example(percentage=99, start=1, length=100)
def test_exactly_p_of_every_100_requests_are_copied(percentage, start, length):
    """Wherever one begins to count; and of fewer than 100 as near to p percent as whole requests can be."""
    shares = TrafficSplitter()
    for _ in range(start):
        shares.sample("key", Fraction(percentage, 100))

    taken = sum(shares.sample("key", Fraction(percentage, 100)) for _ in range(length))

    assert abs(taken - length * percentage / 100) < 1
    assert length < 100 or taken == percentage


@pytest.mark.parametrize("percentage", [0, 1, 29, 50, 100])
def test_the_sampling_percentage_is_obeyed(mock, sagemaker, runtime, percentage):
    """Of the requests to an endpoint under test, the shadow variant gets exactly its share."""
    launch(sagemaker, percentage=percentage)

    assert [copied(mock, runtime), copied(mock, runtime)] == [percentage, percentage]


def test_ten_thousand_requests(mock, sagemaker, runtime):
    """Nothing adds up over time: 37 % of 10,000 are 3,700."""
    launch(sagemaker, percentage=37)

    assert copied(mock, runtime, 10_000) == 3700


@pytest.mark.parametrize(
    ("weights", "of_a_hundred"),
    [((1.0, 1.0), 100), ((4.0, 1.0), 25), ((1.0, 0.37), 37), ((1.0, 2.0), 100), ((1.0, 0.0), 0)],
)
def test_without_an_experiment_the_weights_tell(mock, sagemaker, runtime, weights, of_a_hundred):
    """A plain endpoint's shadow gets the share that its weight is of production's, never more than all."""
    production, shadow = weights
    serve(sagemaker, deployed(InitialVariantWeight=production), **with_shadow(shadow))

    assert copied(mock, runtime) == of_a_hundred


def test_each_endpoint_counts_by_itself(mock, sagemaker, runtime):
    """Requests to one do not use up the share of another."""
    for name in ("one", "other"):
        serve(sagemaker, endpoint=name, **with_shadow(0.5))

    for _ in range(10):
        invoke(runtime, endpoint="one")
        invoke(runtime, endpoint="other")

    assert totals(mock, endpoint="one") == totals(mock, endpoint="other") == {PRODUCTION: 10, SHADOW: 5}


# --- when


def creating(mock, sagemaker):
    """One that has just been made."""
    launch(sagemaker)


def created(mock, sagemaker):
    """One that is to run tomorrow."""
    launch(sagemaker, Schedule={"StartTime": START + dt.timedelta(days=1)})
    mock.advance_until(NAME, "Created")


def updated(mock, sagemaker):
    """One that is updated before it runs."""
    created(mock, sagemaker)
    sagemaker.update_inference_experiment(Name=NAME, Description="Updated")


def started(mock, sagemaker):
    """One whose shadow is being deployed."""
    launch(sagemaker)
    mock.advance_until(NAME, "Starting")


def running(mock, sagemaker):
    """One that runs."""
    launch(sagemaker)
    mock.advance_until(NAME, "Running")


def updated_in_running(mock, sagemaker):
    """One that is updated while it runs."""
    running(mock, sagemaker)
    sagemaker.update_inference_experiment(Name=NAME, Description="Updated")


def stopped(mock, sagemaker):
    """One whose shadow is being removed."""
    running(mock, sagemaker)
    sagemaker.stop_inference_experiment(**stop())


def completed(mock, sagemaker):
    """One whose time is up."""
    running(mock, sagemaker)
    mock.advance_until(NAME, "Completed")


def cancelled(mock, sagemaker):
    """One that has failed while it ran."""
    running(mock, sagemaker)
    mock.fail_experiment(NAME, "No capacity")


@pytest.mark.parametrize(
    ("bring_about", "status", "copies"),
    [
        (creating, "Creating", False),
        (created, "Created", False),
        (updated, "Updating", False),
        (started, "Starting", False),
        (running, "Running", True),
        (updated_in_running, "Updating", True),
        (stopped, "Stopping", False),
        (completed, "Completed", False),
        (cancelled, "Cancelled", False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_only_a_running_experiment_copies(clock, sagemaker, runtime, bring_about, status, copies):  # noqa: PLR0917
    """It does so while it is updated, too; production answers in every status."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        serve(sagemaker)
        bring_about(mock, sagemaker)
        assert mock.experiments[NAME]["Status"] == status

        assert copied(mock, runtime, 10) == (10 if copies else 0)
        assert totals(mock)[PRODUCTION] == 10


def test_a_retained_shadow_gets_its_copies_ever_after(mock, sagemaker, runtime):
    """An experiment that is stopped with {Retain, Retain} leaves an endpoint with a shadow, as it was."""
    launch(sagemaker, percentage=40)

    sagemaker.stop_inference_experiment(**stop(production="Retain", shadow="Retain"))

    assert copied(mock, runtime) == 40


def test_a_promoted_shadow_answers(mock, sagemaker, runtime):
    """Whoever invokes the endpoint is answered by the shadow from then on, and nothing is copied."""
    launch(sagemaker)

    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote"))

    assert invoke_times(runtime, 3) == [SHADOW] * 3
    assert totals(mock) == {SHADOW: 3}


def test_a_new_percentage_holds_once_it_is_deployed(clock, sagemaker, runtime):
    """Until Updating ends it is the old one."""
    with mock_inference_experiment(clock=clock, durations=Durations(updating=MINUTE)) as mock:
        launch(sagemaker, percentage=20)
        invoke(runtime)
        sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=70))

        assert copied(mock, runtime) == 20

        mock.clock.advance(MINUTE)
        assert copied(mock, runtime) == 70


def test_an_update_of_something_else_does_not_change_the_share(mock, sagemaker, runtime):
    """Requests are counted on where they were."""
    launch(sagemaker, percentage=37)

    copies = 0
    for number in range(10):
        copies += copied(mock, runtime, 10)
        sagemaker.update_inference_experiment(Name=NAME, Description=f"Day {number}")

    assert copies == 37


# --- what a shadow is given, and what it may do


def test_a_copy_is_the_whole_request(mock, sagemaker, runtime):
    """The shadow is given what production is, under its own name."""
    requests = []
    for name in (PRODUCTION, SHADOW):
        mock.serve(f"model-{name}", lambda request: requests.append(request) or b"")
    launch(sagemaker)

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


def nonsensical(request):
    return object()


def endless(request):
    return ModelResponse(b"the shadow's", latency=float("inf"))


async def asynchronous(request):
    return b"the shadow's"


@pytest.mark.parametrize("handler", [raising, slow, different, nonsensical, endless, asynchronous])
@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.HandlerWarning")
def test_a_shadow_never_shows(mock, experiment, runtime, handler):
    """Whatever it does, the caller gets production's answer, and the request counts as one well answered."""

    def answer():
        return {member: value for member, value in invoke(runtime).items() if member != "ResponseMetadata"}

    before = answer()
    mock.serve(MODEL, handler)

    assert answer() == before
    assert totals(mock) == {PRODUCTION: 2, SHADOW: 2}
    assert totals(mock, "InvocationModelErrors")[PRODUCTION] == 0


@pytest.mark.parametrize("handler", [nonsensical, endless, asynchronous])
def test_a_shadow_that_makes_no_sense_is_warned_of(mock, experiment, runtime, handler):
    """It counts as a model's failure, but it is a mistake of the test, which must hear of it."""
    mock.serve(MODEL, handler)

    with pytest.warns(HandlerWarning, match=rf"shadow.*{MODEL}.*{handler.__name__}"):
        invoke(runtime)

    assert totals(mock, "InvocationModelErrors") == {PRODUCTION: 0, SHADOW: 1}


@pytest.mark.filterwarnings("error::mock_sagemaker_ie.HandlerWarning")
def test_where_warnings_are_errors_nothing_is_lost(mock, sagemaker, runtime):
    """The caller then does see the warning, since the test asked for that; the exchange is kept all the same."""
    launch(sagemaker, DataStorageConfig={"Destination": "s3://captured"})
    mock.serve(MODEL, nonsensical)

    with pytest.raises(HandlerWarning):
        invoke(runtime)

    assert totals(mock) == {PRODUCTION: 1, SHADOW: 1}
    assert [capture.variant for capture in mock.captures] == [PRODUCTION]


def test_a_shadow_is_asked_though_production_fails(mock, experiment, runtime):
    """How it would have done where production does not is what one wants to know."""
    mock.serve("model-prod", raising)

    with pytest.raises(runtime.exceptions.ModelError):
        invoke(runtime)

    assert totals(mock, "InvocationModelErrors") == {PRODUCTION: 1, SHADOW: 0}
