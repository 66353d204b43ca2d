"""UpdateEndpoint and UpdateEndpointWeightsAndCapacities: the old variants serve until an update succeeds or fails."""

from __future__ import annotations

import pytest

from tests.hosting import (
    ENDPOINT_CREATING,
    ENDPOINT_ROLLING_BACK,
    ENDPOINT_UPDATING,
    REASON,
    endpoint,
    refused,
    serve,
    variant_names,
    variants,
)
from tests.requests import CONFIG, ENDPOINT, SHADOW, deployed, endpoint_config

# These tests arrange failures that need not happen.
pytestmark = pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")

OTHER = "other-config"


def capture(percentage):
    """Return a DataCaptureConfig."""
    return {
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }


def canary(seconds):
    """Return a DeploymentConfig."""
    size = {"Type": "CAPACITY_PERCENT", "Value": 10}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": seconds, "CanarySize": size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


@pytest.fixture
def serving_mock(slow_hosting_mock, sagemaker):
    """Return a mock with an InService endpoint: 2 instances of `prod`, a shadow and data capture."""
    serve(
        sagemaker,
        deployed("prod", InitialInstanceCount=2),
        ShadowProductionVariants=[deployed(SHADOW, InitialVariantWeight=0.5)],
        DataCaptureConfig=capture(10),
    )
    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)
    return slow_hosting_mock


def update(sagemaker, *production, config=None, **members):
    """Update the endpoint to a new configuration named OTHER, with these production variants and members."""
    sagemaker.create_endpoint_config(**endpoint_config(OTHER, *production, **config or {}))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OTHER, **members)


def rescale(sagemaker, **desired):
    """Call UpdateEndpointWeightsAndCapacities with the desired members by variant."""
    capacities = [{"VariantName": name, **members} for name, members in desired.items()]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=capacities)


def variant_statuses(variant):
    """Return the statuses in a variant's VariantStatus."""
    return [status["Status"] for status in variant.get("VariantStatus", [])]


# --- a new configuration


def test_the_old_configuration_serves_until_the_update_ends(serving_mock, sagemaker):
    """While Updating, an endpoint shows the old variants, and the new ones in PendingDeploymentSummary."""
    before = endpoint(sagemaker)

    update(sagemaker, deployed("prod", InitialInstanceCount=5), deployed("new"))
    updating = endpoint(sagemaker)
    serving_mock.clock.advance(ENDPOINT_UPDATING)
    after = endpoint(sagemaker)

    assert updating["EndpointConfigName"] == before["EndpointConfigName"] == CONFIG
    assert variant_names(updating) == variant_names(before) == [["prod"], [SHADOW]]
    assert variants(updating)["prod"]["CurrentInstanceCount"] == 2
    pending = updating["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["StartTime"]) == (OTHER, updating["LastModifiedTime"])
    assert variant_names(pending) == [["prod", "new"], []]
    assert variants(pending)["prod"]["DesiredInstanceCount"] == 5

    assert after["EndpointConfigName"] == OTHER
    assert variant_names(after) == [["prod", "new"], []]
    assert variants(after)["prod"]["CurrentInstanceCount"] == 5
    assert "PendingDeploymentSummary" not in after
    assert after["CreationTime"] == before["CreationTime"]


def test_variant_status_shows_the_effect_of_an_update(serving_mock, sagemaker):
    """During an update a variant that stays is Updating, a new one is Creating, and a removed one is Deleting."""
    update(sagemaker, deployed("prod"), deployed("new"))

    shown = endpoint(sagemaker)

    pending = shown["PendingDeploymentSummary"]
    assert {name: variant_statuses(variant) for name, variant in variants(shown).items()} == {
        "prod": ["Updating"],
        SHADOW: ["Deleting"],
    }
    assert {name: variant_statuses(variant) for name, variant in variants(pending).items()} == {
        "prod": ["Updating"],
        "new": ["Creating"],
    }


def test_an_update_may_remove_and_add_a_shadow(serving_mock, sagemaker):
    """ShadowProductionVariants follow the configuration of each update."""
    update(sagemaker, deployed("prod"))
    serving_mock.clock.advance(ENDPOINT_UPDATING)
    assert "ShadowProductionVariants" not in endpoint(sagemaker)

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    assert variant_names(endpoint(sagemaker)["PendingDeploymentSummary"]) == [["prod"], [SHADOW]]

    serving_mock.clock.advance(ENDPOINT_UPDATING)
    assert variant_names(endpoint(sagemaker)) == [["prod"], [SHADOW]]


def test_a_recreated_configuration_is_deployed_like_a_new_one(serving_mock, sagemaker):
    """A configuration with the name of a deleted one is first pending, and serves after the update."""
    sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed("new")))

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    updating = endpoint(sagemaker)
    serving_mock.clock.advance(ENDPOINT_UPDATING)

    assert variant_names(updating) == [["prod"], [SHADOW]]
    assert variant_names(updating.get("PendingDeploymentSummary", {})) == [["new"], []]
    assert variant_names(endpoint(sagemaker)) == [["new"], []]


def test_update_endpoint_refuses_a_missing_configuration(serving_mock, sagemaker):
    """UpdateEndpoint refuses a configuration that does not exist, although the endpoint exists."""
    with refused(serving_mock) as caught:
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="missing")

    assert "endpoint-config/missing" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [
        (None, set()),
        ([], {"count", "weight", "capture"}),
        (["DesiredInstanceCount"], {"weight", "capture"}),
        (["DesiredWeight"], {"count", "capture"}),
        (["DataCaptureConfig"], {"count", "weight"}),
        (["DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"], set()),
    ],
    ids=["not retained", "all", "all but counts", "all but weights", "all but capture", "all excluded"],
)
def test_an_update_may_retain_variant_properties(serving_mock, sagemaker, excluded, kept):
    """RetainAllVariantProperties keeps the current counts, weights and data capture, except the excluded ones."""
    rescale(sagemaker, prod={"DesiredWeight": 7, "DesiredInstanceCount": 9})
    serving_mock.clock.advance(ENDPOINT_UPDATING)
    retained = {} if excluded is None else {"RetainAllVariantProperties": True}
    if excluded:
        retained["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": kind} for kind in excluded]

    update(
        sagemaker, deployed("prod", InstanceType="ml.c5.xlarge"), config={"DataCaptureConfig": capture(99)}, **retained
    )
    serving_mock.clock.advance(ENDPOINT_UPDATING)

    shown = endpoint(sagemaker)
    (production,) = shown["ProductionVariants"]
    assert production["CurrentInstanceCount"] == (9 if "count" in kept else 1)
    assert production["CurrentWeight"] == (7 if "weight" in kept else 1)
    assert shown["DataCaptureConfig"]["CurrentSamplingPercentage"] == (10 if "capture" in kept else 99)


def test_a_new_variant_retains_nothing(serving_mock, sagemaker):
    """With RetainAllVariantProperties a new variant gets the properties of its configuration."""
    update(sagemaker, deployed("new", InitialInstanceCount=4), RetainAllVariantProperties=True)

    (new,) = endpoint(sagemaker)["PendingDeploymentSummary"]["ProductionVariants"]
    assert new["DesiredInstanceCount"] == 4


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({}, None),
        ({"RetainDeploymentConfig": False}, None),
        ({"RetainDeploymentConfig": True}, canary(60)),
        ({"DeploymentConfig": canary(90)}, canary(90)),
    ],
    ids=["left out", "not retained", "retained", "another"],
)
def test_the_last_deployment_config_is_shown(mock, sagemaker, members, shown):
    """LastDeploymentConfig is that of Create; after an update it is the one given or retained, or absent."""
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG, DeploymentConfig=canary(60))
    assert endpoint(sagemaker)["LastDeploymentConfig"] == canary(60)

    update(sagemaker, **members)

    assert endpoint(sagemaker).get("LastDeploymentConfig") == shown


# --- weights and capacities


def test_weights_and_capacities_change_without_a_new_configuration(serving_mock, sagemaker):
    """Desired values show at once and become current when the update ends; the configuration does not change."""
    rescale(sagemaker, prod={"DesiredWeight": 3, "DesiredInstanceCount": 4}, shadow={"DesiredInstanceCount": 6})
    updating = endpoint(sagemaker)
    serving_mock.clock.advance(ENDPOINT_UPDATING)
    after = endpoint(sagemaker)

    def weights_and_counts(shown, name):
        variant = variants(shown)[name]
        return {
            prefix: (variant[f"{prefix}Weight"], variant[f"{prefix}InstanceCount"]) for prefix in ("Current", "Desired")
        }

    assert updating["EndpointStatus"] == "Updating"
    assert weights_and_counts(updating, "prod") == {"Current": (1, 2), "Desired": (3, 4)}
    assert weights_and_counts(updating, SHADOW) == {"Current": (0.5, 1), "Desired": (0.5, 6)}
    assert weights_and_counts(after, "prod") == {"Current": (3, 4), "Desired": (3, 4)}
    assert weights_and_counts(after, SHADOW) == {"Current": (0.5, 6), "Desired": (0.5, 6)}
    assert updating["EndpointConfigName"] == after["EndpointConfigName"] == CONFIG
    assert "PendingDeploymentSummary" not in updating
    assert sagemaker.describe_endpoint_config(EndpointConfigName=CONFIG)["ProductionVariants"] == [
        deployed("prod", InitialInstanceCount=2)
    ]


def test_serverless_update_config_changes_the_concurrency(mock, sagemaker):
    """ServerlessUpdateConfig changes the concurrency and keeps the memory size."""
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    serve(sagemaker, deployed("prod", InstanceType=None, InitialInstanceCount=None, ServerlessConfig=serverless))

    rescale(sagemaker, prod={"ServerlessUpdateConfig": {"MaxConcurrency": 9}})

    (variant,) = endpoint(sagemaker)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 9}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["prod", "x"], f'The variant name(s) "x" is/are not present within endpoint configuration "{CONFIG}".'),
        (["x", "y", "x"], f'The variant name(s) "x, y" is/are not present within endpoint configuration "{CONFIG}".'),
        (["prod", "prod"], 'The variant name "prod" was non-unique within the request.'),
    ],
)
def test_unknown_and_repeated_variants_are_refused(serving_mock, sagemaker, names, message):
    """When one variant is not a variant of the endpoint, or is named twice, no variant changes."""
    desired = [{"VariantName": name, "DesiredWeight": 3} for name in names]

    with refused(serving_mock) as caught:
        sagemaker.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=desired)

    assert caught.value.response["Error"]["Message"] == message


# --- updates that fail


def update_configuration(sagemaker):
    update(sagemaker, deployed("new"))


def update_weights(sagemaker):
    rescale(sagemaker, prod={"DesiredInstanceCount": 4})


both_kinds_of_update = pytest.mark.parametrize("change", [update_configuration, update_weights])


@both_kinds_of_update
def test_a_failed_update_is_rolled_back(serving_mock, sagemaker, change):
    """A failed update is RollingBack for its duration; the old variants keep serving, and FailureReason is set."""
    before = endpoint(sagemaker)
    change(sagemaker)
    serving_mock.clock.advance(minutes=1)

    serving_mock.fail_endpoint(ENDPOINT, REASON)
    failed = serving_mock.clock.now()
    rolling_back = endpoint(sagemaker)
    serving_mock.clock.advance(days=1)
    after = endpoint(sagemaker)

    assert (rolling_back["EndpointStatus"], rolling_back["LastModifiedTime"]) == ("RollingBack", failed)
    same = {**before, "FailureReason": REASON}
    assert rolling_back == {**same, "EndpointStatus": "RollingBack", "LastModifiedTime": failed}
    assert after == {**same, "EndpointStatus": "InService", "LastModifiedTime": failed + ENDPOINT_ROLLING_BACK}


@both_kinds_of_update
def test_fail_endpoint_without_a_deployment_fails_the_next_update(serving_mock, sagemaker, change):
    """When nothing is being deployed, the next deployment fails at its end; until then no failure shows."""
    serving_mock.fail_endpoint(ENDPOINT, REASON)
    assert "FailureReason" not in endpoint(sagemaker)
    change(sagemaker)
    began = serving_mock.clock.now()
    assert "FailureReason" not in endpoint(sagemaker)

    serving_mock.clock.advance(ENDPOINT_UPDATING)

    shown = endpoint(sagemaker)
    assert (shown["EndpointStatus"], shown["FailureReason"]) == ("RollingBack", REASON)
    assert shown["LastModifiedTime"] == began + ENDPOINT_UPDATING


def test_the_next_update_removes_the_failure_reason(serving_mock, sagemaker):
    """FailureReason belongs to the last deployment: it disappears when the next one begins, and that one succeeds."""
    serving_mock.fail_endpoint(ENDPOINT, REASON)
    update(sagemaker)
    serving_mock.clock.advance(days=1)

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OTHER)
    assert "FailureReason" not in endpoint(sagemaker)

    serving_mock.clock.advance(ENDPOINT_UPDATING)
    assert endpoint(sagemaker)["EndpointConfigName"] == OTHER


def test_fail_endpoint_affects_one_endpoint(serving_mock, sagemaker):
    """Only the endpoint with this name, region and account fails."""
    serving_mock.fail_endpoint("another", REASON)
    serving_mock.fail_endpoint(ENDPOINT, REASON, region_name="eu-west-1")
    serving_mock.fail_endpoint(ENDPOINT, REASON, account_id="210987654321")

    update(sagemaker)
    serving_mock.clock.advance(ENDPOINT_UPDATING)

    assert endpoint(sagemaker)["EndpointConfigName"] == OTHER
