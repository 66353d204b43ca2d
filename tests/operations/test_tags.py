"""AddTags, ListTags and DeleteTags on the ARNs of experiments."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Status
from tests.operations.shared import bring_to, refused
from tests.requests import NAME, create

MOST_TAGS = 50  # As the model says of one request; here it is what a resource may have.


def tag(key, value="value"):
    return {"Key": key, "Value": value}


def numbered(count, prefix="key"):
    return [tag(f"{prefix}-{number}") for number in range(count)]


@pytest.fixture
def arn(mock, sagemaker):
    """The ARN of an experiment that has the tag `team`."""
    return sagemaker.create_inference_experiment(**create(Tags=[tag("team", "search")]))["InferenceExperimentArn"]


def listed(sagemaker, arn):
    return {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def test_an_experiment_has_the_tags_it_was_created_with(sagemaker, arn):
    """Tags of the Create request are listed as they came."""
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [tag("team", "search")]


def test_an_experiment_without_tags_has_none(mock, sagemaker):
    """ListTags of an experiment that was given no tags is an empty list."""
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]

    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_are_added_and_overwritten(sagemaker, arn):
    """A new key joins, a present one takes the new value; the answer lists all there are."""
    answer = sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("stage", "test")])

    assert {tag["Key"]: tag["Value"] for tag in answer["Tags"]} == {"team": "ads", "stage": "test"}
    assert listed(sagemaker, arn) == {"team": "ads", "stage": "test"}


def test_tags_are_deleted_by_key(sagemaker, arn):
    """The keys named go, the others stay; a key that is not there is no error."""
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("stage", "test")])

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "never-there"])

    assert listed(sagemaker, arn) == {"stage": "test"}


@pytest.mark.parametrize("status", list(Status))
def test_tags_work_in_every_status(slow_mock, sagemaker, status):
    """Whatever an experiment does, its tags can be changed, and changing them changes nothing else."""
    bring_to(slow_mock, status)
    before = slow_mock.experiments[NAME]

    sagemaker.add_tags(ResourceArn=before["Arn"], Tags=[tag("a"), tag("b")])
    sagemaker.delete_tags(ResourceArn=before["Arn"], TagKeys=["a"])

    assert listed(sagemaker, before["Arn"]) == {"b": "value"}
    assert slow_mock.experiments[NAME] == before


def test_experiments_have_tags_of_their_own(sagemaker, arn):
    """What one experiment's tags do concerns no other."""
    other = sagemaker.create_inference_experiment(**create("other", Tags=[tag("team", "ads")]))

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])

    assert listed(sagemaker, other["InferenceExperimentArn"]) == {"team": "ads"}


def test_fifty_tags_are_the_most(sagemaker, arn):
    """Tags that would be too many are all refused; one that overwrites is no more."""
    sagemaker.add_tags(ResourceArn=arn, Tags=numbered(MOST_TAGS - 1))
    full = listed(sagemaker, arn)

    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("one-too-many")])

    assert listed(sagemaker, arn) == full
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads")])
    assert listed(sagemaker, arn) == {**full, "team": "ads"}


@pytest.mark.parametrize(
    "tags",
    [[tag("a"), tag("a", "other")], [tag("aws:team")], [tag("AWS:team")]],
    ids=["twice", "aws:", "AWS:"],
)
def test_keys_are_unique_and_not_of_aws(mock, sagemaker, arn, tags):
    """One key twice, and a key beginning with aws:, are refused at Create and at AddTags."""
    with refused(mock, "ValidationException"):
        sagemaker.create_inference_experiment(**create("other", Tags=tags))
    with refused(mock, "ValidationException"):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    assert listed(sagemaker, arn) == {"team": "search"}


def test_a_key_may_contain_aws(sagemaker, arn):
    """Only the beginning of a key is AWS's own."""
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("my-aws:team"), tag("awsome")])

    assert listed(sagemaker, arn).keys() == {"team", "my-aws:team", "awsome"}


@pytest.mark.parametrize(
    ("operation", "members"),
    [("add_tags", {"Tags": [tag("a")]}), ("list_tags", {}), ("delete_tags", {"TagKeys": ["a"]})],
    ids=["AddTags", "ListTags", "DeleteTags"],
)
@pytest.mark.parametrize(
    "elsewhere",
    [(NAME, "nobody-created-it"), ("us-east-1", "eu-west-1"), ("123456789012", "210987654321"), ("arn:aws", "arn")],
    ids=["name", "region", "account", "no ARN"],
)
def test_an_arn_that_names_nothing_is_refused(sagemaker, arn, operation, members, elsewhere):
    """Tags belong to an experiment of this very name, region and account."""
    with pytest.raises(ClientError, match="ValidationException"):
        getattr(sagemaker, operation)(ResourceArn=arn.replace(*elsewhere), **members)

    assert listed(sagemaker, arn) == {"team": "search"}


def test_tags_fit_one_page(mock, sagemaker, arn):
    """ListTags gives no NextToken, so it accepts none."""
    sagemaker.add_tags(ResourceArn=arn, Tags=numbered(MOST_TAGS - 1))

    answer = sagemaker.list_tags(ResourceArn=arn)

    assert len(answer["Tags"]) == MOST_TAGS
    assert "NextToken" not in answer
    with refused(mock, "ValidationException"):
        sagemaker.list_tags(ResourceArn=arn, NextToken="made-up")
