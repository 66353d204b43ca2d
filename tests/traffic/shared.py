"""What the tests of traffic share: an endpoint, an experiment that runs on it, invocations, and a look at both."""

from __future__ import annotations

import json
from typing import Any

from tests.requests import ENDPOINT, SHADOW, create, deployed, endpoint_config, shadow_mode

BUCKET = "captured"
DESTINATION = f"s3://{BUCKET}/traffic"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def serve(sagemaker: Any, *production: dict[str, Any], endpoint: str = ENDPOINT, **config: Any) -> None:
    """Create an endpoint, of a configuration of the same name."""
    sagemaker.create_endpoint_config(**endpoint_config(endpoint, *production, **config))
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)


def with_shadow(weight: float = 1.0, **members: Any) -> dict[str, Any]:
    """The members of an endpoint configuration by which a shadow gets copies."""
    return {"ShadowProductionVariants": [deployed(SHADOW, InitialVariantWeight=weight, **members)]}


def capturing(percentage: int = 100, **members: Any) -> dict[str, Any]:
    """The members of an endpoint configuration by which an endpoint captures."""
    config = {
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": DESTINATION,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        **members,
    }
    return {"DataCaptureConfig": config}


def launch(sagemaker: Any, *, percentage: int = 100, **changes: Any) -> None:
    """Create an experiment on ENDPOINT, which begins at once."""
    mode = shadow_mode(percentage=percentage)
    sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT, ShadowModeConfig=mode, **changes))


def invoke(runtime: Any, body: Any = b"1,2,3", *, endpoint: str = ENDPOINT, **members: Any) -> dict[str, Any]:
    """Invoke the endpoint and return its answer, with the whole body read."""
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **members)
    return {**answer, "Body": answer["Body"].read()}


def invoke_times(runtime: Any, times: int, **members: Any) -> list[str]:
    """Invoke the endpoint so many times and return which variants answered."""
    return [invoke(runtime, **members)["InvokedProductionVariant"] for _ in range(times)]


def totals(mock: Any, metric: str = "Invocations", endpoint: str = ENDPOINT) -> dict[str, float]:
    """The sum of a metric so far, by variant."""
    sums: dict[str, float] = {}
    for point in mock.metrics:
        if (point.name, point.endpoint) == (metric, endpoint):
            sums[point.variant] = sums.get(point.variant, 0) + point.sum
    return sums


def stored(s3: Any) -> dict[str, list[str]]:
    """The lines of every file in BUCKET, by key."""
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    keys = [each["Key"] for each in listed]
    return {key: lines(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys}


def lines(content: bytes) -> list[str]:
    """The lines of a capture file, each of which must be whole: a record of JSON and its end."""
    assert content.endswith(b"\n")
    found = content.decode().split("\n")[:-1]
    assert all(json.loads(line) for line in found)
    return found
