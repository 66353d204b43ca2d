"""Writes the parts of README that are generated from code: `python -m tests.readme`."""

from __future__ import annotations

import re
from pathlib import Path

from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, LIFECYCLE, Status
from mock_sagemaker_ie.backend.hosting.endpoints import ENDPOINT_LIFECYCLE
from mock_sagemaker_ie.backend.transitions import Derived, Failure

README = Path(__file__).parent.parent / "README.md"


def lifecycle() -> str:
    """The LIFECYCLE table, as a table and as a picture."""
    return f"{table(LIFECYCLE)}\n\n{diagram(LIFECYCLE)}"


def table(transitions) -> str:
    """One row for all sources whose triggers lead to the same target; a target of None is gone."""
    triggers: dict[tuple[str, str], list[str]] = {}
    for row in transitions:
        ends = str(row.source or "none"), "gone" if row.target is None else row.target.value
        triggers.setdefault(ends, []).append(str(row.trigger))
    sources: dict[tuple[str, str], list[str]] = {}
    for (source, target), names in triggers.items():
        sources.setdefault((" · ".join(names), target), []).append(source)
    rows = [f"| {', '.join(names)} | {trigger} | {target} |" for (trigger, target), names in sources.items()]
    return "\n".join(["| from | trigger | to |", "|---|---|---|", *rows])


def diagram(transitions) -> str:
    """The same in Mermaid, without failures: they lead from everywhere to one place."""
    rows = [
        f"    {row.source or '[*]'} --> {target or '[*]'}: {row.trigger}"
        for row in transitions
        if not isinstance(row.trigger, Failure)
        for target in _targets(row, transitions)
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *rows, "```"])


def _targets(row, transitions) -> list[object]:
    """What a target can be: one it knows by itself is drawn once for each status it may turn out to be."""
    if row.target is Derived.PREVIOUS:
        return [before.source for before in transitions if before.target is row.source]
    if row.target is Derived.DESIRED:
        return [status for status in Status if status in FINISHED]
    return [row.target]


def endpoint_lifecycle() -> str:
    """The ENDPOINT_LIFECYCLE table."""
    return table(ENDPOINT_LIFECYCLE)


GENERATED = {"lifecycle": lifecycle, "endpoint-lifecycle": endpoint_lifecycle}


def written(text: str) -> str:
    """README's text with every generated part written anew."""
    for name, generate in GENERATED.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{generate()}\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
