"""Which method answers each operation, and which rules its request obeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.experiments import rules
from mock_sagemaker_ie.backend.hosting import resources
from mock_sagemaker_ie.backend.hosting.operations import Hosting

if TYPE_CHECKING:
    import datetime as dt

    from mock_sagemaker_ie.protocol.validation import Rule

Values = dict[str, Any]

# The resource types, as they stand in an ARN, whose tags we hold.
RESOURCE_TYPES = ("inference-experiment", *(kind.type for kind in resources.KINDS))

Operation = Callable[[SageMakerBackend, Values, "dt.datetime"], Values]


def _hosted(operation: Callable[[Hosting, Values, dt.datetime], Values]) -> Operation:
    """An operation that Hosting answers."""
    return lambda backend, params, now: operation(backend.hosting, params, now)


def _unless_tested(operation: Callable[[Hosting, Values, dt.datetime], Values]) -> Operation:
    """An operation on an endpoint that Hosting answers unless an unfinished experiment uses the endpoint."""

    def answer(backend: SageMakerBackend, params: Values, now: dt.datetime) -> Values:
        backend.require_untested(params["EndpointName"])
        return operation(backend.hosting, params, now)

    return answer


OPERATIONS: dict[str, Operation] = {
    "CreateInferenceExperiment": SageMakerBackend.create_inference_experiment,
    "DescribeInferenceExperiment": SageMakerBackend.describe_inference_experiment,
    "ListInferenceExperiments": SageMakerBackend.list_inference_experiments,
    "UpdateInferenceExperiment": SageMakerBackend.update_inference_experiment,
    "StartInferenceExperiment": SageMakerBackend.start_inference_experiment,
    "StopInferenceExperiment": SageMakerBackend.stop_inference_experiment,
    "DeleteInferenceExperiment": SageMakerBackend.delete_inference_experiment,
    "CreateModel": _hosted(Hosting.create_model),
    "DescribeModel": _hosted(Hosting.describe_model),
    "ListModels": _hosted(Hosting.list_models),
    "DeleteModel": _hosted(Hosting.delete_model),
    "CreateEndpointConfig": _hosted(Hosting.create_endpoint_config),
    "DescribeEndpointConfig": _hosted(Hosting.describe_endpoint_config),
    "ListEndpointConfigs": _hosted(Hosting.list_endpoint_configs),
    "DeleteEndpointConfig": _hosted(Hosting.delete_endpoint_config),
    "CreateEndpoint": _hosted(Hosting.create_endpoint),
    "DescribeEndpoint": _hosted(Hosting.describe_endpoint),
    "ListEndpoints": _hosted(Hosting.list_endpoints),
    "UpdateEndpoint": _unless_tested(Hosting.update_endpoint),
    "UpdateEndpointWeightsAndCapacities": _unless_tested(Hosting.update_endpoint_weights_and_capacities),
    "DeleteEndpoint": _unless_tested(Hosting.delete_endpoint),
    "AddTags": SageMakerBackend.add_tags,
    "ListTags": SageMakerBackend.list_tags,
    "DeleteTags": SageMakerBackend.delete_tags,
}

# What a request must obey beyond its shape, before any record is looked at.
RULES: dict[str, tuple[Rule, ...]] = {
    "CreateInferenceExperiment": (*rules.CREATE, tags.broken_rules),
    "UpdateInferenceExperiment": rules.UPDATE,
    "CreateModel": (rules.one_way_to_contain, tags.broken_rules),
    "CreateEndpointConfig": (rules.variants_fit, rules.variant_names_differ, tags.broken_rules),
    "CreateEndpoint": (tags.broken_rules,),
    "AddTags": (tags.broken_rules,),
}
