"""What pytest's report of a failed test says of the mocks it used: their calls and experiments, in few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.service.service import Call

MOST_CALLS, MOST_EXPERIMENTS, LONGEST_LINE = 20, 3, 110

# The members that tell calls apart at a glance.
_MAIN = ("Name", "ModelName", "EndpointConfigName", "EndpointName", "ResourceArn", "DesiredState", "StatusEquals")


def report(mocks: Iterable[InferenceExperimentMock]) -> str:
    """The section on these mocks; empty when nothing happened in them. Raises nothing: a run goes on without it."""
    try:
        return "\n\n".join(text for mock in mocks if (text := _of_mock(mock)))
    except Exception as error:  # noqa: BLE001 - a clock of the user's may do anything once its test is over
        return f"what happened cannot be told: {error!r}"


def _of_mock(mock: InferenceExperimentMock) -> str:
    calls = mock.calls
    if not calls:
        return ""
    lines = [f"{len(calls)} call{'s'[: len(calls) > 1]}:"]
    if len(calls) > MOST_CALLS:
        lines.append(f"  … {len(calls) - MOST_CALLS} earlier ones")
    lines += [_line(call) for call in calls[-MOST_CALLS:]]
    worlds = dict.fromkeys((call.account_id, call.region) for call in calls)
    names = [(name, world) for world in worlds for name in mock.experiments_in(world[1], world[0])]
    for name, (account, region) in names[-MOST_EXPERIMENTS:]:
        lines += ["", str(mock.timeline(name, region_name=region, account_id=account))]
    if len(names) > MOST_EXPERIMENTS:
        lines += ["", f"… and {len(names) - MOST_EXPERIMENTS} experiments made earlier"]
    return "\n".join(lines)


def _line(call: Call) -> str:
    params = ", ".join(f"{name}={_short(call.params[name])}" for name in _MAIN if name in call.params)
    answer = "ok" if call.error is None else getattr(call.error, "code", type(call.error).__name__)
    message = f": {getattr(call.error, 'message', call.error)}" if call.error is not None else ""
    text = f"  {call.at:%m-%d %H:%M:%S} {call.operation}({params}) -> {answer}{message}"
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)  # One call is one line.
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - what an eye takes in
