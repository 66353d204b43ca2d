"""While a mock is active, the address of a SageMaker host is not looked up, whichever library asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import socket
import ssl
import sys
import threading
import unittest.mock
import urllib.request
from contextlib import ExitStack

import boto3
import pytest
import requests
import urllib3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from requests.adapters import HTTPAdapter

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from tests.interception.test_requests import CONTROL, RUNTIME, call, hosts

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
HOST = "api.sagemaker.us-east-1.amazonaws.com"
HEADERS = {"X-Amz-Target": "SageMaker.ListInferenceExperiments", "Content-Type": "application/x-amz-json-1.1"}


# --- libraries that the mock does not answer


def send_with_urllib3(url):
    with urllib3.PoolManager(retries=False) as pool:
        pool.request("POST", url, body=b"{}", headers=HEADERS)


def send_with_urllib(url):
    urllib.request.urlopen(urllib.request.Request(url, b"{}", HEADERS), timeout=5)  # noqa: S310 - an address of AWS


def send_with_httpx(url):
    httpx = pytest.importorskip("httpx")
    httpx.post(url, content=b"{}", headers=HEADERS)


def send_with_async_httpx(url):
    httpx = pytest.importorskip("httpx")

    async def send():
        async with httpx.AsyncClient() as client:
            await client.post(url, content=b"{}", headers=HEADERS)

    asyncio.run(send())


def send_with_aiohttp(url):
    aiohttp = pytest.importorskip("aiohttp")

    async def send():
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=HEADERS):
            pass

    asyncio.run(send())


def send_with_an_adapter_of_requests(url):
    HTTPAdapter().send(requests.Request("POST", url, HEADERS, data=b"{}").prepare())


def send_with_a_socket(url):
    socket.create_connection((url.split("/")[2], 443), timeout=5)


def look_up_with_asyncio(url):
    async def look_up():
        await asyncio.get_running_loop().getaddrinfo(url.split("/")[2], 443)

    asyncio.run(look_up())


LIBRARIES = [
    send_with_urllib3,
    send_with_urllib,
    send_with_httpx,
    send_with_async_httpx,
    send_with_aiohttp,
    send_with_an_adapter_of_requests,
    send_with_a_socket,
    look_up_with_asyncio,
]
each_library = pytest.mark.parametrize("send", LIBRARIES)


@each_library
@pytest.mark.parametrize("url", [CONTROL, f"{RUNTIME}/endpoints/e/invocations"], ids=["sagemaker", "sagemaker-runtime"])
def test_a_request_of_any_library_is_refused(mock, connections, send, url):
    """The error names the host and the remedies, and no connection is attempted."""
    with pytest.raises(UnansweredCallError) as caught:
        send(url)

    assert connections == []
    for text in (url.split("/")[2], "nothing was sent", "boto3", "passthrough=", "mock-sagemaker-ie serve"):
        assert text in str(caught.value)


@pytest.mark.parametrize("url", [value for _, value, _ in (param.values for param in hosts())])
def test_every_host_of_sagemaker_is_refused(mock, url):
    """Hosts of every partition are refused, also FIPS and dual-stack hosts."""
    with pytest.raises(UnansweredCallError, match=url.removeprefix("https://")):
        socket.getaddrinfo(url.removeprefix("https://"), 443)


@pytest.mark.parametrize(
    "host",
    [
        "API.SageMaker.us-east-1.amazonaws.com",
        f"{HOST}.",
        HOST.encode(),
        bytearray(HOST.encode()),
        "vpce-0a1b2c-3d4e.api.sagemaker.us-east-1.vpce.amazonaws.com",
        "vpce-0a1b2c-3d4e-us-east-1a.runtime.sagemaker.us-east-1.vpce.amazonaws.com",
    ],
    ids=str,
)
def test_a_host_is_recognised_in_every_form(mock, host):
    """Case, a trailing dot, bytes and VPC endpoints make no difference."""
    with pytest.raises(UnansweredCallError):
        socket.getaddrinfo(host=host, port=443)


@pytest.fixture
def proxy():
    """Run an HTTP proxy on this machine; return its URL and the list of what it receives."""
    received = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                received.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                while more := connection.recv(4096):
                    received.append(more)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", received
        socket.create_connection(server.getsockname(), timeout=5).close()  # If the test was skipped.
        thread.join(timeout=10)


def send_with_urllib3_through(proxy):
    with urllib3.ProxyManager(proxy, retries=False) as pool:
        pool.request("POST", CONTROL, body=b"{}", headers=HEADERS)


def send_with_httpx_through(proxy):
    pytest.importorskip("httpx").post(CONTROL, content=b"{}", headers=HEADERS, proxy=proxy)


def send_with_aiohttp_through(proxy):
    aiohttp = pytest.importorskip("aiohttp")

    async def send():
        async with aiohttp.ClientSession() as session, session.post(CONTROL, data=b"{}", headers=HEADERS, proxy=proxy):
            pass

    asyncio.run(send())


@pytest.mark.parametrize("send", [send_with_urllib3_through, send_with_httpx_through, send_with_aiohttp_through])
def test_a_request_through_a_proxy_is_refused(mock, proxy, send):
    """The proxy looks up the host itself. It is asked for a connection, but it receives no request."""
    url, received = proxy

    with pytest.raises(UnansweredCallError):
        send(url)

    assert len(received) == 1
    assert received[0].startswith(b"CONNECT ")


# --- what goes on as before


@pytest.fixture
def lookups(monkeypatch):
    """Replace the lookup of addresses; return the hosts that were looked up."""
    looked_up = []

    def getaddrinfo(host, *_, **__):
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "sts.us-east-1.amazonaws.com",
        "api.sagemaker.us-east-1.example.com",
        "notebook.us-east-1.sagemaker.aws",
        "sagemaker.us-east-1.amazonaws.com.example.com",
        "localhost",
        None,
    ],
)
def test_other_hosts_are_looked_up_as_before(lookups, host):
    """The original function gets the host, and its error reaches the caller."""
    with mock_inference_experiment(), pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443)

    assert lookups == [host]


def test_a_lookup_returns_what_the_original_returns():
    """A lookup while a mock is active gives the same addresses as before."""
    before = socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    with mock_inference_experiment():
        assert socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM) == before


def test_nothing_is_replaced_without_a_mock():
    """Before and after a mock the functions of `socket` and `ssl` are the original objects."""
    before = {**vars(socket), **vars(ssl.SSLContext)}

    with mock_inference_experiment(), mock_inference_experiment():
        assert socket.getaddrinfo is not before["getaddrinfo"]

    after = {**vars(socket), **vars(ssl.SSLContext)}
    assert [name for name in after if after[name] is not before[name]] == []


def test_our_function_refuses_nothing_after_the_mock(lookups):
    """Code that kept our function reaches the original one after the mock has ended."""
    with mock_inference_experiment():
        kept = socket.getaddrinfo

    with pytest.raises(socket.gaierror):
        kept(HOST, 443)

    assert lookups == [HOST]


def test_moto_answers_boto3_and_requests_without_a_lookup(lookups):
    """Calls that moto answers need no address."""
    with mock_inference_experiment(), mock_aws():
        client = boto3.Session().client("sagemaker", region_name="us-east-1", **KEYS)

        assert client.list_training_jobs()["TrainingJobSummaries"] == []
        assert call("ListTrainingJobs").json() == {"TrainingJobSummaries": []}

    assert lookups == []


# --- passthrough


def make_client(retries=1):
    """Return a client that would connect to AWS."""
    config = Config(retries={"total_max_attempts": retries})
    return boto3.client("sagemaker", region_name="us-east-1", config=config, **KEYS)


def test_an_operation_in_passthrough_is_looked_up_for_boto3(lookups):
    """Only the call itself may look up the host: other operations and other libraries are refused before and after."""
    client = make_client()

    with mock_inference_experiment(passthrough=["ListTrainingJobs"]):
        for _ in range(2):
            with pytest.raises(UnansweredCallError):
                send_with_urllib3(CONTROL)
            with pytest.raises(EndpointConnectionError):
                client.list_training_jobs()
        with pytest.raises(UnansweredCallError):
            send_with_urllib3(CONTROL)
        with pytest.raises(UnansweredCallError):
            client.list_processing_jobs()

    assert lookups == [HOST, HOST]


def test_an_operation_in_passthrough_is_looked_up_for_requests(lookups):
    """`requests` names the operation too."""
    with mock_inference_experiment(passthrough=["ListTrainingJobs"]):
        with pytest.raises(requests.exceptions.ConnectionError):
            call("ListTrainingJobs")
        with pytest.raises(UnansweredCallError):
            send_with_urllib3(CONTROL)

    assert lookups == [HOST]


def test_an_operation_in_passthrough_is_looked_up_for_aiobotocore(lookups):
    """aiohttp looks up the host in another thread."""
    aiobotocore = pytest.importorskip("aiobotocore.session")

    async def list_training_jobs():
        config = Config(retries={"total_max_attempts": 1})
        session = aiobotocore.get_session()
        async with session.create_client("sagemaker", region_name="us-east-1", config=config, **KEYS) as client:
            await client.list_training_jobs()

    with mock_inference_experiment(passthrough=["ListTrainingJobs"]), pytest.raises(EndpointConnectionError):
        asyncio.run(list_training_jobs())

    assert lookups == [HOST]


# --- other patches and copies


def leave_to_requests_mock():
    """Return requests_mock, with no answer of its own."""
    return pytest.importorskip("requests_mock").Mocker(real_http=True)


def bypass_our_adapter():
    """Return a patch like requests_mock's: it leads each session around our patch."""
    original = requests.Session.get_adapter

    def send(session, request, **options):
        session.get_adapter = functools.partial(original, session)
        return send_of_requests(session, request, **options)

    send_of_requests = requests.Session.send
    return unittest.mock.patch.object(requests.Session, "send", send)


@pytest.mark.parametrize("inner", ["our mock", "other patch"])
@pytest.mark.parametrize("make_patch", [leave_to_requests_mock, bypass_our_adapter])
def test_a_request_that_another_patch_leads_around_ours_is_refused(connections, make_patch, inner):
    """The other patch replaces methods of each session, so the mock does not see the request."""
    mocks = [make_patch(), mock_inference_experiment()]

    with ExitStack() as stack:
        for each in mocks if inner == "our mock" else reversed(mocks):
            stack.enter_context(each)
        for _ in range(2):
            with pytest.raises(UnansweredCallError):
                call("ListTrainingJobs")

    assert connections == []


def test_requests_mock_still_gives_the_answers_of_the_user():
    """Canned answers for other URLs are given, whichever is entered first."""
    requests_mock = pytest.importorskip("requests_mock")

    with requests_mock.Mocker(real_http=True) as canned, mock_inference_experiment():
        canned.get("https://example.com/", text="canned")

        assert requests.get("https://example.com/", timeout=5).text == "canned"


@pytest.fixture
def import_botocore_again():
    """Return a function that imports boto3 and botocore once more; the first copies come back after the test."""
    mine = ("boto3", "botocore", "s3transfer")
    first = {name: module for name, module in sys.modules.items() if name.split(".")[0] in mine}

    def import_again():
        for name in [name for name in sys.modules if name.split(".")[0] in mine]:
            del sys.modules[name]
        return importlib.import_module("boto3")

    yield import_again
    for name in [name for name in sys.modules if name.split(".")[0] in mine]:
        del sys.modules[name]
    sys.modules.update(first)


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["with credentials", "without credentials"])
@pytest.mark.parametrize("imported", ["before the mock", "in the mock"])
def test_a_second_copy_of_botocore_is_answered(import_botocore_again, connections, imported, keys):
    """Its clients are answered, get faults and are refused as those of the first copy, and it is restored."""
    second = import_botocore_again() if imported == "before the mock" else None
    first_client = make_client()

    with mock_inference_experiment(virtual_sleep=True) as mock:
        second = second or import_botocore_again()
        aliaser = sys.modules["botocore.hooks"].EventAliaser
        client = second.client("sagemaker", region_name="us-east-1", **keys)
        mock.fail_next("ListInferenceExperiments", "ThrottlingException")

        assert client.list_inference_experiments()["ResponseMetadata"]["RetryAttempts"] == 1
        assert first_client.list_inference_experiments()["InferenceExperiments"] == []
        with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
            client.list_training_jobs()

    assert [vars(aliaser)[name].__module__ for name in ("emit", "emit_until_response")] == ["botocore.hooks"] * 2
    assert connections == []


def test_a_copy_of_botocore_that_is_no_longer_imported_sends_nothing(import_botocore_again, connections):
    """The mock cannot find the classes of such a copy: looking up the host is refused, in an error of botocore."""
    copy = import_botocore_again()
    config = importlib.import_module("botocore.config").Config(retries={"total_max_attempts": 1})
    client = copy.client("sagemaker", region_name="us-east-1", config=config, **KEYS)
    import_botocore_again()

    with mock_inference_experiment(), pytest.raises(Exception, match=f"a connection to {HOST}"):
        client.list_inference_experiments()

    assert connections == []
