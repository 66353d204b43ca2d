"""Who may call the server: programs and its own page, but no page of another site."""

from __future__ import annotations

import socket

import pytest

from mock_sagemaker_ie.server.access import PROTECTION
from mock_sagemaker_ie.server.app import running_server
from tests.requests import NAME, create
from tests.server.commands import command, run
from tests.server.http_client import answer_to, head, server_in_thread

INVOKE = f"/endpoints/{create()['EndpointName']}/invocations"

OWN_HOSTS = [
    None,
    "localhost",
    "LOCALHOST:1",
    "localhost.",
    "mock.localhost:5050",
    "127.0.0.1",
    "127.8.8.8:80",
    "[::1]",
    "[::1]:5050",
    "[::ffff:127.0.0.1]:5050",
    "api.sagemaker.eu-west-1.amazonaws.com",
    "runtime.sagemaker.cn-north-1.amazonaws.com.cn:443",
]
FOREIGN_HOSTS = [
    "attacker.test",
    "attacker.test:5050",
    "localhost.attacker.test",
    "127.0.0.1.attacker.test",
    "notlocalhost",
    "api.sagemaker.eu-west-1.attacker.test",
    "amazonaws.com",
    "192.0.2.1:5050",
    "0.0.0.0",  # noqa: S104
    "[2001:db8::1]:5050",
    "[::ffff:192.0.2.1]",
    "localhost@attacker.test",
    "attacker.test/localhost",
    "localhost, attacker.test",
    "localhost:5050:1",
    "<script>",
    "\xff",
    "[",
]
REQUESTS = {
    "page": head("GET", "/", content_length=None),
    "state": head("GET", "/_mock/state", content_length=None),
    "picture": head("GET", f"/_mock/timeline.svg?name={NAME}", content_length=None),
    "captures": head("GET", "/_mock/captures", content_length=None),
    "answers of models": head("GET", "/_mock/models", content_length=None),
    "answer of a model": head("POST", "/_mock/models", content_type="application/json", content_length="22")
    + b'{"model":"m","body":1}',
    "reset": head("POST", "/_mock/reset", content_type="application/json") + b"{}",
    "operation": head() + b"{}",
    "invocation": head("POST", INVOKE) + b"{}",
    "preflight": head("OPTIONS", "/_mock/reset", content_length=None),
}


def with_headers(raw: bytes, **headers: str | None) -> bytes:
    """Return a request whose Host is replaced or removed, and with other headers added."""
    line, _, rest = raw.partition(b"\r\n")
    host = headers.pop("host", "localhost")
    names = {**({} if host is None else {"host": host}), **headers}
    added = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in names.items())
    return line + b"\r\n" + added.encode("latin-1") + rest.replace(b"host: localhost\r\n", b"")


@pytest.fixture
def url(sagemaker_ie_server, http):
    """The URL of a server that has an experiment."""
    assert http.call("CreateInferenceExperiment", **create()).status == 200
    return sagemaker_ie_server.url


@pytest.fixture
def refused(sagemaker_ie_server, url):
    """Return a function that asserts that a request is refused and changes nothing."""

    def refused(raw: bytes) -> None:
        calls = sagemaker_ie_server.mock.calls
        answer = answer_to(url, raw)
        assert (answer.status, answer.code) == (403, "AccessDeniedException")
        assert sagemaker_ie_server.mock.calls == calls
        assert not sagemaker_ie_server.mock._service.handlers
        assert NAME in sagemaker_ie_server.mock.experiments

    return refused


# --- Host


@pytest.mark.parametrize("host", OWN_HOSTS)
@pytest.mark.parametrize("request_name", ["page", "state", "reset", "operation"])
def test_a_loopback_host_and_a_host_of_sagemaker_are_answered(url, host, request_name):
    """Also with a port, in capitals, and with a dot at the end."""
    assert answer_to(url, with_headers(REQUESTS[request_name], host=host)).status == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_another_host_is_refused(refused, host, request_name):
    """After DNS rebinding a browser sends the name of the attacker's site as Host."""
    refused(with_headers(REQUESTS[request_name], host=host))


def test_two_hosts_are_refused(refused):
    """None of them counts alone."""
    refused(with_headers(REQUESTS["operation"], host="localhost\r\nhost: attacker.test"))


def test_the_host_in_an_absolute_url_counts(refused, url):
    """It replaces the Host header, as HTTP says."""
    assert answer_to(url, REQUESTS["operation"].replace(b" / ", b" http://127.0.0.1:5050/ ", 1)).status == 200
    refused(REQUESTS["operation"].replace(b" / ", b" http://attacker.test/ ", 1))


def test_the_refusal_says_the_way_out(url):
    """It contains the host that came, and the option that allows a name."""
    message = answer_to(url, with_headers(REQUESTS["state"], host="mock.test")).values["message"]

    assert "'mock.test' is not a loopback address" in message
    assert "--allow-host NAME" in message


@pytest.mark.parametrize("host", ["mock", "MOCK:5050", "mock.", "other.test", "[2001:db8::1]:5050"])
def test_a_named_host_is_answered(host):
    """The port, capitals and a dot at the end do not matter."""
    with server_in_thread(allow_hosts=["Mock", "other.test", "2001:db8::1"]) as server:
        assert answer_to(server.url, with_headers(REQUESTS["operation"], host=host)).status == 200
        assert answer_to(server.url, with_headers(REQUESTS["operation"], host="mock.test")).status == 403


@pytest.mark.parametrize("host", ["http://mock:5050", "mock:5050", "mock/", "", "a b", "*", "<script>"])
def test_a_name_that_is_no_host_is_an_error(host):
    """A scheme, a port or a path is not a part of a name."""
    with (
        pytest.raises(ValueError, match="expected a name or an address without scheme"),
        running_server(allow_hosts=[host]),
    ):
        pass


def test_a_remote_server_answers_to_any_address_and_to_the_name_of_the_machine():
    """Other machines use one of them. A name could be of a site of an attacker."""
    with server_in_thread(remote=True, allow_hosts=["mock"]) as server:
        for host in ("192.0.2.1:5050", "[2001:db8::1]", "0.0.0.0", socket.gethostname(), "mock", "localhost"):  # noqa: S104
            assert answer_to(server.url, with_headers(REQUESTS["operation"], host=host)).status == 200
        for host in ("attacker.test", "mock.test"):
            assert answer_to(server.url, with_headers(REQUESTS["operation"], host=host)).status == 403


def test_the_command_line_checks_the_names():
    """The message contains what came and what is expected."""
    result = run(command("serve", "--allow-host", "http://mock"))

    assert result.returncode == 1
    assert "host 'http://mock': expected a name or an address without scheme, port and path" in result.stderr


# --- Origin and Sec-Fetch-Site


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": "http://attacker.test"},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost:5051"},
        {"Origin": "http://localhost:5050.attacker.test"},
        {"Origin": "http://127.0.0.1:5050"},
        {"Origin": "localhost:5050"},
        {"Origin": ""},
        {"Origin": "http://localhost:5050\r\nOrigin: http://attacker.test"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "Cross-Site"},
        {"Sec-Fetch-Site": "anything"},
        {"Sec-Fetch-Site": "none\r\nSec-Fetch-Site: cross-site"},
        {"Origin": "http://localhost:5050", "Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_another_site_is_refused(refused, headers, request_name):
    """A site is another one when the scheme, the host or the port differs, or when the browser hides it."""
    refused(with_headers(REQUESTS[request_name], host="localhost:5050", **headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:5050"},
        {"Origin": "HTTP://LOCALHOST:5050", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Referer": "http://other.test/"},
    ],
    ids=str,
)
def test_programs_and_the_own_page_are_answered(url, headers):
    """A URL that a user enters has the site none."""
    for name in ("page", "state", "operation", "invocation", "reset"):
        assert answer_to(url, with_headers(REQUESTS[name], host="localhost:5050", **headers)).status == 200


# --- protective headers


@pytest.mark.sagemaker_ie(unused_faults="ignore")
@pytest.mark.parametrize("request_name", REQUESTS)
def test_every_answer_protects_itself(url, request_name):
    """A browser guesses no other type, gives nothing to another site, shows no frame, and runs no foreign script."""
    headers = answer_to(url, REQUESTS[request_name]).headers

    assert headers.get_all("x-content-type-options") == ["nosniff"]
    assert headers.get_all("cross-origin-resource-policy") == ["same-origin"]
    (policy,) = headers.get_all("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("sandbox; ") == (request_name != "page")


@pytest.mark.parametrize(
    "raw", [head("GET", "http://[/"), b"\x16\x03\r\n\r\n", head(content_length="x"), head(host="attacker.test") + b"{}"]
)
def test_every_refusal_protects_itself(url, raw):
    """Also one of a request that cannot be read."""
    answer = answer_to(url, raw)

    assert {name: answer.headers[name] for name in PROTECTION} == PROTECTION


def test_a_model_cannot_set_the_headers_that_protect(url, http, sagemaker_ie_server):
    """An answer that claims to be HTML is in a sandbox."""
    page = b"<script>alert(1)</script>"
    answer = http.send("POST", INVOKE, page, content_type="text/html", accept="text/html")

    assert (answer.headers["content-type"], answer.body) == ("text/html", page)
    assert {name: answer.headers[name] for name in PROTECTION} == PROTECTION
