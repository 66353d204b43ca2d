"""The effect of an experiment on its endpoint in each status, for an existing endpoint and for one that it creates."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.hosting import (
    BOTH,
    ENDPOINT_CONFIGS,
    EXPERIMENT_ENDPOINT,
    NO_VARIANTS,
    PRODUCTION_ONLY,
    deployed_config,
    endpoint,
    endpoint_state,
    is_reverted,
    serve,
    variants,
)
from tests.operations.shared import CREATING, at, bring_to
from tests.requests import (
    CONFIG,
    NAME,
    PRODUCTION,
    SHADOW,
    create,
    deployed,
    model,
    shadow_mode,
    stop,
    variant,
)

# --- status by status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Creating", ("Creating", NO_VARIANTS, PRODUCTION_ONLY)),
        ("Created", ("InService", PRODUCTION_ONLY, None)),
        ("Updating", ("Updating", PRODUCTION_ONLY, PRODUCTION_ONLY)),
        ("Starting", ("Updating", PRODUCTION_ONLY, BOTH)),
        ("Running", ("InService", BOTH, None)),
        ("Stopping", ("Updating", BOTH, PRODUCTION_ONLY)),
        ("Completed", ("InService", PRODUCTION_ONLY, None)),
        ("Cancelled", ("InService", PRODUCTION_ONLY, None)),
    ],
)
def test_a_missing_endpoint_is_created(slow_mock, sagemaker, status, expected):
    """The endpoint is created with the production variant; Starting adds the shadow, and Stopping removes it."""
    bring_to(slow_mock, status)

    assert endpoint_state(sagemaker) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Creating", ("InService", PRODUCTION_ONLY, None)),
        ("Created", ("InService", PRODUCTION_ONLY, None)),
        ("Updating", ("InService", PRODUCTION_ONLY, None)),
        ("Starting", ("Updating", PRODUCTION_ONLY, BOTH)),
        ("Running", ("InService", BOTH, None)),
        ("Stopping", ("Updating", BOTH, PRODUCTION_ONLY)),
        ("Completed", ("InService", PRODUCTION_ONLY, None)),
        ("Cancelled", ("InService", PRODUCTION_ONLY, None)),
    ],
)
def test_an_existing_endpoint_is_updated(existing_endpoint, slow_mock, sagemaker, status, expected):
    """The endpoint does not change until Starting, and keeps serving while the shadow is added and removed."""
    bring_to(slow_mock, status)

    assert endpoint_state(sagemaker) == expected


START_NOW = [None, {"StartTime": at(days=-1)}, {"StartTime": at(seconds=1), "EndTime": at(days=1)}]
schedules_that_start_now = pytest.mark.parametrize("schedule", START_NOW, ids=["none", "past", "while Creating"])


@schedules_that_start_now
def test_a_test_that_starts_at_once_creates_its_endpoint_with_both_variants(slow_mock, sagemaker, schedule):
    """Creating leads to Running, without Created and Starting: both variants are deployed during Creating."""
    sagemaker.create_inference_experiment(**create(Schedule=schedule))
    assert endpoint_state(sagemaker) == ("Creating", NO_VARIANTS, BOTH)

    assert slow_mock.advance_until(NAME, "Running") == at() + CREATING

    assert [str(each.status) for each in slow_mock.timeline(NAME).segments[:2]] == ["Creating", "Running"]
    assert endpoint_state(sagemaker) == ("InService", BOTH, None)


@schedules_that_start_now
def test_a_test_that_starts_at_once_updates_its_endpoint(existing_endpoint, slow_mock, sagemaker, schedule):
    """On an existing endpoint, both variants are deployed during Creating."""
    sagemaker.create_inference_experiment(**create(Schedule=schedule))
    assert endpoint_state(sagemaker) == ("Updating", PRODUCTION_ONLY, BOTH)

    assert slow_mock.advance_until(NAME, "Running") == at() + CREATING
    assert endpoint_state(sagemaker) == ("InService", BOTH, None)

    slow_mock.advance_until(NAME, "Completed")
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), existing_endpoint)


@pytest.mark.parametrize("start", [at(days=-1), at(minutes=2)], ids=["past", "while Updating"])
@pytest.mark.parametrize("exists", [True, False])
def test_an_update_that_starts_the_test_deploys_both_variants(request, slow_mock, sagemaker, start, exists):
    """Updating leads to Running, without Starting, when StartTime is reached by then."""
    if exists:
        request.getfixturevalue("existing_endpoint")
    bring_to(slow_mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, Schedule={"StartTime": start})
    assert endpoint_state(sagemaker) == ("Updating", PRODUCTION_ONLY, BOTH)

    slow_mock.advance_until(NAME, "Running")
    assert [str(each.status) for each in slow_mock.timeline(NAME).past] == ["Creating", "Created", "Updating"]
    assert endpoint_state(sagemaker) == ("InService", BOTH, None)


@pytest.mark.parametrize("exists", [True, False])
def test_a_test_that_fails_before_it_runs_reverts_its_endpoint(request, slow_mock, sagemaker, exists):
    """A failure in Creating makes a new endpoint Failed; an existing one serves as before."""
    before = request.getfixturevalue("existing_endpoint") if exists else None
    sagemaker.create_inference_experiment(**create())

    slow_mock.fail_experiment(NAME, "No capacity")

    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    if before is None:
        assert shown["EndpointStatus"] == "Failed"
    else:
        assert is_reverted(shown, before, FailureReason="No capacity")


@pytest.mark.parametrize("status", ["Creating", "Created", "Updating", "Cancelled"])
def test_an_existing_endpoint_does_not_change_before_starting(existing_endpoint, slow_mock, sagemaker, status):
    """An experiment that has not started, or was stopped before it started, has changed nothing."""
    bring_to(slow_mock, status)

    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == existing_endpoint
    assert list(ENDPOINT_CONFIGS.all(sagemaker)) == [CONFIG]


# --- the configurations that an experiment creates


def test_an_experiment_deploys_its_own_configuration(existing_endpoint, slow_mock, sagemaker):
    """An ordinary endpoint configuration has the experiment's models and instances, and weights for the sampling."""
    model_variants = [
        variant(PRODUCTION, "old", count=2),
        variant(SHADOW, "new", instance_type="ml.c5.4xlarge", count=4),
    ]
    sagemaker.create_inference_experiment(
        **create(ModelVariants=model_variants, ShadowModeConfig=shadow_mode(percentage=20))
    )
    slow_mock.advance_until(NAME, "Running")

    config = deployed_config(sagemaker)

    metadata = slow_mock.experiments[NAME]["EndpointMetadata"]
    assert config["EndpointConfigName"] == metadata["EndpointConfigName"] != CONFIG
    assert config["ProductionVariants"] == [
        deployed(PRODUCTION, ModelName="old", InitialInstanceCount=2, InitialVariantWeight=1.0)
    ]
    assert config["ShadowProductionVariants"] == [
        deployed(
            SHADOW, ModelName="new", InstanceType="ml.c5.4xlarge", InitialInstanceCount=4, InitialVariantWeight=0.2
        )
    ]
    assert sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"] == []


@pytest.mark.parametrize("status", ["Created", "Running"])
def test_a_created_endpoint_has_the_instances_of_the_experiment(slow_mock, sagemaker, status):
    """An endpoint that an experiment creates has the instances of InfrastructureConfig from the beginning."""
    model_variants = [variant(PRODUCTION, instance_type="ml.c5.xlarge", count=2), variant(SHADOW, count=4)]
    schedule = {"StartTime": at(days=1)}
    sagemaker.create_inference_experiment(**create(ModelVariants=model_variants, Schedule=schedule))

    slow_mock.advance_until(NAME, status)

    (production,) = deployed_config(sagemaker)["ProductionVariants"]
    assert production == deployed(PRODUCTION, InstanceType="ml.c5.xlarge", InitialInstanceCount=2)
    counts = {
        name: each["CurrentInstanceCount"] for name, each in variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT)).items()
    }
    assert counts == {"Created": {PRODUCTION: 2}, "Running": {PRODUCTION: 2, SHADOW: 4}}[status]


def test_other_members_of_the_configuration_are_copied(existing_endpoint, slow_mock, sagemaker):
    """Members that no experiment has, for example DataCaptureConfig, are copied from the old configuration."""
    bring_to(slow_mock, "Running")

    before = sagemaker.describe_endpoint_config(EndpointConfigName=CONFIG)
    assert deployed_config(sagemaker)["DataCaptureConfig"] == before["DataCaptureConfig"]
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["DataCaptureConfig"] == existing_endpoint["DataCaptureConfig"]


def test_deployed_images_are_those_of_the_experiments_models(mock, sagemaker):
    """A model that was never created has no DeployedImages, whatever image the endpoint had before."""
    sagemaker.create_model(**model("created"))
    serve(sagemaker, deployed(PRODUCTION, ModelName="created"), endpoint=EXPERIMENT_ENDPOINT)

    model_variants = [variant(PRODUCTION, "unknown"), variant(SHADOW, "created")]
    sagemaker.create_inference_experiment(**create(ModelVariants=model_variants))

    shown = variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))
    assert [name for name, each in shown.items() if "DeployedImages" in each] == [SHADOW]


def test_the_kms_key_of_the_experiment_encrypts_its_instances(mock, sagemaker):
    """The experiment's KmsKey becomes the configuration's KmsKeyId."""
    sagemaker.create_inference_experiment(**create(KmsKey="the-key"))

    assert deployed_config(sagemaker)["KmsKeyId"] == "the-key"


def test_every_deployment_has_its_own_configuration(slow_mock, sagemaker):
    """No configuration is used twice, neither by one experiment nor by the next one with the same name."""
    for _ in range(2):
        later = slow_mock.clock.now() + dt.timedelta(days=1)
        sagemaker.create_inference_experiment(**create(Schedule={"StartTime": later}))
        slow_mock.advance_until(NAME, "Running")
        sagemaker.stop_inference_experiment(**stop(shadow="Retain"))
        slow_mock.advance_until(NAME, "Cancelled")
        sagemaker.delete_inference_experiment(Name=NAME)
        sagemaker.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)

    configs = ENDPOINT_CONFIGS.all(sagemaker)

    created = [config["CreationTime"] for config in configs.values()]
    assert len(configs) == 2 * len(["production", "with shadow", "retained"])
    assert created == sorted(created)
    assert all(name.startswith(NAME) for name in configs)


# --- UpdateInferenceExperiment


def test_an_update_in_running_changes_the_weight_of_the_shadow(slow_mock, sagemaker):
    """The endpoint is updated during Updating; the old weight is current until that ends."""
    bring_to(slow_mock, "Running")

    sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=5))
    updating = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    slow_mock.advance_until(NAME, "Running")
    running = endpoint(sagemaker, EXPERIMENT_ENDPOINT)

    assert endpoint_state(sagemaker) == ("InService", BOTH, None)
    assert updating["EndpointStatus"] == "Updating"
    assert variants(updating)[SHADOW]["CurrentWeight"] == 0.5
    assert variants(updating["PendingDeploymentSummary"])[SHADOW]["DesiredWeight"] == 0.05
    assert variants(running)[SHADOW]["CurrentWeight"] == 0.05
    assert variants(running)[PRODUCTION]["CurrentWeight"] == 1


def test_an_update_in_created_is_deployed_in_starting(existing_endpoint, slow_mock, sagemaker):
    """On an existing endpoint, new variants are deployed in Starting and not before."""
    bring_to(slow_mock, "Created")
    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant(PRODUCTION), variant(SHADOW, count=7)])
    slow_mock.advance_until(NAME, "Created")
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == existing_endpoint

    slow_mock.advance_until(NAME, "Running")

    assert variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))[SHADOW]["CurrentInstanceCount"] == 7


def test_an_update_in_created_changes_an_endpoint_of_the_experiment(slow_mock, sagemaker):
    """On an endpoint that the experiment created, new instances for production are deployed at once."""
    bring_to(slow_mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant(PRODUCTION, count=7), variant(SHADOW)])
    slow_mock.advance_until(NAME, "Created")

    assert variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))[PRODUCTION]["CurrentInstanceCount"] == 7


# --- the end of the schedule


@pytest.mark.parametrize("config_deleted", [False, True], ids=["configuration exists", "configuration deleted"])
def test_the_scheduled_end_reverts_the_endpoint(existing_endpoint, slow_mock, sagemaker, config_deleted):
    """The endpoint has its original configuration, instances and weights, even if that configuration was deleted."""
    bring_to(slow_mock, "Running")
    if config_deleted:
        sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)

    slow_mock.advance_until(NAME, "Stopping")
    stopping = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    slow_mock.advance_until(NAME, "Completed")

    assert stopping["PendingDeploymentSummary"]["EndpointConfigName"] == CONFIG
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), existing_endpoint)


def test_the_scheduled_end_restores_weights_and_capacities(existing_endpoint, slow_mock, sagemaker):
    """Weights and capacities that were changed before the experiment have those values again after it."""
    capacities = [{"VariantName": PRODUCTION, "DesiredWeight": 9, "DesiredInstanceCount": 8}]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=EXPERIMENT_ENDPOINT, DesiredWeightsAndCapacities=capacities
    )
    rescaled = endpoint(sagemaker, EXPERIMENT_ENDPOINT)

    bring_to(slow_mock, "Completed")

    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), rescaled)
    assert variants(rescaled)[PRODUCTION]["CurrentInstanceCount"] == 8


@pytest.mark.parametrize("shadow", ["old-shadow", SHADOW])
def test_the_scheduled_end_restores_the_original_shadow(mock, sagemaker, shadow):
    """The experiment's shadow replaces a shadow that the endpoint already has, until the scheduled end."""
    serve(sagemaker, endpoint=EXPERIMENT_ENDPOINT, ShadowProductionVariants=[deployed(shadow, ModelName="old")])

    sagemaker.create_inference_experiment(**create())
    running = endpoint_state(sagemaker)
    mock.clock.move_to(at(days=8))

    assert running == ("InService", BOTH, None)
    assert endpoint_state(sagemaker) == ("InService", [[PRODUCTION], [shadow]], None)
    assert deployed_config(sagemaker)["ShadowProductionVariants"] == [deployed(shadow, ModelName="old")]


def test_the_scheduled_end_restores_variants_with_other_names(mock, sagemaker):
    """The experiment's production variant replaces the endpoint's variant until the scheduled end."""
    serve(sagemaker, deployed("blue"), endpoint=EXPERIMENT_ENDPOINT)

    sagemaker.create_inference_experiment(**create())
    running = endpoint_state(sagemaker)
    mock.clock.move_to(at(days=8))

    assert running == ("InService", BOTH, None)
    assert endpoint_state(sagemaker) == ("InService", [["blue"], []], None)
