"""Reading of the alarms that deployments watch, with the CloudWatch client that the user passes.

The client is called before the service answers, so that no change of the state waits for it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.hosting.alarms import is_evaluated
from mock_sagemaker_ie.backend.hosting.guardrails import alarm_names
from mock_sagemaker_ie.backend.hosting.metrics import NAMESPACE
from mock_sagemaker_ie.protocol.errors import AWSError, error_text
from mock_sagemaker_ie.protocol.wire import read_request
from mock_sagemaker_ie.service.delivery import DeliveryWarning

if TYPE_CHECKING:
    from collections.abc import Collection

    from botocore.model import OperationModel

    from mock_sagemaker_ie.protocol.wire import WireRequest

Values = dict[str, Any]

MAX_NAMES = 100  # AWS: DescribeAlarms, AlarmNames


class AlarmReader:
    """Reads alarms. `client`: a boto3 CloudWatch client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, names: Collection[str]) -> dict[str, Values | None]:
        """Return what DescribeAlarms says of each of these alarms: None for one that does not exist.

        When CloudWatch does not answer, warns with DeliveryWarning, and returns nothing.
        """
        listed, found = sorted(names), dict.fromkeys(names, None)
        described: dict[str, Values | None] = {**found}
        try:
            for start in range(0, len(listed), MAX_NAMES):
                answer = self._client.describe_alarms(
                    AlarmNames=listed[start : start + MAX_NAMES],
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=MAX_NAMES,
                )
                for member in ("MetricAlarms", "CompositeAlarms"):
                    described |= {alarm["AlarmName"]: alarm for alarm in answer.get(member, ())}
        except Exception as error:  # noqa: BLE001 - no error of the user's client may fail the call
            problem = f"alarms {', '.join(listed)} could not be read from CloudWatch: {error_text(error)}"
            warnings.warn(problem, DeliveryWarning, stacklevel=2)
            return {}
        return described

    def read_of(self, model: OperationModel, request: WireRequest) -> dict[str, Values | None]:
        """Return what DescribeAlarms says of the alarms that a request names in its DeploymentConfig.

        Warns with DeliveryWarning of an alarm on SageMaker's metrics whose definition the mock cannot evaluate.
        """
        if model.name not in ("CreateEndpoint", "UpdateEndpoint"):
            return {}
        try:
            names = alarm_names(read_request(model, request).get("DeploymentConfig", {}))
        except AWSError:
            return {}
        described = self.read(set(names)) if names else {}
        for name, alarm in described.items():
            if alarm is not None and _concerns_sagemaker(alarm) and not is_evaluated(alarm):
                problem = (
                    f"alarm {name} is not evaluated: the mock evaluates alarms with a Statistic and a Threshold on one "
                    "metric; set its state with mock.alarm() or in CloudWatch"
                )
                warnings.warn(problem, DeliveryWarning, stacklevel=2)
        return described


def _concerns_sagemaker(alarm: Values) -> bool:
    """Return whether an alarm is on a metric of SageMaker, or on several metrics of which one is."""
    metrics = [each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", ())]
    return any(each.get("Namespace") == NAMESPACE for each in (alarm, *metrics))
