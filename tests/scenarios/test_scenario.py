"""A scenario is data: it says what happens by itself in a mock, and its repr is the code that makes it."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

import mock_sagemaker_ie
from mock_sagemaker_ie import (
    Assumptions,
    Delays,
    Durations,
    Fails,
    FailsDeployment,
    Interferes,
    Raises,
    Scenario,
    mock_inference_experiment,
)
from mock_sagemaker_ie.calls import ANSWERED
from tests.conftest import START
from tests.requests import NAME, create, endpoint_config, stop

MINUTE = dt.timedelta(minutes=1)
NO_CAPACITY = "no capacity"
REALISTIC = Scenario(durations=Durations.realistic())

EVERYTHING = Scenario(
    durations=Durations(creating=MINUTE, starting=dt.timedelta(milliseconds=1), stopping=dt.timedelta.max),
    failures=[Fails("Running", NO_CAPACITY, after=60, experiment="a"), FailsDeployment("Updating", NO_CAPACITY)],
    faults=[Raises("ListModels", "ThrottlingException", call=2, times=3), Delays("ListModels", 0.5)],
    interference=[Interferes("StopInferenceExperiment", before="ListModels", call=2)],
    pages=[0, 2],
    assumptions=Assumptions(busy_endpoint="ConflictException", list_page_size=100),
)


@pytest.fixture
def entered(clock):
    """Return a function that enters a mock with a scenario, on a clock that stands still, until the end of the test."""
    with ExitStack() as stack:
        yield lambda scenario, **options: stack.enter_context(
            mock_inference_experiment(scenario=scenario, clock=clock, **options)
        )


# --- the data


@pytest.mark.parametrize("scenario", [Scenario(), EVERYTHING], ids=["calm", "everything"])
def test_the_repr_is_the_code_that_makes_it(scenario):
    """It needs only names that the package exports, and leaves defaults out."""
    names = {name: getattr(mock_sagemaker_ie, name) for name in mock_sagemaker_ie.__all__}

    assert eval(repr(scenario), names) == scenario  # noqa: S307
    assert repr(Scenario()) == "Scenario()"
    assert repr(Scenario(failures=[Fails("Running", NO_CAPACITY)])) == (
        "Scenario(failures=[Fails('Running', 'no capacity')])"
    )


def test_equal_scenarios_are_equal():
    """Lists and tuples of rows are the same, so that a scenario can be a key or a parameter."""
    rows = [Fails("Running", NO_CAPACITY)]

    assert Scenario(failures=rows) == Scenario(failures=tuple(rows))
    assert len({Scenario(failures=rows), Scenario(failures=tuple(rows)), Scenario()}) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fails("Runing", NO_CAPACITY), "'Runing' is not a stage; did you mean 'Running'"),
        (lambda: Fails("Running", ""), "reason='': expected a str with 1 to 1024"),
        (lambda: Fails("Running", NO_CAPACITY, after=-1), "after=-1: expected zero or more seconds"),
        (lambda: Fails("Running", NO_CAPACITY, experiment=3), "Fails: experiment=3: expected a name (str) or None"),
        (lambda: FailsDeployment("Running", NO_CAPACITY), "'Running' is not a stage"),
        (lambda: FailsDeployment("Creating", NO_CAPACITY, endpoint=3), "endpoint=3: expected a name (str) or None"),
        (lambda: Raises(None, "ThrottlingException"), "None is not an operation that the mock answers"),
        (lambda: Raises("ListModels", ValueError), "error=<class 'ValueError'>: expected a str"),
        (lambda: Raises("ListModels", "ParamValidationError"), "does not return the error 'ParamValidationError'"),
        (lambda: Raises("ListModels", "InternalFailure", after="no"), "after='no': expected True or False"),
        (lambda: Raises("ListModel", "ThrottlingException"), "'ListModel' is not an operation"),
        (lambda: Raises("ListModels", "Throttling"), "did you mean 'ThrottlingException'"),
        (lambda: Raises("ListModels", "ThrottlingException", call=0), "call=0: expected an int of 1 or more"),
        (lambda: Raises("ListModels", "ThrottlingException", times=0), "times=0: expected a number of calls"),
        (lambda: Delays("ListModels", -1), "seconds=-1: expected zero or more seconds"),
        (lambda: Interferes("ListModels", before="ListModels"), "'ListModels' is not what others do"),
        (lambda: Interferes("CreateInferenceExperiment", before="ListModels"), "takes a name only before Create"),
        (lambda: Interferes("DeleteEndpoint", "DescribeEndpoint", experiment=3), "experiment=3: expected a name"),
        (lambda: Scenario(durations=5), "durations=5: expected Durations"),
        (lambda: Scenario(assumptions="arn_case=lower"), "assumptions='arn_case=lower': expected Assumptions"),
        (lambda: Scenario(durations=Durations.parse(5)), "durations 5: expected a str"),
        (lambda: Scenario(durations=Durations.parse("creating=1 creating=2")), "creating comes twice"),
        (lambda: Scenario(failures=["Running"]), "'Running' is none of Fails and FailsDeployment"),
        (lambda: Scenario(failures=Fails("Running", NO_CAPACITY)), "expected a list of Fails and FailsDeployment"),
        (lambda: Scenario(pages=[-1]), "expected an int of 0 or more"),
        (lambda: mock_inference_experiment(scenario="calm"), "scenario='calm': expected Scenario"),
        (
            lambda: mock_inference_experiment(scenario=REALISTIC, durations=Durations(creating=MINUTE)),
            "both say how long statuses last",
        ),
        (
            lambda: mock_inference_experiment(scenario=EVERYTHING, assumptions=Assumptions(arn_case="lower")),
            "both say what the mock assumes",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(make, words):
    """The error comes where the row is made, not when the mock meets it."""
    with pytest.raises((TypeError, ValueError)) as error:
        make()

    assert words in str(error.value)


# --- durations and failures


def test_a_scenario_says_how_long_statuses_last(entered, sagemaker, clock):
    """Its durations take the place of the option."""
    mock = entered(REALISTIC)

    sagemaker.create_inference_experiment(**create())

    assert mock.experiments[NAME]["Status"] == "Creating"
    clock.advance(minutes=6)
    assert mock.experiments[NAME]["Status"] == "Running"


@pytest.mark.parametrize("durations", [Durations(), Durations.realistic()], ids=["zero", "realistic"])
@pytest.mark.parametrize("stage", ["Creating", "Created", "Starting", "Running", "Updating", "Stopping"])
def test_an_experiment_fails_at_the_stage(entered, sagemaker, clock, stage, durations):
    """It does so at the beginning of the stage, also when the stage takes no time."""
    mock = entered(Scenario(durations=durations, failures=[Fails(stage, NO_CAPACITY)]))
    later = START + dt.timedelta(days=1)

    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": later}))
    clock.advance(hours=1)
    if stage == "Updating":
        sagemaker.update_inference_experiment(Name=NAME, Description="new")
    if stage == "Stopping":
        sagemaker.stop_inference_experiment(**stop())
    clock.advance(days=30)

    *_, failed, last = mock.timeline(NAME).segments
    assert (failed.status, failed.duration, last.status) == (stage, dt.timedelta(0), "Cancelled")
    assert mock.experiments[NAME]["StatusReason"] == NO_CAPACITY


def test_a_failure_may_come_later_in_a_stage(entered, sagemaker, clock):
    """`after` counts the seconds from the beginning of the stage."""
    mock = entered(Scenario(failures=[Fails("Running", NO_CAPACITY, after=90)]))
    sagemaker.create_inference_experiment(**create())

    clock.advance(seconds=89)
    assert mock.experiments[NAME]["Status"] == "Running"
    clock.advance(seconds=1)

    assert mock.experiments[NAME]["Status"] == "Cancelled"
    assert mock.experiments[NAME]["CompletionTime"] == START + dt.timedelta(seconds=90)


def test_a_stage_that_ends_before_the_failure_does_not_fail(entered, sagemaker, clock):
    """Its end and the failure at the same instant: the stage has ended."""
    mock = entered(Scenario(durations=Durations(creating=MINUTE), failures=[Fails("Creating", NO_CAPACITY, after=60)]))

    sagemaker.create_inference_experiment(**create())
    clock.advance(hours=1)

    assert mock.experiments[NAME]["Status"] == "Running"


def test_a_failure_happens_once(entered, sagemaker):
    """The first experiment fails; a second attempt gets further. Two rows are two failures."""
    mock = entered(Scenario(failures=[Fails("Creating", "first"), Fails("Creating", "second")]))

    for name in "abc":
        sagemaker.create_inference_experiment(**create(name))

        assert mock.experiments[name]["Status"] == ("Running" if name == "c" else "Cancelled")


def test_a_failure_may_be_for_one_experiment(entered, sagemaker):
    """Others are not concerned."""
    mock = entered(Scenario(failures=[Fails("Running", NO_CAPACITY, experiment="b")]))

    for name in "ab":
        sagemaker.create_inference_experiment(**create(name))

    assert [mock.experiments[name]["Status"] for name in "ab"] == ["Running", "Cancelled"]


def test_a_timeline_foresees_the_failure(entered, sagemaker):
    """What lies ahead is known."""
    mock = entered(Scenario(failures=[Fails("Running", NO_CAPACITY, after=60)]))

    sagemaker.create_inference_experiment(**create())

    last = mock.timeline(NAME).segments[-1]
    assert (last.status, last.begin) == ("Cancelled", START + MINUTE)
    assert mock.advance_until(NAME, "Cancelled") == START + MINUTE


def test_a_deployment_fails_at_its_end(entered, sagemaker, clock):
    """An experiment that waits for it is Cancelled; another deployment of the same kind succeeds."""
    mock = entered(Scenario(durations=Durations.realistic(), failures=[FailsDeployment("Creating", NO_CAPACITY)]))
    for name in "ab":
        sagemaker.create_inference_experiment(**create(name))

    clock.advance(minutes=6)

    assert [mock.experiments[name]["Status"] for name in "ab"] == ["Cancelled", "Running"]
    failed = sagemaker.describe_endpoint(EndpointName=create("a")["EndpointName"])
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", NO_CAPACITY)


def test_a_deployment_of_one_endpoint_fails(entered, sagemaker):
    """Also one that the code under test makes."""
    mock = entered(Scenario(failures=[FailsDeployment("Creating", NO_CAPACITY, endpoint="b")]))
    sagemaker.create_endpoint_config(**endpoint_config())

    for name in "ab":
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=endpoint_config()["EndpointConfigName"])

    statuses = [sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] for name in "ab"]
    assert statuses == ["InService", "Failed"]
    assert mock.calls


# --- faults


def codes(mock, operation):
    """Return the outcome of each call of an operation."""
    return [getattr(call.error, "code", type(call.error).__name__) for call in mock.calls.of(operation)]


def test_certain_calls_get_an_error(entered, sagemaker):
    """Calls are counted by operation, and each attempt of a client counts."""
    mock = entered(Scenario(faults=[Raises("ListModels", "ThrottlingException", call=2, times=2)]), virtual_sleep=True)

    sagemaker.list_endpoints()
    sagemaker.list_models()
    sagemaker.list_models()

    assert codes(mock, "ListModels") == ["NoneType", "ThrottlingException", "ThrottlingException", "NoneType"]


def test_a_connection_error_comes_from_its_name(entered, sagemaker):
    """It is that of botocore."""
    mock = entered(Scenario(faults=[Raises("ListModels", "ConnectTimeoutError", times=9)]), virtual_sleep=True)

    with pytest.raises(ConnectTimeoutError):
        sagemaker.list_models()

    assert {*codes(mock, "ListModels")} == {"ConnectTimeoutError"}


def test_an_answer_may_be_lost(entered, sagemaker):
    """The service acts, so that botocore's retry of a Create gets ResourceInUse, as on AWS."""
    lost = Raises("CreateInferenceExperiment", "ReadTimeoutError", after=True)
    mock = entered(Scenario(faults=[lost]), virtual_sleep=True)

    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_inference_experiment(**create())

    assert mock.experiments[NAME]["Status"] == "Running"
    assert repr(lost) == "Raises('CreateInferenceExperiment', 'ReadTimeoutError', after=True)"


def test_certain_calls_take_time(entered, sagemaker):
    """The clock moves by the delay."""
    mock = entered(Scenario(faults=[Delays("ListModels", 5, call=2)]))

    sagemaker.list_models()
    sagemaker.list_models()

    assert [call.at - START for call in mock.calls] == [dt.timedelta(0), dt.timedelta(seconds=5)]


def test_what_no_call_meets_is_not_reported(entered, recwarn):
    """A scenario says what may happen; a test that arranges a fault says that it does."""
    with mock_inference_experiment(scenario=EVERYTHING, unused_faults="error"):
        pass

    assert not recwarn.list


def test_arranged_faults_come_beside_those_of_the_scenario(entered, sagemaker):
    """Both are met, in turn."""
    mock = entered(Scenario(faults=[Raises("DeleteModel", "AccessDeniedException")]))
    mock.fail_next("DeleteModel", "ValidationException")

    for code in ("AccessDeniedException", "ValidationException"):
        with pytest.raises(ClientError, match=code):
            sagemaker.delete_model(ModelName="m")


def test_a_reset_begins_the_scenario_again(entered, sagemaker):
    """As in a new mock, the next call is the first."""
    mock = entered(Scenario(faults=[Raises("DeleteModel", "AccessDeniedException")]))

    for _ in range(2):
        with pytest.raises(ClientError, match="AccessDenied"):
            sagemaker.delete_model(ModelName="m")
        mock.reset()


# --- pages and others


def names(sagemaker, **query):
    """Return the names on each page of a list of experiments."""
    pages = sagemaker.get_paginator("list_inference_experiments").paginate(**query)
    return [[each["Name"] for each in page["InferenceExperiments"]] for page in pages]


def test_pages_are_cut_short(entered, sagemaker):
    """The first may be empty and have a token all the same. Nothing is lost or repeated."""
    mock = entered(Scenario(pages=[0, 2, 0]))
    for name in "abc":
        sagemaker.create_inference_experiment(**create(name))

    assert names(sagemaker) == [[], ["c", "b"], [], ["a"]]
    assert names(sagemaker) == [["c", "b", "a"]]
    assert "MaxResults" not in mock.calls[-1].params


def test_a_page_is_never_longer_than_asked_for(entered, sagemaker):
    """MaxResults counts where it is smaller. An empty list has no token."""
    entered(Scenario(pages=[0, 5]))
    assert names(sagemaker) == [[]]

    for name in "abc":
        sagemaker.create_inference_experiment(**create(name))

    assert names(sagemaker, PaginationConfig={"PageSize": 1}) == [["c"], ["b"], ["a"]]


@pytest.mark.parametrize(
    ("operation", "status"),
    [("StopInferenceExperiment", "Cancelled"), ("UpdateInferenceExperiment", "Running"), ("DeleteEndpoint", "Running")],
)
def test_others_act_before_a_call(entered, sagemaker, operation, status):
    """The call meets what they did; only the calls of the code are recorded. What is refused changes nothing."""
    mock = entered(Scenario(interference=[Interferes(operation, before="DescribeInferenceExperiment", call=2)]))
    sagemaker.create_inference_experiment(**create())
    first = sagemaker.describe_inference_experiment(Name=NAME)

    second = sagemaker.describe_inference_experiment(Name=NAME)

    assert (first["Status"], mock.experiments[NAME]["Status"]) == ("Running", status)
    assert second.get("StatusReason", "").startswith("Stopped by somebody else") is (status == "Cancelled")
    assert [call.operation for call in mock.calls] == [
        "CreateInferenceExperiment",
        *["DescribeInferenceExperiment"] * 2,
    ]


def test_others_take_the_name_first(entered, sagemaker):
    """Theirs is for another endpoint, so that the code can tell it from its own."""
    mock = entered(Scenario(interference=[Interferes("CreateInferenceExperiment", before="CreateInferenceExperiment")]))

    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_inference_experiment(**create())

    assert mock.experiments[NAME]["EndpointMetadata"]["EndpointName"] != create()["EndpointName"]


def test_others_delete_an_experiment_that_has_ended(entered, sagemaker):
    """Also before a call that gets a fault."""
    rows = [Interferes("DeleteInferenceExperiment", before="DeleteInferenceExperiment")]
    faults = [Raises("DeleteInferenceExperiment", "ThrottlingException")]
    mock = entered(Scenario(interference=rows, faults=faults), virtual_sleep=True)
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop())

    with pytest.raises(ClientError, match="ResourceNotFound"):
        sagemaker.delete_inference_experiment(Name=NAME)

    assert codes(mock, "DeleteInferenceExperiment") == ["ThrottlingException", "ResourceNotFound"]


def test_others_delete_the_endpoint_before_an_invocation(entered, sagemaker):
    """By default that of the call."""
    mock = entered(Scenario(interference=[Interferes("DeleteEndpoint", before="InvokeEndpoint")]))
    sagemaker.create_endpoint_config(**endpoint_config())
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName=endpoint_config()["EndpointConfigName"])

    with pytest.raises(ClientError, match="not found"):
        mock.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"1")


def test_a_branch_goes_on_in_the_scenario(entered, sagemaker):
    """It has come as far as the original, which does not go on meanwhile."""
    mock = entered(Scenario(faults=[Raises("DeleteModel", "AccessDeniedException", call=2)]))
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.delete_model(ModelName="m")

    for _ in range(2):
        with mock.branch(), pytest.raises(ClientError, match="AccessDenied"):
            sagemaker.delete_model(ModelName="m")


def test_the_end_of_a_scenario_leaves_calls_alone(entered, sagemaker):
    """Checks at the end of a test get no faults, also none that wait, and whole pages."""
    mock = entered(
        Scenario(
            faults=[Raises("ListModels", "AccessDeniedException"), Delays("ListModels", 5)],
            interference=[Interferes("StopInferenceExperiment", before="DescribeInferenceExperiment")],
            pages=[0],
        )
    )
    sagemaker.create_inference_experiment(**create())

    mock.end_scenario()

    sagemaker.list_models()
    assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"
    assert names(sagemaker) == [[NAME]]
    assert mock.now() == START


# --- finite lists


def test_each_failure_is_listed():
    """One for each stage of an experiment, and of a deployment."""
    listed = Scenario.each_failure()

    assert Scenario(failures=[Fails("Starting", NO_CAPACITY)]) in listed
    assert Scenario(failures=[FailsDeployment("Updating", NO_CAPACITY)]) in listed


def test_each_fault_that_a_caller_may_get_is_listed():
    """Answers are lost only where the service changes something, and limits are met only where AWS models them."""
    described = {each.faults[0] for each in Scenario.each_fault("DescribeEndpoint")}
    created = {each.faults[0] for each in Scenario.each_fault("CreateInferenceExperiment", times=3)}

    assert Raises("DescribeEndpoint", "ThrottlingException") in described
    assert not any(getattr(fault, "after", False) for fault in described)
    assert Raises("CreateInferenceExperiment", "ReadTimeoutError", times=3, after=True) in created
    assert Raises("CreateInferenceExperiment", "ResourceLimitExceeded", times=3) in created
    assert {each.faults[0].operation for each in Scenario.each_fault()} == {*ANSWERED}
    with pytest.raises(ValueError, match="did you mean 'DescribeEndpoint'"):
        Scenario.each_fault("DescribeEndpoin")


def test_each_interference_is_listed():
    """One for each thing that others may do before each operation of the code."""
    listed = [each.interference[0] for each in Scenario.each_interference("StopInferenceExperiment")]

    assert {row.before for row in listed} == {"StopInferenceExperiment"}
    assert {"StopInferenceExperiment", "DeleteInferenceExperiment"} <= {row.operation for row in listed}


def test_parametrized_tests_have_readable_ids(pytester):
    """Without `ids=`: the description of the scenario."""
    pytester.makepyfile("""
        import pytest
        from mock_sagemaker_ie import Scenario

        @pytest.mark.parametrize("scenario", Scenario.each_failure())
        def test_rollout(scenario):
            pass
    """)

    result = pytester.runpytest_inprocess("-v", "-p", "no:cacheprovider", "-p", "no:asyncio")

    result.stdout.fnmatch_lines(
        ["*test_rollout[[]an experiment fails in Starting]*", "*[[]an endpoint fails in Creating]*"]
    )


# --- ways to pass it


def test_the_marker_takes_a_scenario(pytester):
    """Its durations and assumptions take precedence over the ini file; without any, those of the ini file count."""
    pytester.makeini("[pytest]\nsagemaker_ie_durations = creating=60\nsagemaker_ie_assumptions = list_page_size=100")
    pytester.makepyfile("""
        import pytest
        from mock_sagemaker_ie import Assumptions, Durations, Fails, Scenario
        from tests.requests import NAME, create

        def arn_after(mock, models):
            for number in range(models):
                client = mock.client()
                arn = client.create_inference_experiment(**create(f"E{number}", EndpointName=f"e{number}"))
            return arn["InferenceExperimentArn"], len(client.list_inference_experiments()["InferenceExperiments"])

        @pytest.mark.sagemaker_ie(scenario=Scenario(assumptions=Assumptions(arn_case="lower")))
        def test_assumptions(sagemaker_ie):
            arn, listed = arn_after(sagemaker_ie, 11)
            assert (arn[-3:], listed) == ("e10", 10)

        @pytest.mark.sagemaker_ie(scenario=Scenario())
        def test_no_assumptions(sagemaker_ie):
            arn, listed = arn_after(sagemaker_ie, 11)
            assert (arn[-3:], listed) == ("E10", 11)

        @pytest.mark.sagemaker_ie(scenario=Scenario(durations=Durations.parse("creating=300")))
        def test_durations(sagemaker_ie):
            sagemaker_ie.client().create_inference_experiment(**create())
            assert sagemaker_ie.timeline(NAME).segments[0].duration.total_seconds() == 300

        @pytest.mark.sagemaker_ie(scenario=Scenario(failures=[Fails("Running", "no capacity")]))
        def test_failures(sagemaker_ie):
            sagemaker_ie.client().create_inference_experiment(**create())
            assert sagemaker_ie.timeline(NAME).segments[0].duration.total_seconds() == 60
            assert sagemaker_ie.timeline(NAME).segments[-1].status == "Cancelled"
    """)

    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=4)


def test_time_stands_still_without_a_clock(sagemaker):
    """Otherwise two runs of the same program would have other instants."""
    with mock_inference_experiment(scenario=Scenario()) as mock:
        first, second = mock.clock.now(), mock.clock.now()

    assert first == second
