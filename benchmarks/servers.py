"""Rows about servers: describing over loopback, and how soon a server that is started answers; beside moto's server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.endpoints import REGION, ROLE, VARIANT
from benchmarks.measuring import CPU_TIME, ENOUGH, Row, own_figure
from tests import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

# The time that passes: it is other processes that work.
ELAPSED = CPU_TIME._replace(take=own_figure)


class Peer(NamedTuple):
    """A server: the module that is run, and an operation that is answered whatever there is."""

    module: tuple[str, ...]
    first: str


OURS = Peer(("mock_sagemaker_ie", "serve", "--port"), "ListInferenceExperiments")
MOTOS = Peer(("moto.server", "-p"), "ListEndpoints")


class Line:
    """The least of a client, so that it is the server that is measured. It keeps its connection if the server does."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._connection: socket.socket | None = None

    def __call__(self, operation: str, **members: Any) -> None:
        """Make a call. Raises OSError when nobody listens, ValueError when it is refused."""
        self.send(call(operation, members))

    def send(self, request: bytes) -> None:
        """Make a call whose bytes are there already."""
        connection = self._connection or socket.create_connection(self._address)
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        while len(body) < int(headers[b"content-length"]):
            body += self._more(connection)
        self._connection = None if headers.get(b"connection") == b"close" else connection
        if self._connection is None:
            connection.close()
        if b" 200 " not in status:
            raise ValueError(answer.decode())

    def _more(self, connection: socket.socket) -> bytes:
        block = connection.recv(1 << 16)
        if not block:
            raise ConnectionError("the server closed the connection within an answer")
        return block


def call(operation: str, members: dict[str, Any]) -> bytes:
    """A call as an SDK sends it."""
    body = json.dumps(members)
    lines = (
        "POST / HTTP/1.1",
        f"Host: api.sagemaker.{REGION}.amazonaws.com",
        f"X-Amz-Target: SageMaker.{operation}",
        "Content-Type: application/x-amz-json-1.1",
        "User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.7",
        "X-Amz-Date: 20260101T090000Z",
        f"Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/sagemaker/aws4_request",
        "amz-sdk-invocation-id: bad5f812-38ab-4f89-a89e-065a1069c308",
        "amz-sdk-request: attempt=1",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", body)).encode()


@contextmanager
def started(peer: Peer) -> Iterator[Line]:
    """A server in a process of its own that has answered once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *peer.module, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        line = Line(port)
        while not _answers(line, peer.first):
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with status {process.returncode}")
            time.sleep(0.005)
        yield line
    finally:
        process.terminate()
        process.wait()


def _answers(line: Line, operation: str) -> bool:
    try:
        line(operation)
    except ConnectionRefusedError:
        return False
    return True


# --- how soon it answers


@contextmanager
def start_to_first_answer(peer: Peer):
    def once() -> float:
        before = time.perf_counter()
        with started(peer):
            return time.perf_counter() - before

    yield once


# --- how fast it answers


def seconds_of(line: Line, operation: str, **members: Any) -> float:
    """How long one call takes, over as many as make a sample."""
    request = call(operation, members)
    number, elapsed = 1, 0.0
    while elapsed < ENOUGH:
        number *= 2
        start = time.perf_counter()
        for _ in range(number):
            line.send(request)
        elapsed = time.perf_counter() - start
    return elapsed / number


@contextmanager
def describe_experiment():
    with started(OURS) as line:
        line("CreateInferenceExperiment", **requests.create())
        yield partial(seconds_of, line, "DescribeInferenceExperiment", Name=requests.NAME)


@contextmanager
def describe_endpoint():
    with started(MOTOS) as line:
        line("CreateModel", ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"})
        line("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=[VARIANT])
        line("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="config")
        yield partial(seconds_of, line, "DescribeEndpoint", EndpointName="endpoint")


ROWS = (
    Row(
        "server: DescribeInferenceExperiment over loopback vs moto server's DescribeEndpoint",
        describe_experiment,
        describe_endpoint,
        0.25,
        ELAPSED,
    ),
    Row(
        "server: start to first answer vs moto server's",
        partial(start_to_first_answer, OURS),
        partial(start_to_first_answer, MOTOS),
        0.5,
        ELAPSED,
        rounds=10,
    ),
)
