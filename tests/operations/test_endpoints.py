"""Endpoints by themselves: created, described and deleted, their statuses over time, and what each status refuses."""

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

A_MOMENT = dt.timedelta(milliseconds=1)
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{ENDPOINT}"

in_every_status = pytest.mark.parametrize("status", ENDPOINT_STATUSES)


# --- statuses over time


def test_by_default_nothing_takes_time(mock, sagemaker):
    """An endpoint is in service, updated and gone as soon as somebody looks."""
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
def test_a_status_lasts_its_duration(hosting, sagemaker, status, duration, following):
    """A transitional status ends after its own duration, whenever somebody looks: LastModifiedTime says when."""
    began = bring_to(hosting, status)

    hosting.clock.advance(duration - A_MOMENT)
    last_look = endpoint(sagemaker)
    hosting.clock.advance(days=1)
    late_look = endpoint(sagemaker)

    assert (last_look["EndpointStatus"], last_look["LastModifiedTime"]) == (status, began)
    assert (late_look["EndpointStatus"], late_look["LastModifiedTime"]) == (following, began + duration)


@pytest.mark.parametrize("status", ["InService", "Failed"])
def test_other_statuses_stay(hosting, sagemaker, status):
    """Without a call nothing happens to an endpoint that is in service or has failed."""
    bring_to(hosting, status)
    before = endpoint(sagemaker)

    hosting.clock.advance(days=1000)

    assert endpoint(sagemaker) == before
    assert before["EndpointStatus"] == status


def test_the_statuses_tested_are_all_there_are():
    """What is tested in every status is tested in every status."""
    assert set(ENDPOINT_STATUSES) == set(EndpointStatus)


@in_every_status
def test_an_answer_agrees_with_its_shape(hosting, sagemaker, status):
    """In every status Describe has the members, and the types of members, that botocore's model declares."""
    bring_to(hosting, status)

    answer = endpoint(sagemaker)

    output = sagemaker.meta.service_model.operation_model("DescribeEndpoint").output_shape
    assert answer["EndpointStatus"] == status
    assert ParamValidator().validate(answer, output).generate_report() == ""


@in_every_status
def test_a_summary_says_what_describe_says(hosting, sagemaker, status):
    """ListEndpoints shows in every status what Describe shows."""
    bring_to(hosting, status)

    (summary,) = sagemaker.list_endpoints()["Endpoints"]

    assert summary.keys() == sagemaker.meta.service_model.shape_for("EndpointSummary").members.keys()
    assert summary.items() <= endpoint(sagemaker).items()


# --- creation


def test_a_new_endpoint_serves_nothing_yet(hosting, sagemaker):
    """While it is Creating, its variants are pending, as they will be; then they serve."""
    serve(sagemaker, deployed("prod", InitialInstanceCount=3), ShadowProductionVariants=[deployed(SHADOW)])
    creating = endpoint(sagemaker)

    hosting.clock.advance(ENDPOINT_CREATING)
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


def test_an_endpoint_needs_a_configuration(mock, sagemaker):
    """A configuration that nobody created is refused in AWS's words."""
    with refused(mock) as caught:
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="missing")

    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/missing"
    assert caught.value.response["Error"]["Message"] == f'Could not find endpoint configuration "{arn}".'


def test_an_endpoint_outlives_its_configuration(mock, sagemaker):
    """DeleteEndpointConfig changes no endpoint, not even when another configuration takes the name."""
    serve(sagemaker, deployed("prod"))
    before = endpoint(sagemaker)

    sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)
    assert endpoint(sagemaker) == before

    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed("another")))
    assert endpoint(sagemaker) == before


def test_a_creation_that_fails_is_failed(hosting, sagemaker):
    """What is being created can be made to fail: it is Failed at once, for a reason, and what was to come is shown."""
    serve(sagemaker)
    hosting.clock.advance(minutes=1)

    hosting.fail_endpoint(ENDPOINT, REASON)

    failed = endpoint(sagemaker)
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", REASON)
    assert failed["LastModifiedTime"] == hosting.clock.now()
    assert failed["EndpointConfigName"] == CONFIG
    assert variant_names(failed) == [[], []]


def test_a_creation_can_be_doomed_before_it_begins(hosting, sagemaker):
    """An endpoint that is yet to come fails at the end of its creation, and the next one of its name does not."""
    hosting.fail_endpoint(ENDPOINT, REASON)
    serve(sagemaker)
    assert endpoint(sagemaker)["EndpointStatus"] == "Creating"
    assert "FailureReason" not in endpoint(sagemaker)

    hosting.clock.advance(ENDPOINT_CREATING)
    failed = endpoint(sagemaker)
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", REASON)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    hosting.clock.advance(ENDPOINT_DELETING)
    ENDPOINTS.create(sagemaker, ENDPOINT)
    hosting.clock.advance(ENDPOINT_CREATING)
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("reason", ["", "a" * 1025, None])
def test_a_reason_is_one_that_aws_could_give(hosting, reason):
    """FailureReason has a length, so a reason has too."""
    with pytest.raises(ValueError, match="1024"):
        hosting.fail_endpoint(ENDPOINT, reason)


# --- deletion


@pytest.mark.parametrize("status", ["InService", "Failed"])
def test_a_name_is_free_when_its_endpoint_is_gone(hosting, sagemaker, status):
    """A deleted endpoint is Deleting for its time and keeps its name; then it cannot be found, and the name is free."""
    bring_to(hosting, status)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    hosting.clock.advance(ENDPOINT_DELETING - A_MOMENT)
    assert endpoint(sagemaker)["EndpointStatus"] == "Deleting"
    with refused(hosting):
        ENDPOINTS.create(sagemaker, ENDPOINT)

    hosting.clock.advance(A_MOMENT)
    with pytest.raises(ClientError, match="Could not find"):
        endpoint(sagemaker)
    ENDPOINTS.create(sagemaker, ENDPOINT)
    assert endpoint(sagemaker)["CreationTime"] == hosting.clock.now()


def test_the_variants_go_with_their_endpoint(hosting, sagemaker):
    """The variants of an endpoint that is being deleted serve no more, and say so."""
    serve(sagemaker, ShadowProductionVariants=[deployed(SHADOW)])
    hosting.clock.advance(ENDPOINT_CREATING)

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)

    statuses = [variant["VariantStatus"] for variant in variants(endpoint(sagemaker)).values()]
    assert [[status["Status"] for status in each] for each in statuses] == [["Deleting"], ["Deleting"]]


# --- what a status refuses

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
def test_what_is_in_progress_cannot_be_changed(hosting, sagemaker, change, status):
    """Until an endpoint is in service it can be neither updated nor deleted, and says so in AWS's words."""
    bring_to(hosting, status)

    with refused(hosting) as caught:
        change(sagemaker)

    assert caught.value.response["Error"]["Message"] == f'Cannot update in-progress endpoint "{ARN}".'


@pytest.mark.parametrize("change", [CHANGES["UpdateEndpoint"], CHANGES["UpdateEndpointWeightsAndCapacities"]])
def test_what_has_failed_can_only_be_deleted(hosting, sagemaker, change):
    """A failed endpoint cannot be updated."""
    bring_to(hosting, "Failed")

    with refused(hosting):
        change(sagemaker)


@every_change
def test_what_is_not_there_cannot_be_changed(mock, sagemaker, change):
    """An endpoint that nobody created cannot be found."""
    sagemaker.create_endpoint_config(**endpoint_config())

    with refused(mock) as caught:
        change(sagemaker)

    assert caught.value.response["Error"]["Message"] == f'Could not find endpoint "{ARN}".'


# --- boto3's waiters


@pytest.fixture
def realistic():
    """An active mock with realistic durations, whose time passes as the code under test sleeps."""
    options = {"clock": MockClock(START, tick=False), "durations": Durations.realistic(), "virtual_sleep": True}
    with mock_inference_experiment(**options) as mock:
        yield mock


def test_waiters_wait_until_an_endpoint_serves_and_is_gone(realistic, sagemaker):
    """boto3's waiters poll through the virtual minutes."""
    serve(sagemaker)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT)
    assert endpoint(sagemaker)["EndpointStatus"] == "InService"

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT)
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_a_waiter_gives_up_on_what_has_failed(realistic, sagemaker):
    """A failed creation ends the wait with boto3's own error."""
    realistic.fail_endpoint(ENDPOINT, REASON)
    serve(sagemaker)

    with pytest.raises(WaiterError, match="terminal failure"):
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT)
