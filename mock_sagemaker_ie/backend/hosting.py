"""The endpoint beneath an experiment: what Describe says of it and of each variant's deployment.

Derived from the experiment alone, by status (README's fidelity table, sections 2 and 3).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments import REMOVE
from mock_sagemaker_ie.backend.lifecycle import FINISHED, Failure, Status

if TYPE_CHECKING:
    from mock_sagemaker_ie.backend.experiments import Experiment

Values = dict[str, Any]

# Experiment status -> status of the endpoint, of the production variant, of the shadow variant.
DEPLOYMENT: dict[Status, tuple[str, str, str]] = {
    Status.CREATING: ("Creating", "Creating", "Creating"),
    Status.CREATED: ("InService", "InService", "Creating"),
    Status.STARTING: ("Updating", "InService", "Creating"),
    Status.RUNNING: ("InService", "InService", "InService"),
    Status.UPDATING: ("Updating", "Updating", "Updating"),
}
# Once it ends, a variant's status follows from what the end does to it: removed, or staying.
ENDING: dict[Status, tuple[str, str, str]] = {
    Status.STOPPING: ("Updating", "Deleting", "Updating"),
    Status.COMPLETED: ("InService", "Deleted", "InService"),
    Status.CANCELLED: ("InService", "Deleted", "InService"),
}

LONGEST_CONFIG_NAME = 63


def describe(experiment: Experiment) -> Values:
    """EndpointMetadata and ModelVariants of DescribeInferenceExperiment."""
    statuses = _variant_statuses(experiment)
    metadata = {
        "EndpointName": experiment.settings["EndpointName"],
        "EndpointConfigName": config_name(experiment),
        "EndpointStatus": {**DEPLOYMENT, **ENDING}[experiment.status][0],
    }
    if _never_deployed(experiment):
        metadata["EndpointStatus"] = "Failed"
        metadata["FailureReason"] = experiment.status_reason
    return {
        "EndpointMetadata": metadata,
        "ModelVariants": [{**variant, "Status": statuses[name]} for name, variant in experiment.variants.items()],
    }


def config_name(experiment: Experiment) -> str:
    """The endpoint configuration the experiment makes: unique, and as long as AWS lets it be."""
    suffix = hashlib.sha256(f"{experiment.arn} {experiment.number}".encode()).hexdigest()[:12]
    return f"{experiment.name[: LONGEST_CONFIG_NAME - len(suffix) - 1].rstrip('-')}-{suffix}"


def _variant_statuses(experiment: Experiment) -> dict[str, str]:
    if experiment.status in DEPLOYMENT:
        _, production, shadow = DEPLOYMENT[experiment.status]
        if experiment.status is Status.UPDATING and experiment.life.entries[-2].status is Status.CREATED:
            shadow = "Creating"  # Not deployed before Starting.
        return {experiment.production: production, experiment.shadow: shadow}
    _, removed, staying = ENDING[experiment.status]
    if _never_deployed(experiment):
        staying = removed
    return {name: removed if action == REMOVE else staying for name, action in experiment.actions.items()}


def _never_deployed(experiment: Experiment) -> bool:
    """Whether creating the endpoint failed."""
    *_, before, last = (None, *experiment.life.entries)
    failed = experiment.status in FINISHED and isinstance(last and last.trigger, Failure)
    return failed and before is not None and before.status is Status.CREATING
