"""`.calls` and `.experiments`: complete, in order, independent of changes; `.client`, `reset` and `fail_experiment`."""

from __future__ import annotations

import copy

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from mock_sagemaker_ie import Status
from tests.operations.shared import all_but, at, bring_to
from tests.requests import NAME, create, stop

TAGS = [{"Key": "team", "Value": "search"}]
STORAGE = {"Destination": "s3://bucket/captured", "ContentType": {"CsvContentTypes": ["text/csv"]}}


def without_metadata(answer):
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


@pytest.fixture
def launched_mock(mock, sagemaker):
    """Return a mock with a tagged experiment that has every kind of nested member."""
    sagemaker.create_inference_experiment(**create(Tags=TAGS, DataStorageConfig=STORAGE))
    return mock


# --- calls


def test_every_call_is_recorded_in_order(mock, sagemaker):
    """A call is recorded with its operation, request, account, region and the time of its answer."""
    sagemaker.create_inference_experiment(**create())
    mock.clock.advance(seconds=5)
    sagemaker.describe_inference_experiment(Name=NAME)

    create_call, describe_call = mock.calls
    assert (create_call.operation, create_call.params) == ("CreateInferenceExperiment", create())
    assert (describe_call.operation, describe_call.params) == ("DescribeInferenceExperiment", {"Name": NAME})
    assert [call.at for call in mock.calls] == [at(), at(seconds=5)]
    assert {(call.account_id, call.region) for call in mock.calls} == {("123456789012", "us-east-1")}


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("describe_inference_experiment", {"Name": NAME}),
        ("list_inference_experiments", {}),
        ("update_inference_experiment", {"Name": NAME, "Description": "New"}),
        ("stop_inference_experiment", stop()),
        ("add_tags", {"Tags": TAGS}),
        ("list_tags", {}),
        ("delete_tags", {"TagKeys": ["team"]}),
    ],
)
def test_response_equals_the_answer_of_the_client(launched_mock, sagemaker, operation, members):
    """`response` has exactly the members of the answer, and `error` is None."""
    if operation.endswith("_tags"):
        members = {"ResourceArn": launched_mock.experiments[NAME]["Arn"], **members}

    answer = getattr(sagemaker, operation)(**members)

    assert launched_mock.calls[-1].response == without_metadata(answer)
    assert launched_mock.calls[-1].error is None


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_inference_experiment", create()),
        ("describe_inference_experiment", {"Name": "unknown-name"}),
        ("start_inference_experiment", {"Name": NAME}),
        ("stop_inference_experiment", stop(ModelVariantActions={"other": "Retain"})),
    ],
)
def test_error_equals_the_error_of_the_client(launched_mock, sagemaker, operation, members):
    """`error` has the code and the message of the error, and `response` is None."""
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, operation)(**members)

    call, error = launched_mock.calls[-1], caught.value.response["Error"]
    assert call.params == members
    assert (call.error.code, call.error.message) == (error["Code"], error["Message"])
    assert call.response is None


def test_a_recorded_response_does_not_change(launched_mock, sagemaker):
    """A recorded response stays the same when the experiment changes later."""
    answer = sagemaker.describe_inference_experiment(Name=NAME)

    sagemaker.update_inference_experiment(Name=NAME, Description="New")

    assert launched_mock.calls[1].response == without_metadata(answer)


def test_a_request_that_the_client_refuses_is_not_recorded(mock, sagemaker):
    """A request that fails the client's own validation never reaches the mock."""
    with pytest.raises(ParamValidationError):
        sagemaker.describe_inference_experiment()

    assert mock.calls == ()


# --- experiments


@pytest.mark.parametrize("status", list(Status))
def test_experiments_equal_describe(slow_mock, sagemaker, status):
    """`.experiments` has for each name the current answer of Describe."""
    bring_to(slow_mock, status)

    shown = slow_mock.experiments

    assert shown == {NAME: without_metadata(sagemaker.describe_inference_experiment(Name=NAME))}


def test_experiments_show_the_current_state(slow_mock):
    """Each access to `.experiments` shows the current state; an earlier result does not change."""
    bring_to(slow_mock, "Created")
    earlier = slow_mock.experiments

    slow_mock.clock.move_to(at(days=1))

    assert slow_mock.experiments[NAME]["Status"] == "Starting"
    assert earlier[NAME]["Status"] == "Created"


def test_experiments_are_in_the_order_of_creation(mock, sagemaker):
    """The experiment that was created last comes last, even if its name was used before."""
    for name in ("b", "c", "a"):
        sagemaker.create_inference_experiment(**create(name))
    sagemaker.stop_inference_experiment(**stop("b"))
    sagemaker.delete_inference_experiment(Name="b")
    sagemaker.create_inference_experiment(**create("b"))

    assert list(mock.experiments) == ["c", "a", "b"]


def test_reading_experiments_is_not_recorded_as_a_call(launched_mock):
    """Access to `.experiments` adds nothing to `.calls`."""
    assert launched_mock.experiments
    assert [call.operation for call in launched_mock.calls] == ["CreateInferenceExperiment"]


# --- changes to returned values; activation/test_isolation.py has those of each operation


def spoil(value):
    """Empty every dict and list within a value, the innermost first."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value.clear()
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.clear()


def test_changes_to_experiments_change_no_experiment(launched_mock):
    """Emptying the values of `.experiments` changes no experiment."""
    before = copy.deepcopy(dict(launched_mock.experiments))

    spoil(dict(launched_mock.experiments))

    assert launched_mock.experiments == before


def test_changes_to_an_answer_do_not_change_the_next_answer(launched_mock, sagemaker):
    """Emptying an answer changes neither the next answer nor the recorded response."""
    first = sagemaker.describe_inference_experiment(Name=NAME)
    expected = without_metadata(sagemaker.describe_inference_experiment(Name=NAME))

    spoil(first)

    assert without_metadata(sagemaker.describe_inference_experiment(Name=NAME)) == expected
    assert launched_mock.calls[1].response == expected


def test_experiments_and_calls_are_read_only(launched_mock):
    """The mapping of experiments, the sequence of calls and the calls themselves refuse assignment."""
    with pytest.raises(TypeError):
        launched_mock.experiments["another"] = {}
    with pytest.raises(TypeError):
        launched_mock.calls[0] = None
    with pytest.raises(AttributeError):
        launched_mock.calls[0].operation = "Another"


# --- client


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_client_returns_a_working_client(mock, region):
    """`.client()` returns a SageMaker client that needs no settings, and returns the same one for the same region."""
    client = mock.client(region_name=region)

    client.create_inference_experiment(**create())

    assert list(mock.experiments_in(region)) == [NAME]
    assert client.meta.region_name == region
    assert mock.client(region_name=region) is client


def test_client_creates_clients_of_the_runtime(mock):
    """`.client()` also creates clients for `sagemaker-runtime`."""
    assert mock.client("sagemaker-runtime").meta.service_model.service_id == "SageMaker Runtime"


# --- reset


def test_reset_removes_everything_except_the_time(launched_mock, sagemaker):
    """`reset` removes experiments of every region, tags, names, endpoints and calls; the clock keeps its time."""
    launched_mock.client(region_name="eu-west-1").create_inference_experiment(**create())
    launched_mock.clock.advance(days=1)

    launched_mock.reset()

    assert launched_mock.calls == ()
    assert launched_mock.experiments == launched_mock.experiments_in("eu-west-1") == {}
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    assert launched_mock.experiments[NAME]["CreationTime"] == at(days=1)


def test_reset_does_not_change_earlier_results(launched_mock):
    """Calls and experiments that a test read before `reset` stay the same."""
    calls, experiments = launched_mock.calls, launched_mock.experiments

    launched_mock.reset()

    assert [call.operation for call in calls] == ["CreateInferenceExperiment"]
    assert list(experiments) == [NAME]


# --- fail_experiment


@pytest.mark.parametrize("status", all_but("Completed", "Cancelled"))
def test_a_failed_experiment_is_cancelled(slow_mock, sagemaker, status):
    """In every unfinished status, `fail_experiment` makes the experiment Cancelled at once, with the reason."""
    bring_to(slow_mock, status)
    now = slow_mock.clock.now()

    slow_mock.fail_experiment(NAME, "Not enough capacity")

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert (experiment["Status"], experiment["StatusReason"]) == ("Cancelled", "Not enough capacity")
    assert experiment["CompletionTime"] == experiment["LastModifiedTime"] == now
    slow_mock.clock.advance(days=365)
    assert slow_mock.experiments[NAME]["CompletionTime"] == now


def test_a_failure_while_stopping_replaces_the_reason(slow_mock, sagemaker):
    """When stopping fails, StatusReason is the reason of the failure."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop(DesiredState="Completed", Reason="Enough"))

    slow_mock.fail_experiment(NAME, "Endpoint did not update")

    experiment = slow_mock.experiments[NAME]
    assert (experiment["Status"], experiment["StatusReason"]) == ("Cancelled", "Endpoint did not update")


def test_failing_an_unknown_experiment_raises_lookup_error(mock):
    """The LookupError names the experiment."""
    with pytest.raises(LookupError, match=NAME):
        mock.fail_experiment(NAME, "Unknown")
