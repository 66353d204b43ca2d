"""CreateModel, DescribeModel and DeleteModel: what a model has is kept and described back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import mock_inference_experiment
from tests import shapes
from tests.hosting import MODELS, refused, serve
from tests.requests import ENDPOINT, MODEL, PRODUCTION, deployed, model


@pytest.fixture(scope="module")
def shape(sagemaker):
    """A shape of botocore's model, by its name."""
    return sagemaker.meta.service_model.shape_for


def test_describe_forgets_no_member_but_tags(shape):
    """AWS describes back whatever CreateModel takes, so the next test looks at all there is."""
    assert shape("CreateModelInput").members.keys() - shape("DescribeModelOutput").members.keys() == {"Tags"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_model_is_described_as_it_was_created(sagemaker, shape, data):
    """Every member of a valid request comes back as it was given, and no other comes with it."""
    request = data.draw(shapes.values(shape("CreateModelInput"), known={"ContainerDefinitionList": st.nothing()}))
    containers = data.draw(shapes.values(shape("ContainerDefinitionList")))
    if containers and data.draw(st.booleans(), label="of several containers"):
        request["Containers"] = containers
        request.pop("PrimaryContainer", None)
    else:
        request.setdefault("PrimaryContainer", {})
    request.pop("Tags", None)

    with mock_inference_experiment():
        sagemaker.create_model(**request)
        described = MODELS.describe(sagemaker, request["ModelName"])

    assert {**request, "ModelArn": described["ModelArn"], "CreationTime": described["CreationTime"]} == described


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"Containers": []},
        {"PrimaryContainer": {"Image": "ranker:1"}, "Containers": [{"Image": "ranker:1"}]},
    ],
    ids=["neither", "no container", "both"],
)
def test_a_model_is_of_one_container_or_of_several(mock, sagemaker, contents):
    """PrimaryContainer and Containers are each other's alternative: none of them, and both, are refused."""
    with refused(mock):
        sagemaker.create_model(ModelName=MODEL, **contents)


def test_a_constraint_inside_a_container_is_checked(mock, sagemaker):
    """A container's members obey botocore's model."""
    with refused(mock) as caught:
        sagemaker.create_model(**model(mode="SomeModel"))

    assert "'primaryContainer.mode'" in str(caught.value)


def test_what_is_deployed_outlives_its_model(mock, sagemaker):
    """DeleteModel changes no endpoint and no endpoint configuration."""
    sagemaker.create_model(**model(f"model-{PRODUCTION}"))
    serve(sagemaker, deployed(PRODUCTION))
    before = sagemaker.describe_endpoint(EndpointName=ENDPOINT)

    sagemaker.delete_model(ModelName=f"model-{PRODUCTION}")

    after = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert after["EndpointStatus"] == "InService"
    assert after["ProductionVariants"] == before["ProductionVariants"]


def test_the_image_of_a_model_is_shown_where_it_is_deployed(hosting, sagemaker):
    """DeployedImages says which image was deployed, and when that began; a presumed model has none."""
    request = model(f"model-{PRODUCTION}")
    sagemaker.create_model(**request)
    hosting.clock.advance(days=1)
    serve(sagemaker, deployed(PRODUCTION), ShadowProductionVariants=[deployed("shadow")])
    created = hosting.clock.now()

    hosting.clock.advance(days=1)

    shown = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    (production,), (shadow,) = shown["ProductionVariants"], shown["ShadowProductionVariants"]
    (image,) = production["DeployedImages"]
    assert image["SpecifiedImage"] == request["PrimaryContainer"]["Image"]
    assert image["ResolutionTime"] == created
    assert "DeployedImages" not in shadow
