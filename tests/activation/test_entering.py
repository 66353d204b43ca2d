"""Entering a mock: every way in gives a fresh world and leaves things as they were; options are checked on the spot."""

from __future__ import annotations

import contextlib
import datetime as dt
import time

import pytest

from mock_sagemaker_ie import Durations, FrozenClock, InferenceExperimentMock, MockClock, mock_inference_experiment
from tests.aws import ON_AWS, launch, seen

START = "2026-01-01T09:00:00Z"


@contextlib.asynccontextmanager
async def by_with(entry):
    with entry as mock:
        yield mock


@contextlib.asynccontextmanager
async def by_async_with(entry):
    async with entry as mock:
        yield mock


@contextlib.asynccontextmanager
async def by_start_and_stop(entry):
    mock = entry.start()
    try:
        yield mock
    finally:
        entry.stop()


every_way = pytest.mark.parametrize("way", [by_with, by_async_with, by_start_and_stop])


# --- every way in


@every_way
@pytest.mark.asyncio
async def test_inside_the_mock_answers_and_outside_it_does_not(way):
    """The world is empty when entered, holds what is made in it, and is gone when left."""
    async with way(mock_inference_experiment()) as mock:
        assert isinstance(mock, InferenceExperimentMock)
        assert seen() == []
        launch("inside")
        assert list(mock.experiments) == ["inside"]

    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_one_mock_is_entered_as_often_as_you_like(way):
    """Each entry is a fresh world with the options given once."""
    entry = mock_inference_experiment(account_id="210987654321")

    for _ in range(2):
        async with way(entry) as mock:
            assert seen() == []
            assert ":210987654321:" in launch()
            assert len(mock.calls) == 2


@every_way
@pytest.mark.asyncio
async def test_one_mock_is_entered_again_while_it_is_active(way):
    """Each entry of the same object is a world of its own, too."""
    entry = mock_inference_experiment()

    async with way(entry) as outer:
        launch("outer")
        async with way(entry) as inner:
            launch("inner")
            assert seen() == ["inner"]
        assert seen() == ["outer"]

    assert (list(outer.experiments), list(inner.experiments)) == (["outer"], ["inner"])


@every_way
@pytest.mark.asyncio
async def test_an_error_inside_ends_the_mock_and_is_raised(way):
    """The error is the body's own; nothing of the mock stays behind."""
    with pytest.raises(ZeroDivisionError):
        async with way(mock_inference_experiment(virtual_sleep=True)):
            raise ZeroDivisionError

    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_what_was_seen_inside_can_be_looked_at_outside(way):
    """A mock that was left answers no calls, but still tells what happened in it."""
    async with way(mock_inference_experiment(clock=START)) as mock:
        launch("inside")

    assert [call.operation for call in mock.calls] == ["CreateInferenceExperiment"]
    assert mock.experiments["inside"]["Status"] == "Running"


# --- start and stop


def test_what_was_not_started_cannot_be_stopped():
    """A stop too many is a mistake in a test's set-up, so it is reported."""
    entry = mock_inference_experiment()
    entry.start()
    entry.stop()

    with pytest.raises(RuntimeError, match="stopped already"):
        entry.stop()


@pytest.mark.parametrize("options", [{}, {"virtual_sleep": True}], ids=["", "virtual_sleep"])
def test_mocks_may_be_stopped_in_any_order(monkeypatch, options):
    """Whichever remains goes on, and after the last of them everything is as it was."""
    monkeypatch.setattr(time, "sleep", real_sleep := time.sleep)  # Put back, should this test fail.
    first, second = mock_inference_experiment(**options), mock_inference_experiment(**options)
    first.start()
    second.start()
    launch("in-second")
    sleep_of_second = time.sleep

    first.stop()
    with_second = seen(), time.sleep
    second.stop()
    with_none = seen(), time.sleep

    assert with_second == (["in-second"], sleep_of_second)
    assert with_none == ([ON_AWS], real_sleep)


# --- options


def test_virtual_sleep_lasts_as_long_as_the_mock():
    """Inside, time.sleep passes time on the mock's clock; outside it is the very function it was."""
    real_sleep = time.sleep

    with mock_inference_experiment(clock=START, virtual_sleep=True) as mock:
        before = mock.clock.now()
        time.sleep(3600)
        assert mock.clock.now() - before == dt.timedelta(hours=1)

    assert time.sleep is real_sleep


def test_virtual_sleep_needs_a_clock_that_can_be_moved():
    """A clock that only tells the time cannot sleep; the error says what it lacks, and nothing is left half-entered."""

    class Watch:
        def now(self):
            return dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)

    with pytest.raises(TypeError, match=r"no sleep\(\)"), mock_inference_experiment(clock=Watch(), virtual_sleep=True):
        pass

    assert seen() == [ON_AWS]


def test_durations_hold_for_every_experiment():
    """durations= is how long transitional statuses last."""
    with mock_inference_experiment(clock=START, durations=Durations(creating=dt.timedelta(minutes=1))) as mock:
        launch("slow")

        assert mock.experiments["slow"]["Status"] == "Creating"


def test_an_unknown_option_is_refused_with_the_known_ones():
    """A misspelt option would otherwise change nothing, silently."""
    with pytest.raises(TypeError) as refusal:
        mock_inference_experiment(acount_id="123456789012")

    message = str(refusal.value)
    assert "did you mean 'account_id'?" in message
    for option in ("'acount_id'", "account_id", "clock", "durations", "passthrough", "strict", "virtual_sleep"):
        assert option in message


@pytest.mark.parametrize(
    ("option", "value", "error", "says"),
    [
        ("clock", 1, TypeError, "clock=1"),
        ("clock", MockClock, TypeError, "clock="),
        ("clock", "tomorrow", ValueError, "'tomorrow'.*ISO 8601"),
        ("clock", dt.datetime(2026, 1, 1), ValueError, "naive.*time zone"),  # noqa: DTZ001 - that is the mistake
        ("durations", "realistic", TypeError, "durations='realistic'"),
        ("durations", dt.timedelta(minutes=1), TypeError, "durations="),
        ("account_id", 123456789012, ValueError, "account_id=123456789012.*12 digits"),
        ("account_id", "12345", ValueError, "account_id='12345'.*12 digits"),
        ("account_id", "1234-5678-901", ValueError, "account_id=.*12 digits"),
        ("account_id", "\N{FULLWIDTH DIGIT ONE}" * 12, ValueError, "account_id=.*12 digits"),
        ("passthrough", "ListModels", TypeError, r"passthrough='ListModels'.*\['ListModels'\]"),
        ("passthrough", 1, TypeError, "passthrough=1"),
        ("passthrough", None, TypeError, "passthrough=None"),
        ("quotas", ["ml.m5.xlarge"], TypeError, "quotas="),
        ("quotas", {"ml.m5.xlarge": -1}, TypeError, "quotas=.*-1"),
        ("quotas", {"ml.m5.xlarge": "2"}, TypeError, "quotas=.*'2'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_on_the_spot(option, value, error, says):
    """Not when the mock is entered but where the option is written, in words that name the option or the remedy."""
    with pytest.raises(error, match=says):
        mock_inference_experiment(**{option: value})


@pytest.mark.parametrize("clock", [START, dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone.utc)], ids=["text", "datetime"])
def test_an_instant_for_a_clock_stands_still_there_at_each_entry(clock):
    """An ISO string or an aware datetime means a clock of the world's own, which begins there again each time."""
    entry = mock_inference_experiment(clock=clock)

    for _ in range(2):
        with entry as mock:
            assert mock.clock.now().isoformat() == "2026-01-01T09:00:00+00:00"
            mock.clock.advance(days=1)


def test_a_clock_of_yours_is_used_as_it_is():
    """A clock object is shared by all that use it, so it goes on from world to world."""
    clock = MockClock(START, tick=False)
    entry = mock_inference_experiment(clock=clock)

    with entry as mock:
        mock.clock.advance(days=1)
    with entry as mock:
        assert mock.clock is clock
        assert mock.clock.now().isoformat() == "2026-01-02T09:00:00+00:00"


def test_a_frozen_clock_freezes_the_process_only_inside():
    """FrozenClock is entered and left with the mock."""
    with mock_inference_experiment(clock=FrozenClock("2001-01-01T00:00:00Z")):
        assert dt.datetime.now(dt.timezone.utc).year == 2001

    assert dt.datetime.now(dt.timezone.utc).year > 2001
