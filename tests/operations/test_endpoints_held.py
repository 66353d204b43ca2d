"""An endpoint under test is the test's to change: what others are refused, and when it is theirs again."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.hosting import ENDPOINTS, UNDER_TEST, endpoint, refused, seen
from tests.operations.shared import all_but, at, bring_to
from tests.requests import CONFIG, NAME, PRODUCTION, create, endpoint_config, stop

UNFINISHED = all_but("Completed", "Cancelled")

CHANGES = {
    "UpdateEndpoint": lambda client: client.update_endpoint(EndpointName=UNDER_TEST, EndpointConfigName="other"),
    "UpdateEndpointWeightsAndCapacities": lambda client: client.update_endpoint_weights_and_capacities(
        EndpointName=UNDER_TEST, DesiredWeightsAndCapacities=[{"VariantName": PRODUCTION, "DesiredWeight": 2}]
    ),
    "DeleteEndpoint": lambda client: client.delete_endpoint(EndpointName=UNDER_TEST),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
@pytest.mark.parametrize("status", UNFINISHED)
def test_nobody_else_changes_an_endpoint_under_test(slow_mock, sagemaker, status, change):
    """Until the experiment has ended its endpoint cannot be updated or deleted; the refusal names the experiment."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    bring_to(slow_mock, status)

    with refused(slow_mock) as caught:
        change(sagemaker)

    assert slow_mock.experiments[NAME]["Arn"] in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("status", UNFINISHED)
def test_an_endpoint_has_one_test_at_a_time(existing, slow_mock, sagemaker, status):
    """A second experiment on the endpoint is refused until the first has ended."""
    bring_to(slow_mock, status)

    with refused(slow_mock, "ResourceInUse"):
        sagemaker.create_inference_experiment(**create("second", EndpointName=UNDER_TEST))


@pytest.mark.parametrize("status", UNFINISHED)
def test_nobody_else_makes_an_endpoint_under_test(slow_mock, sagemaker, status):
    """From the first moment on, the name of the endpoint that a test makes is taken."""
    sagemaker.create_endpoint_config(**endpoint_config())
    bring_to(slow_mock, status)

    with refused(slow_mock):
        sagemaker.create_endpoint(EndpointName=UNDER_TEST, EndpointConfigName=CONFIG)


@every_change
@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_after_the_test_an_endpoint_is_anybodys(slow_mock, sagemaker, status, change):
    """An endpoint whose experiment has ended can be updated and deleted like any other."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    bring_to(slow_mock, status)
    before = endpoint(sagemaker, UNDER_TEST)

    change(sagemaker)

    assert ENDPOINTS.all(sagemaker).get(UNDER_TEST) != before


def test_one_test_may_follow_another(existing, slow_mock, sagemaker):
    """The next experiment finds the endpoint as the first has left it, and leaves it so."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop())
    slow_mock.advance_until(NAME, "Cancelled")
    between = endpoint(sagemaker, UNDER_TEST)["EndpointConfigName"]

    sagemaker.create_inference_experiment(**create("second", EndpointName=UNDER_TEST))
    slow_mock.advance_until("second", "Completed")

    assert endpoint(sagemaker, UNDER_TEST)["EndpointConfigName"] == between


def test_a_deleted_experiment_holds_no_endpoint(slow_mock, sagemaker):
    """An experiment that is deleted before it starts leaves its endpoint, in service, to others."""
    bring_to(slow_mock, "Created")

    sagemaker.delete_inference_experiment(Name=NAME)

    assert seen(sagemaker) == ("InService", [[PRODUCTION], []], None)
    sagemaker.delete_endpoint(EndpointName=UNDER_TEST)
    assert ENDPOINTS.all(sagemaker) == {}


@every_change
def test_an_endpoint_is_not_held_by_a_namesake(mock, sagemaker, change):
    """An experiment holds its own endpoint, not that of a deleted experiment of the same name."""
    sagemaker.create_endpoint_config(**endpoint_config("other"))
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1)}))
    sagemaker.describe_inference_experiment(Name=NAME)  # It is Created now.
    sagemaker.delete_inference_experiment(Name=NAME)
    sagemaker.create_inference_experiment(**create(EndpointName="another"))

    change(sagemaker)

    assert mock.experiments[NAME]["Status"] == "Running"


def test_a_finished_experiment_outlives_its_endpoint(slow_mock, sagemaker):
    """Without its endpoint an experiment still says which it was, and of its variants that they are gone."""
    bring_to(slow_mock, "Completed")
    sagemaker.delete_endpoint(EndpointName=UNDER_TEST)

    shown = sagemaker.describe_inference_experiment(Name=NAME)

    assert shown["EndpointMetadata"] == {"EndpointName": UNDER_TEST}
    assert [variant["Status"] for variant in shown["ModelVariants"]] == ["Deleted", "Deleted"]
    with pytest.raises(ClientError, match="Could not find endpoint"):
        endpoint(sagemaker, UNDER_TEST)


def test_a_deleted_record_leaves_the_endpoint(slow_mock, sagemaker):
    """DeleteInferenceExperiment after the end removes the record only."""
    bring_to(slow_mock, "Completed")
    before = endpoint(sagemaker, UNDER_TEST)

    sagemaker.delete_inference_experiment(Name=NAME)

    assert endpoint(sagemaker, UNDER_TEST) == before


def test_deleting_a_configuration_of_a_test_disturbs_it_not(slow_mock, sagemaker):
    """The endpoint keeps what it serves, and the test can be ended as ever."""
    bring_to(slow_mock, "Running")
    running = endpoint(sagemaker, UNDER_TEST)
    sagemaker.delete_endpoint_config(EndpointConfigName=running["EndpointConfigName"])
    assert endpoint(sagemaker, UNDER_TEST) == running

    sagemaker.stop_inference_experiment(**stop(production="Remove", shadow="Promote"))
    slow_mock.advance_until(NAME, "Cancelled")

    assert seen(sagemaker) == ("InService", [["shadow"], []], None)


def test_the_endpoints_of_other_regions_are_others(mock, sagemaker):
    """A test in one region holds no endpoint of the same name in another."""
    elsewhere = mock.client(region_name="eu-west-1")
    elsewhere.create_endpoint_config(**endpoint_config())
    ENDPOINTS.create(elsewhere, UNDER_TEST)

    sagemaker.create_inference_experiment(**create())
    elsewhere.delete_endpoint(EndpointName=UNDER_TEST)

    assert seen(sagemaker)[0] == "InService"
    assert ENDPOINTS.all(elsewhere) == {}
