"""The server: answers to AWS SDKs, errors for bad input, parallel clients, start and end."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from mock_sagemaker_ie import mock_inference_experiment
from mock_sagemaker_ie.activation.activation import make_service
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.server.access import PROTECTION
from mock_sagemaker_ie.server.app import running_server
from mock_sagemaker_ie.server.http import Application, bind
from mock_sagemaker_ie.service.aws_http import MAX_BODY_SIZE
from tests.conftest import START
from tests.requests import NAME, create, stop
from tests.server.http_client import HTTPClient, answer_to, connected, head, received, server_in_thread

CLOCK = START.isoformat()
ENDPOINT = create()["EndpointName"]

pytestmark = pytest.mark.sagemaker_ie(clock=CLOCK)


# --- AWS SDKs


def outcomes(sagemaker, runtime) -> list[Any]:
    """Return the answers and errors that a client gets in a shadow test, without the IDs of the requests."""
    results = []

    def call(client, operation, **members):
        try:
            answer = client._make_api_call(operation, members)
        except ClientError as error:
            answer = error.response
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
        metadata = answer["ResponseMetadata"]
        del metadata["RequestId"], metadata["HTTPHeaders"]["x-amzn-requestid"]
        metadata.pop("MaxAttemptsReached", None)  # Only calls over HTTP have attempts,
        for name in ("content-length", *PROTECTION):  # and only they have a body to send, perhaps to a browser.
            metadata["HTTPHeaders"].pop(name, None)
        results.append(answer)
        return answer

    for name in ("first", "second", NAME):
        arn = call(sagemaker, "CreateInferenceExperiment", **create(name)).get("InferenceExperimentArn")
    page = call(sagemaker, "ListInferenceExperiments", MaxResults=2)
    call(sagemaker, "ListInferenceExperiments", MaxResults=2, NextToken=page["NextToken"])
    call(sagemaker, "AddTags", ResourceArn=arn, Tags=[{"Key": "Team", "Value": "Straße"}])
    call(sagemaker, "ListTags", ResourceArn=arn)
    call(sagemaker, "UpdateInferenceExperiment", Name=NAME, Description="longer")
    call(sagemaker, "StartInferenceExperiment", Name=NAME)
    call(sagemaker, "DescribeInferenceExperiment", Name=NAME)
    call(runtime, "InvokeEndpoint", EndpointName=ENDPOINT, Body=b"\x00\xff", ContentType="application/x-thing")
    call(runtime, "InvokeEndpoint", EndpointName="missing", Body=b"")
    call(runtime, "InvokeEndpoint", EndpointName="a/b", Body=b"")
    call(sagemaker, "StopInferenceExperiment", **stop())
    call(sagemaker, "DeleteInferenceExperiment", Name=NAME)
    call(sagemaker, "DescribeInferenceExperiment", Name=NAME)
    call(sagemaker, "CreateInferenceExperiment", **create("first"))
    call(sagemaker, "CreateInferenceExperiment", **create("no name!"))
    return results


def test_the_server_answers_like_the_mock_in_the_process(client):
    """The same calls get the same answers, errors and headers."""
    clients = client(), client("sagemaker-runtime")

    over_http = outcomes(*clients)

    with mock_inference_experiment(clock=CLOCK):
        assert over_http == outcomes(*clients)


def test_a_client_raises_its_own_exception_classes(client):
    """An error with the code ResourceNotFound is raised as client.exceptions.ResourceNotFound."""
    sagemaker = client()

    with pytest.raises(sagemaker.exceptions.ResourceNotFound, match=NAME):
        sagemaker.describe_inference_experiment(Name=NAME)


def test_the_signature_selects_region_and_account(client, sagemaker_ie_server):
    """Each pair of account and region has its own experiments. An access key of 12 digits is an account ID."""
    client(region_name="eu-west-1").create_inference_experiment(**create())
    client(key="111122223333").create_inference_experiment(**create())

    arns = [call.response["InferenceExperimentArn"] for call in sagemaker_ie_server.mock.calls]
    assert [arn.split(":")[3:5] for arn in arns] == [["eu-west-1", "123456789012"], ["us-east-1", "111122223333"]]


def test_a_client_gets_an_arranged_error(client, sagemaker_ie_server):
    """fail_next works for calls over HTTP too."""
    sagemaker_ie_server.mock.fail_next("ListInferenceExperiments", "ThrottlingException")

    with pytest.raises(ClientError, match="ThrottlingException"):
        client().list_inference_experiments()


def test_an_arranged_connection_error_closes_the_connection(client, sagemaker_ie_server):
    """The client gets no answer."""
    sagemaker_ie_server.mock.fail_next("ListInferenceExperiments", ConnectionResetError)

    with pytest.raises(ConnectionClosedError):
        client().list_inference_experiments()


def test_an_invalid_answer_of_a_handler_is_an_internal_failure(client, sagemaker_ie_server, caplog):
    """The client gets AWS's error; the log contains the HandlerError."""
    client().create_inference_experiment(**create())
    sagemaker_ie_server.mock.serve("model-prod", lambda body: object())

    with pytest.raises(ClientError) as error:
        client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

    assert error.value.response["Error"]["Code"] == "InternalFailure"
    assert "HandlerError" in caplog.text


def test_the_date_header_is_the_time_of_the_mock(http):
    """An answer has exactly one Date header, with the time of the mock's clock."""
    dates = http.call("ListInferenceExperiments").headers.get_all("date")

    assert [parsedate_to_datetime(date) for date in dates] == [START]


def test_a_connection_stays_open_for_several_requests(sagemaker_ie_server):
    """Each answer belongs to its request, also after a request whose body was not used."""
    with connected(sagemaker_ie_server.url) as connection:
        for path, status in (("/", 200), ("/_mock/unknown", 404), ("/", 200)):
            connection.sendall(head("POST", path) + b"{}")
            assert received(connection).status == status


# --- bad input

MALFORMED = "MalformedHttpRequestException"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(head(content_length="1") + b"{", 400, "SerializationException", id="incomplete JSON"),
        pytest.param(head(content_length="5") + b'"\xff{}"', 400, "SerializationException", id="not UTF-8"),
        pytest.param(head(content_length="9999") + b"[" * 9999, 400, "SerializationException", id="deep JSON"),
        pytest.param(head(content_type="text/plain") + b"{}", 415, "SerializationException", id="content type"),
        pytest.param(head(x_amz_target="Other.ListModels") + b"{}", 404, "UnknownOperationException", id="target"),
        pytest.param(head(x_amz_target="SageMaker.No") + b"{}", 404, "UnknownOperationException", id="operation"),
        pytest.param(
            head(x_amz_target="SageMaker.ListTrainingJobs") + b"{}",
            404,
            "UnknownOperationException",
            id="unanswered operation",
        ),
        pytest.param(head(x_amz_target=None) + b"{}", 404, "UnknownOperationException", id="no target"),
        pytest.param(head("PUT") + b"{}", 404, "UnknownOperationException", id="method"),
        pytest.param(head("GET", "/somewhere") + b"{}", 404, "UnknownOperationException", id="path"),
        pytest.param(head("GET", "/../../etc/passwd") + b"{}", 404, "UnknownOperationException", id="traversal"),
        pytest.param(
            head("POST", "/endpoints/..%2F..%2Fetc/invocations") + b"{}",
            400,
            "ValidationError",
            id="traversal, escaped",
        ),
        pytest.param(head("POST", "/endpoints/e/passwd") + b"{}", 404, "UnknownOperationException", id="runtime path"),
        pytest.param(head(content_length="3") + b"{}", 400, "RequestAbortedException", id="incomplete body"),
        pytest.param(head(content_length="-2") + b"{}", 400, MALFORMED, id="negative length"),
        pytest.param(head(content_length="two") + b"{}", 400, MALFORMED, id="invalid length"),
        pytest.param(
            head(content_length=str(MAX_BODY_SIZE + 1)), 413, "RequestEntityTooLargeException", id="oversized body"
        ),
        pytest.param(
            head(content_length=None, transfer_encoding="chunked") + b"z\r\n{}\r\n0\r\n\r\n",
            400,
            MALFORMED,
            id="invalid chunk",
        ),
        pytest.param(head(x="x" * 70_000) + b"{}", 431, MALFORMED, id="long header"),
        pytest.param(head(**{f"x_{number}": "" for number in range(200)}) + b"{}", 431, MALFORMED, id="many headers"),
        pytest.param(head("POST", "/" + "x" * 70_000) + b"{}", 414, MALFORMED, id="long path"),
        pytest.param(head("GET", "http://[/") + b"{}", 400, MALFORMED, id="invalid URL"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, MALFORMED, id="TLS"),
        pytest.param(b"GET / HTTP/x.y\r\n\r\n", 400, MALFORMED, id="invalid version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, MALFORMED, id="HTTP/2"),
    ],
)
def test_bad_input_is_refused_in_the_format_of_aws(sagemaker_ie_server, http, raw, status, code):
    """The client gets an error code, and the server answers the next request."""
    answer = answer_to(sagemaker_ie_server.url, raw)

    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"].startswith("application/")
    assert answer.headers["x-amzn-requestid"]
    assert http.call("ListInferenceExperiments").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": None},
        {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/../c/"},
        {"authorization": "\xff" * 1000},
        {"expect": "100-continue"},
        {"content_type": "Application/X-Amz-JSON-1.1; charset=utf-8"},
        {"content_length": None, "transfer_encoding": "chunked"},
    ],
    ids=str,
)
def test_unusual_headers_are_accepted(sagemaker_ie_server, headers):
    """The mock ignores headers that it does not need."""
    body = b"2\r\n{}\r\n0\r\n\r\n" if "transfer_encoding" in headers else b"{}"

    answer = answer_to(sagemaker_ie_server.url, head(**headers) + body)

    assert answer.values == {"InferenceExperiments": []}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_with_an_oversized_body_can_read_the_error(http, chunked):
    """The connection is not reset while the client is still sending."""
    block = b" " * (MAX_BODY_SIZE // 32)

    answer = http.send(
        "POST",
        "/",
        (block for _ in range(33)) if chunked else block * 33,
        x_amz_target="SageMaker.ListInferenceExperiments",
        content_type="application/x-amz-json-1.1",
    )

    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")


@pytest.fixture
def url_with_short_timeout():
    """The URL of a server that closes the connection of a silent client after 0.05 seconds."""
    service, _ = make_service(complete({}))
    server = bind(Application(service, lambda request: None), "127.0.0.1", 0, socket_timeout=0.05)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("incomplete", [head()[:-4], head() + b"{"], ids=["in the head", "in the body"])
def test_a_client_that_stops_within_a_request_gets_an_error(url_with_short_timeout, incomplete):
    """The server closes the connection, so that its thread ends."""
    with connected(url_with_short_timeout) as connection:
        connection.sendall(incomplete)
        answer = received(connection)

        assert (answer.status, answer.code) == (408, "RequestTimeoutException")
        assert connection.recv(1) == b""


def test_the_connection_of_a_silent_client_is_closed(url_with_short_timeout):
    """A client that sent nothing gets no answer."""
    with connected(url_with_short_timeout) as connection:
        assert connection.recv(1) == b""


# --- parallel clients


def test_parallel_clients_lose_no_changes(sagemaker_ie_server):
    """Eight clients with their own connections: each call is answered, each change is kept."""
    clients, rounds = 8, 10

    def work(client: int) -> list[int]:
        with closing(HTTPClient(sagemaker_ie_server.url)) as http:
            return [
                answer.status
                for name in (f"experiment-{client}-{number}" for number in range(rounds))
                for answer in (
                    http.call("CreateInferenceExperiment", **create(name)),
                    http.call("UpdateInferenceExperiment", Name=name, Description=name),
                    http.call("DescribeInferenceExperiment", Name=name),
                    http.call("ListInferenceExperiments", MaxResults=5),
                    http.get("/_mock/state"),
                )
            ]

    with ThreadPoolExecutor(clients) as pool:
        statuses = [status for of_client in pool.map(work, range(clients)) for status in of_client]

    assert set(statuses) == {200}
    experiments = sagemaker_ie_server.mock.experiments
    assert len(experiments) == clients * rounds
    assert all(name == described["Description"] for name, described in experiments.items())


# --- start and end


def test_the_server_can_listen_on_ipv6():
    """The URL has the address in brackets."""
    if not socket.has_ipv6:
        pytest.skip("this system has no IPv6")

    with running_server("::1") as server:
        assert server.url == f"http://[::1]:{server.http.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])  # noqa: S104
def test_a_host_that_other_machines_can_reach_is_refused_by_default(host):
    """The message contains the ways to allow it."""
    with (
        pytest.raises(ValueError, match=f"{host!r} is not a loopback address.*remote=True.*--remote"),
        running_server(host),
    ):
        pass


@pytest.mark.parametrize("port", ["in use", 70_000, -1])
def test_an_unusable_port_is_an_error(sagemaker_ie_server, port):
    """The message contains the port."""
    number = sagemaker_ie_server.http.port if port == "in use" else port

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {number}"), running_server(port=number):
        pass


def test_a_closed_server_does_not_answer():
    """The port is free again, and a client with an open connection gets no answer."""
    with ExitStack() as connections:
        with server_in_thread() as server:
            http = connections.enter_context(closing(HTTPClient(server.url)))
            http.call("ListInferenceExperiments")

        with pytest.raises(ConnectionError):
            http.call("ListInferenceExperiments")
        with pytest.raises(ConnectionRefusedError), connected(server.url):
            pass


def test_a_server_that_closes_finishes_answers_in_progress():
    """A client whose request the server has begun to answer gets the complete answer."""
    with server_in_thread() as server, closing(HTTPClient(server.url)) as http:
        http.call("CreateInferenceExperiment", **create())

        def handler(body: bytes) -> bytes:
            server.http.shutdown()
            while server.http.socket.fileno() != -1:
                pass  # Wait until the server has closed its listening socket.
            return b"finished"

        server.mock.serve("model-prod", handler)
        answer = http.send("POST", f"/endpoints/{ENDPOINT}/invocations", b"x")

    assert (answer.status, answer.body) == (200, b"finished")
