"""How much the tests of virtual time try: MOCK_SAGEMAKER_IE_ATTACK=large makes them try more."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

# The factor of the number of examples.
ATTACK = 10 if os.environ.get("MOCK_SAGEMAKER_IE_ATTACK") == "large" else 1


@contextmanager
def busy_machine():
    """Let two other processes use the processors."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(2)]  # noqa: S603 - our own
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()
