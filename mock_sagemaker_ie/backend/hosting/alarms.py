"""The CloudWatch alarms of one account in one region that deployments watch, and their states.

An alarm is set by hand, or CloudWatch describes it. An alarm on the metrics of AWS/SageMaker is evaluated by its own
definition on the metrics of the mock. Source: AWS, Using Amazon CloudWatch alarms.
"""

from __future__ import annotations

import datetime as dt
import operator
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.metrics import NAMESPACE, Minutes, Series
from mock_sagemaker_ie.protocol.errors import validation_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.changes import UndoLog

Values = dict[str, Any]

ALARM = "ALARM"
STATES = (ALARM, "OK", "INSUFFICIENT_DATA")
MINUTE = dt.timedelta(minutes=1)

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_STATISTICS: dict[str, Callable[[list[Datapoint]], float]] = {
    "SampleCount": lambda points: sum(each.sample_count for each in points),
    "Sum": lambda points: sum(each.sum for each in points),
    "Average": lambda points: sum(each.sum for each in points) / sum(each.sample_count for each in points),
    "Minimum": lambda points: min(each.minimum for each in points),
    "Maximum": lambda points: max(each.maximum for each in points),
}
_DIMENSIONS = {"EndpointName": "endpoint", "VariantName": "variant", "EndpointConfigName": "endpoint_config"}


class Alarms:
    """The states of alarms. `metrics`: those of the mock, on which alarms are evaluated.

    `arn_prefix`: of the account and the region.
    """

    def __init__(self, arn_prefix: str, metrics: Minutes, undo: UndoLog) -> None:
        _, _, _, region, account = arn_prefix.split(":")
        self._arn_prefix, self._scope = arn_prefix, (account, region)
        self._metrics = metrics
        self._undo = undo
        self._by_hand: dict[str, str] = {}
        self._described: dict[str, Values | None] = {}
        self._watched: dict[str, list[str]] = {}  # By endpoint: the alarms of its deployment.
        self.met: frozenset[str] = frozenset()  # The alarms that a deployment has watched.

    def copy(self, metrics: Minutes, undo: UndoLog) -> Alarms:
        """Return an independent copy, whose alarms are evaluated on other metrics."""
        duplicate = Alarms(self._arn_prefix, metrics, undo)
        duplicate._by_hand, duplicate._described = dict(self._by_hand), dict(self._described)
        duplicate._watched, duplicate.met = dict(self._watched), self.met
        return duplicate

    def watch(self, endpoint: str, alarms: list[str]) -> None:
        """Note the alarms that the deployment of an endpoint watches; none when there is no deployment."""
        if alarms:
            self._undo.update(self._watched, {endpoint: alarms})
            self._undo.assign(self, met=self.met.union(alarms))
        elif endpoint in self._watched:
            self._undo.remove(self._watched, endpoint)

    def watchers(self, alarm: str) -> list[str]:
        """Return the endpoints whose deployments watch an alarm."""
        return [endpoint for endpoint, alarms in self._watched.items() if alarm in alarms]

    @property
    def watched(self) -> set[str]:
        """The alarms that deployments watch."""
        return {alarm for alarms in self._watched.values() for alarm in alarms}

    @property
    def by_hand(self) -> dict[str, str]:
        """The states that were set by hand, by name."""
        return dict(self._by_hand)

    def set_by_hand(self, name: str, state: str) -> None:
        """Set the state of an alarm, from now on. What CloudWatch says of the alarm does not count any more."""
        self._undo.update(self._by_hand, {name: state})

    def is_new(self, name: str, alarm: Values | None) -> bool:
        """Return whether DescribeAlarms did not say this of an alarm before."""
        return name not in self._described or self._described[name] != alarm

    def describe(self, name: str, alarm: Values | None) -> None:
        """Note what DescribeAlarms says of an alarm, None when it does not exist."""
        self._undo.update(self._described, {name: alarm})

    def require(self, names: Iterable[str]) -> None:
        """Raise AWSError (ValidationException; inferred: unknown_alarms) for an alarm that CloudWatch does not have."""
        for name in names:
            if name not in self._by_hand and self._described.get(name, {}) is None:
                raise validation_exception(f'Could not find alarm "{name}".')

    def first_in_alarm(self, names: Iterable[str], at: dt.datetime) -> str | None:
        """Return the first of these alarms that is in state ALARM at the instant `at`, or None."""
        return next((name for name in names if self._state(name, at) == ALARM), None)

    def _state(self, name: str, at: dt.datetime) -> str:
        if name in self._by_hand:
            return self._by_hand[name]
        alarm = self._described.get(name) or {}
        return ALARM if self._breaches(alarm, at) else str(alarm.get("StateValue", "OK"))

    def _breaches(self, alarm: Values, at: dt.datetime) -> bool:
        """Return whether an alarm is in state ALARM at the instant `at`, by its definition and the complete minutes."""
        if not is_evaluated(alarm):
            return False
        compare, threshold = _COMPARISONS[alarm["ComparisonOperator"]], alarm["Threshold"]
        missing: bool = alarm.get("TreatMissingData") == "breaching"
        values = self._values(alarm, at)
        breaching: int = sum(missing if value is None else compare(value, threshold) for value in values)
        needed: int = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
        return breaching >= needed

    def _values(self, alarm: Values, at: dt.datetime) -> Iterator[float | None]:
        """Yield the value of each evaluation period, the last one first; None for a period without data.

        SageMaker's metrics come by minute, so a shorter period counts as a minute.
        """
        dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", ())}
        known = dimensions.keys() <= _DIMENSIONS.keys() and {"EndpointName", "VariantName"} <= dimensions.keys()
        series = Series(**{_DIMENSIONS[name]: value for name, value in dimensions.items()}) if known else None
        name, minutes = alarm["MetricName"], max(alarm["Period"] // 60, 1)
        ends = at.replace(second=0, microsecond=0)
        for _ in range(alarm["EvaluationPeriods"]):
            starts = [ends - number * MINUTE for number in range(1, minutes + 1)]
            found = [series and self._metrics.find(self._scope, series, start, name) for start in starts]
            points = [point for point in found if point is not None]
            yield _STATISTICS[alarm["Statistic"]](points) if points else None
            ends -= minutes * MINUTE


def next_look(at: dt.datetime) -> dt.datetime:
    """Return the instant after `at` at which alarms may change: when the metrics of another minute are complete."""
    return at.replace(second=0, microsecond=0) + MINUTE


def is_evaluated(alarm: Values) -> bool:
    """Return whether the mock evaluates an alarm by its definition: by a threshold on one metric of AWS/SageMaker."""
    return (
        alarm.get("Namespace") == NAMESPACE
        and alarm.get("Statistic") in _STATISTICS
        and alarm.get("ComparisonOperator") in _COMPARISONS
        and "Threshold" in alarm
    )
