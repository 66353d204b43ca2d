"""Routing of invocations: which variant of an endpoint answers, and which endpoints answer."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests.requests import ENDPOINT, PRODUCTION, SHADOW, deployed, endpoint_config
from tests.traffic.shared import KEYS, create_endpoint, create_experiment, invoke, invoke_times, shadow_variants

MINUTE = dt.timedelta(minutes=1)
MINUTES = Durations(**{f"endpoint_{status}": MINUTE for status in ("creating", "updating", "rolling_back", "deleting")})


# --- which variant answers


def test_only_production_answers_the_caller(mock, experiment, runtime):
    """The answer and a header have the variant's name; the shadow's answer is discarded."""
    mock.serve("model-shadow", lambda request: b"the shadow's")

    answer = invoke(runtime)

    assert (answer["Body"], answer["InvokedProductionVariant"]) == (b"1,2,3", PRODUCTION)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-invoked-production-variant"] == PRODUCTION
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("weights", "period"),
    [
        ({"a": 1, "b": 1}, 2),
        ({"a": 9, "b": 1}, 10),
        ({"a": 2, "b": 3, "c": 5}, 10),
        ({"a": 0.7, "b": 0.2, "c": 0.1}, 10),
        ({"a": 0, "b": 1}, 5),
    ],
    ids=["1:1", "9:1", "2:3:5", "0.7:0.2:0.1", "0:1"],
)
def test_variants_answer_in_proportion_to_their_weights(mock, sagemaker, runtime, weights, period):
    """In any `period` consecutive requests, each variant answers exactly its share."""
    create_endpoint(
        sagemaker, *(deployed(name, InitialVariantWeight=float(weight)) for name, weight in weights.items())
    )
    expected = {name: round(period * weight / sum(weights.values())) for name, weight in weights.items()}

    answered = invoke_times(runtime, 3 * period)

    for start in range(2 * period):
        window = answered[start : start + period]
        assert {name: window.count(name) for name in weights} == expected


def test_new_weights_apply_immediately(mock, sagemaker, runtime):
    """Earlier requests, counted with the old and much larger weights, do not change the new shares."""
    create_endpoint(sagemaker, *(deployed(name, InitialVariantWeight=100.0) for name in "ab"))
    invoke(runtime)

    desired = [{"VariantName": "a", "DesiredWeight": 0.9}, {"VariantName": "b", "DesiredWeight": 0.1}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=desired)

    answered = invoke_times(runtime, 10)
    assert (answered.count("a"), answered.count("b")) == (9, 1)


def test_target_variant_selects_the_variant(mock, sagemaker, runtime):
    """TargetVariant has precedence over the weights, even if the weight of the variant is 0."""
    create_endpoint(sagemaker, deployed("a"), deployed("b", InitialVariantWeight=0.0))

    assert set(invoke_times(runtime, 5, TargetVariant="b")) == {"b"}


@pytest.mark.parametrize("target", [SHADOW, "missing-variant"])
def test_target_variant_must_be_a_production_variant(experiment, runtime, target):
    """A shadow variant or an unknown variant raises a ValidationError that names the production variant."""
    with pytest.raises(runtime.exceptions.ValidationError, match=f"{target}.*{PRODUCTION}"):
        invoke(runtime, TargetVariant=target)


def test_a_shadow_variant_without_an_experiment_answers_no_caller(mock, sagemaker, runtime):
    """The weight of a shadow variant gives it no share of the answers."""
    create_endpoint(sagemaker, **shadow_variants(weight=100.0))

    assert set(invoke_times(runtime, 5)) == {PRODUCTION}


# --- which endpoints answer


def updating(sagemaker, mock):
    """Wait until ENDPOINT is in service, and start a deployment of another variant."""
    mock.clock.advance(MINUTE)
    sagemaker.create_endpoint_config(**endpoint_config("next", deployed("next")))
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="next")


def deleting(sagemaker, mock):
    """Wait until ENDPOINT is in service, and delete it."""
    mock.clock.advance(MINUTE)
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


@pytest.mark.parametrize(
    ("status", "set_up"),
    [
        ("Creating", lambda sagemaker, mock: None),
        ("Failed", lambda sagemaker, mock: mock.fail_endpoint(ENDPOINT, "No capacity")),
        ("Deleting", deleting),
        ("deleted", lambda sagemaker, mock: (deleting(sagemaker, mock), mock.clock.advance(MINUTE))),
    ],
    ids=["Creating", "Failed", "Deleting", "deleted"],
)
def test_an_endpoint_that_is_not_in_service_is_not_found(clock, sagemaker, runtime, status, set_up):
    """Before its first deployment ended, after that failed, and since its deletion began, an endpoint is not found."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        create_endpoint(sagemaker)
        set_up(sagemaker, mock)
        statuses = [endpoint["EndpointStatus"] for endpoint in sagemaker.list_endpoints()["Endpoints"]]
        assert (statuses or ["deleted"]) == [status]

        with pytest.raises(runtime.exceptions.ValidationError, match=f"Endpoint {ENDPOINT} of account 123456789012"):
            invoke(runtime)


@pytest.mark.parametrize("fails", [False, True], ids=["Updating", "RollingBack"])
def test_the_old_variant_answers_until_an_update_ends(clock, sagemaker, runtime, fails):
    """The endpoint answers during the update; if the update fails, the old variant still answers afterwards."""
    with mock_inference_experiment(clock=clock, durations=MINUTES) as mock:
        create_endpoint(sagemaker)
        updating(sagemaker, mock)
        if fails:
            mock.fail_endpoint(ENDPOINT, "No capacity")

        assert invoke(runtime)["InvokedProductionVariant"] == PRODUCTION

        mock.clock.advance(MINUTE)
        assert invoke(runtime)["InvokedProductionVariant"] == (PRODUCTION if fails else "next")


def test_an_endpoint_is_found_only_in_its_region(endpoint):
    """A client of another region does not find the endpoint."""
    runtime = boto3.client("sagemaker-runtime", **{**KEYS, "region_name": "eu-west-1"})

    with pytest.raises(runtime.exceptions.ValidationError, match="not found"):
        invoke(runtime)


def test_the_endpoint_of_an_experiment_answers_when_creating_ends(clock, sagemaker, runtime):
    """The endpoint that an experiment creates answers after the status Creating, before its shadow is deployed."""
    durations = Durations(creating=MINUTE, starting=MINUTE)
    with mock_inference_experiment(clock=clock, durations=durations) as mock:
        create_experiment(sagemaker, Schedule={"StartTime": mock.clock.now() + 2 * MINUTE})
        with pytest.raises(runtime.exceptions.ValidationError, match="not found"):
            invoke(runtime)

        mock.clock.advance(MINUTE)

        assert invoke(runtime)["InvokedProductionVariant"] == PRODUCTION


# --- which requests an endpoint refuses

COMPONENTS = [deployed(PRODUCTION, ModelName=None)]
ASYNC = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/answers"}}}


COMPONENT_REQUIRED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)
COMPONENT_NOT_ALLOWED = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference "
    "components. Please remove the Inference Component Name header and try again."
)
NOT_MULTI_MODEL = f"Endpoint {ENDPOINT} is not a multi-model endpoint and does not support target model header."
NOT_REAL_TIME = f"Endpoint {ENDPOINT} is an asynchronous endpoint: invoke it with InvokeEndpointAsync."


@pytest.mark.parametrize(
    ("config", "members", "message"),
    [
        ({}, {"TargetModel": "tenant-7.tar.gz"}, NOT_MULTI_MODEL),
        ({"ProductionVariants": COMPONENTS}, {}, COMPONENT_REQUIRED),
        ({}, {"InferenceComponentName": "one"}, COMPONENT_NOT_ALLOWED),
        (ASYNC, {}, NOT_REAL_TIME),
    ],
    ids=["TargetModel", "InferenceComponentName is missing", "InferenceComponentName", "asynchronous"],
)
def test_a_request_that_does_not_fit_the_endpoint_is_refused(mock, sagemaker, runtime, config, members, message):  # noqa: PLR0917
    """InvokeEndpoint is refused with AWS's text, and no model is called."""
    create_endpoint(sagemaker, **config)

    with pytest.raises(runtime.exceptions.ValidationError) as caught:
        invoke(runtime, **members)

    assert caught.value.response["Error"]["Message"] == message
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert mock.metrics == ()


def test_an_endpoint_of_inference_components_answers_a_request_that_names_one(mock, sagemaker, runtime):
    """The variants of such an endpoint have no model."""
    create_endpoint(sagemaker, *COMPONENTS)

    assert invoke(runtime, InferenceComponentName="one")["InvokedProductionVariant"] == PRODUCTION
