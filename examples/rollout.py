"""Try a new model in a shadow test, and promote it if it stays healthy.

This is plain boto3 code: it contains nothing for its tests.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

PRODUCTION, CANDIDATE = "production", "candidate"  # The names of the variants.
FINISHED = ("Completed", "Cancelled")
POLL_SECONDS = 30
WATCH_SECONDS = 3600
# Errors of the service, not of the request: a later attempt may succeed.
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

    `is_healthy` gets the name of a variant and checks it, for example by its latency in CloudWatch. After an error the
    production variant serves alone, as before.
    """
    launch(sagemaker, test)
    try:
        wait_until(sagemaker, test.name, "Running")
        healthy = watch(test, is_healthy)
        if healthy:
            promote(sagemaker, test.name)
        else:
            cancel(sagemaker, test.name, "The candidate is not healthy")
        wait_until(sagemaker, test.name, "Completed" if healthy else "Cancelled")
    except Exception as error:
        abandon(sagemaker, test.name, f"The rollout failed: {type(error).__name__}")
        raise
    if serving(sagemaker, test.endpoint) != [CANDIDATE if healthy else PRODUCTION]:
        raise RolloutError(f"{test.endpoint} does not serve the expected variant")
    clean_up(sagemaker, test.name)
    return healthy


def launch(sagemaker: BaseClient, test: ShadowTest) -> str:
    """Start the shadow test and return its ARN.

    When the answer of SageMaker is lost, the client sends the request again, and SageMaker finds the name taken. The
    tag tells whether by us: somebody else may change the description.
    """
    tag = {"Key": "rollout", "Value": str(uuid.uuid4())}
    models = {PRODUCTION: test.production_model, CANDIDATE: test.candidate_model}
    instances = {"InstanceType": test.instance_type, "InstanceCount": 1}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": instances}
    capture = {"Destination": test.capture_to, "ContentType": {"JsonContentTypes": ["application/json"]}}
    try:
        answer = patiently(
            sagemaker.create_inference_experiment,
            Name=test.name,
            Tags=[tag],
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
    except sagemaker.exceptions.ResourceInUse:
        found = look(sagemaker, test.name)
        if tag not in patiently(sagemaker.list_tags, ResourceArn=found["Arn"])["Tags"]:
            raise
        return found["Arn"]
    return answer["InferenceExperimentArn"]


def wait_until(sagemaker: BaseClient, name: str, *statuses: str) -> str:
    """Poll until the experiment has one of these statuses, and return it. Raise RolloutError if it ends otherwise."""
    while True:
        experiment = look(sagemaker, name)
        if experiment["Status"] in statuses:
            return experiment["Status"]
        if experiment["Status"] in FINISHED:
            raise RolloutError(f"{name} is {_shown(experiment)}")
        time.sleep(POLL_SECONDS)


def _shown(experiment: dict[str, str]) -> str:
    return f"{experiment['Status']}: {experiment.get('StatusReason', 'no reason given')}"


def watch(test: ShadowTest, is_healthy: Callable[[str], bool]) -> bool:
    """Check the candidate every hour. Return False as soon as it is not healthy, else True."""
    for _ in range(test.watch_for // dt.timedelta(seconds=WATCH_SECONDS)):
        if not is_healthy(CANDIDATE):
            return False
        time.sleep(WATCH_SECONDS)
    return True


def promote(sagemaker: BaseClient, name: str) -> None:
    """End the test and make the candidate the production variant. Raise RolloutError if the test has ended."""
    stop(sagemaker, name, {PRODUCTION: "Remove", CANDIDATE: "Promote"}, "Completed", "The candidate is healthy")


def cancel(sagemaker: BaseClient, name: str, reason: str) -> None:
    """End the test early and keep the production variant. Raise RolloutError if the test has ended."""
    stop(sagemaker, name, {PRODUCTION: "Retain", CANDIDATE: "Remove"}, "Cancelled", reason)


def stop(sagemaker: BaseClient, name: str, actions: dict[str, str], state: str, reason: str) -> None:
    """Stop the experiment. Raise RolloutError if somebody else, its schedule or a failure has ended it.

    When the answer of SageMaker is lost, the client sends the request again, and SageMaker finds the experiment
    stopped. The reason tells whether by us.
    """
    request = {"ModelVariantActions": actions, "DesiredState": state, "Reason": reason}
    found: dict[str, Any] = {}
    while found.get("StatusReason") != reason:
        try:
            patiently(sagemaker.stop_inference_experiment, Name=name, **request)
            break
        except (sagemaker.exceptions.ConflictException, sagemaker.exceptions.ResourceNotFound) as error:
            found = look(sagemaker, name)
            if found["Status"] in ("Stopping", *FINISHED) and found.get("StatusReason") != reason:
                raise RolloutError(f"too late to stop {name}: it is {_shown(found)}") from error
        time.sleep(POLL_SECONDS)  # Somebody else updates it: it cannot be stopped meanwhile.


def abandon(sagemaker: BaseClient, name: str, reason: str) -> None:
    """End the test if it goes on, and wait until its candidate is gone."""
    # It can be stopped only in Created and Running: before, SageMaker is at work on the endpoint.
    with contextlib.suppress(RolloutError):  # Somebody else was faster.
        if wait_until(sagemaker, name, "Running", *FINISHED) == "Running":
            cancel(sagemaker, name, reason)
    with contextlib.suppress(RolloutError):
        wait_until(sagemaker, name, *FINISHED)


def serving(sagemaker: BaseClient, endpoint: str) -> list[str]:
    """Return the names of the variants that answer the endpoint's requests; none when somebody has deleted it."""
    try:
        answer = patiently(sagemaker.describe_endpoint, EndpointName=endpoint)
    except exceptions.ClientError as error:
        if "Could not find" in str(error):
            return []
        raise
    if answer["EndpointStatus"] == "Deleting":
        return []
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
