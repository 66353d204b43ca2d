"""AddTags, ListTags and DeleteTags on models, endpoint configurations and endpoints, and tags given at creation."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.hosting import ENDPOINT_STATUSES, bring_to, endpoint, refused
from tests.requests import NAME, create

MOST_TAGS = 50


def tag(key, value="value"):
    return {"Key": key, "Value": value}


@pytest.fixture
def arn(kind, sagemaker):
    """The ARN of a resource that has the tag `team`."""
    return kind.create(sagemaker, "tagged", Tags=[tag("team", "search")])


def listed(sagemaker, arn):
    return {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def test_a_resource_has_the_tags_it_was_created_with(sagemaker, arn):
    """Tags of the Create request are listed as they came."""
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [tag("team", "search")]


def test_a_resource_without_tags_has_none(kind, sagemaker):
    """ListTags of a resource that was given no tags is an empty list."""
    arn = kind.create(sagemaker, "untagged")

    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_are_added_overwritten_and_deleted(sagemaker, arn):
    """A new key joins, a present one takes the new value, a deleted one goes; one that is not there is no error."""
    answer = sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("stage", "test")])
    assert {tag["Key"]: tag["Value"] for tag in answer["Tags"]} == {"team": "ads", "stage": "test"}

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "never-there"])
    assert listed(sagemaker, arn) == {"stage": "test"}


def test_tags_change_nothing_else(kind, sagemaker, arn):
    """Describe says the same before and after; tags are no part of it."""
    before = kind.describe(sagemaker, "tagged")

    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a")])

    assert kind.describe(sagemaker, "tagged") == before
    assert "Tags" not in before


def test_tags_go_with_their_resource(kind, sagemaker, arn):
    """What is deleted has no tags any more, and another resource of its name begins without."""
    kind.delete(sagemaker, "tagged")
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_tags(ResourceArn=arn)

    kind.create(sagemaker, "tagged")
    assert listed(sagemaker, arn) == {}


def test_a_refused_creation_leaves_the_tags_alone(kind, mock, sagemaker, arn):
    """Who asks for a taken name does not tag the resource that has it."""
    with refused(mock):
        kind.create(sagemaker, "tagged", Tags=[tag("team", "ads"), tag("stage", "test")])

    assert listed(sagemaker, arn) == {"team": "search"}


@pytest.mark.parametrize(
    "tags",
    [
        [tag("a"), tag("a", "other")],
        [tag("aws:team")],
        [tag(f"key-{number}") for number in range(MOST_TAGS + 1)],
    ],
    ids=["twice", "aws:", "too many"],
)
def test_keys_are_unique_few_and_not_of_aws(kind, mock, sagemaker, arn, tags):
    """One key twice, a key of AWS's own and a 51st tag are refused at Create and at AddTags."""
    with refused(mock):
        kind.create(sagemaker, "another", Tags=tags)
    with refused(mock):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    assert listed(sagemaker, arn) == {"team": "search"}


@pytest.mark.parametrize(
    "elsewhere",
    [("tagged", "nobody-created-it"), ("us-east-1", "eu-west-1"), ("123456789012", "210987654321")],
    ids=["name", "region", "account"],
)
def test_an_arn_that_names_nothing_is_refused(sagemaker, arn, elsewhere):
    """Tags belong to a resource of this very name, region and account."""
    other = arn.replace(*elsewhere)

    for call, members in [
        (sagemaker.add_tags, {"Tags": [tag("a")]}),
        (sagemaker.list_tags, {}),
        (sagemaker.delete_tags, {"TagKeys": ["team"]}),
    ]:
        with pytest.raises(ClientError, match="ValidationException"):
            call(ResourceArn=other, **members)

    assert listed(sagemaker, arn) == {"team": "search"}


@pytest.mark.parametrize("status", ENDPOINT_STATUSES)
def test_an_endpoint_has_its_tags_in_every_status(hosting, sagemaker, status):
    """Whatever an endpoint does, its tags can be changed."""
    bring_to(hosting, status)
    arn = endpoint(sagemaker)["EndpointArn"]

    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a"), tag("b")])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])

    assert listed(sagemaker, arn) == {"b": "value"}


def test_what_an_experiment_makes_can_be_tagged(mock, sagemaker):
    """The endpoint that an experiment creates, and its configuration, begin without tags and take some."""
    sagemaker.create_inference_experiment(**create(Tags=[tag("team", "search")]))
    made = endpoint(sagemaker, create()["EndpointName"])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=made["EndpointConfigName"])

    for arn in (made["EndpointArn"], config["EndpointConfigArn"]):
        assert listed(sagemaker, arn) == {}
        sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a")])
        assert listed(sagemaker, arn) == {"a": "value"}

    assert listed(sagemaker, mock.experiments[NAME]["Arn"]) == {"team": "search"}
