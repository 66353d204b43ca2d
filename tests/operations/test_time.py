"""Deadlines take effect in order, each at its own time, with or without calls in between; and `advance_until`."""

from __future__ import annotations

import datetime as dt

import pytest

from mock_sagemaker_ie import Durations, Status, mock_inference_experiment
from tests.operations.shared import MINUTES, all_but, at, bring_to
from tests.requests import NAME, create

# An experiment of one hour that starts in one hour, with the MINUTES: each status with its first and last minute.
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


def status_since(sagemaker):
    """Return the status of the experiment and the time of its last change."""
    experiment = describe(sagemaker)
    return experiment["Status"], experiment["LastModifiedTime"]


@pytest.fixture
def scheduled_mock(slow_mock, sagemaker):
    """Return a mock with an experiment that has the SCHEDULE."""
    sagemaker.create_inference_experiment(**create(Schedule=SCHEDULE))
    return slow_mock


def poll(mock, sagemaker, *, until):
    """Return the distinct results of `status_since`, which is called every thirty seconds."""
    reads = []
    while mock.clock.now() <= until:
        if (read := status_since(sagemaker)) not in reads:
            reads.append(read)
        mock.clock.advance(seconds=30)
    return reads


# --- deadlines


@in_each_status
def test_a_status_lasts_from_one_deadline_to_the_next(scheduled_mock, sagemaker, status, begins, ends):
    """A status begins at its deadline, and lasts until the last second before the next deadline."""
    scheduled_mock.clock.move_to(at(minutes=begins))
    assert status_since(sagemaker) == (status, at(minutes=begins))

    scheduled_mock.clock.move_to(at(minutes=ends, seconds=-1))
    assert status_since(sagemaker) == (status, at(minutes=begins))


@in_each_status
def test_all_deadlines_between_two_reads_take_effect(scheduled_mock, sagemaker, status, begins, ends):
    """The first read after several deadlines shows that each one took effect at its own time."""
    scheduled_mock.clock.move_to(at(minutes=ends, seconds=-1))

    assert status_since(sagemaker) == (status, at(minutes=begins))


def test_completion_time_does_not_depend_on_the_time_of_the_read(scheduled_mock, sagemaker):
    """After a year, CompletionTime is EndTime plus the stopping duration."""
    scheduled_mock.clock.advance(days=365)

    assert describe(sagemaker)["CompletionTime"] == SCHEDULE["EndTime"] + MINUTES.stopping


def test_reading_does_not_change_an_experiment(scheduled_mock, sagemaker):
    """An experiment that is read every thirty seconds has the expected history."""
    reads = poll(scheduled_mock, sagemaker, until=at(hours=3))

    assert reads == [(status, at(minutes=begins)) for status, begins, _ in HISTORY]


@in_each_status
def test_list_and_list_tags_do_not_change_an_experiment(scheduled_mock, sagemaker, status, begins, ends):
    """After List and ListTags at the start of a status, `.experiments` is the same as before."""
    scheduled_mock.clock.move_to(at(minutes=begins))
    before = scheduled_mock.experiments

    sagemaker.list_inference_experiments(SortBy="Status", StatusEquals=status)
    sagemaker.list_tags(ResourceArn=describe(sagemaker)["Arn"])

    assert scheduled_mock.experiments == before


# --- durations


def test_by_default_statuses_take_no_time(mock, sagemaker):
    """By default, the next call shows the status after a transitional one."""
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": at(hours=2)}))
    assert status_since(sagemaker) == ("Running", at())

    sagemaker.update_inference_experiment(Name=NAME, Description="New")
    assert status_since(sagemaker) == ("Running", at())

    mock.clock.advance(hours=2)
    assert status_since(sagemaker) == ("Completed", at(hours=2))


@pytest.mark.parametrize("lasting_status", ["creating", "starting", "stopping"])
def test_a_single_duration_may_be_given(clock, sagemaker, lasting_status):
    """A status with a duration lasts; the other transitional statuses take no time."""
    durations = Durations(**{lasting_status: dt.timedelta(minutes=1)})
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        sagemaker.create_inference_experiment(**create(Schedule=SCHEDULE))

        reads = poll(mock, sagemaker, until=at(hours=3))

    lasts = {"Created", "Running", "Completed", lasting_status.capitalize()}
    assert [status for status, _ in reads] == [status for status, *_ in HISTORY if status in lasts]


def test_realistic_durations_last_minutes(clock, sagemaker):
    """`Durations.realistic()` gives every transitional status a duration of one minute to one hour."""
    durations = Durations.realistic()
    assert all(dt.timedelta(minutes=1) <= value <= dt.timedelta(hours=1) for value in vars(durations).values())

    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        schedule = {"StartTime": at(days=1), "EndTime": at(days=2)}
        sagemaker.create_inference_experiment(**create(Schedule=schedule))

        assert mock.advance_until(NAME, "Created") == at() + durations.creating
        assert mock.advance_until(NAME, "Running") == at(days=1) + durations.starting
        assert mock.advance_until(NAME, "Completed") == at(days=2) + durations.stopping


# --- advance_until


@in_each_status
def test_advance_until_moves_the_clock_to_the_start_of_a_status(scheduled_mock, sagemaker, status, begins, ends):
    """`advance_until` returns the time at which the status begins, and the clock then shows this time."""
    moment = scheduled_mock.advance_until(NAME, status)

    assert moment == scheduled_mock.clock.now() == at(minutes=begins)
    assert status_since(sagemaker) == (status, moment)


def test_advance_until_the_current_status_does_not_move_the_clock(scheduled_mock):
    """`advance_until` with the current status returns the current time."""
    scheduled_mock.clock.advance(minutes=90)

    assert scheduled_mock.advance_until(NAME, "Running") == scheduled_mock.clock.now() == at(minutes=90)


def test_advance_until_a_status_that_begins_between_two_milliseconds(clock, sagemaker):
    """The clock moves to a time at which the mock shows the status."""
    durations = Durations(creating=dt.timedelta(microseconds=1_500))
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        sagemaker.create_inference_experiment(**create())

        mock.advance_until(NAME, "Running")

        assert describe(sagemaker)["Status"] == "Running"


@pytest.mark.parametrize("status", all_but("Cancelled"))
def test_advance_until_refuses_a_finished_experiment(slow_mock, status):
    """A finished experiment reaches no other status: the error names its status, and the clock does not move."""
    bring_to(slow_mock, "Cancelled")
    before = slow_mock.clock.now()

    with pytest.raises(ValueError, match=f"{NAME}.* {status} .*it stays Cancelled"):
        slow_mock.advance_until(NAME, status)

    assert slow_mock.clock.now() == before


def test_advance_until_refuses_a_status_that_takes_no_time(mock, sagemaker):
    """The error refers to `durations=`."""
    sagemaker.create_inference_experiment(**create())

    with pytest.raises(ValueError, match=r"Stopping takes no time.*durations="):
        mock.advance_until(NAME, "Stopping")


@pytest.mark.parametrize(
    ("present", "wanted", "operation"),
    [("Created", "Updating", "Update"), ("Running", "Updating", "Update"), ("Running", "Cancelled", "Stop")],
)
def test_advance_until_names_the_operation_that_is_missing(slow_mock, present, wanted, operation):
    """The error shows the statuses that follow without a call, and the operation that leads to the wanted status."""
    bring_to(slow_mock, present)

    with pytest.raises(ValueError, match=f"{present} → .*Completed.*{operation}InferenceExperiment"):
        slow_mock.advance_until(NAME, wanted)


@pytest.mark.parametrize("wanted", ["Creating", "Created", "Starting"])
def test_advance_until_names_no_operation_for_a_past_status(slow_mock, wanted):
    """The error names no operation when none leads a running experiment back to the status."""
    bring_to(slow_mock, "Running")

    with pytest.raises(ValueError, match=f"not become {wanted}.*Running → Stopping → Completed") as caught:
        slow_mock.advance_until(NAME, wanted)

    assert "InferenceExperiment" not in str(caught.value)


def test_advance_until_refuses_an_unknown_status(mock):
    """The ValueError lists the valid statuses."""
    with pytest.raises(ValueError, match=f"'Failed'.*{', '.join(Status)}"):
        mock.advance_until(NAME, "Failed")


def test_advance_until_refuses_an_unknown_experiment(mock):
    """The LookupError names the experiment."""
    with pytest.raises(LookupError, match=NAME):
        mock.advance_until(NAME, "Running")
