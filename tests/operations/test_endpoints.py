"""CreateEndpoint, DescribeEndpoint and DeleteEndpoint: statuses over time, and the calls that each status refuses."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ClientError, WaiterError
from botocore.validate import ParamValidator

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from mock_sagemaker_ie.backend.hosting.endpoints import EndpointStatus
from tests.conftest import START
from tests.hosting import (
    ENDPOINT_CREATING,
    ENDPOINT_DELETING,
    ENDPOINT_ROLLING_BACK,
    ENDPOINT_STATUSES,
    ENDPOINT_UPDATING,
    ENDPOINTS,
    REASON,
    bring_to,
    endpoint,
    refused,
    serve,
    variant_names,
    variants,
)
from tests.requests import CONFIG, ENDPOINT, SHADOW, deployed, endpoint_config

ONE_MILLISECOND = dt.timedelta(milliseconds=1)
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}"

in_every_status = pytest.mark.parametrize("status", ENDPOINT_STATUSES)


# --- statuses over time


def test_by_default_statuses_take_no_time(mock, sagemaker):
    """An endpoint is in service, updated and deleted by the next call."""
    serve(sagemaker)
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"

    sagemaker.create_endpoint_config(**endpoint_config("other"))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="other")
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    assert sagemaker.list_endpoints()["Endpoints"] == []


@pytest.mark.parametrize(
    ("status", "duration", "following"),
    [
        ("Creating", ENDPOINT_CREATING, "InService"),
        ("Updating", ENDPOINT_UPDATING, "InService"),
        ("RollingBack", ENDPOINT_ROLLING_BACK, "InService"),
    ],
)
def test_a_status_lasts_its_duration(slow_hosting_mock, sagemaker, status, duration, following):
    """A transitional status ends after its duration; LastModifiedTime shows that time, even if Describe comes later."""
    began = bring_to(slow_hosting_mock, status)

    slow_hosting_mock.clock.advance(duration - ONE_MILLISECOND)
    just_before = endpoint(sagemaker)
    slow_hosting_mock.clock.advance(days=1)
    long_after = endpoint(sagemaker)

    assert (just_before["EndpointStatus"], just_before["LastModifiedTime"]) == (status, began)
    assert (long_after["EndpointStatus"], long_after["LastModifiedTime"]) == (following, began + duration)


@pytest.mark.parametrize("status", ["InService", "Failed"])
def test_in_service_and_failed_do_not_end(slow_hosting_mock, sagemaker, status):
    """An endpoint that is InService or Failed does not change without a call."""
    bring_to(slow_hosting_mock, status)
    before = endpoint(sagemaker)

    slow_hosting_mock.clock.advance(days=1000)

    assert endpoint(sagemaker) == before
    assert before["EndpointStatus"] == status


def test_endpoint_statuses_is_complete():
    """ENDPOINT_STATUSES contains every status, so the tests that use it cover every status."""
    assert set(ENDPOINT_STATUSES) == set(EndpointStatus)


@in_every_status
def test_describe_matches_the_model_in_every_status(slow_hosting_mock, sagemaker, status):
    """In every status the answer has the members and types that botocore's model declares."""
    bring_to(slow_hosting_mock, status)

    answer = endpoint(sagemaker)

    output = sagemaker.meta.service_model.operation_model("DescribeEndpoint").output_shape
    assert answer["EndpointStatus"] == status
    assert ParamValidator().validate(answer, output).generate_report() == ""


@in_every_status
def test_a_summary_matches_describe_in_every_status(slow_hosting_mock, sagemaker, status):
    """In every status ListEndpoints shows the same values as DescribeEndpoint."""
    bring_to(slow_hosting_mock, status)

    (summary,) = sagemaker.list_endpoints()["Endpoints"]

    assert summary.keys() == sagemaker.meta.service_model.shape_for("EndpointSummary").members.keys()
    assert summary.items() <= endpoint(sagemaker).items()


# --- creation


def test_a_new_endpoint_has_only_pending_variants(slow_hosting_mock, sagemaker):
    """While an endpoint is Creating, its variants are pending with their desired values; afterwards they serve."""
    serve(sagemaker, deployed("prod", InitialInstanceCount=3), ShadowProductionVariants=[deployed(SHADOW)])
    creating = endpoint(sagemaker)

    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)
    created = endpoint(sagemaker)

    pending = creating["PendingDeploymentSummary"]
    assert creating["EndpointConfigName"] == pending["EndpointConfigName"] == CONFIG
    assert pending["StartTime"] == creating["CreationTime"] == START
    assert variant_names(creating) == [[], []]
    assert variant_names(pending) == variant_names(created) == [["prod"], [SHADOW]]
    assert variants(pending)["prod"]["DesiredInstanceCount"] == 3
    assert "CurrentInstanceCount" not in variants(pending)["prod"]
    assert [status["Status"] for status in variants(pending)["prod"]["VariantStatus"]] == ["Creating"]
    assert variants(created)["prod"]["CurrentInstanceCount"] == variants(created)["prod"]["DesiredInstanceCount"] == 3
    assert "VariantStatus" not in variants(created)["prod"]
    assert "PendingDeploymentSummary" not in created


def test_create_endpoint_refuses_a_missing_configuration(mock, sagemaker):
    """CreateEndpoint refuses a configuration that does not exist, with AWS's message."""
    with refused(mock) as caught:
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="missing")

    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/missing"
    assert caught.value.response["Error"]["Message"] == f'Could not find endpoint configuration "{arn}".'


def test_delete_endpoint_config_changes_no_endpoint(mock, sagemaker):
    """An endpoint keeps its configuration, even when another configuration takes the name."""
    serve(sagemaker, deployed("prod"))
    before = endpoint(sagemaker)

    sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)
    assert endpoint(sagemaker) == before

    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed("another")))
    assert endpoint(sagemaker) == before


def test_fail_endpoint_in_creating_fails_the_endpoint_at_once(slow_hosting_mock, sagemaker):
    """A Creating endpoint becomes Failed at once, with the reason, its configuration name and no variants."""
    serve(sagemaker)
    slow_hosting_mock.clock.advance(minutes=1)

    slow_hosting_mock.fail_endpoint(ENDPOINT, REASON)

    failed = endpoint(sagemaker)
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", REASON)
    assert failed["LastModifiedTime"] == slow_hosting_mock.clock.now()
    assert failed["EndpointConfigName"] == CONFIG
    assert variant_names(failed) == [[], []]


def test_fail_endpoint_before_create_fails_the_next_creation(slow_hosting_mock, sagemaker):
    """The next endpoint with this name fails at the end of its creation, and the one after that does not."""
    slow_hosting_mock.fail_endpoint(ENDPOINT, REASON)
    serve(sagemaker)
    assert endpoint(sagemaker)["EndpointStatus"] == "Creating"
    assert "FailureReason" not in endpoint(sagemaker)

    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)
    failed = endpoint(sagemaker)
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", REASON)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    slow_hosting_mock.clock.advance(ENDPOINT_DELETING)
    ENDPOINTS.create(sagemaker, ENDPOINT)
    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("reason", ["", "a" * 1025, None])
def test_a_failure_reason_has_1_to_1024_characters(slow_hosting_mock, reason):
    """`fail_endpoint` accepts only a reason that fits FailureReason."""
    with pytest.raises(ValueError, match="1024"):
        slow_hosting_mock.fail_endpoint(ENDPOINT, reason)


# --- deletion


@pytest.mark.parametrize("status", ["InService", "Failed"])
def test_a_name_is_free_at_the_end_of_deleting(slow_hosting_mock, sagemaker, status):
    """A Deleting endpoint keeps its name for the duration; then Describe does not find it, and the name is free."""
    bring_to(slow_hosting_mock, status)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    slow_hosting_mock.clock.advance(ENDPOINT_DELETING - ONE_MILLISECOND)
    assert endpoint(sagemaker)["EndpointStatus"] == "Deleting"
    with refused(slow_hosting_mock):
        ENDPOINTS.create(sagemaker, ENDPOINT)

    slow_hosting_mock.clock.advance(ONE_MILLISECOND)
    with pytest.raises(ClientError, match="Could not find"):
        endpoint(sagemaker)
    ENDPOINTS.create(sagemaker, ENDPOINT)
    assert endpoint(sagemaker)["CreationTime"] == slow_hosting_mock.clock.now()


def test_variants_of_a_deleting_endpoint_are_deleting(slow_hosting_mock, sagemaker):
    """The variants of a Deleting endpoint no longer serve, and their status is Deleting."""
    serve(sagemaker, ShadowProductionVariants=[deployed(SHADOW)])
    slow_hosting_mock.clock.advance(ENDPOINT_CREATING)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)

    statuses = [variant["VariantStatus"] for variant in variants(endpoint(sagemaker)).values()]
    assert [[status["Status"] for status in each] for each in statuses] == [["Deleting"], ["Deleting"]]


# --- calls that a status refuses

CHANGES = {
    "UpdateEndpoint": lambda client: client.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG),
    "UpdateEndpointWeightsAndCapacities": lambda client: client.update_endpoint_weights_and_capacities(
        EndpointName=ENDPOINT, DesiredWeightsAndCapacities=[{"VariantName": "prod", "DesiredWeight": 2}]
    ),
    "DeleteEndpoint": lambda client: client.delete_endpoint(EndpointName=ENDPOINT),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Deleting"])
def test_an_endpoint_in_a_transitional_status_cannot_be_changed(slow_hosting_mock, sagemaker, change, status):
    """An endpoint in a transitional status cannot be updated or deleted; the error has AWS's message."""
    bring_to(slow_hosting_mock, status)

    with refused(slow_hosting_mock) as caught:
        change(sagemaker)

    assert caught.value.response["Error"]["Message"] == f'Cannot update in-progress endpoint "{ARN}".'


@pytest.mark.parametrize("change", [CHANGES["UpdateEndpoint"], CHANGES["UpdateEndpointWeightsAndCapacities"]])
def test_a_failed_endpoint_cannot_be_updated(slow_hosting_mock, sagemaker, change):
    """Both update operations refuse a Failed endpoint."""
    bring_to(slow_hosting_mock, "Failed")

    with refused(slow_hosting_mock):
        change(sagemaker)


@every_change
def test_a_missing_endpoint_cannot_be_changed(mock, sagemaker, change):
    """Update and delete operations do not find an endpoint that was never created."""
    sagemaker.create_endpoint_config(**endpoint_config())

    with refused(mock) as caught:
        change(sagemaker)

    assert caught.value.response["Error"]["Message"] == f'Could not find endpoint "{ARN}".'


# --- boto3's waiters


@pytest.fixture
def realistic_mock():
    """Yield an active mock with realistic durations, whose time passes while the code under test sleeps."""
    options = {"clock": MockClock(START, tick=False), "durations": Durations.realistic(), "virtual_sleep": True}
    with mock_inference_experiment(**options) as mock:
        yield mock


def test_waiters_wait_for_in_service_and_for_deleted(realistic_mock, sagemaker):
    """boto3's waiters poll until the virtual minutes have passed."""
    serve(sagemaker)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT)
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT)
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_a_waiter_stops_when_the_endpoint_fails(realistic_mock, sagemaker):
    """A failed creation ends the wait with boto3's own error."""
    realistic_mock.fail_endpoint(ENDPOINT, REASON)
    serve(sagemaker)

    with pytest.raises(WaiterError, match="terminal failure"):
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT)
