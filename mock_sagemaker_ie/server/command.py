"""The command line mock-sagemaker-ie: `serve` runs a mock for other processes, `demo` shows a shadow test."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.settings import Durations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

    demo = commands.add_parser("demo", help="show a shadow test from launch to promotion in the terminal")
    demo.add_argument("--fast", action="store_true", help="do not pause between the steps")
    demo.set_defaults(run=_demo)

    serve = commands.add_parser("serve", help="answer AWS SDKs of any language over HTTP (needs the extra: server)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=_port, default=5050, help="port to listen on; 0: a free one (default: %(default)s)"
    )
    serve.add_argument("--remote", action="store_true", help="allow a host that other machines can reach")
    serve.add_argument(
        "--clock",
        type=_option("clock"),
        metavar="INSTANT",
        help="stop the clock there, e.g. 2026-01-01T09:00:00Z (default: the wall clock)",
    )
    serve.add_argument(
        "--durations",
        type=_durations,
        default=Durations(),
        help="how long transitional statuses last: zero, realistic, or seconds, e.g. 'starting=300' (default: zero)",
    )
    serve.add_argument(
        "--account-id",
        type=_option("account_id"),
        default="123456789012",
        help="account of the mock (default: %(default)s)",
    )
    serve.add_argument(
        "--region",
        type=_option("region_name"),
        help="region of the printed environment and of control requests without one (default: the process's)",
    )
    serve.add_argument("--strict", action="store_true", help="refuse models that were not created")
    serve.add_argument("--state", type=Path, metavar="FILE", help="keep the state of the mock in a file over restarts")
    serve.set_defaults(run=_serve)
    return root


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


def _serve(options: argparse.Namespace) -> int:
    try:
        from mock_sagemaker_ie.server.app import running_server  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise RuntimeError(f"{error.name} is missing: pip install 'mock-sagemaker-ie[server]'") from None
    for number in (signal.SIGINT, signal.SIGTERM):  # A shell starts background jobs with SIGINT ignored.
        signal.signal(number, _interrupt)
    with (
        suppress(KeyboardInterrupt),
        running_server(
            options.host,
            options.port,
            state=options.state,
            remote=options.remote,
            clock=options.clock,
            durations=options.durations,
            account_id=options.account_id,
            region_name=options.region,
            strict=options.strict,
            unused_faults="ignore",
        ) as server,
    ):
        print(f"Serving SageMaker at {server.url} - press Ctrl+C to end", flush=True)  # noqa: T201
        for name, value in server.environment.items():
            print(f"  export {name}={shlex.quote(value)}", flush=True)  # noqa: T201
        server.http.serve_forever(poll_interval=0.1)  # Until a KeyboardInterrupt.
    print("Ended.", flush=True)  # noqa: T201
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
