"""Timelines of experiments: consistent data, correct predictions, a chart for terminals and an SVG image."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import pickle
import re
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock, Status, mock_inference_experiment
from mock_sagemaker_ie.timeline import Segment, Timeline
from tests.conftest import START
from tests.requests import NAME, PRODUCTION, SHADOW, create, shadow_mode, stop, variant

# These tests arrange failures that need not happen.
pytestmark = pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")

SVG = "{http://www.w3.org/2000/svg}"
SECOND, MINUTE, HOUR, DAY = (dt.timedelta(seconds=size) for size in (1, 60, 3600, 86400))

# --- histories

durations = st.sampled_from([0 * SECOND, SECOND / 1000, SECOND, 6 * MINUTE, DAY, 400 * DAY, 10**6 * DAY])
names = st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,59}", fullmatch=True)
STEPS = {
    "start": lambda mock, name: mock.client().start_inference_experiment(Name=name),
    "update": lambda mock, name: mock.client().update_inference_experiment(Name=name, Description="New"),
    "stop": lambda mock, name: mock.client().stop_inference_experiment(**stop(name)),
    "promote": lambda mock, name: mock.client().stop_inference_experiment(**stop(name, "Remove", "Promote")),
    "fail": lambda mock, name: mock.fail_experiment(name, "No capacity"),
    "will fail": lambda mock, name: mock.fail_experiment(name, "No capacity", at=mock.clock.now() + HOUR),
    "read": lambda mock, name: mock.experiments,
}
pauses = st.sampled_from([0 * SECOND, SECOND, HOUR, DAY])
steps = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), pauses), max_size=8)
begins, lengths = st.sampled_from([-DAY, 0 * DAY, HOUR, 3 * DAY]), st.sampled_from([MINUTE, DAY, 29 * DAY])


@st.composite
def histories(draw):
    """A mock with one experiment after some calls, of which the service refused some, and the experiment's name."""
    durations_of_statuses = Durations(*(draw(durations) for _ in range(4)))
    mock = mock_inference_experiment(clock=MockClock(START, tick=False), durations=durations_of_statuses)
    begin, length = draw(begins), draw(lengths)
    schedule = {"StartTime": START + begin, "EndTime": START + max(begin, 0 * DAY) + length}
    experiment, calls = draw(names), draw(steps)
    with mock as active:
        active.client().create_inference_experiment(**create(experiment, Schedule=schedule))
        for step, pause in calls:
            active.clock.advance(pause)
            try:
                STEPS[step](active, experiment)
            except (ClientError, ValueError):  # The status of the experiment does not allow the step.
                continue
    return active, experiment  # After its exit, a mock can still be read, and its clock can be moved.


bounded = settings(max_examples=50, deadline=None)


# --- data


@bounded
@given(histories())
def test_segments_follow_each_other_without_a_gap(history):
    """The first segment begins at CreationTime, each other one at the end of the one before. The last has no end."""
    mock, name = history

    segments = mock.timeline(name).segments

    assert segments[0].begin == mock.experiments[name]["CreationTime"]
    assert [segment.end for segment in segments] == [*(segment.begin for segment in segments[1:]), None]
    assert all(segment.duration >= 0 * SECOND for segment in segments[:-1])
    assert segments[-1].duration is None


@bounded
@given(histories())
def test_past_present_and_future_are_all_segments(history):
    """The present is what Describe shows. The past has ended, and the future has not begun."""
    mock, name = history

    timeline, described = mock.timeline(name), mock.experiments[name]

    assert (*timeline.past, timeline.present, *timeline.future) == timeline.segments
    assert all(segment.end <= timeline.now for segment in timeline.past)
    assert all(segment.begin > timeline.now for segment in timeline.future)
    assert (timeline.present.status, timeline.present.begin) == (described["Status"], described["LastModifiedTime"])
    assert timeline.present.variants == {each["VariantName"]: each["Status"] for each in described["ModelVariants"]}
    assert (timeline.start_time, timeline.end_time) == tuple(described["Schedule"].values())


@bounded
@given(histories())
def test_the_predicted_future_happens(history):
    """If nobody calls an operation, the experiment and its variants have the predicted statuses at each instant."""
    mock, name = history
    predicted = mock.timeline(name)

    for segment in predicted.future:
        mock.clock.move_to(segment.begin)
        if segment.duration != 0 * SECOND:
            described = mock.experiments[name]
            variants = {each["VariantName"]: each["Status"] for each in described["ModelVariants"]}
            assert (described["Status"], variants) == (segment.status, segment.variants)

    assert mock.timeline(name).segments == predicted.segments


def test_a_segment_has_the_trigger_of_its_status(mock, sagemaker):
    """A trigger is a call, a time of the schedule, an elapsed duration or a failure."""
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": START + HOUR}))
    mock.clock.advance(hours=1)
    sagemaker.update_inference_experiment(Name=NAME, Description="New")
    mock.fail_experiment(NAME, "No capacity", at=START + DAY)

    triggers = [(str(segment.status), segment.trigger) for segment in mock.timeline(NAME).segments]

    assert triggers == [
        ("Creating", "Create"),
        ("Created", "creating time elapsed"),
        ("Starting", "StartTime reached"),
        ("Running", "starting time elapsed"),
        ("Updating", "Update"),
        ("Running", "updating time elapsed and StartTime reached"),
        ("Cancelled", "failure"),
    ]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda timeline: pickle.loads(pickle.dumps(timeline))])  # noqa: S301
def test_a_timeline_is_plain_data(mock, sagemaker, copied):
    """It can be copied, pickled and converted to dicts, and does not change with the experiment."""
    sagemaker.create_inference_experiment(**create())
    timeline = mock.timeline(NAME)

    stored = copied(timeline)
    sagemaker.stop_inference_experiment(**stop())

    assert stored == timeline != mock.timeline(NAME)
    assert dataclasses.asdict(stored)["segments"][0]["variants"] == {PRODUCTION: "Creating", SHADOW: "Creating"}


def test_timelines_of_other_regions_and_accounts(mock):
    """region_name= and account_id= select the scope of the experiment."""
    mock.client(region_name="eu-west-1").create_inference_experiment(**create())

    assert mock.timeline(NAME, region_name="eu-west-1").name == NAME
    with pytest.raises(LookupError, match=NAME):
        mock.timeline(NAME)
    with pytest.raises(LookupError, match=NAME):
        mock.timeline(NAME, region_name="eu-west-1", account_id="210987654321")


# --- future failures

DURATIONS = Durations(creating=6 * MINUTE, starting=8 * MINUTE, updating=7 * MINUTE, stopping=5 * MINUTE)


@pytest.fixture
def scheduled():
    """A mock on a clock that stands still, with an experiment whose schedule begins tomorrow and lasts a week."""
    with mock_inference_experiment(clock=START, durations=DURATIONS) as mock:
        schedule = {"StartTime": START + DAY, "EndTime": START + 8 * DAY}
        mock.client().create_inference_experiment(**create(Schedule=schedule))
        yield mock


@pytest.mark.parametrize(
    ("at", "status"),
    [(MINUTE, "Creating"), (HOUR, "Created"), (DAY + MINUTE, "Starting"), (2 * DAY, "Running"), (8 * DAY, "Running")],
)
@pytest.mark.parametrize("type_of_at", [dt.datetime, str])
def test_an_experiment_fails_at_the_arranged_instant(scheduled, at, status, type_of_at):
    """It does not fail earlier. timeline and advance_until predict the failure, and the endpoint removes the shadow."""
    at += START - SECOND
    scheduled.fail_experiment(NAME, "No capacity", at=at if type_of_at is dt.datetime else at.isoformat())

    predicted = scheduled.timeline(NAME).segments[-2:]
    reached = scheduled.advance_until(NAME, "Cancelled")
    described = scheduled.experiments[NAME]

    assert [(segment.status, segment.end) for segment in predicted] == [(status, at), ("Cancelled", None)]
    assert reached == described["CompletionTime"] == at
    assert described["StatusReason"] == "No capacity"
    if status != "Creating":  # A new endpoint whose creation fails serves no variant.
        assert described["EndpointMetadata"]["EndpointStatus"] == "InService"
        assert [each["Status"] for each in described["ModelVariants"]] == ["InService", "Deleted"]


def test_a_deployment_without_an_end_can_fail():
    """A deployment that would last for ever fails at the arranged instant."""
    with mock_inference_experiment(clock=START, durations=Durations(starting=dt.timedelta.max)) as mock:
        mock.client().create_inference_experiment(**create())
        mock.fail_experiment(NAME, "Timed out", at=START + HOUR)

        assert mock.advance_until(NAME, "Cancelled") == START + HOUR


def test_an_experiment_that_has_finished_does_not_fail(scheduled):
    """A failure that was arranged for a later instant has no effect."""
    scheduled.fail_experiment(NAME, "No capacity", at=START + 2 * DAY)
    scheduled.advance_until(NAME, "Created")
    scheduled.client().stop_inference_experiment(**stop(Reason="Enough"))
    scheduled.advance_until(NAME, "Cancelled")

    scheduled.clock.move_to(START + 3 * DAY)
    assert scheduled.experiments[NAME]["StatusReason"] == "Enough"


def test_a_future_failure_is_deleted_with_its_experiment(scheduled):
    """A new experiment with the name of a deleted one does not fail."""
    scheduled.fail_experiment(NAME, "No capacity", at=START + 2 * DAY)
    scheduled.advance_until(NAME, "Created")
    scheduled.client().delete_inference_experiment(Name=NAME)
    scheduled.client().create_inference_experiment(**create())

    scheduled.clock.move_to(START + 3 * DAY)

    assert scheduled.experiments[NAME]["Status"] == "Running"


@pytest.mark.parametrize(("status", "at"), [("Creating", -SECOND), ("Completed", DAY)], ids=["past", "finished"])
def test_an_impossible_failure_is_refused(scheduled, status, at):
    """A failure is refused at an instant in the past, and for an experiment that has finished."""
    now = scheduled.advance_until(NAME, status)

    with pytest.raises(ValueError, match=r"expected a later instant|in status Completed"):
        scheduled.fail_experiment(NAME, "No capacity", at=now + at)


# --- text


@bounded
@given(histories())
def test_the_chart_fits_a_terminal(history):
    """It has at most 80 columns: a line with name, status and now, the schedule, and a line for each segment."""
    mock, name = history
    timeline = mock.timeline(name)

    head, schedule, *rows = str(timeline).splitlines()

    assert max(map(len, [head, schedule, *rows])) <= 80
    assert head.startswith(name[:40])
    assert head.endswith(f": {timeline.present.status} at {timeline.now:%Y-%m-%d %H:%M:%S} UTC")
    assert [row[2:].split()[0] for row in rows] == [segment.status for segment in timeline.segments]
    assert [row[0] == ">" for row in rows] == [segment is timeline.present for segment in timeline.segments]


@pytest.mark.parametrize("updates", [0, 30])
def test_the_chart_of_a_long_history_fits_a_terminal(scheduled, updates):
    """A long history has many lines, but no long lines."""
    scheduled.advance_until(NAME, "Running")
    for _ in range(updates):
        scheduled.client().update_inference_experiment(Name=NAME, Description="New")
        scheduled.advance_until(NAME, "Running")
        scheduled.clock.advance(hours=1)

    assert max(map(len, str(scheduled.timeline(NAME)).splitlines())) <= 80


def test_the_chart_shows_begin_duration_and_progress(scheduled):
    """Each line has the status, its begin, its duration, a bar that is filled up to now, and the variants' statuses."""
    scheduled.clock.move_to(START + DAY + 8 * MINUTE + (7 * DAY - 8 * MINUTE) / 2)

    rows = [row.split() for row in str(scheduled.timeline(NAME)).replace("> ", "").splitlines()[2:]]

    assert [row[:4] for row in rows[:-1]] == [
        ["Creating", "01-01", "09:00:00", "6m"],
        ["Created", "01-01", "09:06:00", "23h54m"],
        ["Starting", "01-02", "09:00:00", "8m"],
        ["Running", "01-02", "09:08:00", "6d23h"],
        ["Stopping", "01-09", "09:00:00", "5m"],
    ]
    assert [re.sub(r"(.)\1+", r"\1", row[4]) for row in rows[:-1]] == ["█", "█", "█", "█░", "░"]
    assert [row[-1] for row in rows] == [
        "Creating/Creating",
        "InService/Creating",
        "Updating/Creating",
        "InService/InService",
        "Updating/Deleting",
        "InService/Deleted",
    ]


# --- SVG


def parsed_svg(timeline, *, narrow=False):
    """Return the root element of the SVG image, and its children by tag. Raises ParseError for invalid XML."""
    root = ET.fromstring(timeline.to_svg(narrow=narrow))  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    return root, {tag: root.findall(f"{SVG}{tag}") for tag in ("text", "rect", "line", "title")}


@pytest.mark.parametrize("narrow", [False, True])
@bounded
@given(history=histories())
def test_everything_is_drawn_within_the_svg_image(narrow, history):
    """Lanes, texts and marks for the schedule and now are within the width and height of the image."""
    mock, name = history
    timeline = mock.timeline(name)

    root, drawn = parsed_svg(timeline, narrow=narrow)

    width, height = (float(root.get(size)) for size in ("width", "height"))
    boxes = [rect for rect in drawn["rect"] if "%" not in rect.get("width")]
    assert all(0 < float(box.get("width")) <= width - float(box.get("x")) for box in boxes)
    assert all(0 < float(each.get("x1")) < width and float(each.get("y2")) < height for each in drawn["line"])
    for text in drawn["text"]:  # The width of a letter is about half its height.
        length = len(text.text) * float(text.get("font-size")) / 2
        left = float(text.get("x")) - {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor")]
        assert 0 <= left <= width - length
    texts = [text.text for text in drawn["text"]]
    marks = [mark.removeprefix("schedule ").split()[0] for text in texts for mark in text.split(", ")]
    assert {PRODUCTION, SHADOW, str(timeline.present.status)} <= {*texts}
    assert {"now", "start", "end"} <= {*marks}
    assert drawn["title"][0].text == str(timeline).splitlines()[0]


@pytest.mark.parametrize("later", [dt.timedelta(0), dt.timedelta(days=1)], ids=["at once", "a day later"])
def test_the_end_of_the_schedule_is_drawn_with_its_date_after_an_early_stop(mock, sagemaker, clock, later):
    """The planned EndTime lies beyond the present, so its mark is at the right edge and not at the mark of now."""
    sagemaker.create_inference_experiment(**create())
    clock.advance(hours=1)
    sagemaker.stop_inference_experiment(**stop())
    clock.advance(later)

    _, drawn = parsed_svg(mock.timeline(NAME))

    _, end, now = (float(line.get("x1")) for line in drawn["line"])
    assert now < end
    assert "schedule end 01-08 09:00" in [text.text for text in drawn["text"]]


def test_the_end_of_the_schedule_is_drawn_before_now_when_it_is_past(mock, sagemaker, clock):
    """After an early stop and the planned EndTime, the marks are in the order of their instants."""
    sagemaker.create_inference_experiment(**create())
    clock.advance(hours=1)
    sagemaker.stop_inference_experiment(**stop())
    clock.advance(days=30)

    _, drawn = parsed_svg(mock.timeline(NAME))

    start, end, now = (float(line.get("x1")) for line in drawn["line"])
    assert start < end < now


def test_marks_at_one_height_share_a_label(mock, sagemaker):
    """In the narrow image an experiment that has just begun has one label for its start and for now."""
    sagemaker.create_inference_experiment(**create())

    _, drawn = parsed_svg(mock.timeline(NAME), narrow=True)

    assert {"now, start", "end"} <= {text.text for text in drawn["text"]}


def test_notebooks_show_the_svg_image(scheduled):
    """A notebook calls _repr_svg_ to display an object."""
    timeline = scheduled.timeline(NAME)

    assert timeline._repr_svg_() == timeline.to_svg()


HOSTILE = [
    "</svg>",
    "<script>alert(1)</script>",
    "\"&'",
    "]]>",
    "&amp;",
    "a\0b",
    "\x1b[31m",
    "Ж 東京 \U0001f600",
    "x" * 500,
]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
def test_names_are_escaped_in_the_svg_image(hostile, narrow):
    """With any characters in a name, the image is well-formed and contains no other elements."""
    segments = (Segment(Status.RUNNING, START, None, hostile, {hostile: "InService", SHADOW: "InService"}),)
    timeline = Timeline(hostile, START, START, START + DAY, hostile, SHADOW, segments)

    root, drawn = parsed_svg(timeline, narrow=narrow)

    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {"svg", *drawn}
    if hostile.isprintable() and len(hostile) < 18:
        assert hostile in {text.text for text in drawn["text"]}


def test_the_last_segment_shows_that_the_shadow_was_promoted(scheduled):
    """The promoted variant is InService, the old production variant is Deleted."""
    variants = [variant("old"), variant("new")]
    scheduled.client().create_inference_experiment(
        **create("promoting", ModelVariants=variants, ShadowModeConfig=shadow_mode("old", "new"))
    )
    scheduled.advance_until("promoting", "Running")
    actions = {"old": "Remove", "new": "Promote"}
    scheduled.client().stop_inference_experiment(Name="promoting", ModelVariantActions=actions)

    last = scheduled.timeline("promoting").segments[-1]

    assert last.variants == {"old": "Deleted", "new": "InService"}
