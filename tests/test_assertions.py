"""The assertions for the end of a test, each with and without a violation, whose text is what a person reads."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from mock_sagemaker_ie import (
    DeliveryWarning,
    Durations,
    ModelResponse,
    assert_nothing_left,
    assert_production_undisturbed,
    assert_traffic_unlost,
    mock_inference_experiment,
)
from mock_sagemaker_ie.calls import INVOKE_ENDPOINT
from tests.aws import client, launch
from tests.conftest import START
from tests.interception.test_lost_answers import client_of
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, create, endpoint_config, stop
from tests.traffic.shared import create_endpoint, create_experiment, shadow_variants

MINUTE = dt.timedelta(minutes=1)
TESTED = f"endpoint-of-{NAME}"
DELETED = (
    f"- endpoint '{TESTED}' in us-east-1 of account 123456789012 was deleted and has not answered since 2026-01-01 "
)
HERE = "in us-east-1 of account 123456789012"
AT_START = "2026-01-01 09:00:00 UTC"


def failure(assertion, *arguments, **options):
    """Return the lines of the failure of an assertion."""
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **options)
    return str(caught.value).splitlines()


@pytest.fixture
def slow_mock():
    """Activate a mock in which each status lasts a minute."""
    with mock_inference_experiment(clock=START, durations=Durations(*[MINUTE] * 8)) as mock:
        yield mock


def invoke(mock, times=1, endpoint=TESTED):
    """Send a request to an endpoint each second, answered or not."""
    for _ in range(times):
        with contextlib.suppress(ClientError):
            mock.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=b"1")
        mock.clock.advance(seconds=1)


def end(**actions):
    """End the experiment."""
    client().stop_inference_experiment(**stop(**actions))


@pytest.mark.parametrize("assertion", [assert_nothing_left, assert_production_undisturbed, assert_traffic_unlost])
def test_a_mock_without_calls_satisfies_each(mock, assertion):
    """Nothing has happened."""
    assertion(mock)


@pytest.mark.parametrize("assertion", [assert_nothing_left, assert_production_undisturbed, assert_traffic_unlost])
@pytest.mark.parametrize(
    "actions",
    [{"production": "Remove", "shadow": "Promote"}, {"production": "Retain", "shadow": "Remove"}],
    ids=["promoted", "kept"],
)
def test_a_whole_rollout_satisfies_each(slow_mock, assertion, actions):
    """Requests come at each status, and the endpoint that the experiment has made stays."""
    launch()
    slow_mock.advance_until(NAME, "Running")
    invoke(slow_mock, 10)
    end(**actions)
    invoke(slow_mock, 10)
    slow_mock.advance_until(NAME, "Cancelled")
    invoke(slow_mock, 10)
    client().delete_inference_experiment(Name=NAME)

    assertion(slow_mock)


# --- nothing is left


def test_an_unfinished_experiment_is_left(slow_mock):
    """The line has its status, since when, and the way out; Stopping is unfinished too."""
    launch()
    slow_mock.advance_until(NAME, "Running")
    slow_mock.clock.advance(hours=1)

    assert failure(assert_nothing_left, slow_mock) == [
        "left behind:",
        (
            f"- inference experiment 'my-experiment' {HERE} is Running since 2026-01-01 09:01:00 UTC: call "
            "StopInferenceExperiment unless it is Stopping, and wait until it is Completed or Cancelled"
        ),
    ]
    end()
    assert "is Stopping since 2026-01-01 10:01:00 UTC" in failure(assert_nothing_left, slow_mock)[1]
    slow_mock.clock.advance(minutes=1)
    assert_nothing_left(slow_mock)


def test_a_shadow_variant_that_is_retained_is_left(mock):
    """The experiment is finished, and its shadow variant still runs."""
    launch()
    mock.clock.advance(minutes=1)
    end(production="Retain", shadow="Retain")

    assert failure(assert_nothing_left, mock) == [
        "left behind:",
        (
            f"- shadow variant 'shadow' of endpoint {TESTED!r} {HERE} is deployed, and the endpoint is "
            "InService since 2026-01-01 09:01:00 UTC: pass Remove or Promote for it in the ModelVariantActions of "
            "StopInferenceExperiment, or update the endpoint to an endpoint configuration without it"
        ),
    ]
    assert_nothing_left(mock, may_stay=[SHADOW])


def test_a_shadow_variant_that_is_being_removed_is_not_left(slow_mock):
    """After a failure the experiment is Cancelled at once, and the endpoint rolls back by itself."""
    launch()
    slow_mock.advance_until(NAME, "Running")

    slow_mock.fail_experiment(NAME, "no capacity")

    assert client().describe_endpoint(EndpointName=TESTED)["EndpointStatus"] == "RollingBack"
    assert_nothing_left(slow_mock)


def test_endpoints_and_configurations_that_the_code_made_are_left(mock):
    """Both are named; deleting them in any order is enough."""
    create_endpoint(client())

    lines = failure(assert_nothing_left, mock)

    assert lines == [
        "left behind:",
        (
            f"- endpoint 'my-endpoint' {HERE} was created at {AT_START}, and is InService since {AT_START}: call "
            "DeleteEndpoint"
        ),
        (
            f"- endpoint configuration 'my-endpoint' {HERE} was created at {AT_START}, and no endpoint that may stay "
            "uses it: call DeleteEndpointConfig"
        ),
    ]
    client().delete_endpoint(EndpointName=ENDPOINT)
    assert failure(assert_nothing_left, mock) == [lines[0], lines[2]]
    client().delete_endpoint_config(EndpointConfigName=ENDPOINT)
    assert_nothing_left(mock)


def test_a_configuration_in_use_may_stay(mock):
    """The endpoint may stay, so its configuration may, but no other one."""
    create_endpoint(client())
    client().create_endpoint_config(**endpoint_config("unused"))

    (_, line) = failure(assert_nothing_left, mock, may_stay=[ENDPOINT])

    assert "endpoint configuration 'unused'" in line


def test_an_endpoint_whose_creation_was_not_answered_is_left(mock):
    """The code does not know of it: its answer was lost."""
    client().create_endpoint_config(**endpoint_config())
    mock.fail_next("CreateEndpoint", ReadTimeoutError, after=True)
    with pytest.raises(ReadTimeoutError):
        client().create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=endpoint_config()["EndpointConfigName"])

    assert any("- endpoint 'my-endpoint'" in line for line in failure(assert_nothing_left, mock))


def test_an_endpoint_that_is_being_deleted_is_not_left(slow_mock):
    """It goes by itself."""
    create_endpoint(client())
    slow_mock.clock.advance(minutes=1)
    client().delete_endpoint(EndpointName=ENDPOINT)
    client().delete_endpoint_config(EndpointConfigName=ENDPOINT)

    assert_nothing_left(slow_mock)


def test_what_was_there_before_a_branch_may_stay(mock):
    """In a branch only the calls made inside count: the arrangement of the test is outside."""
    create_endpoint(client())

    with mock.branch() as what_if:
        assert_nothing_left(what_if)
        client().create_endpoint_config(**endpoint_config("inside"))
        (_, line) = failure(assert_nothing_left, what_if)

    assert "'inside'" in line


def test_every_region_and_account_is_searched(mock):
    """The line says where to look."""
    mock.client(region_name="eu-west-1").create_inference_experiment(**create())

    assert "in eu-west-1 of account 123456789012" in failure(assert_nothing_left, mock)[1]


def test_a_mock_that_has_ended_is_judged_as_it_was_left():
    """Time that passes after its exit ends no experiment."""
    with mock_inference_experiment() as mock:
        launch()
    mock.clock.advance(days=30)

    assert "is Running" in failure(assert_nothing_left, mock)[1]


def test_one_name_must_be_in_a_list(mock):
    """A str would be taken for the names of its letters."""
    with pytest.raises(TypeError, match=r"may_stay='ranker': expected several names, for example \['ranker'\]"):
        assert_nothing_left(mock, may_stay="ranker")


# --- production


@pytest.mark.parametrize("assertion", [assert_production_undisturbed, assert_traffic_unlost])
def test_requests_that_production_did_not_answer_are_reported(mock, assertion):
    """The line has their number, the first and the last instant, and the error of the container."""
    launch()
    mock.serve(f"model-{PRODUCTION}", lambda request: ModelResponse("out of memory", status=503))

    invoke(mock, 3)

    heading, line = failure(assertion, mock)
    assert heading in ("production was disturbed:", "traffic was lost:")
    assert line == (
        f"- requests to endpoint {TESTED!r} {HERE} without an answer: 3, from {AT_START} to 2026-01-01 "
        "09:00:02 UTC, with ModelError (out of memory): the model must answer: change what its handler in mock.serve() "
        "returns"
    )


def test_the_error_of_a_handler_is_where_the_line_says(mock):
    """An exception of the handler is the __cause__ of the error in mock.calls."""
    launch()
    mock.serve(f"model-{PRODUCTION}", lambda request: 1 / 0)

    invoke(mock)

    (_, line) = failure(assert_production_undisturbed, mock)
    assert line.endswith("with ModelError (division by zero): see the __cause__ of its error")
    assert isinstance(mock.calls[-1].error.__cause__, ZeroDivisionError)


def test_a_request_to_an_endpoint_that_does_not_serve_is_reported(slow_mock):
    """The endpoint is still Creating."""
    launch()

    invoke(slow_mock)

    (_, line) = failure(assert_production_undisturbed, slow_mock)
    assert f"without an answer: 1, at {AT_START}, with ValidationError" in line
    assert line.endswith("send requests only to a variant of an endpoint that is in service")


def test_a_deleted_endpoint_disturbs_production_without_any_request(mock):
    """No request was sent, and one could not have been answered since the deletion."""
    launch()
    end()
    mock.clock.advance(minutes=1)
    client().delete_endpoint(EndpointName=TESTED)
    mock.clock.advance(minutes=1)

    assert failure(assert_production_undisturbed, mock) == [
        "production was disturbed:",
        f"{DELETED}09:01:00 UTC: leave the endpoint in service, also after its experiment",
    ]
    launch("another")
    client().create_inference_experiment(**create("again", EndpointName=TESTED))
    assert (
        "since 2026-01-01 09:01:00 UTC until it was created again at 2026-01-01 09:02:00 UTC:"
        in (failure(assert_production_undisturbed, mock)[1])
    )


def test_the_deletion_of_an_endpoint_that_never_served_disturbs_nobody(slow_mock):
    """Its first deployment has failed, so the code cleans up."""
    slow_mock.fail_endpoint(TESTED, "no capacity")
    launch()
    slow_mock.clock.advance(minutes=1)

    client().delete_endpoint(EndpointName=TESTED)

    assert_production_undisturbed(slow_mock)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("assertion", [assert_production_undisturbed, assert_traffic_unlost])
def test_errors_that_the_test_has_arranged_do_not_count(mock, assertion, after):
    """Neither an error before or after the service acted, nor a slow answer."""
    launch()
    runtime = client_of(INVOKE_ENDPOINT)
    mock.fail_next("InvokeEndpoint", ReadTimeoutError, after=after)
    with pytest.raises(ReadTimeoutError):
        runtime.invoke_endpoint(EndpointName=TESTED, Body=b"1")
    mock.slow_next("InvokeEndpoint", 3600)
    with pytest.raises(ReadTimeoutError):
        runtime.invoke_endpoint(EndpointName=TESTED, Body=b"1")

    assertion(mock)


# --- traffic


def test_copies_that_the_shadow_did_not_answer_are_reported(mock):
    """No caller notices: production has answered. The copies are lost for the comparison."""
    launch()
    mock.serve(f"model-{SHADOW}", lambda request: 1 / 0)

    invoke(mock, 4)

    (_, line) = failure(assert_traffic_unlost, mock)
    assert line == (
        f"- copies for the shadow variant of endpoint {TESTED!r} {HERE} without an answer: 2, from 2026-01-01 09:00:01 "
        "UTC to 2026-01-01 09:00:03 UTC, with ModelError (division by zero): see the __cause__ of its error"
    )
    assert_production_undisturbed(mock)


def test_captures_that_could_not_be_delivered_are_reported(tmp_path):
    """The folder is a file, so no capture can be written; later it can, and nothing is lost."""
    folder = tmp_path / "captures"
    folder.write_text("")
    with mock_inference_experiment(clock=START, s3=folder) as mock:
        create_endpoint(client())
        create_experiment(client(), DataStorageConfig={"Destination": "s3://bucket/captures"})
        with pytest.warns(DeliveryWarning):
            invoke(mock, endpoint=ENDPOINT)

        lines = failure(assert_traffic_unlost, mock)
        folder.unlink()
        invoke(mock, endpoint=ENDPOINT)

        assert "- captures for captures/my-endpoint/" in lines[1]
        assert lines[1].endswith("could not be written: a DeliveryWarning said why, and mock.captures has them")
        assert_traffic_unlost(mock)


def test_a_shadow_variant_without_an_experiment_counts_too(mock):
    """An endpoint configuration can have a shadow variant without an experiment."""
    create_endpoint(client(), **shadow_variants())

    assert "shadow variant 'shadow' of endpoint 'my-endpoint'" in failure(assert_nothing_left, mock)[1]
