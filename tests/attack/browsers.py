"""Real browsers, and the site of an attacker that they visit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REBOUND = "attacker.test"  # The browsers resolve this name to this machine, as after DNS rebinding.
BROWSERS = {"chromium": shutil.which("chromium"), "firefox": shutil.which("firefox-esr") or shutil.which("firefox")}
_PAGE = Path(__file__).with_name("attacker.html")
_CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--disable-popup-blocking",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
_FIREFOX = {
    "network.dns.localDomains": REBOUND,
    "dom.disable_open_during_load": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    # Nothing listens on port 1: Firefox reaches no other machine.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 1,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 1,
    "network.proxy.no_proxies_on": f"localhost, 127.0.0.1, {REBOUND}",
}


@contextmanager
def visiting(browser: str, url: str, folder: Path) -> Iterator[None]:
    """Let a browser with a new profile visit a URL until the exit."""
    if browser == "firefox":
        preferences = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _FIREFOX.items()]
        (folder / "user.js").write_text("\n".join(preferences))
        options = ["--headless", "--no-remote", "--profile", str(folder)]
    else:
        options = [*_CHROMIUM, f"--user-data-dir={folder}"]
    environment = {**os.environ, "HOME": str(folder)}
    with subprocess.Popen(  # noqa: S603 - a browser of this machine
        [BROWSERS[browser], *options, url], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class AttackersSite(ThreadingHTTPServer):
    """A site that serves the attacker's page and collects its reports.

    It passes all other requests to `target` (host, port) with their headers: so its page sees what a page sees whose
    name leads to the target after DNS rebinding.
    """

    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.reports: Queue[dict[str, Any]] = Queue()
        super().__init__(("127.0.0.1", 0), _Handler)

    @classmethod
    @contextmanager
    def serving(cls, target: tuple[str, int]) -> Iterator[AttackersSite]:
        """Serve until the exit."""
        with cls(target) as site:
            thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield site
            finally:
                site.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: AttackersSite

    def do_GET(self) -> None:
        if self.path.startswith("/attack?"):
            self._send(200, {"Content-Type": "text/html"}, _PAGE.read_bytes())
        else:
            self._pass_on()

    def do_POST(self) -> None:
        if self.path == "/report":
            self.server.reports.put(json.loads(self._body()))
            self._send(200, {}, b"")
        else:
            self._pass_on()

    do_OPTIONS = do_HEAD = do_POST  # noqa: N815

    def _pass_on(self) -> None:
        connection = HTTPConnection(*self.server.target, timeout=30)
        connection.request(self.command, self.path, self._body(), dict(self.headers.items()))
        answer = connection.getresponse()
        self._send(answer.status, dict(answer.headers.items()), answer.read())
        connection.close()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            if name.lower() != "content-length" or text == str(len(body)):
                self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
