"""What an experiment does to its endpoint, be it there already or made for the test, status by status."""

from __future__ import annotations

import pytest

from tests.hosting import (
    BOTH,
    ENDPOINT_CONFIGS,
    NOTHING,
    PRODUCTION_ONLY,
    UNDER_TEST,
    config_of,
    endpoint,
    reverted,
    seen,
    serve,
    variants,
)
from tests.operations.shared import at, bring_to
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
        ("Creating", ("Creating", NOTHING, PRODUCTION_ONLY)),
        ("Created", ("InService", PRODUCTION_ONLY, None)),
        ("Updating", ("Updating", PRODUCTION_ONLY, PRODUCTION_ONLY)),
        ("Starting", ("Updating", PRODUCTION_ONLY, BOTH)),
        ("Running", ("InService", BOTH, None)),
        ("Stopping", ("Updating", BOTH, PRODUCTION_ONLY)),
        ("Completed", ("InService", PRODUCTION_ONLY, None)),
        ("Cancelled", ("InService", PRODUCTION_ONLY, None)),
    ],
)
def test_a_missing_endpoint_is_made(slow_mock, sagemaker, status, expected):
    """It is created with the production variant; the shadow is deployed in Starting and goes in Stopping."""
    bring_to(slow_mock, status)

    assert seen(sagemaker) == expected


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
def test_an_existing_endpoint_is_updated(existing, slow_mock, sagemaker, status, expected):
    """It is left alone until the test starts, and serves without a break while the shadow comes and goes."""
    bring_to(slow_mock, status)

    assert seen(sagemaker) == expected


@pytest.mark.parametrize("status", ["Creating", "Created", "Updating", "Cancelled"])
def test_an_endpoint_is_as_it_was_until_the_test_starts(existing, slow_mock, sagemaker, status):
    """What a test has not reached, or was stopped before it reached, has not changed at all."""
    bring_to(slow_mock, status)

    assert endpoint(sagemaker, UNDER_TEST) == existing
    assert list(ENDPOINT_CONFIGS.all(sagemaker)) == [CONFIG]


# --- configurations of the experiment's own


def test_a_test_deploys_a_configuration_of_its_own(existing, slow_mock, sagemaker):
    """It is an ordinary endpoint configuration: the test's models, machines, and weights that copy the traffic."""
    models = [variant(PRODUCTION, "old", count=2), variant(SHADOW, "new", instance_type="ml.c5.4xlarge", count=4)]
    sagemaker.create_inference_experiment(**create(ModelVariants=models, ShadowModeConfig=shadow_mode(percentage=20)))
    slow_mock.advance_until(NAME, "Running")

    config = config_of(sagemaker)

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
def test_a_made_endpoint_has_the_machines_of_the_test(slow_mock, sagemaker, status):
    """The endpoint that a test makes has from the beginning what InfrastructureConfig says."""
    machines = [variant(PRODUCTION, instance_type="ml.c5.xlarge", count=2), variant(SHADOW, count=4)]
    schedule = {"StartTime": at(days=1)}
    sagemaker.create_inference_experiment(**create(ModelVariants=machines, Schedule=schedule))

    slow_mock.advance_until(NAME, status)

    (production,) = config_of(sagemaker)["ProductionVariants"]
    assert production == deployed(PRODUCTION, InstanceType="ml.c5.xlarge", InitialInstanceCount=2)
    counts = {name: each["CurrentInstanceCount"] for name, each in variants(endpoint(sagemaker, UNDER_TEST)).items()}
    assert counts == {"Created": {PRODUCTION: 2}, "Running": {PRODUCTION: 2, SHADOW: 4}}[status]


def test_what_a_test_does_not_say_stays_as_the_endpoint_had_it(existing, slow_mock, sagemaker):
    """Members of the configuration that no experiment has, such as DataCaptureConfig, are taken over."""
    bring_to(slow_mock, "Running")

    before = sagemaker.describe_endpoint_config(EndpointConfigName=CONFIG)
    assert config_of(sagemaker)["DataCaptureConfig"] == before["DataCaptureConfig"]
    assert endpoint(sagemaker, UNDER_TEST)["DataCaptureConfig"] == existing["DataCaptureConfig"]


def test_the_images_are_those_of_the_models_of_the_test(mock, sagemaker):
    """DeployedImages follows the models: a presumed one has no image, whatever the endpoint had before."""
    sagemaker.create_model(**model("known"))
    serve(sagemaker, deployed(PRODUCTION, ModelName="known"), endpoint=UNDER_TEST)

    models = [variant(PRODUCTION, "presumed"), variant(SHADOW, "known")]
    sagemaker.create_inference_experiment(**create(ModelVariants=models))

    shown = variants(endpoint(sagemaker, UNDER_TEST))
    assert [name for name, each in shown.items() if "DeployedImages" in each] == [SHADOW]


def test_the_key_of_a_test_encrypts_its_instances(mock, sagemaker):
    """The experiment's KmsKey becomes the configuration's KmsKeyId."""
    sagemaker.create_inference_experiment(**create(KmsKey="the-key"))

    assert config_of(sagemaker)["KmsKeyId"] == "the-key"


def test_every_deployment_is_a_configuration_of_its_own(slow_mock, sagemaker):
    """From creation to the end, and again for the next test of the same name, no configuration is used twice."""
    for _ in range(2):
        bring_to(slow_mock, "Running")
        sagemaker.stop_inference_experiment(**stop(shadow="Retain"))
        slow_mock.advance_until(NAME, "Cancelled")
        sagemaker.delete_inference_experiment(Name=NAME)
        sagemaker.delete_endpoint(EndpointName=UNDER_TEST)

    configs = ENDPOINT_CONFIGS.all(sagemaker)

    created = [config["CreationTime"] for config in configs.values()]
    assert len(configs) == 2 * len(["production", "with shadow", "retained"])
    assert created == sorted(created)
    assert all(name.startswith(NAME) for name in configs)


# --- Update while Running


def test_an_update_in_running_changes_the_weight_of_the_shadow(slow_mock, sagemaker):
    """The endpoint is updated in Updating; the old weight counts until that is done."""
    bring_to(slow_mock, "Running")

    sagemaker.update_inference_experiment(Name=NAME, ShadowModeConfig=shadow_mode(percentage=5))
    updating = endpoint(sagemaker, UNDER_TEST)
    slow_mock.advance_until(NAME, "Running")
    running = endpoint(sagemaker, UNDER_TEST)

    assert seen(sagemaker) == ("InService", BOTH, None)
    assert updating["EndpointStatus"] == "Updating"
    assert variants(updating)[SHADOW]["CurrentWeight"] == 0.5
    assert variants(updating["PendingDeploymentSummary"])[SHADOW]["DesiredWeight"] == 0.05
    assert variants(running)[SHADOW]["CurrentWeight"] == 0.05
    assert variants(running)[PRODUCTION]["CurrentWeight"] == 1


def test_an_update_in_created_counts_when_the_test_starts(existing, slow_mock, sagemaker):
    """On an existing endpoint new variants are deployed in Starting, and not before."""
    bring_to(slow_mock, "Created")
    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant(PRODUCTION), variant(SHADOW, count=7)])
    slow_mock.advance_until(NAME, "Created")
    assert endpoint(sagemaker, UNDER_TEST) == existing

    slow_mock.advance_until(NAME, "Running")

    assert variants(endpoint(sagemaker, UNDER_TEST))[SHADOW]["CurrentInstanceCount"] == 7


def test_an_update_in_created_changes_the_endpoint_of_the_test(slow_mock, sagemaker):
    """On an endpoint that the test has made, new machines for production come at once."""
    bring_to(slow_mock, "Created")

    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=[variant(PRODUCTION, count=7), variant(SHADOW)])
    slow_mock.advance_until(NAME, "Created")

    assert variants(endpoint(sagemaker, UNDER_TEST))[PRODUCTION]["CurrentInstanceCount"] == 7


# --- the end of the schedule


@pytest.mark.parametrize("config_deleted", [False, True], ids=["config there", "config deleted"])
def test_the_end_of_the_schedule_reverts_an_endpoint(existing, slow_mock, sagemaker, config_deleted):
    """It has its original configuration again, machines and weights included, even if that is deleted meanwhile."""
    bring_to(slow_mock, "Running")
    if config_deleted:
        sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)

    slow_mock.advance_until(NAME, "Stopping")
    stopping = endpoint(sagemaker, UNDER_TEST)
    slow_mock.advance_until(NAME, "Completed")

    assert stopping["PendingDeploymentSummary"]["EndpointConfigName"] == CONFIG
    assert reverted(endpoint(sagemaker, UNDER_TEST), existing)


def test_weights_from_before_the_test_come_back(existing, slow_mock, sagemaker):
    """What was rescaled before the test is as it was rescaled after it."""
    wanted = [{"VariantName": PRODUCTION, "DesiredWeight": 9, "DesiredInstanceCount": 8}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=UNDER_TEST, DesiredWeightsAndCapacities=wanted)
    rescaled = endpoint(sagemaker, UNDER_TEST)

    bring_to(slow_mock, "Completed")

    assert reverted(endpoint(sagemaker, UNDER_TEST), rescaled)
    assert variants(rescaled)[PRODUCTION]["CurrentInstanceCount"] == 8


@pytest.mark.parametrize("shadow", ["old-shadow", SHADOW])
def test_a_shadow_from_before_the_test_comes_back(mock, sagemaker, shadow):
    """An endpoint may have a shadow already: the test's takes its place, and it comes back afterwards."""
    serve(sagemaker, endpoint=UNDER_TEST, ShadowProductionVariants=[deployed(shadow, ModelName="old")])

    sagemaker.create_inference_experiment(**create())
    running = seen(sagemaker)
    mock.clock.move_to(at(days=8))

    assert running == ("InService", BOTH, None)
    assert seen(sagemaker) == ("InService", [[PRODUCTION], [shadow]], None)
    assert config_of(sagemaker)["ShadowProductionVariants"] == [deployed(shadow, ModelName="old")]


def test_an_endpoint_may_have_variants_of_other_names(mock, sagemaker):
    """The test's production variant takes the place of the endpoint's, which comes back afterwards."""
    serve(sagemaker, deployed("blue"), endpoint=UNDER_TEST)

    sagemaker.create_inference_experiment(**create())
    running = seen(sagemaker)
    mock.clock.move_to(at(days=8))

    assert running == ("InService", BOTH, None)
    assert seen(sagemaker) == ("InService", [["blue"], []], None)
