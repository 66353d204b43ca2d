"""An endpoint that an experiment uses: the calls that are refused, and the time when the endpoint is free again."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import (
    ENDPOINTS,
    EXPERIMENT_ENDPOINT,
    endpoint,
    endpoint_state,
    is_reverted,
    refused,
    serve,
    variants,
)
from tests.operations.shared import MINUTES, STARTING, all_but, at, bring_to
from tests.requests import CONFIG, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, stop

TEN_MINUTES = dt.timedelta(minutes=10)

UNFINISHED = all_but("Completed", "Cancelled")

CHANGES = {
    "UpdateEndpoint": lambda client: client.update_endpoint(
        EndpointName=EXPERIMENT_ENDPOINT, EndpointConfigName="other"
    ),
    "UpdateEndpointWeightsAndCapacities": lambda client: client.update_endpoint_weights_and_capacities(
        EndpointName=EXPERIMENT_ENDPOINT, DesiredWeightsAndCapacities=[{"VariantName": PRODUCTION, "DesiredWeight": 2}]
    ),
    "DeleteEndpoint": lambda client: client.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
@pytest.mark.parametrize("status", UNFINISHED)
def test_an_endpoint_in_use_cannot_be_changed(slow_mock, sagemaker, status, change):
    """Until its experiment has ended, an endpoint cannot be updated or deleted; the error names the experiment."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    bring_to(slow_mock, status)

    with refused(slow_mock) as caught:
        change(sagemaker)

    assert slow_mock.experiments[NAME]["Arn"] in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("status", UNFINISHED)
def test_an_existing_endpoint_has_one_experiment_at_a_time(existing_endpoint, slow_mock, sagemaker, status):
    """A second experiment on the endpoint is refused until the first has ended."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ResourceInUse"):
        sagemaker.create_inference_experiment(**create("second", EndpointName=EXPERIMENT_ENDPOINT))


@pytest.mark.parametrize("status", UNFINISHED)
def test_create_endpoint_refuses_the_name_of_an_experiments_endpoint(slow_mock, sagemaker, status):
    """The name of an endpoint that an experiment creates is in use from the beginning."""
    sagemaker.create_endpoint_config(**endpoint_config())
    bring_to(slow_mock, status)

    with refused(slow_mock):
        sagemaker.create_endpoint(EndpointName=EXPERIMENT_ENDPOINT, EndpointConfigName=CONFIG)


@every_change
@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_an_endpoint_can_be_changed_after_its_experiment(slow_mock, sagemaker, status, change):
    """After its experiment has ended, an endpoint can be updated and deleted like any other."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    bring_to(slow_mock, status)
    before = endpoint(sagemaker, EXPERIMENT_ENDPOINT)

    change(sagemaker)

    assert ENDPOINTS.all(sagemaker).get(EXPERIMENT_ENDPOINT) != before


def test_a_second_experiment_may_use_the_same_endpoint(existing_endpoint, slow_mock, sagemaker):
    """The second experiment finds the endpoint as the first one left it, and leaves it in the same state."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop())
    slow_mock.advance_until(NAME, "Cancelled")
    between = endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointConfigName"]

    sagemaker.create_inference_experiment(**create("second", EndpointName=EXPERIMENT_ENDPOINT))
    slow_mock.advance_until("second", "Completed")

    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointConfigName"] == between


def test_a_deleted_experiment_releases_its_endpoint(slow_mock, sagemaker):
    """An experiment that is deleted before it starts leaves its endpoint in service and free."""
    bring_to(slow_mock, "Created")

    sagemaker.delete_inference_experiment(Name=NAME)

    assert endpoint_state(sagemaker) == ("InService", [[PRODUCTION], []], None)
    sagemaker.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)
    assert ENDPOINTS.all(sagemaker) == {}


@every_change
def test_a_recreated_experiment_does_not_use_the_first_endpoint(mock, sagemaker, change):
    """An experiment uses its own endpoint, not that of a deleted experiment with the same name."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1)}))
    sagemaker.describe_inference_experiment(Name=NAME)  # The experiment is Created now, and can be deleted.
    sagemaker.delete_inference_experiment(Name=NAME)
    sagemaker.create_inference_experiment(**create(EndpointName="another"))

    change(sagemaker)

    assert mock.experiments[NAME]["Status"] == "Running"


def test_a_finished_experiment_remains_when_its_endpoint_is_deleted(slow_mock, sagemaker):
    """The experiment still shows the name of its endpoint, and its variants are Deleted."""
    bring_to(slow_mock, "Completed")
    sagemaker.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)

    shown = sagemaker.describe_inference_experiment(Name=NAME)

    assert shown["EndpointMetadata"] == {"EndpointName": EXPERIMENT_ENDPOINT}
    assert [variant["Status"] for variant in shown["ModelVariants"]] == ["Deleted", "Deleted"]
    with pytest.raises(ClientError, match="Could not find endpoint"):
        endpoint(sagemaker, EXPERIMENT_ENDPOINT)


def test_deleting_a_finished_experiment_does_not_change_its_endpoint(slow_mock, sagemaker):
    """DeleteInferenceExperiment after the end removes only the experiment."""
    bring_to(slow_mock, "Completed")
    before = endpoint(sagemaker, EXPERIMENT_ENDPOINT)

    sagemaker.delete_inference_experiment(Name=NAME)

    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == before


def test_deleting_the_configuration_does_not_affect_a_running_experiment(slow_mock, sagemaker):
    """The endpoint keeps its variants, and Stop works as usual."""
    bring_to(slow_mock, "Running")
    running = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    sagemaker.delete_endpoint_config(EndpointConfigName=running["EndpointConfigName"])
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == running

    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote"))
    slow_mock.advance_until(NAME, "Cancelled")

    assert endpoint_state(sagemaker) == ("InService", [["shadow"], []], None)


def test_an_experiment_does_not_use_endpoints_of_other_regions(mock, sagemaker):
    """An endpoint with the same name in another region stays free."""
    elsewhere = mock.client(region_name="eu-west-1")
    elsewhere.create_endpoint_config(**endpoint_config())
    ENDPOINTS.create(elsewhere, EXPERIMENT_ENDPOINT)

    sagemaker.create_inference_experiment(**create())
    elsewhere.delete_endpoint(EndpointName=EXPERIMENT_ENDPOINT)

    assert endpoint_state(sagemaker)[0] == "InService"
    assert ENDPOINTS.all(elsewhere) == {}


# --- UpdateEndpointWeightsAndCapacities under a test


def scale(sagemaker, count=3, *names, **desired):
    """Change the number of instances of variants of the endpoint under test."""
    capacities = [{"VariantName": name, "DesiredInstanceCount": count, **desired} for name in names]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=EXPERIMENT_ENDPOINT, DesiredWeightsAndCapacities=capacities
    )


def counts(sagemaker, kind="Current"):
    """Return the number of instances of each variant of the endpoint under test."""
    shown = variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))
    return {name: variant[f"{kind}InstanceCount"] for name, variant in shown.items()}


@pytest.fixture
def scaling_mock(clock):
    """Yield an active mock in which experiments take the MINUTES, and a change of capacities ten minutes."""
    durations = dataclasses.replace(MINUTES, endpoint_updating=TEN_MINUTES)
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        yield mock


@pytest.fixture
def scaled_endpoint(scaling_mock, sagemaker):
    """Create the endpoint for `bring_to` with two instances, and return its description."""
    serve(sagemaker, deployed(PRODUCTION, InitialInstanceCount=2), endpoint=EXPERIMENT_ENDPOINT)
    return endpoint(sagemaker, EXPERIMENT_ENDPOINT)


@pytest.mark.parametrize("names", [[PRODUCTION], [SHADOW], [PRODUCTION, SHADOW]], ids="+".join)
def test_instance_counts_may_change_under_a_test(scaling_mock, sagemaker, names):
    """The endpoint is Updating and then InService; the experiment stays Running with the same weights."""
    bring_to(scaling_mock, "Running")
    before = scaling_mock.experiments[NAME]
    weights = {name: each["CurrentWeight"] for name, each in variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT)).items()}

    scale(sagemaker, 3, *names)

    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointStatus"] == "Updating"
    assert scaling_mock.experiments[NAME]["EndpointMetadata"]["EndpointStatus"] == "Updating"
    scaling_mock.clock.advance(minutes=10)
    after = scaling_mock.experiments[NAME]
    assert (after["Status"], after["LastModifiedTime"]) == ("Running", before["LastModifiedTime"])
    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    assert shown["EndpointStatus"] == "InService"
    assert counts(sagemaker) == {PRODUCTION: 1, SHADOW: 1} | dict.fromkeys(names, 3)
    assert {name: each["CurrentWeight"] for name, each in variants(shown).items()} == weights


def test_a_repeated_weight_is_accepted_under_a_test_and_a_changed_one_refused(scaling_mock, sagemaker):
    """The weights give the share of copied requests, so they belong to the experiment."""
    bring_to(scaling_mock, "Running")

    for name in (PRODUCTION, SHADOW):
        with refused(scaling_mock) as caught:
            scale(sagemaker, 3, name, DesiredWeight=0.75)
    scale(sagemaker, 3, SHADOW, DesiredWeight=0.5)

    assert scaling_mock.experiments[NAME]["Arn"] in caught.value.response["Error"]["Message"]
    assert counts(sagemaker, "Desired") == {PRODUCTION: 1, SHADOW: 3}


@pytest.mark.parametrize("wait", [0, 10], ids=["while Updating", "InService"])
@pytest.mark.parametrize("end", ["schedule", "stop", "failure"])
def test_the_end_of_a_test_restores_instance_counts(scaled_endpoint, scaling_mock, sagemaker, end, wait):
    """The deployment at the end of the test takes precedence over a change of capacities that is under way."""
    bring_to(scaling_mock, "Running")
    scaling_mock.clock.move_to(at(days=8) - dt.timedelta(minutes=wait + 1))
    scale(sagemaker, 5, PRODUCTION, SHADOW)
    scaling_mock.clock.advance(minutes=wait)

    if end == "stop":
        sagemaker.stop_inference_experiment(**stop())
    elif end == "failure":
        scaling_mock.fail_experiment(NAME, "No capacity")
    scaling_mock.clock.advance(hours=1)

    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    assert scaling_mock.experiments[NAME]["Status"] == ("Completed" if end == "schedule" else "Cancelled")
    assert shown["EndpointStatus"] == "InService"
    if end == "stop":  # Production is retained as the experiment configured it.
        assert counts(sagemaker) == {PRODUCTION: 1}
    else:
        reason = {"FailureReason": "No capacity"} if end == "failure" else {}
        assert is_reverted(shown, scaled_endpoint, **reason)


@pytest.mark.parametrize("end", ["schedule", "failed deployment at the end", "failure"])
def test_an_endpoint_made_by_a_test_keeps_the_instances_of_the_experiment(scaling_mock, sagemaker, end):
    """However the test ends, production stays with the instances of InfrastructureConfig, not with changed ones."""
    bring_to(scaling_mock, "Running")
    scale(sagemaker, 5, PRODUCTION, SHADOW)
    scaling_mock.clock.advance(minutes=10)

    if end == "failure":
        scaling_mock.fail_experiment(NAME, "No capacity")
    elif end == "failed deployment at the end":
        scaling_mock.fail_endpoint(EXPERIMENT_ENDPOINT, "No capacity")
    scaling_mock.clock.move_to(at(days=9))

    assert scaling_mock.experiments[NAME]["Status"] == ("Completed" if end == "schedule" else "Cancelled")
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointStatus"] == "InService"
    assert counts(sagemaker) == counts(sagemaker, "Desired") == {PRODUCTION: 1}


def test_a_test_can_start_while_capacities_change(scaled_endpoint, scaling_mock, sagemaker):
    """The deployment of the shadow takes the place of the change of capacities."""
    bring_to(scaling_mock, "Created")
    scaling_mock.clock.move_to(at(days=1) - dt.timedelta(minutes=1))
    scale(sagemaker, 5, PRODUCTION)

    assert scaling_mock.advance_until(NAME, "Running") == at(days=1) + STARTING

    assert counts(sagemaker) == {PRODUCTION: 1, SHADOW: 1}
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_failed_change_of_capacities_does_not_end_the_test(scaling_mock, sagemaker, moment):
    """The endpoint rolls back to its instances of before; the experiment stays Running until its end."""
    bring_to(scaling_mock, "Running")
    if moment == "before":
        scaling_mock.fail_endpoint(EXPERIMENT_ENDPOINT, "No capacity")
    scale(sagemaker, 5, SHADOW)
    if moment == "during":
        scaling_mock.fail_endpoint(EXPERIMENT_ENDPOINT, "No capacity")
    scaling_mock.clock.advance(minutes=10)

    assert scaling_mock.experiments[NAME]["Status"] == "Running"
    assert counts(sagemaker) == {PRODUCTION: 1, SHADOW: 1}
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT)["FailureReason"] == "No capacity"
    scaling_mock.advance_until(NAME, "Completed")
