"""Observations: what one run of a probe saw, as a JSON file per probe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.fidelity.tier_0 import TIER_0
from mock_sagemaker_ie.fidelity.tier_1 import TIER_1
from mock_sagemaker_ie.fidelity.tier_2 import TIER_2

if TYPE_CHECKING:
    from pathlib import Path

    from mock_sagemaker_ie.fidelity.probe import Probe

Values = dict[str, Any]

FORMAT = 1
MAX_SECONDS = 1_000_000  # Of a status.
PROBES: tuple[Probe, ...] = (*TIER_0, *TIER_1, *TIER_2)


OPTIONAL = ("capture", "model_data")  # Names of a run that need not have a value.


class ObservationError(ValueError):
    """A file is not an observation that this version can compare."""


class Observation(NamedTuple):
    """What one run of a probe saw.

    `tool`, `botocore`: versions. `date`: of the run (UTC). `ended_by`: why the run ended before its last step; empty
    when it was complete. `note`: what a reader must know, for example that the file was edited. `given`: the names
    that need not have a value and had one.
    """

    probe: Probe
    steps: list[Values]
    tool: str
    botocore: str
    date: str
    ended_by: str = ""
    note: str = ""
    given: tuple[str, ...] = OPTIONAL


def write(folder: Path, observation: Observation) -> Path:
    """Write an observation to a file of a folder, which is made if need be, and return the path."""
    content = {
        "format": FORMAT,
        "probe": observation.probe.name,
        "tier": observation.probe.tier,
        "about": observation.probe.text,
        "tool": observation.tool,
        "botocore": observation.botocore,
        "date": observation.date,
        "complete": not observation.ended_by,
        "ended_by": observation.ended_by,
        "given": observation.given,
        "steps": observation.steps,
        "digest": _digest(observation.steps),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{observation.probe.name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Observation:
    """Read the observation in a file. Raises ObservationError for a file that this version cannot compare."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ObservationError(f"{path}: cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ObservationError(f"{path}: is not JSON ({error}): observe again, or restore the file") from None
    if not isinstance(content, dict) or "format" not in content or "probe" not in content:
        raise ObservationError(f"{path}: is not an observation: 'format' and 'probe' are missing")
    if content["format"] != FORMAT:
        raise ObservationError(
            f"{path}: was written in format {content['format']!r} by version {content.get('tool')}; this version reads "
            f"format {FORMAT}: observe again, or compare with that version"
        )
    probe = next((each for each in PROBES if each.name == content["probe"]), None)
    if probe is None:
        raise ObservationError(
            f"{path}: this version has no probe {content['probe']!r}; it was written by version {content.get('tool')}"
        )
    steps, given = content.get("steps"), content.get("given", OPTIONAL)
    if not isinstance(steps, list) or not all(isinstance(each, dict) and "step" in each for each in steps):
        raise ObservationError(f"{path}: 'steps' must be a list of objects that have 'step'")
    for step in steps:
        for name in step.keys() & _MEMBERS.keys():
            what, is_right = _MEMBERS[name]
            if not is_right(step[name]):
                raise ObservationError(
                    f"{path}: '{name}' in 'steps' must be {what}: observe again, or restore the file"
                )
    edited = content.get("digest") != _digest(steps)
    note = "the file was edited after the observation" if edited else ""
    tool, core, date, ended_by = (str(content.get(name, "")) for name in ("tool", "botocore", "date", "ended_by"))
    known = tuple(name for name in OPTIONAL if isinstance(given, Collection) and name in given)
    return Observation(probe, steps, tool, core, date, ended_by, note, known)


# The members of a step that conform looks into: what they are, and the check.
_MEMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "step": ("a string", lambda value: isinstance(value, str)),
    "outcome": ("a string", lambda value: isinstance(value, str)),
    "path": ("a list of statuses", lambda value: _is_list(value, lambda each: isinstance(each, str))),
    "seconds": ("a list of seconds", lambda value: _is_list(value, _is_number_of_seconds)),
    "values": ("an object", lambda value: isinstance(value, dict)),
}


def _is_list(value: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_right, value))


def _is_number_of_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= MAX_SECONDS


def read_folder(folder: Path) -> list[Observation]:
    """Read all observations in a folder. Raises ObservationError for a wrong file, or when there is none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        what = "has no observation (*.json)" if folder.is_dir() else "is not a folder"
        raise ObservationError(f"{folder} {what}: 'mock-sagemaker-ie observe --out {folder}' writes them")
    return [read(path) for path in paths]


def _digest(steps: list[Values]) -> str:
    return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:16]
