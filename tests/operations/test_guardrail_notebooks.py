"""The flows of AWS's three notebooks on deployment guardrails, with moto's CloudWatch beside.

Source: amazon-sagemaker-examples, sagemaker-inference-deployment-guardrails: canary, linear, rolling. Each one deploys
an incompatible model, which is rolled back, and then a working one. Time is virtual, so the notebooks' sleeps stay.
"""

from __future__ import annotations

import datetime as dt
import time

import boto3
import pytest
from moto import mock_aws

from mock_sagemaker_ie import Durations, ModelResponse, mock_inference_experiment
from tests.conftest import START
from tests.guardrails import percent, size

REGION, ENDPOINT, VARIANT = "us-east-1", "DEMO-Deployment-Guardrails", "AllTraffic"
ROLE = "arn:aws:iam::123456789012:role/models"
BASELINE, INCOMPATIBLE, WORKING = "DEMO-EpConfig-1", "DEMO-EpConfig-2", "DEMO-EpConfig-3"
ERROR_ALARM, LATENCY_ALARM = f"TestAlarm-5XXErrors-{ENDPOINT}", f"TestAlarm-ModelLatency-{ENDPOINT}"

DURATIONS = Durations(endpoint_updating=dt.timedelta(minutes=1), endpoint_rolling_back=dt.timedelta(minutes=1))

CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "CANARY", "CanarySize": size(1), "WaitIntervalInSeconds": 300},
        "TerminationWaitInSeconds": 120,
        "MaximumExecutionTimeoutInSeconds": 1800,
    }
}
LINEAR = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "LINEAR", "LinearStepSize": percent(33), "WaitIntervalInSeconds": 180},
        "TerminationWaitInSeconds": 120,
        "MaximumExecutionTimeoutInSeconds": 1800,
    }
}
ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": percent(33),
        "WaitIntervalInSeconds": 180,
        "MaximumExecutionTimeoutInSeconds": 1800,
    }
}


class Notebook:
    """The functions of the notebooks."""

    def __init__(self):
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}
        self.sagemaker, self.runtime, self.cloudwatch = (
            boto3.client(service, **keys) for service in ("sagemaker", "sagemaker-runtime", "cloudwatch")
        )

    def deploy_baseline(self):
        """Create three models and configurations, and the endpoint with the first one."""
        for config in (BASELINE, INCOMPATIBLE, WORKING):
            model = f"model-of-{config}"
            container = {"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}
            self.sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, Containers=[container])
            variant = {
                "VariantName": VARIANT,
                "ModelName": model,
                "InstanceType": "ml.m5.xlarge",
                "InitialInstanceCount": 3,
            }
            self.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=BASELINE)

    def wait_for_endpoint_in_service(self):
        """Poll every 30 seconds, and return the endpoint."""
        while True:
            details = self.sagemaker.describe_endpoint(EndpointName=ENDPOINT)
            if details["EndpointStatus"] in ("InService", "Failed"):
                return details
            time.sleep(30)

    def invoke_endpoint(self, max_invocations):
        """Invoke the endpoint once a second; return an E for each error, else a point."""
        seen = ""
        for _ in range(max_invocations):
            try:
                self.runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="text/csv", Body="1,2")["Body"].read()
                seen += "."
            except self.runtime.exceptions.ModelError:
                seen += "E"
            time.sleep(1)
        return seen

    def create_auto_rollback_alarm(self, name, metric, threshold):
        """Create an alarm on the average of a metric of the variant."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            ActionsEnabled=False,
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Statistic="Average",
            Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": VARIANT}],
            Period=60,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )

    def invocations(self, config):
        """Return the number of invocations that CloudWatch has for a configuration."""
        names = {"EndpointName": ENDPOINT, "VariantName": VARIANT, "EndpointConfigName": config}
        statistics = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            StartTime="2026-01-01T00:00:00Z",
            EndTime="2026-01-02T00:00:00Z",
            Period=60,
            Statistics=["Sum"],
            Dimensions=[{"Name": name, "Value": value} for name, value in names.items()],
        )
        return sum(point["Sum"] for point in statistics["Datapoints"])


@pytest.fixture
def notebook():
    """Return a notebook whose endpoint serves the baseline, with moto's CloudWatch beside our mock."""
    with mock_aws():
        notebook = Notebook()
        with mock_inference_experiment(
            clock=START.isoformat(), durations=DURATIONS, virtual_sleep=True, cloudwatch=notebook.cloudwatch
        ) as mock:
            for config in (BASELINE, WORKING):
                mock.serve(f"model-of-{config}", lambda _: ModelResponse("0.5", latency=0.003))
            mock.serve(f"model-of-{INCOMPATIBLE}", lambda _: ModelResponse("cannot load", status=500, latency=0.05))
            notebook.deploy_baseline()
            notebook.wait_for_endpoint_in_service()
            assert notebook.invoke_endpoint(max_invocations=10) == "." * 10
            notebook.create_auto_rollback_alarm(ERROR_ALARM, "Invocation5XXErrors", 1)
            notebook.create_auto_rollback_alarm(LATENCY_ALARM, "ModelLatency", 10_000)
            time.sleep(60)
            yield notebook


@pytest.mark.parametrize("policy", [CANARY, LINEAR, ROLLING], ids=["canary", "linear", "rolling"])
def test_the_notebook_rolls_the_incompatible_model_back_and_deploys_the_working_one(notebook, policy):
    """The latency alarm trips at the end of the first minute with the new fleet's requests."""
    alarms = [{"AlarmName": ERROR_ALARM}, {"AlarmName": LATENCY_ALARM}]
    notebook.sagemaker.update_endpoint(
        EndpointName=ENDPOINT,
        EndpointConfigName=INCOMPATIBLE,
        DeploymentConfig={**policy, "AutoRollbackConfiguration": {"Alarms": alarms}},
    )
    seen = notebook.invoke_endpoint(max_invocations=180)
    rolled_back = notebook.wait_for_endpoint_in_service()

    assert rolled_back["EndpointConfigName"] == BASELINE
    assert LATENCY_ALARM in rolled_back["FailureReason"]
    assert seen.startswith("." * 60)  # The new fleet launches for a minute.
    assert "E" in seen
    assert seen.endswith("." * 50)  # Soon the old fleet answers everything again.
    assert notebook.invocations(INCOMPATIBLE) == seen.count("E")

    notebook.sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=WORKING, RetainDeploymentConfig=True)
    seen = notebook.invoke_endpoint(max_invocations=150)
    updated = notebook.wait_for_endpoint_in_service()

    assert seen == "." * 150
    assert updated["EndpointConfigName"] == WORKING
    assert "FailureReason" not in updated
    assert 0 < notebook.invocations(WORKING) < 150
