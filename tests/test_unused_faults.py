"""Faults that no call has met when a mock ends: a warning by default, an error or nothing at choice."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from mock_sagemaker_ie import UnusedFaultError, UnusedFaultWarning, mock_inference_experiment
from tests.activation.test_entering import by_async_with, by_with, every_way
from tests.aws import ON_AWS, client, seen
from tests.conftest import START


@every_way
@pytest.mark.asyncio
async def test_a_fault_nobody_met_is_reported_by_a_warning(way):
    """The code under test did not go where its test thinks it goes; the mock has ended all the same."""
    with pytest.warns(UnusedFaultWarning, match="1 arranged fault: ThrottlingException for ListModels$"):
        async with way(mock_inference_experiment()) as mock:
            mock.fail_next("ListModels", "ThrottlingException")

    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_or_by_an_error(way):
    """unused_faults="error" makes the test fail that arranged it, as an assertion of it would."""
    with pytest.raises(UnusedFaultError, match="ThrottlingException for ListModels") as caught:
        async with way(mock_inference_experiment(unused_faults="error")) as mock:
            mock.fail_next("ListModels", "ThrottlingException")

    assert isinstance(caught.value, AssertionError)
    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_or_not_at_all(way):
    """unused_faults="ignore" is for faults that may or may not be met; warnings are errors here."""
    async with way(mock_inference_experiment(unused_faults="ignore")) as mock:
        mock.fail_next("ListModels", "ThrottlingException")


def test_what_is_left_is_told_one_by_one():
    """Each error and each delay that waits in vain is named, those that were met are not."""
    with pytest.raises(UnusedFaultError) as caught, mock_inference_experiment(unused_faults="error") as mock:
        mock.fail_next("ListModels", ReadTimeoutError, times=2)
        mock.slow_next("CreateModel", 90)
        with pytest.raises(ReadTimeoutError):
            client().list_models()

    message = str(caught.value)
    assert "2 arranged faults" in message
    assert message.count("ReadTimeoutError") == message.count("for ListModels") == 1
    assert "0:01:30 for CreateModel" in message


def test_faults_that_were_met_are_not_reported():
    """A delay and an error, each met, leave nothing to tell."""
    with mock_inference_experiment(clock=START, unused_faults="error") as mock:
        mock.slow_next("ListModels", 1)
        mock.fail_next("ListModels", ReadTimeoutError)
        with pytest.raises(ReadTimeoutError):
            client().list_models()


@pytest.mark.parametrize("way", [by_with, by_async_with])
@pytest.mark.parametrize("choice", ["warn", "error"])
@pytest.mark.asyncio
async def test_an_error_of_the_body_is_not_hidden(way, choice):
    """Who failed before the call that was to meet the fault need not hear of it."""
    with pytest.raises(ZeroDivisionError):
        async with way(mock_inference_experiment(unused_faults=choice)) as mock:
            mock.fail_next("ListModels", "ThrottlingException")
            raise ZeroDivisionError


def test_each_world_reports_its_own():
    """Of nested mocks, each tells of its faults at its end."""
    outer, inner = mock_inference_experiment(), mock_inference_experiment()
    outer.start().fail_next("ListEndpoints", "ThrottlingException")
    inner.start().fail_next("ListModels", "ThrottlingException")

    with pytest.warns(UnusedFaultWarning, match="ListModels$"):
        inner.stop()
    with pytest.warns(UnusedFaultWarning, match="ListEndpoints$"):
        outer.stop()


@pytest.mark.parametrize("choice", ["raise", None, True])
def test_there_is_no_other_choice(choice):
    """A misspelt choice is refused where it is written, with those there are."""
    with pytest.raises(ValueError, match=f"unused_faults={choice!r}: expected one of warn, error, ignore"):
        mock_inference_experiment(unused_faults=choice)


# --- in pytest runs


MODULE = """
    import pytest

    @pytest.mark.sagemaker_ie(unused_faults={choice!r})
    def test_arranges(sagemaker_ie):
        sagemaker_ie.fail_next("ListModels", "ThrottlingException")
        {end}
"""


@pytest.mark.parametrize(
    ("choice", "end", "outcomes"),
    [
        ("warn", "pass", {"passed": 1, "warnings": 1}),
        ("error", "pass", {"passed": 1, "errors": 1}),
        ("ignore", "pass", {"passed": 1, "warnings": 0}),
        ("error", "assert not sagemaker_ie.clock", {"failed": 1}),
        ("warn", "pytest.skip('not today')", {"skipped": 1, "warnings": 0}),
    ],
)
def test_the_fixture_reports_at_the_end_of_a_test(pytester, choice, end, outcomes):
    """The choice is the marker's; a test that failed or was skipped has told enough."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(MODULE.format(choice=choice, end=end))

    pytester.runpytest_inprocess("-Wdefault", "-p", "no:hypothesispytest").assert_outcomes(**outcomes)
