"""A valid request for every operation of the mock, and the requests that create the resources for them."""

from __future__ import annotations

import datetime as dt

from mock_sagemaker_ie.calls import INVOKE_ENDPOINT, INVOKE_STREAM
from tests.conftest import START
from tests.requests import CONFIG, ENDPOINT, MODEL, NAME, PRODUCTION, create, deployed, endpoint_config, model, stop

TAGS = [{"Key": "team", "Value": "search"}]
STORAGE = {"Destination": "s3://bucket/captured", "ContentType": {"CsvContentTypes": ["text/csv"]}}
CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
WEIGHTS = [{"VariantName": PRODUCTION, "DesiredWeight": 3.0, "DesiredInstanceCount": 2}]

# Requests that create one resource of each kind; the experiment starts tomorrow.
PREPARATIONS = (
    ("CreateModel", model()),
    ("CreateEndpointConfig", endpoint_config(CONFIG, deployed(), DataCaptureConfig=CAPTURE)),
    ("CreateEndpoint", {"EndpointName": ENDPOINT, "EndpointConfigName": CONFIG}),
    (
        "CreateInferenceExperiment",
        create(Schedule={"StartTime": START + dt.timedelta(days=1)}, Tags=TAGS, DataStorageConfig=STORAGE),
    ),
)

# Each request succeeds after the PREPARATIONS, and contains lists and dicts where the operation allows them.
REQUESTS = {
    "CreateModel": model("another", containers=2) | {"Tags": TAGS},
    "DescribeModel": {"ModelName": MODEL},
    "ListModels": {"NameContains": "m"},
    "DeleteModel": {"ModelName": MODEL},
    "CreateEndpointConfig": endpoint_config("another", deployed(), Tags=TAGS, DataCaptureConfig=CAPTURE),
    "DescribeEndpointConfig": {"EndpointConfigName": CONFIG},
    "ListEndpointConfigs": {"NameContains": "c"},
    "DeleteEndpointConfig": {"EndpointConfigName": CONFIG},
    "CreateEndpoint": {"EndpointName": "another", "EndpointConfigName": CONFIG, "Tags": TAGS},
    "DescribeEndpoint": {"EndpointName": ENDPOINT},
    "ListEndpoints": {"NameContains": "e"},
    "UpdateEndpoint": {
        "EndpointName": ENDPOINT,
        "EndpointConfigName": CONFIG,
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
        "DeploymentConfig": {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "latency"}]}},
    },
    "UpdateEndpointWeightsAndCapacities": {"EndpointName": ENDPOINT, "DesiredWeightsAndCapacities": WEIGHTS},
    "DeleteEndpoint": {"EndpointName": ENDPOINT},
    "CreateInferenceExperiment": create("another", Tags=TAGS, DataStorageConfig=STORAGE),
    "DescribeInferenceExperiment": {"Name": NAME},
    "ListInferenceExperiments": {"NameContains": "e"},
    "UpdateInferenceExperiment": {
        "Name": NAME,
        "Schedule": {"EndTime": START + dt.timedelta(days=3)},
        "ModelVariants": create()["ModelVariants"],
        "ShadowModeConfig": create()["ShadowModeConfig"],
        "DataStorageConfig": STORAGE,
    },
    "StartInferenceExperiment": {"Name": NAME},
    "StopInferenceExperiment": stop(DesiredModelVariants=create()["ModelVariants"][:1]),
    "DeleteInferenceExperiment": {"Name": NAME},
    "AddTags": {"ResourceArn": ARN, "Tags": [{"Key": "stage", "Value": "beta"}]},
    "ListTags": {"ResourceArn": ARN},
    "DeleteTags": {"ResourceArn": ARN, "TagKeys": ["team"]},
    INVOKE_ENDPOINT: {"EndpointName": ENDPOINT, "Body": b"1,2", "ContentType": "text/csv"},
    INVOKE_STREAM: {"EndpointName": ENDPOINT, "Body": b"1,2", "ContentType": "text/csv"},
}
