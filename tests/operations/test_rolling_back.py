"""Rolling back: the endpoint of a failed experiment is RollingBack for a time, then as it was before the test."""

from __future__ import annotations

import dataclasses

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import (
    BOTH,
    ENDPOINT_ROLLING_BACK,
    EXPERIMENT_ENDPOINT,
    PRODUCTION_ONLY,
    REASON,
    endpoint,
    endpoint_state,
)
from tests.operations.shared import MINUTES, bring_to
from tests.requests import NAME, PRODUCTION, SHADOW, create


@pytest.fixture
def rolling_mock(clock):
    """An active mock in which rolling back takes minutes, as every other status does."""
    durations = dataclasses.replace(MINUTES, endpoint_rolling_back=ENDPOINT_ROLLING_BACK)
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        yield mock


def statuses(mock):
    """Return the statuses of the experiment, its endpoint, and its production and shadow variants."""
    shown = mock.experiments[NAME]
    variants = {variant["VariantName"]: variant["Status"] for variant in shown["ModelVariants"]}
    return shown["Status"], shown["EndpointMetadata"]["EndpointStatus"], variants[PRODUCTION], variants[SHADOW]


@pytest.mark.parametrize("status", ["Starting", "Running", "Stopping"])
def test_an_endpoint_rolls_back_when_its_experiment_fails(rolling_mock, sagemaker, status):
    """The experiment is Cancelled at once. The endpoint is RollingBack, then InService with production alone."""
    bring_to(rolling_mock, status)

    rolling_mock.fail_experiment(NAME, REASON)

    began = rolling_mock.clock.now()
    assert statuses(rolling_mock)[:2] == ("Cancelled", "RollingBack")
    rolling_mock.clock.advance(ENDPOINT_ROLLING_BACK)
    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    assert endpoint_state(sagemaker) == PRODUCTION_ONLY_IN_SERVICE
    assert shown["FailureReason"] == REASON
    assert shown["LastModifiedTime"] == began + ENDPOINT_ROLLING_BACK


PRODUCTION_ONLY_IN_SERVICE = ("InService", PRODUCTION_ONLY, None)


def test_the_shadow_is_deleting_while_the_endpoint_rolls_back(rolling_mock):
    """A test that fails in Running removes its shadow: the shadow is Deleting, then Deleted. Production stays."""
    bring_to(rolling_mock, "Running")

    rolling_mock.fail_experiment(NAME, REASON)

    assert statuses(rolling_mock)[2:] == ("InService", "Deleting")
    rolling_mock.clock.advance(ENDPOINT_ROLLING_BACK)
    assert statuses(rolling_mock) == ("Cancelled", "InService", "InService", "Deleted")


def test_the_old_deployment_serves_without_copies_while_it_rolls_back(rolling_mock, sagemaker):
    """Requests are answered during RollingBack, and the shadow gets no copies any more."""
    bring_to(rolling_mock, "Running")
    rolling_mock.fail_experiment(NAME, REASON)
    runtime = rolling_mock.client("sagemaker-runtime")

    answers = [runtime.invoke_endpoint(EndpointName=EXPERIMENT_ENDPOINT, Body=b"") for _ in range(4)]

    assert endpoint_state(sagemaker)[:2] == ("RollingBack", BOTH)
    assert {answer["InvokedProductionVariant"] for answer in answers} == {PRODUCTION}
    assert {point.variant for point in rolling_mock.metrics} == {PRODUCTION}


def test_an_endpoint_that_rolls_back_cannot_be_changed_or_tested(rolling_mock, sagemaker):
    """Until it is InService again, the endpoint refuses a new test, UpdateEndpoint and DeleteEndpoint."""
    bring_to(rolling_mock, "Running")
    rolling_mock.fail_experiment(NAME, REASON)

    for operation, members in (
        ("CreateInferenceExperiment", create("another", EndpointName=EXPERIMENT_ENDPOINT)),
        ("UpdateEndpoint", {"EndpointName": EXPERIMENT_ENDPOINT, "EndpointConfigName": "any"}),
        ("DeleteEndpoint", {"EndpointName": EXPERIMENT_ENDPOINT}),
    ):
        with pytest.raises(ClientError, match=r"RollingBack|in-progress"):
            sagemaker._make_api_call(operation, members)


def test_a_failed_creation_does_not_roll_back(rolling_mock, sagemaker):
    """A first deployment has nothing to roll back to: the endpoint is Failed."""
    bring_to(rolling_mock, "Creating")

    rolling_mock.fail_experiment(NAME, REASON)

    assert endpoint_state(sagemaker)[0] == "Failed"


def test_the_timeline_of_a_failed_experiment_shows_its_last_variants(rolling_mock):
    """Cancelled lasts longer than RollingBack, so the timeline shows the variants after it."""
    bring_to(rolling_mock, "Running")

    rolling_mock.fail_experiment(NAME, REASON)

    assert rolling_mock.timeline(NAME).segments[-1].variants == {PRODUCTION: "InService", SHADOW: "Deleted"}
