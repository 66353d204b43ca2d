"""The mocks of the test that pytest runs now, for the report of its failure. It imports nothing: the plugin has it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mock_sagemaker_ie.service.service import Service

MAX_MOCKS = 5

# What the last mocks that were entered answered with, also of those that have exited; None when no test runs.
services: deque[Service] | None = None


def new() -> deque[Service]:
    """Return an empty list for a test."""
    return deque(maxlen=MAX_MOCKS)


def note(service: Service) -> None:
    """Keep the service of a mock until the test ends."""
    if services is not None:
        services.append(service)
