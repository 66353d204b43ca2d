"""The tags of the resources in one account and region, by ARN."""

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

MAX_TAGS = 50


def broken_rules(params: dict[str, Any], _now: dt.datetime) -> Iterator[Violation]:
    """Yield the violations of two rules: keys are unique, and none begins with `aws:`.

    AWS reserves it; the error is inferred: rules_across_members.
    """
    tags = params.get("Tags", ())
    for number, tag in enumerate(tags, start=1):
        if tag.get("Key", "").lower().startswith("aws:"):
            yield Violation(f"tags.{number}.member.key", tag["Key"], "Member must not begin with aws:")
    yield from unique(tags, "Key", "tags")


def add(present: Tags, tags: Iterable[Tag]) -> Tags:
    """Return `present` with `tags` added; a key that is already present gets the new value.

    Raises AWSError (ValidationException) for more than 50 tags.
    """
    merged = {**present, **{tag["Key"]: tag["Value"] for tag in tags}}
    if len(merged) > MAX_TAGS:
        refuse([Violation("tags", list(merged), f"Member must leave the resource with at most {MAX_TAGS} tags")])
    return merged


def remove(present: Tags, keys: Iterable[str]) -> Tags:
    """Return `present` without `keys`; a key that is not present is ignored."""
    removed = set(keys)
    return {key: value for key, value in present.items() if key not in removed}


def listed(tags: Tags) -> list[Tag]:
    """Return the tags as a list of `{"Key": ..., "Value": ...}`, the form of AWS's requests and answers."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def no_resource(arn: str) -> Exception:
    """Return the error for the ARN of a resource that does not exist (ValidationException)."""
    return validation_exception(f'Could not find resource "{arn}".')
