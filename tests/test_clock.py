"""What time it is for the mock: its own clocks, anybody's clock, and the tools that move the process's time."""

from __future__ import annotations

import datetime as dt
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
    """A user's clock: nothing but now(), which tells what the test says."""

    def __init__(self, at):
        self.at = at
        self.readings = 0

    def now(self):
        self.readings += 1
        return self.at


@contextmanager
def freezegun_at(instant):
    """Freeze the process's time and give the function that moves it."""
    with freeze_time(instant) as frozen:
        yield frozen.tick


@contextmanager
def time_machine_at(instant):
    """Travel there, stand still, and give the function that moves on."""
    with time_machine.travel(instant, tick=False) as traveller:
        yield traveller.shift


def process_time():
    return dt.datetime.now(dt.timezone.utc)


def created(sagemaker):
    """When the experiment was created, by its description."""
    return sagemaker.describe_inference_experiment(Name=NAME)["CreationTime"]


# --- clocks that a test moves


STANDING_CLOCKS = pytest.mark.parametrize(
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
    ids=["timedelta", "units", "both", "sleep", "datetime", "other zone", "where it is"],
)
@STANDING_CLOCKS
def test_a_clock_stands_still_until_it_is_moved(make_clock, move, by):
    """Each verb moves a clock by exactly what it says, and nothing else moves it."""
    clock = make_clock()

    move(clock)

    assert clock.now() == START + by
    assert clock.now().tzinfo is dt.timezone.utc


@pytest.mark.parametrize("start", [START, START.astimezone(TOKYO), "2026-01-01T09:00:00Z", "2026-01-01T18:00+09:00"])
def test_a_clock_starts_at_any_way_to_write_an_instant(start):
    """A start is an aware datetime of any zone or an ISO string with an offset."""
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
    """A step back is a ValueError, and the clock stays where it is."""
    with pytest.raises(ValueError, match="never goes back"):
        move(clock)

    assert clock.now() == START


@pytest.mark.parametrize("step", [60, "60", None])
def test_a_step_is_a_timedelta(clock, step):
    """A bare number has no unit, so it is a TypeError wherever a timedelta is meant."""
    with pytest.raises(TypeError, match="timedelta"):
        clock.advance(step)
    with pytest.raises(TypeError, match="timedelta"):
        MockClock(auto_advance=step)


INSTANT_TAKERS = pytest.mark.parametrize(
    "take",
    [
        MockClock,
        FrozenClock,
        lambda when: mock_inference_experiment(clock=when),
        lambda when: MockClock("1970-01-01T00:00:00Z").move_to(when),
    ],
    ids=["MockClock", "FrozenClock", "clock=", "move_to"],
)


@INSTANT_TAKERS
@pytest.mark.parametrize("when", [NAIVE, NAIVE.isoformat(), "2026-01-01"])
def test_a_naive_time_is_refused(take, when):
    """A datetime without a zone names no instant, and the error says how to give it one."""
    with pytest.raises(ValueError, match=r"naive.*tzinfo=datetime\.timezone\.utc"):
        take(when)


@INSTANT_TAKERS
@pytest.mark.parametrize(("when", "error"), [("tomorrow", ValueError), (START.date(), TypeError), (0, TypeError)])
def test_what_is_no_time_is_refused(take, when, error):
    """Anything but a datetime and an ISO string is refused where it is given, not where it is read."""
    with pytest.raises(error, match=r"no (instant|clock)"):
        take(when)


# --- the process's time, and those who move it


WALLS = pytest.mark.parametrize("wall_at", [freezegun_at, time_machine_at])


@WALLS
def test_a_clock_without_a_start_is_the_wall_clock(wall_at):
    """It is what freezegun or time-machine say, even if the clock was made before them."""
    clock = MockClock()

    with wall_at(START) as pass_time:
        assert clock.now() == START
        pass_time(MINUTE)
        assert clock.now() == START + MINUTE


@WALLS
def test_a_ticking_clock_runs_on_from_its_start(wall_at):
    """With a start it runs as fast as the wall clock, also after it was moved."""
    with wall_at(START + 100 * DAY) as pass_time:
        clock = MockClock(START)
        pass_time(MINUTE)
        clock.move_to(START + DAY)
        pass_time(MINUTE)

        assert clock.now() == START + DAY + MINUTE


@WALLS
def test_the_process_s_time_drives_a_mock(wall_at, sagemaker):
    """Around a mock or inside it, freezegun and time-machine need no help of ours."""
    with wall_at(START) as pass_time, mock_inference_experiment(durations=Durations(creating=MINUTE)):
        sagemaker.create_inference_experiment(**create())
        assert created(sagemaker) == START

        pass_time(MINUTE)

        assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"


@WALLS
def test_the_process_s_time_may_be_held_while_a_mock_is_active(wall_at, sagemaker):
    """Holding time at a later instant inside a mock is as if it had passed."""
    later = process_time() + 365 * DAY

    with mock_inference_experiment() as mock:
        sagemaker.create_inference_experiment(**create())
        with wall_at(later):
            assert mock.experiments[NAME]["Status"] == "Completed"


# --- FrozenClock


def test_a_frozen_clock_is_the_whole_process_s_time(sagemaker):
    """Code that reads the time itself agrees with the mock, and moving the clock moves both."""
    with mock_inference_experiment(clock=FrozenClock(START)) as mock:
        mock.clock.advance(DAY)
        sagemaker.create_inference_experiment(**create())

        assert created(sagemaker) == process_time() == mock.clock.now() == START + DAY
        assert time.time() == (START + DAY).timestamp()


def test_a_frozen_clock_lets_time_go_on_when_it_is_left():
    """Time is the process's own before, after, and after an error inside."""
    before = process_time()

    with pytest.raises(ZeroDivisionError), mock_inference_experiment(clock=FrozenClock(START + 10000 * DAY)):
        raise ZeroDivisionError

    assert before <= process_time() < before + DAY


def test_a_frozen_clock_begins_anew_at_each_entry():
    """A mock is reusable, so its clock starts again; entered twice at once it is one clock, which never goes back."""
    clock = FrozenClock(START)

    for _ in range(2):
        with clock:
            assert process_time() == START
            clock.advance(DAY)
            with clock:
                assert process_time() == START + DAY
            assert process_time() == START + DAY


def test_a_frozen_clock_leaves_pytest_s_stopwatch_alone(pytester):
    """How long a test took is no matter of the mock's time, in which years may pass."""
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


# --- anybody's clock


@pytest.mark.parametrize("clock", [OwnClock(START), MockClock(), FrozenClock(START)], ids=["own", "mock", "frozen"])
def test_anything_that_tells_the_time_is_a_clock(clock):
    """A clock needs no base class, only now()."""
    assert isinstance(clock, Clock)


@pytest.mark.parametrize(
    "clock", [MockClock, object(), 5, START.time()], ids=["class", "object", "number", "time of day"]
)
def test_what_cannot_tell_the_time_is_no_clock(clock):
    """What has no now(), or is the class of a clock, is a TypeError when the mock is made."""
    with pytest.raises(TypeError, match="no clock"):
        mock_inference_experiment(clock=clock)


@pytest.mark.parametrize(("told", "error"), [(NAIVE, ValueError), (1767258000.0, TypeError), (None, TypeError)])
def test_a_clock_that_tells_no_instant_is_blamed(sagemaker, told, error):
    """The call that reads it raises an error that names the clock and what it told."""
    with mock_inference_experiment(clock=OwnClock(told)), pytest.raises(error, match=r"OwnClock.*now\(\).*no instant"):
        sagemaker.list_inference_experiments()


def test_a_call_reads_the_clock_once(sagemaker):
    """Whether a call is answered or refused, one instant is that of all its effects and of its record."""
    clock = OwnClock(START)

    with mock_inference_experiment(clock=clock):
        sagemaker.create_inference_experiment(**create())
        assert clock.readings == 1

        with pytest.raises(ClientError):
            sagemaker.create_inference_experiment(**create())
        assert clock.readings == 2


# --- auto_advance


@pytest.fixture
def hurried(make_clock):
    """A mock whose clock moves by a minute at each call."""
    with mock_inference_experiment(clock=make_clock(auto_advance=MINUTE)) as mock:
        yield mock


@STANDING_CLOCKS
def test_an_answer_is_dated_at_the_moment_of_the_call(hurried, sagemaker):
    """The Date header of an answer, and of an error, is the instant in the call's record."""
    answer = sagemaker.create_inference_experiment(**create())
    with pytest.raises(ClientError) as refusal:
        sagemaker.create_inference_experiment(**create())

    headers = [reply["ResponseMetadata"]["HTTPHeaders"] for reply in (answer, refusal.value.response)]
    assert [h["date"] for h in headers] == [f"{call.at:%a, %d %b %Y %H:%M:%S} GMT" for call in hurried.calls]


@STANDING_CLOCKS
def test_what_the_mock_does_not_answer_takes_no_time(hurried, sagemaker):
    """Looking, and calls that are somebody else's to answer, leave the clock where it is."""
    somebody_else_s = "arn:aws:sagemaker:us-east-1:123456789012:training-job/ranker"

    assert hurried.experiments == {}
    with pytest.raises(UnansweredCallError):
        sagemaker.list_training_jobs()
    with pytest.raises(UnansweredCallError):
        sagemaker.list_tags(ResourceArn=somebody_else_s)

    assert hurried.clock.now() == START
