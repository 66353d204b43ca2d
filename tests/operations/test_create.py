"""CreateInferenceExperiment: the experiment that it creates, the defaults of a schedule, and the refused requests."""

from __future__ import annotations

import pytest

from tests.operations.shared import at, bring_to, refused
from tests.requests import NAME, create, shadow_mode, stop, variant

PAST = at(days=-1)


def test_create_returns_the_arn_of_the_experiment(mock, sagemaker):
    """Create returns the ARN that Describe shows; the name in it keeps its case."""
    arn = sagemaker.create_inference_experiment(**create("My-Experiment"))["InferenceExperimentArn"]

    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/My-Experiment"
    assert sagemaker.describe_inference_experiment(Name="My-Experiment")["Arn"] == arn


def test_a_new_experiment_is_creating(slow_mock, sagemaker):
    """A new experiment is Creating; CreationTime and LastModifiedTime are the time of the call."""
    sagemaker.create_inference_experiment(**create())

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["Status"] == "Creating"
    assert experiment["CreationTime"] == experiment["LastModifiedTime"] == at()


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        pytest.param(None, at(), at(days=7), id="no schedule"),
        pytest.param({}, at(), at(days=7), id="empty schedule"),
        pytest.param({"StartTime": at(days=2)}, at(days=2), at(days=9), id="start only"),
        pytest.param({"EndTime": at(days=2)}, at(), at(days=2), id="end only"),
        pytest.param({"StartTime": at(days=1), "EndTime": at(days=31)}, at(days=1), at(days=31), id="30 days"),
    ],
)
def test_missing_schedule_times_get_defaults(mock, sagemaker, given, start, end):
    """StartTime defaults to now, EndTime to 7 days after the start; the longest schedule is 30 days."""
    sagemaker.create_inference_experiment(**create(Schedule=given))

    assert sagemaker.describe_inference_experiment(Name=NAME)["Schedule"] == {"StartTime": start, "EndTime": end}


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        pytest.param(None, "Running", id="no schedule"),
        pytest.param({"StartTime": PAST, "EndTime": at(days=1)}, "Running", id="past"),
        pytest.param({"StartTime": PAST}, "Running", id="past, no end"),
        pytest.param({"StartTime": at(days=-365)}, "Running", id="long past, no end"),
        pytest.param({"StartTime": at()}, "Running", id="now"),
        pytest.param({"StartTime": at(seconds=1)}, "Created", id="future"),
    ],
)
def test_an_experiment_starts_at_its_start_time(mock, sagemaker, schedule, status):
    """An experiment waits in Created for its StartTime, and starts at once when StartTime has passed."""
    sagemaker.create_inference_experiment(**create(Schedule=schedule))

    assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == status


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param({"StartTime": at(days=1), "EndTime": at(days=1)}, id="end at start"),
        pytest.param({"StartTime": at(days=2), "EndTime": at(days=1)}, id="end before start"),
        pytest.param({"EndTime": at()}, id="end now"),
        pytest.param({"StartTime": at(days=-2), "EndTime": at(days=-1)}, id="end past"),
        pytest.param({"EndTime": at(days=30, seconds=1)}, id="longer than 30 days from now"),
        pytest.param({"StartTime": at(days=1), "EndTime": at(days=31, seconds=1)}, id="longer than 30 days"),
    ],
)
def test_an_invalid_schedule_is_refused(mock, sagemaker, schedule):
    """EndTime must be after StartTime, after now and at most 30 days after the start."""
    with refused(mock, "ValidationException"):
        sagemaker.create_inference_experiment(**create(Schedule=schedule))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ModelVariants": [variant("prod"), variant("prod")]}, id="one name for both variants"),
        pytest.param({"ModelVariants": [variant("prod")]}, id="one variant"),
        pytest.param({"ShadowModeConfig": shadow_mode(production="other")}, id="unknown production"),
        pytest.param({"ShadowModeConfig": shadow_mode(shadow="other")}, id="unknown shadow"),
        pytest.param({"ShadowModeConfig": shadow_mode(shadow="prod")}, id="production as its own shadow"),
        pytest.param({"ShadowModeConfig": shadow_mode(percentage=-1)}, id="less than 0 %"),
        pytest.param({"ShadowModeConfig": shadow_mode(percentage=101)}, id="more than 100 %"),
    ],
)
def test_inconsistent_members_are_refused(mock, sagemaker, changes):
    """An experiment needs two variants with different names, one production and one shadow of 0 to 100 percent."""
    with refused(mock, "ValidationException"):
        sagemaker.create_inference_experiment(**create(**changes))


@pytest.mark.parametrize("percentage", [0, 100])
def test_a_sampling_percentage_of_0_or_100_is_accepted(mock, sagemaker, percentage):
    """The limits of SamplingPercentage are valid values."""
    sagemaker.create_inference_experiment(**create(ShadowModeConfig=shadow_mode(percentage=percentage)))

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert experiment["ShadowModeConfig"] == shadow_mode(percentage=percentage)


def test_variants_may_come_in_any_order(mock, sagemaker):
    """Only ShadowModeConfig decides which variant is production."""
    variants = [variant("shadow"), variant("prod")]

    sagemaker.create_inference_experiment(**create(ModelVariants=variants))

    assert list(_names(sagemaker.describe_inference_experiment(Name=NAME))) == ["shadow", "prod"]


def _names(experiment):
    return (variant["VariantName"] for variant in experiment["ModelVariants"])


@pytest.mark.parametrize("status", ["Creating", "Running", "Completed", "Cancelled"])
def test_a_name_is_in_use_while_its_experiment_exists(slow_mock, sagemaker, status):
    """A second experiment with the same name is refused, even when the first one has finished."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ResourceInUse"):
        sagemaker.create_inference_experiment(**create(EndpointName="another-endpoint"))


@pytest.mark.parametrize("status", ["Creating", "Created", "Starting", "Running", "Updating", "Stopping"])
def test_an_endpoint_has_one_unfinished_experiment(slow_mock, sagemaker, status):
    """A second experiment on the endpoint of an unfinished one is refused."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ResourceInUse"):
        sagemaker.create_inference_experiment(**create("another", EndpointName=create()["EndpointName"]))


@pytest.mark.parametrize("desired", ["Completed", "Cancelled"])
def test_a_finished_experiment_releases_its_endpoint(mock, sagemaker, desired):
    """After an experiment has ended, another one may use its endpoint."""
    sagemaker.create_inference_experiment(**create("first", EndpointName="ranker"))
    sagemaker.stop_inference_experiment(**stop("first", DesiredState=desired))

    sagemaker.create_inference_experiment(**create("second", EndpointName="ranker"))

    assert set(mock.experiments) == {"first", "second"}


def test_an_experiment_recreated_on_another_endpoint_does_not_use_the_first_one(mock, sagemaker):
    """The endpoint of a deleted experiment is free, even if a new experiment with the same name exists elsewhere."""
    sagemaker.create_inference_experiment(**create("first", EndpointName="ranker"))
    sagemaker.stop_inference_experiment(**stop("first"))
    sagemaker.delete_inference_experiment(Name="first")
    sagemaker.create_inference_experiment(**create("first", EndpointName="elsewhere"))

    sagemaker.create_inference_experiment(**create("second", EndpointName="ranker"))

    assert set(mock.experiments) == {"first", "second"}


def test_a_refused_create_reserves_nothing(mock, sagemaker):
    """A refused experiment reserves neither its name nor its endpoint."""
    with refused(mock, "ValidationException"):
        sagemaker.create_inference_experiment(**create(Tags=[{"Key": "aws:reserved", "Value": ""}]))

    sagemaker.create_inference_experiment(**create())

    assert list(mock.experiments) == [NAME]
