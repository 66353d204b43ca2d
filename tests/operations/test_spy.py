"""What a mock shows of the calls and the experiments, that nobody can spoil it, and the failures it stages."""

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
def launched(mock, sagemaker):
    """A mock with a tagged experiment that has every kind of nested member."""
    sagemaker.create_inference_experiment(**create(Tags=TAGS, DataStorageConfig=STORAGE))
    return mock


# --- calls


def test_every_call_is_recorded_in_order(mock, sagemaker):
    """A call is recorded with operation, request, account, region and the time at which it was answered."""
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
def test_the_response_is_what_the_client_got(launched, sagemaker, operation, members):
    """`response` holds the answer's members, no more and no less, and there is no error."""
    if operation.endswith("_tags"):
        members = {"ResourceArn": launched.experiments[NAME]["Arn"], **members}

    answer = getattr(sagemaker, operation)(**members)

    assert launched.calls[-1].response == without_metadata(answer)
    assert launched.calls[-1].error is None


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_inference_experiment", create()),
        ("describe_inference_experiment", {"Name": "nobody-created-it"}),
        ("start_inference_experiment", {"Name": NAME}),
        ("stop_inference_experiment", stop(ModelVariantActions={"other": "Retain"})),
    ],
)
def test_the_error_is_what_the_client_got(launched, sagemaker, operation, members):
    """`error` holds the code and the message of a refusal, and there is no response."""
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, operation)(**members)

    call, error = launched.calls[-1], caught.value.response["Error"]
    assert call.params == members
    assert (call.error.code, call.error.message) == (error["Code"], error["Message"])
    assert call.response is None


def test_a_response_is_of_its_time(launched, sagemaker):
    """What a call was answered stays, whatever becomes of the experiment."""
    answer = sagemaker.describe_inference_experiment(Name=NAME)

    sagemaker.update_inference_experiment(Name=NAME, Description="New")

    assert launched.calls[1].response == without_metadata(answer)


def test_what_a_client_does_not_send_is_no_call(mock, sagemaker):
    """A request that the client itself refuses never reaches the service."""
    with pytest.raises(ParamValidationError):
        sagemaker.describe_inference_experiment()

    assert mock.calls == ()


# --- experiments


@pytest.mark.parametrize("status", list(Status))
def test_experiments_are_what_describe_says(slow_mock, sagemaker, status):
    """`.experiments` has by name what Describe would answer now."""
    bring_to(slow_mock, status)

    shown = slow_mock.experiments

    assert shown == {NAME: without_metadata(sagemaker.describe_inference_experiment(Name=NAME))}


def test_experiments_are_shown_as_of_now(slow_mock):
    """Every look shows the present; an earlier look stays as it was."""
    bring_to(slow_mock, "Created")
    earlier = slow_mock.experiments

    slow_mock.clock.move_to(at(days=1))

    assert slow_mock.experiments[NAME]["Status"] == "Starting"
    assert earlier[NAME]["Status"] == "Created"


def test_experiments_are_in_the_order_of_their_creation(mock, sagemaker):
    """The last created comes last, also when its name is older."""
    for name in ("b", "c", "a"):
        sagemaker.create_inference_experiment(**create(name))
    sagemaker.stop_inference_experiment(**stop("b"))
    sagemaker.delete_inference_experiment(Name="b")
    sagemaker.create_inference_experiment(**create("b"))

    assert list(mock.experiments) == ["c", "a", "b"]


def test_looking_is_no_call(launched):
    """`.experiments` is not recorded among the calls."""
    assert launched.experiments
    assert [call.operation for call in launched.calls] == ["CreateInferenceExperiment"]


# --- isolation


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


@pytest.mark.parametrize(
    "handed_out",
    [
        lambda mock: mock.client().describe_inference_experiment(Name=NAME),
        lambda mock: mock.client().list_inference_experiments(),
        lambda mock: mock.client().list_tags(ResourceArn=mock.experiments[NAME]["Arn"]),
        lambda mock: dict(mock.experiments),
        lambda mock: mock.calls[0].params,
        lambda mock: mock.calls[0].response,
        lambda mock: mock.client().describe_inference_experiment(Name=NAME) and mock.calls[-1].response,
    ],
    ids=["Describe", "List", "ListTags", "experiments", "params", "response of Create", "response of Describe"],
)
def test_what_is_handed_out_is_not_the_record(launched, sagemaker, handed_out):
    """Spoiling what the mock or the client gave changes no experiment and no tag."""
    before = copy.deepcopy(dict(launched.experiments))
    arn = before[NAME]["Arn"]

    spoil(handed_out(launched))

    assert launched.experiments == before
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == TAGS


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_inference_experiment", create("another", Tags=TAGS, DataStorageConfig=STORAGE)),
        ("update_inference_experiment", {"Name": NAME, "ShadowModeConfig": create()["ShadowModeConfig"]}),
        ("stop_inference_experiment", stop(DesiredModelVariants=create()["ModelVariants"][:1])),
    ],
)
def test_what_is_handed_in_is_not_the_record(launched, sagemaker, operation, members):
    """Spoiling a request after the call changes neither an experiment nor the recorded call."""
    request = copy.deepcopy(members)
    getattr(sagemaker, operation)(**request)
    before = copy.deepcopy(dict(launched.experiments))

    spoil(request)

    assert launched.experiments == before
    assert launched.calls[-1].params == members


def test_an_answer_is_the_callers_own(launched, sagemaker):
    """Spoiling an answer changes neither the next answer nor what was recorded of it."""
    first = sagemaker.describe_inference_experiment(Name=NAME)
    expected = without_metadata(sagemaker.describe_inference_experiment(Name=NAME))

    spoil(first)

    assert without_metadata(sagemaker.describe_inference_experiment(Name=NAME)) == expected
    assert launched.calls[1].response == expected


def test_experiments_and_calls_are_read_only(launched):
    """The mapping of experiments and the sequence of calls cannot be assigned to."""
    with pytest.raises(TypeError):
        launched.experiments["another"] = {}
    with pytest.raises(TypeError):
        launched.calls[0] = None
    with pytest.raises(AttributeError):
        launched.calls[0].operation = "Another"


# --- client


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_client_is_ready_made(mock, region):
    """`.client()` is a SageMaker client of a region that needs no settings, kept from one use to the next."""
    client = mock.client(region_name=region)

    client.create_inference_experiment(**create())

    assert list(mock.experiments_in(region)) == [NAME]
    assert client.meta.region_name == region
    assert mock.client(region_name=region) is client


def test_a_client_of_another_service(mock):
    """`.client()` makes clients of the runtime too."""
    assert mock.client("sagemaker-runtime").meta.service_model.service_id == "SageMaker Runtime"


# --- reset


def test_reset_forgets_everything_but_the_time(launched, sagemaker):
    """Experiments of every region, tags, names, endpoints and calls are gone; the clock goes on."""
    launched.client(region_name="eu-west-1").create_inference_experiment(**create())
    launched.clock.advance(days=1)

    launched.reset()

    assert launched.calls == ()
    assert launched.experiments == launched.experiments_in("eu-west-1") == {}
    arn = sagemaker.create_inference_experiment(**create())["InferenceExperimentArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    assert launched.experiments[NAME]["CreationTime"] == at(days=1)


def test_what_was_shown_before_a_reset_stays(launched):
    """Calls and experiments that a test took hold of are its own."""
    calls, experiments = launched.calls, launched.experiments

    launched.reset()

    assert [call.operation for call in calls] == ["CreateInferenceExperiment"]
    assert list(experiments) == [NAME]


# --- staged failures


@pytest.mark.parametrize("status", all_but("Completed", "Cancelled"))
def test_a_failed_experiment_is_cancelled(slow_mock, sagemaker, status):
    """Whatever it is doing, from now on it is Cancelled and says why."""
    bring_to(slow_mock, status)
    now = slow_mock.clock.now()

    slow_mock.fail_experiment(NAME, "Not enough capacity")

    experiment = sagemaker.describe_inference_experiment(Name=NAME)
    assert (experiment["Status"], experiment["StatusReason"]) == ("Cancelled", "Not enough capacity")
    assert experiment["CompletionTime"] == experiment["LastModifiedTime"] == now
    slow_mock.clock.advance(days=365)
    assert slow_mock.experiments[NAME]["CompletionTime"] == now


def test_the_reason_of_a_failure_replaces_that_of_a_stop(slow_mock, sagemaker):
    """When what fails is the stopping, the failure is the reason."""
    bring_to(slow_mock, "Running")
    sagemaker.stop_inference_experiment(**stop(DesiredState="Completed", Reason="Enough"))

    slow_mock.fail_experiment(NAME, "Endpoint did not update")

    experiment = slow_mock.experiments[NAME]
    assert (experiment["Status"], experiment["StatusReason"]) == ("Cancelled", "Endpoint did not update")


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_what_has_ended_cannot_fail(slow_mock, status):
    """Failing a finished experiment is an error of the test, which says what it is, and changes nothing."""
    bring_to(slow_mock, status)
    before = slow_mock.experiments

    with pytest.raises(ValueError, match=f"Cannot fail .*{NAME} in status {status}"):
        slow_mock.fail_experiment(NAME, "Too late")

    assert slow_mock.experiments == before


def test_what_is_not_there_cannot_fail(mock):
    """Failing an experiment nobody created is a LookupError that names it."""
    with pytest.raises(LookupError, match=NAME):
        mock.fail_experiment(NAME, "Never was")
