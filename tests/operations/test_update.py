"""UpdateInferenceExperiment: what may change in which status, and that the experiment then goes on as before."""

from __future__ import annotations

import pytest

from tests.operations.shared import UPDATING, all_but, at, bring_to, refused
from tests.requests import NAME, create, shadow_mode, stop, variant

UPDATABLE = ["Created", "Running"]
STORAGE = {"Destination": "s3://bucket/captured"}
OTHER_MODELS = [variant("prod", "another-model"), variant("shadow", instance_type="ml.c5.4xlarge", count=2)]


def changes(before, after):
    """The members of Describe's answer that differ; of a variant, all but its deployment's status."""

    def settings(experiment):
        variants = [{**variant, "Status": None} for variant in experiment["ModelVariants"]]
        return {**experiment, "ModelVariants": variants, "EndpointMetadata": None}

    before, after = settings(before), settings(after)
    return {member for member in before.keys() | after.keys() if before.get(member) != after.get(member)}


@pytest.mark.parametrize("status", UPDATABLE)
def test_an_updated_experiment_returns_to_where_it_was(slow_mock, sagemaker, status):
    """It is Updating from the call on, for the updating time, and then has the status it came from."""
    bring_to(slow_mock, status)
    called = slow_mock.clock.now()

    answer = sagemaker.update_inference_experiment(Name=NAME, Description="New")

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert answer["InferenceExperimentArn"] == experiment["Arn"]
    assert experiment["Status"] == "Updating"
    assert experiment["LastModifiedTime"] == called
    assert slow_mock.advance_until(NAME, status) == called + UPDATING


@pytest.mark.parametrize(
    "update",
    [
        {"Description": "New"},
        {"Schedule": {"StartTime": at(days=2), "EndTime": at(days=32)}},
        {"ModelVariants": OTHER_MODELS},
        {"DataStorageConfig": STORAGE},
        {"ShadowModeConfig": shadow_mode(production="shadow", shadow="prod", percentage=1)},
    ],
    ids=lambda update: next(iter(update)),
)
def test_everything_may_change_before_the_start(mock, sagemaker, update):
    """In Created every member of the request replaces what was, and nothing else changes but the time."""
    bring_to(mock, "Created")
    before = mock.experiments[NAME]
    mock.clock.advance(seconds=1)

    sagemaker.update_inference_experiment(Name=NAME, **update)

    after = mock.experiments[NAME]
    assert changes(before, after) == {*update, "LastModifiedTime"}
    assert changes({**after, **update}, after) == set()


@pytest.fixture
def renamed(mock, sagemaker):
    """A mock with an experiment whose variants were renamed before the start."""
    bring_to(mock, "Created")
    sagemaker.update_inference_experiment(
        Name=NAME, ModelVariants=[variant("old"), variant("new")], ShadowModeConfig=shadow_mode("old", "new")
    )
    return mock


def test_renamed_variants_are_stopped_by_their_new_names(renamed, sagemaker):
    """Stop knows the variants by the names they have now."""
    with refused(renamed, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop())

    sagemaker.stop_inference_experiment(**stop(ModelVariantActions={"old": "Remove", "new": "Promote"}))

    assert renamed.experiments[NAME]["Status"] == "Cancelled"


def test_renamed_variants_complete(renamed):
    """An experiment with renamed variants runs to its end like any other."""
    renamed.advance_until(NAME, "Completed")

    assert [variant["VariantName"] for variant in renamed.experiments[NAME]["ModelVariants"]] == ["old", "new"]


@pytest.mark.parametrize("status", UPDATABLE)
def test_a_schedule_may_change_at_its_end_alone(mock, sagemaker, status):
    """The end of the schedule that is not given stays."""
    bring_to(mock, status)

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": at(days=31)})

    assert mock.experiments[NAME]["Schedule"] == {"StartTime": at(days=1), "EndTime": at(days=31)}


def test_a_schedule_may_change_at_its_start_alone(mock, sagemaker):
    """In Created the experiment waits for its new StartTime, and then runs to its old EndTime."""
    bring_to(mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": at(days=3)})

    assert mock.advance_until(NAME, "Running") == at(days=3)
    assert mock.advance_until(NAME, "Completed") == at(days=8)


def test_a_start_time_that_is_past_starts_at_once(mock, sagemaker):
    """A new StartTime need not lie ahead."""
    bring_to(mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": at(days=-1)})

    assert mock.experiments[NAME]["Status"] == "Running"


@pytest.mark.parametrize(
    ("update", "changed"),
    [
        ({"Description": "New"}, "Description"),
        ({"Schedule": {"EndTime": at(days=31)}}, "Schedule"),
        ({"ShadowModeConfig": shadow_mode(percentage=1)}, "ShadowModeConfig"),
    ],
    ids=["Description", "EndTime", "SamplingPercentage"],
)
def test_a_running_experiment_may_change_a_little(mock, sagemaker, update, changed):
    """In Running the description, the end and the sampling may change."""
    bring_to(mock, "Running")
    before = mock.experiments[NAME]
    mock.clock.advance(seconds=1)

    sagemaker.update_inference_experiment(Name=NAME, **update)

    assert changes(before, mock.experiments[NAME]) == {changed, "LastModifiedTime"}


def test_a_running_experiment_accepts_its_own_settings(mock, sagemaker):
    """What is sent again unchanged is no change: whole schedule, variants in any order, roles."""
    bring_to(mock, "Running")
    before = mock.experiments[NAME]

    sagemaker.update_inference_experiment(
        Name=NAME,
        Schedule=sagemaker.describe_inference_experiment(Name=NAME)["Schedule"],
        ModelVariants=create()["ModelVariants"][::-1],
        ShadowModeConfig=create()["ShadowModeConfig"],
    )

    after = mock.experiments[NAME]
    by_name = sorted(after["ModelVariants"], key=lambda variant: variant["VariantName"])
    assert changes(before, {**after, "ModelVariants": by_name}) == set()


def test_a_start_time_to_the_millisecond_may_be_sent_again(mock, sagemaker):
    """A running experiment accepts its own StartTime, even from a client that sends whole seconds (old botocore)."""
    mock.clock.advance(seconds=0.75)
    sagemaker.create_inference_experiment(**create())

    for start in (at(seconds=0.75), at()):
        sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": start, "EndTime": at(days=20)})

    assert mock.experiments[NAME]["Schedule"] == {"StartTime": at(seconds=0.75), "EndTime": at(days=20)}


@pytest.mark.parametrize(
    "update",
    [
        {"Schedule": {"StartTime": at(days=2)}},
        {"ModelVariants": OTHER_MODELS},
        {"DataStorageConfig": STORAGE},
        {"ShadowModeConfig": shadow_mode(production="shadow", shadow="prod")},
    ],
    ids=lambda update: next(iter(update)),
)
def test_a_running_experiment_keeps_the_rest(mock, sagemaker, update):
    """In Running a change to anything else is refused, and what could have changed with it does not."""
    bring_to(mock, "Running")

    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, Description="New", **update)


@pytest.mark.parametrize("status", UPDATABLE)
@pytest.mark.parametrize(
    "update",
    [
        pytest.param({"Schedule": {"EndTime": at(hours=23)}}, id="end before start"),
        pytest.param({"Schedule": {"EndTime": at(days=31, seconds=1)}}, id="longer than 30 days"),
        pytest.param({"ShadowModeConfig": shadow_mode(percentage=-1)}, id="less than 0 %"),
        pytest.param({"ShadowModeConfig": shadow_mode(shadow="other")}, id="unknown shadow"),
        pytest.param({"ModelVariants": [variant("prod")]}, id="one variant"),
        pytest.param({"ModelVariants": [variant("prod"), variant("prod")]}, id="one name for both variants"),
    ],
)
def test_an_update_obeys_the_rules_of_create(mock, sagemaker, status, update):
    """What the experiment would become must be what could have been created."""
    bring_to(mock, status)

    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, **update)


@pytest.mark.parametrize("end", [at(days=2), at(days=2, seconds=-1)], ids=["now", "past"])
def test_an_end_time_lies_ahead(mock, sagemaker, end):
    """A running experiment is ended by Stop, not by an EndTime that has passed."""
    bring_to(mock, "Running")
    mock.clock.move_to(at(days=2))

    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": end})


@pytest.mark.parametrize(
    ("status", "deadline", "following"),
    [("Created", at(days=1), "Starting"), ("Running", at(days=8), "Stopping")],
    ids=["StartTime", "EndTime"],
)
def test_a_deadline_waits_for_the_update_to_end(slow_mock, sagemaker, status, deadline, following):
    """StartTime or EndTime that comes while Updating takes effect when Updating ends."""
    bring_to(slow_mock, status)
    called = deadline - UPDATING / 2
    slow_mock.clock.move_to(called)

    sagemaker.update_inference_experiment(Name=NAME, Description="New")

    assert slow_mock.advance_until(NAME, following) == called + UPDATING


@pytest.mark.parametrize("status", all_but(*UPDATABLE))
def test_only_a_created_or_running_experiment_is_updated(slow_mock, sagemaker, status):
    """In any other status Update is a conflict."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.update_inference_experiment(Name=NAME, Description="New")


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """What nobody created cannot be updated."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.update_inference_experiment(Name=NAME, Description="New")
