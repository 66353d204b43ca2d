"""What StopInferenceExperiment makes of the endpoint: each variant as its action says, wherever the test stood."""

from __future__ import annotations

import pytest

from tests.hosting import BOTH, PRODUCTION_ONLY, UNDER_TEST, VARIANT_LISTS, config_of, endpoint, seen, variants
from tests.operations.shared import bring_to
from tests.requests import CONFIG, NAME, PRODUCTION, SHADOW, deployed, stop, variant

# By what becomes of production and shadow: what the endpoint serves in the end.
LEFT = {
    ("Retain", "Remove"): PRODUCTION_ONLY,
    ("Retain", "Retain"): BOTH,
    ("Remove", "Promote"): [[SHADOW], []],
}
any_actions = pytest.mark.parametrize("actions", LEFT, ids=", ".join)
from_either_status = pytest.mark.parametrize("status", ["Created", "Running"])


@pytest.fixture(params=["existing", "made"])
def stop_from(request, slow_mock):
    """Stops a test that has come to a status, on an endpoint that exists before it and on one that it makes."""
    if request.param == "existing":
        request.getfixturevalue("existing")

    def stop_from(status, *actions, **members):
        bring_to(slow_mock, status)
        slow_mock.client().stop_inference_experiment(**stop(NAME, *actions, **members))

    return stop_from


@any_actions
@from_either_status
def test_what_stays_serves_on(stop_from, slow_mock, sagemaker, status, actions):
    """In Stopping the endpoint becomes what the actions leave; what served until then serves until that is done."""
    stop_from(status, *actions)
    _, serving, pending = seen(sagemaker)
    slow_mock.advance_until(NAME, "Cancelled")

    assert serving == {"Created": PRODUCTION_ONLY, "Running": BOTH}[status]
    assert pending in (None, LEFT[actions])
    assert seen(sagemaker) == ("InService", LEFT[actions], None)


def test_a_promoted_shadow_is_production_as_it_was(stop_from, slow_mock, sagemaker):
    """The shadow that is promoted keeps its model and its machines, and all the traffic is its own."""
    stop_from("Running", "Remove", "Promote")
    slow_mock.advance_until(NAME, "Cancelled")

    config = config_of(sagemaker)
    assert config["ProductionVariants"] == [deployed(SHADOW, InitialVariantWeight=1.0)]
    assert "ShadowProductionVariants" not in config
    assert variants(endpoint(sagemaker, UNDER_TEST))[SHADOW]["CurrentWeight"] == 1


def test_a_retained_shadow_goes_on_being_one(stop_from, slow_mock, sagemaker):
    """Where both are retained the endpoint serves on what it served in the test: weights, models, machines."""
    stop_from("Running", "Retain", "Retain")
    before = variants(endpoint(sagemaker, UNDER_TEST))
    slow_mock.advance_until(NAME, "Cancelled")

    after = variants(endpoint(sagemaker, UNDER_TEST))

    for name in (PRODUCTION, SHADOW):
        assert after[name].items() == {key: before[name][key] for key in after[name]}.items()


def test_a_stopped_test_does_not_revert_its_endpoint(existing, slow_mock, sagemaker):
    """Production that is retained has the machines of the test, not those from before it, unlike at a scheduled end."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop())
    slow_mock.advance_until(NAME, "Cancelled")

    shown = endpoint(sagemaker, UNDER_TEST)
    assert shown["EndpointConfigName"] != CONFIG
    assert variants(shown)[PRODUCTION]["CurrentInstanceCount"] == 1
    assert variants(existing)[PRODUCTION]["CurrentInstanceCount"] == 3


def test_a_test_stopped_before_it_started_has_changed_nothing(existing, slow_mock, sagemaker):
    """Retain and Remove, in Created, leave an existing endpoint exactly as it is, Stopping included."""
    bring_to(slow_mock, "Created")

    sagemaker.stop_inference_experiment(**stop())
    assert endpoint(sagemaker, UNDER_TEST) == existing
    slow_mock.advance_until(NAME, "Cancelled")

    assert endpoint(sagemaker, UNDER_TEST) == existing


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
def test_what_stays_may_get_other_machines(stop_from, slow_mock, status, actions, name):
    """DesiredModelVariants wins over the machines of the test, for the variants it names; the others keep theirs."""
    desired = variant(name, instance_type="ml.c5.9xlarge", count=7)

    stop_from(status, *actions, DesiredModelVariants=[desired])
    slow_mock.advance_until(NAME, "Cancelled")

    config = config_of(slow_mock.client())
    machines = {
        each["VariantName"]: (each["InstanceType"], each["InitialInstanceCount"])
        for member in VARIANT_LISTS
        for each in config.get(member, ())
    }
    assert machines.pop(name) == ("ml.c5.9xlarge", 7)
    assert set(machines.values()) <= {("ml.m5.xlarge", 1)}


# --- what Describe of the experiment says of its variants


@pytest.mark.parametrize(
    ("actions", "stopping", "stopped"),
    [
        (("Retain", "Remove"), ["Updating", "Deleting"], ["InService", "Deleted"]),
        (("Retain", "Retain"), ["Updating", "Updating"], ["InService", "InService"]),
        (("Remove", "Promote"), ["Deleting", "Updating"], ["Deleted", "InService"]),
    ],
    ids=", ".join,
)
def test_variants_say_what_becomes_of_them(stop_from, slow_mock, actions, stopping, stopped):
    """A variant is being updated or deleted while the test is Stopping; afterwards it serves or is gone."""

    def statuses():
        return [variant["Status"] for variant in slow_mock.experiments[NAME]["ModelVariants"]]

    stop_from("Running", *actions)
    assert statuses() == stopping

    slow_mock.advance_until(NAME, "Cancelled")
    assert statuses() == stopped
