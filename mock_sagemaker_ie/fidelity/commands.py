"""The commands observe and conform."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_commands(commands: Any) -> None:
    """Add observe and conform to the commands of a command line (the result of argparse's add_subparsers)."""
    observe = commands.add_parser("observe", help="ask AWS, or another service, what it does, and write the answers")
    observe.add_argument(
        "--tier",
        type=int,
        choices=(0, 1, 2),
        default=0,
        help="0 creates nothing; 1 creates and deletes what is free; 2 runs shadow tests on instances (default: 0)",
    )
    observe.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write one file per probe there")
    observe.add_argument("--create-resources", action="store_true", help="allow tiers 1 and 2")
    observe.add_argument("--region", help="region (default: the process's)")
    observe.add_argument("--endpoint-url", metavar="URL", help="ask this service instead of AWS")
    observe.add_argument("--role", metavar="ARN", help="role of models and tests, for tiers 1 and 2")
    observe.add_argument("--image", help="container image of the models, for tiers 1 and 2")
    observe.add_argument("--model-data", metavar="S3-URI", help="archive of the models, if the image needs one")
    observe.add_argument("--instance-type", default="ml.t2.medium", help="of tier 2 (default: %(default)s)")
    observe.add_argument(
        "--capture", metavar="S3-URI", help="folder for captured traffic, to observe capture in tier 2"
    )
    observe.add_argument(
        "--poll", type=float, default=15, metavar="SECONDS", help="time between two looks at a status (default: 15)"
    )
    observe.set_defaults(run=_observe)

    conform = commands.add_parser(
        "conform", help="compare observations with the mock; the exit status is 1 if they differ"
    )
    conform.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of observe --out")
    conform.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=CHOICE",
        help="compare with a mock that assumes this; may be repeated",
    )
    conform.add_argument(
        "--assumptions", type=Path, metavar="FILE", help="compare with a mock that has the assumptions of this file"
    )
    conform.add_argument("--json", action="store_true", help="print JSON")
    conform.add_argument(
        "--write-assumptions", type=Path, metavar="FILE", help="write the assumptions that explain the differences"
    )
    conform.set_defaults(run=_conform)


def _observe(options: argparse.Namespace) -> int:
    from mock_sagemaker_ie.fidelity.observe import Order, observe, plan, target_for  # noqa: PLC0415

    given = {name: value for name, value in vars(options).items() if name in Order._fields}
    order = Order(**given)
    if order.poll <= 0:
        raise ValueError(f"--poll {order.poll:g}: expected a number of seconds above 0")
    _say(plan(order))
    target = target_for(order)
    options.out.mkdir(parents=True, exist_ok=True)  # Before anything is created that could not be written about.
    _say(f"at {order.endpoint_url or 'AWS'} in {target.names['region']}; names begin with {target.names['prefix']}")
    # What was created must not stay.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP, and nohup ignores it.
        if (number := getattr(signal, name, None)) and (name, signal.getsignal(number)) != ("SIGHUP", signal.SIG_IGN):
            signal.signal(number, signal.default_int_handler)
    try:
        left, ended_by = observe(order.probes, target, options.out, _say)
    except KeyboardInterrupt:
        _say("Ended by Ctrl-C or a signal. What was not removed is named above.")
        return 130
    if ended_by:
        print(f"mock-sagemaker-ie: {ended_by}", file=sys.stderr)  # noqa: T201
    if left:
        print("mock-sagemaker-ie: these could not be removed:", *left, sep="\n  ", file=sys.stderr)  # noqa: T201
    return 1 if left or ended_by else 0


def _conform(options: argparse.Namespace) -> int:
    from mock_sagemaker_ie.backend.assumptions import Assumptions  # noqa: PLC0415
    from mock_sagemaker_ie.fidelity import report  # noqa: PLC0415
    from mock_sagemaker_ie.fidelity.conform import conform  # noqa: PLC0415
    from mock_sagemaker_ie.fidelity.observations import read_folder  # noqa: PLC0415

    text = options.assumptions.read_text(encoding="utf-8") if options.assumptions else ""
    assumptions = Assumptions.parse("\n".join([text, *options.assume]))
    observed = read_folder(options.folder)
    result = conform(observed, assumptions)
    print(report.as_json(result, observed) if options.json else report.text(result, observed))  # noqa: T201
    if options.write_assumptions:
        options.write_assumptions.write_text(report.assumptions_file(result, observed), encoding="utf-8")
    return 1 if result.differences else 0


def _say(text: str) -> None:
    with suppress(OSError):  # Nobody reads any more; what was created must be removed all the same.
        print(text, flush=True)  # noqa: T201 - a command prints
