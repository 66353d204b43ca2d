"""Rows about processes: pytest runs that do not use the plugin, and the memory of a first call."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import MEMORY, RETURNED_TIME, Row

ROOT = Path(__file__).parent.parent


def output_of(command: list[str], folder: Path) -> str:
    """Run a command and return its output. Raises CalledProcessError when the command fails."""
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own command


# --- pytest with the plugin loaded and unused, and without it

FILES, TESTS = 50, 20


@contextmanager
def collecting(*options: str):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    with TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").touch()
        for number in range(FILES):
            tests = "\n".join(f"def test_{index}(tmp_path):\n    assert tmp_path\n" for index in range(TESTS))
            Path(folder, f"test_{number}.py").write_text(tests)

        def cpu_seconds_of_a_run() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            output_of(command, Path(folder))
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

        yield cpu_seconds_of_a_run


# --- the memory of a process that has a client, with and without a first call

CLIENT = """
import boto3
from tests.requests import create
keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
sagemaker = boto3.client("sagemaker", region_name="us-east-1", **keys)
"""
FIRST_CALL = """
from mock_sagemaker_ie import mock_inference_experiment
with mock_inference_experiment():
    sagemaker.create_inference_experiment(**create())
"""
RESIDENT = """
import gc, re
from pathlib import Path
gc.collect()
print(int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
ALLOCATED = """
import gc, tracemalloc
gc.collect()
print(tracemalloc.get_traced_memory()[0] / 2**20)
"""


@contextmanager
def mebibytes(*code: str, options: tuple[str, ...] = ()):
    command = [sys.executable, *options, "-c", "".join(code)]
    yield lambda: float(output_of(command, ROOT))


TRACED = ("-X", "tracemalloc")

ROWS = (
    Row(
        "pytest --collect-only, plugin loaded and unused vs no plugin",
        collecting,
        partial(collecting, "-p", "no:sagemaker_ie"),
        1.02,
        RETURNED_TIME,
        rounds=40,
    ),
    Row(
        "resident memory with a first call vs with the client alone",
        partial(mebibytes, CLIENT, FIRST_CALL, RESIDENT),
        partial(mebibytes, CLIENT, RESIDENT),
        3.0,
        MEMORY,
        rounds=10,
    ),
    Row(
        "memory that Python allocated with a first call vs with the client alone",
        partial(mebibytes, CLIENT, FIRST_CALL, ALLOCATED, options=TRACED),
        partial(mebibytes, CLIENT, ALLOCATED, options=TRACED),
        3.0,
        MEMORY,
        rounds=3,
    ),
)
