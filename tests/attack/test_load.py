"""The server under load: other clients while pages poll the state of many experiments.

MOCK_SAGEMAKER_IE_ATTACK=large takes 4,000 experiments, and checks that no call waits longer than 50 milliseconds.
"""

from __future__ import annotations

import time
from contextlib import closing
from threading import Event, Thread

from tests.attack.size import LARGE
from tests.requests import create
from tests.server.commands import server_process
from tests.server.http_client import HTTPClient

EXPERIMENTS, CALLS = (4000, 1000) if LARGE else (150, 60)


def poll(url: str, names: set[str], ended: Event) -> None:
    """Poll the changes as the page does, and note the names of experiments that came."""
    version = 0
    with closing(HTTPClient(url)) as page:
        last = False
        while not last:
            last = ended.is_set()
            state = page.get(f"/_mock/state?since={version}").values
            names.update(each["name"] for each in state["experiments"])
            version = state["version"]
            ended.wait(0.2)


def test_calls_go_on_while_pages_poll():
    """Each call is answered, and each page gets every new experiment once it looks."""
    with server_process("--durations", "realistic") as server, closing(HTTPClient(server.url)) as http:
        for number in range(EXPERIMENTS):
            name = f"experiment-{number}"
            request = {**create(name), "EndpointName": f"endpoint-{number}"}
            assert http.call("CreateInferenceExperiment", **request).status == 200
        ended, seen = Event(), [set(), set()]
        pages = [Thread(target=poll, args=(server.url, names, ended)) for names in seen]
        for page in pages:
            page.start()

        waits, created = [], set()
        for number in range(CALLS):
            name = f"other-{number}"
            request = {**create(name), "EndpointName": f"other-{number}"}
            for operation, members in (
                ("DescribeInferenceExperiment", {"Name": "experiment-7"}),
                ("ListInferenceExperiments", {"MaxResults": 5}),
                ("CreateInferenceExperiment", request),
            )[: 3 if number % 20 == 0 else 2]:
                began = time.monotonic()
                assert http.call(operation, **members).status == 200
                waits.append(time.monotonic() - began)
                created |= {name} if operation.startswith("Create") else set()
        ended.set()
        for page in pages:
            page.join()

    assert all(created <= names for names in seen)
    if LARGE:
        print(f"slowest of {len(waits)} calls: {max(waits) * 1000:.1f} ms")
        assert max(waits) <= 0.05
