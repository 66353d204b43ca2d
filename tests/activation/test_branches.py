"""Branches: a copy of the present state answers for a while, and then the original again, as if nothing had been."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
import time

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import (
    Durations,
    FrozenClock,
    MockClock,
    UnansweredCallError,
    UnusedFaultError,
    mock_inference_experiment,
)
from mock_sagemaker_ie.calls import INVOCATIONS
from mock_sagemaker_ie.server.app import running_server
from tests.activation.test_concurrency import forks, run
from tests.activation.test_entering import by_async_with, by_start_and_stop, by_with, every_way
from tests.attack.interrupting import differences, future, state
from tests.aws import ON_AWS, client, launch, seen
from tests.conftest import START
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.requests import NAME, PRODUCTION, create, stop

MINUTE = dt.timedelta(minutes=1)
TESTED = f"endpoint-of-{NAME}"


def status():
    """Return the status of the experiment that the code under test sees."""
    return client().describe_inference_experiment(Name=NAME)["Status"]


def promote():
    """End the experiment, with its shadow variant as the new production variant."""
    client().stop_inference_experiment(**stop(production="Remove", shadow="Promote"))


# --- what a branch is


@every_way
@pytest.mark.asyncio
async def test_a_branch_goes_on_from_the_present_state(mock, way):
    """Inside, the code sees the experiment and changes it; afterwards it sees the original, unchanged."""
    launch()

    async with way(mock.branch()) as what_if:
        promote()
        assert (status(), what_if.experiments[NAME]["Status"]) == ("Cancelled", "Cancelled")

    assert (status(), mock.experiments[NAME]["Status"]) == ("Running", "Running")


def test_each_mock_has_only_the_calls_that_it_answered(mock):
    """The branch begins without calls, and the original gets none of the calls inside."""
    launch()

    with mock.branch() as what_if:
        promote()

    client().list_models()
    assert [call.operation for call in what_if.calls] == ["StopInferenceExperiment"]
    assert [call.operation for call in mock.calls] == ["CreateInferenceExperiment", "ListModels"]


def test_two_ends_are_compared_from_the_same_instant(mock):
    """Both branches begin with the same state, although the first one was changed."""
    launch()
    deployed = {}

    for end, actions in {"promote": ("Remove", "Promote"), "keep": ("Retain", "Remove")}.items():
        with mock.branch() as what_if:
            client().stop_inference_experiment(**stop(production=actions[0], shadow=actions[1]))
            what_if.clock.advance(hours=1)
            (variant,) = client().describe_endpoint(EndpointName=TESTED)["ProductionVariants"]
            deployed[end] = variant["VariantName"], what_if.calls[0].at

    assert deployed == {"promote": ("shadow", START), "keep": (PRODUCTION, START)}


def test_a_branch_can_be_entered_again(mock):
    """Each entry copies the state of that moment."""
    branch = mock.branch()
    with branch:
        launch("inside")
    launch("later")

    with branch as what_if:
        assert (seen(), list(what_if.experiments)) == (["later"], ["later"])


def test_branches_can_be_nested(mock):
    """The innermost branch answers; a branch of the original inside a branch has the state of the original."""
    launch("one")

    with mock.branch() as outer:
        launch("two")
        with outer.branch():
            launch("three")
            assert seen() == ["one", "two", "three"]
            with mock.branch():
                assert seen() == ["one"]
        assert seen() == ["one", "two"]

    assert seen() == ["one"]


def test_an_exception_ends_a_branch(mock):
    """The exception goes on, and the original answers again."""
    with pytest.raises(ZeroDivisionError), mock.branch():
        launch()
        raise ZeroDivisionError

    assert seen() == []


def test_a_branch_has_the_options_of_its_mock():
    """Its account, region, strictness and quotas are those of the original."""
    options = {"account_id": "210987654321", "region_name": "us-east-1", "strict": True}
    with mock_inference_experiment(**options) as mock, mock.branch() as what_if:
        with pytest.raises(ClientError, match="model"):
            launch()

        assert (what_if.calls[0].account_id, what_if.region_name) == ("210987654321", "us-east-1")


def test_a_branch_decorates_a_function(mock):
    """Each call of the function runs in a branch of its own."""
    launch("before")

    @mock.branch()
    def act():
        launch()
        return seen()

    assert act() == act() == ["before", NAME]
    assert seen() == ["before"]


def test_an_expensive_state_is_made_once_for_many_tests(pytester):
    """A fixture of a module makes the state, and that of each test gives a branch of it."""
    pytester.makepyfile("""
        import pytest
        from mock_sagemaker_ie import mock_inference_experiment
        from tests.aws import launch, seen

        @pytest.fixture(scope="module")
        def arranged():
            with mock_inference_experiment() as mock:
                launch("expensive")
                yield mock

        @pytest.fixture(autouse=True)
        def what_if(arranged):
            with arranged.branch() as what_if:
                yield what_if

        @pytest.mark.parametrize("name", ["a", "b"])
        def test_it(name, what_if):
            launch(name)
            assert seen() == ["expensive", name]
            assert len(what_if.calls) == 2
    """)

    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=2)


def test_a_branch_that_a_test_has_not_stopped_is_ended(pytester):
    """The next test is not answered by it, and a warning says so, as for any mock."""
    pytester.makepyfile("""
        from mock_sagemaker_ie.interception import stack

        def test_starts(sagemaker_ie):
            sagemaker_ie.branch().start()

        def test_next():
            assert stack.active_mocks() == ()
    """)

    outcome = pytester.runpytest_inprocess("-Wdefault", "-p", "no:cacheprovider", "-p", "no:asyncio")

    outcome.assert_outcomes(passed=2, warnings=1)


# --- time


def test_the_clock_of_a_branch_begins_at_the_present_instant_and_moves_alone(clock):
    """Only the branch's clock moves inside; the original goes on from where it was."""
    with mock_inference_experiment(clock=clock, durations=Durations.realistic()) as mock:
        launch()
        clock.advance(minutes=3)

        with mock.branch() as what_if:
            assert what_if.clock.now() == what_if.now() == START + 3 * MINUTE
            what_if.advance_until(NAME, "Running")
            assert status() == "Running"

        assert clock.now() == mock.now() == START + 3 * MINUTE
        assert status() == "Creating"


def test_a_frozen_clock_is_restored():
    """The process reads the branch's time inside, and the frozen instant again afterwards."""
    with mock_inference_experiment(clock=FrozenClock(START)) as mock:
        mock.clock.advance(minutes=1)
        with mock.branch() as what_if:
            what_if.clock.advance(hours=1)
            with what_if.branch() as inner:
                inner.clock.advance(hours=1)
                assert dt.datetime.now(dt.timezone.utc) == START + 121 * MINUTE
            assert dt.datetime.now(dt.timezone.utc) == START + 61 * MINUTE

        assert dt.datetime.now(dt.timezone.utc) == mock.now() == START + MINUTE
        mock.clock.advance(minutes=1)
        assert dt.datetime.now(dt.timezone.utc) == START + 2 * MINUTE

    assert abs(dt.datetime.now(dt.timezone.utc).year - START.year) < 1000


def test_auto_advance_moves_only_the_clock_of_the_branch():
    """Each call inside moves the branch's clock; the original's moves for its own calls."""
    with mock_inference_experiment(clock=MockClock(START, tick=False, auto_advance=MINUTE)) as mock:
        launch()
        with mock.branch() as what_if:
            client().list_models()
            client().list_models()
            assert what_if.now() == START + 3 * MINUTE

        assert mock.now() == START + MINUTE


def test_virtual_sleep_moves_only_the_clock_of_the_branch():
    """The mock's time is restored. Readings of time.monotonic() go on: they never go back."""
    with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
        began = time.monotonic()
        with mock.branch() as what_if:
            time.sleep(3600)
            assert what_if.now() == START + 60 * MINUTE
        passed = time.monotonic() - began

        assert (mock.now(), passed >= 3600) == (START, True)
        time.sleep(60)
        assert mock.now() == START + MINUTE


class Ticks:
    """A clock of the user, which takes its instants from a list."""

    def __init__(self, *more):
        self.instants = [START + minutes * MINUTE for minutes in range(10)]
        self.more = more

    def now(self):
        return self.instants.pop(0)


def test_a_clock_of_the_user_is_copied():
    """The branch takes instants from a copy of the list."""
    with mock_inference_experiment(clock=Ticks()) as mock:
        first = mock.now()
        with mock.branch() as what_if:
            assert [what_if.now(), what_if.now()] == [START + MINUTE, START + 2 * MINUTE]

        assert [first, mock.now()] == [START, START + MINUTE]


def test_a_clock_that_cannot_be_copied_is_refused():
    """The error names the clock and the way out, and the original goes on to answer."""
    with mock_inference_experiment(clock=Ticks(threading.Lock())) as mock:
        with pytest.raises(TypeError, match=r"Ticks.* cannot be copied for a branch .*MockClock.*__deepcopy__\(\)"):
            mock.branch().start()

        assert seen() == []


# --- nothing is shared


def call(operation, **params):
    """Call an operation by a client that does not retry."""
    return getattr(client(), xform_name(operation))(**params)


def invoke(mock):
    """Send a request to the endpoint under test."""
    with contextlib.suppress(ClientError):
        mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=TESTED, Body=b"1")


def stream(mock):
    """Let the endpoint under test stream its answer, and read a part of it."""
    with contextlib.suppress(ClientError):
        body = mock.client("sagemaker-runtime").invoke_endpoint_with_response_stream(EndpointName=TESTED, Body=b"1")
        next(iter(body["Body"]))
        body["Body"].close()


def requested(operation):
    """Return an action that calls an operation with its valid request."""
    return lambda mock: call(operation, **REQUESTS[operation])


ACTIONS = {
    **{operation: requested(operation) for operation in REQUESTS if operation not in INVOCATIONS},
    "start": lambda mock: call("StartInferenceExperiment", Name=NAME),
    "stop": lambda mock: promote(),
    "invoke": invoke,
    "stream": stream,
    "alarm": lambda mock: mock.alarm("my-alarm", state="ALARM"),
    "scale": lambda mock: mock.scale(TESTED, PRODUCTION, 3),
    "pass a minute": lambda mock: mock.clock.advance(minutes=1),
    "pass a day": lambda mock: mock.clock.advance(days=1),
    "fail the experiment": lambda mock: mock.fail_experiment(NAME, "as arranged"),
    "fail it later": lambda mock: mock.fail_experiment(NAME, "as arranged", at=mock.now() + dt.timedelta(days=2)),
    "fail the endpoint": lambda mock: mock.fail_endpoint(TESTED, "as arranged"),
    "throttle": lambda mock: mock.fail_next("ListModels", "ThrottlingException"),
    "lose": lambda mock: mock.fail_next("CreateModel", "InternalFailure", after=True),
    "slow": lambda mock: mock.slow_next("ListModels", 30),
    "serve": lambda mock: mock.serve(f"model-{PRODUCTION}", lambda request: b"served"),
    "reset": lambda mock: mock.reset(),
}


def act(mock, names):
    """Do what these names stand for, refused or not."""
    for name in names:
        with contextlib.suppress(ClientError, LookupError, ValueError):
            ACTIONS[name](mock)


def whole(mock):
    """Return everything of a mock that can be seen, and the faults that wait; not which of them count as unused."""
    seen = {name: value for name, value in state(mock).items() if name not in ("faults", "expected")}
    return {**seen, "waiting": repr(mock._service.faults.waiting)}


histories = st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12)


@contextlib.contextmanager
def arranged(history):
    """Activate a mock and let a history happen in it."""
    options = {"durations": Durations(*[MINUTE] * 8), "unused_faults": "ignore", "keep": 20}
    with mock_inference_experiment(clock=MockClock(START, tick=False), **options) as mock:
        for operation, params in PREPARATIONS:
            call(operation, **params)
        act(mock, history)
        yield mock


@settings(max_examples=60)
@given(before=histories, inside=histories, deeper=histories)
def test_nothing_that_happens_in_a_branch_changes_the_original(before, inside, deeper):
    """It is the same afterwards, and its future is the future of a mock that had no branch."""
    with arranged(before) as mock:
        expected = whole(mock)

        with mock.branch() as what_if:
            act(what_if, inside)
            with what_if.branch() as inner:
                act(inner, deeper)
            act(what_if, deeper)

        assert differences(whole(mock), expected) == []
        future(mock)
        found = whole(mock)
    with arranged(before) as mock:
        future(mock)
        assert differences(found, whole(mock)) == []


@settings(max_examples=60)
@given(before=histories, inside=histories)
def test_a_branch_begins_as_the_original_and_goes_on_alike(before, inside):
    """Except for the calls, the same actions lead to the same state, whether in a branch or not."""
    with arranged(before) as mock:
        with mock.branch() as what_if:
            begun = whole(what_if)
            present = whole(mock)
            act(what_if, inside)
            ended = whole(what_if)

        assert begun["calls"] == []
        assert differences(begun, present) in (["calls"], [])
        act(mock, inside)
        assert differences(ended, whole(mock)) in (["calls"], [])


def test_handlers_are_shared_and_registrations_are_not(mock):
    """A model that is served inside has its former handler afterwards; inside, that one answers until then."""
    launch()
    mock.serve(f"model-{PRODUCTION}", lambda request: b"before")

    def answer(mock):
        answered = mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=TESTED, Body=b"1")
        return answered["Body"].read()

    with mock.branch() as what_if:
        answers = [answer(what_if)]
        what_if.serve(f"model-{PRODUCTION}", lambda request: b"inside")
        answers.append(answer(what_if))

    assert [*answers, answer(mock)] == [b"before", b"inside", b"before"]


# --- faults and what is reported at the end


@pytest.fixture
def strict():
    """Activate a mock in which each fault must be met."""
    with mock_inference_experiment(clock=START, unused_faults="error") as mock:
        yield mock


def test_a_fault_of_the_original_waits_in_each_branch(strict):
    """It is met in both branches and still waits in the original; it counts as met."""
    strict.fail_next("ListModels", ReadTimeoutError)

    for _ in range(2):
        with strict.branch(), pytest.raises(ReadTimeoutError):
            client().list_models()

    with strict.branch() as what_if, what_if.branch(), pytest.raises(ReadTimeoutError):
        client().list_models()


def test_a_fault_that_no_branch_meets_is_reported_by_the_mock_in_which_it_was_arranged():
    """The branch says nothing, and the original reports it once."""
    with (
        pytest.raises(UnusedFaultError, match=r"1 arranged fault: ThrottlingException for ListModels;"),
        mock_inference_experiment(unused_faults="error") as mock,
    ):
        mock.fail_next("ListModels", "ThrottlingException")
        mock.fail_next("ListModels", "ThrottlingException")
        with mock.branch(), pytest.raises(ClientError):
            client().list_models()


def test_a_fault_that_was_arranged_in_a_branch_is_reported_at_its_end(strict):
    """The original does not have it."""
    with pytest.raises(UnusedFaultError, match=r"ThrottlingException for ListModels;"), strict.branch() as what_if:
        what_if.fail_next("ListModels", "ThrottlingException")

    client().list_models()


def test_failures_and_models_that_a_branch_meets_are_not_reported(strict):
    """A later failure, a failing deployment and a served model, all met in the branch only, also when it raises."""
    launch()
    strict.serve(f"model-{PRODUCTION}", lambda request: b"1")
    strict.fail_experiment(NAME, "no capacity", at=START + MINUTE)
    strict.fail_endpoint("other", "no capacity")
    strict.fail_next("ListModels", ReadTimeoutError)

    with pytest.raises(ReadTimeoutError), strict.branch() as what_if:
        invoke(what_if)
        what_if.clock.advance(minutes=2)
        what_if.client().create_inference_experiment(**create("second", EndpointName="other"))
        assert status() == "Cancelled"
        client().list_models()

    assert status() == "Running"


# --- tasks, threads and processes


@pytest.mark.asyncio
@pytest.mark.parametrize("way", [by_with, by_async_with, by_start_and_stop])
async def test_tasks_have_branches_of_their_own(mock, way):
    """Branches of the same mock, side by side, do not see each other."""
    launch("before")
    both_are_in = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

    async def task(name):
        async with way(mock.branch()):
            launch(name)
            await (both_are_in.wait() if both_are_in else asyncio.sleep(0.01))
            return seen()

    assert await asyncio.gather(task("a"), task("b")) == [["before", "a"], ["before", "b"]]
    assert seen() == ["before"]


def test_a_thread_of_the_code_sees_the_branch(mock):
    """A thread that the code starts inside is answered by the branch; one of the test may have another branch."""
    launch("before")
    found = []

    def look():
        found.append(seen())

    def branch_off():
        with mock.branch():
            launch("in-thread")
            look()

    with mock.branch():
        launch("inside")
        for target in (look, branch_off):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        look()

    assert found == [["before", "inside"], ["before", "in-thread"], ["before", "inside"]]


def test_a_branch_begins_between_two_calls_of_other_threads(mock, frequent_thread_switches):
    """The copy has whole changes only: an experiment with its endpoint, or neither.

    A call that is under way when its branch ends is refused, as at the end of any mock.
    """
    stopping = threading.Event()

    def work():
        for number in range(200):
            if not stopping.is_set():
                with contextlib.suppress(UnansweredCallError):
                    mock.client().create_inference_experiment(**create(f"e-{number}"))

    threads = [threading.Thread(target=work)]
    threads[0].start()
    try:
        for _ in range(20):
            with mock.branch() as what_if:
                names = what_if._service.look(
                    lambda backend, _: ([*backend.experiments.store.records], [*backend.hosting.endpoints.records]),
                    "us-east-1",
                )
                experiments, endpoints = names
                assert [f"endpoint-of-{name}" for name in experiments] == endpoints
    finally:
        stopping.set()
        threads[0].join()


@forks
def test_a_child_process_can_leave_the_branch():
    """The child has a copy of the branch and of the original; what it does does not reach the parent."""
    printed = run("""
        with mock_inference_experiment() as mock:
            mock.client().create_inference_experiment(**create("before"))
            branch = mock.branch()
            what_if = branch.start()
            what_if.client().create_inference_experiment(**create("inside"))

            def in_child():
                what_if.client().create_inference_experiment(**create("child"))
                print(names(what_if))
                branch.stop()
                print(names(mock))

            fork(in_child)
            print(names(what_if))
            branch.stop()
            print(names(mock))
    """)

    assert printed == ["before+child+inside", "before", "before+inside", "before"]


# --- refusals


def test_a_mock_that_has_ended_has_no_branch():
    """The error says so, also for a branch that was made before the end."""
    with mock_inference_experiment() as mock:
        made = mock.branch()

    for branch in (made, mock.branch()):
        with pytest.raises(RuntimeError, match="has ended: only an active mock can have a branch"):
            branch.start()
    assert seen() == [ON_AWS]


def test_a_branch_that_is_not_active_cannot_be_stopped(mock):
    """It is an error, as for any mock, and the original stays active."""
    with pytest.raises(RuntimeError, match="was not started"):
        mock.branch().stop()

    assert seen() == []


def test_the_mock_of_a_server_has_no_branch():
    """Its calls come from other processes, which have one state."""
    with running_server() as server, pytest.raises(RuntimeError, match="a server answers with one state only"):
        server.mock.branch()


def test_the_repr_of_a_branch_names_its_mock(mock):
    """It is a mock with its experiments."""
    launch()

    assert repr(mock.branch()) == "<InferenceExperimentMock my-experiment: Running; 1 call>.branch()"
