"""What an experiment deploys on its endpoint, status by status, and what Describe says of both.

Pure: it says what is wanted; SageMakerBackend has it done.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, Status
from mock_sagemaker_ie.backend.experiments.rules import PROMOTE, REMOVE
from mock_sagemaker_ie.backend.hosting.endpoints import variant_named
from mock_sagemaker_ie.backend.transitions import At

if TYPE_CHECKING:
    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint

Values = dict[str, Any]

LONGEST_CONFIG_NAME = 63


def wanted(experiment: Experiment) -> Values | None:
    """The settings to deploy during the status that the experiment has just entered; None to leave the endpoint.

    README's fidelity table says which of this is inferred.
    """
    if experiment.status is Status.STARTING:
        return with_shadow(experiment)
    if experiment.status is Status.STOPPING:
        return _at_the_end(experiment)
    if experiment.status is Status.UPDATING and experiment.started:
        return with_shadow(experiment)
    if experiment.status in (Status.CREATING, Status.UPDATING) and experiment.before is None:
        return production_only(experiment)
    return None


def _at_the_end(experiment: Experiment) -> Values | None:
    if isinstance(experiment.life.entries[-1].trigger, At):
        return restored(experiment)
    shadow = experiment.actions[experiment.shadow]
    if shadow == PROMOTE:
        return _settings(experiment, production=experiment.shadow)
    if shadow != REMOVE:
        return with_shadow(experiment)
    # What a test has not touched before it is stopped, it leaves alone.
    touched = experiment.started or experiment.before is None or experiment.production in experiment.desired
    return production_only(experiment) if touched else None


def restored(experiment: Experiment) -> Values:
    """What the endpoint was before the test; one that the test made stays without the shadow."""
    return production_only(experiment) if experiment.before is None else experiment.before


def production_only(experiment: Experiment) -> Values:
    """The settings of an endpoint that has the production variant alone."""
    return _settings(experiment, production=experiment.production)


def with_shadow(experiment: Experiment) -> Values:
    """The settings under test: traffic is copied by the ratio of the weights."""
    return _settings(experiment, production=experiment.production, shadow=experiment.shadow)


def _settings(experiment: Experiment, *, production: str, shadow: str | None = None) -> Values:
    """An endpoint configuration of the experiment's own: what the endpoint had before, with the test's variants."""
    digest = hashlib.sha256(f"{experiment.arn} {experiment.number} {len(experiment.life.entries)}".encode()).hexdigest()
    suffix = digest[:12]
    before = experiment.before or {}
    settings: Values = {
        **{member: value for member, value in before.items() if member != "ShadowProductionVariants"},
        "EndpointConfigName": f"{experiment.name[: LONGEST_CONFIG_NAME - len(suffix) - 1].rstrip('-')}-{suffix}",
        "ProductionVariants": [_variant(experiment, production, 1.0)],
    }
    if "KmsKey" in experiment.settings:
        settings["KmsKeyId"] = experiment.settings["KmsKey"]
    if shadow is not None:
        settings["ShadowProductionVariants"] = [_variant(experiment, shadow, experiment.sampling_percentage / 100)]
    return settings


def _variant(experiment: Experiment, name: str, weight: float) -> Values:
    """A ProductionVariant: the experiment's InfrastructureConfig wins over what the endpoint had."""
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
    """EndpointMetadata and ModelVariants of DescribeInferenceExperiment, as the endpoint has them at this moment."""
    gone = {"EndpointName": experiment.settings["EndpointName"]}
    return {
        "EndpointMetadata": gone if endpoint is None else endpoint.metadata(),
        "ModelVariants": [
            {**variant, "Status": _variant_status(experiment, name, endpoint)}
            for name, variant in experiment.variants.items()
        ],
    }


def _variant_status(experiment: Experiment, name: str, endpoint: Endpoint | None) -> str:
    deployed = endpoint and endpoint.variant_status(name)
    return deployed or ("Deleted" if experiment.status in FINISHED else "Creating")
