"""Each (account, region) scope has its own resources, in every partition."""

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
    reason="this version of botocore has no aws_account_id parameter",
)


@cache
def client(region="us-east-1", **options):
    """Return a boto3 client; all clients share one session, and so one copy of the service model."""
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
def test_an_arn_contains_the_partition_and_region_of_the_client(mock, region, partition):
    """An ARN contains the partition and region of the client; tags and pages work in every partition."""
    sagemaker = client(region)

    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    sagemaker.create_inference_experiment(**create("another"))

    assert arn == f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:inference-experiment/{NAME}"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    pages = sagemaker.get_paginator("list_inference_experiments").paginate(PaginationConfig={"PageSize": 1})
    assert [summary["Name"] for page in pages for summary in page["InferenceExperiments"]] == ["another", NAME]


def test_regions_are_isolated(mock):
    """The same names of experiment and endpoint in two regions belong to two experiments."""
    east, west = client("us-east-1"), client("us-west-2")
    east.create_inference_experiment(**create(Description="East"))
    west.create_inference_experiment(**create(Description="West"))

    east.stop_inference_experiment(**stop())
    east.delete_inference_experiment(Name=NAME)

    assert names(east) == []
    assert west.describe_inference_experiment(Name=NAME)["Description"] == "West"


def test_clients_of_one_region_share_experiments(mock, sagemaker):
    """An experiment that one client creates is visible to every other client of the region."""
    sagemaker.create_inference_experiment(**create())

    assert names(client()) == names(mock.client()) == [NAME]


def test_a_next_token_is_refused_in_another_region(mock):
    """A NextToken is valid only in the region that returned it."""
    for region in ("us-east-1", "us-west-2"):
        for name in ("one", "two"):
            client(region).create_inference_experiment(**create(name))
    token = client("us-east-1").list_inference_experiments(MaxResults=1)["NextToken"]

    with pytest.raises(ClientError, match="ValidationException"):
        client("us-west-2").list_inference_experiments(MaxResults=1, NextToken=token)


def test_account_id_is_the_account_of_clients_without_one(clock, sagemaker):
    """`account_id=` is the account of every client that has no account of its own."""
    with mock_inference_experiment(clock=clock, account_id=OTHER_ACCOUNT) as mock:
        arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]

        assert arn.split(":")[4] == OTHER_ACCOUNT
        assert mock.experiments[NAME]["Arn"] == arn


@with_account_ids
def test_a_client_with_an_account_id_uses_that_account(mock, sagemaker):
    """Two accounts in one region are isolated from each other."""
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
def test_experiments_in_shows_any_region_and_account(mock, sagemaker):
    """`.experiments` shows the default region of the mock's account, `.experiments_in` any region of any account."""
    clients = {
        "here": sagemaker,
        "elsewhere": client("us-west-2"),
        "theirs": client("us-west-2", aws_account_id=OTHER_ACCOUNT),
    }
    for name, scoped_client in clients.items():
        scoped_client.create_inference_experiment(**create(name))

    assert list(mock.experiments) == list(mock.experiments_in("us-east-1")) == ["here"]
    assert list(mock.experiments_in("us-west-2")) == ["elsewhere"]
    assert list(mock.experiments_in("us-west-2", OTHER_ACCOUNT)) == ["theirs"]
    assert list(mock.experiments_in("us-east-1", OTHER_ACCOUNT)) == []


@with_account_ids
def test_calls_record_region_and_account(mock, sagemaker):
    """Each entry of `.calls` has the region and the account of its call."""
    sagemaker.list_inference_experiments()
    client("us-west-2", aws_account_id=OTHER_ACCOUNT).list_inference_experiments()

    assert [(call.region, call.account_id) for call in mock.calls] == [
        ("us-east-1", ACCOUNT),
        ("us-west-2", OTHER_ACCOUNT),
    ]


def test_mock_methods_accept_a_region(mock):
    """`advance_until` and `fail_experiment` find the experiment in the region that they are given."""
    client("us-west-2").create_inference_experiment(**create())

    assert mock.advance_until(NAME, "Running", region_name="us-west-2") == mock.clock.now()
    mock.fail_experiment(NAME, "Broken", region_name="us-west-2")

    assert mock.experiments_in("us-west-2")[NAME]["StatusReason"] == "Broken"
    with pytest.raises(LookupError, match=NAME):
        mock.fail_experiment(NAME, "Broken")
