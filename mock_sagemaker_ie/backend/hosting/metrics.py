"""The metrics of variants as CloudWatch would have them: namespace AWS/SageMaker, one datapoint per minute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

NAMESPACE = "AWS/SageMaker"


class Invocation(NamedTuple):
    """One invocation of a variant, for the metrics.

    `at`: its instant (UTC). `status`: its HTTP status. `latency`: the time that the model took. `instances`: the
    number of instances of the variant.
    """

    endpoint: str
    variant: str
    at: dt.datetime
    status: int
    latency: dt.timedelta
    instances: int

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


@dataclass
class Datapoint:
    """One minute of one metric of one variant, as in the answer of CloudWatch's GetMetricStatistics.

    `timestamp`: the start of the minute (UTC). `unit`: CloudWatch's unit, for example Microseconds.
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

    @property
    def average(self) -> float:
        """The arithmetic mean of the samples."""
        return self.sum / self.sample_count

    def add(self, value: float) -> None:
        """Add a sample to the count, the sum, the minimum and the maximum."""
        self.sample_count += 1
        self.sum += value
        self.minimum, self.maximum = min(self.minimum, value), max(self.maximum, value)
