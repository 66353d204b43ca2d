"""Tags of the resources that one account holds in one region, by ARN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.errors import validation_exception
from mock_sagemaker_ie.protocol.validation import Violation, refuse, unique

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

Tag = dict[str, str]
Tags = dict[str, str]
TagStore = dict[str, Tags]

MOST_TAGS = 50


def broken_rules(params: dict[str, Any], _now: dt.datetime) -> Iterator[Violation]:
    """Keys are unique, and none begins with `aws:`, which AWS keeps for itself."""
    tags = params.get("Tags", ())
    for number, tag in enumerate(tags, start=1):
        if tag.get("Key", "").lower().startswith("aws:"):
            yield Violation(f"tags.{number}.member.key", tag["Key"], "Member must not begin with aws:")
    yield from unique(tags, "Key", "tags")


def add(present: Tags, tags: Iterable[Tag]) -> Tags:
    """The tags with `tags` added; one that is present takes the new value.

    Raises AWSError (ValidationException) when there would be more than 50.
    """
    merged = {**present, **{tag["Key"]: tag["Value"] for tag in tags}}
    if len(merged) > MOST_TAGS:
        refuse([Violation("tags", list(merged), f"Member must leave the resource with at most {MOST_TAGS} tags")])
    return merged


def remove(present: Tags, keys: Iterable[str]) -> Tags:
    """The tags without `keys`; a key that is not present is no error."""
    gone = set(keys)
    return {key: value for key, value in present.items() if key not in gone}


def listed(tags: Tags) -> list[Tag]:
    """The tags as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def no_resource(arn: str) -> Exception:
    """The error for an ARN that names nothing we hold."""
    return validation_exception(f'Could not find resource "{arn}".')
