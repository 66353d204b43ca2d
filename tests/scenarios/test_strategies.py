"""Hypothesis finds the scenario that breaks a rollout, and shrinks it to the cause."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Assumptions, Delays, Durations, Fails, Raises, Scenario, mock_inference_experiment
from mock_sagemaker_ie.strategies import scenarios
from tests.attack.size import LARGE
from tests.requests import create
from tests.scenarios.controllers import MISTAKES, Controller, run

# One attempt, so that each fault shows: the controllers retry by themselves.
SAGEMAKER = boto3.client(
    "sagemaker",
    region_name="us-east-1",
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
    config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
)
# Those of a user, without the search for the lines that explain a failure, which traces every line.
PHASES = [phase for phase in Phase if phase is not Phase.explain]


def is_wrong(kind, scenario):
    """Return whether a rollout breaks a rule in a scenario, or raises anything but its own error."""
    try:
        run(kind, SAGEMAKER, scenario)
    except Exception:  # noqa: BLE001 - of the controller
        return True
    return False


def members(scenario):
    """Return the members of a scenario that are not as in the calm one, once for each of their rows."""
    names = [] if scenario.durations == Durations() else ["durations"]
    rows = [each.name for each in dataclasses.fields(scenario) if each.name not in ("durations", "assumptions")]
    return [*names, *(name for name in rows for _ in getattr(scenario, name))]


@settings(max_examples=10_000 if LARGE else 150)
@given(scenarios())
def test_a_correct_rollout_is_right_in_every_scenario(scenario):
    """It ends, it says whether the candidate serves, and it leaves no experiment."""
    run(Controller, SAGEMAKER, scenario)


@pytest.mark.parametrize("kind", MISTAKES, ids=lambda kind: kind.__name__)
def test_a_mistake_is_found_and_its_cause_is_named(kind):
    """In the default number of examples. The smallest scenario has one row, about what the controller forgets.

    The seed is fixed: all of 36 searches with other seeds found each.
    """
    example, names = MISTAKES[kind]
    assert is_wrong(kind, example)

    search = settings(database=None, phases=PHASES)
    seed = random.Random(1)  # noqa: S311

    found = find(scenarios(), lambda scenario: is_wrong(kind, scenario), settings=search, random=seed)

    assert len(members(found)) == len(members(example))
    assert {*members(found)} <= names


def test_scenarios_shrink_towards_the_calm_one():
    """A test that always fails ends with it."""
    assert find(scenarios(assumptions=True), lambda _: True) == Scenario()


def test_an_assumption_is_found_and_named():
    """Code that takes ResourceInUse for the only sign of a busy endpoint fails under the three other codes."""

    def is_surprised(scenario):
        with mock_inference_experiment(scenario=scenario):
            SAGEMAKER.create_inference_experiment(**create(EndpointName="one"))
            with pytest.raises(ClientError) as error:
                SAGEMAKER.create_inference_experiment(**create("second", EndpointName="one"))
        return error.value.response["Error"]["Code"] != "ResourceInUse"

    only = {"durations": False, "failures": False, "faults": False, "interference": False, "pages": False}
    found = find(scenarios(assumptions=True, **only), is_surprised)

    assert found == Scenario(assumptions=Assumptions(busy_endpoint="ResourceLimitExceeded"))


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"durations": False}, lambda each: each.durations == Durations()),
        ({"durations": ["creating"]}, lambda each: each.durations == Durations(creating=each.durations.creating)),
        ({"failures": False}, lambda each: not each.failures),
        ({"failures": ["Starting"]}, lambda each: all(row.stage == "Starting" for row in each.failures)),
        ({"failures": ["deployment"]}, lambda each: not any(isinstance(row, Fails) for row in each.failures)),
        ({"faults": False}, lambda each: not each.faults),
        ({"faults": ["delay"]}, lambda each: all(isinstance(row, Delays) for row in each.faults)),
        ({"faults": ["ThrottlingException"]}, lambda each: all(row.error[0] == "T" for row in each.faults)),
        ({"max_faults": 1}, lambda each: len(each.faults) <= 1),
        ({"operations": ["ListModels"]}, lambda each: {row.operation for row in each.faults} <= {"ListModels"}),
        ({"interference": False}, lambda each: not each.interference),
        (
            {"interference": ["StopInferenceExperiment"]},
            lambda each: {row.operation for row in each.interference} <= {"StopInferenceExperiment"},
        ),
        ({"pages": False}, lambda each: not each.pages),
        ({}, lambda each: each.assumptions == Assumptions()),
        ({"assumptions": True}, lambda each: len(each.assumptions.changed()) <= 1),
        ({"assumptions": ["arn_case"]}, lambda each: {*each.assumptions.changed()} <= {"arn_case"}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_each_kind_of_trouble_can_be_restricted(options, check):
    """To some names, or switched off; the others stay."""

    @settings(max_examples=50, database=None)
    @given(scenarios(**options))
    def every(scenario):
        assert check(scenario)

    every()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"failures": ["Startin"]}, "'Startin' is unknown; did you mean 'Starting'"),
        ({"failures": "Starting"}, "expected True, False or a list of Creating"),
        ({"faults": ["Throttled"]}, "did you mean 'ThrottlingException'"),
        ({"interference": 3}, "expected True, False or a list of CreateInferenceExperiment"),
        ({"assumptions": ["arn_cas"]}, "'arn_cas' is unknown; did you mean 'arn_case'"),
        ({"operations": ["ListModel"]}, "'ListModel' is not an operation that the mock answers"),
        ({"operations": "ListModels"}, "operations='ListModels': expected a list of operations"),
        ({"max_faults": -1}, "max_faults=-1: expected an int of 0 or more"),
        ({"pages": 0}, "pages=0: expected True or False"),
        ({"max_duration": 3}, "max_duration=3: expected a timedelta"),
    ],
    ids=str,
)
def test_a_wrong_restriction_is_refused(options, words):
    """The error says what was expected."""
    with pytest.raises((TypeError, ValueError)) as error:
        scenarios(**options)

    assert words in str(error.value)


def test_a_failing_test_shows_the_scenario_as_code(pytester):
    """In functions, methods and coroutines. `@example` runs it again, and so does the database of Hypothesis."""
    pytester.makepyfile("""
        import boto3
        import pytest
        from hypothesis import example, given, settings
        from mock_sagemaker_ie import Fails, Raises, Scenario, mock_inference_experiment
        from mock_sagemaker_ie.strategies import scenarios
        from tests.requests import NAME, create

        def roll_out(scenario):
            with mock_inference_experiment(scenario=scenario, virtual_sleep=True) as mock:
                assert not mock.calls
                mock.client().create_inference_experiment(**create())
                mock.end_scenario()
                assert mock.experiments[NAME]["Status"] != "Cancelled"

        failures = scenarios(durations=False, failures=["Creating"], faults=False, interference=False, pages=False)

        @given(failures)
        def test_function(scenario):
            roll_out(scenario)

        class TestMethods:
            @given(failures)
            def test_method(self, scenario):
                roll_out(scenario)

        @pytest.mark.asyncio
        @given(failures)
        async def test_coroutine(scenario):
            roll_out(scenario)

        @example(Scenario(failures=[Fails("Creating", "an example")]))
        @settings(max_examples=1)
        @given(failures)
        def test_example(scenario):
            roll_out(scenario)
    """)

    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")

    first = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    again = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    for result in (first, again):
        result.assert_outcomes(failed=4)
        text = result.stdout.str()
        assert text.count("scenario=Scenario(failures=[Fails('Creating', 'no capacity')])") >= 3
        assert "scenario=Scenario(failures=[Fails('Creating', 'an example')])" in text


def test_without_hypothesis_the_error_says_what_to_install(tmp_path):
    """The package itself does not need it."""
    code = "import sys; sys.modules['hypothesis'] = None; import mock_sagemaker_ie.strategies"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603

    assert "pip install 'mock-sagemaker-ie[explore]'" in result.stderr


# --- determinism


SCENARIO = Scenario(
    durations=Durations.parse("creating=600 stopping=60"),
    faults=[Raises("DescribeInferenceExperiment", "ThrottlingException", call=2, times=2)],
    pages=[0],
)
PROGRAM = f"""
from mock_sagemaker_ie import *
from tests.scenarios.controllers import Controller, run
import sys
scenario = {SCENARIO!r}
with mock_inference_experiment(scenario=scenario, virtual_sleep=True, clock="2026-01-01T09:00:00Z") as mock:
    Controller(mock.client()).roll_out()
    record = repr([(call, call.params, call.response, call.error) for call in mock.calls])
"""


def record():
    """Return everything about the calls of a rollout with a client that retries."""
    names = {}
    exec(PROGRAM, names)  # noqa: S102
    return names["record"]


def test_the_same_scenario_gives_the_same_calls_in_any_process():
    """Byte by byte: instants, params, answers and errors, and also the pauses between botocore's own retries."""
    code = f"{PROGRAM}\nsys.stdout.write(record)"

    def run_with(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout  # noqa: S603

    others = [run_with("1"), run_with("2")]

    assert record() == record() == others[0] == others[1]
    assert "ThrottlingException" in others[0]


def test_the_seed_of_random_is_given_back():
    """Only the mock begins from the same seed; afterwards the process goes on as before."""
    random.seed(3)
    expected = [random.random() for _ in range(2)]  # noqa: S311
    random.seed(3)

    first = random.random()  # noqa: S311
    with mock_inference_experiment(scenario=Scenario()):
        inside = random.random()  # noqa: S311
    with mock_inference_experiment(scenario=Scenario()):
        assert random.random() == inside  # noqa: S311

    assert [first, random.random()] == expected  # noqa: S311


@given(st.lists(st.sampled_from(Scenario.each_fault() + Scenario.each_failure() + Scenario.each_interference())))
def test_the_finite_lists_have_no_scenario_twice(listed):
    """Each is another one, with a short description of its own for the id of a test."""
    assert len({*listed}) == len({str(each) for each in listed})
