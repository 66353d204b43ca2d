"""The door for other languages: AWS's requests over HTTP, by werkzeug (extra `server`).

What is not AWS's goes to `control`: every path below /_mock/, and the page at the root.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.clients import service_model
from mock_sagemaker_ie.doors.gateway import LONGEST_BODY, HTTPRequest, answer, refusal
from mock_sagemaker_ie.protocol.errors import common_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.service import Service

# A client that says nothing for so many seconds is let go.
PATIENCE = 30


class ServerDoor:
    """A WSGI application. `control`: what answers requests that are not AWS's, None for one it does not know."""

    def __init__(self, service: Service, control: Callable[[Request], Response | None]) -> None:
        self.service = service
        self._control = control

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = LONGEST_BODY
        try:
            response = self._respond(request)
        except RequestEntityTooLarge:
            refused = refusal(
                common_error("RequestEntityTooLargeException"), service_model("sagemaker"), self.service.now()
            )
            response = Response(refused.body, refused.status, {**refused.headers, "connection": "close"})
        except HTTPException as error:
            response = error.get_response(environ)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") or request.path.startswith("/_mock/"):
            controlled = self._control(request)
            if controlled is not None:
                return controlled
        came = HTTPRequest(
            method=request.method,
            host=request.host.partition(":")[0],
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.get_data(cache=False),
        )
        answered = answer(self.service, came)
        return Response(answered.body, answered.status, answered.headers)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # Clients keep their connections.
    timeout = PATIENCE

    def log(self, kind: str, message: str, *args: Any) -> None:
        """Say nothing: the page and /_mock/calls tell of the calls."""

    def setup(self) -> None:
        """Send small answers at once, not when more has come together."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def bind(application: Callable[..., Iterable[bytes]], host: str, port: int) -> BaseWSGIServer:
    """A server that listens, on a free port for port 0; `serve_forever()` serves, a thread for each connection.

    Raises OSError when it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
        server = make_server(
            host,
            listening.getsockname()[1],
            application,
            threaded=True,
            request_handler=_Handler,
            fd=listening.detach(),
        )
    except BaseException:
        listening.close()
        raise
    server.daemon_threads = True  # type: ignore[attr-defined]  # of the threaded server
    return server
