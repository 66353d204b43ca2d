"""Rows about servers: the time of a call over loopback and the time of a start, compared with moto's server."""

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
from benchmarks.measuring import MIN_SAMPLE, RETURNED_TIME, Row
from tests import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

# These rows measure elapsed time, because the work is done by other processes.


class Server(NamedTuple):
    """A server. `module`: the module and its options; `first_operation`: an operation that succeeds without a state."""

    module: tuple[str, ...]
    first_operation: str


OURS = Server(("mock_sagemaker_ie", "serve", "--port"), "ListInferenceExperiments")
MOTOS = Server(("moto.server", "-p"), "ListEndpoints")


class MinimalClient:
    """A client that takes little time itself. It keeps its connection open if the server does."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._connection: socket.socket | None = None

    def __call__(self, operation: str, **members: Any) -> None:
        """Make a call. Raises OSError when no server listens, ValueError when the server refuses the call."""
        self.send(encoded_call(operation, members))

    def send(self, request: bytes) -> None:
        """Send an encoded call and read the answer."""
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


def encoded_call(operation: str, members: dict[str, Any]) -> bytes:
    """Return the request that an SDK sends for a call."""
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
def started(server: Server) -> Iterator[MinimalClient]:
    """Start a server in its own process and wait for its first answer; yield a client."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *server.module, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    try:
        client = MinimalClient(port)
        while not _answers(client, server.first_operation):
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with status {process.returncode}")
            time.sleep(0.005)
        yield client
    finally:
        process.terminate()
        process.wait()


def _answers(client: MinimalClient, operation: str) -> bool:
    try:
        client(operation)
    except ConnectionRefusedError:
        return False
    return True


# --- time of a start


@contextmanager
def start_to_first_answer(server: Server):
    def once() -> float:
        before = time.perf_counter()
        with started(server):
            return time.perf_counter() - before

    yield once


# --- time of a call


def seconds_of(client: MinimalClient, operation: str, **members: Any) -> float:
    """Return the elapsed time of one call in seconds: the mean of enough calls for one sample."""
    request = encoded_call(operation, members)
    number, elapsed = 1, 0.0
    while elapsed < MIN_SAMPLE:
        number *= 2
        start = time.perf_counter()
        for _ in range(number):
            client.send(request)
        elapsed = time.perf_counter() - start
    return elapsed / number


@contextmanager
def describe_experiment():
    with started(OURS) as client:
        client("CreateInferenceExperiment", **requests.create())
        yield partial(seconds_of, client, "DescribeInferenceExperiment", Name=requests.NAME)


@contextmanager
def describe_endpoint():
    with started(MOTOS) as client:
        client("CreateModel", ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"})
        client("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=[VARIANT])
        client("CreateEndpoint", EndpointName="endpoint", EndpointConfigName="config")
        yield partial(seconds_of, client, "DescribeEndpoint", EndpointName="endpoint")


ROWS = (
    Row(
        "server: DescribeInferenceExperiment over loopback vs moto server's DescribeEndpoint",
        describe_experiment,
        describe_endpoint,
        0.25,
        RETURNED_TIME,
    ),
    Row(
        "server: start to first answer vs moto server's",
        partial(start_to_first_answer, OURS),
        partial(start_to_first_answer, MOTOS),
        0.5,
        RETURNED_TIME,
        rounds=10,
    ),
)
