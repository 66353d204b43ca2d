"""mypy agrees with the typing tests beside this file, which are checked and never run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
CHECKED = [str(path) for path in sorted(HERE.glob("*.py")) if path.name not in ("__init__.py", Path(__file__).name)]


def test_mypy_accepts_what_is_right_and_refuses_what_is_wrong():
    """Strictly: an error that mypy should find is written down as ignored, and an ignore without an error is one."""
    assert CHECKED

    run = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, "-m", "mypy", "--strict", *CHECKED],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, ""), run.stdout
