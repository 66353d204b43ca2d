"""Deadlines pass in order, each at its own instant, whether anybody looks or not; and how to move to one."""

from __future__ import annotations

import datetime as dt

import pytest

from mock_sagemaker_ie import Durations, Status, mock_inference_experiment
from tests.operations.shared import MINUTES, all_but, at, bring_to
from tests.requests import NAME, create

# An hour's test that begins in an hour, with the MINUTES: each status, and the minutes at which it begins and ends.
SCHEDULE = {"StartTime": at(hours=1), "EndTime": at(hours=2)}
HISTORY = [
    ("Creating", 0, 1),
    ("Created", 1, 60),
    ("Starting", 60, 62),
    ("Running", 62, 120),
    ("Stopping", 120, 124),
    ("Completed", 124, 365 * 24 * 60),
]
in_each_status = pytest.mark.parametrize(("status", "begins", "ends"), HISTORY, ids=[status for status, *_ in HISTORY])


def describe(sagemaker):
    return sagemaker.describe_inference_experiment(Name=NAME)


def look(sagemaker):
    """The status of the experiment and since when it has it."""
    experiment = describe(sagemaker)
    return experiment["Status"], experiment["LastModifiedTime"]


@pytest.fixture
def scheduled(slow_mock, sagemaker):
    """A mock with an experiment of SCHEDULE."""
    sagemaker.create_inference_experiment(**create(Schedule=SCHEDULE))
    return slow_mock


def watch(mock, sagemaker, *, until):
    """The different looks of one who looks every thirty seconds."""
    looks = []
    while mock.clock.now() <= until:
        if look(sagemaker) not in looks:
            looks.append(look(sagemaker))
        mock.clock.advance(seconds=30)
    return looks


# --- deadlines


@in_each_status
def test_a_status_lasts_from_one_deadline_to_the_next(scheduled, sagemaker, status, begins, ends):
    """It is there at the instant at which it begins, and to the last second before it ends."""
    scheduled.clock.move_to(at(minutes=begins))
    assert look(sagemaker) == (status, at(minutes=begins))

    scheduled.clock.move_to(at(minutes=ends, seconds=-1))
    assert look(sagemaker) == (status, at(minutes=begins))


@in_each_status
def test_deadlines_between_two_looks_are_all_passed(scheduled, sagemaker, status, begins, ends):
    """The first look after many deadlines finds that each has passed at its own instant."""
    scheduled.clock.move_to(at(minutes=ends, seconds=-1))

    assert look(sagemaker) == (status, at(minutes=begins))


def test_a_completed_experiment_ended_when_it_was_due(scheduled, sagemaker):
    """Looked at a year later, its CompletionTime is the end of the schedule and the stopping time."""
    scheduled.clock.advance(days=365)

    assert describe(sagemaker)["CompletionTime"] == SCHEDULE["EndTime"] + MINUTES.stopping


def test_looking_changes_nothing(scheduled, sagemaker):
    """Looked at ever so often, an experiment has the history of one nobody looks at."""
    looks = watch(scheduled, sagemaker, until=at(hours=3))

    assert looks == [(status, at(minutes=begins)) for status, begins, _ in HISTORY]


@in_each_status
def test_two_looks_at_one_instant_see_the_same(scheduled, sagemaker, status, begins, ends):
    """Whichever way one looks, the next look finds nothing changed."""
    scheduled.clock.move_to(at(minutes=begins))
    before = scheduled.experiments

    sagemaker.list_inference_experiments(SortBy="Status", StatusEquals=status)
    sagemaker.list_tags(ResourceArn=describe(sagemaker)["Arn"])

    assert scheduled.experiments == before


def test_a_start_time_that_passes_while_creating_takes_effect_when_created(slow_mock, sagemaker):
    """The experiment then passes Created in no time."""
    sagemaker.create_inference_experiment(**create())

    slow_mock.clock.advance(MINUTES.creating)

    assert look(sagemaker) == ("Starting", at() + MINUTES.creating)


def test_an_end_time_that_passes_while_starting_takes_effect_when_running(slow_mock, sagemaker):
    """The experiment then passes Running in no time, and completes."""
    end = at() + MINUTES.creating + MINUTES.starting / 2
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": end}))

    slow_mock.clock.advance(hours=1)

    completed = at() + MINUTES.creating + MINUTES.starting + MINUTES.stopping
    assert look(sagemaker) == ("Completed", completed)


# --- durations


def test_without_durations_nothing_takes_time(mock, sagemaker):
    """A poll loop finds at its first look what it waits for."""
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": at(hours=2)}))
    assert look(sagemaker) == ("Running", at())

    sagemaker.update_inference_experiment(Name=NAME, Description="New")
    assert look(sagemaker) == ("Running", at())

    mock.clock.advance(hours=2)
    assert look(sagemaker) == ("Completed", at(hours=2))


@pytest.mark.parametrize("lasting", ["creating", "starting", "stopping"])
def test_one_duration_may_be_given_alone(clock, sagemaker, lasting):
    """The status that was given a duration lasts it, the others take no time."""
    durations = Durations(**{lasting: dt.timedelta(minutes=1)})
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        sagemaker.create_inference_experiment(**create(Schedule=SCHEDULE))

        looks = watch(mock, sagemaker, until=at(hours=3))

    lasts = {"Created", "Running", "Completed", lasting.capitalize()}
    assert [status for status, _ in looks] == [status for status, *_ in HISTORY if status in lasts]


def test_realistic_durations_last_minutes(clock, sagemaker):
    """`Durations.realistic()` lets every transitional status last."""
    durations = Durations.realistic()
    assert all(dt.timedelta(minutes=1) <= value <= dt.timedelta(hours=1) for value in vars(durations).values())

    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        sagemaker.create_inference_experiment(**create())

        assert mock.advance_until(NAME, "Running") == at() + durations.creating + durations.starting
        assert mock.advance_until(NAME, "Completed") == at(days=7) + durations.stopping


# --- advance_until


@in_each_status
def test_the_clock_moves_to_where_a_status_begins(scheduled, sagemaker, status, begins, ends):
    """`advance_until` returns the instant, and the clock stands there."""
    moment = scheduled.advance_until(NAME, status)

    assert moment == scheduled.clock.now() == at(minutes=begins)
    assert look(sagemaker) == (status, moment)


def test_a_status_that_is_reached_already_moves_nothing(scheduled):
    """`advance_until` the present status is now."""
    scheduled.clock.advance(minutes=90)

    assert scheduled.advance_until(NAME, "Running") == scheduled.clock.now() == at(minutes=90)


def test_a_status_may_begin_between_two_milliseconds(clock, sagemaker):
    """The clock moves to an instant at which the service sees the status."""
    durations = Durations(creating=dt.timedelta(microseconds=1_500))
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        sagemaker.create_inference_experiment(**create())

        mock.advance_until(NAME, "Running")

        assert describe(sagemaker)["Status"] == "Running"


@pytest.mark.parametrize("status", all_but("Cancelled"))
def test_a_finished_experiment_stays(slow_mock, status):
    """What has ended reaches no other status: the error says where it stays, and the clock does not move."""
    bring_to(slow_mock, "Cancelled")
    before = slow_mock.clock.now()

    with pytest.raises(ValueError, match=f"{NAME}.* {status} .*Cancelled, where it stays"):
        slow_mock.advance_until(NAME, status)

    assert slow_mock.clock.now() == before


def test_a_status_that_takes_no_time_cannot_be_seen(mock, sagemaker):
    """The error points to the durations."""
    sagemaker.create_inference_experiment(**create())

    with pytest.raises(ValueError, match=r"Stopping in no time.*durations="):
        mock.advance_until(NAME, "Stopping")


@pytest.mark.parametrize(
    ("present", "wanted", "operation"),
    [("Created", "Updating", "Update"), ("Running", "Updating", "Update"), ("Running", "Cancelled", "Stop")],
)
def test_a_status_that_needs_a_call_says_which(slow_mock, present, wanted, operation):
    """The error tells where the experiment goes by itself, and what would lead to the status."""
    bring_to(slow_mock, present)

    with pytest.raises(ValueError, match=f"{present} → .*Completed.*{operation}InferenceExperiment"):
        slow_mock.advance_until(NAME, wanted)


@pytest.mark.parametrize("wanted", ["Creating", "Created", "Starting"])
def test_a_status_that_is_over_needs_no_call(slow_mock, wanted):
    """The error names no operation when none leads a running experiment back."""
    bring_to(slow_mock, "Running")

    with pytest.raises(ValueError, match=f"not be {wanted}.*Running → Stopping → Completed") as caught:
        slow_mock.advance_until(NAME, wanted)

    assert "InferenceExperiment" not in str(caught.value)


def test_a_status_of_no_experiment_is_an_error(mock):
    """The error lists the statuses there are."""
    with pytest.raises(ValueError, match=f"'Failed'.*{', '.join(Status)}"):
        mock.advance_until(NAME, "Failed")


def test_an_experiment_that_is_not_there_reaches_nothing(mock):
    """The error is a LookupError that names the experiment."""
    with pytest.raises(LookupError, match=NAME):
        mock.advance_until(NAME, "Running")
