"""The metrics of variants as CloudWatch would have them: namespace AWS/SageMaker, one datapoint per minute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from mock_sagemaker_ie.changes import UndoLog

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

NAMESPACE = "AWS/SageMaker"

Scope = tuple[str, str]  # An account and a region.


class Series(NamedTuple):
    """The dimensions of a metric. Every metric comes with and without EndpointConfigName (`endpoint_config`)."""

    endpoint: str
    variant: str
    endpoint_config: str | None = None

    @property
    def dimensions(self) -> list[dict[str, str]]:
        """The dimensions as CloudWatch takes them."""
        names = ("EndpointName", "VariantName", "EndpointConfigName")
        return [{"Name": name, "Value": value} for name, value in zip(names, self, strict=True) if value is not None]


class Invocation(NamedTuple):
    """One invocation of a variant, for the metrics.

    `endpoint_config`: the name of the endpoint configuration that has the variant. `at`: its instant (UTC). `status`:
    the HTTP status of the container, 0 when it did not answer. `latency`: the time that the model took. `instances`:
    the number of instances of the variant. `scope`: the account and the region of the endpoint. `first_chunk`: the time
    until the first chunk of a stream; None for other answers. `broken`: whether the stream has ended in the middle.
    """

    endpoint: str
    variant: str
    endpoint_config: str
    at: dt.datetime
    status: int
    latency: dt.timedelta
    instances: int
    scope: Scope = ("", "")
    first_chunk: dt.timedelta | None = None
    broken: bool = False

    def series(self) -> tuple[Series, Series]:
        """Return the two series to which the invocation adds: of the variant, and of it in its configuration."""
        whole = Series(self.endpoint, self.variant)
        return whole, whole._replace(endpoint_config=self.endpoint_config)

    def data(self) -> Iterator[tuple[str, float, str]]:
        """Yield the name, value and unit of each metric that the invocation adds to.

        Source: AWS, Monitor SageMaker with CloudWatch, endpoint invocation metrics.
        """
        yield "Invocations", 1, "None"
        yield "InvocationsPerInstance", 1 / max(self.instances, 1), "None"
        yield "Invocation4XXErrors", float(400 <= self.status < 500), "None"  # noqa: PLR2004
        yield "Invocation5XXErrors", float(self.status >= 500), "None"  # noqa: PLR2004
        yield "InvocationModelErrors", float(self.status != 200), "None"  # noqa: PLR2004
        yield "ModelLatency", self.latency.total_seconds() * 1_000_000, "Microseconds"
        yield "OverheadLatency", 0, "Microseconds"  # The mock has no overhead.
        if self.first_chunk is None:
            return
        # AWS documents these for bidirectional streams; for response streams they are inferred: stream_metrics.
        first_chunk = self.first_chunk.total_seconds() * 1_000_000
        yield "FirstChunkLatency", first_chunk, "Microseconds"
        yield "FirstChunkModelLatency", first_chunk, "Microseconds"
        yield "FirstChunkOverheadLatency", 0, "Microseconds"
        yield "MidStreamErrors", float(self.broken), "None"


@dataclass
class Datapoint:
    """One minute of one metric of one variant, as in the answer of CloudWatch's GetMetricStatistics.

    `timestamp`: the start of the minute (UTC). `unit`: CloudWatch's unit, for example Microseconds.
    `endpoint_config`: the dimension EndpointConfigName; None in the series that does not have it.
    """

    name: str
    endpoint: str
    variant: str
    timestamp: dt.datetime
    unit: str
    sample_count: int = 0
    sum: float = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    endpoint_config: str | None = None

    def __repr__(self) -> str:
        config = f" ({self.endpoint_config})" if self.endpoint_config else ""
        minute = f"{self.timestamp:%Y-%m-%d %H:%M}"
        data = f"sum {self.sum:g}, {self.sample_count} sample{'s'[: self.sample_count != 1]}"
        return f"<Datapoint {self.name} of {self.endpoint}/{self.variant}{config}, {minute}: {data}>"

    @property
    def average(self) -> float:
        """The arithmetic mean of the samples."""
        return self.sum / self.sample_count

    def plus(self, value: float) -> Datapoint:
        """Return a datapoint with one more sample."""
        added = object.__new__(Datapoint)  # dataclasses.replace takes five times as long.
        vars(added).update(vars(self))
        added.add(value)
        return added

    def add(self, value: float) -> None:
        """Add a sample to the count, the sum, the minimum and the maximum."""
        self.sample_count += 1
        self.sum += value
        self.minimum, self.maximum = min(self.minimum, value), max(self.maximum, value)


class Minutes:
    """The datapoints of each variant by minute. `keep`: the most minutes of variants to keep, the last ones.

    A datapoint is replaced, never changed.
    """

    def __init__(self, keep: int | None, undo: UndoLog | None = None) -> None:
        self._keep = keep
        self._undo = UndoLog() if undo is None else undo
        # In the order of the first samples: every metric of a series in a minute, by name.
        self._data: dict[tuple[Series, dt.datetime, Scope], dict[str, Datapoint]] = {}

    def minutes(self) -> list[dict[str, Datapoint]]:
        """Return the datapoints of each series and minute, by name of the metric, in the order of the first samples."""
        return list(self._data.values())

    def find(self, scope: Scope, series: Series, start: dt.datetime, name: str) -> Datapoint | None:
        """Return the datapoint of a metric of a series in the minute that begins at `start`, or None."""
        return self._data.get((series, start, scope), {}).get(name)

    def add(self, invocation: Invocation) -> None:
        """Count an invocation in its minute, and drop the oldest minutes that are too many."""
        start = invocation.at.replace(second=0, microsecond=0)
        both = invocation.series()
        for series in both:
            key = series, start, invocation.scope
            present = self._data.get(key, {})
            endpoint, variant, config = series
            minute = {}
            for name, value, unit in invocation.data():
                point = present.get(name) or Datapoint(name, endpoint, variant, start, unit, endpoint_config=config)
                minute[name] = point.plus(value)
            self._undo.update(self._data, {key: minute})
        if self._keep is not None and (surplus := len(self._data) - self._keep * len(both)) > 0:
            self._undo.assign(self, _data=dict(islice(self._data.items(), surplus, None)))

    def invocations(self) -> dict[tuple[str, str], int]:
        """Return the number of invocations of each variant, by the names of its endpoint and of itself."""
        counts: dict[tuple[str, str], int] = {}
        for (series, _, _), minute in self._data.items():
            if series.endpoint_config is None:
                name = series.endpoint, series.variant
                counts[name] = counts.get(name, 0) + minute["Invocations"].sample_count
        return counts

    def adopt(self, other: Minutes) -> None:
        """Start with the datapoints of another object."""
        self._data = dict(other._data)

    def clear(self) -> None:
        """Forget every datapoint."""
        self._undo.assign(self, _data={})


class Metrics(tuple["Datapoint", ...]):  # noqa: SLOT001 - it has an attribute
    """Datapoints of every metric by endpoint and variant. So their sum counts each invocation once."""

    by_config: tuple[Datapoint, ...]
    """The same data by endpoint, variant and endpoint configuration, as the alarms of deployment guardrails use it."""

    def __new__(cls, datapoints: Iterable[Datapoint]) -> Self:
        """Create both tuples from the datapoints of both series."""
        listed = list(datapoints)
        metrics = super().__new__(cls, (each for each in listed if each.endpoint_config is None))
        metrics.by_config = tuple(each for each in listed if each.endpoint_config is not None)
        return metrics
