"""The HTTP server for other processes and languages, on werkzeug (extra `server`).

It answers the requests of the AWS API, and passes all others to `control`: the paths under /_mock/ and the page at /.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from mock_sagemaker_ie.protocol.errors import AWSError, common_error
from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.access import PROTECTION, Access
from mock_sagemaker_ie.service.aws_http import BrokenConnection, HTTPRequest, NotAnswered, answer, error_answer
from mock_sagemaker_ie.service.clients import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.server.limits import Limit
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
        return [answered.body]

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


def _malformed(message: str, status: int = 400) -> AWSError:
    return AWSError("MalformedHttpRequestException", message, status)


class _Input(io.RawIOBase):
    """The bytes that a client sends. Raises TimeoutError when the client is silent, or a request takes too long."""

    def __init__(self, connection: socket.socket, silence: float, request_time: float) -> None:
        self._connection, self._silence, self._request_time = connection, silence, request_time
        self._end: float | None = None

    @property
    def begun(self) -> bool:
        """True when a part of the next request has come."""
        return self._end is not None

    def expect_request(self) -> None:
        """Give the next request the whole time, from its first byte on."""
        self._end = None

    def readable(self) -> bool:
        """Return True: a BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait for it."""
        now = time.monotonic()
        left = self._silence if self._end is None else min(self._silence, self._end - now)
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        if self._end is None and count:
            self._end = time.monotonic() + self._request_time
        return count


# One line that is a header: no line break or control character inside, and no space around the name, by which other
# programs could read another header than this one.
_HEADER = re.compile(rb"[!#-'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r?\n")
_REQUEST_LINE = re.compile(rb"[\x20-\x7e\x80-\xff]*\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")


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
        self._input = _Input(self.connection, self.server.socket_timeout, self.server.request_time)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._input)

    def handle_one_request(self) -> None:
        """Read and answer one request."""
        self._input.expect_request()
        self._line_of_request = ""
        try:
            head = self._head()
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self.close_connection = True
            if self._input.begun:
                self._refuse(common_error("RequestTimeoutException"))
        else:
            if head and self._parse(head):
                self.run_wsgi()

    def _parse(self, head: list[bytes]) -> bool:
        """Let http.server parse a head that is complete. Return False when the request was refused."""
        self.raw_requestline, reader = head[0], self.rfile
        self.rfile = io.BytesIO(b"".join(head[1:]))
        try:
            return self.parse_request()
        finally:
            self.rfile = reader

    def _head(self) -> list[bytes]:
        """Return the lines of the next request up to the empty one; none when the client has closed the connection."""
        line = self._line(limits.REQUEST_LINE, 414)
        if not line:
            self.close_connection = True
            return []
        if not _REQUEST_LINE.fullmatch(line):
            raise _malformed("The request line has a line break or a control character inside.")
        self._line_of_request = line[:MAX_LOGGED].decode("latin-1").strip()
        lines, size = [line], len(line)
        while line.strip(b"\r\n"):
            line = self._line(limits.HEADER_LINE, 431)
            lines.append(line)
            size += len(line)
            if not line:
                raise common_error("RequestAbortedException")
            if line not in (b"\r\n", b"\n") and not _HEADER.fullmatch(line):
                raise _malformed(
                    f"Line {len(lines)} of the request is not a header: expected a name, a colon and a value in one "
                    "line, without control characters."
                )
            if len(lines) > limits.HEADERS.value + 2:  # The first and the last line are not headers.
                raise _too_much(limits.HEADERS, 431)
            if size > limits.HEAD.value:
                raise _too_much(limits.HEAD, 431)
        return lines

    def _line(self, limit: Limit, status: int) -> bytes:
        line = self.rfile.readline(limit.value + 1)
        if len(line) > limit.value:
            raise _too_much(limit, status)
        return line

    def run_wsgi(self) -> None:
        """Read the body of a request and answer it."""
        try:
            environ = {**self.make_environ(), "wsgi.input": io.BytesIO(self._body())}
        except AWSError as error:
            self._refuse(error)
        except TimeoutError:
            self._refuse(common_error("RequestTimeoutException"))
        except ValueError as error:  # The URL is invalid.
            self._refuse(_malformed(str(error)))
        else:
            self._answer(environ)

    def _body(self) -> bytes:
        lengths = {length.strip() for length in self.headers.get_all("Content-Length", [])}
        encoding = self.headers.get("Transfer-Encoding")
        if encoding is not None:
            if encoding.strip().lower() != "chunked" or lengths:
                raise _malformed("Transfer-Encoding: expected chunked, without Content-Length.")
            return self._chunks()
        length = lengths.pop() if lengths else "0"
        if lengths or not (length.isascii() and length.isdigit()):
            raise _malformed(f"Content-Length {length[:100]!r}: expected one number.")
        # Python converts only so many digits.
        size = int(length) if len(length) < 20 else limits.BODY.value + 1  # noqa: PLR2004
        if size > limits.BODY.value:
            raise common_error("RequestEntityTooLargeException")
        return self._exactly(size)

    def _chunks(self) -> bytes:
        """Return a body that comes in chunks. Extensions of chunks and trailers are read and ignored."""
        body = bytearray()
        while True:
            match = _CHUNK_LINE.fullmatch(self._line(limits.CHUNK_LINE, 400))
            if match is None:
                raise _malformed("Invalid chunk header: expected the size of the chunk in hexadecimal digits.")
            size = int(match[1], 16)
            if size == 0:
                break
            if len(body) + size > limits.BODY.value:
                raise common_error("RequestEntityTooLargeException")
            body += self._exactly(size)
            if self.rfile.read(2) != b"\r\n":
                raise _malformed("Missing line break after a chunk.")
        try:
            parse_headers(self.rfile)
        except HTTPException as error:
            raise _malformed(str(error), 431) from None
        return bytes(body)

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise common_error("RequestAbortedException")
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
        self.connection.settimeout(limits.ANSWER_TIME.value)
        self.wfile.write(_encoded(status, headers, body, close=self.close_connection))
        if _log.isEnabledFor(logging.INFO) and not self._line_of_request.startswith("GET /_mock/state?"):
            # The page asks for the state each second.
            _log.info("%s %s %s, %d bytes", self.client_address[0], ascii(self._line_of_request), status, len(body))

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
        self._refuse(_malformed(message or _status(code), code))

    def log(self, kind: str, message: str, *args: Any) -> None:
        """Write nothing: `_send` has its own line for each answer."""


def _too_much(limit: Limit, status: int) -> AWSError:
    return _malformed(f"{limit.what}: at most {limit.value} {limit.unit}.", status)


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
