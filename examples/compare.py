"""Compare the two variants of a shadow test by captured data and metrics, and promote the candidate or cancel.

This is plain boto3 code: it contains nothing for its tests.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rollout import CANDIDATE, PRODUCTION, cancel, promote

if TYPE_CHECKING:
    from botocore.client import BaseClient

# The candidate is promoted only within all of these limits.
MIN_REQUESTS = 30  # Answered by both variants.
MIN_AGREEMENT = 0.95  # The share of these requests to which both gave the same label.
MAX_FAILURES = 0.01  # The share of the candidate's requests that failed.
MAX_SLOWDOWN = 1.2  # The candidate's latency divided by production's.
HOUR = 3600


@dataclass(frozen=True)
class Comparison:
    """Requests that both variants answered, share of equal labels, and failures and mean latency (ms) by variant."""

    requests: int
    agreement: float
    failures: dict[str, float]
    latency: dict[str, float]

    def objections(self) -> list[str]:
        """Return the reasons not to promote the candidate."""
        reasons = {
            f"only {self.requests} requests were answered by both": self.requests < MIN_REQUESTS,
            f"it agrees on {self.agreement:.0%} only": self.agreement < MIN_AGREEMENT,
            f"it fails on {self.failures[CANDIDATE]:.0%}": self.failures[CANDIDATE] > MAX_FAILURES,
            f"it takes {self.latency[CANDIDATE]:.0f} ms": self.latency[CANDIDATE]
            > MAX_SLOWDOWN * self.latency[PRODUCTION],
        }
        return [reason for reason, applies in reasons.items() if applies]

    def __str__(self) -> str:
        rows = [f"{'':12}{'failures':>10}{'latency':>12}"]
        rows += [f"{name:12}{self.failures[name]:>10.1%}{self.latency[name]:>9.1f} ms" for name in self.latency]
        return "\n".join([*rows, f"The same label on {self.agreement:.1%} of {self.requests} requests."])


def decide(sagemaker: BaseClient, s3: BaseClient, cloudwatch: BaseClient, name: str) -> bool:
    """End a shadow test, and promote the candidate unless there are objections. Return whether it was promoted."""
    comparison = compare(sagemaker, s3, cloudwatch, name)
    print(comparison)
    if objections := comparison.objections():
        cancel(sagemaker, name, f"Not better: {'; '.join(objections)}")
    else:
        promote(sagemaker, name)
    return not objections


def compare(sagemaker: BaseClient, s3: BaseClient, cloudwatch: BaseClient, name: str) -> Comparison:
    """Compare the variants of a shadow test by all data that it has captured so far."""
    test = sagemaker.describe_inference_experiment(Name=name)
    production, candidate = (labels(s3, test, variant) for variant in (PRODUCTION, CANDIDATE))
    both = production.keys() & candidate.keys()
    same = sum(production[request] == candidate[request] for request in both)
    return Comparison(
        requests=len(both),
        agreement=same / len(both) if both else 0.0,
        failures={each: mean(cloudwatch, test, "InvocationModelErrors", each) for each in (PRODUCTION, CANDIDATE)},
        latency={each: mean(cloudwatch, test, "ModelLatency", each) / 1000 for each in (PRODUCTION, CANDIDATE)},
    )


def labels(s3: BaseClient, test: dict[str, Any], variant: str) -> dict[str, str]:
    """Return the labels that a variant gave, by the InferenceId of the request."""
    destination, endpoint = urlsplit(test["DataStorageConfig"]["Destination"]), test["EndpointMetadata"]["EndpointName"]
    prefix = f"{destination.path.strip('/')}/{endpoint}/{variant}/".lstrip("/")
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=destination.netloc, Prefix=prefix):
        for item in page.get("Contents", ()):
            file = s3.get_object(Bucket=destination.netloc, Key=item["Key"])["Body"]
            for record in map(json.loads, file.iter_lines()):
                if request := record["eventMetadata"].get("inferenceId"):
                    found[request] = json.loads(text(record["captureData"]["endpointOutput"]))["label"]
    return found


def text(captured: dict[str, str]) -> str | bytes:
    """Return a captured request or answer; it is in base 64 unless its content type is listed in ContentType."""
    return base64.b64decode(captured["data"]) if captured["encoding"] == "BASE64" else captured["data"]


def mean(cloudwatch: BaseClient, test: dict[str, Any], metric: str, variant: str) -> float:
    """Return the mean of a variant's metric over all requests of the test; 0 if there were none."""
    dimensions = {"EndpointName": test["EndpointMetadata"]["EndpointName"], "VariantName": variant}
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=test["Schedule"]["StartTime"],
        EndTime=test["Schedule"]["EndTime"],
        Period=HOUR,
        Statistics=["Sum", "SampleCount"],
    )
    points = answer["Datapoints"]
    return sum(point["Sum"] for point in points) / max(sum(point["SampleCount"] for point in points), 1)
