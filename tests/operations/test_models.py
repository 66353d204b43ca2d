"""CreateModel, DescribeModel and DeleteModel: Describe returns every member of a model; invalid models are refused."""

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
    """Return a function that returns a shape of botocore's model by its name."""
    return sagemaker.meta.service_model.shape_for


def test_describe_returns_every_member_of_create_except_tags(shape):
    """DescribeModel has every member of CreateModel except Tags, so the next test checks all members."""
    assert shape("CreateModelInput").members.keys() - shape("DescribeModelOutput").members.keys() == {"Tags"}


@pytest.fixture(scope="module")
def create_requests(shape):
    """Return a strategy for valid CreateModel requests with either PrimaryContainer or Containers, without tags."""
    request = shapes.values(
        shape("CreateModelInput"),
        known={"ContainerDefinitionList": st.nothing(), "TagList": st.nothing()},
    )
    one_container = request.map(lambda request: {"PrimaryContainer": {}, **request})
    containers = shapes.values(shape("ContainerDefinitionList")).filter(bool)
    return one_container | st.builds(with_containers, request, containers)


def with_containers(request, containers):
    """Return the request with these Containers instead of its PrimaryContainer."""
    return {name: value for name, value in request.items() if name != "PrimaryContainer"} | {"Containers": containers}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_model_is_described_as_it_was_created(sagemaker, create_requests, data):
    """DescribeModel returns every member as it was given, and the defaults of members that were not given."""
    request = data.draw(create_requests)

    with mock_inference_experiment():
        sagemaker.create_model(**request)
        described = MODELS.describe(sagemaker, request["ModelName"])

    own = {member: described[member] for member in ("ModelArn", "CreationTime")}
    assert {"EnableNetworkIsolation": False, **with_container_defaults(request), **own} == described


def with_container_defaults(request):
    """Return the request with the defaults of its containers."""
    defaults = {"Mode": "SingleModel", "Environment": {}}
    if "PrimaryContainer" in request:
        return {**request, "PrimaryContainer": {**defaults, **request["PrimaryContainer"]}}
    return {**request, "Containers": [{**defaults, **container} for container in request["Containers"]]}


@pytest.mark.parametrize("member", ["PrimaryContainer", "Containers"])
def test_describe_model_shows_defaults(mock, sagemaker, member):
    """A model of images alone has no network isolation, and each container serves one model without environment."""
    image = {"Image": "ranker:1"}
    sagemaker.create_model(ModelName=MODEL, **{member: image if member == "PrimaryContainer" else [image, image]})

    described = MODELS.describe(sagemaker, MODEL)

    container = {**image, "Mode": "SingleModel", "Environment": {}}
    assert described["EnableNetworkIsolation"] is False
    assert described[member] == (container if member == "PrimaryContainer" else [container, container])


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"Containers": []},
        {"PrimaryContainer": {"Image": "ranker:1"}, "Containers": [{"Image": "ranker:1"}]},
    ],
    ids=["neither", "empty Containers", "both"],
)
def test_a_model_has_either_primary_container_or_containers(mock, sagemaker, contents):
    """A request with both PrimaryContainer and Containers, or with neither, is refused."""
    with refused(mock):
        sagemaker.create_model(ModelName=MODEL, **contents)


def test_a_constraint_inside_a_container_is_checked(mock, sagemaker):
    """The constraints of botocore's model apply to the members of a container."""
    with refused(mock) as caught:
        sagemaker.create_model(**model(mode="SomeModel"))

    assert "'primaryContainer.mode'" in str(caught.value)


def test_delete_model_does_not_change_an_endpoint(mock, sagemaker):
    """DeleteModel changes no endpoint that serves the model."""
    sagemaker.create_model(**model(f"model-{PRODUCTION}"))
    serve(sagemaker, deployed(PRODUCTION))
    before = sagemaker.describe_endpoint(EndpointName=ENDPOINT)

    sagemaker.delete_model(ModelName=f"model-{PRODUCTION}")

    after = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert after["EndpointStatus"] == "InService"
    assert after["ProductionVariants"] == before["ProductionVariants"]


def test_deployed_images_shows_the_image_and_the_time(slow_hosting_mock, sagemaker):
    """DeployedImages shows the image and the start of its deployment; a model that was never created has none."""
    request = model(f"model-{PRODUCTION}")
    sagemaker.create_model(**request)
    slow_hosting_mock.clock.advance(days=1)
    serve(sagemaker, deployed(PRODUCTION), ShadowProductionVariants=[deployed("shadow")])
    created = slow_hosting_mock.clock.now()

    slow_hosting_mock.clock.advance(days=1)

    shown = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    (production,), (shadow,) = shown["ProductionVariants"], shown["ShadowProductionVariants"]
    (image,) = production["DeployedImages"]
    assert image["SpecifiedImage"] == request["PrimaryContainer"]["Image"]
    assert image["ResolutionTime"] == created
    assert "DeployedImages" not in shadow
