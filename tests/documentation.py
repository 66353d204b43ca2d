"""Generate parts of the documentation from the code: `python -m tests.documentation`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import mock_sagemaker_ie
from mock_sagemaker_ie.backend.assumptions import ROWS
from mock_sagemaker_ie.backend.experiments.lifecycle import LIFECYCLE
from mock_sagemaker_ie.backend.hosting.endpoints import ENDPOINT_LIFECYCLE
from mock_sagemaker_ie.fidelity.behaviours import BEHAVIOURS, all_behaviours, switchable
from mock_sagemaker_ie.server import command
from mock_sagemaker_ie.server.limits import LIMITS
from tests import lifecycle_diagram
from tests.scenarios.controllers import MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DIAGRAM = ROOT / "docs" / "explanations" / "lifecycle.svg"
PAGES = [README, *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]


def lifecycle() -> str:
    """Return LIFECYCLE as a table, and a diagram of it."""
    return f"{table(LIFECYCLE)}\n\n![The statuses of an experiment, and what leads from one to another]({DIAGRAM.name})"


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


def endpoint_lifecycle() -> str:
    """Return ENDPOINT_LIFECYCLE as a table."""
    return table(ENDPOINT_LIFECYCLE)


def server_limits() -> str:
    """Return LIMITS as a table."""
    rows = [f"| {each.what} | {each.value:,} {each.unit} | {each.beyond} |" for each in LIMITS]
    return "\n".join(["| what | at most | beyond it |", "|---|---|---|", *rows])


def command_line() -> str:
    """Return the commands and their options."""
    return "\n\n".join(_commands(command.parser(), "mock-sagemaker-ie"))


def _commands(parser, prefix: str) -> Iterator[str]:
    for action in parser._actions:
        for each in action._choices_actions if isinstance(action.choices, dict) else ():
            name, child = f"{prefix} {each.dest}", action.choices[each.dest]
            if not any(isinstance(inner.choices, dict) for inner in child._actions):
                yield f"## {each.dest}\n\n`{name}`: {each.help}.\n\n{_options(child)}"
            yield from _commands(child, name)


def _options(parser) -> str:
    rows = [_option(action) for action in parser._actions if action.dest != "help"]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _option(action) -> str:
    words = " ".join([*action.option_strings, action.metavar or ""]).strip()
    return f"| `{words}` | {(action.help or '') % vars(action)} |"


def mistakes() -> str:
    """Return the mistakes that scenarios find, with the smallest scenario of each, as a table."""
    rows = [f"| {kind.__doc__} | `{scenario!r}` |" for kind, (scenario, _) in MISTAKES.items()]
    return "\n".join(["| the controller | the smallest scenario in which it is wrong |", "|---|---|", *rows])


def assumptions() -> str:
    """Return the rows of Assumptions as a table."""
    rows = [f"| `{row.name}` | {_choices(row)} | {row.text} | {row.source} |" for row in ROWS]
    return "\n".join(["| name | choices | meaning | source of the default |", "|---|---|---|---|", *rows])


def _choices(row) -> str:
    return ", ".join(f"`{choice}`" for choice in row.choices)


def fidelity() -> str:
    """Return every behaviour as a table."""
    rows = [f"| {each.text} | {each.mark} | {each.source} |" for each in BEHAVIOURS]
    rows += [
        f"| `{each.name}`: {each.text} Here: `{each.assumption[0]}` | I | {each.source} |" for each in switchable()
    ]
    return "\n".join(["| behaviour | mark | source |", "|---|---|---|", *rows])


def fidelity_json() -> str:
    """Return every behaviour for programs: the text of fidelity.json in the package."""
    behaviours = [
        {
            "name": each.name,
            "behaviour": each.text,
            "mark": each.mark,
            "source": each.source,
            "assumption": {"default": each.assumption[0], "choices": each.assumption} if each.assumption else None,
        }
        for each in all_behaviours()
    ]
    return json.dumps({"version": 1, "behaviours": behaviours}, indent=1, ensure_ascii=False) + "\n"


GENERATED = {
    "assumptions": assumptions,
    "fidelity": fidelity,
    "lifecycle": lifecycle,
    "endpoint-lifecycle": endpoint_lifecycle,
    "server-limits": server_limits,
    "command-line": command_line,
    "mistakes": mistakes,
}


def written(text: str) -> str:
    """Return the text of a page with new generated parts."""
    for name, generate in GENERATED.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{generate()}\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text


# The files that are generated as a whole.
FILES = {Path(mock_sagemaker_ie.__file__).with_name("fidelity") / "fidelity.json": fidelity_json}


if __name__ == "__main__":
    for file, generate in FILES.items():
        file.write_text(generate(), encoding="utf-8")
    for page in PAGES:
        page.write_text(written(page.read_text()))
    DIAGRAM.write_text(lifecycle_diagram.svg())
