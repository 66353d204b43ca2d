"""AddTags, ListTags and DeleteTags on models, endpoint configurations and endpoints; Tags in Create requests."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.hosting import ENDPOINT_STATUSES, bring_to, endpoint, refused
from tests.requests import NAME, create

MAX_TAGS = 50


def tag(key, value="value"):
    return {"Key": key, "Value": value}


@pytest.fixture
def arn(kind, sagemaker):
    """Create a resource with the tag `team` and return its ARN."""
    return kind.create(sagemaker, "tagged", Tags=[tag("team", "search")])


def listed(sagemaker, arn):
    return {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def test_tags_of_the_create_request_are_listed(sagemaker, arn):
    """ListTags returns the tags of the Create request as they were given."""
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [tag("team", "search")]


def test_a_resource_without_tags_has_an_empty_list(kind, sagemaker):
    """ListTags returns an empty list for a resource that was created without tags."""
    arn = kind.create(sagemaker, "untagged")

    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_are_added_overwritten_and_deleted(sagemaker, arn):
    """AddTags adds new keys and overwrites existing ones; DeleteTags ignores missing keys."""
    answer = sagemaker.add_tags(ResourceArn=arn, Tags=[tag("team", "ads"), tag("stage", "test")])
    assert {tag["Key"]: tag["Value"] for tag in answer["Tags"]} == {"team": "ads", "stage": "test"}

    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "missing-key"])
    assert listed(sagemaker, arn) == {"stage": "test"}


def test_tags_do_not_change_describe(kind, sagemaker, arn):
    """Describe returns the same answer before and after AddTags, without Tags."""
    before = kind.describe(sagemaker, "tagged")

    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a")])

    assert kind.describe(sagemaker, "tagged") == before
    assert "Tags" not in before


def test_tags_are_deleted_with_their_resource(kind, sagemaker, arn):
    """A deleted resource has no tags, and a new resource with its name starts without tags."""
    kind.delete(sagemaker, "tagged")
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_tags(ResourceArn=arn)

    kind.create(sagemaker, "tagged")
    assert listed(sagemaker, arn) == {}


def test_a_refused_create_does_not_change_tags(kind, mock, sagemaker, arn):
    """A Create request with a name in use does not change the tags of the existing resource."""
    with refused(mock):
        kind.create(sagemaker, "tagged", Tags=[tag("team", "ads"), tag("stage", "test")])

    assert listed(sagemaker, arn) == {"team": "search"}


@pytest.mark.parametrize(
    "tags",
    [
        [tag("a"), tag("a", "other")],
        [tag("aws:team")],
        [tag(f"key-{number}") for number in range(MAX_TAGS + 1)],
    ],
    ids=["duplicate key", "aws: prefix", "51 tags"],
)
def test_invalid_tags_are_refused(kind, mock, sagemaker, arn, tags):
    """Create and AddTags refuse a duplicate key, a key that begins with `aws:`, and a 51st tag."""
    with refused(mock):
        kind.create(sagemaker, "another", Tags=tags)
    with refused(mock):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    assert listed(sagemaker, arn) == {"team": "search"}


@pytest.mark.parametrize(
    "elsewhere",
    [("tagged", "unknown-name"), ("us-east-1", "eu-west-1"), ("123456789012", "210987654321")],
    ids=["name", "region", "account"],
)
def test_an_unknown_arn_is_refused(sagemaker, arn, elsewhere):
    """Tag operations refuse an ARN with another name, region or account."""
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
def test_endpoint_tags_may_change_in_every_status(slow_hosting_mock, sagemaker, status):
    """AddTags and DeleteTags work in every status of the endpoint."""
    bring_to(slow_hosting_mock, status)
    arn = endpoint(sagemaker)["EndpointArn"]

    sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a"), tag("b")])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])

    assert listed(sagemaker, arn) == {"b": "value"}


def test_resources_that_an_experiment_creates_can_be_tagged(mock, sagemaker):
    """The endpoint and the configuration that an experiment creates have no tags at first, and accept new ones."""
    sagemaker.create_inference_experiment(**create(Tags=[tag("team", "search")]))
    made = endpoint(sagemaker, create()["EndpointName"])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=made["EndpointConfigName"])

    for arn in (made["EndpointArn"], config["EndpointConfigArn"]):
        assert listed(sagemaker, arn) == {}
        sagemaker.add_tags(ResourceArn=arn, Tags=[tag("a")])
        assert listed(sagemaker, arn) == {"a": "value"}

    assert listed(sagemaker, mock.experiments[NAME]["Arn"]) == {"team": "search"}
