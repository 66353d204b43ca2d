"""An exception at any line of an operation, of passing time or of a look leaves the state before or after it.

By default a few lines of each are tried; all of them with MOCK_SAGEMAKER_IE_ATTACK=large.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any, NamedTuple

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from mock_sagemaker_ie.calls import INVOCATIONS, INVOKE_ENDPOINT, INVOKE_STREAM
from mock_sagemaker_ie.report import report
from tests import guardrails
from tests import requests as valid
from tests.attack.interrupting import count_lines, differences, future, interrupt, locks_are_free, state
from tests.attack.size import LARGE
from tests.conftest import START
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.requests import CONFIG, ENDPOINT, NAME, PRODUCTION, SHADOW
from tests.time_limit import time_limit

pytestmark = [
    pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning"),
    pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.service.delivery.DeliveryWarning"),
]

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
LINES_TRIED = 4  # Of each case by default.
FUTURES = 10  # The future is looked at after each line whose number is a multiple of this: it takes long.
MAX_SECONDS = 20  # Of processor time for one look: many times what it takes.
TESTED = f"endpoint-of-{NAME}"  # The endpoint of the experiment.
RUNNING = "StartInferenceExperiment"


CLIENTS = {
    service: boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    for service in ("sagemaker", "sagemaker-runtime")
}


def call(mock: Any, operation: str, **params: Any) -> Any:
    """Call an operation by a client that makes one attempt."""
    client = CLIENTS["sagemaker-runtime" if operation in INVOCATIONS else "sagemaker"]
    return getattr(client, xform_name(operation))(**params)


class Case(NamedTuple):
    """What is interrupted: `act`, after `arrange`. `options`: of the mock.

    `first`: the first of two whole changes that `act` makes.
    """

    act: Any
    arrange: Any = lambda mock: None
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    first: Any = None


def requested(operation: str, **params: Any) -> Any:
    return lambda mock: call(mock, operation, **params)


def run(mock: Any) -> None:
    """Let the experiment run."""
    call(mock, "StartInferenceExperiment", Name=NAME)
    mock.clock.advance(10 * MINUTE)


def pass_days(days: float) -> Any:
    return lambda mock: mock.clock.advance(days=days)


def both(*steps: Any) -> Any:
    def take(mock: Any) -> None:
        for step in steps:
            step(mock)

    return take


INVOKE = requested(INVOKE_ENDPOINT, EndpointName=TESTED, Body=b"1,2", ContentType="text/csv")
STOP = requested("StopInferenceExperiment", **valid.stop(Reason="Enough"))
DESCRIBE = requested("DescribeInferenceExperiment", Name=NAME)
STOPPED = both(STOP, pass_days(1))
CANARY = requested(
    "UpdateEndpoint",
    EndpointName=ENDPOINT,
    EndpointConfigName=CONFIG,
    DeploymentConfig=guardrails.blue_green("CANARY", CanarySize=guardrails.percent(10)),
)


def ALARM(mock: Any) -> None:  # noqa: N802 - like the other steps
    mock.alarm(guardrails.ALARM, state="ALARM")


def slow(operation: str) -> Any:
    return lambda mock: mock.slow_next(operation, 30)


def lost(operation: str) -> Any:
    return lambda mock: mock.fail_next(operation, "InternalFailure", after=True)


def pass_delay(operation: str) -> Any:
    """Let the delay of a call pass, which is a change by itself: time that has passed stays passed."""
    return lambda mock: mock._service.delay(operation)


def handled(mock: Any) -> None:
    """Let models answer whose handlers call SageMaker themselves."""

    def handler(request: Any) -> Any:
        mock.client().list_models()
        return {"score": 1}

    mock.serve(f"model-{PRODUCTION}", lambda request: {"score": 1})
    mock.serve(f"model-{SHADOW}", handler)


def begin_stream(mock: Any) -> None:
    """Begin a stream, and read its first part."""
    mock.serve(f"model-{PRODUCTION}", lambda request: iter([b"a", b"b"]))
    mock.begun = call(mock, INVOKE_STREAM, EndpointName=TESTED, Body=b"1,2", ContentType="text/csv")["Body"]
    next(iter(mock.begun))


ARRANGEMENTS = {
    "StartInferenceExperiment": pass_days(0.1),
    "UpdateInferenceExperiment": pass_days(0.1),
    "StopInferenceExperiment": pass_days(0.1),
    "DeleteInferenceExperiment": both(pass_days(0.1), STOP, pass_days(0.1)),
}
CASES = {
    **{
        operation: Case(requested(operation, **params), ARRANGEMENTS.get(operation, pass_days(0.1)))
        for operation, params in REQUESTS.items()
    },
    "Create of a new endpoint at once": Case(requested("CreateInferenceExperiment", **valid.create("fresh"))),
    "Create with a role that may not deploy": Case(
        requested("CreateInferenceExperiment", **valid.create("fresh")), options={"role_denied": ["sagemaker:*"]}
    ),
    "Stop that is denied": Case(STOP, run, {"denied": ["sagemaker:Stop*"]}),
    "Create that is refused": Case(requested("CreateInferenceExperiment", **valid.create())),
    "Update in Running": Case(
        requested("UpdateInferenceExperiment", Name=NAME, ShadowModeConfig=valid.shadow_mode(percentage=10)), run
    ),
    "Stop in Running with Promote": Case(
        requested("StopInferenceExperiment", **valid.stop(production="Remove", shadow="Promote")), run
    ),
    "Delete of the endpoint under test": Case(requested("DeleteEndpoint", EndpointName=TESTED), run),
    "time: StartTime": Case(DESCRIBE, pass_days(1.5)),
    "time: the whole life": Case(DESCRIBE, pass_days(40)),
    "time: a deployment that fails": Case(
        DESCRIBE, both(lambda mock: mock.fail_endpoint(TESTED, "Broken"), pass_days(1.5))
    ),
    "time: an arranged failure": Case(
        DESCRIBE,
        both(lambda mock: mock.fail_experiment(NAME, "Broken", at=START + 2 * DAY), pass_days(3)),
    ),
    "time: a quota": Case(DESCRIBE, pass_days(3), {"quotas": {"ml.m5.xlarge": 3}}),
    "time: an endpoint that is deleted": Case(
        DESCRIBE, both(requested("DeleteEndpoint", EndpointName=ENDPOINT), pass_days(1))
    ),
    "time: a canary deployment": Case(DESCRIBE, both(CANARY, pass_days(0.5))),
    "time: an alarm rolls back": Case(DESCRIBE, both(ALARM, CANARY, pass_days(0.5))),
    "invoke: during a canary deployment": Case(
        requested(INVOKE_ENDPOINT, EndpointName=ENDPOINT, Body=b""), both(CANARY, pass_days(0.001))
    ),
    "invoke: captured and copied": Case(INVOKE, both(run, handled)),
    "invoke: keep": Case(INVOKE, both(run, handled, INVOKE, INVOKE), {"keep": 3}),
    "invoke: the model fails": Case(
        INVOKE, both(run, lambda mock: mock.serve(f"model-{PRODUCTION}", lambda request: 1 / 0))
    ),
    "invoke: a missing endpoint": Case(requested(INVOKE_ENDPOINT, EndpointName="missing", Body=b"")),
    "invoke: a fault": Case(INVOKE, both(run, lambda mock: mock.fail_next(INVOKE_ENDPOINT, "ThrottlingException"))),
    "invoke: slow": Case(INVOKE, both(run, slow(INVOKE_ENDPOINT)), first=pass_delay(INVOKE_ENDPOINT)),
    "stream: closed": Case(lambda mock: mock.begun.close(), both(run, begin_stream)),
    "stream: nobody has it any more": Case(
        lambda mock: mock.captures, both(run, begin_stream, lambda mock: vars(mock).pop("begun"))
    ),
    "a fault": Case(STOP, both(run, lambda mock: mock.fail_next("StopInferenceExperiment", "InternalFailure"))),
    "a lost answer": Case(STOP, both(run, lost("StopInferenceExperiment"))),
    "a lost refusal": Case(STOP, lost("StopInferenceExperiment")),
    "invoke: a lost answer": Case(INVOKE, both(run, handled, lost(INVOKE_ENDPOINT))),
    "a slow call": Case(STOP, both(run, slow("StopInferenceExperiment")), first=pass_delay("StopInferenceExperiment")),
    "a call on the wire": Case(STOP, run, {"wire": True}),
    "a slow call on the wire": Case(
        STOP, both(run, slow("StopInferenceExperiment")), {"wire": True}, pass_delay("StopInferenceExperiment")
    ),
    "auto_advance": Case(STOP, run, {"auto_advance": MINUTE}),
    "keep": Case(STOP, run, {"keep": 3}),
    "mock.timeline": Case(lambda mock: str(mock.timeline(NAME)), pass_days(1.5)),
    "mock.timeline with quotas": Case(lambda mock: mock.timeline(NAME), pass_days(1.5), {"quotas": {"ml.m5.large": 9}}),
    "mock.advance_until": Case(lambda mock: mock.advance_until(NAME, "Completed"), run),
    "mock.fail_experiment": Case(lambda mock: mock.fail_experiment(NAME, "Broken"), run),
    "mock.fail_experiment later": Case(lambda mock: mock.fail_experiment(NAME, "Broken", at=START + 2 * DAY), run),
    "mock.fail_endpoint": Case(lambda mock: mock.fail_endpoint(TESTED, "Broken"), run),
    "mock.alarm": Case(ALARM, both(CANARY, pass_days(0.001))),
    "mock.scale": Case(lambda mock: mock.scale(ENDPOINT, PRODUCTION, 3)),
    "mock.events": Case(lambda mock: mock.events, both(CANARY, pass_days(0.5))),
    "mock.serve": Case(lambda mock: mock.serve(f"model-{SHADOW}", lambda request: b""), both(run, handled, INVOKE)),
    "mock.fail_next": Case(lambda mock: mock.fail_next("ListModels", "ThrottlingException", times=2), run),
    "mock.reset": Case(lambda mock: mock.reset(), both(run, handled, INVOKE)),
    "mock.experiments": Case(lambda mock: dict(mock.experiments), pass_days(1.5)),
    "mock.calls, captures and metrics": Case(
        lambda mock: (mock.calls, mock.captures, mock.metrics, repr(mock)), both(run, INVOKE)
    ),
    "the report of a failed test": Case(lambda mock: report([mock]), both(run, INVOKE)),
}


class Trial:
    """One mock in which a case is run."""

    def __init__(self, case: Case) -> None:
        self.case = case
        options = dict(case.options)
        clock = MockClock(START, tick=False, auto_advance=options.pop("auto_advance", dt.timedelta(0)))
        self.context = mock_inference_experiment(clock=clock, durations=Durations(*[MINUTE] * 8), **options)

    def __enter__(self) -> Any:
        self.mock = self.context.start()
        for operation, params in PREPARATIONS:
            call(self.mock, operation, **params)
        self.mock.clock.advance(10 * MINUTE)
        self.case.arrange(self.mock)
        return self.mock

    def __exit__(self, *_: object) -> None:
        self.context.stop()


def act(case: Case, mock: Any) -> None:
    with suppress(ClientError):
        case.act(mock)


def lines_tried(count: int) -> range:
    step = 1 if LARGE else max(1, count // LINES_TRIED)
    return range((step + 1) // 2, count + 1, step)


class Expected(NamedTuple):
    """The states of a case: before it, between its two changes, after it, and much later."""

    before: Any
    between: Any
    after: Any
    later: Any

    @classmethod
    def of(cls, case: Case) -> Expected:
        with Trial(case) as mock:
            before = between = state(mock)
            if case.first is not None:
                case.first(mock)
                between = state(mock)
        with Trial(case) as mock:
            state(mock)
            act(case, mock)
            return cls(before, between, state(mock), future(mock))


def torn(case: Case, number: int, expected: Expected, error: Any = None) -> str:
    """Interrupt a case at one line, and return what is torn afterwards; an empty text when nothing is."""
    with Trial(case) as mock:
        if case.act is not DESCRIBE:
            state(mock)  # Let time pass.
        interrupt(lambda: case.act(mock), number, error)

        if not locks_are_free(mock):
            return "a lock is held"
        with time_limit(MAX_SECONDS):
            str(mock.timeline(NAME)) if mock.experiments else None
            report([mock])
            now = state(mock)
        before, between, after, later = expected
        if now not in (before, between, after):
            return f"between: {differences(before, now)} changed, {differences(after, now)} not yet"
        if now != after:
            act(case, mock)
            if (again := state(mock)) != after:
                return f"the next attempt differs: {differences(after, again)}"
        if number % FUTURES == 0 and (at_last := future(mock)) != later:
            return f"later: {differences(later, at_last)} differ"
    return ""


@pytest.mark.parametrize("name", CASES)
def test_an_exception_at_any_line_leaves_the_state_before_or_after(name):
    """Afterwards every lock is free, the next attempt works, and everything later is as without the exception."""
    case = CASES[name]
    with Trial(case) as mock:
        if case.act is not DESCRIBE:
            state(mock)
        count = count_lines(lambda: case.act(mock))
    expected = Expected.of(case)

    found = {line: text for line in lines_tried(count) if (text := torn(case, line, expected))}

    assert found == {}, f"{len(found)} of {len(lines_tried(count))} lines"
