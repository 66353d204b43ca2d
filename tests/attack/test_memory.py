"""Many sessions inside one mock, and many mocks: memory stays as without a mock, and no object of ours stays."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.attack.size import LARGE

SESSIONS, MOCKS = (120, 3_000) if LARGE else (12, 200)

# A session with every kind of call costs as much memory as one that makes none, outside a mock.
PROGRAM = textwrap.dedent("""
    import ctypes, gc, sys, time
    from contextlib import nullcontext, suppress
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError, ConnectTimeoutError
    from botocore.model import ServiceModel
    from mock_sagemaker_ie import mock_inference_experiment
    from tests.requests import ENDPOINT, PRODUCTION, create, endpoint_config

    time.sleep = lambda seconds: None
    config = Config(retries={"total_max_attempts": 2, "mode": "standard"})

    def use(mock, name):
        session = boto3.Session("a", "b", region_name="us-east-1")
        clients = [session.client(service, config=config) for service in ("sagemaker", "sagemaker-runtime")]
        if mock is not None:
            call(mock, name, *clients)

    def call(mock, name, sagemaker, runtime):
        sagemaker.create_endpoint_config(**endpoint_config(name))
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        sagemaker.describe_endpoint(EndpointName=name)
        sagemaker.list_endpoints()
        runtime.invoke_endpoint(EndpointName=name, Body=b"1")
        with suppress(ClientError):
            sagemaker.describe_endpoint(EndpointName="missing")
        with suppress(ClientError):
            sagemaker.create_endpoint(EndpointName="_", EndpointConfigName="_")
        mock.fail_next("ListModels", "ThrottlingException")
        sagemaker.list_models()
        mock.fail_next("ListModels", ConnectTimeoutError, times=2)
        with suppress(ConnectTimeoutError):
            sagemaker.list_models()
        mock.serve(f"model-{PRODUCTION}", lambda request: 1 / 0)
        with suppress(ClientError):
            runtime.invoke_endpoint(EndpointName=name, Body=b"1")
        mock.serve(f"model-{PRODUCTION}", lambda request: request)

    def in_use():
        gc.collect()
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    count, inside = int(sys.argv[1]), sys.argv[2] == "inside"
    with mock_inference_experiment(unused_faults="ignore") if inside else nullcontext() as mock:
        for number in range(5):
            use(mock, f"first-{number}")
        before = in_use()
        for number in range(count):
            use(mock, f"e-{number}")
        after = in_use()
        kept = sum(isinstance(each, ServiceModel) for each in gc.get_objects())
    print((after - before) / count, kept)
""")


def measure(where):
    """Return the bytes that each session leaves in use, and the number of service models."""
    command = [sys.executable, "-c", PROGRAM, str(SESSIONS), where]
    result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    size, models = result.stdout.split()
    return float(size), int(models)


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_session_inside_a_mock_costs_as_much_as_outside():
    """At most 0.2 MiB more, of which most are its calls. Only the models that the process keeps itself are left."""
    inside, models = measure("inside")

    assert models <= 4
    if LARGE:  # A few sessions say nothing about memory.
        assert inside - measure("outside")[0] <= 0.2 * 1024 * 1024


COUNT = textwrap.dedent("""
    import asyncio, collections, contextlib, gc, sys, threading
    from mock_sagemaker_ie import MockClock, mock_inference_experiment
    from tests.requests import create

    clock = MockClock("2026-01-01T09:00:00Z")

    def plain(number):
        with mock_inference_experiment(virtual_sleep=number % 2 == 0, clock=clock) as mock:
            mock.client().create_inference_experiment(**create())

    def nested(number):
        outer, inner = mock_inference_experiment(), mock_inference_experiment()
        outer.start(), inner.start()
        (outer if number % 2 else inner).stop()
        (inner if number % 2 else outer).stop()

    def failing(number):
        with contextlib.suppress(ZeroDivisionError), mock_inference_experiment(unused_faults="ignore") as mock:
            mock.fail_next("ListModels", "ThrottlingException", times=100)
            raise ZeroDivisionError

    def in_a_thread(number):
        mock = mock_inference_experiment()
        mock.start()
        thread = threading.Thread(target=mock.stop)
        thread.start()
        thread.join()

    def decorated(number):
        @mock_inference_experiment
        async def body():
            await asyncio.sleep(0)

        asyncio.run(body())

    def counted():
        gc.collect()
        kinds = collections.Counter(
            f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()
            if str(getattr(type(each), "__module__", "")).startswith(("mock_sagemaker_ie", "botocore"))
        )
        functions = sum(
            str(getattr(each, "__module__", "")).startswith("mock_sagemaker_ie")
            for each in gc.get_objects() if type(each).__name__ == "function"
        )
        return kinds | collections.Counter({"functions": functions})

    uses = (plain, nested, failing, in_a_thread, decorated)
    for number in range(20):
        for use in uses:
            use(number)
    before = counted()
    for number in range(int(sys.argv[1])):
        for use in uses:
            use(number)
    print({kind: count for kind, count in (counted() - before).items()})
""")


@pytest.mark.timeout(600)
def test_no_object_of_a_mock_is_left():
    """After many mocks, entered and left in many ways, there are as many objects of each kind as after a few."""
    command = [sys.executable, "-c", COUNT, str(MOCKS)]

    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    assert (result.stderr, result.stdout) == ("", "{}\n")
