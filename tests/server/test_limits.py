"""The limits of the server for the size, time and number of everything that comes in, and requests at their edge."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, closing
from threading import Thread

import pytest

from mock_sagemaker_ie.activation.activation import make_service
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.server import limits
from mock_sagemaker_ie.server.http import Application, bind
from mock_sagemaker_ie.service.aws_http import HTTPRequest, _scope
from tests.requests import create
from tests.server.http_client import HTTPClient, answer_to, connected, head, received

INVOKE = f"/endpoints/{create()['EndpointName']}/invocations"
MALFORMED = "MalformedHttpRequestException"
CHUNKED = {"content_length": None, "transfer_encoding": "chunked"}


@pytest.fixture
def endpoint(http):
    """An endpoint whose model returns the body of the request, with the type that the client accepts."""
    assert http.call("CreateInferenceExperiment", **create()).status == 200


# --- line breaks and control characters


@pytest.mark.parametrize(
    "break_",
    ["\r", "\n ", "\r\n ", "\r\n\t", "\n", "\r\r\n", "\0", "\x0b", "\x0c", "\x7f", "\x1b"],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["content_type", "accept", "x_amzn_sagemaker_custom_attributes", "authorization"])
def test_a_header_with_a_line_break_or_control_character_is_refused(sagemaker_ie_server, endpoint, name, break_):
    """Nothing of it comes back, as a header or else, and the model gets no request."""
    injected = f"text/plain{break_}x-injected" + (": yes" if "\n" not in break_.removesuffix("\n ") else "")

    answer = answer_to(sagemaker_ie_server.url, head("POST", INVOKE, **{name: injected}) + b"{}")

    assert (answer.status, answer.code) == (400, MALFORMED)
    assert "x-injected" not in str(answer.headers) + answer.body.decode()
    assert not sagemaker_ie_server.mock.calls.of("InvokeEndpoint")


@pytest.mark.parametrize("line", ["x : y", " x: y", "x y", ": y", "x\t: y", "x;: y", "\xff: y"])
def test_a_line_that_is_no_header_is_refused(sagemaker_ie_server, line):
    """The message says which line it is. A parser that reads on would lose the headers after it."""
    raw = head().replace(b"content-type", line.encode("latin-1") + b"\r\ncontent-type") + b"{}"

    answer = answer_to(sagemaker_ie_server.url, raw)

    assert (answer.status, answer.code) == (400, MALFORMED)
    assert re.match(r"Line \d of the request is not a header: expected a name, a colon", answer.values["message"])


def test_a_request_that_ends_within_its_head_is_not_answered_as_a_whole(sagemaker_ie_server, endpoint):
    """The client has closed the connection too early."""
    answer = answer_to(sagemaker_ie_server.url, head("POST", INVOKE, content_length=None)[:-2])

    assert (answer.status, answer.code) == (400, "RequestAbortedException")
    assert not sagemaker_ie_server.mock.calls.of("InvokeEndpoint")


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"2;name=value\r\n{}\r\n0\r\n\r\n",
        b'2 ;a;b="c d"\r\n{}\r\n0;last\r\n\r\n',
        b"1\r\n{\r\n1\r\n}\r\n000\r\n\r\n",
        b"0002\r\n{}\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n",
        b"2;" + b"x" * 4000 + b"\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_chunks_with_extensions_and_trailers_are_accepted(sagemaker_ie_server, body):
    """They are ignored, and the connection stays open for the next request."""
    with connected(sagemaker_ie_server.url) as connection:
        for _ in range(2):
            connection.sendall(head(**CHUNKED) + body)

            assert received(connection).values == {"InferenceExperiments": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"0x2\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"+2\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"-1\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"1_0\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"2\r{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"2\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"1\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"3\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"2;" + b"x" * 5000 + b"\r\n{}\r\n0\r\n\r\n", 400, MALFORMED),
        (b"0\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, MALFORMED),
        (b"FFFFFFFFFFFFFFFF\r\n{}", 413, "RequestEntityTooLargeException"),
        (b"9\r\n{}", 400, "RequestAbortedException"),
    ],
)
def test_bad_chunks_are_refused(sagemaker_ie_server, http, body, status, code):
    """The server answers the next request."""
    answer = answer_to(sagemaker_ie_server.url, head(**CHUNKED) + body)

    assert (answer.status, answer.code) == (status, code)
    assert http.call("ListInferenceExperiments").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": "2\r\ncontent-length: 3"},
        {"content_length": "2", "transfer_encoding": "chunked"},
        {"transfer_encoding": "gzip", "content_length": None},
        {"transfer_encoding": "gzip, chunked", "content_length": None},
        {"content_length": "+2"},
        {"content_length": "2, 2"},
        {"content_length": "-1"},
        {"content_length": "\xb2"},
    ],
    ids=str,
)
def test_a_length_that_programs_could_read_differently_is_refused(sagemaker_ie_server, headers):
    """Where one request ends, and the next begins, must be certain."""
    answer = answer_to(sagemaker_ie_server.url, head(**headers) + b"{}")

    assert (answer.status, answer.code) == (400, MALFORMED)


@pytest.mark.parametrize("digits", [9, 19, 5000, 60_000])
def test_a_length_of_many_digits_is_too_large(sagemaker_ie_server, digits):
    """The number of digits does not matter."""
    answer = answer_to(sagemaker_ie_server.url, head(content_length="9" * digits) + b"{}")

    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")


# --- URLs


@pytest.mark.parametrize("base", ["http://localhost:5050", "HTTP://127.0.0.1", "https://localhost"])
def test_an_absolute_url_is_accepted(sagemaker_ie_server, http, endpoint, base):
    """Clients of a proxy send one. The path may have escaped characters, a query, or be missing."""
    for path in ("/", "", "/?x=http://attacker.test"):
        assert answer_to(sagemaker_ie_server.url, head("POST", base + path) + b"{}").status == 200
    assert answer_to(sagemaker_ie_server.url, head("POST", f"{base}{INVOKE}?x") + b"echo"[:2]).body == b"ec"
    for path in ("/", "/_mock/state"):
        assert answer_to(sagemaker_ie_server.url, head("GET", base + path, content_length=None)).status == 200


# --- time


@pytest.fixture
def hasty(request):
    """The URL of a server that gives a request 0.3 seconds, or the parameter."""
    service, _ = make_service(complete({}))
    server = bind(
        Application(service, lambda request: None), "127.0.0.1", 0, request_time=getattr(request, "param", 0.3)
    )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (b"", head() + b"{}"),
        (b"POST / HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n" * 10_000),
        (head(content_length="100"), b"{" * 100),
        (head(**CHUNKED), b"1\r\n{\r\n" * 10_000),
        (head(**CHUNKED) + b"0\r\n", b"x: y\r\n" * 10_000),
    ],
    ids=["request line", "headers", "body", "chunks", "trailers"],
)
def test_a_client_that_sends_a_byte_now_and_then_is_refused(hasty, begin, rest):
    """The limit is for the whole request, not for each byte."""
    with connected(hasty) as connection:
        connection.sendall(begin)
        sender = Thread(target=_send_slowly, args=(connection, rest))
        sender.start()
        answer = received(connection)
        sender.join()

    assert (answer.status, answer.code) == (408, "RequestTimeoutException")


def test_a_refused_client_that_goes_on_sending_is_cut_off(hasty):
    """The server reads the rest of a refused request for a limited time only."""
    with connected(hasty) as connection:
        connection.sendall(head(content_length="99999999999"))
        assert received(connection).status == 413
        _send_slowly(connection, b"x" * 1_000_000)  # Ends when the server has closed the connection.


def _send_slowly(connection, data: bytes) -> None:
    """Send a byte every 50 milliseconds until the other side has closed the connection."""
    try:
        for number in range(len(data)):
            connection.sendall(data[number : number + 1])
            time.sleep(0.05)
    except OSError:
        return
    pytest.fail("the server read everything")


@pytest.mark.parametrize("hasty", [1.5], indirect=True)
def test_each_request_of_a_connection_has_the_whole_time(hasty):
    """The time that a client waits between two requests does not count."""
    with connected(hasty) as connection:
        for _ in range(4):
            connection.sendall(head()[:-2])
            time.sleep(0.25)
            connection.sendall(b"\r\n{}")
            assert received(connection).status == 200
            time.sleep(0.25)


# --- number


def test_more_connections_than_the_limit_are_refused(sagemaker_ie_server):
    """They get an error of AWS that SDKs retry; when others close, new ones are answered."""
    sagemaker_ie_server.http.max_connections = 3
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(HTTPClient(sagemaker_ie_server.url))) for _ in range(3)]
        for client in clients:
            assert client.call("ListInferenceExperiments").status == 200
        with connected(sagemaker_ie_server.url) as connection:
            busy = received(connection)
            assert connection.recv(1) == b""
    assert (busy.status, busy.code) == (503, "ServiceUnavailable")
    assert "3 connections are open already" in busy.values["message"]

    with closing(HTTPClient(sagemaker_ie_server.url)) as client:
        while sagemaker_ie_server.http._open:
            time.sleep(0.01)
        assert client.call("ListInferenceExperiments").status == 200


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({f"x{number}": "" for number in range(100)}, limits.HEADERS),
        ({f"x{number}": "y" * 60_000 for number in range(3)}, limits.HEAD),
        ({"x": "y" * 65_536}, limits.HEADER_LINE),
    ],
)
def test_a_head_beyond_a_limit_is_refused_with_the_limit(sagemaker_ie_server, headers, limit):
    """The message says how much is permitted."""
    answer = answer_to(sagemaker_ie_server.url, head(**headers) + b"{}")

    assert (answer.status, answer.code) == (431, MALFORMED)
    assert answer.values["message"] == f"{limit.what}: at most {limit.value} {limit.unit}."


def test_a_look_at_an_unknown_region_keeps_nothing(sagemaker_ie_server, http):
    """However many regions and accounts are asked for, by whatever path."""
    for number in range(50):
        scope = {"region": f"xx-unknown-{number}", "account": f"{number:012}"}
        query = "&".join(f"{name}={text}" for name, text in scope.items())
        assert http.get(f"/_mock/timeline.svg?name=a&{query}").status == 404
        assert http.get(f"/_mock/state?{query}").status == 200
        until = {"until": {"name": "a", "status": "Running", **scope}}
        assert http.post("/_mock/clock", until).status == 404
        assert http.post("/_mock/failures", {"experiment": "a", "reason": "r", **scope}).status == 404

    assert sagemaker_ie_server.mock.scopes() == []


def test_a_failure_arranged_in_a_new_region_is_kept(http, client, sagemaker_ie_server):
    """It is a change, not a look."""
    failure = {"endpoint": create()["EndpointName"], "reason": "no capacity", "region": "eu-west-1"}
    assert http.post("/_mock/failures", {**failure, "account": "123456789012"}).status == 200

    client(region_name="eu-west-1").create_inference_experiment(**create())

    (experiment,) = http.get("/_mock/state").values["experiments"]
    assert (experiment["status"], experiment["reason"]) == ("Cancelled", "no capacity")


# --- the signature


@pytest.mark.parametrize(
    "signature",
    ["Credential=" * 5900, "Credential=a/1/" * 4000, "Credential=" + "a" * 64_000, "Credential=a/" + "1" * 64_000],
)
def test_a_huge_signature_takes_linear_time(sagemaker_ie_server, signature):
    """A region is not found in it, so the default applies. Four times the length takes about four times as long."""
    answer = answer_to(sagemaker_ie_server.url, head(authorization=signature) + b"{}")

    assert answer.status == 200
    short, long = _seconds(signature[: len(signature) // 4]), _seconds(signature)
    assert long < 10 * short


def _seconds(signature: str) -> float:
    """Return the least CPU time that a signature takes of several times."""
    request = HTTPRequest("POST", "localhost", "/", {"authorization": signature}, b"")
    found = []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(3):
            _scope(request)
        found.append(time.thread_time() - began)
    return min(found)
