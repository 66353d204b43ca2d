"""`quotas=`: the number of instances of a type that all endpoints together may have, and the errors above it."""

from __future__ import annotations

import re

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import (
    BOTH,
    ENDPOINT_MINUTES,
    ENDPOINTS,
    EXPERIMENT_ENDPOINT,
    PRODUCTION_ONLY,
    bring_to,
    endpoint,
    endpoint_state,
    is_reverted,
    refused,
    serve,
    variants,
)
from tests.operations.shared import MINUTES, at
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, stop, variant

TYPE = "ml.m5.xlarge"
QUOTA = 4
LIMIT = "ResourceLimitExceeded"


@pytest.fixture
def quota_mock(clock):
    """Yield an active mock with QUOTA instances of TYPE; experiments take the MINUTES, and endpoints no time."""
    with mock_inference_experiment(clock=clock, durations=MINUTES, quotas={TYPE: QUOTA}) as mock:
        yield mock


def use_instances(sagemaker, count, name="busy"):
    """Create an endpoint with this number of instances."""
    sagemaker.create_endpoint_config(**endpoint_config(f"{name}-config", deployed(InitialInstanceCount=count)))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")


def limit_message(used, more):
    """Return a regular expression for AWS's message: instances in use, and additional instances."""
    return re.escape(
        f"The account-level service limit '{TYPE} for endpoint usage' is {QUOTA} Instances, with current utilization "
        f"of {used} Instances and a request delta of {more} Instances."
    )


# --- endpoints


def test_create_endpoint_fails_above_the_quota(quota_mock, sagemaker):
    """CreateEndpoint may use all the instances that are left, and fails when it needs more."""
    use_instances(sagemaker, 3)

    with pytest.raises(sagemaker.exceptions.ClientError, match=limit_message(used=3, more=2)) as caught:
        use_instances(sagemaker, 2, "too-many")
    use_instances(sagemaker, 1, "fitting")

    assert caught.value.response["Error"]["Code"] == LIMIT
    assert ENDPOINTS.all(sagemaker).keys() == {"busy", "fitting"}


def test_update_endpoint_fails_above_the_quota(quota_mock, sagemaker):
    """UpdateEndpoint makes the new fleet beside the old one, so it needs all the instances of the new configuration."""
    use_instances(sagemaker, 1, "other")
    use_instances(sagemaker, 2)
    sagemaker.create_endpoint_config(**endpoint_config("one", deployed(InitialInstanceCount=1)))
    sagemaker.create_endpoint_config(**endpoint_config("two", deployed(InitialInstanceCount=2)))

    with refused(quota_mock, LIMIT) as caught:
        sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="two")
    sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="one")

    assert re.search(limit_message(used=3, more=2), str(caught.value))
    assert endpoint(sagemaker, "busy")["EndpointConfigName"] == "one"


def test_both_fleets_count_during_an_update(clock, sagemaker):
    """Other endpoints can use what both deployments leave, and after the update what the new one leaves."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES, quotas={TYPE: QUOTA}) as mock:
        use_instances(sagemaker, 1)
        mock.clock.advance(hours=1)
        sagemaker.create_endpoint_config(**endpoint_config("two", deployed(InitialInstanceCount=2)))
        sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="two")

        with pytest.raises(sagemaker.exceptions.ClientError, match=limit_message(used=3, more=2)):
            use_instances(sagemaker, 2, "another")

        mock.clock.advance(hours=1)
        use_instances(sagemaker, 2, "fitting")


def test_update_weights_and_capacities_fails_above_the_quota(quota_mock, sagemaker):
    """UpdateEndpointWeightsAndCapacities fails when it needs more instances than are left; a weight needs none."""
    use_instances(sagemaker, 4)

    def rescale(**desired):
        capacities = [{"VariantName": PRODUCTION, **desired}]
        sagemaker.update_endpoint_weights_and_capacities(EndpointName="busy", DesiredWeightsAndCapacities=capacities)

    with refused(quota_mock, LIMIT) as caught:
        rescale(DesiredInstanceCount=5)
    rescale(DesiredWeight=5)

    assert re.search(limit_message(used=4, more=1), str(caught.value))
    assert variants(endpoint(sagemaker, "busy"))[PRODUCTION]["CurrentWeight"] == 5


def test_production_and_shadow_variants_count(quota_mock, sagemaker):
    """The instances of all the variants of an endpoint count."""
    sagemaker.create_endpoint_config(
        **endpoint_config(
            CONFIG,
            deployed(InitialInstanceCount=3),
            ShadowProductionVariants=[deployed(SHADOW, InitialInstanceCount=2)],
        )
    )

    with refused(quota_mock, LIMIT) as caught:
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    assert re.search(limit_message(used=0, more=5), str(caught.value))


def test_a_quota_applies_to_one_type_and_one_region(quota_mock, sagemaker):
    """A type without a quota has no limit, and instances in one region do not count in another."""
    use_instances(sagemaker, QUOTA)

    serve(sagemaker, deployed(InstanceType="ml.c5.xlarge", InitialInstanceCount=1000))
    use_instances(quota_mock.client(region_name="eu-west-1"), QUOTA)

    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


def test_deleted_and_failed_endpoints_do_not_count(quota_mock, sagemaker):
    """A deleted endpoint releases its instances, and an endpoint whose creation failed has none."""
    quota_mock.fail_endpoint("failing", "No capacity")
    use_instances(sagemaker, QUOTA, "failing")
    use_instances(sagemaker, QUOTA, "deleted")
    sagemaker.delete_endpoint(EndpointName="deleted")

    use_instances(sagemaker, QUOTA)

    assert endpoint(sagemaker, "busy")["EndpointStatus"] == "InService"


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Deleting"])
def test_endpoints_in_a_transitional_status_count(clock, sagemaker, status):
    """Instances count from the start of a deployment until the end of a deletion."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES, quotas={TYPE: 2}) as mock:
        bring_to(mock, status)
        sagemaker.create_endpoint_config(**endpoint_config("two", deployed(InitialInstanceCount=2)))

        with refused(mock, LIMIT):
            sagemaker.create_endpoint(EndpointName="another", EndpointConfigName="two")


@pytest.mark.parametrize("quotas", [{TYPE: -1}, {TYPE: "4"}, [TYPE], 4])
def test_invalid_quotas_raise_type_error(quotas):
    """Quotas map types to counts; another value raises TypeError with an example before the mock starts."""
    with pytest.raises(TypeError, match="by type"):
        mock_inference_experiment(quotas=quotas)


# --- experiments


def test_create_inference_experiment_fails_above_the_quota(quota_mock, sagemaker):
    """CreateInferenceExperiment fails when production and shadow together need more instances than are left."""
    use_instances(sagemaker, 3)

    with refused(quota_mock, LIMIT) as caught:
        sagemaker.create_inference_experiment(**create())

    assert re.search(limit_message(used=3, more=2), str(caught.value))


def test_an_experiment_on_an_existing_endpoint_needs_a_second_fleet(quota_mock, sagemaker):
    """Production and shadow are deployed beside the instances that the endpoint has."""
    use_instances(sagemaker, 1, EXPERIMENT_ENDPOINT)

    with refused(quota_mock, LIMIT) as caught:
        sagemaker.create_inference_experiment(**create(ModelVariants=[variant(PRODUCTION, count=3), variant(SHADOW)]))
    assert re.search(limit_message(used=1, more=4), str(caught.value))

    sagemaker.create_inference_experiment(**create(ModelVariants=[variant(PRODUCTION, count=2), variant(SHADOW)]))
    quota_mock.advance_until(NAME, "Running")

    assert endpoint_state(sagemaker) == ("InService", BOTH, None)


@pytest.fixture(params=["existing_endpoint", "created_endpoint"])
def endpoint_before(request, quota_mock, sagemaker):
    """Create an experiment that starts tomorrow, on an existing endpoint or on its own, and return the endpoint."""
    if request.param == "existing_endpoint":
        use_instances(sagemaker, 1, EXPERIMENT_ENDPOINT)
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1), "EndTime": at(days=2)}))
    quota_mock.advance_until(NAME, "Created")
    return endpoint(sagemaker, EXPERIMENT_ENDPOINT)


def test_an_experiment_fails_when_its_shadow_no_longer_fits(endpoint_before, quota_mock, sagemaker):
    """When other endpoints use the last instances, deploying the shadow fails and the endpoint reverts."""
    use_instances(sagemaker, 3)

    quota_mock.advance_until(NAME, "Starting")
    assert endpoint_state(sagemaker) == ("Updating", PRODUCTION_ONLY, BOTH)
    quota_mock.advance_until(NAME, "Cancelled")

    reason = quota_mock.experiments[NAME]["StatusReason"]
    assert re.match(limit_message(used=4, more=2), reason)
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), endpoint_before, FailureReason=reason)


def test_an_experiment_starts_when_instances_are_released_in_time(endpoint_before, quota_mock, sagemaker):
    """Only the instances in use at the time of the shadow's deployment count."""
    use_instances(sagemaker, 3)
    quota_mock.clock.advance(hours=1)
    sagemaker.delete_endpoint(EndpointName="busy")

    quota_mock.advance_until(NAME, "Running")

    assert endpoint_state(sagemaker) == ("InService", BOTH, None)


def test_desired_variants_above_the_quota_cancel_the_experiment(endpoint_before, quota_mock, sagemaker):
    """DesiredModelVariants with too many instances make the experiment Cancelled; its endpoint serves as before."""
    quota_mock.advance_until(NAME, "Running")
    desired = [variant(SHADOW, count=QUOTA + 1)]

    sagemaker.stop_inference_experiment(
        **stop(production="Remove", shadow="Promote", DesiredState="Completed", DesiredModelVariants=desired)
    )
    quota_mock.clock.advance(days=1)

    experiment = quota_mock.experiments[NAME]
    assert experiment["Status"] == "Cancelled"
    assert re.match(limit_message(used=2, more=5), experiment["StatusReason"])
    assert endpoint_state(sagemaker) == ("InService", PRODUCTION_ONLY, None)


def test_an_endpoint_regains_its_instances_at_the_scheduled_end(quota_mock, sagemaker):
    """At the scheduled end the endpoint has its original instances, even if another endpoint used the free ones."""
    use_instances(sagemaker, 2, EXPERIMENT_ENDPOINT)
    original = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    sagemaker.create_inference_experiment(**create())
    quota_mock.advance_until(NAME, "Running")
    use_instances(sagemaker, 2)

    quota_mock.clock.advance(days=8)

    assert quota_mock.experiments[NAME]["Status"] == "Completed"
    assert is_reverted(endpoint(sagemaker, EXPERIMENT_ENDPOINT), original)
