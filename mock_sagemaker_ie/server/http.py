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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.protocol.errors import AWSError, common_error
from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.access import PROTECTION, Access
from mock_sagemaker_ie.server.request_reader import RequestReader, malformed
from mock_sagemaker_ie.server.streaming import write_messages
from mock_sagemaker_ie.service.aws_http import (
    HTTPRequest,
    Messages,
    NotAnswered,
    answer,
    error_answer,
)
from mock_sagemaker_ie.service.clients import service_model
from mock_sagemaker_ie.service.faults import BrokenConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.service.aws_http import HTTPAnswer
    from mock_sagemaker_ie.service.service import Service

    Control = Callable[[Request], Response | None]

_log = logging.getLogger(__name__)

MAX_LOGGED = 300  # Bytes of a request line in the log.


class Application:
    """The WSGI application. `control` answers the requests that are not AWS's; it returns None for the others.

    `access`: by default, the requests that reach it by a loopback address.
    """

    def __init__(self, service: Service, control: Control, access: Access | None = None) -> None:
        self.service = service
        self._control = control
        self._access = access or Access()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request. Raises BrokenConnection when a test arranged it."""
        try:
            if refusal := self._access.refusal(environ):
                raise AWSError("AccessDeniedException", refusal, 403)  # noqa: TRY301 - answered like all errors
            if environ["REQUEST_METHOD"] in ("GET", "HEAD") or environ["PATH_INFO"].startswith("/_mock/"):
                controlled = self._control(Request(environ))
                if controlled is not None:
                    return controlled(environ, start_response)
            answered = answer(self.service, _read(environ))
        except AWSError as error:
            answered = self.refuse(error)
        except NotAnswered as other:
            answered = self.refuse(common_error("UnknownOperationException", str(other)))
        except BrokenConnection:
            raise
        except Exception as error:  # noqa: BLE001 - any error becomes an answer, the server runs on
            _log.exception("%s %s", environ["REQUEST_METHOD"], ascii(environ["REQUEST_URI"]))
            answered = self.refuse(common_error("InternalFailure", f"{type(error).__name__}: {error}"))
        start_response(_status(answered.status), list(answered.headers.items()))
        return [answered.body] if answered.messages is None else answered.messages

    def refuse(self, error: AWSError) -> HTTPAnswer:
        """Return the answer with an error to a request whose operation is not known."""
        return error_answer(error, service_model("sagemaker"), self.service.now())


def _read(environ: dict[str, Any]) -> HTTPRequest:
    headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
    uri = environ["REQUEST_URI"]  # PATH_INFO has lost which slashes were escaped.
    return HTTPRequest(
        method=environ["REQUEST_METHOD"],
        host=headers.get("host", "").partition(":")[0].lower(),
        path=uri.partition("?")[0] if uri.startswith("/") else urlsplit(uri).path or "/",  # A client of a proxy.
        headers={**headers, "content-type": environ.get("CONTENT_TYPE", "")},
        body=environ["wsgi.input"].read(),
    )


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _status(code: int) -> str:
    return f"{code} {_PHRASES.get(code, '')}"


class _Handler(WSGIRequestHandler):
    """One connection, which stays open from request to request.

    werkzeug's handler closes the connection after each request, because a part of the body may be unread. This handler
    reads the whole request within the limits, and refuses unreadable requests with an error in AWS's format.
    """

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Switch off Nagle's algorithm, which delays small answers, and read with a time limit."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rfile.close()
        self._reader = RequestReader(self.connection, self.server.socket_timeout, self.server.request_time)

    def handle_one_request(self) -> None:
        """Read and answer one request."""
        try:
            head = self._reader.read_head()
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self.close_connection = True
            if self._reader.begun:
                self._refuse(common_error("RequestTimeoutException"))
        else:
            if not head:
                self.close_connection = True
            elif self._parse(head):
                self.run_wsgi()

    def _parse(self, head: list[bytes]) -> bool:
        """Let http.server parse a head that is complete. Return False when the request was refused."""
        self.raw_requestline, self.rfile = head[0], io.BytesIO(b"".join(head[1:]))
        return self.parse_request()

    def run_wsgi(self) -> None:
        """Read the body of a request and answer it."""
        try:
            environ = {**self.make_environ(), "wsgi.input": io.BytesIO(self._reader.read_body(self.headers))}
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
        except ValueError as error:  # The URL is invalid.
            self._refuse(malformed(str(error)))
        else:
            self._answer(environ)

    def _answer(self, environ: dict[str, Any]) -> None:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            head[:] = status, headers

        try:
            body = self.server.app(environ, start_response)
            if isinstance(body, Messages):
                self._stream(head[0], head[1], body)
            else:
                self._send(head[0], head[1], b"".join(body))
        except BrokenConnection:
            self.close_connection = True

    def _stream(self, status: str, headers: list[tuple[str, str]], messages: Messages) -> None:
        """Send an answer that is an event stream."""
        chunked = self.request_version >= "HTTP/1.1"
        self.close_connection |= not chunked
        try:
            self._send(status, [*headers, ("transfer-encoding", "chunked")] if chunked else headers, b"")
            write_messages(self.wfile.write, messages, chunked=chunked)
        finally:
            messages.close()

    def _send(self, status: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send an answer in one write."""
        self.connection.settimeout(limits.ANSWER_TIME.value)
        self.wfile.write(_encoded(status, headers, body, close=self.close_connection))
        line = self._reader.request_line[:MAX_LOGGED]
        if _log.isEnabledFor(logging.INFO) and not line.startswith(b"GET /_mock/state?"):
            # The page asks for the state each second.
            shown = ascii(line.decode("latin-1").strip())
            _log.info("%s %s %s, %d bytes", self.client_address[0], shown, status, len(body))

    def _refuse(self, error: AWSError) -> None:
        """Answer a request that was not read to its end, and close the connection."""
        refused = self.server.application.refuse(error)
        self.close_connection = True
        self._send(_status(refused.status), refused.headers.items(), refused.body)
        # Read the rest: otherwise the connection is reset, and a client that is still sending never reads the answer.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            patience = min(limits.REFUSED_TIME.value, self.server.request_time)
            end, rest = time.monotonic() + patience, limits.REFUSED_SIZE.value
            while rest > 0 and (left := end - time.monotonic()) > 0:
                self.connection.settimeout(min(left, self.server.socket_timeout, 1.0))
                block = self.connection.recv(1 << 20)
                if not block:
                    break
                rest -= len(block)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse a request that http.server cannot parse."""
        self._refuse(malformed(message or _status(code), code))

    def log(self, kind: str, message: str, *args: Any) -> None:
        """Write nothing: `_send` has its own line for each answer."""


def _encoded(status: str, headers: Iterable[tuple[str, str]], body: bytes, *, close: bool) -> bytes:
    """Return the bytes of an answer, with PROTECTION unless it has such headers itself."""
    own = {name.lower(): text for name, text in headers}
    named = {**PROTECTION, **own, **({"connection": "close"} if close else {})}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class _Server(ThreadedWSGIServer):
    """A server with a thread for each connection. When it closes, each thread may finish its answer."""

    def __init__(
        self, application: Application, host: str, port: int, file: int, timeouts: tuple[float, float]
    ) -> None:
        self.application = application
        self.socket_timeout, self.request_time = timeouts
        self.max_connections = limits.CONNECTIONS.value
        self._open: dict[socket.socket, Thread] = {}
        super().__init__(host, port, application, _Handler, fd=file)

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= self.max_connections:
            message = f"{self.max_connections} connections are open already, which is the most at once."
            busy = self.application.refuse(common_error("ServiceUnavailable", message))
            with suppress(OSError):
                request.sendall(_encoded(_status(busy.status), busy.headers.items(), busy.body, close=True))
            self.shutdown_request(request)
            return
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
        end = time.monotonic() + limits.SHUTDOWN_TIME.value
        for _, thread in connections:
            thread.join(max(end - time.monotonic(), 0))


def bind(
    application: Application,
    host: str,
    port: int,
    *,
    socket_timeout: float = limits.SILENCE.value,
    request_time: float = limits.REQUEST_TIME.value,
) -> BaseWSGIServer:
    """Return a server that listens on a host and port; port 0 selects a free port.

    Its `serve_forever()` answers requests, with a thread for each connection. `socket_timeout`: seconds after which the
    connection of a silent client is closed. `request_time`: seconds that a client may take to send a request. Raises
    OSError when the server cannot listen.
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
        return _Server(
            application, host, listening.getsockname()[1], listening.fileno(), (socket_timeout, request_time)
        )
