"""Tries a new model in the shadow of the one in production, and promotes it when it does well.

Plain boto3: nothing in this file knows how it is tested.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

PRODUCTION, CANDIDATE = "production", "candidate"  # The names of the two variants.
POLL_SECONDS = 30
WATCH_SECONDS = 3600


@dataclass(frozen=True)
class ShadowTest:
    """What is tried, where and for how long."""

    name: str
    endpoint: str
    production_model: str
    candidate_model: str
    role_arn: str
    instance_type: str = "ml.m5.xlarge"
    sampling_percentage: int = 50
    watch_for: dt.timedelta = dt.timedelta(days=1)
    capture_to: str | None = None  # The S3 URI below which requests and answers, both in JSON, are captured.


class RolloutError(Exception):
    """The shadow test did not go as it should."""


def roll_out(sagemaker: BaseClient, test: ShadowTest, is_healthy: Callable[[str], bool]) -> bool:
    """Try the candidate, promote it if it stays healthy, clean up. Returns whether it was promoted.

    `is_healthy` judges a variant by its name, say by its latency in CloudWatch.
    """
    launch(sagemaker, test)
    wait_until(sagemaker, test.name, "Running")
    healthy = watch(test, is_healthy)
    if healthy:
        promote(sagemaker, test.name)
    else:
        cancel(sagemaker, test.name, "The candidate is not healthy")
    wait_until(sagemaker, test.name, "Completed" if healthy else "Cancelled")
    if serving(sagemaker, test.endpoint) != [CANDIDATE if healthy else PRODUCTION]:
        raise RolloutError(f"{test.endpoint} is not served as it should be")
    clean_up(sagemaker, test.name)
    return healthy


def launch(sagemaker: BaseClient, test: ShadowTest) -> str:
    """Start the shadow test and return its ARN."""
    models = {PRODUCTION: test.production_model, CANDIDATE: test.candidate_model}
    instances = {"InstanceType": test.instance_type, "InstanceCount": 1}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": instances}
    capture = {"Destination": test.capture_to, "ContentType": {"JsonContentTypes": ["application/json"]}}
    answer = sagemaker.create_inference_experiment(
        Name=test.name,
        Type="ShadowMode",
        RoleArn=test.role_arn,
        EndpointName=test.endpoint,
        ModelVariants=[
            {"VariantName": variant, "ModelName": model, "InfrastructureConfig": infrastructure}
            for variant, model in models.items()
        ],
        ShadowModeConfig={
            "SourceModelVariantName": PRODUCTION,
            "ShadowModelVariants": [
                {"ShadowModelVariantName": CANDIDATE, "SamplingPercentage": test.sampling_percentage}
            ],
        },
        **({"DataStorageConfig": capture} if test.capture_to else {}),
    )
    return answer["InferenceExperimentArn"]


def wait_until(sagemaker: BaseClient, name: str, status: str) -> None:
    """Poll until the experiment has `status`. Raises RolloutError when it has ended in another one."""
    while True:
        experiment = sagemaker.describe_inference_experiment(Name=name)
        if experiment["Status"] == status:
            return
        if "CompletionTime" in experiment:
            reason = experiment.get("StatusReason", "no reason given")
            raise RolloutError(f"{name} is {experiment['Status']}: {reason}")
        time.sleep(POLL_SECONDS)


def watch(test: ShadowTest, is_healthy: Callable[[str], bool]) -> bool:
    """Look at the candidate every hour: False as soon as it is not healthy, True if it holds out."""
    for _ in range(test.watch_for // dt.timedelta(seconds=WATCH_SECONDS)):
        if not is_healthy(CANDIDATE):
            return False
        time.sleep(WATCH_SECONDS)
    return True


def promote(sagemaker: BaseClient, name: str) -> None:
    """End the test; the candidate becomes production. Raises RolloutError when the test is over already."""
    try:
        sagemaker.stop_inference_experiment(
            Name=name,
            ModelVariantActions={PRODUCTION: "Remove", CANDIDATE: "Promote"},
            DesiredState="Completed",
        )
    except sagemaker.exceptions.ConflictException as error:
        raise RolloutError(f"{name} is over: too late to promote the candidate") from error


def cancel(sagemaker: BaseClient, name: str, reason: str) -> None:
    """End the test early; production stays as it was."""
    sagemaker.stop_inference_experiment(
        Name=name,
        ModelVariantActions={PRODUCTION: "Retain", CANDIDATE: "Remove"},
        DesiredState="Cancelled",
        Reason=reason,
    )


def serving(sagemaker: BaseClient, endpoint: str) -> list[str]:
    """The variants that answer an endpoint's requests, by name."""
    answer = sagemaker.describe_endpoint(EndpointName=endpoint)
    return [variant["VariantName"] for variant in answer["ProductionVariants"]]


def clean_up(sagemaker: BaseClient, name: str) -> None:
    """Delete the experiment's record, if it has not gone already. Its endpoint goes on serving."""
    with contextlib.suppress(sagemaker.exceptions.ResourceNotFound):
        sagemaker.delete_inference_experiment(Name=name)
