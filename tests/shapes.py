"""Hypothesis strategies for the values of a botocore Shape."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from mock_sagemaker_ie.protocol.validation import compile_pattern
from mock_sagemaker_ie.protocol.wire import whole_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import Shape

    Values = st.SearchStrategy[Any]

MAX_ITEMS = 3  # In lists and maps, unless the shape's minimum is greater.
MAX_TEXT_LENGTH = 40
# Between these times a double stores a timestamp with millisecond precision.
FIRST, LAST = dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1)  # noqa: DTZ001 - strategies add the time zone


def values(shape: Shape | None, *, valid: bool = True, known: Mapping[str, Values] | None = None) -> Values:
    """Return a strategy for values of `shape` as botocore's clients take them and its parsers return them.

    `shape`: None gives an empty dict.
    `valid`: False allows values that have the right type and violate the constraints.
    `known`: strategies by shape name that replace the default ones, for example the names of existing resources.
    """
    return st.just({}) if shape is None else _StrategyBuilder(valid, known or {}).values(shape)


class _StrategyBuilder:
    def __init__(self, valid: bool, known: Mapping[str, Values]) -> None:
        self.valid = valid
        self.known = known

    def values(self, shape: Shape) -> Values:
        if shape.name in self.known:
            return self.known[shape.name]
        return getattr(self, shape.type_name)(shape)

    def limits(self, shape: Shape, lowest: int, highest: int) -> tuple[int, int]:
        """Return the minimum and maximum value or length of `shape`, within practical bounds."""
        traits = shape.metadata if self.valid else {}
        low = traits.get("min", lowest)
        return low, max(low, min(traits.get("max", highest), highest))

    def structure(self, shape: Shape) -> Values:
        members = {name: self.values(member) for name, member in shape.members.items()}
        required = {name: members.pop(name) for name in (shape.required_members if self.valid else ())}
        return st.fixed_dictionaries(required, optional=members)

    def list(self, shape: Shape) -> Values:
        low, high = self.limits(shape, 0, MAX_ITEMS)
        return st.lists(self.values(shape.member), min_size=low, max_size=high)

    def map(self, shape: Shape) -> Values:
        low, high = self.limits(shape, 0, MAX_ITEMS)
        return st.dictionaries(self.values(shape.key), self.values(shape.value), min_size=low, max_size=high)

    def string(self, shape: Shape) -> Values:
        if self.valid and shape.enum:
            return st.sampled_from(shape.enum)
        low, high = self.limits(shape, 0, MAX_TEXT_LENGTH)
        if self.valid and "pattern" in shape.metadata:
            matching = st.from_regex(compile_pattern(shape.metadata["pattern"]), fullmatch=True)
            return matching.filter(lambda text: low <= len(text) <= shape.metadata.get("max", len(text)))
        return st.text(min_size=low, max_size=high)

    def integer(self, shape: Shape, bits: int = 32) -> Values:
        low, high = self.limits(shape, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return st.integers(low, high)

    def long(self, shape: Shape) -> Values:
        return self.integer(shape, bits=64)

    def float(self, shape: Shape) -> Values:
        traits = shape.metadata if self.valid else {}
        return st.floats(traits.get("min"), traits.get("max"), allow_nan=False, allow_infinity=False)

    def double(self, shape: Shape) -> Values:
        return self.float(shape)

    def boolean(self, _shape: Shape) -> Values:
        return st.booleans()

    def blob(self, shape: Shape) -> Values:
        low, high = self.limits(shape, 0, MAX_TEXT_LENGTH)
        return st.binary(min_size=low, max_size=high)

    def timestamp(self, _shape: Shape) -> Values:
        ends = (FIRST, LAST) if self.valid else (dt.datetime.min, dt.datetime.max)  # noqa: DTZ901 - strategies add the time zone
        return st.datetimes(*ends, timezones=st.just(dt.timezone.utc)).map(whole_milliseconds)
