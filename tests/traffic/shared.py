"""Helpers for the traffic tests: create an endpoint or an experiment, invoke, and read metrics and stored captures."""

from __future__ import annotations

import json
from typing import Any

from tests.requests import ENDPOINT, SHADOW, create, deployed, endpoint_config, shadow_mode

BUCKET = "captured"
DESTINATION = f"s3://{BUCKET}/traffic"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def create_endpoint(sagemaker: Any, *production: dict[str, Any], endpoint: str = ENDPOINT, **config: Any) -> None:
    """Create an endpoint and its endpoint configuration, which has the same name."""
    sagemaker.create_endpoint_config(**endpoint_config(endpoint, *production, **config))
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)


def shadow_variants(weight: float = 1.0, **members: Any) -> dict[str, Any]:
    """Return the members of an endpoint configuration that add a shadow variant."""
    return {"ShadowProductionVariants": [deployed(SHADOW, InitialVariantWeight=weight, **members)]}


def data_capture(percentage: int = 100, **members: Any) -> dict[str, Any]:
    """Return the members of an endpoint configuration that turn on data capture."""
    config = {
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": DESTINATION,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        **members,
    }
    return {"DataCaptureConfig": config}


def create_experiment(sagemaker: Any, *, percentage: int = 100, **changes: Any) -> None:
    """Create an experiment on ENDPOINT, which starts immediately."""
    mode = shadow_mode(percentage=percentage)
    sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT, ShadowModeConfig=mode, **changes))


def invoke(runtime: Any, body: Any = b"1,2,3", *, endpoint: str = ENDPOINT, **members: Any) -> dict[str, Any]:
    """Invoke the endpoint and return its answer, with the body as bytes."""
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **members)
    return {**answer, "Body": answer["Body"].read()}


def invoke_times(runtime: Any, times: int, **members: Any) -> list[str]:
    """Invoke the endpoint `times` times and return the names of the variants that answered."""
    return [invoke(runtime, **members)["InvokedProductionVariant"] for _ in range(times)]


def metric_sums(mock: Any, metric: str = "Invocations", endpoint: str = ENDPOINT) -> dict[str, float]:
    """Return the sum of a metric since the mock started, by variant."""
    sums: dict[str, float] = {}
    for point in mock.metrics:
        if (point.name, point.endpoint) == (metric, endpoint):
            sums[point.variant] = sums.get(point.variant, 0) + point.sum
    return sums


def stored_lines(s3: Any) -> dict[str, list[str]]:
    """Return the lines of every object in BUCKET, by key."""
    objects = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    keys = [each["Key"] for each in objects]
    return {key: split_lines(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys}


def split_lines(content: bytes) -> list[str]:
    """Return the lines of a capture file; check that each is a JSON record and ends with a newline."""
    assert content.endswith(b"\n")
    lines = content.decode().split("\n")[:-1]
    assert all(json.loads(line) for line in lines)
    return lines
