"""The command line mock-sagemaker-ie.

`serve` runs a mock for other processes, `journal` checks and repairs its file, `demo` shows a shadow test, `observe`
and `conform` compare the mock with AWS.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.assumptions import Assumptions
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.fidelity.commands import add_commands
from mock_sagemaker_ie.service.call_log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mock_sagemaker_ie.server.repair import Examination

MAX_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status. `arguments`: by default, those of the process."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (OSError, RuntimeError, ValueError) as error:
        print(f"mock-sagemaker-ie: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(prog="mock-sagemaker-ie", description="A mock of SageMaker inference experiments.")
    root.add_argument("--version", action="version", version=version("mock-sagemaker-ie"))
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="show in the terminal a shadow test, and a rollout with a bug, the scenario that breaks it, and the fix",
    )
    demo.add_argument("--fast", action="store_true", help="do not pause between the steps")
    demo.set_defaults(run=_demo)

    serve = commands.add_parser("serve", help="answer AWS SDKs of any language over HTTP (needs the extra: server)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=_port, default=5050, help="port to listen on; 0: a free one (default: %(default)s)"
    )
    serve.add_argument("--remote", action="store_true", help="allow a host that other machines can reach")
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer requests to this host name too, e.g. of a container; may be repeated",
    )
    serve.add_argument(
        "--clock",
        type=_option("clock"),
        metavar="INSTANT",
        help="stop the clock there, e.g. 2026-01-01T09:00:00Z (default: the wall clock)",
    )
    _add_settings(serve)
    serve.add_argument(
        "--region",
        type=_option("region_name"),
        help="region of the printed environment and of control requests without one (default: the process's)",
    )
    serve.add_argument("--state", type=Path, metavar="FILE", help="keep the state of the mock in a file over restarts")
    serve.add_argument(
        "--s3",
        type=Path,
        metavar="FOLDER",
        help="write captures below this folder, in files with the keys that AWS uses",
    )
    serve.add_argument(
        "--models",
        type=Path,
        metavar="FILE",
        help='answers of models by name, as JSON, e.g. {"ranker-v2": {"body": {"score": 0.7}}}',
    )
    serve.add_argument("--verbose", action="store_true", help="print each call and each HTTP request to stderr")
    serve.set_defaults(run=_serve)

    add_commands(commands)

    journal = commands.add_parser("journal", help="check or repair a file of serve --state")
    actions = journal.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="name the damaged lines of the file, which does not change")
    repair = actions.add_parser(
        "repair",
        help="replace a damaged file by one with all that can be saved, and keep the damaged file beside",
        description="The options count only if the first line, which has the settings of the mock, is damaged.",
    )
    _add_settings(repair)
    for action, run in ((check, _check), (repair, _repair)):
        action.add_argument("file", type=Path, metavar="FILE")
        action.set_defaults(run=run)
    return root


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that a journal has in its header."""
    parser.add_argument(
        "--durations",
        type=_durations,
        default=Durations(),
        help="how long transitional statuses last: zero, realistic, or seconds, e.g. 'starting=300' (default: zero)",
    )
    parser.add_argument(
        "--account-id",
        type=_option("account_id"),
        default="123456789012",
        help="account of the mock (default: %(default)s)",
    )
    parser.add_argument("--strict", action="store_true", help="refuse models that were not created")
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        type=_assumption,
        metavar="NAME=CHOICE",
        help="assume this of AWS, e.g. busy_endpoint=ConflictException (all: page Assumptions); may be repeated",
    )


def _option(name: str) -> Callable[[str], Any]:
    """Return the check of an option of mock_inference_experiment, so that an error names the flag."""

    def check(text: str) -> Any:
        from mock_sagemaker_ie.activation.options import complete  # noqa: PLC0415 - `demo` does not need it

        try:
            return complete({name: text})[name]  # type: ignore[literal-required]
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 (a free one) to {MAX_PORT}")
    return int(text)


def _assumption(text: str) -> str:
    try:
        Assumptions.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _durations(text: str) -> Durations:
    try:
        return Durations.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _demo(options: argparse.Namespace) -> int:
    from mock_sagemaker_ie.server.demo import demo  # noqa: PLC0415 - `serve` does not need it

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Some terminals cannot show the bars of a chart.
    demo(pause=0 if options.fast else 1)
    return 0


def _check(options: argparse.Namespace) -> int:
    from mock_sagemaker_ie.server.repair import check  # noqa: PLC0415 - only this command needs it

    found = check(options.file)
    _report(found, "is damaged")
    if found.problems:
        way_out = f"'mock-sagemaker-ie journal repair {options.file}' saves the other lines"
        if 1 in found.problems:
            way_out += "; give it the --account-id, --durations, --strict and --assume of the server, which line 1 had"
        print(f"{options.file}: damaged lines: {len(found.problems)} of {found.total}; {way_out}")  # noqa: T201
        return 1
    print(f"{options.file}: {found.total} lines, none is damaged")  # noqa: T201
    return 0


def _repair(options: argparse.Namespace) -> int:
    from mock_sagemaker_ie.server.journal import settings_of  # noqa: PLC0415 - only this command needs it
    from mock_sagemaker_ie.server.repair import repair  # noqa: PLC0415

    found, kept = repair(
        options.file, settings_of(vars(options) | {"assumptions": Assumptions.parse(" ".join(options.assume))})
    )
    if kept is None:
        print(f"{options.file}: {found.total} lines, none is damaged: it did not change")  # noqa: T201
        return 0
    _report(found, "is lost")
    print(f"{options.file}: saved {found.total - len(found.problems)} of {found.total} lines")  # noqa: T201
    print(f"{kept}: the damaged file")  # noqa: T201
    return 0


def _report(found: Examination, what: str) -> None:
    for number, problem in found.problems.items():
        print(f"line {number} {what}: {problem}")  # noqa: T201


def _writable(folder: Path) -> Path:
    """Return a folder, which is made if it does not exist. Raises OSError, with a sentence, if it cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise OSError(f"{folder} is a file: expected a folder for captures")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(
            f"the folder {folder} cannot be written: {error.strerror}; change its permissions, or use another folder"
        ) from None


def _serve(options: argparse.Namespace) -> int:
    try:
        from mock_sagemaker_ie.server.app import running_server  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise RuntimeError(f"{error.name} is missing: pip install 'mock-sagemaker-ie[server]'") from None
    _print_log(logging.DEBUG if options.verbose else logging.WARNING)
    for number in (signal.SIGINT, signal.SIGTERM):  # A shell starts background jobs with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),
        running_server(
            options.host,
            options.port,
            state=options.state,
            models=options.models,
            remote=options.remote,
            allow_hosts=options.allow_host,
            clock=options.clock,
            durations=options.durations,
            account_id=options.account_id,
            region_name=options.region,
            strict=options.strict,
            assumptions=Assumptions.parse(" ".join(options.assume)),
            s3=options.s3 and _writable(options.s3),
            unused_faults="ignore",
        ) as server,
    ):
        print(f"Serving SageMaker at {server.url} - press Ctrl+C to end", flush=True)  # noqa: T201
        for name, value in server.environment.items():
            print(f"  export {name}={shlex.quote(value)}", flush=True)  # noqa: T201
        server.http.serve_forever(poll_interval=0.1)  # Until a KeyboardInterrupt.
    print("Ended.", flush=True)  # noqa: T201
    return 0


def _print_log(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(level)
