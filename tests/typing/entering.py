"""Options, the mock and its properties have types. mypy checks this file; no test runs it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from typing_extensions import assert_type

from mock_sagemaker_ie import (
    Clock,
    Durations,
    FrozenClock,
    InferenceExperimentMock,
    MockClock,
    Status,
    mock_inference_experiment,
)

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)


class OwnClock:
    """A clock: it has now(), which returns a datetime."""

    def now(self) -> dt.datetime:
        return NOON


class NotAClock:
    """Not a clock: its now() returns a float."""

    def now(self) -> float:
        return 0.5


# --- every way to enter a mock gives an InferenceExperimentMock

entry = mock_inference_experiment()
assert_type(entry.start(), InferenceExperimentMock)
entry.stop()

with mock_inference_experiment() as mock:
    assert_type(mock, InferenceExperimentMock)


async def entered_asynchronously() -> InferenceExperimentMock:
    async with mock_inference_experiment() as mock:
        return mock


def errors_are_not_suppressed() -> int:
    with mock_inference_experiment():
        return 1


# --- options

clocks: list[Clock] = [OwnClock(), MockClock(), FrozenClock(NOON)]
for clock in (*clocks, NOON, "2026-01-01T12:00:00Z", None):
    mock_inference_experiment(clock=clock)
mock_inference_experiment(
    durations=Durations(creating=dt.timedelta(minutes=1)),
    account_id="123456789012",
    virtual_sleep=True,
    passthrough=["ListTrainingJobs"],
)

mock_inference_experiment(clock=NotAClock())  # type: ignore[call-overload]
mock_inference_experiment(clock=0.5)  # type: ignore[call-overload]
mock_inference_experiment(durations="realistic")  # type: ignore[call-overload]
mock_inference_experiment(account_id=123456789012)  # type: ignore[call-overload]
mock_inference_experiment(virtual_sleep="yes")  # type: ignore[call-overload]
mock_inference_experiment(passthrough=[1])  # type: ignore[list-item]
mock_inference_experiment(acount_id="123456789012")  # type: ignore[call-overload]
Durations(creating=60)  # type: ignore[arg-type]
Durations(booting=dt.timedelta(minutes=1))  # type: ignore[call-arg]

# --- the mock

assert_type(mock.experiments, Mapping[str, Mapping[str, Any]])
assert_type(mock.experiments_in("eu-west-1"), Mapping[str, Mapping[str, Any]])
assert_type(mock.advance_until("name", Status.RUNNING), dt.datetime)
assert_type(mock.calls[0].operation, str)
assert_type(mock.events[0], Mapping[str, Any])
mock.alarm("errors", state="ALARM")
mock.alarm("errors")  # type: ignore[call-arg]
mock.scale("endpoint", "variant", 2)
mock.scale("endpoint", "variant", "2")  # type: ignore[arg-type]
assert_type(mock.calls[0].at, dt.datetime)
assert_type(mock.calls[0].response, dict[str, Any] | None)

mock.experiments["name"] = {}  # type: ignore[index]
mock.calls[0].operation = ""  # type: ignore[misc]
mock.advance_until("name")  # type: ignore[call-arg]
mock.fail_experiment("name")  # type: ignore[call-arg]
