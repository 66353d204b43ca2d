"""What CloudWatch would know of the variants: metrics of AWS/SageMaker, summed up by the minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

NAMESPACE = "AWS/SageMaker"


class Invocation(NamedTuple):
    """What one invocation of a variant adds to the metrics. `latency`: how long the model took."""

    endpoint: str
    variant: str
    at: dt.datetime
    status: int
    latency: dt.timedelta
    instances: int

    def data(self) -> Iterator[tuple[str, float, str]]:
        """Each metric's name, value and unit (AWS: Monitor SageMaker with CloudWatch, endpoint invocation metrics)."""
        yield "Invocations", 1, "None"
        yield "InvocationsPerInstance", 1 / max(self.instances, 1), "None"
        yield "Invocation4XXErrors", float(400 <= self.status < 500), "None"  # noqa: PLR2004
        yield "Invocation5XXErrors", float(self.status >= 500), "None"  # noqa: PLR2004
        yield "InvocationModelErrors", float(self.status != 200), "None"  # noqa: PLR2004
        yield "ModelLatency", self.latency.total_seconds() * 1_000_000, "Microseconds"
        yield "OverheadLatency", 0, "Microseconds"  # The mock adds none.


@dataclass
class Datapoint:
    """A minute of one metric of one variant, as CloudWatch's GetMetricStatistics sums it up."""

    name: str
    endpoint: str
    variant: str
    timestamp: dt.datetime
    unit: str
    sample_count: int = 0
    sum: float = 0
    minimum: float = field(default=float("inf"))
    maximum: float = field(default=float("-inf"))

    @property
    def average(self) -> float:
        """The mean of the samples."""
        return self.sum / self.sample_count

    def add(self, value: float) -> None:
        """Count a sample in."""
        self.sample_count += 1
        self.sum += value
        self.minimum, self.maximum = min(self.minimum, value), max(self.maximum, value)
