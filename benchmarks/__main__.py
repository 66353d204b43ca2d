"""Prints the table, row by row. Exit status 1 when a bar is missed."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import version

from benchmarks import endpoints, experiments, processes, servers, traffic
from benchmarks.measuring import HEADER, measure

ROWS = (*experiments.ROWS, *endpoints.ROWS, *traffic.ROWS, *processes.ROWS, *servers.ROWS)


def main() -> int:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="measure only rows that contain one of these (default: all)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.words or any(word in row.what for word in arguments.words)]

    peers = ", ".join(f"{name} {version(name)}" for name in ("boto3", "botocore", "moto", "pytest"))
    print(f"Python {platform.python_version()}, {peers}\n\n{HEADER}", flush=True)
    all_met = True
    for row in rows:
        outcome = measure(row, max(3, row.rounds // 5) if arguments.quick else row.rounds)
        all_met = all_met and outcome.met
        print(outcome, flush=True)
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
