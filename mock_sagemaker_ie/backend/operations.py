"""The operations that the backend answers, and the rules that a request must satisfy, by AWS's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.experiments import rules as experiment_rules
from mock_sagemaker_ie.backend.experiments.operations import EXPERIMENT, Experiments
from mock_sagemaker_ie.backend.hosting import rules as hosting_rules
from mock_sagemaker_ie.backend.hosting.operations import Hosting
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL

if TYPE_CHECKING:
    import datetime as dt

    from mock_sagemaker_ie.protocol.validation import Rule

Values = dict[str, Any]

# The resource types, as an ARN names them, whose tags the backend has.
RESOURCE_TYPES = tuple(kind.type for kind in (EXPERIMENT, MODEL, ENDPOINT_CONFIG, ENDPOINT))

Operation = Callable[[SageMakerBackend, Values, "dt.datetime"], Values]


def _of_experiments(operation: Callable[[Experiments, Values, dt.datetime], Values]) -> Operation:
    return lambda backend, params, now: operation(backend.experiments, params, now)


def _of_hosting(operation: Callable[[Hosting, Values, dt.datetime], Values]) -> Operation:
    return lambda backend, params, now: operation(backend.hosting, params, now)


def _update_endpoint(backend: SageMakerBackend, params: Values, now: dt.datetime) -> Values:
    """Update an endpoint, unless an unfinished experiment uses it (inferred: update_endpoint_under_test)."""
    if backend.assumptions.update_endpoint_under_test != "Permitted":
        backend.experiments.require_untested(params["EndpointName"])
    return backend.hosting.update_endpoint(params, now)


def _delete_endpoint(backend: SageMakerBackend, params: Values, now: dt.datetime) -> Values:
    """Delete an endpoint, unless an unfinished experiment uses it (inferred: delete_endpoint_under_test)."""
    if backend.assumptions.delete_endpoint_under_test != "Permitted":
        backend.experiments.require_untested(params["EndpointName"])
    answer = backend.hosting.delete_endpoint(params, now)
    backend.experiments.endpoint_deleted(params["EndpointName"], now)
    return answer


def _update_weights_and_capacities(backend: SageMakerBackend, params: Values, now: dt.datetime) -> Values:
    """Change weights and capacities; while an unfinished experiment uses the endpoint, capacities only."""
    backend.experiments.require_permitted_scaling(params)
    return backend.hosting.update_endpoint_weights_and_capacities(params, now)


OPERATIONS: dict[str, Operation] = {
    "CreateInferenceExperiment": _of_experiments(Experiments.create),
    "DescribeInferenceExperiment": _of_experiments(Experiments.describe),
    "ListInferenceExperiments": _of_experiments(Experiments.list),
    "UpdateInferenceExperiment": _of_experiments(Experiments.update),
    "StartInferenceExperiment": _of_experiments(Experiments.start),
    "StopInferenceExperiment": _of_experiments(Experiments.stop),
    "DeleteInferenceExperiment": _of_experiments(Experiments.delete),
    "CreateModel": _of_hosting(Hosting.create_model),
    "DescribeModel": _of_hosting(Hosting.describe_model),
    "ListModels": _of_hosting(Hosting.list_models),
    "DeleteModel": _of_hosting(Hosting.delete_model),
    "CreateEndpointConfig": _of_hosting(Hosting.create_endpoint_config),
    "DescribeEndpointConfig": _of_hosting(Hosting.describe_endpoint_config),
    "ListEndpointConfigs": _of_hosting(Hosting.list_endpoint_configs),
    "DeleteEndpointConfig": _of_hosting(Hosting.delete_endpoint_config),
    "CreateEndpoint": _of_hosting(Hosting.create_endpoint),
    "DescribeEndpoint": _of_hosting(Hosting.describe_endpoint),
    "ListEndpoints": _of_hosting(Hosting.list_endpoints),
    "UpdateEndpoint": _update_endpoint,
    "UpdateEndpointWeightsAndCapacities": _update_weights_and_capacities,
    "DeleteEndpoint": _delete_endpoint,
    "AddTags": SageMakerBackend.add_tags,
    "ListTags": SageMakerBackend.list_tags,
    "DeleteTags": SageMakerBackend.delete_tags,
}

# The rules for a request by itself, beyond its shape. They do not depend on any record.
RULES: dict[str, tuple[Rule, ...]] = {
    "CreateInferenceExperiment": (*experiment_rules.CREATE, tags.broken_rules),
    "UpdateInferenceExperiment": experiment_rules.UPDATE,
    "CreateModel": (hosting_rules.one_container_member, tags.broken_rules),
    "CreateEndpointConfig": (
        hosting_rules.variants_fit,
        hosting_rules.serverless_fits,
        hosting_rules.variant_names_differ,
        tags.broken_rules,
    ),
    "CreateEndpoint": (hosting_rules.deployment_config_fits, tags.broken_rules),
    "UpdateEndpoint": (hosting_rules.deployment_config_fits,),
    "AddTags": (tags.broken_rules,),
}


def changes(operation: str) -> bool:
    """Return whether an operation may change the state."""
    return not operation.startswith(("Describe", "List"))


def operate(backend: SageMakerBackend, operation: str, params: Values, now: dt.datetime) -> Values:
    """Answer an operation, after `backend.as_of(now)`. Raises AWSError when the service refuses it."""
    if changes(operation):
        backend.changing()
    return OPERATIONS[operation](backend, params, now)
