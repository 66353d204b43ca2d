"""AddTags, ListTags and DeleteTags on experiments."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Status
from tests.operations.shared import bring_to, refused
from tests.requests import NAME, create

MAX_TAGS = 50  # The model's limit for one request; here it is the limit for one resource.


def tag(key, value="value"):
    return {"Key": key, "Value": value}


def numbered(count, prefix="key"):
    return [tag(f"{prefix}-{number}") for number in range(count)]


@pytest.fixture
def arn(mock, sagemaker):
    """Create an experiment with the tag `team` and return its ARN."""
    return sagemaker.create_inference_experiment(**create(Tags=[tag("team", "search")]))["InferenceExperimentArn"]


def listed(sagemaker, arn):
    return {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def test_tags_of_the_create_request_are_listed(sagemaker, arn):
    """ListTags returns the tags of the Create request as they were given."""
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [tag("team", "search")]


def test_an_experiment_without_tags_has_an_empty_list(mock, sagemaker):
    """ListTags returns an empty list for an experiment that was created without tags."""
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]

    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_are_added_and_overwritten(sagemaker, arn):
    """AddTags adds new keys, overwrites existing ones, and returns all tags."""
    answer = sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("stage", "test")])

    assert {tag["Key"]: tag["Value"] for tag in answer["Tags"]} == {"team": "ads", "stage": "test"}
    assert listed(sagemaker, arn) == {"team": "ads", "stage": "test"}


def test_tags_are_deleted_by_key(sagemaker, arn):
    """DeleteTags removes the given keys and no others, and ignores missing keys."""
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("stage", "test")])

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "missing-key"])

    assert listed(sagemaker, arn) == {"stage": "test"}


@pytest.mark.parametrize("status", list(Status))
def test_tags_may_change_in_every_status(slow_mock, sagemaker, status):
    """AddTags and DeleteTags work in every status, and change nothing else."""
    bring_to(slow_mock, status)
    before = slow_mock.experiments[NAME]

    sagemaker.add_tags(ResourceArn=before["Arn"], Tags=[tag("a"), tag("b")])
    sagemaker.delete_tags(ResourceArn=before["Arn"], TagKeys=["a"])

    assert listed(sagemaker, before["Arn"]) == {"b": "value"}
    assert slow_mock.experiments[NAME] == before


def test_each_experiment_has_its_own_tags(sagemaker, arn):
    """Deleting a tag of one experiment does not change the tags of another."""
    other = sagemaker.create_inference_experiment(**create("other", Tags=[tag("team", "ads")]))

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])

    assert listed(sagemaker, other["InferenceExperimentArn"]) == {"team": "ads"}


def test_an_experiment_has_at_most_50_tags(sagemaker, arn):
    """When a request exceeds 50 tags, none of its tags is added; overwriting a tag is still possible."""
    sagemaker.add_tags(ResourceArn=arn, Tags=numbered(MAX_TAGS - 1))
    full = listed(sagemaker, arn)

    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("one-too-many")])

    assert listed(sagemaker, arn) == full
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads")])
    assert listed(sagemaker, arn) == {**full, "team": "ads"}


@pytest.mark.parametrize(
    "tags",
    [[tag("a"), tag("a", "other")], [tag("aws:team")], [tag("AWS:team")]],
    ids=["duplicate key", "aws: prefix", "AWS: prefix"],
)
def test_invalid_keys_are_refused(mock, sagemaker, arn, tags):
    """Create and AddTags refuse a duplicate key, and a key that begins with `aws:` in any case."""
    with refused(mock, "ValidationException"):
        sagemaker.create_inference_experiment(**create("other", Tags=tags))
    with refused(mock, "ValidationException"):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    assert listed(sagemaker, arn) == {"team": "search"}


def test_a_key_may_contain_aws(sagemaker, arn):
    """A key is refused only if it begins with `aws:`."""
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("my-aws:team"), tag("awsome")])

    assert listed(sagemaker, arn).keys() == {"team", "my-aws:team", "awsome"}


@pytest.mark.parametrize(
    ("operation", "members"),
    [("add_tags", {"Tags": [tag("a")]}), ("list_tags", {}), ("delete_tags", {"TagKeys": ["a"]})],
    ids=["AddTags", "ListTags", "DeleteTags"],
)
@pytest.mark.parametrize(
    "elsewhere",
    [(NAME, "unknown-name"), ("us-east-1", "eu-west-1"), ("123456789012", "210987654321"), ("arn:aws", "arn")],
    ids=["name", "region", "account", "no ARN"],
)
def test_an_unknown_arn_is_refused(sagemaker, arn, operation, members, elsewhere):
    """Tag operations refuse an ARN with another name, region or account, and a text that is no ARN."""
    with pytest.raises(ClientError, match="ValidationException"):
        getattr(sagemaker, operation)(ResourceArn=arn.replace(*elsewhere), **members)

    assert listed(sagemaker, arn) == {"team": "search"}


def test_list_tags_returns_one_page(mock, sagemaker, arn):
    """ListTags returns 50 tags without a NextToken, and refuses a NextToken."""
    sagemaker.add_tags(ResourceArn=arn, Tags=numbered(MAX_TAGS - 1))

    answer = sagemaker.list_tags(ResourceArn=arn)

    assert len(answer["Tags"]) == MAX_TAGS
    assert "NextToken" not in answer
    with refused(mock, "ValidationException"):
        sagemaker.list_tags(ResourceArn=arn, NextToken="made-up")
