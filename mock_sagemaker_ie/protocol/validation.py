"""Validation of requests against botocore's service model, with the messages of AWS.

A botocore client checks only types, required members and minimums. The service checks lengths, patterns, enums and
maximums too. The wording was observed in real SageMaker responses (docs: Fidelity).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.protocol.cache import per_shape
from mock_sagemaker_ie.protocol.errors import AWSError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.model import Shape


class Violation(NamedTuple):
    """One broken constraint: the path to the value, the value, and the constraint in AWS's words.

    `sensitive`: whether the service model marks the value as sensitive, so that the message leaves it out.
    """

    path: str
    value: object
    constraint: str
    sensitive: bool = False

    def __str__(self) -> str:
        value = "" if self.sensitive else " null" if self.value is None else f" '{_render(self.value)}'"
        return f"Value{value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


# A rule beyond the shape of a request: from its members and the present instant to the violations.
Rule = Callable[[dict[str, Any], dt.datetime], "Iterator[Violation]"]


def refuse(violations: Iterable[Violation], code: str | None = None) -> None:
    """Raise one AWSError that lists all `violations`, if there are any. `code`: by default ValidationException."""
    if texts := [str(violation) for violation in violations]:
        errors = "error" if len(texts) == 1 else "errors"
        raise AWSError(code or "ValidationException", f"{len(texts)} validation {errors} detected: {'; '.join(texts)}")


def violations(shape: Shape, value: Any, path: str = "") -> Iterator[Violation]:
    """Yield every constraint of `shape` that `value` breaks: parents before members, length before pattern."""
    for constraint in broken_constraints(shape, value):
        yield Violation(path, value, constraint, bool(shape.metadata.get("sensitive")))
    kind = shape.type_name
    if kind == "structure":
        yield from _structure_violations(shape, value, path)
    elif kind == "list":
        if shape.member.type_name in CONTAINERS:
            for number, item in enumerate(value, start=1):
                yield from violations(shape.member, item, f"{path}.{number}.member")
        elif _any_broken(shape.member, value):
            yield Violation(path, value, f"Member must satisfy constraint: [{_all_constraints(shape.member)}]")
    elif kind == "map":
        yield from _map_violations(shape, value, path)


def _structure_violations(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[Violation]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if name not in value:
            yield Violation(prefix + lower_camel(name), None, "Member must not be null")
    for name, member in shape.members.items():
        if name in value and (member.type_name in CONTAINERS or broken_constraints(member, value[name])):
            yield from violations(member, value[name], prefix + lower_camel(name))


def _map_violations(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for part, items in (("keys", value.keys()), ("value", value.values())):
        part_shape = shape.key if part == "keys" else shape.value
        if _any_broken(part_shape, items):
            yield Violation(path, value, f"Map {part} must satisfy constraint: [{_all_constraints(part_shape)}]")
    for key, item in value.items():
        if shape.value.type_name in CONTAINERS:
            yield from violations(shape.value, item, f"{path}.{key}.member")


CONTAINERS = ("structure", "list", "map")


def _any_broken(shape: Shape, items: Iterable[Any]) -> bool:
    return any(broken_constraints(shape, item) for item in items)


def _all_constraints(shape: Shape) -> str:
    """Return all constraints of `shape`, broken or not: AWS lists them all for a scalar item of a list or a map."""
    return ", ".join(constraint for constraint, _ in _constraints(shape))


def broken_constraints(shape: Shape, value: Any) -> list[str]:
    """Return the constraints of `shape` itself, not of its members, that `value` breaks, in AWS's words."""
    return [constraint for constraint, is_satisfied in _constraints(shape) if not is_satisfied(value)]


# By shape: the maximums in AWS's documentation that differ from its service model.
_DOCUMENTED_MAXIMUMS = {
    "BodyBlob": 26_214_400,  # SageMaker endpoints and quotas: payload of a real-time invocation, 25 MB
}


@per_shape
def _constraints(shape: Shape) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
    """Return the constraints of `shape` itself: each in AWS's words, with a function that checks a value."""
    traits, found = shape.metadata, []
    numeric = shape.type_name in ("integer", "long", "float", "double")
    noun, measure = ("value", _identity) if numeric else ("length", len)
    low, high = traits.get("min"), _DOCUMENTED_MAXIMUMS.get(shape.name, traits.get("max"))
    if high is not None:
        found.append((f"Member must have {noun} less than or equal to {high}", lambda v: measure(v) <= high))
    if low is not None:
        found.append((f"Member must have {noun} greater than or equal to {low}", lambda v: measure(v) >= low))
    if (pattern := traits.get("pattern")) is not None:
        matches, shown = compile_pattern(pattern).fullmatch, _without_anchors(pattern)
        found.append((f"Member must satisfy regular expression pattern: {shown}", lambda v: matches(v) is not None))
    if (allowed := traits.get("enum")) is not None:
        is_allowed = _is_listed_or_newer_instance_type if any(map(INSTANCE_TYPE.fullmatch, allowed)) else _is_listed
        found.append((f"Member must satisfy enum value set: [{', '.join(allowed)}]", partial(is_allowed, allowed)))
    return tuple(found)


# The form of an instance type (AWS: Amazon EC2 instance type naming conventions): series, generation, processor and
# capabilities, size. A service model lists the types of its time only, and clients have models of any age.
INSTANCE_TYPE = re.compile(
    r"ml\.(?:a|c|d|dl|f|g|gr|h|hpc|i|im|inf|is|m|p|r|t|trn|u|vt|x|z)[1-9][abdeginqsz]*(?:-[a-z0-9]+)?"
    r"\.(?:nano|micro|small|medium|large|(?:[2-4689]|[1-9][0-9]?[02468])?xlarge|metal)"
)


def _is_listed(allowed: Sequence[str], value: str) -> bool:
    return value in allowed


def _is_listed_or_newer_instance_type(allowed: Sequence[str], value: str) -> bool:
    return value in allowed or INSTANCE_TYPE.fullmatch(value) is not None


def _without_anchors(pattern: str) -> str:
    """Return a pattern as the service writes it in messages; models of older clients have anchors around it."""
    pattern = pattern.removeprefix("^")
    # A dollar sign after an odd number of backslashes is a character, not an anchor.
    return pattern[:-1] if re.search(r"(?<!\\)(?:\\\\)*\$$", pattern) else pattern


def _identity(value: Any) -> Any:
    return value


# AWS writes its patterns for Java, where `\d` and `\w` are ASCII. Python's `re` has no Unicode categories. Here a
# Unicode `\w` replaces letters and numbers (SageMaker's tags allow the underscore too), and \p{Z} is spelled out.
_UNICODE_CATEGORIES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{ASCII}": r"[\x00-\x7f]",  # Never in a character class; the others always are.
    r"\p{Print}": r"\x20-\x7e",
    r"\z": r"\Z",
}


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the service model, which is written for Java, for Python."""
    flags = re.UNICODE if r"\p{" in pattern else re.ASCII
    for category, python in _UNICODE_CATEGORIES.items():
        pattern = pattern.replace(category, python)
    return re.compile(pattern, flags)


def unique(items: Iterable[Mapping[str, Any]], member: str, path: str) -> Iterator[Violation]:
    """Yield a violation for each item of the list at `path` that repeats the `member` of an earlier item.

    Items without the member are ignored.
    """
    seen: set[str] = set()
    for number, item in enumerate(items, start=1):
        value = item.get(member)
        if value in seen:
            yield Violation(f"{path}.{number}.member.{lower_camel(member)}", value, "Member must be unique")
        elif value is not None:
            seen.add(value)


def lower_camel(name: str) -> str:
    """Return a member's name as AWS writes it in messages: `modelVariants` for `ModelVariants`."""
    return name[:1].lower() + name[1:]


def _render(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_render(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_render(item) for item in value) + "]"
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
