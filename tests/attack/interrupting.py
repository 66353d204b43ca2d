"""Interrupt code of the package at one of its lines, as a signal handler that raises an exception can, and compare."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import mock_sagemaker_ie
from mock_sagemaker_ie.service.invocation import HandlerWarning

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = str(Path(mock_sagemaker_ie.__file__).parent)
REGION = "us-east-1"


class Interruption(BaseException):
    """The exception that a signal handler raises, for example that of pytest-timeout."""


def interrupt(act: Callable[[], Any], number: int, error: BaseException | None = None) -> bool:
    """Call `act`, raise an exception when the package reaches its line of this number, and return whether it did.

    Lines are counted as they are run, from 1. The exception may be caught inside, as any other may.
    """
    count = 0

    def trace_line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == number:
                raise error or Interruption
        return trace_line

    def trace(frame: Any, event: str, argument: Any) -> Any:
        return trace_line if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except (Interruption, ClientError, HandlerWarning, type(error or Interruption())):
        pass
    finally:
        sys.settrace(before)
    return count >= number


def count_lines(act: Callable[[], Any]) -> int:
    """Return the number of lines of the package that `act` runs."""
    count = 0

    def trace_line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace_line

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: trace_line if frame.f_code.co_filename.startswith(PACKAGE) else None)
    try:
        with suppress(ClientError, HandlerWarning):
            act()
    finally:
        sys.settrace(before)
    return count


def locks_are_free(mock: Any) -> bool:
    """Return whether another thread can look at everything of a mock."""

    def look() -> None:
        _ = dict(mock.experiments), mock.calls, mock.captures, mock.metrics, mock._service.faults.unused()
        mock._service.runtime._delivery.close()
        mock.clock.advance(dt.timedelta(0))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(timeout=2)
    return not thread.is_alive()


def state(mock: Any) -> dict[str, Any]:
    """Return everything of a mock that can be seen, and the records and their orders."""
    described = [dict(each) for each in mock.experiments.values()]
    service = mock._service
    backend = service.backend(REGION)
    hosting = backend.hosting
    stores = [backend.experiments.store, hosting.models, hosting.configs, hosting.endpoints]
    return {
        "experiments": described,
        "records": [list(store.records.values()) for store in stores],
        "orders": [(list(store.by_number), list(store.by_name)) for store in stores],
        "calls": [
            (each.operation, each.params, each.at, repr(each.error), each.response, repr(each.lost))
            for each in mock.calls
        ],
        "captures": [
            (each.endpoint, each.variant, each.at, each.record["captureData"], each.record["eventVersion"])
            for each in mock.captures
        ],
        "metrics": [vars(each) for each in (*mock.metrics, *mock.metrics.by_config)],
        "alarms": hosting.alarms.by_hand,
        "events": [{**event, "id": None} for event in mock.events],
        "faults": list(map(str, service.faults.unused())),
        "expected": dict(service.faults.expected),
        "handlers": {name: handler.__qualname__ for name, handler in service.runtime.handlers.items()},
        "deleted": dict(hosting.deleted),
        "clock": mock.clock.now(),
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys whose values differ."""
    return [key for key in one if one[key] != other[key]]


def future(mock: Any) -> dict[str, Any]:
    """Return everything after 40 days of requests to every endpoint: what happens by itself, and how requests go."""
    runtime = mock.client("sagemaker-runtime")
    for days in (0, 1, 2, 7, 30):
        mock.clock.advance(days=days)
        for endpoint in list(mock._service.backend(REGION).hosting.endpoints.records):
            for _ in range(3):
                with suppress(ClientError):
                    runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1")
    return state(mock)
