"""An endpoint that an experiment uses: the calls that are refused, and the time when the endpoint is free again."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.hosting import ENDPOINTS, EXPERIMENT_ENDPOINT, endpoint, endpoint_state, refused
from tests.operations.shared import all_but, at, bring_to
from tests.requests import CONFIG, NAME, PRODUCTION, create, endpoint_config, stop

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
