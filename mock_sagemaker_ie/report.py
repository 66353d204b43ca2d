"""The section that pytest's report of a failed test gets: the calls and experiments of its mocks, in few lines."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.protocol.errors import error_code, error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.service.service import Service

MAX_CALLS, MAX_EXPERIMENTS, MAX_LINE_LENGTH = 20, 3, 110

# The members of a request that a line shows.
_MAIN = ("Name", "ModelName", "EndpointConfigName", "EndpointName", "ResourceArn", "DesiredState", "StatusEquals")


def report(services: Iterable[Service], *, whole: bool = False) -> str:
    """Return the section about the mocks that have these services, empty when they got no call.

    Never raise: the test run must go on.

    `whole`: do not shorten the lines of calls.
    """
    try:
        return "\n\n".join(text for each in services if (text := _of_mock(each, whole=whole)))
    except Exception as error:  # noqa: BLE001 - a user's clock may do anything after its test
        return f"the report cannot be made: {error!r}"


def _of_mock(service: Service, *, whole: bool) -> str:
    mock = InferenceExperimentMock(service)
    calls = mock.calls
    if not calls:
        return ""
    lines = [f"{len(calls)} call{'s'[: len(calls) > 1]}:"]
    if len(calls) > MAX_CALLS:
        lines.append(f"  … {len(calls) - MAX_CALLS} earlier ones")
    scopes = dict.fromkeys((call.account_id, call.region) for call in calls)
    for call in calls[-MAX_CALLS:]:
        region = f"{call.region} " if len(scopes) > 1 else ""  # Else the timelines show it.
        lines += [_line(call, region, whole=whole), *_model_failures(call)]
    lines += service.as_left(lambda: _experiments(mock, scopes, whole=whole))
    return "\n".join(lines)


def _experiments(mock: InferenceExperimentMock, scopes: Iterable[tuple[str, str]], *, whole: bool) -> list[str]:
    """Return the lines about the experiments of these accounts and regions."""
    lines = []
    names = [(name, *scope) for scope in scopes for name in mock.experiment_names(scope[1], scope[0])]
    for name, account, region in names[-MAX_EXPERIMENTS:]:
        lines += ["", str(mock.timeline(name, region_name=region, account_id=account))]
        lines += _facts(mock, name, region, account, whole=whole)
    if len(names) > MAX_EXPERIMENTS:
        lines += ["", f"… and {len(names) - MAX_EXPERIMENTS} experiments made earlier"]
    return lines


def _facts(mock: InferenceExperimentMock, name: str, region: str, account: str, *, whole: bool) -> list[str]:
    """Return where an experiment is, and why and how it ended."""
    described = mock.experiments_in(region, account)[name]
    lines = [f"  in {region} of account {account}"]
    if reason := described.get("StatusReason"):
        lines.append(f"  StatusReason: {reason}")
    if call := next((call for call in reversed(mock.calls) if _stops(call, name, region, account)), None):
        lines.append(f"  ModelVariantActions: {call.params['ModelVariantActions']}")
    return [_one_line(line, whole=whole) for line in lines]


def _stops(call: Call, name: str, region: str, account: str) -> bool:
    scope = call.operation, call.region, call.account_id, call.error
    return scope == ("StopInferenceExperiment", region, account, None) and call.params["Name"] == name


def _line(call: Call, region: str, *, whole: bool) -> str:
    shown = str if whole else _short
    params = ", ".join(f"{name}={shown(call.params[name])}" for name in _MAIN if name in call.params)
    answer = "ok" if call.error is None else _outcome(call.error)
    lost = f", lost: {_outcome(call.lost)}" if call.lost is not None else ""
    text = f"  {call.at:%m-%d %H:%M:%S} {region}{call.operation}({params}) -> {answer}{lost}"
    return _one_line(text, whole=whole)


def _outcome(error: Exception) -> str:
    return f"{error_code(error)}: {getattr(error, 'message', error_text(error))}"


def _one_line(text: str, *, whole: bool) -> str:
    text = _printable(text)
    return text if whole or len(text) <= MAX_LINE_LENGTH else f"{text[: MAX_LINE_LENGTH - 1]}…"


def _model_failures(call: Call) -> Iterator[str]:
    """Yield a line for each handler that failed: where, the class of its exception, and the message."""
    for variant, error in (("", call.error), ("shadow: ", call.shadow_error)):
        cause = None if error is None else error.__cause__
        if cause is not None:
            frames = traceback.extract_tb(cause.__traceback__)
            place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
            yield _printable(f"    {variant}{place}{type(cause).__name__}: {error_text(cause):.200}")
        elif variant and error is not None:
            yield _printable(f"    {variant}{error_text(error):.200}")


def _printable(text: str) -> str:
    """Return a text in one line, without control characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - short enough to read at a glance
