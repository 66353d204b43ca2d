"""Try a new model in a shadow test, and promote it if it stays healthy.

This is plain boto3 code: it contains nothing for its tests.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

PRODUCTION, CANDIDATE = "production", "candidate"  # The names of the variants.
POLL_SECONDS = 30
WATCH_SECONDS = 3600
# Errors of the service itself, not of a request: a later attempt may succeed.
TRANSIENT = {"ThrottlingException", "InternalFailure", "ServiceUnavailable", "ResourceLimitExceeded"}
MAX_ATTEMPTS = 60


@dataclass(frozen=True)
class ShadowTest:
    """The settings of a shadow test."""

    name: str
    endpoint: str
    production_model: str
    candidate_model: str
    role_arn: str
    instance_type: str = "ml.m5.xlarge"
    sampling_percentage: int = 50
    watch_for: dt.timedelta = dt.timedelta(days=1)
    capture_to: str | None = None  # S3 URI for captured JSON requests and answers.


class RolloutError(Exception):
    """The shadow test ended in an unexpected way."""


def roll_out(sagemaker: BaseClient, test: ShadowTest, is_healthy: Callable[[str], bool]) -> bool:
    """Try the candidate, promote it if it stays healthy, and clean up. Return whether it was promoted.

    `is_healthy` gets the name of a variant and checks it, for example by its latency in CloudWatch. Raise RolloutError
    if the test ends in another way. Whatever happens, the shadow test has ended and is deleted.
    """
    try:
        launch(sagemaker, test)
    except sagemaker.exceptions.ResourceInUse as error:
        # The answer to an earlier attempt may have been lost: then the experiment is ours.
        if look(sagemaker, test.name)["EndpointMetadata"]["EndpointName"] != test.endpoint:
            raise RolloutError(f"{test.name} is the name of another experiment") from error
    try:
        wait_until(sagemaker, test.name, "Running")
        healthy = watch(test, is_healthy)
        if healthy:
            promote(sagemaker, test.name)
        else:
            cancel(sagemaker, test.name, "The candidate is not healthy")
        wait_until(sagemaker, test.name, "Completed" if healthy else "Cancelled")
        if serving(sagemaker, test.endpoint) != [CANDIDATE if healthy else PRODUCTION]:
            raise RolloutError(f"{test.endpoint} does not serve the expected variant")
        return healthy
    finally:
        abandon(sagemaker, test.name)


def launch(sagemaker: BaseClient, test: ShadowTest) -> str:
    """Start the shadow test and return its ARN."""
    models = {PRODUCTION: test.production_model, CANDIDATE: test.candidate_model}
    instances = {"InstanceType": test.instance_type, "InstanceCount": 1}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": instances}
    capture = {"Destination": test.capture_to, "ContentType": {"JsonContentTypes": ["application/json"]}}
    answer = patiently(
        sagemaker.create_inference_experiment,
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
    """Poll until the experiment has `status`. Raise RolloutError if it ends with another status."""
    while True:
        experiment = look(sagemaker, name)
        if experiment["Status"] == status:
            return
        if "CompletionTime" in experiment:
            reason = experiment.get("StatusReason", "no reason given")
            raise RolloutError(f"{name} is {experiment['Status']}: {reason}")
        time.sleep(POLL_SECONDS)


def watch(test: ShadowTest, is_healthy: Callable[[str], bool]) -> bool:
    """Check the candidate every hour. Return False as soon as it is not healthy, else True."""
    for _ in range(test.watch_for // dt.timedelta(seconds=WATCH_SECONDS)):
        if not is_healthy(CANDIDATE):
            return False
        time.sleep(WATCH_SECONDS)
    return True


def promote(sagemaker: BaseClient, name: str) -> None:
    """End the test and make the candidate the production variant. Raise RolloutError if the test has ended."""
    actions = {PRODUCTION: "Remove", CANDIDATE: "Promote"}
    if not stop(sagemaker, name, ModelVariantActions=actions, DesiredState="Completed"):
        raise RolloutError(f"{name} has ended: too late to promote the candidate")


def cancel(sagemaker: BaseClient, name: str, reason: str) -> None:
    """End the test early and keep the production variant, unless the test has ended."""
    actions = {PRODUCTION: "Retain", CANDIDATE: "Remove"}
    stop(sagemaker, name, ModelVariantActions=actions, DesiredState="Cancelled", Reason=reason)


def stop(sagemaker: BaseClient, name: str, **request: Any) -> bool:
    """Stop the experiment as soon as its status permits that. Return False if it has ended before."""
    asked = False
    while look(sagemaker, name)["Status"] not in ("Stopping", "Completed", "Cancelled"):
        # It cannot be stopped while it is Creating, Starting or Updating. Then, or when it is gone, look again.
        with contextlib.suppress(sagemaker.exceptions.ConflictException, sagemaker.exceptions.ResourceNotFound):
            asked = True
            patiently(sagemaker.stop_inference_experiment, Name=name, **request)
            break
        time.sleep(POLL_SECONDS)
    return asked


def abandon(sagemaker: BaseClient, name: str) -> None:
    """End the test if it has not ended, wait for that, and delete it."""
    with contextlib.suppress(RolloutError):
        cancel(sagemaker, name, "The rollout has failed")
        wait_until(sagemaker, name, "Cancelled")
    clean_up(sagemaker, name)


def serving(sagemaker: BaseClient, endpoint: str) -> list[str]:
    """Return the names of the variants that answer the endpoint's requests; none if somebody has deleted it."""
    try:
        answer = patiently(sagemaker.describe_endpoint, EndpointName=endpoint)
    except exceptions.ClientError as error:
        if "Could not find" in str(error):
            return []
        raise
    return [variant["VariantName"] for variant in answer.get("ProductionVariants", ())]


def clean_up(sagemaker: BaseClient, name: str) -> None:
    """Delete the experiment unless it is already deleted. Its endpoint stays in service."""
    with contextlib.suppress(sagemaker.exceptions.ResourceNotFound):
        patiently(sagemaker.delete_inference_experiment, Name=name)


def look(sagemaker: BaseClient, name: str) -> dict[str, Any]:
    """Describe the experiment. Raise RolloutError if somebody has deleted it."""
    try:
        return patiently(sagemaker.describe_inference_experiment, Name=name)
    except sagemaker.exceptions.ResourceNotFound as error:
        raise RolloutError(f"{name} was deleted") from error


def patiently(call: Callable[..., dict[str, Any]], **request: Any) -> dict[str, Any]:
    """Call AWS, and again while it is the service or the network that fails. Raise the last error in the end."""
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return call(**request)
        except (exceptions.HTTPClientError, exceptions.ConnectionError):
            pass
        except exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in TRANSIENT:
                raise
        time.sleep(POLL_SECONDS)
    return call(**request)
