"""Damaged HTTP requests, at random: the server answers each or closes the connection, and goes on.

MOCK_SAGEMAKER_IE_ATTACK=large tries many more.
"""

from __future__ import annotations

import random
from contextlib import closing
from http.client import HTTPException

import pytest

from tests.attack.size import LARGE
from tests.requests import NAME, create
from tests.server.http_client import HTTPClient, answer_to, head

ROUNDS = 10_000 if LARGE else 100
STATUSES = {200, 400, 403, 404, 405, 408, 413, 414, 415, 431, 505}
PARTS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"\xff", b"%2F", b"//", b"..", b"{", b"}",
    b"0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: attacker.test\r\n", b"Origin: null\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Credential=a/1/b/", b"FFFFFFFF\r\n", b"x" * 5000,
    b"http://", b"HTTP/1.0", b"HTTP/9.9", b"GET", b"\r\nx: y", b"?name=" + NAME.encode(),
]  # fmt: skip
REQUESTS = [
    head() + b"{}",
    head(content_length=None, transfer_encoding="chunked") + b"1\r\n{\r\n1;a=b\r\n}\r\n0\r\nx: y\r\n\r\n",
    head("POST", f"/endpoints/{create()['EndpointName']}/invocations", accept="text/html") + b"{}",
    head("POST", "/_mock/clock", content_type="application/json", content_length="13") + b'{"advance":1}',
    head("GET", "/", content_length=None),
    head("GET", "/_mock/state?since=1&offset=2&filter=a", content_length=None),
    head("GET", f"/_mock/timeline.svg?name={NAME}", content_length=None),
    head("POST", "http://localhost/", authorization="AWS4-HMAC-SHA256 Credential=a/1/us-east-1/x") + b"{}",
]


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """Return a request with a few places replaced, removed, repeated or filled."""
    for _ in range(chance.randint(1, 4)):
        first, last = sorted(chance.randint(0, len(raw)) for _ in range(2))
        last = min(last, first + chance.choice([0, 1, 10, len(raw)]))
        raw = raw[:first] + chance.choice([b"", raw[first:last] * 2, *PARTS]) + raw[last:]
    return raw


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_request_harms_nobody(sagemaker_ie_server, caplog, seed):
    """It is answered or refused, never with an internal failure, and the next client gets its answer."""
    with closing(HTTPClient(sagemaker_ie_server.url)) as client:
        assert client.call("CreateInferenceExperiment", **create()).status == 200
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(ROUNDS):
        raw = damaged(chance.choice(REQUESTS), chance)
        try:
            status = answer_to(sagemaker_ie_server.url, raw).status
        except (HTTPException, ConnectionError):
            continue  # An empty request gets no answer.
        assert status in STATUSES, raw
    with closing(HTTPClient(sagemaker_ie_server.url)) as client:
        assert client.call("ListInferenceExperiments").status == 200
    assert not caplog.records
