"""CreateEndpointConfig: all that a configuration has is kept, and shown by it and by its endpoints."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import mock_inference_experiment
from tests import shapes
from tests.hosting import ENDPOINT_CONFIGS, VARIANT_LISTS, endpoint, refused, serve, variants
from tests.requests import CONFIG, ENDPOINT, SHADOW, deployed, endpoint_config, model

ON_DEMAND = {
    "InstanceType": None,
    "InitialInstanceCount": None,
    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
}


@pytest.fixture(scope="module")
def shape(sagemaker):
    """A shape of botocore's model, by its name."""
    return sagemaker.meta.service_model.shape_for


@pytest.fixture(scope="module")
def requests(shape):
    """Valid CreateEndpointConfig requests without tags: one production variant, one shadow variant or none."""
    variant = shapes.values(shape("ProductionVariant")).map(on_one_kind_of_machine)
    request = shapes.values(
        shape("CreateEndpointConfigInput"),
        known={"ProductionVariantList": variant.map(lambda variant: [variant]), "TagList": st.nothing()},
    )
    return request.map(with_different_names)


def with_different_names(request):
    """The request, its variants named after the lists that they are in."""
    lists = {member: request[member] for member in VARIANT_LISTS if member in request}
    return {
        **request,
        **{member: [{**variant, "VariantName": member} for variant in lists[member]] for member in lists},
    }


def on_one_kind_of_machine(variant):
    """The variant, either serverless or on instances."""
    if "ServerlessConfig" in variant:
        return {name: value for name, value in variant.items() if name not in ("InstanceType", "InstancePools")}
    return {"InstanceType": "ml.m5.xlarge", **variant}


def common(one, other):
    """The names of the members that two structures share, shapes included."""
    return {
        name for name, shape in one.members.items() if name in other.members and other.members[name].name == shape.name
    }


def assert_same(shown, given, members):
    """What is shown has these members as given."""
    assert {name: shown[name] for name in members if name in shown} == {
        name: given[name] for name in members if name in given
    }


many = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_describe_forgets_no_member_but_tags(shape):
    """AWS describes back whatever CreateEndpointConfig takes, so the next test looks at all there is."""
    taken, shown = shape("CreateEndpointConfigInput"), shape("DescribeEndpointConfigOutput")

    assert taken.members.keys() - common(taken, shown) == {"Tags"}


@many
@given(data=st.data())
def test_a_configuration_is_described_as_it_was_created(sagemaker, requests, data):
    """Every member of a valid request comes back as it was given; a weight left out is 1."""
    request = data.draw(requests)

    with mock_inference_experiment():
        sagemaker.create_endpoint_config(**request)
        described = ENDPOINT_CONFIGS.describe(sagemaker, request["EndpointConfigName"])

    for member in VARIANT_LISTS:
        for variant in request.get(member, ()):
            variant.setdefault("InitialVariantWeight", 1.0)
    own = {member: described[member] for member in ("EndpointConfigArn", "CreationTime")}
    assert described == {**request, **own}


@many
@given(data=st.data())
def test_an_endpoint_shows_its_configuration(sagemaker, shape, requests, data):
    """DescribeEndpoint shows what its shapes share with the configuration's, of the whole and of each variant."""
    request = data.draw(requests)

    with mock_inference_experiment():
        sagemaker.create_endpoint_config(**request)
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=request["EndpointConfigName"])
        shown = endpoint(sagemaker)

    assert_same(shown, request, common(shape("CreateEndpointConfigInput"), shape("DescribeEndpointOutput")))
    of_a_variant = common(shape("ProductionVariant"), shape("ProductionVariantSummary"))
    for member in VARIANT_LISTS:
        assert len(shown.get(member, [])) == len(request.get(member, []))
        for summary, variant in zip(shown.get(member, []), request.get(member, []), strict=True):
            assert_same(summary, variant, of_a_variant)
            assert summary["CurrentWeight"] == variant.get("InitialVariantWeight", 1)
            assert summary.get("CurrentInstanceCount") == variant.get("InitialInstanceCount")
            assert summary.get("CurrentServerlessConfig") == variant.get("ServerlessConfig")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, {"EnableCapture": True, "CaptureStatus": "Started", "KmsKeyId": ""}),
        ({"EnableCapture": True, "KmsKeyId": "key"}, {"CaptureStatus": "Started", "KmsKeyId": "key"}),
        ({"EnableCapture": False}, {"EnableCapture": False, "CaptureStatus": "Stopped"}),
    ],
    ids=["by default", "with a key", "switched off"],
)
def test_an_endpoint_sums_up_its_data_capture(mock, sagemaker, given, shown):
    """DataCaptureConfig of an endpoint says whether capture goes on, how much of the traffic and where to."""
    capture = {
        "InitialSamplingPercentage": 30,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }

    serve(sagemaker, DataCaptureConfig={**capture, **given})

    summary = endpoint(sagemaker)["DataCaptureConfig"]
    assert shown.items() <= summary.items()
    assert summary["CurrentSamplingPercentage"] == 30
    assert summary["DestinationS3Uri"] == capture["DestinationS3Uri"]


def test_instances_come_from_the_first_pool(mock, sagemaker, shape):
    """A variant of instance pools has its instances in the pool of the first priority."""
    if "InstancePools" not in shape("ProductionVariant").members:
        pytest.skip("this botocore knows no instance pools")
    pools = [{"InstanceType": "ml.m5.large", "Priority": 2}, {"InstanceType": "ml.m5.xlarge", "Priority": 1}]

    serve(sagemaker, deployed(InstanceType=None, InstancePools=pools, InitialInstanceCount=3))

    (variant,) = endpoint(sagemaker)["ProductionVariants"]
    counts = {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in variant["InstancePools"]}
    assert counts == {"ml.m5.large": 0, "ml.m5.xlarge": 3}


# --- what is refused


@pytest.mark.parametrize(
    "config",
    [
        endpoint_config(CONFIG, deployed("a"), deployed("b"), ShadowProductionVariants=[deployed(SHADOW)]),
        endpoint_config(ShadowProductionVariants=[deployed("a"), deployed("b")]),
        endpoint_config(CONFIG, deployed("a"), deployed("a")),
        endpoint_config(CONFIG, deployed("a"), ShadowProductionVariants=[deployed("a")]),
        endpoint_config(CONFIG, deployed(**{**ON_DEMAND, "InstanceType": "ml.m5.xlarge"})),
        endpoint_config(CONFIG, deployed(InstanceType=None)),
        endpoint_config(CONFIG, deployed(InstanceType="ml.m5")),
        endpoint_config(CONFIG, *(deployed(f"variant-{number}") for number in range(11))),
    ],
    ids=[
        "two beside a shadow",
        "two shadows",
        "a name twice",
        "a shadow's name twice",
        "serverless on instances",
        "on nothing",
        "on an unknown type",
        "too many",
    ],
)
def test_variants_that_do_not_fit_are_refused(mock, sagemaker, config):
    """One production variant to a shadow, names that differ, serverless or a type of instance, ten at most."""
    with refused(mock):
        sagemaker.create_endpoint_config(**config)


@pytest.mark.parametrize(
    "production",
    [
        [deployed("a"), deployed("b")],
        [deployed(**ON_DEMAND)],
        [deployed(ModelName=None)],
    ],
    ids=["several production variants", "serverless", "without a model"],
)
def test_what_aws_takes_is_taken(mock, sagemaker, production):
    """Several production variants, a serverless one, and one whose models come as inference components, are fine."""
    serve(sagemaker, *production)

    assert variants(endpoint(sagemaker)).keys() == {variant["VariantName"] for variant in production}


# --- models, strictly


@pytest.fixture
def strict(clock):
    """An active mock that presumes no model."""
    with mock_inference_experiment(clock=clock, strict=True) as mock:
        yield mock


def test_models_are_presumed(mock, sagemaker):
    """By default a configuration may name a model that nobody created."""
    serve(sagemaker, deployed(ModelName="unheard-of"))

    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


def test_a_strict_mock_presumes_no_model(strict, sagemaker):
    """With strict=True a model must have been created, the shadow's too; the refusal names its ARN, as AWS does."""
    sagemaker.create_model(**model("model-prod"))
    request = endpoint_config(ShadowProductionVariants=[deployed(SHADOW)])

    with refused(strict) as caught:
        sagemaker.create_endpoint_config(**request)
    sagemaker.create_model(**model("model-shadow"))
    sagemaker.create_endpoint_config(**request)

    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/model-shadow"
    assert caught.value.response["Error"]["Message"] == f'Could not find model "{arn}".'
    assert list(ENDPOINT_CONFIGS.all(sagemaker)) == [CONFIG]
