"""The lifecycle of an experiment: the transition table matches AWS's documentation, and time applies it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections import Counter

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, Status, mock_inference_experiment
from mock_sagemaker_ie.backend.experiments.lifecycle import LIFECYCLE, After, At, Call, Derived
from tests.conftest import START
from tests.operations.shared import MINUTES, at
from tests.requests import NAME, create, stop

FINISHED = ("Completed", "Cancelled")

# The operations allowed in each status.
PERMITTED = {
    "Creating": set(),
    "Created": {"Start", "Update", "Stop", "Delete"},
    "Starting": set(),
    "Running": {"Update", "Stop"},
    "Updating": set(),
    "Stopping": set(),
    "Completed": {"Delete"},
    "Cancelled": {"Delete"},
}

REQUESTS = {
    "StartInferenceExperiment": {"Name": NAME},
    "UpdateInferenceExperiment": {"Name": NAME, "Description": "changed"},
    "StopInferenceExperiment": stop(),
    "DeleteInferenceExperiment": {"Name": NAME},
}


def call(sagemaker, operation):
    """Call an operation on the experiment by its AWS name."""
    return getattr(sagemaker, xform_name(operation))(**REQUESTS[operation])


# --- the transition table


def test_status_has_every_value_of_the_model(sagemaker):
    """Status has exactly the values in botocore's model."""
    status = sagemaker.meta.service_model.shape_for("InferenceExperimentStatus")

    assert set(Status) == set(status.enum)


def test_every_status_is_reachable():
    """Transitions lead from creation to every status."""
    derived = {Derived.DESIRED: set(FINISHED)}
    reached, before = {None}, set()

    while reached != before:
        before = reached
        targets = [derived.get(row.target, {row.target}) for row in LIFECYCLE if row.source in reached]
        reached = reached.union(*targets)

    assert reached == {None, *Status}


def test_each_unfinished_status_has_one_automatic_transition():
    """Without a call, the next status is never ambiguous: one row applies always, others depend on the schedule."""
    automatic = [row for row in LIFECYCLE if isinstance(row.trigger, (After, At))]
    unconditional = Counter(row.source for row in automatic if getattr(row.trigger, "reached", None) is None)

    assert set(unconditional.values()) == {1}
    assert unconditional.keys() == set(Status) - set(FINISHED)
    assert len({(row.source, row.trigger) for row in automatic}) == len(automatic)


@pytest.mark.parametrize("status", Status)
def test_each_status_allows_the_documented_operations(status):
    """Start needs Created, Update and Stop need Created or Running, Delete needs Created, Completed or Cancelled."""
    calls = [row.trigger for row in LIFECYCLE if row.source is status and isinstance(row.trigger, Call)]

    assert sorted(map(str, calls)) == sorted(PERMITTED[status])


# --- transitions over time

# Schedule (minutes after creation), calls by minute, and statuses with the minute at which each begins.
# The durations are MINUTES.
SCENARIOS = [
    pytest.param(
        (10, 60),
        {},
        [(0, "Creating"), (1, "Created"), (10, "Starting"), (12, "Running"), (60, "Stopping"), (64, "Completed")],
        id="no calls",
    ),
    pytest.param(
        (0, 60),
        {},
        [(0, "Creating"), (1, "Running"), (60, "Stopping"), (64, "Completed")],
        id="StartTime is now",
    ),
    pytest.param(
        (-5, 60),
        {},
        [(0, "Creating"), (1, "Running"), (60, "Stopping"), (64, "Completed")],
        id="StartTime is past",
    ),
    pytest.param(
        (0.5, 60),
        {},
        [(0, "Creating"), (1, "Running"), (60, "Stopping"), (64, "Completed")],
        id="StartTime while Creating",
    ),
    pytest.param((0, 0.5), {}, [(0, "Creating"), (1, "Stopping"), (5, "Completed")], id="EndTime while Creating"),
    pytest.param(
        (1.5, 3),
        {},
        [(0, "Creating"), (1, "Created"), (1.5, "Starting"), (3.5, "Stopping"), (7.5, "Completed")],
        id="EndTime while Starting",
    ),
    pytest.param(
        (10, 60),
        {5: "Start"},
        [(0, "Creating"), (1, "Created"), (5, "Starting"), (7, "Running"), (60, "Stopping"), (64, "Completed")],
        id="Start before StartTime",
    ),
    pytest.param(
        (10, 13),
        {5: "Update"},
        [(1, "Created"), (5, "Updating"), (8, "Created"), (10, "Starting"), (12, "Running"), (13, "Stopping")],
        id="Update in Created",
    ),
    pytest.param(
        (10, 60),
        {9: "Update"},
        [(1, "Created"), (9, "Updating"), (12, "Running"), (60, "Stopping"), (64, "Completed")],
        id="StartTime while Updating",
    ),
    pytest.param(
        (10, 60),
        {20: "Update"},
        [(12, "Running"), (20, "Updating"), (23, "Running"), (60, "Stopping"), (64, "Completed")],
        id="Update in Running",
    ),
    pytest.param(
        (10, 60),
        {59: "Update"},
        [(12, "Running"), (59, "Updating"), (62, "Stopping"), (66, "Completed")],
        id="EndTime while Updating",
    ),
    pytest.param((10, 60), {5: "Stop"}, [(1, "Created"), (5, "Stopping"), (9, "Cancelled")], id="Stop in Created"),
    pytest.param((10, 60), {20: "Stop"}, [(12, "Running"), (20, "Stopping"), (24, "Cancelled")], id="Stop in Running"),
]


def describe_over_time(sagemaker, schedule, calls, *, reads, durations=MINUTES):
    """Return the answer of Describe at each minute in `reads`, for an experiment that gets `calls` by the minute.

    A call in the same minute as a read comes first; a refused call changes nothing.
    """
    start, end = schedule
    shown = []
    with mock_inference_experiment(clock=START, durations=durations) as mock:
        request = create(Schedule={"StartTime": at(minutes=start), "EndTime": at(minutes=end)})
        sagemaker.create_inference_experiment(**request)
        for minute, verb in sorted([*calls.items(), *((minute, "read") for minute in reads)]):
            mock.clock.move_to(at(minutes=minute))
            if verb == "read":
                shown.append(sagemaker.describe_inference_experiment(Name=NAME))
            else:
                with contextlib.suppress(ClientError):
                    call(sagemaker, f"{verb}InferenceExperiment")
    for experiment in shown:
        del experiment["ResponseMetadata"]
    return shown


@pytest.mark.parametrize(("schedule", "calls", "statuses"), SCENARIOS)
def test_each_status_begins_at_its_deadline(sagemaker, schedule, calls, statuses):
    """LastModifiedTime is the time at which the status began, even if Describe comes much later."""
    last_moments = [next_begins - 0.001 for next_begins, _ in statuses[1:]] + [statuses[-1][0] + 0.9]

    shown = describe_over_time(sagemaker, schedule, calls, reads=last_moments)

    assert [(experiment["LastModifiedTime"], experiment["Status"]) for experiment in shown] == [
        (at(minutes=minute), status) for minute, status in statuses
    ]


minutes = st.integers(0, 30)


RANDOM_SCENARIOS = st.fixed_dictionaries(
    {
        "schedule": st.tuples(minutes, st.integers(31, 60)),
        "calls": st.dictionaries(minutes, st.sampled_from(["Start", "Update", "Stop"]), max_size=4),
        "durations": st.builds(Durations, *[minutes.map(lambda number: dt.timedelta(minutes=number))] * 4),
    }
)


@settings(max_examples=50, deadline=None)
@given(scenario=RANDOM_SCENARIOS, reads=st.lists(minutes, max_size=10), last=st.integers(30, 90))
def test_reading_does_not_change_an_experiment(sagemaker, scenario, reads, last):
    """An experiment is the same in the end, whether it was read once or many times."""
    (read_once,) = describe_over_time(sagemaker, **scenario, reads=[last])

    *_, read_often = describe_over_time(sagemaker, **scenario, reads=[*reads, last])

    assert read_often == read_once


# --- durations

NAMES = [field.name for field in dataclasses.fields(Durations)]
MINUTE = dt.timedelta(minutes=1)


def test_durations_are_zero_by_default():
    """All durations are zero by default; realistic durations are at least one minute."""
    assert {getattr(Durations(), name) for name in NAMES} == {dt.timedelta(0)}
    assert all(getattr(Durations.realistic(), name) >= MINUTE for name in NAMES)


def test_a_duration_may_be_infinite(sagemaker):
    """With `timedelta.max` a status never ends, because the deadline is beyond the calendar."""
    with mock_inference_experiment(clock=START, durations=Durations(stopping=dt.timedelta.max)) as mock:
        sagemaker.create_inference_experiment(**create())
        sagemaker.stop_inference_experiment(**stop())
        mock.clock.advance(days=1000)

        assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Stopping"


@pytest.mark.parametrize(
    ("text", "durations"),
    [
        ("", Durations()),
        ("zero", Durations()),
        (" realistic ", Durations.realistic()),
        ("creating=60", Durations(creating=MINUTE)),
        ("creating=60 stopping=0.5", Durations(creating=MINUTE, stopping=dt.timedelta(seconds=0.5))),
        ("starting=60,updating=60", Durations(starting=MINUTE, updating=MINUTE)),
    ],
)
def test_parse_reads_durations_from_text(text, durations):
    """`Durations.parse` accepts a word, or seconds by name, in the form of an ini file."""
    assert Durations.parse(text) == durations


@pytest.mark.parametrize(
    "text",
    ["fast", "zero realistic", "creating", "creating=soon", "creating=-1", "creating=inf", "sleeping=1", "=", "a=b=c"],
)
def test_parse_refuses_other_text(text):
    """The ValueError repeats the text and lists all valid words and names."""
    with pytest.raises(ValueError, match=f"{text}.*zero, realistic.*{', '.join(NAMES)}"):
        Durations.parse(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("value", "error"), [(60, TypeError), (None, TypeError), (-MINUTE, ValueError)])
def test_a_duration_must_be_a_non_negative_timedelta(name, value, error):
    """Another value raises an error that names the duration."""
    with pytest.raises(error, match=name):
        Durations(**{name: value})
