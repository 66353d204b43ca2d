"""Web pages of other sites, in real browsers, against a server on the same machine."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from mock_sagemaker_ie import ModelResponse
from tests.attack.browsers import BROWSERS, REBOUND, AttackersSite, visiting
from tests.requests import NAME, create
from tests.server.http_client import HTTPClient, server_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGES = ("localhost", "127.0.0.1", REBOUND)  # Another site, another port of the same host, the server's own origin.
CROSS_ORIGIN = PAGES[:2]
POSSIBLE = {
    "invoke by fetch",
    "invoke without referrer",
    "invoke by beacon",
    "invoke by opaque origin",
    "script by form",
    "script by popup",
    "image",
    "frame",
}
SITE_HEADERS = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_HOST")
OPEN = {
    "content-security-policy": "default-src * data: 'unsafe-inline'",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "none",
}


def of_every_browser() -> list[Any]:
    """Return the browsers; those that are missing are skipped, except in CI."""
    skipped = [] if os.environ.get("CI") else [name for name, path in BROWSERS.items() if path is None]
    return [
        pytest.param(name, marks=[pytest.mark.skip(reason=f"{name} is not on PATH")] if name in skipped else [])
        for name in BROWSERS
    ]


class Gate:
    """A WSGI application before the server's own, which can remove its protections; it notes what is answered.

    `names_sites`: pass on the headers that tell the site of a request. `protects`: leave the headers of the answers.
    """

    def __init__(self, app: Any, *, names_sites: bool, protects: bool) -> None:
        self._app, self._names_sites, self._protects = app, names_sites, protects
        self.answered: set[tuple[str, str]] = set()  # Attack and page of each request that was not refused.

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if status.startswith("200"):
                self._note(environ)
            kept = [(name, text) for name, text in headers if self._protects or name.lower() not in OPEN]
            return start_response(status, kept if self._protects else [*kept, *OPEN.items()], *rest)

        passed = {name: text for name, text in environ.items() if self._names_sites or name not in SITE_HEADERS}
        return self._app(passed, start)

    def _note(self, environ: dict[str, Any]) -> None:
        """Note the success of an attack that the server sees; the page of the attacker sees the others."""
        shown_in = urlsplit(environ.get("HTTP_REFERER", "")).query  # The page polls when a browser shows it.
        for query in (environ["QUERY_STRING"], shown_in):
            attack, _, page = parse_qs(query).get("attack", [""])[0].partition(" at ")
            if attack.startswith("frame" if query == shown_in else ("invoke", "steer")):
                self.answered.add((attack, page))


def successes(browser: str, folder: Path, *, names_sites: bool = True, protects: bool = True) -> set[tuple[str, str]]:
    """Let a browser visit the attacker's pages; return attack and page of each success."""
    with server_in_thread(unused_faults="ignore") as server, closing(HTTPClient(server.url)) as http:
        assert http.call("CreateInferenceExperiment", **create()).status == 200
        server.mock.serve("model-prod", lambda request: ModelResponse(request.body, content_type="text/html"))
        server.http.app = gate = Gate(server.http.app, names_sites=names_sites, protects=protects)
        with AttackersSite.serving(("127.0.0.1", server.http.port)) as site:
            first, *others = [f"http://{page}:{site.server_port}" for page in PAGES]
            plan = {
                "targets": dict.fromkeys(CROSS_ORIGIN, server.url),
                "endpoint": create()["EndpointName"],
                "experiment": NAME,
                "next": others,
            }
            with visiting(browser, f"{first}/attack?{urlencode({'attack': json.dumps(plan)})}", folder):
                reports = [site.reports.get(timeout=90) for _ in PAGES]
    assert [report["page"] for report in reports] == list(PAGES)
    seen = {(attack, each["page"]) for each in reports for attack, effect in each["results"].items() if effect}
    return seen | gate.answered


@pytest.mark.parametrize("browser", of_every_browser())
def test_no_page_of_another_site_reaches_the_server(browser, tmp_path):
    """It reads, steers, invokes and shows nothing, and runs no script in the server's origin, by no way."""
    assert successes(browser, tmp_path) == set()


@pytest.mark.parametrize("browser", of_every_browser())
def test_the_answers_protect_themselves_in_a_browser_that_does_not_name_the_site(browser, tmp_path):
    """Browsers do not name it to hosts other than loopback. Simple requests come through then."""
    found = successes(browser, tmp_path, names_sites=False)

    assert {("read by fetch", REBOUND), ("image", REBOUND)} <= found  # As the server's own page does.
    assert {attack for attack, page in found if page in CROSS_ORIGIN and not attack.startswith("invoke")} == set()


@pytest.mark.parametrize("browser", of_every_browser())
def test_every_attack_succeeds_against_a_server_without_protection(browser, tmp_path):
    """So the tests above can fail. What other sites cannot do to any server is missing: to read, and to send JSON."""
    found = successes(browser, tmp_path, names_sites=False, protects=False)

    assert {attack for attack, page in found if page == REBOUND} == POSSIBLE | {"read by fetch", "steer by fetch"}
    for page in CROSS_ORIGIN:
        assert {attack for attack, of in found if of == page} == POSSIBLE
