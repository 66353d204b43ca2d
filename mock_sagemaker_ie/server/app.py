"""A mock on an HTTP server: the AWS API, the control API under /_mock/, and a web page."""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.activation.activation import make_service, report_unused
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.server.control import Control
from mock_sagemaker_ie.server.http import Application, bind
from mock_sagemaker_ie.server.journal import Journal
from mock_sagemaker_ie.service.clients import process_region

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.serving import BaseWSGIServer


class RunningServer(NamedTuple):
    """A mock and the HTTP server that listens for it.

    `http.serve_forever()` answers requests until `http.shutdown()` is called. `mock`: an InferenceExperimentMock, to
    inspect and to steer. `url`: the address of the server.
    """

    http: BaseWSGIServer
    mock: InferenceExperimentMock
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which any AWS SDK finds the server."""
        return {
            "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": self.mock.region_name,
            "AWS_DEFAULT_REGION": self.mock.region_name,
        }


@contextmanager
def running_server(
    host: str = "127.0.0.1", port: int = 0, *, state: Path | None = None, remote: bool = False, **options: Any
) -> Iterator[RunningServer]:
    """Start to listen with a new mock; close the server at the exit.

    `port`: 0 selects a free port. `state`: a file that keeps the state of the mock from one server to the next.
    `remote`: allow a host that other machines can reach. `options`: the options of mock_inference_experiment.
    Raises ValueError for a host that is not a loopback address unless `remote`, OSError when the server cannot listen,
    JournalError when the file cannot be used.
    """
    if not remote and not _is_loopback(host):
        raise ValueError(
            f"host {host!r} is not a loopback address such as 127.0.0.1, so other machines could reach the mock; "
            "to allow it, pass remote=True (on the command line: --remote)"
        )
    complete_options = complete(options)
    service, delivery = make_service(complete_options)
    with ExitStack() as stack:
        stack.callback(delivery.close)
        journal = None
        if state is not None:
            settings = {
                "account_id": complete_options["account_id"],
                "durations": repr(complete_options["durations"]),
                "strict": complete_options["strict"],
            }
            journal = Journal(state, service, settings)
            stack.callback(journal.close)
        # Fixed for the life of the server, because clients in other processes get it in their environment.
        mock = InferenceExperimentMock(service, complete_options["region_name"] or process_region())
        try:
            http = bind(Application(service, Control(mock, journal)), host, port)
        except OSError as error:
            raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
        stack.callback(http.server_close)
        url_host = f"[{host}]" if ":" in host else host
        stack.callback(service.leave)
        yield RunningServer(http, mock, f"http://{url_host}:{http.port}")
    if state is not None:  # The file keeps the arranged failures: they may be met after the next start.
        service.faults.expected.clear()
    report_unused(service, complete_options["unused_faults"])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
