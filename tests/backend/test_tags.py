"""Tags by themselves: pure functions on a resource's keys and values."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.protocol.errors import AWSError
from tests.conftest import START


def tag(key, value="value"):
    return {"Key": key, "Value": value}


def numbered(count):
    return [tag(f"key-{number}") for number in range(count)]


def broken(*keys):
    """The paths at which a request with these keys breaks a rule."""
    return [violation.path for violation in tags.broken_rules({"Tags": [tag(key) for key in keys]}, START)]


def test_adding_overwrites_and_leaves_the_origin_alone():
    """A new key comes last, a present one takes the new value; records that were handed out do not change."""
    present = {"team": "search", "stage": "test"}

    added = tags.add(present, [tag("team", "ads"), tag("owner", "ann")])

    assert tags.listed(added) == [tag("team", "ads"), tag("stage", "test"), tag("owner", "ann")]
    assert present == {"team": "search", "stage": "test"}


def test_removing_leaves_the_rest_and_the_origin_alone():
    """Keys that are not there are no error."""
    present = {"team": "search", "stage": "test"}

    assert tags.remove(present, ["team", "never-there"]) == {"stage": "test"}
    assert present == {"team": "search", "stage": "test"}


def test_fifty_are_the_most():
    """Overwriting adds none, so it is never too much."""
    full = tags.add({}, numbered(50))

    assert len(tags.add(full, numbered(50))) == 50
    with pytest.raises(AWSError) as refusal:
        tags.add(full, [tag("one-more")])
    assert refusal.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        ((), []),
        (("a", "A", "a:aws:"), []),
        (("a", "b", "a"), ["tags.3.member.key"]),
        (("aws:a", "AWS:b"), ["tags.1.member.key", "tags.2.member.key"]),
        (("aws:a", "aws:a"), ["tags.1.member.key", "tags.2.member.key", "tags.2.member.key"]),
    ],
)
def test_keys_are_unique_and_not_aws_s_own(keys, paths):
    """Keys that differ in case differ; `aws:` is AWS's in any case; every breach is named where it is."""
    assert broken(*keys) == paths


def test_a_missing_key_is_the_shape_s_to_refuse():
    """The rules say nothing of tags without a key, or of a request without tags."""
    assert list(tags.broken_rules({"Tags": [{"Value": "value"}]}, START)) == []
    assert list(tags.broken_rules({}, START)) == []
