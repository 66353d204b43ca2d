"""The trace of a test: one HTML file with its experiments, calls, endpoint configurations and traffic.

It needs no server and no other file. Long values are shortened, so that a usual trace stays below 300 kB.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.protocol.errors import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mock_sagemaker_ie.calls import Call
    from mock_sagemaker_ie.service.service import Service

MAX_CALLS, MAX_RECORDS, MAX_TEXT_LENGTH = 200, 20, 2000

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --bad: #b91c1c; }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }}
h1 {{ font-size: 1.2rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.05rem; margin-top: 1.5rem; }}
pre {{ background: #8881; border-radius: .4rem; margin: .3rem 0; overflow-x: auto; padding: .5rem; }}
details {{ border-top: 1px solid #8884; padding: .25rem 0; }}
summary {{ cursor: pointer; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .2rem 1.2rem .2rem 0; text-align: left; }}
.bad {{ color: var(--bad); }}
.picture {{ overflow-x: auto; }}
.narrow {{ display: none; }}
@media (max-width: 45rem) {{ .wide {{ display: none; }} .narrow {{ display: block; }} }}
@media (prefers-color-scheme: dark) {{
  :root {{ --bad: #fca5a5; }}
  body {{ background: #121212; }}
  .picture svg {{ filter: invert(.9) hue-rotate(180deg); }}
}}
</style>
</head>
<body>
<h1>{heading}</h1>
<p>{outcome}</p>
{body}
</body>
</html>
"""


def write(folder: Path, test: str, outcome: str, services: Iterable[Service]) -> Path | None:
    """Write the trace of a test whose mocks have these services. Return its path; None when the mocks got no call.

    `folder`: exists. `test`: its node id, which names the file. Raises OSError when the file cannot be written.
    """
    parts = [part for each in services if each.recorded() for part in _of_mock(each)]
    if not parts:
        return None
    path = folder / f"{re.sub('[^A-Za-z0-9_.-]+', '-', test)[:150].strip('-')}.html"
    page = _PAGE.format(title=escape(test), heading=_breakable(test), outcome=escape(outcome), body="\n".join(parts))
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def _breakable(test: str) -> str:
    """Return the node id of a test as HTML that may break after each part and each word."""
    return re.sub("(::|[/_])", r"\1<wbr>", escape(test))


def _of_mock(service: Service) -> Iterator[str]:
    mock = InferenceExperimentMock(service)
    calls = mock.calls
    scopes = dict.fromkeys((call.account_id, call.region) for call in calls)
    yield from service.as_left(lambda: [part for scope in scopes for part in _of_scope(mock, *scope)])
    yield f"<h2>Calls ({len(calls)})</h2>"
    if len(calls) > MAX_CALLS:
        yield f"<p>The last {MAX_CALLS}.</p>"
    yield from map(_call, calls[-MAX_CALLS:])


def _of_scope(mock: InferenceExperimentMock, account: str, region: str) -> Iterator[str]:
    where = f"in {region} of account {account}"
    timelines = [*mock.timelines_in(region, account).values()][-MAX_RECORDS:]
    for timeline in timelines:
        yield f"<h2>{escape(timeline.name)}: {timeline.present.status}, {escape(where)}</h2>"
        for kind in ("wide", "narrow"):  # The stylesheet shows one.
            yield f'<div class="picture {kind}">{timeline.to_svg(narrow=kind == "narrow")}</div>'
    service = mock._service  # noqa: SLF001 - of the same package
    records = service.look(lambda backend, _: [*backend.hosting.configs.records.values()], region, account)
    configs = [config.settings for config in records][-MAX_RECORDS:]
    if configs:
        yield f"<h2>Endpoint configurations {escape(where)}</h2>"
        for config in configs:
            yield _details(escape(str(config["EndpointConfigName"])), config)
    if counts := service.runtime.invocations:
        rows = "".join(f"<tr><td>{escape('/'.join(name))}</td><td>{count}</td></tr>" for name, count in counts.items())
        yield f"<h2>Traffic</h2><table><tr><th>endpoint/variant</th><th>Invocations</th></tr>{rows}</table>"


def _call(call: Call) -> str:
    answer: Any
    if call.error is None:
        outcome, answer = "ok", call.response
    else:
        code = getattr(call.error, "code", type(call.error).__name__)
        outcome, answer = f'<span class="bad">{escape(code)}</span>', error_text(call.error)
    names = ", ".join(str(value) for key, value in call.params.items() if key.endswith("Name"))
    summary = f"{call.at:%Y-%m-%d %H:%M:%S} {escape(f'{call.operation}({names})')} → {outcome}"
    return _details(summary, call.params, answer)


def _details(summary: str, *values: Any) -> str:
    blocks = "".join(f"<pre>{escape(_text(value))}</pre>" for value in values)
    return f"<details><summary>{summary}</summary>{blocks}</details>"


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, default=str, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}… ({len(text):,} characters)"
