"""Passing time never raises, whatever else is there: names that are taken, quotas, deleted resources, the year 9999."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import contextmanager, nullcontext

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from tests.conftest import START
from tests.hosting import ENDPOINT_CONFIGS, deployed_config
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, model, stop

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
LATER = {"StartTime": START + DAY, "EndTime": START + 2 * DAY}
VALID_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@contextmanager
def permitting(code):
    """Permit this error of AWS inside."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def configs_of_the_whole_life(name):
    """Return the names of the configurations that an experiment makes by itself, in their order."""
    with mock_inference_experiment(clock=MockClock(START, tick=False)) as mock:
        sagemaker = mock.client()
        sagemaker.create_inference_experiment(**create(name, EndpointName=ENDPOINT, Schedule=LATER))
        mock.clock.advance(days=3)
        return list(ENDPOINT_CONFIGS.all(sagemaker))


@pytest.mark.parametrize("name", [NAME, "n" * 63, "a" + 61 * "-" + "b"], ids=["short", "longest", "hyphens"])
def test_an_experiment_takes_another_name_for_its_configuration_when_the_name_is_taken(name):
    """The new name is valid and unique, also when the second choice is taken too; the test runs with its shadow."""
    made = configs_of_the_whole_life(name)
    with mock_inference_experiment(clock=MockClock(START, tick=False)) as mock:
        sagemaker = mock.client()
        for taken in made:
            sagemaker.create_endpoint_config(**endpoint_config(taken))
        first = set(made)
        sagemaker.create_inference_experiment(**create(name, EndpointName=ENDPOINT, Schedule=LATER))
        mock.clock.advance(days=1.5)

        described = sagemaker.describe_inference_experiment(Name=name)
        config = described["EndpointMetadata"]["EndpointConfigName"]

        assert described["Status"] == "Running"
        assert [variant["Status"] for variant in described["ModelVariants"]] == ["InService", "InService"]
        assert config not in first
        assert all(VALID_NAME.fullmatch(each) for each in ENDPOINT_CONFIGS.all(sagemaker))
        shown = ENDPOINT_CONFIGS.describe(sagemaker, config)
        assert [variant["VariantName"] for variant in shown["ShadowProductionVariants"]] == [SHADOW]
        mock.clock.advance(days=3)
        assert mock.experiments[name]["Status"] == "Completed"
        assert {each["ProductionVariants"][0]["VariantName"] for each in ENDPOINT_CONFIGS.all(sagemaker).values()} == {
            PRODUCTION
        }


def test_second_choices_of_a_name_can_be_taken_too(mock, sagemaker):
    """Each experiment that begins the same way gets a configuration of its own."""
    sagemaker.create_inference_experiment(**create(Schedule=LATER))
    wanted = deployed_config(sagemaker)["EndpointConfigName"]
    mock.reset()
    for taken in (wanted, f"{wanted}-2"):
        sagemaker.create_endpoint_config(**endpoint_config(taken))

    sagemaker.create_inference_experiment(**create(Schedule=LATER))

    assert deployed_config(sagemaker)["EndpointConfigName"] == f"{wanted}-3"


@pytest.mark.parametrize("quota", [0, 1, 2, 3, 4])
def test_time_passes_with_every_quota_and_without_models(clock, quota):
    """Models and configurations may be deleted meanwhile, and a later deployment may exceed a quota."""
    with mock_inference_experiment(clock=clock, quotas={"ml.m5.xlarge": quota}) as mock:
        sagemaker = mock.client()
        sagemaker.create_model(**model(f"model-{PRODUCTION}"))
        sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed()))
        with permitting("ResourceLimitExceeded"):
            sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
        with permitting("ResourceLimitExceeded"):
            sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT, Schedule=LATER))
        sagemaker.delete_endpoint_config(EndpointConfigName=CONFIG)
        sagemaker.delete_model(ModelName=f"model-{PRODUCTION}")

        for _ in range(4):
            clock.advance(days=1)
            assert all(each["Status"] for each in mock.experiments.values())


LAST = dt.datetime(8999, 12, 31, 23, 59, 59, 998000, tzinfo=dt.timezone.utc)


@given(
    before=st.sampled_from([0, 1, 59, 60, 3600, 86_400, 8 * 86_400, 31 * 86_400]),
    minutes=st.lists(st.sampled_from([0, 1, 60, 10**6, 10**9]), min_size=8, max_size=8),
)
@example(before=86_400, minutes=[0] * 8)
@example(before=86_400, minutes=[10**9] * 8)
def test_time_passes_to_the_end_of_the_calendar(before, minutes):
    """An experiment goes on until the last instant of a clock, with any durations, and looking ahead ends."""
    clock = MockClock(START, tick=False)
    with mock_inference_experiment(clock=clock, durations=Durations(*[each * MINUTE for each in minutes])) as mock:
        sagemaker = mock.client()
        sagemaker.create_inference_experiment(**create(Schedule=LATER))
        clock.move_to(LAST - dt.timedelta(seconds=before))
        with permitting("ConflictException"):
            sagemaker.start_inference_experiment(Name=NAME)
        with permitting("ConflictException"):
            sagemaker.stop_inference_experiment(**stop())
        sagemaker.create_endpoint_config(**endpoint_config(CONFIG))
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)

        ends = mock.timeline(NAME).segments[-1].status == "Completed"
        assert str(mock.timeline(NAME)).startswith(NAME)
        with nullcontext() if ends else pytest.raises(ValueError, match="does not become"):
            mock.advance_until(NAME, "Completed")
        clock.move_to(LAST)
        assert mock.experiments[NAME]["Status"]
