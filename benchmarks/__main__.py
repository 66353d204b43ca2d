"""Measure the rows of the table and print them. The exit status is 1 when a row misses its bar."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import version

from benchmarks import endpoints, experiments, many, processes, scenarios, servers, sleeping, traffic
from benchmarks.measuring import HEADER, measure

ROWS = (
    *experiments.ROWS,
    *many.ROWS,
    *endpoints.ROWS,
    *traffic.ROWS,
    *sleeping.ROWS,
    *scenarios.ROWS,
    *processes.ROWS,
    *servers.ROWS,
)


def main() -> int:
    """Measure the selected rows and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="measure only rows that contain one of these words (default: all)")
    parser.add_argument("--quick", action="store_true", help="measure a fifth of the rounds")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.words or any(word in row.what for word in arguments.words)]

    versions = ", ".join(f"{name} {version(name)}" for name in ("boto3", "botocore", "moto", "pytest"))
    print(f"Python {platform.python_version()}, {versions}\n\n{HEADER}", flush=True)
    all_met = True
    for row in rows:
        outcome = measure(row, max(3, row.rounds // 5) if arguments.quick else row.rounds)
        all_met = all_met and outcome.met
        print(outcome, flush=True)
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
