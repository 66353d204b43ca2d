"""Generate parts of README and of pages in docs/ from the code: `python -m tests.readme`."""

from __future__ import annotations

import re
from pathlib import Path

from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, LIFECYCLE, Status
from mock_sagemaker_ie.backend.hosting.endpoints import ENDPOINT_LIFECYCLE
from mock_sagemaker_ie.backend.transitions import Derived, Failure
from mock_sagemaker_ie.server.limits import LIMITS

README = Path(__file__).parent.parent / "README.md"
FILES = (README, README.parent / "docs" / "server-limits.md")


def lifecycle() -> str:
    """Return LIFECYCLE as a table and as a diagram."""
    return f"{table(LIFECYCLE)}\n\n{diagram(LIFECYCLE)}"


def table(transitions) -> str:
    """Return a Markdown table. Sources with the same triggers and target share a row."""
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
    """Return a Mermaid diagram, without failures, which lead from every status to the same target."""
    rows = [
        f"    {row.source or '[*]'} --> {target or '[*]'}: {row.trigger}"
        for row in transitions
        if not isinstance(row.trigger, Failure)
        for target in _targets(row)
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *rows, "```"])


def _targets(row) -> list[object]:
    """Return each status that a target can be; a derived target can be several."""
    if row.target is Derived.DESIRED:
        return [status for status in Status if status in FINISHED]
    return [row.target]


def endpoint_lifecycle() -> str:
    """Return ENDPOINT_LIFECYCLE as a table."""
    return table(ENDPOINT_LIFECYCLE)


def server_limits() -> str:
    """Return LIMITS as a table."""
    rows = [f"| {each.what} | {each.value:,} {each.unit} | {each.beyond} |" for each in LIMITS]
    return "\n".join(["| what | at most | beyond it |", "|---|---|---|", *rows])


GENERATED = {"lifecycle": lifecycle, "endpoint-lifecycle": endpoint_lifecycle, "server-limits": server_limits}


def written(text: str) -> str:
    """Return the text of a file with new generated parts."""
    for name, generate in GENERATED.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{generate()}\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    for file in FILES:
        file.write_text(written(file.read_text()))
