"""HTTP without an AWS SDK: raw requests, a client that keeps its connection, and a server in a thread."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mock_sagemaker_ie.server.app import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie.server.app import RunningServer

AWS_JSON = "application/x-amz-json-1.1"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def values(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error code in AWS's format; "" if the answer is not an error."""
        return self.values.get("__type", "")


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Open a connection to a server."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


def received(connection: socket.socket) -> Answer:
    """Return the next answer on a connection. Raises an error of http.client if there is none."""
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def answer_to(url: str, raw: bytes) -> Answer:
    """Send these bytes and nothing more to a server, and return its answer."""
    with connected(url) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return received(connection)


def head(method: str = "POST", path: str = "/", **headers: str) -> bytes:
    """Return the head of a valid SageMaker request, changed by the arguments. None removes a header."""
    names = {
        "host": "localhost",
        "x_amz_target": "SageMaker.ListInferenceExperiments",
        "content_type": AWS_JSON,
        "content_length": "2",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {text}" for name, text in names.items() if text is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


class HTTPClient:
    """A client without an AWS SDK, which keeps its connection open."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname, address.port, timeout=10)

    def send(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        """Send a request; underscores in header names become hyphens."""
        self._connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def call(self, operation: str, **members: Any) -> Answer:
        """Call a SageMaker operation."""
        target = f"SageMaker.{operation}"
        return self.send("POST", "/", json.dumps(members), x_amz_target=target, content_type=AWS_JSON)

    def get(self, path: str) -> Answer:
        """Send a GET request."""
        return self.send("GET", path)

    def post(self, path: str, values: Any) -> Answer:
        """Send a POST request with JSON values."""
        return self.send("POST", path, json.dumps(values), content_type="application/json")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def server_in_thread(**options: Any) -> Iterator[RunningServer]:
    """Run a server in a thread; at the exit, stop the server and join the thread."""
    with running_server(**options) as server:
        thread = Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.http.shutdown()
            thread.join()
