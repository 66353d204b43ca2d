"""The deployment that an experiment needs in each status, and the endpoint and variants as Describe shows them.

Pure: it returns deployments; Experiments hands them to Hosting.
What each status deploys is inferred: deployments_of_experiments, one_capture.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments.lifecycle import Status
from mock_sagemaker_ie.backend.experiments.rules import PROMOTE, REMOVE
from mock_sagemaker_ie.backend.hosting.deployment import variant_named
from mock_sagemaker_ie.backend.hosting.resources import MAX_NAME_LENGTH

if TYPE_CHECKING:
    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.transitions import Derived

Values = dict[str, Any]


def target_deployment(experiment: Experiment, following: Status | Derived | None) -> Values | None:
    """Return what to deploy during the status that has just begun, or None to leave the endpoint as it is.

    `following`: the status that time leads to. A status that leads to Running deploys both variants.
    """
    status = experiment.status
    if following is Status.RUNNING:
        return with_shadow(experiment)
    if status in (Status.CREATING, Status.UPDATING) and experiment.before is None:
        return production_only(experiment)
    if status is Status.STOPPING:
        return _final_deployment(experiment)
    return None


def deletes_endpoint(experiment: Experiment, assumptions: Assumptions) -> bool:
    """Return whether the status that has just begun deletes the endpoint.

    That is at EndTime of a test that created it, if it is assumed (inferred: created_endpoint).
    """
    ends = experiment.status is Status.STOPPING and experiment.ended_by_schedule
    return ends and experiment.before is None and assumptions.created_endpoint == "deleted"


def _final_deployment(experiment: Experiment) -> Values | None:
    if experiment.ended_by_schedule:  # The endpoint reverts; an endpoint that the test created stays.
        return production_only(experiment) if experiment.before is None else experiment.before
    action = experiment.actions[experiment.shadow]
    if action == PROMOTE:
        return _settings(experiment, production=experiment.shadow)
    if action != REMOVE:
        return _settings(experiment, production=experiment.production, shadow=experiment.shadow)
    # A test that is stopped before it has changed the endpoint leaves it alone.
    changed = experiment.started or experiment.before is None or experiment.production in experiment.desired
    return production_only(experiment) if changed else None


def production_only(experiment: Experiment) -> Values:
    """Return the settings of an endpoint with the production variant alone."""
    return _settings(experiment, production=experiment.production)


def with_shadow(experiment: Experiment) -> Values:
    """Return the settings of an endpoint under test. The ratio of the weights is the share of copied traffic.

    An endpoint has one DataCaptureConfig, so DataStorageConfig takes the place of the endpoint's own during the test.
    """
    settings = _settings(experiment, production=experiment.production, shadow=experiment.shadow)
    if "DataStorageConfig" in experiment.settings:
        settings["DataCaptureConfig"] = _data_capture_config(experiment.settings["DataStorageConfig"])
    return settings


def _data_capture_config(storage: Values) -> Values:
    """Return the DataCaptureConfig that captures every request and response as a DataStorageConfig says."""
    config: Values = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": storage["Destination"],
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    if "KmsKey" in storage:
        config["KmsKeyId"] = storage["KmsKey"]
    if "ContentType" in storage:
        config["CaptureContentTypeHeader"] = storage["ContentType"]
    return config


def _settings(experiment: Experiment, *, production: str, shadow: str | None = None) -> Values:
    """Return the endpoint configuration of an experiment: the endpoint's settings from before, with these variants."""
    digest = hashlib.sha256(f"{experiment.arn} {experiment.number} {len(experiment.life.entries)}".encode()).hexdigest()
    suffix = digest[:12]
    before = experiment.before or {}
    settings: Values = {
        **{member: value for member, value in before.items() if member != "ShadowProductionVariants"},
        "EndpointConfigName": f"{experiment.name[: MAX_NAME_LENGTH - len(suffix) - 1].rstrip('-')}-{suffix}",
        "ProductionVariants": [_variant(experiment, production, 1.0)],
    }
    if "KmsKey" in experiment.settings:
        settings["KmsKeyId"] = experiment.settings["KmsKey"]
    if shadow is not None:
        settings["ShadowProductionVariants"] = [_variant(experiment, shadow, experiment.sampling_percentage / 100)]
    return settings


def _variant(experiment: Experiment, name: str, weight: float) -> Values:
    """Return a ProductionVariant: InfrastructureConfig of the experiment takes precedence over the endpoint's."""
    config = experiment.variants[name]
    infrastructure = config["InfrastructureConfig"]["RealTimeInferenceConfig"]
    before = variant_named(experiment.before, name)
    return {
        **{member: value for member, value in before.items() if member not in ("DeployedImages", "InstancePools")},
        "VariantName": name,
        "ModelName": config["ModelName"],
        "InstanceType": infrastructure["InstanceType"],
        "InitialInstanceCount": infrastructure["InstanceCount"],
        "InitialVariantWeight": weight,
    }


def describe(experiment: Experiment, endpoint: Endpoint | None) -> Values:
    """Return EndpointMetadata and ModelVariants of DescribeInferenceExperiment at this moment."""
    deleted = {"EndpointName": experiment.endpoint}
    statuses = variant_statuses(experiment, endpoint)
    return {
        "EndpointMetadata": deleted if endpoint is None else endpoint.metadata(),
        "ModelVariants": [{**variant, "Status": statuses[name]} for name, variant in experiment.variants.items()],
    }


def variant_statuses(experiment: Experiment, endpoint: Endpoint | None) -> dict[str, str]:
    """Return the status of each variant at this moment, by name (AWS: ModelVariantStatus)."""
    undeployed = "Deleted" if experiment.finished or experiment.started else "Creating"
    return {name: (endpoint and endpoint.variant_status(name)) or undeployed for name in experiment.variants}
