"""A mock for other processes: AWS's requests, what steers it under /_mock/, and a page to look at, over HTTP."""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.activation.activation import make_service, report_unused
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.server.control import Control
from mock_sagemaker_ie.server.http import ServerDoor, bind
from mock_sagemaker_ie.server.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.serving import BaseWSGIServer


class Serving(NamedTuple):
    """A server that listens; `http.serve_forever()` serves until `http.shutdown()`."""

    http: BaseWSGIServer
    mock: InferenceExperimentMock
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which any AWS SDK finds the server."""
        return {
            "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def serving(
    host: str = "127.0.0.1", port: int = 0, *, state: Path | None = None, remote: bool = False, **options: Any
) -> Iterator[Serving]:
    """A server of a mock with these options of mock_inference_experiment, listening on a free port for port 0.

    `state`: a file that keeps the world from one server to the next. `remote`: let other machines in.
    Raises ValueError for a host that is not this machine unless `remote`, OSError when it cannot listen,
    JournalError when the file cannot be used.
    """
    if not remote and not _is_loopback(host):
        raise ValueError(f"host {host!r} lets other machines in, unasked: say so (remote) if you mean it")
    settings = complete(options)
    service, delivery = make_service(settings)
    with ExitStack() as stack:
        stack.callback(delivery.close)
        journal = None
        if state is not None:
            world = {
                "account_id": settings["account_id"],
                "durations": repr(settings["durations"]),
                "strict": settings["strict"],
            }
            journal = Journal(state, service, world)
            stack.callback(journal.close)
        mock = InferenceExperimentMock(service)
        try:
            http = bind(ServerDoor(service, Control(mock, journal)), host, port)
        except OSError as error:
            raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
        stack.callback(http.server_close)
        shown = f"[{host}]" if ":" in host else host
        yield Serving(http, mock, f"http://{shown}:{http.port}")
    report_unused(service.faults, settings["unused_faults"])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
