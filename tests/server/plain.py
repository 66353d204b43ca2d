"""Plain HTTP for tests of the server: bytes as somebody may send them, a connection that is kept, and whom to call."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mock_sagemaker_ie.server.app import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie.server.app import Serving

AWS_JSON = "application/x-amz-json-1.1"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def values(self) -> Any:
        """The JSON it is."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error it is, in AWS's form; "" when it is none."""
        return self.values.get("__type", "")


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to a server."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


def received(connection: socket.socket) -> Answer:
    """The next answer on a connection. Raises http.client's errors when it is none."""
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def answer_to(url: str, raw: bytes) -> Answer:
    """What a server answers to these bytes, after which nothing comes."""
    with connected(url) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return received(connection)


def head(method: str = "POST", path: str = "/", **headers: str) -> bytes:
    """The head of a request: a good one of SageMaker's, but for what is given; None leaves a header out."""
    names = {
        "host": "localhost",
        "x_amz_target": "SageMaker.ListInferenceExperiments",
        "content_type": AWS_JSON,
        "content_length": "2",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {text}" for name, text in names.items() if text is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


class Plain:
    """A client without an SDK, which keeps its connection."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname, address.port, timeout=10)

    def send(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        """Send a request; underscores in headers' names are hyphens."""
        self._connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def call(self, operation: str, **members: Any) -> Answer:
        """Call an operation of SageMaker's."""
        target = f"SageMaker.{operation}"
        return self.send("POST", "/", json.dumps(members), x_amz_target=target, content_type=AWS_JSON)

    def get(self, path: str) -> Answer:
        """Look at something."""
        return self.send("GET", path)

    def post(self, path: str, values: Any) -> Answer:
        """Steer something."""
        return self.send("POST", path, json.dumps(values), content_type="application/json")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def running(**options: Any) -> Iterator[Serving]:
    """A server that answers in a thread; at its end, nothing is left of it."""
    with serving(**options) as served:
        thread = Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            served.http.shutdown()
            thread.join()
