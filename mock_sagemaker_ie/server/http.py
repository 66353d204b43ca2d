"""The HTTP server for other processes and languages, on werkzeug (extra `server`).

It answers the requests of the AWS API, and passes all others to `control`: the paths under /_mock/ and the page at /.
"""

from __future__ import annotations

import io
import logging
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, cast

from werkzeug.serving import BaseWSGIServer, DechunkedInput, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.protocol.errors import AWSError, common_error
from mock_sagemaker_ie.service.aws_http import (
    MAX_BODY_SIZE,
    BrokenConnection,
    HTTPRequest,
    NotAnswered,
    answer,
    error_answer,
)
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.service.aws_http import HTTPAnswer
    from mock_sagemaker_ie.service.service import Service

    Control = Callable[[Request], Response | None]

SOCKET_TIMEOUT = 30.0  # Seconds after which the connection of a silent client is closed.
SHUTDOWN_TIMEOUT = 3.0  # Seconds for which a server that closes waits for answers in progress.
MAX_DISCARDED = 1024 * 1024 * 1024  # Bytes of a refused request that are read and thrown away.

_log = logging.getLogger(__name__)


class Application:
    """The WSGI application. `control` answers the requests that are not AWS's; it returns None for the others."""

    def __init__(self, service: Service, control: Control) -> None:
        self.service = service
        self._control = control

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request. Raises BrokenConnection when a test arranged it."""
        try:
            if environ["REQUEST_METHOD"] in ("GET", "HEAD") or environ["PATH_INFO"].startswith("/_mock/"):
                controlled = self._control(Request(environ))
                if controlled is not None:
                    return controlled(environ, start_response)
            answered = answer(self.service, _read(environ))
        except NotAnswered as other:
            answered = self.refuse(common_error("UnknownOperationException", str(other)))
        except BrokenConnection:
            raise
        except Exception as error:  # noqa: BLE001 - any error becomes an answer, the server runs on
            _log.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answered = self.refuse(common_error("InternalFailure", f"{type(error).__name__}: {error}"))
        start_response(_status(answered.status), list(answered.headers.items()))
        return [answered.body]

    def refuse(self, error: AWSError) -> HTTPAnswer:
        """Return the answer with an error to a request whose operation is not known."""
        return error_answer(error, service_model("sagemaker"), self.service.now())


def _read(environ: dict[str, Any]) -> HTTPRequest:
    headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
    return HTTPRequest(
        method=environ["REQUEST_METHOD"],
        host=headers.get("host", "").partition(":")[0].lower(),
        path=environ["REQUEST_URI"].partition("?")[0],  # PATH_INFO has lost which slashes were escaped.
        headers={**headers, "content-type": environ.get("CONTENT_TYPE", "")},
        body=environ["wsgi.input"].read(),
    )


def _status(code: int) -> str:
    phrases = {status.value: status.phrase for status in HTTPStatus}
    return f"{code} {phrases.get(code, '')}"


class _Handler(WSGIRequestHandler):
    """One connection, which stays open from request to request.

    werkzeug's handler closes the connection after each request, because a part of the body may be unread. This handler
    reads the whole body first, and refuses unreadable requests with an error in AWS's format.
    """

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Set the timeout of the socket, and switch off Nagle's algorithm, which delays small answers."""
        self.request.settimeout(self.server.socket_timeout)
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def parse_request(self) -> bool:
        """Read the head of a request. Return False when the request was refused."""
        try:
            return super().parse_request()
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
            return False

    def run_wsgi(self) -> None:
        """Read the body of a request and answer it."""
        try:
            environ = {**self.make_environ(), "wsgi.input": io.BytesIO(self._body())}
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
        except ValueError as error:  # The URL is invalid.
            self._refuse(common_error("MalformedHttpRequestException", str(error)))
        else:
            self._answer(environ)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise common_error("MalformedHttpRequestException", f"Content-Length {length!r} is not a length.")
        if int(length) > MAX_BODY_SIZE:
            raise common_error("RequestEntityTooLargeException")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise common_error("RequestAbortedException")
        return body

    def _chunks(self) -> bytes:
        self.close_connection = True  # Trailers may follow, which are not read.
        try:
            stream: Any = DechunkedInput(cast("IO[bytes]", self.rfile))
            body: bytes = io.BufferedReader(stream).read(MAX_BODY_SIZE + 1)
        except TimeoutError:
            raise
        except OSError as error:
            raise common_error("MalformedHttpRequestException", str(error)) from None
        if len(body) > MAX_BODY_SIZE:
            raise common_error("RequestEntityTooLargeException")
        return body

    def _answer(self, environ: dict[str, Any]) -> None:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            head[:] = status, headers

        try:
            body = b"".join(self.server.app(environ, start_response))
        except BrokenConnection:
            self.close_connection = True
        else:
            self._send(head[0], head[1], body)

    def _send(self, status: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send an answer in one write."""
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in headers)]
        if self.close_connection:
            lines.append("connection: close")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)

    def _refuse(self, error: AWSError) -> None:
        """Answer a request that was not read to its end, and close the connection."""
        refused = self.server.application.refuse(error)
        self.close_connection = True
        self._send(_status(refused.status), refused.headers.items(), refused.body)
        # Read the rest: otherwise the connection is reset, and a client that is still sending never reads the answer.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(min(self.server.socket_timeout, 1.0))
            rest = MAX_DISCARDED
            while rest > 0 and (block := self.connection.recv(1 << 20)):
                rest -= len(block)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse a request that http.server cannot parse."""
        self._refuse(AWSError("MalformedHttpRequestException", message or _status(code), code))

    def log(self, kind: str, message: str, *args: Any) -> None:
        """Write no log: the page and /_mock/calls show the calls."""


class _Server(ThreadedWSGIServer):
    """A server with a thread for each connection. When it closes, each thread may finish its answer."""

    def __init__(self, application: Application, host: str, port: int, file: int, socket_timeout: float) -> None:
        self.application, self.socket_timeout = application, socket_timeout
        self._open: dict[socket.socket, Thread] = {}
        super().__init__(host, port, application, _Handler, fd=file)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        connections = list(self._open.items())
        for connection, _ in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        end = time.monotonic() + SHUTDOWN_TIMEOUT
        for _, thread in connections:
            thread.join(max(end - time.monotonic(), 0))


def bind(application: Application, host: str, port: int, *, socket_timeout: float = SOCKET_TIMEOUT) -> BaseWSGIServer:
    """Return a server that listens on a host and port; port 0 selects a free port.

    Its `serve_forever()` answers requests, with a thread for each connection. `socket_timeout`: seconds after which the
    connection of a silent client is closed. Raises OSError when the server cannot listen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OverflowError as error:
            raise OSError(0, str(error)) from None
        listening.listen(128)
        # The server duplicates the socket.
        return _Server(application, host, listening.getsockname()[1], listening.fileno(), socket_timeout)
