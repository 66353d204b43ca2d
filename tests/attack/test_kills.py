"""Servers that are killed or terminated under load: the next one has every change that was acknowledged."""

from __future__ import annotations

import datetime as dt
import random
import signal
import time
from contextlib import closing
from http.client import HTTPException
from threading import Event, Thread

import pytest

from tests.attack.size import LARGE
from tests.conftest import START
from tests.requests import create, stop
from tests.server.commands import server_process
from tests.server.http_client import HTTPClient

CLIENTS = 3
ROUNDS = 20 if LARGE else 3


class Client:
    """A client that changes its own experiment again and again, and notes what was acknowledged.

    `sent`: the number of its last change. `acknowledged`: the number of the last one that was answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = self.acknowledged = -1
        self.moves_sent = self.moves_acknowledged = 0  # Of the clock, a second each.
        self.problems: list[str] = []

    def run(self, url: str, begun: Event) -> None:
        """Send changes until the server is gone."""
        with closing(HTTPClient(url)) as http:
            try:
                while not self.problems:
                    self._change(http)
                    begun.set()
            except (OSError, HTTPException):
                return
            except Exception as error:  # noqa: BLE001 - the test shows it
                self.problems.append(repr(error))

    def _change(self, http: HTTPClient) -> None:
        self.sent += 1
        number, name = self.sent, self.name
        if number == 0:
            answer = http.call("CreateInferenceExperiment", **create(name, Description="0"))
        elif number % 50 == 0:
            self.moves_sent += 1
            answer = http.post("/_mock/clock", {"advance": 1})
            self.moves_acknowledged += answer.status == 200
        else:
            answer = http.call("UpdateInferenceExperiment", Name=name, Description=str(number))
        if number % 7 == 0:  # A call that the service refuses is written and removed.
            http.call("StopInferenceExperiment", **stop("missing"))
        if answer.status == 200:
            self.acknowledged = number
        elif answer.code == "RequestAbortedException" or b"the server has ended" in answer.body:
            raise ConnectionAbortedError  # The server refuses what it has not read or written when it ends.
        else:
            self.problems.append(f"{number}: {answer.body!r}")

    def check(self, http: HTTPClient) -> None:
        """Compare the state of a new server with what was acknowledged. A change that was not answered may be there."""
        assert self.problems == []
        if self.acknowledged >= 0:
            described = http.call("DescribeInferenceExperiment", Name=self.name)
            assert described.status == 200, self.name
            kept = int(described.values["Description"])
            assert self._described(self.acknowledged) <= kept <= self.sent
        elif http.call("DescribeInferenceExperiment", Name=self.name).status != 200:
            self.sent = -1
            return
        self.sent = self.acknowledged = max(self.sent, 0)

    @staticmethod
    def _described(number: int) -> int:
        """Return the Description after so many changes: some move the clock."""
        return number - 1 if number and number % 50 == 0 else number


def check(url: str, clients: list[Client]) -> None:
    """Compare the state of a new server with what was acknowledged."""
    with closing(HTTPClient(url)) as http:
        for client in clients:
            client.check(http)
        now = dt.datetime.fromisoformat(http.get("/_mock/state").values["now"])
    acknowledged, sent = (sum(getattr(it, f"moves_{name}") for it in clients) for name in ("acknowledged", "sent"))
    assert acknowledged <= (now - START).total_seconds() <= sent


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
def test_a_server_that_ends_under_load_loses_nothing_acknowledged(tmp_path, ending):
    """Server after server uses the same file, which is compacted meanwhile. None is damaged, none loses a change."""
    path, number = tmp_path / "journal", random.Random(ending)  # noqa: S311 - not a secret
    clients = [Client(f"experiment-{each}") for each in range(CLIENTS)]
    for _ in range(ROUNDS):
        with server_process("--state", path, "--clock", START.isoformat()) as server:
            check(server.url, clients)
            begun = Event()
            threads = [Thread(target=client.run, args=(server.url, begun)) for client in clients]
            for thread in threads:
                thread.start()
            assert begun.wait(60)
            time.sleep(number.uniform(0, 1.5))
            server.end(ending)
            for thread in threads:
                thread.join()

    with server_process("--state", path, "--clock", START.isoformat()) as server:
        check(server.url, clients)
    assert sum(client.sent for client in clients) > ROUNDS
