"""Endpoints and models that an experiment cannot use; in strict mode, also models that were never created."""

from __future__ import annotations

import pytest

from tests.hosting import bring_to, refused, serve
from tests.operations.shared import at
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, model, stop, variant

SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
LATER = {"StartTime": at(days=1)}

unsupported_models = pytest.mark.parametrize(
    "unsupported", [{"containers": 2}, {"mode": "MultiModel"}], ids=["multi-container", "multi-model"]
)


@pytest.mark.parametrize(
    "unsupported",
    [
        {"production": [deployed(InstanceType=None, InitialInstanceCount=None, ServerlessConfig=SERVERLESS)]},
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/answers"}}},
        {"production": [deployed("blue"), deployed("green")]},
        {"production": [deployed(InstanceType="ml.inf1.2xlarge")]},
    ],
    ids=["serverless", "asynchronous", "several production variants", "ml.inf1"],
)
def test_unsupported_endpoints_are_refused(mock, sagemaker, unsupported):
    """An experiment needs a real-time endpoint with one production variant."""
    serve(sagemaker, *unsupported.pop("production", []), **unsupported)

    with refused(mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


@unsupported_models
def test_endpoints_with_unsupported_models_are_refused(mock, sagemaker, unsupported):
    """An experiment needs an endpoint whose models have one container and one model each."""
    sagemaker.create_model(**model("unsupported", **unsupported))
    serve(sagemaker, deployed(ModelName="unsupported"))

    with refused(mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


@unsupported_models
@pytest.mark.parametrize("role", [PRODUCTION, SHADOW])
def test_unsupported_models_are_refused(mock, sagemaker, unsupported, role):
    """Create and Update refuse such models for the production variant and for the shadow."""
    sagemaker.create_model(**model("unsupported", **unsupported))
    models = [variant(name, "unsupported" if name == role else None) for name in (PRODUCTION, SHADOW)]
    sagemaker.create_inference_experiment(**create("other", Schedule=LATER))

    with refused(mock):
        sagemaker.create_inference_experiment(**create(ModelVariants=models))
    with refused(mock):
        sagemaker.update_inference_experiment(Name="other", ModelVariants=models)


@pytest.mark.parametrize("role", [PRODUCTION, SHADOW])
def test_inf1_instances_are_refused(mock, sagemaker, role):
    """Create and Update refuse ml.inf1 instances for the production variant and for the shadow."""
    types = {role: "ml.inf1.xlarge"}
    models = [variant(name, instance_type=types.get(name, "ml.m5.xlarge")) for name in (PRODUCTION, SHADOW)]
    sagemaker.create_inference_experiment(**create("other", Schedule=LATER))

    with refused(mock) as caught:
        sagemaker.create_inference_experiment(**create(ModelVariants=models))
    with refused(mock):
        sagemaker.update_inference_experiment(Name="other", ModelVariants=models)

    assert "it is on ml.inf1 instances" in str(caught.value)


def test_a_model_with_one_item_in_containers_is_accepted(mock, sagemaker):
    """A model with one container is supported, in PrimaryContainer or in Containers."""
    sagemaker.create_model(**model(f"model-{SHADOW}", containers=1))

    sagemaker.create_inference_experiment(**create())

    assert mock.experiments[NAME]["Status"] == "Running"


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Failed", "Deleting"])
def test_an_endpoint_must_be_in_service(slow_hosting_mock, sagemaker, status):
    """An experiment needs an InService endpoint, or an endpoint name that does not exist."""
    bring_to(slow_hosting_mock, status)

    with refused(slow_hosting_mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


def test_a_refused_experiment_does_not_reserve_the_endpoint(slow_hosting_mock, sagemaker):
    """After a refused Create the endpoint is free, and another experiment may use it once it is InService."""
    bring_to(slow_hosting_mock, "RollingBack")
    with refused(slow_hosting_mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))
    slow_hosting_mock.clock.advance(days=1)

    sagemaker.create_inference_experiment(**create("another", EndpointName=ENDPOINT))
    slow_hosting_mock.advance_until("another", "Running")
    sagemaker.stop_inference_experiment(**stop("another"))
    slow_hosting_mock.advance_until("another", "Cancelled")

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


# --- strict mode


@pytest.mark.parametrize("missing", [PRODUCTION, SHADOW])
def test_a_strict_mock_refuses_unknown_models(strict_mock, sagemaker, missing):
    """With strict=True, Create and Update refuse a model that was never created, with AWS's message."""
    for role in (PRODUCTION, SHADOW):
        sagemaker.create_model(**model(f"model-{role}"))
    sagemaker.create_inference_experiment(**create("other", Schedule=LATER))
    models = [variant(name, f"missing-{name}" if name == missing else None) for name in (PRODUCTION, SHADOW)]

    with refused(strict_mock) as at_create:
        sagemaker.create_inference_experiment(**create(ModelVariants=models))
    with refused(strict_mock) as at_update:
        sagemaker.update_inference_experiment(Name="other", ModelVariants=models)

    message = f'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/missing-{missing}".'
    for caught in (at_create, at_update):
        assert caught.value.response["Error"]["Message"] == message


def test_a_strict_mock_refuses_deleted_models(strict_mock, sagemaker):
    """In strict mode a deleted model is unknown; an experiment that runs with it continues."""
    for role in (PRODUCTION, SHADOW):
        sagemaker.create_model(**model(f"model-{role}"))
    sagemaker.create_inference_experiment(**create())
    sagemaker.delete_model(ModelName=f"model-{SHADOW}")

    with refused(strict_mock):
        sagemaker.create_inference_experiment(**create("second"))

    sagemaker.update_inference_experiment(Name=NAME, Description="still the same models")
    assert strict_mock.experiments[NAME]["Status"] == "Running"
