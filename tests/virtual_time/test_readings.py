"""What code reads from time.monotonic and time.time in virtual time, and the names that modules have bound to them."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import sys
import textwrap
import threading
import time
from types import ModuleType

import freezegun
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from mock_sagemaker_ie import FrozenClock, mock_inference_experiment
from tests.conftest import START

FUNCTIONS = ("sleep", "monotonic", "monotonic_ns", "time", "time_ns")
READINGS = {"monotonic": 1, "monotonic_ns": 1e9, "time": 1, "time_ns": 1e9}
OPTIONS = {"clock": START, "virtual_sleep": True}
HOUR = 3600


def read():
    """Return the readings in seconds."""
    return {name: getattr(time, name)() / unit for name, unit in READINGS.items()}


def ahead_of_real():
    """Return the seconds by which each reading is ahead of the real time, which clock_gettime() returns."""
    real = {"monotonic": time.CLOCK_MONOTONIC, "time": time.CLOCK_REALTIME}
    return {round(seconds - time.clock_gettime(real[name.partition("_")[0]]), 1) for name, seconds in read().items()}


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Return a function that imports a new module with bound names; it forgets the modules after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    text = """
        from asyncio import sleep as pause
        from time import monotonic, sleep, time
        import time as clock

        def poll(seconds):
            deadline, polls = monotonic() + seconds, 0
            while monotonic() < deadline:
                sleep(10)
                polls += 1
            return polls
    """

    def make(name, text=text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return make


def bound():
    """Return what the names of all modules are bound to, if it is a function of time or asyncio or one of ours."""
    return {
        (module, name): value
        for module, each in sys.modules.items()
        if issubclass(type(each), ModuleType)
        for name, value in vars(each).items()
        if name in (*FUNCTIONS, "pause", "now") and callable(value)
    }


@pytest.fixture(autouse=True)
def _restored():
    """Check after each test that every name in every module is bound to what it was bound to before."""
    before, loop = bound(), dict(vars(asyncio.BaseEventLoop))
    yield
    after = bound()
    assert dict(vars(asyncio.BaseEventLoop)) == loop
    assert {key: after.get(key) for key in before} == before
    assert {id(value) for value in after.values()} <= {id(value) for value in before.values()} | {id(asyncio.sleep)}


# --- readings


def test_readings_see_the_slept_time():
    """After a virtual sleep of an hour, each reading is an hour later."""
    with mock_inference_experiment(**OPTIONS):
        assert ahead_of_real() == {0}
        time.sleep(HOUR)
        assert ahead_of_real() == {HOUR}
        asyncio.run(asyncio.sleep(HOUR))
        assert ahead_of_real() == {2 * HOUR}

    assert ahead_of_real() == {0}


def test_readings_keep_their_types():
    """Readings in nanoseconds are whole numbers."""
    with mock_inference_experiment(**OPTIONS):
        time.sleep(0.5)
        assert [type(getattr(time, name)()) for name in READINGS] == [float, int, float, int]


def test_readings_see_the_clock_moved_by_the_test():
    """`mock.clock.advance` and `mock.advance_until` move the time that the code under test reads, too."""
    with mock_inference_experiment(**OPTIONS) as mock:
        mock.clock.advance(hours=1)
        assert ahead_of_real() == {HOUR}


def test_a_loop_with_a_deadline_ends():
    """`while time.monotonic() < deadline` ends in virtual time, also with time.time()."""
    with mock_inference_experiment(**OPTIONS) as mock:
        for now in (time.monotonic, time.time):
            deadline, polls = now() + 600, 0
            while now() < deadline:
                time.sleep(10)
                polls += 1
            assert polls in (60, 61)  # The deadline's own microseconds.

        assert mock.clock.now() - START < dt.timedelta(seconds=1230)


@given(lengths=st.lists(st.tuples(st.sampled_from(["sleep", "enter", "exit"]), st.integers(1, 1000)), max_size=20))
def test_readings_never_go_back_in_nested_mocks(lengths):
    """However mocks are nested and sleep, no reading is lower than the one before it until the last mock exits."""
    mocks, before = [mock_inference_experiment(**OPTIONS)], read()
    mocks[0].start()
    try:
        for what, seconds in lengths:
            if what == "sleep":
                time.sleep(seconds)
            elif what == "enter":
                mocks.append(mock_inference_experiment(**OPTIONS))
                mocks[-1].start()
            elif len(mocks) > 1:
                mocks.pop().stop()
            now = read()
            assert all(now[name] >= before[name] for name in READINGS)
            before = now
    finally:
        while mocks:
            mocks.pop().stop()


def test_nested_mocks_with_one_clock_count_a_sleep_once():
    """A sleep in an inner mock that has the clock of the outer one passes once for code that reads the time."""
    with mock_inference_experiment(**OPTIONS) as outer:
        with mock_inference_experiment(clock=outer.clock, virtual_sleep=True):
            time.sleep(HOUR)
            assert ahead_of_real() == {HOUR}
        assert ahead_of_real() == {HOUR}


def test_sleeps_of_an_inner_mock_do_not_move_the_outer_clock():
    """Nested mocks have clocks of their own, while code that reads the time sees all that has passed."""
    with mock_inference_experiment(**OPTIONS) as outer:
        time.sleep(60)
        with mock_inference_experiment(**OPTIONS) as inner:
            time.sleep(HOUR)
        time.sleep(60)

        assert inner.clock.now() == START + dt.timedelta(hours=1)
        assert outer.clock.now() == START + dt.timedelta(minutes=2)
        assert ahead_of_real() == {HOUR + 120}


# --- names


def test_names_that_were_bound_before_the_mock_are_virtual(user_module):
    """A module that has `from time import monotonic, sleep` polls in virtual time."""
    module = user_module("bound_before")
    with mock_inference_experiment(**OPTIONS):
        assert module.poll(600) in (60, 61)
        assert asyncio.run(timed(module.pause, HOUR)) == pytest.approx(HOUR)

    assert (module.sleep, module.monotonic, module.time) == (time.sleep, time.monotonic, time.time)


async def timed(sleep, seconds):
    """Return the time of the loop that a sleep takes."""
    began = asyncio.get_running_loop().time()
    await sleep(seconds)
    return asyncio.get_running_loop().time() - began


def test_names_that_are_bound_in_the_mock_are_restored(user_module):
    """A module that is imported in a mock has the original functions when the mock has exited."""
    with mock_inference_experiment(**OPTIONS):
        module = user_module("bound_inside")
        assert module.poll(600) in (60, 61)

    assert (module.sleep, module.monotonic, module.time) == (time.sleep, time.monotonic, time.time)
    assert module.pause is asyncio.sleep
    with mock_inference_experiment(**OPTIONS):
        assert module.poll(600) in (60, 61)


def test_names_that_are_bound_again_in_the_mock_are_restored(user_module):
    """A name that gets one of our functions later, without a new name in its module, is restored too."""
    module = user_module("bound_late", "now = None\n")
    with mock_inference_experiment(**OPTIONS):
        pass

    with mock_inference_experiment(**OPTIONS):
        module.now = time.monotonic

    assert module.now is time.monotonic


def test_a_module_that_is_reloaded_in_the_mock_is_restored(user_module):
    """importlib.reload() binds names again, and they are restored."""
    module = user_module("reloaded")
    with mock_inference_experiment(**OPTIONS):
        importlib.reload(module)
        assert module.poll(600) in (60, 61)

    assert module.sleep is time.sleep


def test_two_mocks_that_exit_in_the_order_of_entry_restore_all_names(user_module):
    """The order of exits does not matter; after the last one names are the originals."""
    module = user_module("two_mocks")
    first, second = mock_inference_experiment(**OPTIONS), mock_inference_experiment(**OPTIONS)
    first.start()
    late = user_module("two_mocks_late")
    second.start()

    first.stop()

    assert module.poll(600) in (60, 61)
    second.stop()
    assert module.sleep is late.sleep is time.sleep


def test_an_error_in_the_mock_restores_all_names(user_module):
    """After an exception, names are the originals."""
    module = user_module("after_an_error")
    with pytest.raises(ZeroDivisionError), mock_inference_experiment(**OPTIONS):
        assert module.sleep is time.sleep
        raise ZeroDivisionError

    assert module.sleep is time.sleep


def test_nothing_is_touched_without_virtual_sleep(user_module):
    """A mock without virtual_sleep leaves time, asyncio and bound names as they are."""
    user_module("untouched")
    loop = {name: vars(asyncio.BaseEventLoop)[name] for name in ("time", "_run_once")}
    before = bound()

    with mock_inference_experiment(clock=START):
        assert bound() == before
        assert {name: vars(asyncio.BaseEventLoop)[name] for name in loop} == loop


def test_the_standard_library_waits_for_real():
    """Timeouts of the standard library do not see virtual time: its threads and processes are real."""
    with mock_inference_experiment(**OPTIONS) as mock:
        event = threading.Event()
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        assert not event.wait(0.05)

        assert time.clock_gettime(time.CLOCK_MONOTONIC) - began >= 0.05
        assert mock.clock.now() == START


# --- tools that set the time of the process


def test_with_frozen_clock_everything_agrees():
    """With FrozenClock a sleep moves the clock, datetime.now(), time.time() and time.monotonic() alike."""
    with mock_inference_experiment(clock=FrozenClock(START), virtual_sleep=True) as mock:
        before = read()
        time.sleep(HOUR)
        asyncio.run(asyncio.sleep(HOUR))

        assert {round(now - before[name], 3) for name, now in read().items()} == {2 * HOUR}
        assert mock.clock.now() == dt.datetime.now(dt.timezone.utc) == START + dt.timedelta(hours=2)


@pytest.mark.parametrize(
    "travel",
    [
        lambda: freezegun.freeze_time(START),
        lambda: freezegun.freeze_time(START, tick=True),
        lambda: time_machine.travel(START, tick=False),
        lambda: time_machine.travel(START, tick=True),
    ],
    ids=["freeze_time", "freeze_time with tick", "time_machine", "time_machine with tick"],
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["time", "asyncio"])
def test_around_a_mock_tools_agree_except_for_datetime_now(travel, asynchronous):
    """In freeze_time or time_machine, the clock and time's readings see a sleep, and datetime.now() does not."""
    with travel(), mock_inference_experiment(virtual_sleep=True) as mock:
        before, began, frozen = read(), mock.clock.now(), dt.datetime.now(dt.timezone.utc)
        if asynchronous:
            asyncio.run(asyncio.sleep(HOUR))
        else:
            time.sleep(HOUR)

        assert {round(now - before[name]) for name, now in read().items()} == {HOUR}
        assert round((mock.clock.now() - began).total_seconds()) == HOUR
        assert (dt.datetime.now(dt.timezone.utc) - frozen).total_seconds() < HOUR / 2


def test_bound_names_are_restored_after_frozen_clock(user_module):
    """Names of a module that was imported before, and of one that is imported inside, are the originals afterwards."""
    before = user_module("frozen_before")
    with mock_inference_experiment(clock=FrozenClock(START), virtual_sleep=True):
        inside = user_module("frozen_inside")
        assert before.poll(600) == inside.poll(600) == 60

    assert before.monotonic is inside.monotonic is time.monotonic
    assert before.sleep is inside.sleep is time.sleep


def test_a_freeze_that_ends_in_the_mock_leaves_the_originals(user_module):
    """freeze_time inside a mock restores the original functions, and so does the exit of the mock."""
    module = user_module("freeze_inside")
    with mock_inference_experiment(**OPTIONS), freezegun.freeze_time(START):
        module.sleep(HOUR)

    assert module.monotonic is time.monotonic
    assert ahead_of_real() == {0}
