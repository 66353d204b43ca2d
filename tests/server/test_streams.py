"""InvokeEndpointWithResponseStream through the server: over HTTP, part by part."""

from __future__ import annotations

import threading
from contextlib import closing
from http.client import HTTPResponse

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError

from tests.requests import ENDPOINT, PRODUCTION, SHADOW
from tests.server.http_client import connected, head
from tests.traffic.shared import create_experiment
from tests.traffic.streams import CAPTURED, PROD_MODEL, SHADOW_MODEL, chunks, outputs, parts, start

TIMEOUT = 20  # Seconds after which a test stops waiting.
PATH = f"/endpoints/{ENDPOINT}/invocations-response-stream"


@pytest.fixture
def mock(sagemaker_ie_server, client):
    """Return the server's mock, with a running experiment that copies and captures every request."""
    create_experiment(client(), **CAPTURED)
    return sagemaker_ie_server.mock


@pytest.fixture
def runtime(client):
    """Return a boto3 client of the server's runtime."""
    return client("sagemaker-runtime")


def test_a_part_is_sent_as_soon_as_the_model_has_made_it(mock, runtime):
    """The handler makes the second part only when the client has the first one."""
    has_first = threading.Event()

    def handler(request):
        yield b"a"
        assert has_first.wait(TIMEOUT)
        yield b"b"

    mock.serve(PROD_MODEL, handler)
    mock.serve(SHADOW_MODEL, chunks(b"s"))

    answer = start(runtime)
    events = iter(answer["Body"])
    first = next(events)
    has_first.set()

    assert [first, *events] == [{"PayloadPart": {"Bytes": b"a"}}, {"PayloadPart": {"Bytes": b"b"}}]
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv", PRODUCTION)
    assert outputs(mock) == {PRODUCTION: "ab", SHADOW: "s"}


def test_the_connection_stays_open_after_a_stream(mock, runtime):
    """The next call uses it."""
    assert [parts(start(runtime)) for _ in range(3)] == [[b"1,2"]] * 3


@pytest.mark.parametrize(
    ("last", "code", "message"),
    [
        (KeyError("weights"), "ModelStreamError", "'weights'"),
        (1, "InternalStreamFailure", "HandlerError: .* yielded 1: expected chunks of bytes or str"),
    ],
    ids=["error", "wrong handler"],
)
def test_a_stream_that_breaks_raises_an_event_stream_error(mock, runtime, last, code, message):
    """A wrong handler is an error of the service, as for InvokeEndpoint."""
    mock.serve(PROD_MODEL, chunks(b"a", last))

    answer = start(runtime)

    with closing(answer["Body"]), pytest.raises(EventStreamError, match=f"{code}.*: {message}"):
        parts(answer)


def test_an_arranged_error_of_a_stream_is_its_only_event(mock, runtime):
    """The call succeeds, and the client's loop raises."""
    mock.fail_next("InvokeEndpointWithResponseStream", "InternalStreamFailure", "arranged")

    answer = start(runtime)

    with closing(answer["Body"]), pytest.raises(EventStreamError, match=r"InternalStreamFailure.*arranged"):
        parts(answer)


def test_a_client_that_leaves_closes_the_generator(mock, runtime):
    """The capture has what was sent."""
    closed = threading.Event()

    def handler(request):
        try:
            while True:
                yield b"a" * 100_000
        finally:
            closed.set()

    mock.serve(PROD_MODEL, handler)

    answer = start(runtime)
    next(iter(answer["Body"]))
    answer["Body"].close()

    assert closed.wait(TIMEOUT)
    assert set(outputs(mock)[PRODUCTION]) == {"a"}


@pytest.mark.parametrize(("version", "encoding"), [("1.0", None), ("1.1", "chunked")])
def test_clients_without_chunks_get_the_events_too(mock, sagemaker_ie_server, version, encoding):
    """In HTTP/1.0 the end of the connection ends the body."""
    mock.serve(PROD_MODEL, chunks(b"a", b"b"))
    request = head(path=PATH, content_length="1", x_amz_target=None).replace(b"HTTP/1.1", f"HTTP/{version}".encode())

    with connected(sagemaker_ie_server.url) as connection:
        connection.sendall(request + b"1")
        response = HTTPResponse(connection)
        response.begin()
        buffer = EventStreamBuffer()
        buffer.add_data(response.read())

    assert response.getheader("transfer-encoding") == encoding
    assert [(event.headers[":event-type"], event.payload) for event in buffer] == [
        ("PayloadPart", b"a"),
        ("PayloadPart", b"b"),
    ]
