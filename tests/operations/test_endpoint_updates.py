"""UpdateEndpoint and UpdateEndpointWeightsAndCapacities: the old serves until the new does, or stays if that fails."""

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

OTHER = "other-config"


def capture(percentage):
    """DataCaptureConfig."""
    return {
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }


def canary(seconds):
    """DeploymentConfig."""
    size = {"Type": "CAPACITY_PERCENT", "Value": 10}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": seconds, "CanarySize": size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


@pytest.fixture
def serving(hosting, sagemaker):
    """A mock whose endpoint has been in service for a while: 2 instances of `prod`, a shadow, captured data."""
    serve(
        sagemaker,
        deployed("prod", InitialInstanceCount=2),
        ShadowProductionVariants=[deployed(SHADOW, InitialVariantWeight=0.5)],
        DataCaptureConfig=capture(10),
    )
    hosting.clock.advance(ENDPOINT_CREATING)
    return hosting


def update(sagemaker, *production, config=None, **members):
    """Update the endpoint to a new configuration: OTHER, of these production variants and members."""
    sagemaker.create_endpoint_config(**endpoint_config(OTHER, *production, **config or {}))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OTHER, **members)


def rescale(sagemaker, **desired):
    """UpdateEndpointWeightsAndCapacities, by variant."""
    wanted = [{"VariantName": name, **members} for name, members in desired.items()]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=wanted)


def status_of(variant):
    """A variant's VariantStatus."""
    return [status["Status"] for status in variant.get("VariantStatus", [])]


# --- another configuration


def test_the_old_configuration_serves_until_the_new_one_does(serving, sagemaker):
    """While it is Updating an endpoint shows what serves, and what is to come as PendingDeploymentSummary."""
    before = endpoint(sagemaker)

    update(sagemaker, deployed("prod", InitialInstanceCount=5), deployed("new"))
    updating = endpoint(sagemaker)
    serving.clock.advance(ENDPOINT_UPDATING)
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


def test_variants_say_what_an_update_does_to_them(serving, sagemaker):
    """During an update a variant that stays is Updating, one that comes Creating, one that goes Deleting."""
    update(sagemaker, deployed("prod"), deployed("new"))

    shown = endpoint(sagemaker)

    assert {name: status_of(variant) for name, variant in variants(shown).items()} == {
        "prod": ["Updating"],
        SHADOW: ["Deleting"],
    }
    assert {name: status_of(variant) for name, variant in variants(shown["PendingDeploymentSummary"]).items()} == {
        "prod": ["Updating"],
        "new": ["Creating"],
    }


def test_a_shadow_can_come_and_go(serving, sagemaker):
    """ShadowProductionVariants follow the configuration, into service and out of it."""
    update(sagemaker, deployed("prod"))
    serving.clock.advance(ENDPOINT_UPDATING)
    assert "ShadowProductionVariants" not in endpoint(sagemaker)

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    assert variant_names(endpoint(sagemaker)["PendingDeploymentSummary"]) == [["prod"], [SHADOW]]

    serving.clock.advance(ENDPOINT_UPDATING)
    assert variant_names(endpoint(sagemaker)) == [["prod"], [SHADOW]]


def test_a_configuration_made_anew_is_another_one(serving, sagemaker):
    """A configuration that took the name of a deleted one is deployed like any other: it is pending, then serves."""
    sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed("new")))

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
    updating = endpoint(sagemaker)
    serving.clock.advance(ENDPOINT_UPDATING)

    assert variant_names(updating) == [["prod"], [SHADOW]]
    assert variant_names(updating.get("PendingDeploymentSummary", {})) == [["new"], []]
    assert variant_names(endpoint(sagemaker)) == [["new"], []]


def test_an_update_needs_a_configuration(serving, sagemaker):
    """A configuration that is not there is refused, though the endpoint is."""
    with refused(serving) as caught:
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
    ids=["not retained", "all", "but counts", "but weights", "but capture", "but everything"],
)
def test_an_update_may_retain_what_variants_have(serving, sagemaker, excluded, kept):
    """RetainAllVariantProperties keeps counts, weights and capture, as changed since, but for what is excluded."""
    rescale(sagemaker, prod={"DesiredWeight": 7, "DesiredInstanceCount": 9})
    serving.clock.advance(ENDPOINT_UPDATING)
    retained = {} if excluded is None else {"RetainAllVariantProperties": True}
    if excluded:
        retained["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": kind} for kind in excluded]

    update(
        sagemaker, deployed("prod", InstanceType="ml.c5.xlarge"), config={"DataCaptureConfig": capture(99)}, **retained
    )
    serving.clock.advance(ENDPOINT_UPDATING)

    shown = endpoint(sagemaker)
    (production,) = shown["ProductionVariants"]
    assert production["CurrentInstanceCount"] == (9 if "count" in kept else 1)
    assert production["CurrentWeight"] == (7 if "weight" in kept else 1)
    assert shown["DataCaptureConfig"]["CurrentSamplingPercentage"] == (10 if "capture" in kept else 99)


def test_what_is_retained_is_a_variants_own(serving, sagemaker):
    """RetainAllVariantProperties gives a new variant what its configuration says."""
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
    """LastDeploymentConfig is Create's, then what an update was given or told to retain, else nothing."""
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG, DeploymentConfig=canary(60))
    assert endpoint(sagemaker)["LastDeploymentConfig"] == canary(60)

    update(sagemaker, **members)

    assert endpoint(sagemaker).get("LastDeploymentConfig") == shown


# --- weights and capacities


def test_weights_and_capacities_change_within_the_configuration(serving, sagemaker):
    """What is desired shows at once, and is current when the update is done; the configuration stays as it is."""
    rescale(sagemaker, prod={"DesiredWeight": 3, "DesiredInstanceCount": 4}, shadow={"DesiredInstanceCount": 6})
    updating = endpoint(sagemaker)
    serving.clock.advance(ENDPOINT_UPDATING)
    after = endpoint(sagemaker)

    def measures(shown, name):
        variant = variants(shown)[name]
        return {
            prefix: (variant[f"{prefix}Weight"], variant[f"{prefix}InstanceCount"]) for prefix in ("Current", "Desired")
        }

    assert updating["EndpointStatus"] == "Updating"
    assert measures(updating, "prod") == {"Current": (1, 2), "Desired": (3, 4)}
    assert measures(updating, SHADOW) == {"Current": (0.5, 1), "Desired": (0.5, 6)}
    assert measures(after, "prod") == {"Current": (3, 4), "Desired": (3, 4)}
    assert measures(after, SHADOW) == {"Current": (0.5, 6), "Desired": (0.5, 6)}
    assert updating["EndpointConfigName"] == after["EndpointConfigName"] == CONFIG
    assert "PendingDeploymentSummary" not in updating
    assert sagemaker.describe_endpoint_config(EndpointConfigName=CONFIG)["ProductionVariants"] == [
        deployed("prod", InitialInstanceCount=2)
    ]


def test_a_serverless_variant_is_rescaled_by_its_concurrency(mock, sagemaker):
    """ServerlessUpdateConfig changes the concurrency and leaves the memory."""
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    serve(sagemaker, deployed("prod", InstanceType=None, InitialInstanceCount=None, ServerlessConfig=serverless))

    rescale(sagemaker, prod={"ServerlessUpdateConfig": {"MaxConcurrency": 9}})

    (variant,) = endpoint(sagemaker)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 9}


def test_an_unknown_variant_cannot_be_rescaled(serving, sagemaker):
    """Every variant must be one of the endpoint's; otherwise none is changed."""
    with refused(serving):
        rescale(sagemaker, prod={"DesiredWeight": 3}, unknown={"DesiredWeight": 3})


# --- updates that fail


def update_configuration(sagemaker):
    update(sagemaker, deployed("new"))


def update_weights(sagemaker):
    rescale(sagemaker, prod={"DesiredInstanceCount": 4})


either_update = pytest.mark.parametrize("change", [update_configuration, update_weights])


@either_update
def test_an_update_that_fails_is_rolled_back(serving, sagemaker, change):
    """An update that is made to fail is RollingBack for its time; what served serves on, and FailureReason says why."""
    before = endpoint(sagemaker)
    change(sagemaker)
    serving.clock.advance(minutes=1)

    serving.fail_endpoint(ENDPOINT, REASON)
    failed = serving.clock.now()
    rolling_back = endpoint(sagemaker)
    serving.clock.advance(days=1)
    after = endpoint(sagemaker)

    assert (rolling_back["EndpointStatus"], rolling_back["LastModifiedTime"]) == ("RollingBack", failed)
    same = {**before, "FailureReason": REASON}
    assert rolling_back == {**same, "EndpointStatus": "RollingBack", "LastModifiedTime": failed}
    assert after == {**same, "EndpointStatus": "InService", "LastModifiedTime": failed + ENDPOINT_ROLLING_BACK}


@either_update
def test_an_update_can_be_doomed_before_it_begins(serving, sagemaker, change):
    """Where nothing is being deployed, the next deployment fails, at its end; until then nothing shows."""
    serving.fail_endpoint(ENDPOINT, REASON)
    assert "FailureReason" not in endpoint(sagemaker)
    change(sagemaker)
    began = serving.clock.now()
    assert "FailureReason" not in endpoint(sagemaker)

    serving.clock.advance(ENDPOINT_UPDATING)

    shown = endpoint(sagemaker)
    assert (shown["EndpointStatus"], shown["FailureReason"]) == ("RollingBack", REASON)
    assert shown["LastModifiedTime"] == began + ENDPOINT_UPDATING


def test_another_update_forgets_the_failure(serving, sagemaker):
    """FailureReason is the last deployment's: it goes when the next one begins, and that one succeeds."""
    serving.fail_endpoint(ENDPOINT, REASON)
    update(sagemaker)
    serving.clock.advance(days=1)

    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OTHER)
    assert "FailureReason" not in endpoint(sagemaker)

    serving.clock.advance(ENDPOINT_UPDATING)
    assert endpoint(sagemaker)["EndpointConfigName"] == OTHER


def test_a_failure_is_of_one_endpoint(serving, sagemaker):
    """Only the endpoint of this name, in this region and account, is made to fail."""
    serving.fail_endpoint("another", REASON)
    serving.fail_endpoint(ENDPOINT, REASON, region_name="eu-west-1")
    serving.fail_endpoint(ENDPOINT, REASON, account_id="210987654321")

    update(sagemaker)
    serving.clock.advance(ENDPOINT_UPDATING)

    assert endpoint(sagemaker)["EndpointConfigName"] == OTHER
