"""The server: what any AWS SDK meets, what bad input gets, and how it begins and ends."""

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
from mock_sagemaker_ie.server.app import serving
from mock_sagemaker_ie.server.http import ServerDoor, bind
from mock_sagemaker_ie.service.aws_http import MAX_BODY_SIZE
from tests.conftest import START
from tests.requests import NAME, create, stop
from tests.server.plain import Plain, answer_to, connected, head, received, running

CLOCK = START.isoformat()
ENDPOINT = create()["EndpointName"]

pytestmark = pytest.mark.sagemaker_ie(clock=CLOCK)


# --- what SDKs meet


def outcomes(sagemaker, runtime) -> list[Any]:
    """What a client gets in a story from launch to deletion, answers and errors, but for the requests' ids."""
    seen = []

    def call(client, operation, **members):
        try:
            answer = client._make_api_call(operation, members)
        except ClientError as error:
            answer = error.response
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
        metadata = answer["ResponseMetadata"]
        del metadata["RequestId"], metadata["HTTPHeaders"]["x-amzn-requestid"]
        metadata.pop("MaxAttemptsReached", None)  # Only over HTTP there are attempts.
        seen.append(answer)
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
    return seen


def test_the_answers_are_those_of_the_mock_in_process(client):
    """The same story gets the same answers and errors, headers included, over HTTP and in the process."""
    clients = client(), client("sagemaker-runtime")

    served = outcomes(*clients)

    with mock_inference_experiment(clock=CLOCK):
        assert served == outcomes(*clients)


def test_errors_are_raised_by_name(client):
    """A client's own exception classes are raised."""
    sagemaker = client()

    with pytest.raises(sagemaker.exceptions.ResourceNotFound, match=NAME):
        sagemaker.describe_inference_experiment(Name=NAME)


def test_the_signature_says_region_and_account(client, sagemaker_ie_server):
    """Each region and account is a world of its own; a key of 12 digits is an account's number."""
    client(region_name="eu-west-1").create_inference_experiment(**create())
    client(key="111122223333").create_inference_experiment(**create())

    arns = [call.response["InferenceExperimentArn"] for call in sagemaker_ie_server.mock.calls]
    assert [arn.split(":")[3:5] for arn in arns] == [["eu-west-1", "123456789012"], ["us-east-1", "111122223333"]]


def test_an_arranged_error_is_met(client, sagemaker_ie_server):
    """fail_next serves callers over HTTP too."""
    sagemaker_ie_server.mock.fail_next("ListInferenceExperiments", "ThrottlingException")

    with pytest.raises(ClientError, match="ThrottlingException"):
        client().list_inference_experiments()


def test_an_arranged_error_of_the_connection_breaks_it(client, sagemaker_ie_server):
    """The caller gets no answer, as when the connection breaks."""
    sagemaker_ie_server.mock.fail_next("ListInferenceExperiments", ConnectionResetError)

    with pytest.raises(ConnectionClosedError):
        client().list_inference_experiments()


def test_a_handler_at_fault_is_an_internal_failure(client, sagemaker_ie_server, caplog):
    """The caller gets AWS's error; the log says what is wrong with the handler."""
    client().create_inference_experiment(**create())
    sagemaker_ie_server.mock.serve("model-prod", lambda body: object())

    with pytest.raises(ClientError) as error:
        client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"")

    assert error.value.response["Error"]["Code"] == "InternalFailure"
    assert "HandlerError" in caplog.text


def test_the_date_is_the_mocks(plain):
    """There is one Date, by the mock's clock."""
    dates = plain.call("ListInferenceExperiments").headers.get_all("date")

    assert [parsedate_to_datetime(date) for date in dates] == [START]


def test_a_connection_is_kept_and_a_body_is_no_request(sagemaker_ie_server):
    """On one connection, each answer belongs to its request, also after one whose body nobody wanted."""
    with connected(sagemaker_ie_server.url) as connection:
        for path, status in (("/", 200), ("/_mock/unknown", 404), ("/", 200)):
            connection.sendall(head("POST", path) + b"{}")
            assert received(connection).status == status


# --- what bad input gets

JSON = head(content_length="1")
MALFORMED = "MalformedHttpRequestException"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(head(content_length="1") + b"{", 400, "SerializationException", id="broken JSON"),
        pytest.param(head(content_length="5") + b'"\xff{}"', 400, "SerializationException", id="no UTF-8"),
        pytest.param(head(content_length="9999") + b"[" * 9999, 400, "SerializationException", id="deep JSON"),
        pytest.param(head(content_type="text/plain") + b"{}", 415, "SerializationException", id="content type"),
        pytest.param(head(x_amz_target="Other.ListModels") + b"{}", 404, "UnknownOperationException", id="target"),
        pytest.param(head(x_amz_target="SageMaker.No") + b"{}", 404, "UnknownOperationException", id="operation"),
        pytest.param(
            head(x_amz_target="SageMaker.ListTrainingJobs") + b"{}", 404, "UnknownOperationException", id="not ours"
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
        pytest.param(head(content_length="3") + b"{}", 400, "RequestAbortedException", id="cut body"),
        pytest.param(head(content_length="-2") + b"{}", 400, MALFORMED, id="negative length"),
        pytest.param(head(content_length="two") + b"{}", 400, MALFORMED, id="no length"),
        pytest.param(
            head(content_length=str(MAX_BODY_SIZE + 1)), 413, "RequestEntityTooLargeException", id="oversized body"
        ),
        pytest.param(
            head(content_length=None, transfer_encoding="chunked") + b"z\r\n{}\r\n0\r\n\r\n",
            400,
            MALFORMED,
            id="chunks",
        ),
        pytest.param(head(x="x" * 70_000) + b"{}", 431, MALFORMED, id="long header"),
        pytest.param(head(**{f"x_{number}": "" for number in range(200)}) + b"{}", 431, MALFORMED, id="many headers"),
        pytest.param(head("POST", "/" + "x" * 70_000) + b"{}", 414, MALFORMED, id="long path"),
        pytest.param(head("GET", "http://[/") + b"{}", 400, MALFORMED, id="no URL"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, MALFORMED, id="TLS"),
        pytest.param(b"GET / HTTP/x.y\r\n\r\n", 400, MALFORMED, id="no version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, MALFORMED, id="HTTP/2"),
    ],
)
def test_bad_input_is_refused_in_awss_form(sagemaker_ie_server, plain, raw, status, code):
    """The error says what is wrong, and the server goes on to answer others."""
    answer = answer_to(sagemaker_ie_server.url, raw)

    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"].startswith("application/")
    assert answer.headers["x-amzn-requestid"]
    assert plain.call("ListInferenceExperiments").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "<script>"},
        {"host": "\xff"},
        {"host": None},
        {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/../c/"},
        {"authorization": "\xff" * 1000},
        {"expect": "100-continue"},
        {"content_type": "Application/X-Amz-JSON-1.1; charset=utf-8"},
        {"content_length": None, "transfer_encoding": "chunked"},
    ],
    ids=str,
)
def test_odd_headers_do_no_harm(sagemaker_ie_server, headers):
    """What the mock need not understand does not matter."""
    body = b"2\r\n{}\r\n0\r\n\r\n" if "transfer_encoding" in headers else b"{}"

    answer = answer_to(sagemaker_ie_server.url, head(**headers) + body)

    assert answer.values == {"InferenceExperiments": []}


@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_too_much_gets_to_read_the_refusal(plain, chunked):
    """The connection is not reset while the client is still sending."""
    block = b" " * (MAX_BODY_SIZE // 32)

    answer = plain.send(
        "POST",
        "/",
        (block for _ in range(33)) if chunked else block * 33,
        x_amz_target="SageMaker.ListInferenceExperiments",
        content_type="application/x-amz-json-1.1",
    )

    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")


@pytest.fixture
def impatient():
    """The URL of a server that lets a silent client go after a moment."""
    service, _ = make_service(complete({}))
    http = bind(ServerDoor(service, lambda request: None), "127.0.0.1", 0, patience=0.05)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{http.port}"
    http.shutdown()
    thread.join()


@pytest.mark.parametrize("begun", [head()[:-4], head() + b"{"], ids=["in the head", "in the body"])
def test_a_slow_client_is_told_so(impatient, begun):
    """Who stops within a request gets an error, and a thread is not lost to them."""
    with connected(impatient) as connection:
        connection.sendall(begun)
        answer = received(connection)

        assert (answer.status, answer.code) == (408, "RequestTimeoutException")
        assert connection.recv(1) == b""


def test_a_silent_client_is_let_go(impatient):
    """Who has asked for nothing gets no answer."""
    with connected(impatient) as connection:
        assert connection.recv(1) == b""


# --- many at once


def test_clients_at_once_lose_nothing(sagemaker_ie_server):
    """Eight clients, each on its own connection: every call is answered, every write is there."""
    clients, rounds = 8, 10

    def work(client: int) -> list[int]:
        with closing(Plain(sagemaker_ie_server.url)) as plain:
            return [
                answer.status
                for name in (f"experiment-{client}-{number}" for number in range(rounds))
                for answer in (
                    plain.call("CreateInferenceExperiment", **create(name)),
                    plain.call("UpdateInferenceExperiment", Name=name, Description=name),
                    plain.call("DescribeInferenceExperiment", Name=name),
                    plain.call("ListInferenceExperiments", MaxResults=5),
                    plain.get("/_mock/state"),
                )
            ]

    with ThreadPoolExecutor(clients) as pool:
        statuses = [status for of_client in pool.map(work, range(clients)) for status in of_client]

    assert set(statuses) == {200}
    experiments = sagemaker_ie_server.mock.experiments
    assert len(experiments) == clients * rounds
    assert all(name == described["Description"] for name, described in experiments.items())


# --- how it begins and ends


def test_it_listens_on_ipv6_too():
    """The URL is written as URLs of such addresses are."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")

    with serving("::1") as served:
        assert served.url == f"http://[::1]:{served.http.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])  # noqa: S104
def test_other_machines_are_not_let_in_unasked(host):
    """A host that others can reach is refused before anything listens."""
    with pytest.raises(ValueError, match=f"{host!r}.*remote"), serving(host):
        pass


@pytest.mark.parametrize("port", ["in use", 70_000, -1])
def test_a_port_that_cannot_be_had_is_an_error_at_once(sagemaker_ie_server, port):
    """The error names the port."""
    number = sagemaker_ie_server.http.port if port == "in use" else port

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {number}"), serving(port=number):
        pass


def test_nobody_is_answered_after_the_end():
    """The port is free again, and who still holds a connection gets nothing more from the world that ended."""
    with ExitStack() as connections:
        with running() as served:
            plain = connections.enter_context(closing(Plain(served.url)))
            plain.call("ListInferenceExperiments")

        with pytest.raises(ConnectionError):
            plain.call("ListInferenceExperiments")
        with pytest.raises(ConnectionRefusedError), connected(served.url):
            pass


def test_an_answer_under_way_is_finished():
    """Who was heard before the end gets the answer."""
    with running() as served, closing(Plain(served.url)) as plain:
        plain.call("CreateInferenceExperiment", **create())

        def handler(body: bytes) -> bytes:
            served.http.shutdown()
            while served.http.socket.fileno() != -1:
                pass  # It still listens.
            return b"finished"

        served.mock.serve("model-prod", handler)
        answer = plain.send("POST", f"/endpoints/{ENDPOINT}/invocations", b"x")

    assert (answer.status, answer.body) == (200, b"finished")
