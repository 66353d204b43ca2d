"""The command mock-sagemaker-ie in a process of its own."""

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
PATIENCE = 60  # Seconds within which a process ends by itself, on the slowest machine.


def command(*arguments: object) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "mock_sagemaker_ie", *map(str, arguments)]


def run(line: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(  # noqa: S603 - our own
        line,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Served(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def end(self, signal: int) -> tuple[int, str]:
        """Send a signal; gives the status with which the process ended, and what it wrote since it served."""
        self.process.send_signal(signal)
        output = self.process.stdout.read()
        return self.process.wait(PATIENCE), output


@contextmanager
def served(*arguments: object) -> Iterator[Served]:
    """`mock-sagemaker-ie serve` with these arguments, on a free port, killed at the end if it still runs."""
    line = command("serve", "--port", 0, *arguments)
    with subprocess.Popen(  # noqa: S603 - our own
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            first = process.stdout.readline()
            url = next((word for word in first.split() if word.startswith("http://")), None)
            assert url, first + process.stdout.read()
            yield Served(process, url)
        finally:
            process.kill()
