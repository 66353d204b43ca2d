"""Entering a mock by `with`, `async with` or start(): each entry is an empty mock, and options are checked early."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

from mock_sagemaker_ie import InferenceExperimentMock, MockClock, mock_inference_experiment
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


# --- every way to enter a mock


@every_way
@pytest.mark.asyncio
async def test_a_mock_answers_from_entry_to_exit(way):
    """A mock is empty when it is entered, has what is created in it, and answers no calls after its exit."""
    async with way(mock_inference_experiment()) as mock:
        assert isinstance(mock, InferenceExperimentMock)
        assert seen() == []
        launch("inside")
        assert list(mock.experiments) == ["inside"]

    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_a_mock_can_be_entered_again(way):
    """Each entry begins with an empty mock and the same options."""
    entry = mock_inference_experiment(account_id="210987654321")

    for _ in range(2):
        async with way(entry) as mock:
            assert seen() == []
            assert ":210987654321:" in launch()
            assert len(mock.calls) == 2


@every_way
@pytest.mark.asyncio
async def test_a_mock_can_be_entered_while_it_is_active(way):
    """The inner entry begins with an empty mock; after its exit the outer one answers again."""
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
async def test_an_exited_mock_still_shows_its_calls_and_experiments(way):
    """After its exit a mock answers no calls, but `.calls` and `.experiments` remain."""
    async with way(mock_inference_experiment(clock=START)) as mock:
        launch("inside")

    assert [call.operation for call in mock.calls] == ["CreateInferenceExperiment"]
    assert mock.experiments["inside"]["Status"] == "Running"


# --- start and stop


def test_stopping_a_stopped_mock_is_an_error():
    """stop() without a start() raises RuntimeError, since it is a mistake in a test's set-up."""
    entry = mock_inference_experiment()
    entry.start()
    entry.stop()

    with pytest.raises(RuntimeError, match="stopped already"):
        entry.stop()


# --- options


def test_an_unknown_option_is_refused():
    """The error names the misspelt option, the nearest option and all others."""
    with pytest.raises(TypeError) as refusal:
        mock_inference_experiment(acount_id="123456789012")

    message = str(refusal.value)
    assert "did you mean 'account_id'?" in message
    for option in ("'acount_id'", "account_id", "clock", "durations", "passthrough", "strict", "virtual_sleep"):
        assert option in message


@pytest.mark.parametrize(
    ("option", "value", "error", "message"),
    [
        ("clock", 1, TypeError, "clock=1"),
        ("clock", MockClock, TypeError, "clock="),
        ("clock", "tomorrow", ValueError, "'tomorrow'.*ISO 8601"),
        ("clock", dt.datetime(2026, 1, 1), ValueError, "naive.*time zone"),  # noqa: DTZ001 - the mistake under test
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
        ("quotas", {"m5": 1}, ValueError, "'m5' is not an instance type"),
        ("quotas", {"ml.m5.xlrge": 1}, ValueError, "did you mean .*'ml.m5.xlarge'"),
        ("quotas", {1: 1}, ValueError, "1 is not an instance type"),
        ("quotas", {"ml.m5.xlarge": True}, TypeError, "quotas=.*True"),
        ("virtual_sleep", "no", TypeError, "virtual_sleep='no': expected True or False"),
        ("strict", "no", TypeError, "strict='no': expected True or False"),
        ("wire", "no", TypeError, "wire='no': expected True or False"),
        ("strict", 0, TypeError, "strict=0: expected True or False"),
        ("passthrough", ["ListTrainingJob"], ValueError, "did you mean 'ListTrainingJobs'"),
        ("passthrough", ["Zzzz"], ValueError, "passthrough='Zzzz' is not an operation"),
        ("quotas", {"ml.m5.xlarge": -1}, TypeError, "quotas=.*-1"),
        ("quotas", {"ml.m5.xlarge": "2"}, TypeError, "quotas=.*'2'"),
    ],
)
def test_an_invalid_option_is_refused_before_entry(option, value, error, message):
    """The error is raised where the option is given, and names the option or what to write instead."""
    with pytest.raises(error, match=message):
        mock_inference_experiment(**{option: value})


@pytest.mark.parametrize("clock", [START, dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone.utc)], ids=["text", "datetime"])
def test_a_mock_with_an_instant_begins_there_at_each_entry(clock):
    """An ISO 8601 string or an aware datetime gives each entry a new clock that stands still at that instant."""
    entry = mock_inference_experiment(clock=clock)

    for _ in range(2):
        with entry as mock:
            assert mock.clock.now().isoformat() == "2026-01-01T09:00:00+00:00"
            mock.clock.advance(days=1)


def test_a_given_clock_object_is_used_itself():
    """A clock object keeps its time from one entry to the next."""
    clock = MockClock(START, tick=False)
    entry = mock_inference_experiment(clock=clock)

    with entry as mock:
        mock.clock.advance(days=1)
    with entry as mock:
        assert mock.clock is clock
        assert mock.clock.now().isoformat() == "2026-01-02T09:00:00+00:00"
