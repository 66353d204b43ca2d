"""UpdateInferenceExperiment: the members that may change in each status, and the status after the update."""

from __future__ import annotations

import pytest

from tests.hosting import EXPERIMENT_ENDPOINT, endpoint, variants
from tests.operations.shared import UPDATING, all_but, at, bring_to, refused
from tests.requests import NAME, create, shadow_mode, stop, variant

UPDATABLE = ["Created", "Running"]
STORAGE = {"Destination": "s3://bucket/captured"}
OTHER_MODELS = [variant("prod", "another-model"), variant("shadow", instance_type="ml.c5.4xlarge", count=2)]


def changed_members(before, after):
    """Return the members of Describe's answer that differ, except variant statuses and EndpointMetadata."""

    def settings(experiment):
        variants = [{**variant, "Status": None} for variant in experiment["ModelVariants"]]
        return {**experiment, "ModelVariants": variants, "EndpointMetadata": None}

    before, after = settings(before), settings(after)
    return {member for member in before.keys() | after.keys() if before.get(member) != after.get(member)}


@pytest.mark.parametrize("status", UPDATABLE)
def test_update_returns_to_the_previous_status(slow_mock, sagemaker, status):
    """The experiment is Updating from the call on, for the updating duration, and then has its previous status."""
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
def test_every_member_may_change_in_created(mock, sagemaker, update):
    """In Created, each member of the request replaces the old value; otherwise only LastModifiedTime changes."""
    bring_to(mock, "Created")
    before = mock.experiments[NAME]
    mock.clock.advance(seconds=1)

    sagemaker.update_inference_experiment(Name=NAME, **update)

    after = mock.experiments[NAME]
    assert changed_members(before, after) == {*update, "LastModifiedTime"}
    assert changed_members({**after, **update}, after) == set()


@pytest.mark.parametrize("name", ["prod", "shadow"])
def test_an_update_may_name_one_variant(mock, sagemaker, name):
    """ModelVariants may have only the variant that changes: the other one stays, in its place."""
    bring_to(mock, "Created")
    changed = variant(name, "another-model", instance_type="ml.c5.4xlarge", count=2)

    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[changed])

    expected = [changed if name == each else variant(each) for each in ("prod", "shadow")]
    shown = mock.experiments[NAME]["ModelVariants"]
    assert [{key: each[key] for key in changed} for each in shown] == expected
    mock.advance_until(NAME, "Running")
    served = variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))[name]
    assert (served["CurrentInstanceCount"], served["VariantName"]) == (2, name)


def test_one_unchanged_variant_is_accepted_in_running(mock, sagemaker):
    """In Running a variant that is the same is no change, also without the other one; a changed one is refused."""
    bring_to(mock, "Running")

    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant("shadow")])

    assert mock.experiments[NAME]["Status"] == "Running"
    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant("shadow", count=2)])


@pytest.fixture
def renamed_mock(mock, sagemaker):
    """Return a mock with an experiment whose variants got new names in Created."""
    bring_to(mock, "Created")
    sagemaker.update_inference_experiment(
        Name=NAME, ModelVariants=[variant("old"), variant("new")], ShadowModeConfig=shadow_mode("old", "new")
    )
    return mock


def test_stop_uses_the_new_names_of_variants(renamed_mock, sagemaker):
    """Stop accepts only the current names of the variants."""
    with refused(renamed_mock, "ValidationException"):
        sagemaker.stop_inference_experiment(**stop())

    sagemaker.stop_inference_experiment(**stop(ModelVariantActions={"old": "Remove", "new": "Promote"}))

    assert renamed_mock.experiments[NAME]["Status"] == "Cancelled"


def test_an_experiment_with_renamed_variants_completes(renamed_mock):
    """An experiment whose variants got new names runs to its end."""
    renamed_mock.advance_until(NAME, "Completed")

    assert [variant["VariantName"] for variant in renamed_mock.experiments[NAME]["ModelVariants"]] == ["old", "new"]


@pytest.mark.parametrize("status", UPDATABLE)
def test_end_time_may_change_alone(mock, sagemaker, status):
    """When only EndTime is given, StartTime does not change."""
    bring_to(mock, status)

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": at(days=31)})

    assert mock.experiments[NAME]["Schedule"] == {"StartTime": at(days=1), "EndTime": at(days=31)}


def test_start_time_may_change_alone(mock, sagemaker):
    """In Created the experiment waits for its new StartTime, and then runs until its old EndTime."""
    bring_to(mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": at(days=3)})

    assert mock.advance_until(NAME, "Running") == at(days=3)
    assert mock.advance_until(NAME, "Completed") == at(days=8)


def test_a_past_start_time_starts_the_experiment(mock, sagemaker):
    """When the new StartTime is in the past, the experiment starts at once."""
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
def test_some_members_may_change_in_running(mock, sagemaker, update, changed):
    """In Running, the description, EndTime and SamplingPercentage may change."""
    bring_to(mock, "Running")
    before = mock.experiments[NAME]
    mock.clock.advance(seconds=1)

    sagemaker.update_inference_experiment(Name=NAME, **update)

    assert changed_members(before, mock.experiments[NAME]) == {changed, "LastModifiedTime"}


def test_unchanged_values_are_accepted_in_running(mock, sagemaker):
    """Unchanged values are no change: the whole schedule, the variants in any order, and their roles."""
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
    assert changed_members(before, {**after, "ModelVariants": by_name}) == set()


def test_an_unchanged_start_time_is_accepted_in_running(mock, sagemaker):
    """A running experiment accepts its own StartTime, even from a client that sends whole seconds (old botocore)."""
    mock.clock.advance(seconds=0.75)
    sagemaker.create_inference_experiment(**create())

    for start in (at(seconds=0.75), at()):
        sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": start, "EndTime": at(days=20)})

    assert mock.experiments[NAME]["Schedule"] == {"StartTime": at(seconds=0.75), "EndTime": at(days=20)}


@pytest.mark.parametrize(
    "schedule",
    [
        {"StartTime": at(days=10), "EndTime": at(days=20)},
        {"StartTime": at(days=10), "EndTime": at(days=39)},
        {"StartTime": at(days=10, milliseconds=250), "EndTime": at(days=20)},
    ],
    ids=["EndTime stays", "EndTime moves to 30 days after the start", "milliseconds"],
)
@pytest.mark.parametrize("given_by", ["create", "update"])
def test_the_requested_schedule_is_accepted_after_an_early_start(mock, sagemaker, schedule, given_by):
    """Sending the whole Schedule again, as AWS's CloudFormation handler does, does not change the actual one."""
    first = schedule if given_by == "create" else {"StartTime": at(days=3), "EndTime": at(days=4)}
    sagemaker.create_inference_experiment(**create(Schedule=first))
    if given_by == "update":
        sagemaker.update_inference_experiment(Name=NAME, Schedule=schedule)
    mock.clock.advance(hours=1)
    sagemaker.start_inference_experiment(Name=NAME)
    actual = mock.experiments[NAME]["Schedule"]

    for _ in range(2):
        sagemaker.update_inference_experiment(Name=NAME, Description="New", Schedule=schedule)

    experiment = mock.experiments[NAME]
    assert (experiment["Status"], experiment["Description"]) == ("Running", "New")
    assert experiment["Schedule"] == actual
    assert actual["StartTime"] == at(hours=1)


def test_another_end_with_the_requested_start_is_accepted_after_an_early_start(mock, sagemaker):
    """EndTime may change beside the StartTime that was requested; the actual StartTime stays."""
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=10), "EndTime": at(days=20)}))
    sagemaker.start_inference_experiment(Name=NAME)

    schedule = {"StartTime": at(days=10), "EndTime": at(days=25)}
    sagemaker.update_inference_experiment(Name=NAME, Schedule=schedule)

    assert mock.experiments[NAME]["Schedule"] == {"StartTime": at(), "EndTime": at(days=25)}
    for start in (at(days=9), at(days=11)):
        with refused(mock, "ValidationException"):
            sagemaker.update_inference_experiment(Name=NAME, Schedule={**schedule, "StartTime": start})


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
def test_other_members_may_not_change_in_running(mock, sagemaker, update):
    """In Running a change to another member is refused, and the other members of the request do not change either."""
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
        pytest.param({"ModelVariants": [variant("other")]}, id="one unknown variant"),
        pytest.param({"ModelVariants": [variant("prod"), variant("other")]}, id="two variants, one unknown"),
        pytest.param({"ModelVariants": [variant("prod"), variant("prod")]}, id="one name for both variants"),
    ],
)
def test_update_applies_the_rules_of_create(mock, sagemaker, status, update):
    """An update is refused when CreateInferenceExperiment would refuse the resulting experiment."""
    bring_to(mock, status)

    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, **update)


@pytest.mark.parametrize("end", [at(days=2), at(days=2, seconds=-1)], ids=["now", "past"])
def test_end_time_must_be_in_the_future(mock, sagemaker, end):
    """Only Stop ends a running experiment early, not an EndTime that has passed."""
    bring_to(mock, "Running")
    mock.clock.move_to(at(days=2))

    with refused(mock, "ValidationException"):
        sagemaker.update_inference_experiment(Name=NAME, Schedule={"EndTime": end})


@pytest.mark.parametrize("status", all_but(*UPDATABLE))
def test_update_in_another_status_raises_conflict(slow_mock, sagemaker, status):
    """Update raises ConflictException in every status except Created and Running."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ConflictException"):
        sagemaker.update_inference_experiment(Name=NAME, Description="New")


def test_an_unknown_experiment_is_not_found(mock, sagemaker):
    """Update raises ResourceNotFound for an unknown name."""
    with refused(mock, "ResourceNotFound"):
        sagemaker.update_inference_experiment(Name=NAME, Description="New")
