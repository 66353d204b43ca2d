"""The result of conform as a text for people, and as JSON for programs."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.settings import Durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mock_sagemaker_ie.fidelity.conform import Conformity, Difference
    from mock_sagemaker_ie.fidelity.observations import Observation

JSON_VERSION = 1


def by_behaviour(result: Conformity, observed: Sequence[Observation]) -> dict[str, dict[str, int]]:
    """Count, for each behaviour, the aspects that agree and differ, and the steps in which it was not seen."""
    agree: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    unseen: Counter[str] = Counter()
    for observation in observed:
        comparison = result.comparisons[observation.probe.name]
        about = {step.name: step.about for step in observation.probe.steps}
        agree.update(name for names in comparison.agreed for name in names)
        differ.update(name for each in comparison.differences for name in each.about)
        unseen.update(name for step in comparison.unseen for name in about.get(step, ()))
    names = sorted(agree | differ | unseen)
    return {name: {"agree": agree[name], "differ": differ[name], "not seen": unseen[name]} for name in names}


def is_explained(result: Conformity, difference: Difference) -> bool:
    """Return whether a difference is gone under the explaining assumptions."""
    return difference[:3] not in [left[:3] for left in result.unexplained]


def text(result: Conformity, observed: Sequence[Observation]) -> str:
    """Return the table of behaviours, every difference, and what would explain it."""
    counts = by_behaviour(result, observed)
    width = max([len("behaviour"), *map(len, counts)])
    lines = [f"{'behaviour':{width}}  agrees  differs  not seen"]
    for name, count in counts.items():
        change = f"  {name}={result.changes[name]}" if name in result.changes else ""
        agree, differ, unseen = (count[key] or "." for key in ("agree", "differ", "not seen"))
        lines.append(f"{name:{width}}  {agree!s:>6}  {differ!s:>7}  {unseen!s:>8}{change}")
    lines += _section("Notes", result.notes)
    lines += _section(
        "Not seen",
        [f"{name}, {step}: {why}" for name, each in result.comparisons.items() for step, why in each.unseen.items()],
    )
    explained = [each for each in result.differences if is_explained(result, each)]
    lines += _section("Differences that an assumption explains", map(str, explained))
    lines += _section("Differences that nothing explains", map(str, result.unexplained))
    if result.changes:
        lines += _section("With these assumptions the mock does what was observed", [repr(result.explaining)])
    if result.durations:
        found = Durations(**{name: dt.timedelta(seconds=seconds) for name, seconds in result.durations.items()})
        shorter = " ".join(f"{name}={seconds:g}" for name, seconds in result.durations.items())
        lines += _section("Durations that were observed", [repr(found), f"sagemaker_ie_durations = {shorter}"])
    total = sum(count for each in result.comparisons.values() for count in (len(each.agreed), len(each.differences)))
    differ = len(result.differences)
    lines += ["", f"{total - differ} of {total} aspects agree, {differ} differ, assumptions explain {len(explained)}."]
    return "\n".join(lines)


def _section(title: str, lines: Any) -> list[str]:
    lines = list(lines)
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def as_json(result: Conformity, observed: Sequence[Observation]) -> str:
    """Return the result for programs."""
    content = {
        "version": JSON_VERSION,
        "agree": not result.differences,
        "behaviours": by_behaviour(result, observed),
        "differences": [{**each._asdict(), "explained": is_explained(result, each)} for each in result.differences],
        "not_seen": {name: each.unseen for name, each in result.comparisons.items() if each.unseen},
        "assumptions": result.assumptions.changed(),
        "explaining": result.explaining.changed(),
        "durations": result.durations,
        "notes": result.notes,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def assumptions_file(result: Conformity, observed: Sequence[Observation]) -> str:
    """Return the explaining assumptions as a file that the ini option and the server read."""
    dates = sorted({each.date for each in observed if each.date})
    lines = [f"# What was observed{' on ' + ', '.join(dates) if dates else ''}, by mock-sagemaker-ie conform."]
    lines += [f"{name}={choice}" for name, choice in result.explaining.changed().items()]
    return "\n".join([*lines, ""])
