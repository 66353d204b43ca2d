"""The logger `mock_sagemaker_ie`: a line for each call, the begin and the end of each mock, and nothing by default."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from mock_sagemaker_ie import Interferes, Scenario, mock_inference_experiment
from tests.requests import NAME, create, deployed, endpoint_config
from tests.server.http_client import server_in_thread

LOGGER = "mock_sagemaker_ie"


class CallingHandler(logging.Handler):
    """A handler that calls a function for each line."""

    def __init__(self, function) -> None:
        super().__init__()
        self._function = function
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())
        self._function()


@pytest.fixture
def lines(caplog):
    """Return a function that gives the lines of a level so far."""
    caplog.set_level(logging.DEBUG, LOGGER)

    def lines(level):
        return [each.getMessage() for each in caplog.records if each.name == LOGGER and each.levelno == level]

    return lines


@pytest.fixture
def handled():
    """Return a function that adds a handler, which calls `function` for each line, to the logger."""
    logger, handlers = logging.getLogger(LOGGER), []

    def handled(function):
        handlers.append(CallingHandler(function))
        logger.addHandler(handlers[-1])
        logger.setLevel(logging.DEBUG)
        return handlers[-1]

    yield handled
    logger.setLevel(logging.NOTSET)
    for handler in handlers:
        logger.removeHandler(handler)


def test_each_call_is_one_debug_line(lines, mock, sagemaker):
    """It has the operation, the simple members of the request, account and region, the mock's time and the outcome."""
    sagemaker.create_inference_experiment(**create())
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name="other")

    created, described = lines(logging.DEBUG)
    where = "in 123456789012/us-east-1 at 2026-01-01 09:00:00+00:00"
    assert created.startswith(f"CreateInferenceExperiment(Name={NAME!r}, Type='ShadowMode', RoleArn=")
    assert created.endswith(f"EndpointName='endpoint-of-{NAME}') {where}: ok")
    assert described.startswith(f"DescribeInferenceExperiment(Name='other') {where}: ResourceNotFound")


def test_invocations_and_arranged_faults_have_lines(lines, mock, sagemaker):
    """A line stands for each attempt that a client makes, as in mock.calls."""
    sagemaker.create_endpoint_config(**endpoint_config("config", deployed()))
    sagemaker.create_endpoint(EndpointName="ranker", EndpointConfigName="config")
    mock.fail_next("InvokeEndpoint", ConnectTimeoutError)

    mock.client("sagemaker-runtime").invoke_endpoint(EndpointName="ranker", Body=b"1")

    assert len(lines(logging.DEBUG)) == len(mock.calls)
    failed, invoked = lines(logging.DEBUG)[-2:]
    assert failed.startswith("InvokeEndpoint(EndpointName='ranker') in ")
    assert ": ConnectTimeoutError: " in failed
    assert invoked.endswith(": ok")


@pytest.mark.parametrize("error", ["InternalFailure", ReadTimeoutError])
def test_the_line_of_a_lost_answer_says_what_the_caller_got(lines, mock, sagemaker, error):
    """One line for the attempt, with the error in place of the answer; the retry has a line of its own."""
    mock.fail_next("CreateInferenceExperiment", error, after=True)

    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sagemaker.create_inference_experiment(**create())

    lost, again = lines(logging.DEBUG)
    assert f": {error if isinstance(error, str) else error.__name__}: " in lost
    assert ": ResourceInUse: " in again


def test_the_calls_of_others_in_a_scenario_have_no_lines(lines, sagemaker):
    """The log has the calls of the code under test, as mock.calls has."""
    act = Interferes("StopInferenceExperiment", before="DescribeInferenceExperiment")

    with mock_inference_experiment(scenario=Scenario(interference=[act])):
        sagemaker.create_inference_experiment(**create())
        status = sagemaker.describe_inference_experiment(Name=NAME)["Status"]

    assert status == "Cancelled"
    assert [each.partition("(")[0] for each in lines(logging.DEBUG)] == [
        "CreateInferenceExperiment",
        "DescribeInferenceExperiment",
    ]


def test_a_line_is_one_line_and_short(lines, mock, sagemaker):
    """Line breaks and control characters of a request cannot forge a line. A long value is cut."""
    for name in ("two\nlines\x1b[31m", "x" * 100_000):
        with pytest.raises(ClientError):
            sagemaker.describe_inference_experiment(Name=name)

    forged, long = lines(logging.DEBUG)
    assert forged.isprintable()
    assert r"Name='two\nlines\x1b[31m'" in forged
    assert len(long) < 700


def test_the_begin_and_the_end_of_a_mock_are_info_lines(lines):
    """They have the options that differ from the defaults."""
    with mock_inference_experiment(strict=True):
        assert lines(logging.INFO) == ["mock_inference_experiment(strict=True) is active"]

    assert lines(logging.INFO)[1:] == ["mock_inference_experiment(strict=True) has ended"]


def test_nothing_is_printed_by_default():
    """A program that configures no logging sees no line."""
    program = """
import boto3
from mock_sagemaker_ie import mock_inference_experiment
with mock_inference_experiment() as mock:
    mock.client().list_models()
"""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert (run.stdout, run.stderr) == ("", "")


def test_a_handler_that_raises_changes_no_state(mock, handled, sagemaker):
    """The caller gets its exception. The call has happened, and later calls are answered."""

    def fail():
        raise RuntimeError("the disk is full")

    handler = handled(fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        sagemaker.create_inference_experiment(**create())
    logging.getLogger(LOGGER).removeHandler(handler)

    assert list(mock.experiments) == [NAME]
    assert [call.operation for call in mock.calls] == ["CreateInferenceExperiment"]
    assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"


def test_a_handler_that_raises_leaves_no_mock_active(handled):
    """The with statement raises its exception, and the process is as before."""

    def fail():
        raise RuntimeError("the disk is full")

    handled(fail)
    with pytest.raises(RuntimeError, match="the disk is full"), mock_inference_experiment():
        pytest.fail("the mock began")

    with pytest.raises(RuntimeError, match="was not started"):
        mock_inference_experiment().stop()


def test_a_handler_may_call_sagemaker(mock, handled, sagemaker):
    """Its call is answered and recorded. It has no line, because that line would lead to the next call."""
    handler = handled(sagemaker.list_models)

    sagemaker.list_endpoints()

    assert [call.operation for call in mock.calls] == ["ListEndpoints", "ListModels"]
    (line,) = handler.lines
    assert line.startswith("ListEndpoints()")


def test_a_handler_may_wait_for_the_call_of_another_thread(mock, handled, sagemaker):
    """While a line is written, nobody else has to wait for the mock."""

    def call_in_a_thread():
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=sagemaker.list_models)
            thread.start()
            thread.join(20)
            assert not thread.is_alive()

    handler = handled(call_in_a_thread)
    handler.createLock = handler.lock = None  # The lock of a handler would make the other thread wait for this one.

    sagemaker.list_endpoints()

    assert sorted(call.operation for call in mock.calls) == ["ListEndpoints", "ListModels"]


def test_a_server_does_not_log_what_it_reads_from_its_file(lines, tmp_path):
    """Only a call that a client makes has a line."""
    for number in range(2):
        with server_in_thread(state=tmp_path / "state") as server:
            client = boto3.client(
                "sagemaker",
                region_name="us-east-1",
                endpoint_url=server.url,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
                config=Config(retries={"total_max_attempts": 1}),
            )
            client.create_inference_experiment(**create(f"experiment-{number}"))

    assert [line.partition("'")[2].partition("'")[0] for line in lines(logging.DEBUG)] == [
        "experiment-0",
        "experiment-1",
    ]
