"""A cached answer equals the answer that the service would make anew, whatever changes around it."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import boto3
import pytest
import time_machine
from freezegun import freeze_time

from mock_sagemaker_ie import MockClock, mock_inference_experiment
from mock_sagemaker_ie.service.answer_cache import AnswerCache
from tests.conftest import START
from tests.requests import MODEL, NAME, create, model

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def describe(client):
    """Return what DescribeModel shows of the model."""
    answer = client.describe_model(ModelName=MODEL)
    del answer["ResponseMetadata"]
    return answer


@pytest.fixture
def described(mock, sagemaker):
    """Create a model and describe it once, so that its answer is cached."""
    sagemaker.create_model(**model())
    return describe(sagemaker)


def test_a_repeated_call_gets_an_equal_answer(described, sagemaker):
    """Two calls without a change between them get the same answer."""
    assert describe(sagemaker) == described


def test_a_caller_that_changes_its_answer_changes_no_other(described, sagemaker):
    """Each answer has dicts and lists of its own."""
    expected = describe(sagemaker)
    described["PrimaryContainer"].clear()

    assert describe(sagemaker) == expected


def test_a_change_of_another_resource_is_seen_at_once(mock, sagemaker):
    """An experiment that changes its endpoint changes what DescribeEndpoint answers."""
    sagemaker.create_inference_experiment(**create())
    endpoint = create()["EndpointName"]
    before = sagemaker.describe_endpoint(EndpointName=endpoint)

    sagemaker.stop_inference_experiment(Name=NAME, ModelVariantActions={"prod": "Retain", "shadow": "Remove"})

    after = sagemaker.describe_endpoint(EndpointName=endpoint)
    assert before["ShadowProductionVariants"]
    assert "ShadowProductionVariants" not in after


def test_the_same_call_in_another_region_or_account_gets_an_answer_of_its_own(described, mock):
    """The cache keeps regions and accounts apart."""
    elsewhere = boto3.client("sagemaker", region_name="eu-west-1", **KEYS)

    with pytest.raises(elsewhere.exceptions.ClientError, match="Could not find model"):
        describe(elsewhere)


def test_after_reset_nothing_of_an_old_answer_is_left(described, mock, sagemaker):
    """A model that reset() removed is not found, although it was described before."""
    mock.reset()

    with pytest.raises(sagemaker.exceptions.ClientError, match="Could not find model"):
        describe(sagemaker)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_times_are_in_the_current_time_zone_of_the_machine(described, sagemaker, zone):
    """When the time zone changes, a cached answer has the same instant with the offset of the new zone."""
    with time_machine.travel(START.astimezone(ZoneInfo(zone))):
        created = describe(sagemaker)["CreationTime"]

    assert created == START
    assert created.utcoffset() == START.astimezone(ZoneInfo(zone)).utcoffset()


def test_times_are_plain_datetimes_after_freezegun(sagemaker):
    """After freeze_time ended, no answer has a datetime of freezegun's own type."""
    with mock_inference_experiment(clock=MockClock(START, tick=False)):
        sagemaker.create_model(**model())
        with freeze_time(START):
            describe(sagemaker)

        assert type(describe(sagemaker)["CreationTime"]) is dt.datetime


def test_the_cache_keeps_a_bounded_number_of_answers(mock, sagemaker):
    """More different calls than the cache keeps are all answered."""
    names = [f"model-{number}" for number in range(AnswerCache.MAX_ANSWERS + 1)]
    for name in names:
        sagemaker.create_model(**model(name))

    assert [sagemaker.describe_model(ModelName=name)["ModelName"] for name in names] == names
