"""The clocks of a mock: MockClock, FrozenClock, a user's own clock, and tools that set the time of the process."""

from __future__ import annotations

import datetime as dt
import re
import time
from contextlib import contextmanager

import pytest
import time_machine
from botocore.exceptions import ClientError
from freezegun import freeze_time

from mock_sagemaker_ie import Clock, Durations, FrozenClock, MockClock, UnansweredCallError, mock_inference_experiment
from tests.conftest import START
from tests.requests import NAME, create

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
NAIVE = START.replace(tzinfo=None)
TOKYO = dt.timezone(dt.timedelta(hours=9))


class OwnClock:
    """A user's clock: its only method is now(), which returns the value that the test set."""

    def __init__(self, at):
        self.at = at
        self.readings = 0

    def now(self):
        self.readings += 1
        return self.at


@contextmanager
def freezegun_at(instant):
    """Freeze the time of the process; yield the function that moves it."""
    with freeze_time(instant) as frozen:
        yield frozen.tick


@contextmanager
def time_machine_at(instant):
    """Set the time of the process with time-machine and stop it; yield the function that moves it."""
    with time_machine.travel(instant, tick=False) as traveller:
        yield traveller.shift


def process_time():
    return dt.datetime.now(dt.timezone.utc)


def created(sagemaker):
    """Return the CreationTime of the experiment."""
    return sagemaker.describe_inference_experiment(Name=NAME)["CreationTime"]


# --- clocks that a test moves


STOPPED_CLOCKS = pytest.mark.parametrize(
    "make_clock",
    [lambda **options: MockClock(START, tick=False, **options), lambda **options: FrozenClock(START, **options)],
    ids=["MockClock", "FrozenClock"],
)


@pytest.mark.parametrize(
    ("move", "by"),
    [
        (lambda clock: clock.advance(DAY), DAY),
        (lambda clock: clock.advance(days=1, hours=2, minutes=3, seconds=4.5), dt.timedelta(1, 7384.5)),
        (lambda clock: clock.advance(DAY, seconds=1), dt.timedelta(1, 1)),
        (lambda clock: clock.sleep(0.5), dt.timedelta(seconds=0.5)),
        (lambda clock: clock.move_to(START + DAY), DAY),
        (lambda clock: clock.move_to((START + DAY).astimezone(TOKYO)), DAY),
        (lambda clock: clock.move_to("2026-01-01T10:00:00+01:00"), dt.timedelta(0)),
    ],
    ids=["timedelta", "units", "both", "sleep", "datetime", "other zone", "present instant"],
)
@STOPPED_CLOCKS
def test_a_clock_stands_still_until_it_is_moved(make_clock, move, by):
    """Each method moves the clock by exactly its argument, and nothing else moves it."""
    clock = make_clock()

    move(clock)

    assert clock.now() == START + by
    assert clock.now().tzinfo is dt.timezone.utc


@pytest.mark.parametrize("start", [START, START.astimezone(TOKYO), "2026-01-01T09:00:00Z", "2026-01-01T18:00+09:00"])
def test_a_clock_accepts_its_start_in_any_form(start):
    """A start is an aware datetime of any time zone or an ISO string with an offset."""
    clock = MockClock(start, tick=False)

    assert clock.now() == START


@pytest.mark.parametrize(
    "move",
    [
        lambda clock: clock.advance(-MINUTE),
        lambda clock: clock.advance(days=1, hours=-25),
        lambda clock: clock.sleep(-1),
        lambda clock: clock.move_to(START - MINUTE),
        lambda clock: MockClock(auto_advance=-MINUTE),
    ],
    ids=["timedelta", "units", "sleep", "move_to", "auto_advance"],
)
def test_time_never_goes_back(clock, move):
    """A step back raises ValueError, and the clock does not move."""
    with pytest.raises(ValueError, match="never goes back"):
        move(clock)

    assert clock.now() == START


@pytest.mark.parametrize("step", [60, "60", None])
def test_a_step_must_be_a_timedelta(clock, step):
    """A number has no unit, so it raises TypeError."""
    with pytest.raises(TypeError, match="timedelta"):
        clock.advance(step)
    with pytest.raises(TypeError, match="timedelta"):
        MockClock(auto_advance=step)


FUNCTIONS_OF_AN_INSTANT = pytest.mark.parametrize(
    "function",
    [
        MockClock,
        FrozenClock,
        lambda when: mock_inference_experiment(clock=when),
        lambda when: MockClock("1970-01-01T00:00:00Z").move_to(when),
    ],
    ids=["MockClock", "FrozenClock", "clock=", "move_to"],
)


@FUNCTIONS_OF_AN_INSTANT
@pytest.mark.parametrize("when", [NAIVE, NAIVE.isoformat(), "2026-01-01"])
def test_a_naive_datetime_is_refused(function, when):
    """A datetime without a time zone is not an instant. The message says how to add a time zone."""
    with pytest.raises(ValueError, match=r"naive.*tzinfo=datetime\.timezone\.utc"):
        function(when)


@FUNCTIONS_OF_AN_INSTANT
@pytest.mark.parametrize(("when", "error"), [("tomorrow", ValueError), (START.date(), TypeError), (0, TypeError)])
def test_a_value_that_is_not_an_instant_is_refused(function, when, error):
    """A value that is not a datetime or an ISO string is refused when it is passed, not when the clock is read."""
    with pytest.raises(error, match=r"not an? (instant|clock)"):
        function(when)


# --- freezegun and time-machine


TOOLS = pytest.mark.parametrize("set_time", [freezegun_at, time_machine_at])


@TOOLS
def test_a_clock_without_a_start_is_the_wall_clock(set_time):
    """It follows freezegun and time-machine, even if the clock was made before they started."""
    clock = MockClock()

    with set_time(START) as pass_time:
        assert clock.now() == START
        pass_time(MINUTE)
        assert clock.now() == START + MINUTE


@TOOLS
def test_a_ticking_clock_runs_on_from_its_start(set_time):
    """It runs as fast as the wall clock, also after a move."""
    with set_time(START + 100 * DAY) as pass_time:
        clock = MockClock(START)
        pass_time(MINUTE)
        clock.move_to(START + DAY)
        pass_time(MINUTE)

        assert clock.now() == START + DAY + MINUTE


@TOOLS
def test_a_mock_follows_the_time_of_the_process(set_time, sagemaker):
    """freezegun and time-machine around a mock set its time."""
    with set_time(START) as pass_time, mock_inference_experiment(durations=Durations(creating=MINUTE)):
        sagemaker.create_inference_experiment(**create())
        assert created(sagemaker) == START

        pass_time(MINUTE)

        assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"


@TOOLS
def test_a_later_time_set_inside_a_mock_counts_as_passed(set_time, sagemaker):
    """freezegun and time-machine inside a mock move its time to a later instant."""
    later = process_time() + 365 * DAY

    with mock_inference_experiment() as mock:
        sagemaker.create_inference_experiment(**create())
        with set_time(later):
            assert mock.experiments[NAME]["Status"] == "Completed"


# --- FrozenClock


def test_a_frozen_clock_sets_the_time_of_the_process(sagemaker):
    """Code that reads the time of the process gets the time of the mock, also after a move of the clock."""
    with mock_inference_experiment(clock=FrozenClock(START)) as mock:
        mock.clock.advance(DAY)
        sagemaker.create_inference_experiment(**create())

        assert created(sagemaker) == process_time() == mock.clock.now() == START + DAY
        assert time.time() == (START + DAY).timestamp()


def test_time_runs_again_after_the_exit_of_a_frozen_clock():
    """The time of the process is the real one before the entry and after the exit, even after an exception."""
    before = process_time()

    with pytest.raises(ZeroDivisionError), mock_inference_experiment(clock=FrozenClock(START + 10000 * DAY)):
        raise ZeroDivisionError

    assert before <= process_time() < before + DAY


def test_a_frozen_clock_begins_at_its_start_at_each_entry():
    """A mock is reusable, so its clock begins again. A second entry inside the first one does not move the clock."""
    clock = FrozenClock(START)

    for _ in range(2):
        with clock:
            assert process_time() == START
            clock.advance(DAY)
            with clock:
                assert process_time() == START + DAY
            assert process_time() == START + DAY


def test_a_frozen_clock_does_not_change_the_durations_in_pytest_s_report(pytester):
    """The duration of a test is real time, even if years pass on the mock's clock."""
    pytester.makepyfile(
        """
        import pytest
        from mock_sagemaker_ie import FrozenClock

        @pytest.mark.sagemaker_ie(clock=FrozenClock("2026-01-01T09:00:00Z"))
        def test_a_year(sagemaker_ie):
            sagemaker_ie.clock.advance(days=365)
        """
    )

    reports = pytester.inline_run("-p", "no:cacheprovider", "-p", "no:asyncio").getreports("pytest_runtest_logreport")

    assert [report.outcome for report in reports] == ["passed"] * 3
    assert all(0 <= report.duration < 3600 for report in reports)


# --- a user's own clock


@pytest.mark.parametrize("clock", [OwnClock(START), MockClock(), FrozenClock(START)], ids=["own", "mock", "frozen"])
def test_an_object_with_now_is_a_clock(clock):
    """A clock needs no base class, only the method now()."""
    assert isinstance(clock, Clock)


@pytest.mark.parametrize(
    "clock", [MockClock, object(), 5, START.time()], ids=["class", "object", "number", "time of day"]
)
def test_an_object_without_now_is_not_a_clock(clock):
    """An object without now(), and the class of a clock, raise TypeError when the mock is made."""
    with pytest.raises(TypeError, match="not a clock"):
        mock_inference_experiment(clock=clock)


@pytest.mark.parametrize(("value", "error"), [(NAIVE, ValueError), (1767258000.0, TypeError), (None, TypeError)])
def test_a_clock_that_returns_an_invalid_value_causes_an_error(sagemaker, value, error):
    """The call that reads the clock raises an error with the clock and the value in its message."""
    expected = rf"OwnClock.*now\(\).*{re.escape(repr(value))}.*not an instant"
    with mock_inference_experiment(clock=OwnClock(value)), pytest.raises(error, match=expected):
        sagemaker.list_inference_experiments()


def test_a_call_reads_the_clock_once(sagemaker):
    """An answered call and a refused call both use one instant for all their effects and for their record."""
    clock = OwnClock(START)

    with mock_inference_experiment(clock=clock):
        sagemaker.create_inference_experiment(**create())
        assert clock.readings == 1

        with pytest.raises(ClientError):
            sagemaker.create_inference_experiment(**create())
        assert clock.readings == 2


# --- auto_advance


@pytest.fixture
def auto_advancing(make_clock):
    """A mock whose clock moves by a minute after each call."""
    with mock_inference_experiment(clock=make_clock(auto_advance=MINUTE)) as mock:
        yield mock


@STOPPED_CLOCKS
def test_the_date_header_of_an_answer_is_the_instant_of_the_call(auto_advancing, sagemaker):
    """The Date header of an answer, and of an error, is the instant in the record of the call."""
    answer = sagemaker.create_inference_experiment(**create())
    with pytest.raises(ClientError) as refusal:
        sagemaker.create_inference_experiment(**create())

    headers = [reply["ResponseMetadata"]["HTTPHeaders"] for reply in (answer, refusal.value.response)]
    assert [h["date"] for h in headers] == [f"{call.at:%a, %d %b %Y %H:%M:%S} GMT" for call in auto_advancing.calls]


@STOPPED_CLOCKS
def test_only_answered_calls_advance_the_clock(auto_advancing, sagemaker):
    """Inspection, and calls that the mock does not answer, do not move the clock."""
    arn_of_another_resource = "arn:aws:sagemaker:us-east-1:123456789012:training-job/ranker"

    assert auto_advancing.experiments == {}
    with pytest.raises(UnansweredCallError):
        sagemaker.list_training_jobs()
    with pytest.raises(UnansweredCallError):
        sagemaker.list_tags(ResourceArn=arn_of_another_resource)

    assert auto_advancing.clock.now() == START
