"""Instance types that the installed botocore does not know yet are accepted wherever a request has one."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.operations.shared import at
from tests.requests import CONFIG, NAME, PRODUCTION, SHADOW, create, deployed, endpoint_config, stop, variant

NEWER, MISSPELT = "ml.m9g.4xlarge", "ml.m5.xlrage"


def create_experiment(sagemaker, instance_type):
    variants = [variant(PRODUCTION, instance_type=instance_type), variant(SHADOW)]
    sagemaker.create_inference_experiment(**create(ModelVariants=variants))


def update_experiment(sagemaker, instance_type):
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1)}))
    variants = [variant(PRODUCTION, instance_type=instance_type), variant(SHADOW)]
    sagemaker.update_inference_experiment(Name=NAME, ModelVariants=variants)


def stop_experiment(sagemaker, instance_type):
    sagemaker.create_inference_experiment(**create())
    sagemaker.stop_inference_experiment(**stop(DesiredModelVariants=[variant(PRODUCTION, instance_type=instance_type)]))


def create_config(sagemaker, instance_type):
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed(InstanceType=instance_type)))


def create_config_with_a_shadow(sagemaker, instance_type):
    shadows = [deployed(SHADOW, InstanceType=instance_type)]
    sagemaker.create_endpoint_config(**endpoint_config(ShadowProductionVariants=shadows))


def create_config_with_pools(sagemaker, instance_type):
    variant_shape = sagemaker.meta.service_model.shape_for("ProductionVariant")
    if "InstancePools" not in variant_shape.members:
        pytest.skip("this botocore does not know InstancePools")
    pools = [{"InstanceType": instance_type, "Priority": 1}]
    sagemaker.create_endpoint_config(**endpoint_config(CONFIG, deployed(InstanceType=None, InstancePools=pools)))


every_request = pytest.mark.parametrize(
    "request_with",
    [
        create_experiment,
        update_experiment,
        stop_experiment,
        create_config,
        create_config_with_a_shadow,
        create_config_with_pools,
    ],
)


@every_request
def test_a_newer_instance_type_is_accepted(mock, sagemaker, request_with):
    """A client of an older botocore can use the types that AWS has added since."""
    request_with(sagemaker, NEWER)


@every_request
def test_a_misspelt_instance_type_is_refused(mock, sagemaker, request_with):
    """It has not the form of an instance type."""
    with pytest.raises(ClientError, match=rf"ValidationException.*'{MISSPELT}' at .*enum value set"):
        request_with(sagemaker, MISSPELT)
