"""Arranged faults that no call has used when a mock exits: a warning by default, an error or nothing by option."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from botocore.exceptions import ReadTimeoutError

from mock_sagemaker_ie import UnusedFaultError, UnusedFaultWarning, mock_inference_experiment
from tests import guardrails
from tests.activation.test_entering import by_async_with, by_with, every_way
from tests.aws import ON_AWS, client, seen
from tests.conftest import START
from tests.requests import NAME, create, stop


@every_way
@pytest.mark.asyncio
async def test_an_unused_fault_is_a_warning(way):
    """By default an unused fault warns at the exit, and the mock exits all the same."""
    with pytest.warns(UnusedFaultWarning, match="1 arranged fault: ThrottlingException for ListModels; see"):
        async with way(mock_inference_experiment()) as mock:
            mock.fail_next("ListModels", "ThrottlingException")

    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_an_unused_fault_can_be_an_error(way):
    """unused_faults="error" raises an AssertionError, which fails the test that arranged the fault."""
    with pytest.raises(UnusedFaultError, match="ThrottlingException for ListModels") as caught:
        async with way(mock_inference_experiment(unused_faults="error")) as mock:
            mock.fail_next("ListModels", "ThrottlingException")

    assert isinstance(caught.value, AssertionError)
    assert seen() == [ON_AWS]


@every_way
@pytest.mark.asyncio
async def test_an_unused_fault_can_be_ignored(way):
    """unused_faults="ignore" does not warn; in these tests a warning would be an error."""
    async with way(mock_inference_experiment(unused_faults="ignore")) as mock:
        mock.fail_next("ListModels", "ThrottlingException")


def test_the_message_lists_each_unused_fault():
    """The message lists each unused error and delay, and not those that a call has used."""
    with pytest.raises(UnusedFaultError) as caught, mock_inference_experiment(unused_faults="error") as mock:
        mock.fail_next("ListModels", ReadTimeoutError, times=2)
        mock.slow_next("CreateModel", 90)
        mock.fail_next("ListEndpoints", "InternalFailure", after=True)
        with pytest.raises(ReadTimeoutError):
            client().list_models()

    message = str(caught.value)
    assert "3 arranged faults" in message
    assert message.count("ReadTimeoutError") == message.count("for ListModels") == 1
    assert "InternalFailure for ListEndpoints after it acted" in message
    assert "0:01:30 for CreateModel" in message


def test_used_faults_are_not_reported():
    """A delay and an error that a call has used are not reported."""
    with mock_inference_experiment(clock=START, unused_faults="error") as mock:
        mock.slow_next("ListModels", 1)
        mock.fail_next("ListModels", ReadTimeoutError)
        with pytest.raises(ReadTimeoutError):
            client().list_models()


@pytest.mark.parametrize("way", [by_with, by_async_with])
@pytest.mark.parametrize("choice", ["warn", "error"])
@pytest.mark.asyncio
async def test_an_error_in_the_mock_is_not_hidden(way, choice):
    """If an error ends the mock, that error is raised and unused faults are not reported."""
    with pytest.raises(ZeroDivisionError):
        async with way(mock_inference_experiment(unused_faults=choice)) as mock:
            mock.fail_next("ListModels", "ThrottlingException")
            raise ZeroDivisionError


def test_each_of_nested_mocks_reports_its_own_faults():
    """Each of two nested mocks reports its own unused faults at its exit."""
    outer, inner = mock_inference_experiment(), mock_inference_experiment()
    outer.start().fail_next("ListEndpoints", "ThrottlingException")
    inner.start().fail_next("ListModels", "ThrottlingException")

    with pytest.warns(UnusedFaultWarning, match="ListModels; see"):
        inner.stop()
    with pytest.warns(UnusedFaultWarning, match="ListEndpoints; see"):
        outer.stop()


@pytest.mark.parametrize("choice", ["raise", None, True])
def test_an_invalid_unused_faults_option_is_refused(choice):
    """The error is raised where the option is given, and lists the valid values."""
    with pytest.raises(ValueError, match=f"unused_faults={choice!r}: expected one of warn, error, ignore"):
        mock_inference_experiment(unused_faults=choice)


# --- failures and models that were arranged


def unmet(arrange, meet=lambda sagemaker, mock: None):
    """Return the message at the exit of a mock after `arrange` and `meet`; None without one."""
    try:
        with mock_inference_experiment(clock=START, unused_faults="error") as mock:
            client().create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=2)}))
            arrange(mock)
            meet(client(), mock)
    except UnusedFaultError as error:
        return str(error)
    return None


LATER = START + dt.timedelta(hours=1)
FAIL_LATER = {"name": NAME, "reason": "Broken", "at": LATER}


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda mock: mock.fail_endpoint("typo", "Broken"), "the next deployment of endpoint 'typo' in us-east-1"),
        (lambda mock: mock.fail_experiment(**FAIL_LATER), "at 2026-01-01T10:00:00.* of experiment 'my-experiment'"),
        (lambda mock: mock.serve("typo-model", len), "a request to the served model 'typo-model'"),
    ],
    ids=["endpoint", "experiment", "model"],
)
def test_what_is_never_met_is_reported(arrange, message):
    """A failure that does not happen and a model that no request reaches are reported like an unused fault."""
    assert re.search(f"no call met 1 arranged fault: .*{message}", unmet(arrange))


@pytest.mark.parametrize(
    ("arrange", "meet"),
    [
        (
            lambda mock: mock.fail_endpoint("endpoint-of-next", "Broken"),
            lambda sagemaker, mock: sagemaker.create_inference_experiment(**create("next")),
        ),
        (lambda mock: mock.fail_experiment(**FAIL_LATER), lambda sagemaker, mock: mock.clock.advance(hours=1)),
        (lambda mock: mock.fail_experiment(NAME, "Broken"), lambda sagemaker, mock: None),
        (
            lambda mock: mock.serve("model-prod", lambda request: b""),
            lambda sagemaker, mock: mock.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=f"endpoint-of-{NAME}", Body=b"1"
            ),
        ),
    ],
    ids=["endpoint", "experiment", "experiment now", "model"],
)
def test_what_is_met_is_not_reported(arrange, meet):
    """A failure that happened, also without a look at it, and a model that answered are not reported."""
    assert unmet(arrange, meet) is None


def test_a_failure_after_the_end_of_its_experiment_is_reported():
    """An experiment that stops before the instant of its arranged failure has not met the failure."""

    def finish(sagemaker, mock):
        sagemaker.stop_inference_experiment(**stop())
        mock.clock.advance(hours=2)

    assert "experiment 'my-experiment'" in unmet(lambda mock: mock.fail_experiment(**FAIL_LATER), finish)


def test_a_reset_forgets_what_was_arranged():
    """After reset() nothing that was arranged before is reported."""
    assert unmet(lambda mock: mock.fail_endpoint("typo", "Broken"), lambda sagemaker, mock: mock.reset()) is None


# --- in pytest runs


MODULE = """
    import pytest

    @pytest.mark.sagemaker_ie(unused_faults={choice!r})
    def test_arranges_a_fault(sagemaker_ie):
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
def test_the_fixture_reports_unused_faults_after_a_test(pytester, choice, end, outcomes):
    """The marker's option applies; after a test that failed or was skipped, unused faults are not reported."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(MODULE.format(choice=choice, end=end))

    pytester.runpytest_inprocess("-Wdefault", "-p", "no:hypothesispytest").assert_outcomes(**outcomes)


def test_an_alarm_that_no_deployment_watches_is_reported():
    """Its name may be misspelt."""
    message = "1 arranged fault: a deployment that watches the alarm 'eror' in us-east-1; see"
    with pytest.warns(UnusedFaultWarning, match=message), mock_inference_experiment(region_name="us-east-1") as mock:
        mock.alarm("eror", state="ALARM")


def test_an_alarm_in_another_state_is_not_reported():
    """It would roll nothing back."""
    with mock_inference_experiment(unused_faults="error") as mock:
        mock.alarm("latency", state="OK")


def test_an_alarm_that_a_deployment_watches_is_not_reported():
    """Whether it comes before the deployment or during it."""
    with mock_inference_experiment(region_name="us-east-1", unused_faults="error") as mock:
        guardrails.serve_old(client())
        mock.alarm(guardrails.ALARM, state="ALARM")
        guardrails.update(client(), guardrails.CANARY)
