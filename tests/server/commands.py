"""The command line mock-sagemaker-ie in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXIT_TIMEOUT = 60  # Seconds: even the slowest machine ends a process in this time.


def command(*arguments: object) -> list[str]:
    """Return the command line with these arguments."""
    return [sys.executable, "-m", "mock_sagemaker_ie", *map(str, arguments)]


def run(line: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line and wait for its end."""
    return subprocess.run(  # noqa: S603 - our own command
        line,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=EXIT_TIMEOUT,
        check=False,
    )


class ServerProcess(NamedTuple):
    """A server in its own process."""

    process: subprocess.Popen[str]
    url: str

    def end(self, signal: int) -> tuple[int, str]:
        """Send a signal; return the exit status of the process, and its output after the first line."""
        self.process.send_signal(signal)
        output = self.process.stdout.read()
        return self.process.wait(EXIT_TIMEOUT), output


@contextmanager
def server_process(*arguments: object) -> Iterator[ServerProcess]:
    """Run `mock-sagemaker-ie serve` with these arguments on a free port; kill the process if it runs at the exit."""
    line = command("serve", "--port", 0, *arguments)
    with subprocess.Popen(  # noqa: S603 - our own command
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            first = process.stdout.readline()
            url = next((word for word in first.split() if word.startswith("http://")), None)
            assert url, first + process.stdout.read()
            yield ServerProcess(process, url)
        finally:
            process.kill()
