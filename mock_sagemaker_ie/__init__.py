"""A mock of Amazon SageMaker inference experiments (shadow tests) for unit tests.

The public names, nothing else; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_sagemaker_ie.backend.lifecycle import Durations, Status
    from mock_sagemaker_ie.clock import Clock, FrozenClock, MockClock
    from mock_sagemaker_ie.delivery import DeliveryWarning
    from mock_sagemaker_ie.doors.hook import UnansweredCallError
    from mock_sagemaker_ie.faults import UnusedFaultError, UnusedFaultWarning
    from mock_sagemaker_ie.mock import mock_inference_experiment
    from mock_sagemaker_ie.models import HandlerError, ModelRequest, ModelResponse
    from mock_sagemaker_ie.runtime import HandlerWarning
    from mock_sagemaker_ie.steering import InferenceExperimentMock

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
    "Status",
    "UnansweredCallError",
    "UnusedFaultError",
    "UnusedFaultWarning",
    "mock_inference_experiment",
]

_HOMES = {
    "Clock": "clock",
    "DeliveryWarning": "delivery",
    "Durations": "backend.lifecycle",
    "FrozenClock": "clock",
    "HandlerError": "models",
    "HandlerWarning": "runtime",
    "InferenceExperimentMock": "steering",
    "MockClock": "clock",
    "ModelRequest": "models",
    "ModelResponse": "models",
    "Status": "backend.lifecycle",
    "UnansweredCallError": "doors.hook",
    "UnusedFaultError": "faults",
    "UnusedFaultWarning": "faults",
    "mock_inference_experiment": "mock",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
