"""The lifecycle of an experiment: the table is the one AWS documents, and time walks it however it is looked at."""

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

# What may be called in each status.
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
    """Call an operation on the experiment by AWS's name."""
    return getattr(sagemaker, xform_name(operation))(**REQUESTS[operation])


# --- the table


def test_the_statuses_are_aws_s(sagemaker):
    """There is every status that the service model knows, and no other."""
    status = sagemaker.meta.service_model.shape_for("InferenceExperimentStatus")

    assert set(Status) == set(status.enum)


def test_every_status_is_reached():
    """From creation, transitions lead to each of the statuses."""
    derived = {Derived.PREVIOUS: {"Created", "Running"}, Derived.DESIRED: set(FINISHED)}
    reached, before = {None}, set()

    while reached != before:
        before = reached
        targets = [derived.get(row.target, {row.target}) for row in LIFECYCLE if row.source in reached]
        reached = reached.union(*targets)

    assert reached == {None, *Status}


def test_no_two_transitions_of_a_status_happen_by_themselves():
    """What comes next by itself is never a matter of luck."""
    by_itself = Counter(row.source for row in LIFECYCLE if isinstance(row.trigger, (After, At)))

    assert set(by_itself.values()) == {1}
    assert by_itself.keys() == set(Status) - set(FINISHED)


@pytest.mark.parametrize("status", Status)
def test_the_table_permits_what_aws_documents(status):
    """Start waits in Created, Update and Stop take Created or Running, Delete takes what does not work."""
    calls = [row.trigger for row in LIFECYCLE if row.source is status and isinstance(row.trigger, Call)]

    assert sorted(map(str, calls)) == sorted(PERMITTED[status])


# --- time walks it

# Schedule (minutes after creation), calls by the minute, and the statuses from that minute on; MINUTES apply.
LIVES = [
    pytest.param(
        (10, 60),
        {},
        [(0, "Creating"), (1, "Created"), (10, "Starting"), (12, "Running"), (60, "Stopping"), (64, "Completed")],
        id="left alone",
    ),
    pytest.param(
        (0, 60),
        {},
        [(0, "Creating"), (1, "Starting"), (3, "Running"), (60, "Stopping"), (64, "Completed")],
        id="to start at once",
    ),
    pytest.param(
        (0, 2), {}, [(0, "Creating"), (1, "Starting"), (3, "Stopping"), (7, "Completed")], id="over before it runs"
    ),
    pytest.param(
        (10, 60),
        {5: "Start"},
        [(0, "Creating"), (1, "Created"), (5, "Starting"), (7, "Running"), (60, "Stopping"), (64, "Completed")],
        id="started early",
    ),
    pytest.param(
        (10, 13),
        {5: "Update"},
        [(1, "Created"), (5, "Updating"), (8, "Created"), (10, "Starting"), (12, "Running"), (13, "Stopping")],
        id="updated while it waits",
    ),
    pytest.param(
        (10, 60),
        {9: "Update"},
        [(1, "Created"), (9, "Updating"), (12, "Starting"), (14, "Running"), (60, "Stopping"), (64, "Completed")],
        id="updated while it should start",
    ),
    pytest.param(
        (10, 60),
        {20: "Update"},
        [(12, "Running"), (20, "Updating"), (23, "Running"), (60, "Stopping"), (64, "Completed")],
        id="updated while it runs",
    ),
    pytest.param(
        (10, 60),
        {59: "Update"},
        [(12, "Running"), (59, "Updating"), (62, "Stopping"), (66, "Completed")],
        id="updated while it should end",
    ),
    pytest.param(
        (10, 60), {5: "Stop"}, [(1, "Created"), (5, "Stopping"), (9, "Cancelled")], id="stopped while it waits"
    ),
    pytest.param(
        (10, 60), {20: "Stop"}, [(12, "Running"), (20, "Stopping"), (24, "Cancelled")], id="stopped while it runs"
    ),
]


def life(sagemaker, schedule, calls, *, looks, durations=MINUTES):
    """What Describe says at each of `looks`, in minutes, of an experiment on which `calls` are made by the minute.

    A call that comes in the same minute as a look comes before it; one that is refused changes nothing.
    """
    start, end = schedule
    shown = []
    with mock_inference_experiment(clock=START, durations=durations) as mock:
        request = create(Schedule={"StartTime": at(minutes=start), "EndTime": at(minutes=end)})
        sagemaker.create_inference_experiment(**request)
        for minute, verb in sorted([*calls.items(), *((look, "look") for look in looks)]):
            mock.clock.move_to(at(minutes=minute))
            if verb == "look":
                shown.append(sagemaker.describe_inference_experiment(Name=NAME))
            else:
                with contextlib.suppress(ClientError):
                    call(sagemaker, f"{verb}InferenceExperiment")
    for experiment in shown:
        del experiment["ResponseMetadata"]
    return shown


@pytest.mark.parametrize(("schedule", "calls", "statuses"), LIVES)
def test_each_status_begins_at_its_own_instant(sagemaker, schedule, calls, statuses):
    """LastModifiedTime is the deadline that was passed, also when the look comes much later."""
    last_moments = [next_begins - 0.001 for next_begins, _ in statuses[1:]] + [statuses[-1][0] + 0.9]

    shown = life(sagemaker, schedule, calls, looks=last_moments)

    assert [(experiment["LastModifiedTime"], experiment["Status"]) for experiment in shown] == [
        (at(minutes=minute), status) for minute, status in statuses
    ]


minutes = st.integers(0, 30)


STORIES = st.fixed_dictionaries(
    {
        "schedule": st.tuples(minutes, st.integers(31, 60)),
        "calls": st.dictionaries(minutes, st.sampled_from(["Start", "Update", "Stop"]), max_size=4),
        "durations": st.builds(Durations, *[minutes.map(lambda number: dt.timedelta(minutes=number))] * 4),
    }
)


@settings(max_examples=50, deadline=None)
@given(story=STORIES, looks=st.lists(minutes, max_size=10), last=st.integers(30, 90))
def test_looking_changes_nothing(sagemaker, story, looks, last):
    """Looked at once or many times on the way, an experiment is the same in the end."""
    (unseen,) = life(sagemaker, **story, looks=[last])

    *_, seen = life(sagemaker, **story, looks=[*looks, last])

    assert seen == unseen


# --- how long a status lasts

NAMES = [field.name for field in dataclasses.fields(Durations)]
MINUTE = dt.timedelta(minutes=1)


def test_statuses_take_no_time_unless_asked_for():
    """By default a poll loop returns at its first look; realistic durations all take some time."""
    assert {getattr(Durations(), name) for name in NAMES} == {dt.timedelta(0)}
    assert all(getattr(Durations.realistic(), name) >= MINUTE for name in NAMES)


def test_a_status_may_last_for_ever(sagemaker):
    """A deadline that no calendar knows never comes."""
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
def test_durations_are_written_as_text(text, durations):
    """A word, or seconds by name: the form that an ini file has."""
    assert Durations.parse(text) == durations


@pytest.mark.parametrize(
    "text",
    ["fast", "zero realistic", "creating", "creating=soon", "creating=-1", "creating=inf", "sleeping=1", "=", "a=b=c"],
)
def test_other_text_is_refused(text):
    """The error repeats what was written and names all that may be."""
    with pytest.raises(ValueError, match=f"{text}.*zero, realistic.*{', '.join(NAMES)}"):
        Durations.parse(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("value", "error"), [(60, TypeError), (None, TypeError), (-MINUTE, ValueError)])
def test_a_duration_is_a_timedelta_and_not_negative(name, value, error):
    """What is none is refused when it is given, by name."""
    with pytest.raises(error, match=name):
        Durations(**{name: value})
