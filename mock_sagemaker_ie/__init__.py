"""A mock of Amazon SageMaker inference experiments (shadow tests) for unit tests.

The public names, nothing else; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_sagemaker_ie.activation.activation import mock_inference_experiment
    from mock_sagemaker_ie.backend.experiments.lifecycle import Status
    from mock_sagemaker_ie.backend.settings import Durations
    from mock_sagemaker_ie.clock import Clock, FrozenClock, MockClock
    from mock_sagemaker_ie.interception.unanswered import UnansweredCallError
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.service.delivery import DeliveryWarning
    from mock_sagemaker_ie.service.faults import UnusedFaultError, UnusedFaultWarning
    from mock_sagemaker_ie.service.invocation import HandlerWarning
    from mock_sagemaker_ie.service.models import HandlerError, ModelRequest, ModelResponse
    from mock_sagemaker_ie.service.polling import PollingForeverError

__all__ = [
    "Clock",
    "DeliveryWarning",
    "Durations",
    "FrozenClock",
    "HandlerError",
    "HandlerWarning",
    "InferenceExperimentMock",
    "MockClock",
    "ModelRequest",
    "ModelResponse",
    "PollingForeverError",
    "Status",
    "UnansweredCallError",
    "UnusedFaultError",
    "UnusedFaultWarning",
    "mock_inference_experiment",
]

_HOMES = {
    "Clock": "clock",
    "DeliveryWarning": "service.delivery",
    "Durations": "backend.settings",
    "FrozenClock": "clock",
    "HandlerError": "service.models",
    "HandlerWarning": "service.invocation",
    "InferenceExperimentMock": "mock",
    "MockClock": "clock",
    "ModelRequest": "service.models",
    "ModelResponse": "service.models",
    "PollingForeverError": "service.polling",
    "Status": "backend.experiments.lifecycle",
    "UnansweredCallError": "interception.unanswered",
    "UnusedFaultError": "service.faults",
    "UnusedFaultWarning": "service.faults",
    "mock_inference_experiment": "activation.activation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
