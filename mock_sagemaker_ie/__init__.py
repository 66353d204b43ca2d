"""A mock of Amazon SageMaker inference experiments (shadow tests) for unit tests.

The public names, nothing else; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_sagemaker_ie.activation.activation import Activation, mock_inference_experiment
    from mock_sagemaker_ie.activation.options import Options
    from mock_sagemaker_ie.assertions import (
        assert_nothing_left,
        assert_production_undisturbed,
        assert_traffic_unlost,
    )
    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.backend.experiments.lifecycle import Fails, Status
    from mock_sagemaker_ie.backend.hosting.captures import Capture
    from mock_sagemaker_ie.backend.hosting.endpoints import FailsDeployment
    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint, Metrics
    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.calls import Call, Calls
    from mock_sagemaker_ie.clock import Clock, FrozenClock, MockClock
    from mock_sagemaker_ie.interception.unanswered import UnansweredCallError
    from mock_sagemaker_ie.mock import Branch, InferenceExperimentMock
    from mock_sagemaker_ie.orders import Orders, each_order
    from mock_sagemaker_ie.scenario import Delays, Interferes, Raises, Scenario
    from mock_sagemaker_ie.server.app import RunningServer as RunningServer
    from mock_sagemaker_ie.service.chunks import InternalStreamFailure, ModelStreamError
    from mock_sagemaker_ie.service.delivery import DeliveryWarning
    from mock_sagemaker_ie.service.faults import UnusedFaultError, UnusedFaultWarning
    from mock_sagemaker_ie.service.invocation import HandlerWarning
    from mock_sagemaker_ie.service.models import HandlerError, ModelRequest, ModelResponse
    from mock_sagemaker_ie.service.permissions import Policy
    from mock_sagemaker_ie.service.polling import PollingForeverError
    from mock_sagemaker_ie.timeline import Segment, Timeline

# Without RunningServer, whose module needs the extra `server`.
__all__ = [
    "Activation",
    "Assumptions",
    "Branch",
    "Call",
    "Calls",
    "Capture",
    "Clock",
    "Datapoint",
    "Delays",
    "DeliveryWarning",
    "Durations",
    "Fails",
    "FailsDeployment",
    "FrozenClock",
    "HandlerError",
    "HandlerWarning",
    "InferenceExperimentMock",
    "Interferes",
    "InternalStreamFailure",
    "Metrics",
    "MockClock",
    "ModelRequest",
    "ModelResponse",
    "ModelStreamError",
    "Options",
    "Orders",
    "Policy",
    "PollingForeverError",
    "Raises",
    "Scenario",
    "Segment",
    "Status",
    "Timeline",
    "UnansweredCallError",
    "UnusedFaultError",
    "UnusedFaultWarning",
    "assert_nothing_left",
    "assert_production_undisturbed",
    "assert_traffic_unlost",
    "each_order",
    "mock_inference_experiment",
]

_HOMES = {
    "Activation": "activation.activation",
    "Assumptions": "backend.assumptions",
    "Branch": "mock",
    "Call": "calls",
    "Calls": "calls",
    "Capture": "backend.hosting.captures",
    "Clock": "clock",
    "Datapoint": "backend.hosting.metrics",
    "Delays": "scenario",
    "DeliveryWarning": "service.delivery",
    "Durations": "backend.settings",
    "Fails": "backend.experiments.lifecycle",
    "FailsDeployment": "backend.hosting.endpoints",
    "FrozenClock": "clock",
    "HandlerError": "service.models",
    "HandlerWarning": "service.invocation",
    "InferenceExperimentMock": "mock",
    "Interferes": "scenario",
    "InternalStreamFailure": "service.chunks",
    "Metrics": "backend.hosting.metrics",
    "MockClock": "clock",
    "ModelRequest": "service.models",
    "ModelResponse": "service.models",
    "ModelStreamError": "service.chunks",
    "Options": "activation.options",
    "Orders": "orders",
    "Policy": "service.permissions",
    "PollingForeverError": "service.polling",
    "Raises": "scenario",
    "RunningServer": "server.app",
    "Scenario": "scenario",
    "Segment": "timeline",
    "Status": "backend.experiments.lifecycle",
    "Timeline": "timeline",
    "UnansweredCallError": "interception.unanswered",
    "UnusedFaultError": "service.faults",
    "UnusedFaultWarning": "service.faults",
    "assert_nothing_left": "assertions",
    "assert_production_undisturbed": "assertions",
    "assert_traffic_unlost": "assertions",
    "each_order": "orders",
    "mock_inference_experiment": "activation.activation",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - slow, and few need it

        return version("mock-sagemaker-ie")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
