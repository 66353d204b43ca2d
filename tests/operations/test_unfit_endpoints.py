"""What no experiment can test on or with: unfit endpoints and models, and in strict mode models that nobody created."""

from __future__ import annotations

import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.hosting import bring_to, refused, serve
from tests.operations.shared import at
from tests.requests import ENDPOINT, NAME, PRODUCTION, SHADOW, create, deployed, model, stop, variant

SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
LATER = {"StartTime": at(days=1)}

unfit_models = pytest.mark.parametrize(
    "unfit", [{"containers": 2}, {"mode": "MultiModel"}], ids=["multi-container", "multi-model"]
)


@pytest.mark.parametrize(
    "unfit",
    [
        {"production": [deployed(InstanceType=None, InitialInstanceCount=None, ServerlessConfig=SERVERLESS)]},
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/answers"}}},
        {"production": [deployed("blue"), deployed("green")]},
    ],
    ids=["serverless", "asynchronous", "several production variants"],
)
def test_unfit_endpoints_are_refused(mock, sagemaker, unfit):
    """A test is on a real-time endpoint of one production variant."""
    serve(sagemaker, *unfit.pop("production", []), **unfit)

    with refused(mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


@unfit_models
def test_endpoints_of_unfit_models_are_refused(mock, sagemaker, unfit):
    """A test is on an endpoint whose models are of one container and one model each."""
    sagemaker.create_model(**model("unfit", **unfit))
    serve(sagemaker, deployed(ModelName="unfit"))

    with refused(mock):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


@unfit_models
@pytest.mark.parametrize("role", [PRODUCTION, SHADOW])
def test_unfit_models_are_refused(mock, sagemaker, unfit, role):
    """So are tests of such models, in either role, at Create and at Update."""
    sagemaker.create_model(**model("unfit", **unfit))
    models = [variant(name, "unfit" if name == role else None) for name in (PRODUCTION, SHADOW)]
    sagemaker.create_inference_experiment(**create("other", Schedule=LATER))

    with refused(mock):
        sagemaker.create_inference_experiment(**create(ModelVariants=models))
    with refused(mock):
        sagemaker.update_inference_experiment(Name="other", ModelVariants=models)


def test_a_list_of_one_container_is_fine(mock, sagemaker):
    """A model of one container is fit, however it was written down."""
    sagemaker.create_model(**model(f"model-{SHADOW}", containers=1))

    sagemaker.create_inference_experiment(**create())

    assert mock.experiments[NAME]["Status"] == "Running"


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Failed", "Deleting"])
def test_an_endpoint_must_be_in_service(hosting, sagemaker, status):
    """A test begins on an endpoint that is in service, or on one that is not there at all."""
    bring_to(hosting, status)

    with refused(hosting):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))


def test_a_refused_test_holds_no_endpoint(hosting, sagemaker):
    """An endpoint that was refused for a test is as free as it was, and fit once it is in service."""
    bring_to(hosting, "RollingBack")
    with refused(hosting):
        sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))
    hosting.clock.advance(days=1)

    sagemaker.create_inference_experiment(**create("another", EndpointName=ENDPOINT))
    hosting.advance_until("another", "Running")
    sagemaker.stop_inference_experiment(**stop("another"))
    hosting.advance_until("another", "Cancelled")

    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


# --- strictly


@pytest.fixture
def strict(clock):
    """An active mock that presumes no model."""
    with mock_inference_experiment(clock=clock, strict=True) as mock:
        yield mock


@pytest.mark.parametrize("missing", [PRODUCTION, SHADOW])
def test_a_strict_mock_presumes_no_model(strict, sagemaker, missing):
    """With strict=True both models must have been created, at Create and at Update; the refusal is in AWS's words."""
    for role in (PRODUCTION, SHADOW):
        sagemaker.create_model(**model(f"model-{role}"))
    sagemaker.create_inference_experiment(**create("other", Schedule=LATER))
    models = [variant(name, f"missing-{name}" if name == missing else None) for name in (PRODUCTION, SHADOW)]

    with refused(strict) as at_create:
        sagemaker.create_inference_experiment(**create(ModelVariants=models))
    with refused(strict) as at_update:
        sagemaker.update_inference_experiment(Name="other", ModelVariants=models)

    message = f'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/missing-{missing}".'
    for caught in (at_create, at_update):
        assert caught.value.response["Error"]["Message"] == message


def test_a_deleted_model_is_missing(strict, sagemaker):
    """In strict mode a model that was deleted is as unknown as one that never was; what runs goes on."""
    for role in (PRODUCTION, SHADOW):
        sagemaker.create_model(**model(f"model-{role}"))
    sagemaker.create_inference_experiment(**create())
    sagemaker.delete_model(ModelName=f"model-{SHADOW}")

    with refused(strict):
        sagemaker.create_inference_experiment(**create("second"))

    sagemaker.update_inference_experiment(Name=NAME, Description="still the same models")
    assert strict.experiments[NAME]["Status"] == "Running"
