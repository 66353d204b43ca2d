"""A process is forked at any moment while other threads enter mocks, leave them and make calls: no child hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from tests.attack.size import LARGE

FORKS = 400 if LARGE else 20

# The clock and the outer mock are shared by all threads, so a thread may hold their locks when the process is forked.
PROGRAM = textwrap.dedent("""
    import os, sys, threading, time, warnings
    from contextlib import suppress
    from mock_sagemaker_ie import FrozenClock, MockClock, mock_inference_experiment
    from tests.requests import ENDPOINT, create
    from tests.traffic.shared import create_endpoint

    warnings.simplefilter("ignore")
    clock = {"MockClock": MockClock, "FrozenClock": FrozenClock}[sys.argv[2]]("2026-01-01T09:00:00Z")
    stopping = threading.Event()

    def use(mock, name):
        mock.clock.advance(seconds=1)
        client, runtime = mock.client(), mock.client("sagemaker-runtime")
        with suppress(client.exceptions.ClientError):
            client.create_inference_experiment(**create(name))
            client.describe_inference_experiment(Name="missing")
        with suppress(client.exceptions.ClientError):
            create_endpoint(client)
        runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")
        mock.fail_next("ListModels", "ValidationException")
        with suppress(client.exceptions.ClientError):
            client.list_models()
        assert name in [call.params.get("Name") for call in mock.calls]

    def enter_and_leave(outer, name):
        for number in range(sys.maxsize):
            if stopping.is_set():
                return
            with mock_inference_experiment(clock=clock, virtual_sleep=number % 2 == 0, unused_faults="ignore") as mock:
                use(mock, name)
            assert "outer" in outer.experiments and outer.calls

    def child(outer):
        use(outer, "child")
        with mock_inference_experiment(clock=clock, unused_faults="ignore") as mock:
            use(mock, "child")
            assert list(mock.experiments) == ["child"]
        outer.clock.advance(seconds=1)

    def outcome(process):
        for _ in range(3_000):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            wait(0.01)
        os.kill(process, 9)
        os.waitpid(process, 0)
        return "hangs"

    wait = threading.Event().wait
    sys.setswitchinterval(1e-5)
    with mock_inference_experiment(clock=clock, unused_faults="ignore") as outer:
        use(outer, "outer")
        threads = [threading.Thread(target=enter_and_leave, args=(outer, f"thread-{each}")) for each in range(2)]
        for thread in threads:
            thread.start()
        outcomes = []
        for _ in range(int(sys.argv[1])):
            process = os.fork()
            if not process:
                try:
                    child(outer)
                    os._exit(0)
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    os._exit(1)
            outcomes.append(outcome(process))
        stopping.set()
        for thread in threads:
            thread.join()
    print({each: outcomes.count(each) for each in set(outcomes)})
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("clock", ["MockClock", "FrozenClock"])
def test_no_forked_child_hangs(clock):
    """Each child uses the mock of its parent, enters one of its own, and ends."""
    command = [sys.executable, "-c", PROGRAM, str(FORKS), clock]

    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    assert (result.stderr, result.stdout) == ("", f"{{0: {FORKS}}}\n")
