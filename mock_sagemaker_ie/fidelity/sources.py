"""Where captures and metrics come from on AWS: S3 and CloudWatch."""

from __future__ import annotations

import json
from typing import Any


def captures_in(s3: Any, uri: str, endpoint: str) -> list[dict[str, Any]]:
    """Return the capture records of an endpoint below an S3 URI."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/{endpoint}/".lstrip("/"))
    records = []
    for each in listed.get("Contents", ()):
        body = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode()
        records += [json.loads(line) for line in body.splitlines() if line.strip()]
    return records


def metrics_of(cloudwatch: Any, endpoint: str) -> list[str]:
    """Return the name and the names of the dimensions of each metric of an endpoint, without repetition."""
    listed = cloudwatch.list_metrics(
        Namespace="AWS/SageMaker", Dimensions=[{"Name": "EndpointName", "Value": endpoint}]
    )
    return sorted(
        {shown(each["MetricName"], [one["Name"] for one in each["Dimensions"]]) for each in listed["Metrics"]}
    )


def shown(name: str, dimensions: list[str]) -> str:
    """Return a metric and the names of its dimensions as a text."""
    return f"{name}({', '.join(sorted(dimensions))})"
