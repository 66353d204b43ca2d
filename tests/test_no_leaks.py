"""A mock that has exited leaves nothing behind in botocore's classes, in the sleep functions and in memory."""

from __future__ import annotations

import asyncio
import builtins
import copy
import datetime as dt
import gc
import pickle
import sys
import time
import traceback
import tracemalloc
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.hooks import EventAliaser

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen
from tests.conftest import START
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, create
from tests.traffic.shared import create_endpoint, create_experiment

OPTIONS = {"clock": START, "virtual_sleep": True}
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def patchable():
    """Return all that a mock may patch in the process, by name."""
    return {**vars(EventAliaser), "time.sleep": time.sleep, "asyncio.sleep": asyncio.sleep}


ORIGINALS = {}


@pytest.fixture(autouse=True)
def _originals():
    """Remember the state of the process before each of these tests."""
    ORIGINALS.clear()
    ORIGINALS.update(patchable())


def is_active():
    """Return whether exactly those attributes are patched that a mock with virtual sleep patches."""
    present = patchable()
    patched = {name for name in present if present[name] is not ORIGINALS[name]}
    return patched == {"emit", "emit_until_response", "time.sleep", "asyncio.sleep"}


# --- every way to exit a mock


def by_with():
    with mock_inference_experiment(**OPTIONS):
        assert is_active()


def by_an_error_in_with():
    with pytest.raises(ZeroDivisionError), mock_inference_experiment(**OPTIONS):
        raise ZeroDivisionError


def by_an_error_in_async_with():
    async def fail():
        async with mock_inference_experiment(**OPTIONS):
            assert is_active()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())


def by_an_interrupt():
    with pytest.raises(KeyboardInterrupt), mock_inference_experiment(**OPTIONS):
        raise KeyboardInterrupt


def by_stop():
    mock = mock_inference_experiment(**OPTIONS)
    mock.start()
    assert is_active()
    mock.stop()


def by_stop_after_an_error():
    mock = mock_inference_experiment(**OPTIONS)
    mock.start()
    try:
        with pytest.raises(ZeroDivisionError):
            raise ZeroDivisionError
    finally:
        mock.stop()


def by_the_end_of_a_function():
    @mock_inference_experiment(**OPTIONS)
    def function():
        assert is_active()

    function()


def by_the_end_of_a_generator():
    @mock_inference_experiment(**OPTIONS)
    def generator():
        yield is_active()

    assert list(generator()) == [True]


def by_closing_a_generator():
    @mock_inference_experiment(**OPTIONS)
    def generator():
        yield is_active()

    suspended = generator()
    assert next(suspended)
    suspended.close()


def by_cancelling_a_task():
    @mock_inference_experiment(**OPTIONS)
    async def wait(entered):
        entered.set()
        await asyncio.Event().wait()

    async def main():
        entered = asyncio.Event()
        task = asyncio.create_task(wait(entered))
        await entered.wait()
        assert is_active()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def by_the_end_of_a_test_case():
    @mock_inference_experiment(**OPTIONS)
    class Case(unittest.TestCase):
        def test_passes(self):
            assert is_active()

        def test_fails(self):
            raise AssertionError

    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(unittest.TestResult())


def by_an_unused_fault():
    with pytest.raises(AssertionError), mock_inference_experiment(**OPTIONS, unused_faults="error") as mock:
        mock.fail_next("ListModels", "ThrottlingException")


def by_failing_to_enter():
    class ClockWithoutSleep:
        def now(self):
            return START

    with pytest.raises(TypeError, match=r"no sleep\(\)"):
        mock_inference_experiment(clock=ClockWithoutSleep(), virtual_sleep=True).start()


def in_the_order_of_entry(**options):
    first, second = mock_inference_experiment(**options), mock_inference_experiment(**options)
    first.start()
    second.start()
    launch("in-second")
    sleep_of_second = time.sleep

    first.stop()

    assert is_active() == bool(options)
    assert (seen(), time.sleep) == (["in-second"], sleep_of_second)
    second.stop()


def in_the_order_of_entry_with_virtual_sleep():
    in_the_order_of_entry(**OPTIONS)


EXITS = [
    by_with,
    by_an_error_in_with,
    by_an_error_in_async_with,
    by_an_interrupt,
    by_stop,
    by_stop_after_an_error,
    by_the_end_of_a_function,
    by_the_end_of_a_generator,
    by_closing_a_generator,
    by_cancelling_a_task,
    by_the_end_of_a_test_case,
    by_an_unused_fault,
    by_failing_to_enter,
    in_the_order_of_entry,
    in_the_order_of_entry_with_virtual_sleep,
]


@pytest.mark.parametrize("exit_mock", EXITS, ids=lambda exit_mock: exit_mock.__name__)
def test_every_exit_restores_the_process(monkeypatch, exit_mock):
    """Afterwards botocore's classes and the sleep functions are the original objects, and no mock answers calls."""
    for module in (time, asyncio):
        monkeypatch.setattr(module, "sleep", module.sleep)  # Restores it if this test fails.

    exit_mock()

    assert {name for name, value in patchable().items() if value is not ORIGINALS.get(name)} == set()
    assert seen() == [ON_AWS]


def test_a_captured_sleep_of_an_exited_mock_sleeps_outside_it(monkeypatch):
    """`time.sleep` captured in a mock moves the outer mock's clock after the mock has exited, then really sleeps."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    with mock_inference_experiment(**OPTIONS) as outer:
        with mock_inference_experiment(**OPTIONS) as inner:
            captured = time.sleep
        captured(60)
    captured(3600)

    assert (inner.clock.now(), outer.clock.now()) == (START, START + dt.timedelta(minutes=1))
    assert waited == [3600]


# --- memory


def enter_and_exit(times):
    """Enter and exit mocks without calls."""
    for _ in range(times):
        with mock_inference_experiment():
            pass


def enter_call_and_exit(times):
    """Enter and exit mocks that answer a call."""
    for number in range(times):
        with mock_inference_experiment(virtual_sleep=True) as mock:
            mock.client().create_inference_experiment(**create(f"experiment-{number}"))


@pytest.mark.parametrize(("use", "times", "bytes_each"), [(enter_and_exit, 4_000, 5), (enter_call_and_exit, 200, 200)])
def test_exited_mocks_free_their_memory(use, times, bytes_each):
    """After many mocks as much memory is in use as after the first few."""
    use(1)  # Makes the client, which would take longer while memory is traced.
    tracemalloc.start()
    try:
        use(100)  # Fills caches.
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        use(times)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < times * bytes_each


def leave(mock):
    with mock as active:
        launch()
        return weakref.ref(active)


def leave_by_an_error(mock):
    with suppress(ZeroDivisionError), mock as active:
        reference = weakref.ref(active)
        raise ZeroDivisionError
    return reference


def stop(mock):
    active = mock.start()
    launch()
    mock.stop()
    return weakref.ref(active)


def stop_in_another_thread(mock):
    active = mock.start()
    launch()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(mock.stop).result()
    return weakref.ref(active)


def leave_below_another(mock):
    other = mock_inference_experiment()
    with mock as active:
        other.start()
        launch()
    other.stop()
    return weakref.ref(active)


@pytest.mark.parametrize("use", [leave, leave_by_an_error, stop, stop_in_another_thread, leave_below_another])
def test_an_exited_mock_is_freed(use):
    """Nothing keeps it: no context, no patch, and no report of a test."""
    reference = use(mock_inference_experiment(virtual_sleep=True))

    gc.collect()

    assert reference() is None


def test_the_mocks_of_a_test_are_freed_after_it(pytester):
    """Also those of a failed test, whose report shows their calls."""
    pytester.makepyfile("""
        import gc

        import pytest

        from mock_sagemaker_ie import mock_inference_experiment

        def use(mock):
            mock.client().list_models()

        def test_fails(sagemaker_ie):
            use(sagemaker_ie)
            for _ in range(10):
                with mock_inference_experiment() as mock:
                    use(mock)
            del mock
            assert not "reported"

        @pytest.fixture
        def failing(sagemaker_ie):
            use(sagemaker_ie)
            raise ZeroDivisionError

        def test_fails_in_a_fixture(failing):
            pass

        @pytest.mark.sagemaker_ie
        def test_is_marked():
            pass

        def test_starts_one_and_forgets_it():
            use(mock_inference_experiment().start())

        @mock_inference_experiment
        def test_is_decorated():
            pass

        def test_nothing_is_kept():
            from mock_sagemaker_ie import InferenceExperimentMock
            from mock_sagemaker_ie.service.service import Service

            gc.collect()
            assert [each for each in gc.get_objects() if isinstance(each, (InferenceExperimentMock, Service))] == []
    """)

    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest")

    result.assert_outcomes(failed=1, errors=1, passed=4, warnings=1)
    result.stdout.fnmatch_lines(["* sagemaker_ie at the end of call *", "1 call:"])


# --- sessions


def describe(mock, session):
    session.client("sagemaker").create_inference_experiment(**create())
    session.client("sagemaker").describe_inference_experiment(Name=NAME)


def get_an_error(mock, session):
    with suppress(ClientError):
        session.client("sagemaker").describe_inference_experiment(Name="missing")


def get_an_arranged_error(mock, session):
    mock.fail_next("ListModels", "ThrottlingException")
    session.client("sagemaker", config=NO_RETRIES).list_models()


def get_a_connection_error(mock, session):
    mock.fail_next("ListModels", ConnectTimeoutError)
    with suppress(ConnectTimeoutError):
        session.client("sagemaker", config=ONE_ATTEMPT).list_models()


def invoke(mock, session):
    create_endpoint(session.client("sagemaker"))
    session.client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")


def get_an_error_of_a_handler(mock, session):
    def fail(request):
        try:
            return {}["weights"]
        except KeyError as error:
            raise ValueError("no weights") from error

    mock.serve(f"model-{PRODUCTION}", fail)
    mock.serve(f"model-{SHADOW}", fail)
    create_experiment(session.client("sagemaker"))
    with suppress(ClientError):
        session.client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")


def copy_calls(mock, session):
    describe(mock, session)
    mock.copies = [copy.copy(mock.calls), copy.deepcopy(mock.calls), pickle.loads(pickle.dumps(mock.calls))]  # noqa: S301 - our own


NO_RETRIES = Config(retries={"total_max_attempts": 2, "mode": "standard"})
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
USES = [
    describe,
    get_an_error,
    get_an_arranged_error,
    get_a_connection_error,
    invoke,
    get_an_error_of_a_handler,
    copy_calls,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
@pytest.mark.parametrize("wire", [False, True], ids=["immediate", "wire"])
def test_a_session_is_freed_while_the_mock_goes_on(monkeypatch, use, wire):
    """Neither the mock nor its calls keep a session, its clients, their service models, or the caller's variables."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    references = []

    class Session(boto3.Session):
        def client(self, *args, **kwargs):
            client = super().client(*args, **kwargs)
            references.extend(map(weakref.ref, (self, client, client.meta.service_model)))
            return client

    with mock_inference_experiment(wire=wire) as mock:
        use(mock, Session(region_name="us-east-1", **KEYS))
        gc.collect()

        assert {reference() for reference in references} == {None}
        assert mock.calls
        assert [call.response is None for call in mock.calls] == [call.error is not None for call in mock.calls]


class NeedsMoreError(Exception):
    """An error that is made with more than its text."""

    def __new__(cls, code, text):
        return super().__new__(cls, text)

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def with_cause():
    """Return an error of a built-in class with a note, and with a cause and context that was raised."""
    try:
        {}["cause"]
    except KeyError as cause:
        error = ConnectionResetError(104, "reset", "file")
        error.__cause__ = error.__context__ = cause
        error.__dict__["__notes__"] = ["a note"]
        return error


def group_of_raised():
    """Return a group with an error that was raised."""
    return builtins.ExceptionGroup("several", [with_cause().__cause__])


ARRANGED_ERRORS = {
    "code": lambda: "ThrottlingException",
    "class": lambda: ConnectionResetError,
    "class of botocore": lambda: ConnectTimeoutError,
    "built-in": lambda: ValueError("broken"),
    "with state": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    "with cause": with_cause,
    "needs more": lambda: NeedsMoreError(7, "broken"),
    **({"group": group_of_raised} if sys.version_info >= (3, 11) else {}),
}


@pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")  # One fault still waits at the end.
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("arranged", ARRANGED_ERRORS.values(), ids=ARRANGED_ERRORS)
def test_an_arranged_error_keeps_no_variables_of_its_callers(mock, arranged, times):
    """Neither the recorded call nor the fault that waits for more calls keeps the frames through which it came."""
    mock.fail_next("ListModels", arranged(), times=times)
    client = boto3.client("sagemaker", region_name="us-east-1", config=ONE_ATTEMPT, **KEYS)

    def fail():
        local = mock_inference_experiment()  # Any object that can be referred to weakly.
        with suppress(Exception):
            client.list_models()
        return weakref.ref(local)

    references = [fail() for _ in range(min(times, 2))]

    gc.collect()
    assert {reference() for reference in references} == {None}


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("arranged", ARRANGED_ERRORS.values(), ids=ARRANGED_ERRORS)
def test_a_recorded_error_equals_the_one_that_was_raised(mock, arranged, times):
    """It has the same class, text, arguments, attributes, notes and cause, at the first call and at the second."""
    mock.fail_next("ListModels", arranged(), times=times)
    client = boto3.client("sagemaker", region_name="us-east-1", config=ONE_ATTEMPT, **KEYS)

    for _ in range(times):
        with pytest.raises(Exception) as caught:
            client.list_models()
        recorded, raised = mock.calls[-1].error, caught.value
        if isinstance(raised, ClientError):
            assert recorded.code == raised.response["Error"]["Code"]
            continue
        parts = [(type(each), str(each), each.args, vars(each), each.__cause__) for each in (recorded, raised)]
        assert parts[0] == parts[1]


def test_a_recorded_error_is_the_one_that_its_caller_has(mock):
    """When nobody has it any more, an equal error without its traceback is in its place."""
    mock.fail_next("ListModels", ConnectTimeoutError(endpoint_url="https://example.com"))
    with pytest.raises(ConnectTimeoutError) as caught:
        boto3.client("sagemaker", region_name="us-east-1", config=ONE_ATTEMPT, **KEYS).list_models()
    (call,) = mock.calls
    assert call.error is caught.value
    text = str(caught.value)

    del caught
    gc.collect()

    assert (type(call.error), str(call.error), call.error.__traceback__) == (ConnectTimeoutError, text, None)
    assert call.error is call.error


def test_the_cause_of_a_recorded_error_shows_its_lines_without_variables(mock, sagemaker):
    """A failed handler can be found by the traceback of its exception, and of those from which that came."""
    mock.serve(f"model-{PRODUCTION}", lambda request: 1 / 0)
    create_endpoint(sagemaker)
    with pytest.raises(ClientError):
        mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"1")

    trace = mock.calls[-1].error.__cause__.__traceback__

    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    assert "mock.serve" in traceback.extract_tb(trace)[-1].line
    assert [(frame.f_back, frame.f_locals) for frame in frames] == [(None, {})] * len(frames)


def test_a_service_model_is_freed_with_its_client():
    """No cache of the package keeps a client's service model, which is large, longer than the client and the mock."""

    def use_a_new_client():
        session = boto3.Session(region_name="us-east-1")
        client = session.client("sagemaker")
        with mock_inference_experiment():
            client.create_inference_experiment(**create())
            client.describe_inference_experiment(Name=NAME)
        return weakref.ref(client.meta.service_model)

    reference = use_a_new_client()

    gc.collect()
    assert reference() is None
