"""Reads the HTTP requests of one connection, byte by byte as they come, within the limits for size and time."""

from __future__ import annotations

import io
import re
import time
from http.client import HTTPException, parse_headers
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.errors import AWSError, common_error
from mock_sagemaker_ie.server import limits

if TYPE_CHECKING:
    import socket
    from email.message import Message

    from mock_sagemaker_ie.server.limits import Limit

# One line that is a header: no line break or control character inside, and no space around the name, by which other
# programs could read another header than this one.
_HEADER = re.compile(rb"[!#-'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r?\n")
_REQUEST_LINE = re.compile(rb"[\x20-\x7e\x80-\xff]*\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")


class RequestReader:
    """The requests that come on one connection: read the head of each, then its body.

    `silence`: the seconds that a client may send nothing. `request_time`: the seconds from the first to the last byte
    of a request. `request_line`: the first line of the present request; empty until it has come.
    """

    def __init__(self, connection: socket.socket, silence: float, request_time: float) -> None:
        self._input = _Input(connection, silence, request_time)
        self._file = io.BufferedReader(self._input)
        self.request_line = b""

    @property
    def begun(self) -> bool:
        """True when a part of the present request has come."""
        return self._input.begun

    def read_head(self) -> list[bytes]:
        """Return the lines of the next request up to the empty one; none when the client has closed the connection.

        Raises AWSError for a head that is malformed or exceeds a limit, TimeoutError for one that does not come in
        time.
        """
        self._input.expect_request()
        self.request_line = b""
        line = self._line(limits.REQUEST_LINE, 414)
        if not line:
            return []
        if not _REQUEST_LINE.fullmatch(line):
            raise malformed("The request line has a line break or a control character inside.")
        self.request_line = line
        lines, size = [line], len(line)
        while line.strip(b"\r\n"):
            line = self._line(limits.HEADER_LINE, 431)
            lines.append(line)
            size += len(line)
            if not line:
                raise common_error("RequestAbortedException")
            if line not in (b"\r\n", b"\n") and not _HEADER.fullmatch(line):
                raise malformed(
                    f"Line {len(lines)} of the request is not a header: expected a name, a colon and a value in one "
                    "line, without control characters."
                )
            if len(lines) > limits.HEADERS.value + 2:  # The first and the last line are not headers.
                raise _too_much(limits.HEADERS, 431)
            if size > limits.HEAD.value:
                raise _too_much(limits.HEAD, 431)
        return lines

    def read_body(self, headers: Message) -> bytes:
        """Return the body of the request whose head has been read.

        Raises AWSError for a body that is malformed, incomplete or exceeds a limit, TimeoutError for one that does not
        come in time.
        """
        lengths = {length.strip() for length in headers.get_all("Content-Length", [])}
        encoding = headers.get("Transfer-Encoding")
        if encoding is not None:
            if encoding.strip().lower() != "chunked" or lengths:
                raise malformed("Transfer-Encoding: expected chunked, without Content-Length.")
            return self._chunks()
        length = lengths.pop() if lengths else "0"
        if lengths or not (length.isascii() and length.isdigit()):
            raise malformed(f"Content-Length {length[:100]!r}: expected one number.")
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
                raise malformed("Invalid chunk header: expected the size of the chunk in hexadecimal digits.")
            size = int(match[1], 16)
            if size == 0:
                break
            if len(body) + size > limits.BODY.value:
                raise common_error("RequestEntityTooLargeException")
            body += self._exactly(size)
            if self._file.read(2) != b"\r\n":
                raise malformed("Missing line break after a chunk.")
        try:
            parse_headers(self._file)
        except HTTPException as error:
            raise malformed(str(error), 431) from None
        return bytes(body)

    def _line(self, limit: Limit, status: int) -> bytes:
        line = self._file.readline(limit.value + 1)
        if len(line) > limit.value:
            raise _too_much(limit, status)
        return line

    def _exactly(self, size: int) -> bytes:
        body = self._file.read(size)
        if len(body) < size:
            raise common_error("RequestAbortedException")
        return body


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


def malformed(message: str, status: int = 400) -> AWSError:
    """Return the error for a request that is not valid HTTP."""
    return AWSError("MalformedHttpRequestException", message, status)


def _too_much(limit: Limit, status: int) -> AWSError:
    return malformed(f"{limit.what}: at most {limit.value} {limit.unit}.", status)
