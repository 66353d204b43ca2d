"""Every account and every region of every partition is a world of its own."""

from __future__ import annotations

import inspect
from functools import cache

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from mock_sagemaker_ie import mock_inference_experiment
from tests.requests import NAME, create, stop

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"

with_account_ids = pytest.mark.skipif(
    "aws_account_id" not in inspect.signature(Session.create_client).parameters,
    reason="this botocore's clients cannot be given an account id",
)


@cache
def client(region="us-east-1", **options):
    """A boto3 client; all of them share one session, and so one copy of the service model."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return _session().client("sagemaker", region_name=region, **keys, **options)


@cache
def _session():
    return boto3.Session()


def names(sagemaker):
    return [summary["Name"] for summary in sagemaker.list_inference_experiments()["InferenceExperiments"]]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_an_arn_tells_partition_and_region(mock, region, partition):
    """The partition of an ARN is that of the client's region; its tags and its pages work there as anywhere."""
    sagemaker = client(region)

    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    sagemaker.create_inference_experiment(**create("another"))

    assert arn == f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:inference-experiment/{NAME}"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    pages = sagemaker.get_paginator("list_inference_experiments").paginate(PaginationConfig={"PageSize": 1})
    assert [names["Name"] for page in pages for names in page["InferenceExperiments"]] == ["another", NAME]


def test_regions_know_nothing_of_each_other(mock):
    """The same name and endpoint in two regions are two experiments."""
    east, west = client("us-east-1"), client("us-west-2")
    east.create_inference_experiment(**create(Description="East"))
    west.create_inference_experiment(**create(Description="West"))

    east.stop_inference_experiment(**stop())
    east.delete_inference_experiment(Name=NAME)

    assert names(east) == []
    assert west.describe_inference_experiment(Name=NAME)["Description"] == "West"


def test_clients_of_one_region_share_a_world(mock, sagemaker):
    """What one client creates every other sees, however it was made."""
    sagemaker.create_inference_experiment(**create())

    assert names(client()) == names(mock.client()) == [NAME]


def test_a_page_of_one_region_does_not_go_on_in_another(mock):
    """A NextToken is good in the region that gave it out."""
    for region in ("us-east-1", "us-west-2"):
        for name in ("one", "two"):
            client(region).create_inference_experiment(**create(name))
    token = client("us-east-1").list_inference_experiments(MaxResults=1)["NextToken"]

    with pytest.raises(ClientError, match="ValidationException"):
        client("us-west-2").list_inference_experiments(MaxResults=1, NextToken=token)


def test_calls_are_made_from_the_account_of_the_mock(clock, sagemaker):
    """`account_id=` is the account of every client that was given no other."""
    with mock_inference_experiment(clock=clock, account_id=OTHER_ACCOUNT) as mock:
        arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]

        assert arn.split(":")[4] == OTHER_ACCOUNT
        assert mock.experiments[NAME]["Arn"] == arn


@with_account_ids
def test_a_client_with_an_account_id_calls_from_that_account(mock, sagemaker):
    """Two accounts in one region know nothing of each other."""
    other = client(aws_account_id=OTHER_ACCOUNT)
    sagemaker.create_inference_experiment(**create())
    arn = other.create_inference_experiment(**create())["InferenceExperimentArn"]

    sagemaker.stop_inference_experiment(**stop())
    sagemaker.delete_inference_experiment(Name=NAME)

    assert arn.split(":")[4] == OTHER_ACCOUNT
    assert names(other) == [NAME]
    assert names(sagemaker) == []
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_tags(ResourceArn=arn)


@with_account_ids
def test_the_mock_shows_any_region_and_account(mock, sagemaker):
    """`.experiments` is the default region of the mock's account, `.experiments_in` any region of any account."""
    worlds = {
        "here": sagemaker,
        "elsewhere": client("us-west-2"),
        "theirs": client("us-west-2", aws_account_id=OTHER_ACCOUNT),
    }
    for name, of_world in worlds.items():
        of_world.create_inference_experiment(**create(name))

    assert list(mock.experiments) == list(mock.experiments_in("us-east-1")) == ["here"]
    assert list(mock.experiments_in("us-west-2")) == ["elsewhere"]
    assert list(mock.experiments_in("us-west-2", OTHER_ACCOUNT)) == ["theirs"]
    assert list(mock.experiments_in("us-east-1", OTHER_ACCOUNT)) == []


@with_account_ids
def test_calls_tell_where_they_were_made(mock, sagemaker):
    """`.calls` holds the region and the account of each call."""
    sagemaker.list_inference_experiments()
    client("us-west-2", aws_account_id=OTHER_ACCOUNT).list_inference_experiments()

    assert [(call.region, call.account_id) for call in mock.calls] == [
        ("us-east-1", ACCOUNT),
        ("us-west-2", OTHER_ACCOUNT),
    ]


def test_the_mock_acts_in_any_region(mock):
    """`advance_until` and `fail_experiment` take the region of the experiment they mean."""
    client("us-west-2").create_inference_experiment(**create())

    assert mock.advance_until(NAME, "Running", region_name="us-west-2") == mock.clock.now()
    mock.fail_experiment(NAME, "Broken", region_name="us-west-2")

    assert mock.experiments_in("us-west-2")[NAME]["StatusReason"] == "Broken"
    with pytest.raises(LookupError, match=NAME):
        mock.fail_experiment(NAME, "Broken")
