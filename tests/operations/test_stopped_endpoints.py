"""The effect of StopInferenceExperiment on the endpoint: an action for each variant, in Created and in Running."""

from __future__ import annotations

import pytest

from tests.hosting import (
    BOTH,
    EXPERIMENT_ENDPOINT,
    PRODUCTION_ONLY,
    VARIANT_LISTS,
    deployed_config,
    endpoint,
    endpoint_state,
    variants,
)
from tests.operations.shared import bring_to
from tests.requests import CONFIG, NAME, PRODUCTION, SHADOW, deployed, stop, variant

# The variants that the endpoint serves in the end, by the actions on production and shadow.
REMAINING = {
    ("Retain", "Remove"): PRODUCTION_ONLY,
    ("Retain", "Retain"): BOTH,
    ("Remove", "Promote"): [[SHADOW], []],
}
any_actions = pytest.mark.parametrize("actions", REMAINING, ids=", ".join)
from_either_status = pytest.mark.parametrize("status", ["Created", "Running"])


@pytest.fixture(params=["existing_endpoint", "created_endpoint"])
def stop_from(request, slow_mock):
    """Return a function that stops an experiment in a given status, on an existing endpoint or on its own one."""
    if request.param == "existing_endpoint":
        request.getfixturevalue("existing_endpoint")

    def stop_from(status, *actions, **members):
        bring_to(slow_mock, status)
        slow_mock.client().stop_inference_experiment(**stop(NAME, *actions, **members))

    return stop_from


@any_actions
@from_either_status
def test_remaining_variants_serve_after_stop(stop_from, slow_mock, sagemaker, status, actions):
    """In Stopping the endpoint changes to the remaining variants; the previous ones serve until that is done."""
    stop_from(status, *actions)
    _, serving, pending = endpoint_state(sagemaker)
    slow_mock.advance_until(NAME, "Cancelled")

    assert serving == {"Created": PRODUCTION_ONLY, "Running": BOTH}[status]
    assert pending in (None, REMAINING[actions])
    assert endpoint_state(sagemaker) == ("InService", REMAINING[actions], None)


def test_a_promoted_shadow_becomes_the_production_variant(stop_from, slow_mock, sagemaker):
    """A promoted shadow keeps its model and its instances, and gets all the traffic."""
    stop_from("Running", "Remove", "Promote")
    slow_mock.advance_until(NAME, "Cancelled")

    config = deployed_config(sagemaker)
    assert config["ProductionVariants"] == [deployed(SHADOW, InitialVariantWeight=1.0)]
    assert "ShadowProductionVariants" not in config
    assert variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))[SHADOW]["CurrentWeight"] == 1


def test_a_retained_shadow_stays_a_shadow(stop_from, slow_mock, sagemaker):
    """When both variants are retained, the endpoint keeps the weights, models and instances of the experiment."""
    stop_from("Running", "Retain", "Retain")
    before = variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))
    slow_mock.advance_until(NAME, "Cancelled")

    after = variants(endpoint(sagemaker, EXPERIMENT_ENDPOINT))

    for name in (PRODUCTION, SHADOW):
        assert after[name].items() == {key: before[name][key] for key in after[name]}.items()


def test_stop_does_not_revert_the_endpoint(existing_endpoint, slow_mock, sagemaker):
    """Retained production keeps the instances of the experiment; only the scheduled end restores the original ones."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop())
    slow_mock.advance_until(NAME, "Cancelled")

    shown = endpoint(sagemaker, EXPERIMENT_ENDPOINT)
    assert shown["EndpointConfigName"] != CONFIG
    assert variants(shown)[PRODUCTION]["CurrentInstanceCount"] == 1
    assert variants(existing_endpoint)[PRODUCTION]["CurrentInstanceCount"] == 3


def test_stop_in_created_does_not_change_an_existing_endpoint(existing_endpoint, slow_mock, sagemaker):
    """With Retain and Remove in Created, an existing endpoint stays exactly the same, in Stopping too."""
    bring_to(slow_mock, "Created")

    sagemaker.stop_inference_experiment(**stop())
    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == existing_endpoint
    slow_mock.advance_until(NAME, "Cancelled")

    assert endpoint(sagemaker, EXPERIMENT_ENDPOINT) == existing_endpoint


# --- DesiredModelVariants


@from_either_status
@pytest.mark.parametrize(
    ("actions", "name"),
    [
        (("Retain", "Remove"), PRODUCTION),
        (("Retain", "Retain"), PRODUCTION),
        (("Retain", "Retain"), SHADOW),
        (("Remove", "Promote"), SHADOW),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value),
)
def test_desired_variants_replace_the_instances(stop_from, slow_mock, status, actions, name):
    """DesiredModelVariants replace the instances of the variants that they name; other variants keep theirs."""
    desired = variant(name, instance_type="ml.c5.9xlarge", count=7)

    stop_from(status, *actions, DesiredModelVariants=[desired])
    slow_mock.advance_until(NAME, "Cancelled")

    config = deployed_config(slow_mock.client())
    instances = {
        each["VariantName"]: (each["InstanceType"], each["InitialInstanceCount"])
        for member in VARIANT_LISTS
        for each in config.get(member, ())
    }
    assert instances.pop(name) == ("ml.c5.9xlarge", 7)
    assert set(instances.values()) <= {("ml.m5.xlarge", 1)}


# --- statuses of the variants in DescribeInferenceExperiment


@pytest.mark.parametrize(
    ("actions", "stopping", "stopped"),
    [
        (("Retain", "Remove"), ["Updating", "Deleting"], ["InService", "Deleted"]),
        (("Retain", "Retain"), ["Updating", "Updating"], ["InService", "InService"]),
        (("Remove", "Promote"), ["Deleting", "Updating"], ["Deleted", "InService"]),
    ],
    ids=", ".join,
)
def test_variant_status_shows_the_effect_of_stop(stop_from, slow_mock, actions, stopping, stopped):
    """A variant is Updating or Deleting while the experiment is Stopping; afterwards it is InService or Deleted."""

    def statuses():
        return [variant["Status"] for variant in slow_mock.experiments[NAME]["ModelVariants"]]

    stop_from("Running", *actions)
    assert statuses() == stopping

    slow_mock.advance_until(NAME, "Cancelled")
    assert statuses() == stopped
