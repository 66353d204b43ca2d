"""CreateEndpointConfig: Describe and endpoints show every member of a configuration; invalid variants are refused."""

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
    """Return a function that returns a shape of botocore's model by its name."""
    return sagemaker.meta.service_model.shape_for


@pytest.fixture(scope="module")
def create_requests(shape):
    """Return a strategy for valid CreateEndpointConfig requests without tags.

    They have one production variant, and at most one shadow variant.
    """
    variant = shapes.values(shape("ProductionVariant")).map(serverless_or_instances)
    request = shapes.values(
        shape("CreateEndpointConfigInput"),
        known={"ProductionVariantList": variant.map(lambda variant: [variant]), "TagList": st.nothing()},
    )
    return request.map(with_unique_variant_names).map(with_supported_shadow)


def with_supported_shadow(request):
    """Return the request without its shadow variant if a shadow variant is not supported beside the other members."""
    listed = [variant for member in VARIANT_LISTS for variant in request.get(member, ())]
    if "AsyncInferenceConfig" in request or any("ServerlessConfig" in each or "inf1" in str(each) for each in listed):
        return {member: value for member, value in request.items() if member != "ShadowProductionVariants"}
    return request


def with_unique_variant_names(request):
    """Return the request with each variant named after its list."""
    lists = {member: request[member] for member in VARIANT_LISTS if member in request}
    return {
        **request,
        **{member: [{**variant, "VariantName": member} for variant in lists[member]] for member in lists},
    }


def serverless_or_instances(variant):
    """Return the variant as either a serverless or an instance variant, of a model or of inference components."""
    if "ManagedInstanceScaling" in variant:
        variant.pop("ModelName", None)
    if "ServerlessConfig" in variant:
        serverless = variant["ServerlessConfig"]
        serverless["MemorySizeInMB"] = serverless["MemorySizeInMB"] // 1024 * 1024
        if "ProvisionedConcurrency" in serverless:
            serverless["ProvisionedConcurrency"] = min(
                serverless["ProvisionedConcurrency"], serverless["MaxConcurrency"]
            )
        return {name: value for name, value in variant.items() if name not in ("InstanceType", "InstancePools")}
    return {"InstanceType": "ml.m5.xlarge", **variant}


def shared_members(one, other):
    """Return the names of the members that two structures share, with the same shape."""
    return {
        name for name, shape in one.members.items() if name in other.members and other.members[name].name == shape.name
    }


def assert_same(shown, given, members):
    """Assert that these members are shown as they were given."""
    assert {name: shown[name] for name in members if name in shown} == {
        name: given[name] for name in members if name in given
    }


with_few_examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_describe_returns_every_member_of_create_except_tags(shape):
    """DescribeEndpointConfig has every member of CreateEndpointConfig but Tags, so the next test checks all members."""
    taken, shown = shape("CreateEndpointConfigInput"), shape("DescribeEndpointConfigOutput")

    assert taken.members.keys() - shared_members(taken, shown) == {"Tags"}


@with_few_examples
@given(data=st.data())
def test_a_configuration_is_described_as_it_was_created(sagemaker, create_requests, data):
    """DescribeEndpointConfig returns every member as it was given; a weight that was left out is 1."""
    request = data.draw(create_requests)

    with mock_inference_experiment():
        sagemaker.create_endpoint_config(**request)
        described = ENDPOINT_CONFIGS.describe(sagemaker, request["EndpointConfigName"])

    for member in VARIANT_LISTS:
        for variant in request.get(member, ()):
            variant.setdefault("InitialVariantWeight", 1.0)
    own = {member: described[member] for member in ("EndpointConfigArn", "CreationTime")}
    assert described == {**request, **own}


@with_few_examples
@given(data=st.data())
def test_an_endpoint_shows_its_configuration(sagemaker, shape, create_requests, data):
    """DescribeEndpoint shows every member that its shapes share with the configuration and with its variants."""
    request = data.draw(create_requests)

    with mock_inference_experiment():
        sagemaker.create_endpoint_config(**request)
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=request["EndpointConfigName"])
        shown = endpoint(sagemaker)

    assert_same(shown, request, shared_members(shape("CreateEndpointConfigInput"), shape("DescribeEndpointOutput")))
    variant_members = shared_members(shape("ProductionVariant"), shape("ProductionVariantSummary"))
    for member in VARIANT_LISTS:
        assert len(shown.get(member, [])) == len(request.get(member, []))
        for summary, variant in zip(shown.get(member, []), request.get(member, []), strict=True):
            assert_same(summary, variant, variant_members)
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
def test_an_endpoint_shows_its_data_capture(mock, sagemaker, given, shown):
    """DataCaptureConfig of an endpoint shows the capture status, the sampling percentage and the destination."""
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


def test_instances_are_in_the_pool_of_the_first_priority(mock, sagemaker, shape):
    """A variant with instance pools has all its instances in the pool with Priority 1."""
    if "InstancePools" not in shape("ProductionVariant").members:
        pytest.skip("this version of botocore has no instance pools")
    pools = [{"InstanceType": "ml.m5.large", "Priority": 2}, {"InstanceType": "ml.m5.xlarge", "Priority": 1}]

    serve(sagemaker, deployed(InstanceType=None, InstancePools=pools, InitialInstanceCount=3))

    (variant,) = endpoint(sagemaker)["ProductionVariants"]
    counts = {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in variant["InstancePools"]}
    assert counts == {"ml.m5.large": 0, "ml.m5.xlarge": 3}


# --- invalid and valid variants


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
        "two production variants with a shadow",
        "two shadows",
        "one name for two production variants",
        "one name for production and shadow",
        "serverless with an instance type",
        "no instance type",
        "unknown instance type",
        "eleven variants",
    ],
)
def test_invalid_variants_are_refused(mock, sagemaker, config):
    """An invalid combination of variants is refused.

    A shadow needs exactly one production variant, names are unique, a variant is either serverless or has a known
    instance type, and ten variants are the maximum.
    """
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
def test_valid_variants_are_accepted(mock, sagemaker, production):
    """Several production variants, a serverless one, and one without a model (for inference components) are valid."""
    serve(sagemaker, *production)

    assert variants(endpoint(sagemaker)).keys() == {variant["VariantName"] for variant in production}


# --- strict mode


def test_unknown_models_are_accepted_by_default(mock, sagemaker):
    """By default a configuration may name a model that was never created."""
    serve(sagemaker, deployed(ModelName="unknown-model"))

    assert endpoint(sagemaker)["EndpointStatus"] == "InService"


def test_a_strict_mock_refuses_unknown_models(strict_mock, sagemaker):
    """With strict=True every model must exist, the shadow's too; the error names the model's ARN, as AWS does."""
    sagemaker.create_model(**model("model-prod"))
    request = endpoint_config(ShadowProductionVariants=[deployed(SHADOW)])

    with refused(strict_mock) as caught:
        sagemaker.create_endpoint_config(**request)
    sagemaker.create_model(**model("model-shadow"))
    sagemaker.create_endpoint_config(**request)

    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/model-shadow"
    assert caught.value.response["Error"]["Message"] == f'Could not find model "{arn}".'
    assert list(ENDPOINT_CONFIGS.all(sagemaker)) == [CONFIG]


# --- unsupported combinations


@pytest.mark.parametrize("member", VARIANT_LISTS)
def test_managed_instance_scaling_is_for_inference_components(mock, sagemaker, member):
    """A variant with ManagedInstanceScaling has no ModelName (the text is AWS's)."""
    scaling = {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}}
    request = endpoint_config(CONFIG, **{member: [deployed(SHADOW, **scaling)]})

    with refused(mock) as caught:
        sagemaker.create_endpoint_config(**request)
    del request[member][0]["ModelName"]
    sagemaker.create_endpoint_config(**request)

    message = caught.value.response["Error"]["Message"]
    assert message == "ManagedInstanceScaling is only supported for inference component endpoints."


@pytest.mark.parametrize("memory", [1111, 1025, 2047, 6143])
def test_serverless_memory_comes_in_steps_of_1024(mock, sagemaker, memory):
    """A MemorySizeInMB between two steps is refused."""
    serverless = {"ServerlessConfig": {"MemorySizeInMB": memory, "MaxConcurrency": 5}}

    with refused(mock) as caught:
        serve(sagemaker, deployed(**{**ON_DEMAND, **serverless}))

    assert f"Value '{memory}' at 'productionVariants.1.member.serverlessConfig.memorySizeInMB'" in str(caught.value)


def test_provisioned_concurrency_is_at_most_max_concurrency(mock, sagemaker):
    """More provisioned than concurrent invocations are refused."""
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 6}}

    with refused(mock):
        serve(sagemaker, deployed(**{**ON_DEMAND, **serverless}))


@pytest.mark.parametrize(
    ("unsupported", "trait"),
    [
        ({"production": ON_DEMAND}, "serverless"),
        ({"shadow": ON_DEMAND}, "serverless"),
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/answers"}}}, "asynchronous"),
        ({"production": {"ModelName": "multi-model"}}, "multi-model"),
        ({"shadow": {"ModelName": "multi-model"}}, "multi-model"),
        ({"shadow": {"ModelName": "multi-container"}}, "multi-container"),
        ({"production": {"InstanceType": "ml.inf1.xlarge"}}, "on ml.inf1 instances"),
        ({"shadow": {"InstanceType": "ml.inf1.24xlarge"}}, "on ml.inf1 instances"),
    ],
)
def test_a_shadow_variant_needs_real_time_variants_of_one_model(mock, sagemaker, unsupported, trait):
    """The same endpoints are possible without a shadow variant, or with variants that are supported."""
    sagemaker.create_model(**model("multi-model", mode="MultiModel"))
    sagemaker.create_model(**model("multi-container", containers=2))
    production, shadow = (
        deployed(**unsupported.pop("production", {})),
        deployed(SHADOW, **unsupported.pop("shadow", {})),
    )
    shadows = {"ShadowProductionVariants": [shadow]}

    with refused(mock) as caught:
        sagemaker.create_endpoint_config(**endpoint_config(CONFIG, production, **shadows, **unsupported))
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, production, **unsupported))

    assert caught.value.response["Error"]["Message"] == (
        "Shadow variants are not supported for endpoint configuration "
        f'"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{CONFIG}": it is {trait}.'
    )
