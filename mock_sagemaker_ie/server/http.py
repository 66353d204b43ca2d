"""The door for other languages: AWS's requests over HTTP, by werkzeug (extra `server`).

What is not AWS's goes to `control`: every path below /_mock/, and the page at the root.
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

# A client that says nothing for so many seconds is let go; so long at most an answer holds up the server's end.
PATIENCE = 30.0
LAST_ANSWERS = 3.0
# So much of a refused request is read and thrown away.
MOST_LEFT = 1024 * 1024 * 1024

_log = logging.getLogger(__name__)


class ServerDoor:
    """A WSGI application. `control`: what answers requests that are not AWS's, None for one it does not know."""

    def __init__(self, service: Service, control: Control) -> None:
        self.service = service
        self._control = control

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request. Raises BrokenConnection where a test arranged it."""
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the server stays up and says so
            _log.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answered = self.refuse(common_error("InternalFailure", f"{type(error).__name__}: {error}"))
        start_response(_status(answered.status), list(answered.headers.items()))
        return [answered.body]

    def refuse(self, error: AWSError) -> HTTPAnswer:
        """An error as it goes, of a request whose operation is not known."""
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
    """One connection, kept from request to request.

    werkzeug's own closes it after each, for some of the body may be left in it. Here the body is read first, and what
    cannot be read is refused in AWS's form.
    """

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Be patient, and send small answers at once, not when more has come together."""
        self.request.settimeout(self.server.patience)
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def parse_request(self) -> bool:
        """Read a request's head. False: it has been refused."""
        try:
            return super().parse_request()
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
            return False

    def run_wsgi(self) -> None:
        """Answer a request whose head has been read."""
        try:
            environ = {**self.make_environ(), "wsgi.input": io.BytesIO(self._body())}
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
        except ValueError as error:  # of an URL
            self._refuse(common_error("MalformedHttpRequestException", str(error)))
        else:
            self._answer(environ)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise common_error("MalformedHttpRequestException", f"Content-Length {length!r} is no length.")
        if int(length) > MAX_BODY_SIZE:
            raise common_error("RequestEntityTooLargeException")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise common_error("RequestAbortedException")
        return body

    def _chunks(self) -> bytes:
        self.close_connection = True  # There may be trailers, which nobody reads.
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
        begun: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            begun[:] = status, headers

        try:
            body = b"".join(self.server.app(environ, start_response))
        except BrokenConnection:
            self.close_connection = True
        else:
            self._send(begun[0], begun[1], body)

    def _send(self, status: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send an answer in one piece."""
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in headers)]
        if self.close_connection:
            lines.append("connection: close")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)

    def _refuse(self, error: AWSError) -> None:
        """Answer a request that has not been read to its end, after which nothing can follow it."""
        refused = self.server.door.refuse(error)
        self.close_connection = True
        self._send(_status(refused.status), refused.headers.items(), refused.body)
        # A client that is still sending would lose the answer to a reset of the connection, were the rest not read.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(min(self.server.patience, 1.0))
            left = MOST_LEFT
            while left > 0 and (block := self.connection.recv(1 << 20)):
                left -= len(block)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what http.server finds to be no request."""
        self._refuse(AWSError("MalformedHttpRequestException", message or _status(code), code))

    def log(self, kind: str, message: str, *args: Any) -> None:
        """Say nothing: the page and /_mock/calls tell of the calls."""


class _Server(ThreadedWSGIServer):
    """A thread for each connection; at the end each may finish its answer."""

    def __init__(self, door: ServerDoor, host: str, port: int, file: int, patience: float) -> None:
        self.door, self.patience = door, patience
        self._open: dict[socket.socket, Thread] = {}
        super().__init__(host, port, door, _Handler, fd=file)

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
        end = time.monotonic() + LAST_ANSWERS
        for _, thread in connections:
            thread.join(max(end - time.monotonic(), 0))


def bind(door: ServerDoor, host: str, port: int, *, patience: float = PATIENCE) -> BaseWSGIServer:
    """A server that listens, on a free port for port 0; `serve_forever()` serves, a thread for each connection.

    Raises OSError when it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OverflowError as error:
            raise OSError(0, str(error)) from None
        listening.listen(128)
        # The server has a duplicate of its own.
        return _Server(door, host, listening.getsockname()[1], listening.fileno(), patience)
