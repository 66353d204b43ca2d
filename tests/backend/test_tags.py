"""The tag functions: pure functions on the keys and values of one resource."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.protocol.errors import AWSError
from tests.conftest import START


def tag(key, value="value"):
    return {"Key": key, "Value": value}


def numbered(count):
    return [tag(f"key-{number}") for number in range(count)]


def violated_paths(*keys):
    """Return the paths that violate a rule in a request with these keys."""
    return [violation.path for violation in tags.broken_rules({"Tags": [tag(key) for key in keys]}, START)]


def test_add_overwrites_and_does_not_change_its_input():
    """A new key comes last, an existing key gets the new value, and the input does not change."""
    present = {"team": "search", "stage": "test"}

    added = tags.add(present, [tag("team", "ads"), tag("owner", "ann")])

    assert tags.listed(added) == [tag("team", "ads"), tag("stage", "test"), tag("owner", "ann")]
    assert present == {"team": "search", "stage": "test"}


def test_remove_keeps_other_keys_and_does_not_change_its_input():
    """Other keys stay, missing keys are ignored, and the input does not change."""
    present = {"team": "search", "stage": "test"}

    assert tags.remove(present, ["team", "missing-key"]) == {"stage": "test"}
    assert present == {"team": "search", "stage": "test"}


def test_a_resource_has_at_most_50_tags():
    """Overwriting 50 tags is allowed; a 51st tag is refused."""
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
def test_invalid_keys_are_reported(keys, paths):
    """Keys are case-sensitive; duplicates, and keys with the prefix `aws:` in any case, are reported by path."""
    assert violated_paths(*keys) == paths


def test_missing_keys_are_not_reported():
    """The rules report no tag without a key (its shape refuses it) and no request without tags."""
    assert list(tags.broken_rules({"Tags": [{"Value": "value"}]}, START)) == []
    assert list(tags.broken_rules({}, START)) == []
