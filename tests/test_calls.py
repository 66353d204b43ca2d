"""Assertions on the calls that a mock answered, and what they say when they fail."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.requests import NAME, create, stop


@pytest.fixture
def called(mock, sagemaker):
    """A mock after an experiment was created, looked at twice, and stopped."""
    sagemaker.create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=3)}))
    for _ in range(2):
        sagemaker.describe_inference_experiment(Name=NAME)
    sagemaker.stop_inference_experiment(**stop(DesiredState="Completed", Reason="The shadow is better"))
    return mock


def failure(assertion, *arguments, **params):
    """What an assertion that fails says."""
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **params)
    return str(caught.value)


# --- of


def test_the_calls_of_one_operation(called):
    """They come in the order in which they were answered, and can be asked on."""
    looks = called.calls.of("DescribeInferenceExperiment")

    assert [call.params for call in looks] == [{"Name": NAME}] * 2
    assert list(looks) == [call for call in called.calls if call.operation == "DescribeInferenceExperiment"]
    assert looks.of("DescribeInferenceExperiment") == looks
    assert called.calls.of("ListModels") == ()


# --- assert_called_once


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"Name": NAME},
        {"DesiredState": "Completed", "Name": NAME},
        stop(DesiredState="Completed", Reason="The shadow is better"),
    ],
)
def test_the_one_call_is_handed_out(called, params):
    """Params that are named must be equal, whichever else there are, in whatever order."""
    call = called.assert_called_once("StopInferenceExperiment", **params)

    assert call is called.calls[-1]


def test_instants_are_equal_in_any_time_zone(called):
    """A time that was sent is the time that was meant."""
    india = dt.timezone(dt.timedelta(hours=5.5))

    called.assert_called_once(
        "CreateInferenceExperiment", Schedule={"EndTime": (START + dt.timedelta(days=3)).astimezone(india)}
    )


def test_the_difference_is_shown(called):
    """What was expected and what came stand side by side, and of the rest no more than helps."""
    message = failure(
        called.assert_called_once, "StopInferenceExperiment", Name=NAME, DesiredState="Cancelled", Reason="Enough"
    )

    lines = message.splitlines()
    assert "StopInferenceExperiment was called with other params than expected" in lines[0]
    assert lines[1:3] == ["--- expected", "+++ received"]
    assert {line[0] for line in lines if "Cancelled" in line or "Enough" in line} == {"-"}
    assert {line[0] for line in lines if "Completed" in line or "shadow is better" in line} == {"+"}
    assert {line[0] for line in lines if NAME in line} == {" "}
    assert "ModelVariantActions" not in message


def test_a_param_that_did_not_come_is_part_of_the_difference(called):
    """It is in what was expected, and not in what was received."""
    message = failure(called.assert_called_once, "DeleteInferenceExperiment")
    assert "DeleteInferenceExperiment was called never, expected once" in message

    message = failure(called.assert_called_once, "StopInferenceExperiment", DesiredModelVariants=[])
    assert "-{'DesiredModelVariants': []}" in message.splitlines()
    assert "+{}" in message.splitlines()


@pytest.mark.parametrize("operation", ["ListModels", "DescribeInferenceExperiment"])
def test_another_number_of_calls_is_told_with_what_was_called_instead(called, operation):
    """None or two are not one; the operations that were called, and how often, show what happened."""
    message = failure(called.assert_called_once, operation)

    assert f"{operation} was called {'never' if operation == 'ListModels' else 'twice'}, expected once" in message
    for part in ("CreateInferenceExperiment once", "DescribeInferenceExperiment twice", "StopInferenceExperiment once"):
        assert part in message


def test_no_calls_at_all_are_told_so(mock):
    """Nothing was called, and the message says it."""
    assert failure(mock.assert_called_once, "ListModels").endswith("calls: none")


def test_a_refused_call_is_a_call(mock, sagemaker):
    """Whatever came of it, it was made."""
    with pytest.raises(ClientError):
        sagemaker.describe_inference_experiment(Name=NAME)

    assert mock.assert_called_once("DescribeInferenceExperiment", Name=NAME).error.code == "ResourceNotFound"


# --- assert_not_called


def test_what_was_not_called(called):
    """Other operations are no matter of it."""
    called.assert_not_called("DeleteInferenceExperiment")


def test_calls_that_should_not_have_been_are_shown(called):
    """How many there were, and with which params."""
    message = failure(called.assert_not_called, "DescribeInferenceExperiment")

    assert "DescribeInferenceExperiment was called twice, expected never" in message
    assert message.count(repr({"Name": NAME})) == 2


def test_long_params_are_cut_short(mock):
    """A message is to be read."""
    mock.client().create_inference_experiment(**create(Description="x" * 1000))

    message = failure(mock.assert_not_called, "CreateInferenceExperiment")

    assert max(map(len, message.splitlines())) < 250


# --- what there is not


@pytest.mark.parametrize("assertion", ["assert_called_once", "assert_not_called"])
@pytest.mark.parametrize(
    ("operation", "says"),
    [("StopInferenceExperimet", "did you mean 'StopInferenceExperiment'"), ("ListTrainingJobs", "not an operation")],
)
def test_an_unknown_operation_is_a_mistake_of_the_test(called, assertion, operation, says):
    """What the mock cannot have answered was never called, so to assert that would prove nothing."""
    with pytest.raises(ValueError, match=says):
        getattr(called, assertion)(operation)


def test_the_last_calls_are_kept(sagemaker):
    """With keep= an assertion knows of no more than `.calls` does."""
    with mock_inference_experiment(keep=1) as mock:
        for _ in range(2):
            sagemaker.list_models()

        mock.assert_called_once("ListModels")
