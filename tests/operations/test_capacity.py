"""`quotas=`: how many instances of a type all endpoints together may have, and what happens where there are no more."""

from __future__ import annotations

import re

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import (
    BOTH,
    ENDPOINT_MINUTES,
    ENDPOINTS,
    PRODUCTION_ONLY,
    UNDER_TEST,
    bring_to,
    endpoint,
    refused,
    reverted,
    seen,
    serve,
    variants,
)
from tests.operations.shared import MINUTES, at
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, stop, variant

TYPE = "ml.m5.xlarge"
QUOTA = 4
LIMIT = "ResourceLimitExceeded"


@pytest.fixture
def limited(clock):
    """An active mock in which there are QUOTA instances of TYPE; experiments take the MINUTES, endpoints no time."""
    with mock_inference_experiment(clock=clock, durations=MINUTES, quotas={TYPE: QUOTA}) as mock:
        yield mock


def take(sagemaker, count, name="taker"):
    """Have an endpoint with so many instances."""
    sagemaker.create_endpoint_config(**endpoint_config(f"{name}-config", deployed(InitialInstanceCount=count)))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")


def words(used, more):
    """The refusal in AWS's words."""
    return re.escape(
        f"The account-level service limit '{TYPE} for endpoint usage' is {QUOTA} Instances, with current utilization "
        f"of {used} Instances and a request delta of {more} Instances."
    )


# --- endpoints


def test_a_new_endpoint_must_fit(limited, sagemaker):
    """CreateEndpoint of more instances than are left is refused; of as many as are left it is not."""
    take(sagemaker, 3)

    with pytest.raises(sagemaker.exceptions.ClientError, match=words(used=3, more=2)) as caught:
        take(sagemaker, 2, "too-many")
    take(sagemaker, 1, "fitting")

    assert caught.value.response["Error"]["Code"] == LIMIT
    assert ENDPOINTS.all(sagemaker).keys() == {"taker", "fitting"}


def test_an_update_must_fit(limited, sagemaker):
    """UpdateEndpoint needs what the new configuration has more than the old."""
    take(sagemaker, 1, "other")
    take(sagemaker, 2)
    sagemaker.create_endpoint_config(**endpoint_config("three", deployed(InitialInstanceCount=3)))
    sagemaker.create_endpoint_config(**endpoint_config("four", deployed(InitialInstanceCount=4)))

    with refused(limited, LIMIT) as caught:
        sagemaker.update_endpoint(EndpointName="taker", EndpointConfigName="four")
    sagemaker.update_endpoint(EndpointName="taker", EndpointConfigName="three")

    assert re.search(words(used=3, more=2), str(caught.value))
    assert endpoint(sagemaker, "taker")["EndpointConfigName"] == "three"


def test_a_rescaling_must_fit(limited, sagemaker):
    """So does UpdateEndpointWeightsAndCapacities; a weight takes no instance."""
    take(sagemaker, 4)

    def rescale(**desired):
        wanted = [{"VariantName": PRODUCTION, **desired}]
        sagemaker.update_endpoint_weights_and_capacities(EndpointName="taker", DesiredWeightsAndCapacities=wanted)

    with refused(limited, LIMIT) as caught:
        rescale(DesiredInstanceCount=5)
    rescale(DesiredWeight=5)

    assert re.search(words(used=4, more=1), str(caught.value))
    assert variants(endpoint(sagemaker, "taker"))[PRODUCTION]["CurrentWeight"] == 5


def test_production_and_shadow_count_together(limited, sagemaker):
    """All the variants of an endpoint take instances."""
    sagemaker.create_endpoint_config(
        **endpoint_config(
            CONFIG,
            deployed(InitialInstanceCount=3),
            ShadowProductionVariants=[deployed(SHADOW, InitialInstanceCount=2)],
        )
    )

    with refused(limited, LIMIT) as caught:
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

    assert re.search(words(used=0, more=5), str(caught.value))


def test_other_types_and_regions_have_quotas_of_their_own(limited, sagemaker):
    """A type without a quota has no limit, and what one region takes is not taken in another."""
    take(sagemaker, QUOTA)

    serve(sagemaker, deployed(InstanceType="ml.c5.xlarge", InitialInstanceCount=1000))
    take(limited.client(region_name="eu-west-1"), QUOTA)

    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


def test_what_has_gone_or_failed_takes_nothing(limited, sagemaker):
    """A deleted endpoint gives its instances back, and one whose creation failed has none."""
    limited.fail_endpoint("failing", "No capacity")
    take(sagemaker, QUOTA, "failing")
    take(sagemaker, QUOTA, "deleted")
    sagemaker.delete_endpoint(EndpointName="deleted")

    take(sagemaker, QUOTA)

    assert endpoint(sagemaker, "taker")["EndpointStatus"] == "InService"


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Deleting"])
def test_what_is_in_progress_takes_its_instances(clock, sagemaker, status):
    """From the beginning of a deployment to the end of a deletion instances are taken."""
    with mock_inference_experiment(clock=clock, durations=ENDPOINT_MINUTES, quotas={TYPE: 1}) as mock:
        bring_to(mock, status)

        with refused(mock, LIMIT):
            ENDPOINTS.create(sagemaker, "another")


@pytest.mark.parametrize("quotas", [{TYPE: -1}, {TYPE: "4"}, [TYPE], 4])
def test_quotas_are_counts_by_type(quotas):
    """Anything else is refused before the mock is entered, with an example."""
    with pytest.raises(TypeError, match="by type"):
        mock_inference_experiment(quotas=quotas)


# --- experiments


def test_a_test_must_fit_with_its_shadow(limited, sagemaker):
    """CreateInferenceExperiment is refused when production and shadow are more than is left."""
    take(sagemaker, 3)

    with refused(limited, LIMIT) as caught:
        sagemaker.create_inference_experiment(**create())

    assert re.search(words(used=3, more=2), str(caught.value))


def test_a_test_on_an_existing_endpoint_needs_what_is_new(limited, sagemaker):
    """The instances that its endpoint has are the test's; only the shadow's are more."""
    take(sagemaker, 3, UNDER_TEST)
    machines = [variant(PRODUCTION, count=3), variant(SHADOW, count=1)]

    sagemaker.create_inference_experiment(**create(ModelVariants=machines))
    limited.advance_until(NAME, "Running")

    assert seen(sagemaker) == ("InService", BOTH, None)


@pytest.fixture(params=["existing", "made"])
def before(request, limited, sagemaker):
    """A test that starts tomorrow, on an endpoint that exists or that it makes. What the endpoint is until then."""
    if request.param == "existing":
        take(sagemaker, 1, UNDER_TEST)
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1), "EndTime": at(days=2)}))
    limited.advance_until(NAME, "Created")
    return endpoint(sagemaker, UNDER_TEST)


def test_a_shadow_that_no_longer_fits_fails_the_test(before, limited, sagemaker):
    """When others have taken the last instances, deploying the shadow fails: the endpoint stays as it was."""
    take(sagemaker, 3)

    limited.advance_until(NAME, "Starting")
    assert seen(sagemaker) == ("Updating", PRODUCTION_ONLY, BOTH)
    limited.advance_until(NAME, "Cancelled")

    reason = limited.experiments[NAME]["StatusReason"]
    assert re.match(words(used=4, more=1), reason)
    assert reverted(endpoint(sagemaker, UNDER_TEST), before, FailureReason=reason)


def test_a_quota_given_back_in_time_is_no_failure(before, limited, sagemaker):
    """What counts is what is taken when the shadow is deployed."""
    take(sagemaker, 3)
    limited.clock.advance(hours=1)
    sagemaker.delete_endpoint(EndpointName="taker")

    limited.advance_until(NAME, "Running")

    assert seen(sagemaker) == ("InService", BOTH, None)


def test_machines_that_do_not_fit_fail_the_end(before, limited, sagemaker):
    """DesiredModelVariants of more instances than are left: the test is Cancelled, and its endpoint is as it was."""
    limited.advance_until(NAME, "Running")
    desired = [variant(SHADOW, count=QUOTA + 1)]

    sagemaker.stop_inference_experiment(
        **stop(production="Remove", shadow="Promote", DesiredState="Completed", DesiredModelVariants=desired)
    )
    limited.clock.advance(days=1)

    experiment = limited.experiments[NAME]
    assert experiment["Status"] == "Cancelled"
    assert re.match(words(used=2, more=3), experiment["StatusReason"])
    assert seen(sagemaker) == ("InService", PRODUCTION_ONLY, None)


def test_an_endpoint_gets_back_what_it_had(limited, sagemaker):
    """At the scheduled end the endpoint has what it had before the test, whoever took what it did not need."""
    take(sagemaker, QUOTA, UNDER_TEST)
    before = endpoint(sagemaker, UNDER_TEST)
    sagemaker.create_inference_experiment(**create())
    limited.advance_until(NAME, "Running")
    take(sagemaker, 1)

    limited.clock.advance(days=8)

    assert limited.experiments[NAME]["Status"] == "Completed"
    assert reverted(endpoint(sagemaker, UNDER_TEST), before)
