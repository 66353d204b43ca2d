"""conform: run the probes of observations on the mock, compare, and find the assumptions that explain a difference."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.config import Config

from mock_sagemaker_ie.activation.activation import mock_inference_experiment
from mock_sagemaker_ie.backend.assumptions import ROWS, Assumptions
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.clock import MockClock
from mock_sagemaker_ie.fidelity.observations import OPTIONAL
from mock_sagemaker_ie.fidelity.runner import EndedError, Run, Target
from mock_sagemaker_ie.fidelity.sources import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from mock_sagemaker_ie.backend.hosting.metrics import Datapoint
    from mock_sagemaker_ie.fidelity.observations import Observation
    from mock_sagemaker_ie.fidelity.probe import Probe
    from mock_sagemaker_ie.mock import InferenceExperimentMock

Values = dict[str, Any]

# Answers that say nothing about the service: nobody was allowed to ask, or the service could not answer.
UNSEEN = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InternalFailure",
        "NoSuchBucket",
        "NotAuthorized",
        "OptInRequired",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "UnauthorizedOperation",
    }
)
# The durations of the mock: each status is long enough to be seen.
MINUTE = dt.timedelta(minutes=1)
DURATIONS = Durations(**dict.fromkeys(Durations.__dataclass_fields__, MINUTE))
REGION, ACCOUNT = "us-east-1", "123456789012"


class Difference(NamedTuple):
    """An aspect of a step that differs: what the observation has, and what the mock has."""

    probe: str
    step: str
    aspect: str
    about: tuple[str, ...]
    observed: Any
    mock: Any

    def __str__(self) -> str:
        observed, mock = (json.dumps(value, ensure_ascii=False) for value in (self.observed, self.mock))
        return f"{self.probe}, {self.step}, {self.aspect}: observed {observed}, the mock has {mock}"


class Comparison(NamedTuple):
    """The comparison of one probe. `agreed`: the behaviours of each aspect that is equal. `unseen`: why, by step."""

    agreed: list[tuple[str, ...]]
    differences: list[Difference]
    unseen: dict[str, str]


class Conformity(NamedTuple):
    """The result for a folder of observations.

    `assumptions`: those of the mock. `explaining`: with these, `unexplained` is all that still differs. `durations`:
    the seconds that statuses took, by name of a duration. `notes`: what a reader must know of the files.
    """

    assumptions: Assumptions
    comparisons: dict[str, Comparison]
    explaining: Assumptions
    unexplained: list[Difference]
    durations: dict[str, float]
    notes: list[str]

    @property
    def differences(self) -> list[Difference]:
        """Every difference."""
        return [each for comparison in self.comparisons.values() for each in comparison.differences]

    @property
    def changes(self) -> dict[str, Any]:
        """The choices that explain differences, by name."""
        return {
            row.name: choice
            for row in ROWS
            if (choice := getattr(self.explaining, row.name)) != getattr(self.assumptions, row.name)
        }


def conform(observed: Sequence[Observation], assumptions: Assumptions | None = None) -> Conformity:
    """Compare observations with the mock under these assumptions, by default the default ones."""
    assumptions = assumptions or Assumptions()
    comparisons = {each.probe.name: compare(each, mock_steps(each.probe, assumptions, each.given)) for each in observed}
    explaining = _explain(observed, assumptions, comparisons)
    rest = [compare(each, mock_steps(each.probe, explaining, each.given)).differences for each in observed]
    notes = [f"{each.probe.name}: {note}" for each in observed for note in _notes(each)]
    return Conformity(
        assumptions,
        comparisons,
        explaining,
        [difference for differences in rest for difference in differences],
        _durations(observed),
        notes,
    )


def _notes(observation: Observation) -> list[str]:
    ended = f"the run ended before its last step: {observation.ended_by}" if observation.ended_by else ""
    return [note for note in (observation.note, ended) if note]


def _explain(
    observed: Sequence[Observation], assumptions: Assumptions, comparisons: dict[str, Comparison]
) -> Assumptions:
    """Return the assumptions that leave the fewest differences, changed one choice at a time, only where it helps."""
    best, found = assumptions, dict(comparisons)
    for _ in ROWS:
        before = best
        for row in ROWS:
            # Only a step that shows a behaviour says anything about it.
            differing = [each for each in observed if _shows(found[each.probe.name].differences, row.name)]
            for choice in row.choices if differing else ():
                candidate = _with(best, row.name, choice)
                compared = {
                    each.probe.name: compare(each, mock_steps(each.probe, candidate, each.given)) for each in differing
                }
                if _count(compared) < _count({name: found[name] for name in compared}):
                    best, found = candidate, found | compared
        if best == before:
            break
    return best


def _shows(differences: Iterable[Difference], name: str) -> bool:
    return any(name in each.about for each in differences)


def _count(comparisons: Mapping[str, Comparison]) -> int:
    return sum(len(each.differences) for each in comparisons.values())


def _with(assumptions: Assumptions, name: str, choice: Any) -> Assumptions:
    return Assumptions(**{**{row.name: getattr(assumptions, row.name) for row in ROWS}, name: choice})


# --- the mock


def mock_steps(probe: Probe, assumptions: Assumptions, given: Collection[str] = OPTIONAL) -> list[Values]:
    """Return what a probe sees on a mock with these assumptions. `given`: the optional names that have a value."""
    options: dict[str, Any] = {"clock": MockClock(tick=False), "durations": DURATIONS, "strict": True, "wire": True}
    with mock_inference_experiment(assumptions=assumptions, account_id=ACCOUNT, region_name=REGION, **options) as mock:
        run = Run(probe, _target(mock, given))
        with suppress(EndedError):  # The step says so.
            run.all_steps()
    return run.steps


@cache  # A client takes longer than all calls of a probe, and conform runs hundreds of mocks.
def _client(service: str) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - not a secret
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


def _target(mock: InferenceExperimentMock, given: Collection[str]) -> Target:
    names = {
        "prefix": "mock-ie-00000000",
        "region": REGION,
        "role": f"arn:aws:iam::{ACCOUNT}:role/probes",
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/model:1",
        "model_data": "s3://bucket/model.tar.gz" if "model_data" in given else None,
        "instance_type": "ml.t2.medium",
        "capture": "s3://bucket/captured" if "capture" in given else None,
    }
    return Target(
        _client,
        lambda seconds: mock.clock.advance(seconds=seconds),
        mock.clock.now,
        names,
        lambda endpoint: [each.record for each in mock.captures if each.endpoint == endpoint],
        lambda endpoint: sorted(
            {_metric(each) for each in (*mock.metrics, *mock.metrics.by_config) if each.endpoint == endpoint}
        ),
    )


def _metric(point: Datapoint) -> str:
    config = ["EndpointConfigName"] * (point.endpoint_config is not None)
    return shown(point.name, ["EndpointName", "VariantName", *config])


# --- the comparison


def compare(observation: Observation, steps: Sequence[Values]) -> Comparison:
    """Compare what was observed with what the same probe sees on a mock."""
    on_mock = {each["step"]: each for each in steps}
    about = {each.name: each.about for each in observation.probe.steps}
    comparison = Comparison([], [], {})
    for seen in observation.steps:
        name = str(seen["step"])
        if name not in on_mock:
            comparison.unseen[name] = "this version of the probe has no such step"
        elif reason := _why_unseen(seen):
            comparison.unseen[name] = reason
        else:
            for aspect, observed, mock in _aspects(seen, on_mock[name]):
                if _agree(aspect, observed, mock):
                    comparison.agreed.append(about[name])
                else:
                    comparison.differences.append(
                        Difference(observation.probe.name, name, aspect, about[name], observed, mock)
                    )
    return comparison


def _why_unseen(seen: Values) -> str:
    """Return why an answer says nothing about the service; empty when it does."""
    if "skipped" in seen:
        return str(seen["skipped"])
    undelivered = "delivered" in seen and seen["delivered"] is None
    return str(seen["outcome"]) if undelivered or seen.get("outcome") in UNSEEN else ""


def _aspects(seen: Values, mock: Values) -> Iterator[tuple[str, Any, Any]]:
    """Yield each aspect of an answer, with both values. Of different outcomes nothing else can be compared."""
    if "skipped" in mock:
        yield "outcome", seen.get("outcome", seen.get("path")), f"not asked: {mock['skipped']}"
    elif "path" in seen:
        yield "path", seen["path"], mock.get("path")
    elif seen.get("outcome") != mock.get("outcome"):
        yield "outcome", seen.get("outcome"), mock.get("outcome")
    else:
        yield "outcome", seen.get("outcome"), mock.get("outcome")
        for aspect in ("http_status", "message", "headers", "members", "delivered"):
            if aspect in seen:
                yield aspect, seen[aspect], mock.get(aspect)
        for path, value in seen.get("values", {}).items():
            yield path, value, mock.get("values", {}).get(path)


def _agree(aspect: str, observed: Any, mock: Any) -> bool:
    """Return whether both are equal. Looks at a status may have missed one that the mock shows."""
    if aspect != "path" or not observed or not mock:
        return bool(observed == mock)
    rest = iter(mock)
    return observed[-1] == mock[-1] and all(status in rest for status in observed)


# --- durations

# By the status of an experiment that a duration is of.
_STATUSES = {"Creating": "creating", "Starting": "starting", "Updating": "updating", "Stopping": "stopping"}


def _durations(observed: Sequence[Observation]) -> dict[str, float]:
    """Return the longest time that each status of an experiment was seen to take, in seconds, by name of a duration."""
    longest: Counter[str] = Counter()
    for observation in observed:
        for seen in observation.steps:
            if seen.get("wait") != "DescribeInferenceExperiment":
                continue
            path, seconds = seen.get("path", []), seen.get("seconds", [])
            for status, begin, end in zip(path, seconds, seconds[1:]):  # noqa: B905 - the last status has no end
                if status in _STATUSES:
                    longest[_STATUSES[status]] = max(longest[_STATUSES[status]], round(end - begin))
    return {name: float(seconds) for name, seconds in longest.items() if seconds}
