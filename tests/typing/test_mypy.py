"""mypy checks the other files of this folder, which are typing tests and never run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
CHECKED = [str(path) for path in sorted(HERE.glob("*.py")) if path.name not in ("__init__.py", Path(__file__).name)]


def test_mypy_finds_exactly_the_marked_errors():
    """mypy --strict finds an error in each line marked with `type: ignore`, and no other errors."""
    assert CHECKED

    run = subprocess.run(  # noqa: S603 - the project's own files
        [sys.executable, "-m", "mypy", "--strict", *CHECKED],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, ""), run.stdout
