"""Compares the candidate of a shadow test with production, by what was captured and measured of both, and decides.

Plain boto3: nothing in this file knows how it is tested.
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

# What a candidate must show, each of them: enough requests that both answered, and on most of them the same label.
ENOUGH_REQUESTS = 30
AGREEMENT = 0.95
# And what it may cost: of all its requests this share may fail, and it may be slower than production by this factor.
FAILURES = 0.01
SLOWER = 1.2
HOUR = 3600


@dataclass(frozen=True)
class Comparison:
    """How both variants did: labels on the same requests, share of failures and mean latency (in ms) by variant."""

    requests: int
    agreement: float
    failures: dict[str, float]
    latency: dict[str, float]

    def objections(self) -> list[str]:
        """What speaks against the candidate."""
        found = {
            f"only {self.requests} requests were answered by both": self.requests < ENOUGH_REQUESTS,
            f"it agrees on {self.agreement:.0%} only": self.agreement < AGREEMENT,
            f"it fails on {self.failures[CANDIDATE]:.0%}": self.failures[CANDIDATE] > FAILURES,
            f"it takes {self.latency[CANDIDATE]:.0f} ms": self.latency[CANDIDATE] > SLOWER * self.latency[PRODUCTION],
        }
        return [objection for objection, holds in found.items() if holds]

    def __str__(self) -> str:
        rows = [f"{'':12}{'failures':>10}{'latency':>12}"]
        rows += [f"{name:12}{self.failures[name]:>10.1%}{self.latency[name]:>9.1f} ms" for name in self.latency]
        return "\n".join([*rows, f"The same label on {self.agreement:.1%} of {self.requests} requests."])


def decide(sagemaker: BaseClient, s3: BaseClient, cloudwatch: BaseClient, name: str) -> bool:
    """End a shadow test: the candidate becomes production if nothing speaks against it. Returns whether it did."""
    comparison = compare(sagemaker, s3, cloudwatch, name)
    print(comparison)
    if objections := comparison.objections():
        cancel(sagemaker, name, f"Not better: {'; '.join(objections)}")
    else:
        promote(sagemaker, name)
    return not objections


def compare(sagemaker: BaseClient, s3: BaseClient, cloudwatch: BaseClient, name: str) -> Comparison:
    """Compare the variants of a shadow test that captures, by all there is of it so far."""
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
    """Which label a variant gave to each request that came with an InferenceId, by that id."""
    place, endpoint = urlsplit(test["DataStorageConfig"]["Destination"]), test["EndpointMetadata"]["EndpointName"]
    prefix = f"{place.path.strip('/')}/{endpoint}/{variant}/".lstrip("/")
    given = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix):
        for item in page.get("Contents", ()):
            file = s3.get_object(Bucket=place.netloc, Key=item["Key"])["Body"]
            for record in map(json.loads, file.iter_lines()):
                if request := record["eventMetadata"].get("inferenceId"):
                    given[request] = json.loads(text(record["captureData"]["endpointOutput"]))["label"]
    return given


def text(captured: dict[str, str]) -> str | bytes:
    """What was captured of a request or an answer: in base 64 unless its content type is a listed one."""
    return base64.b64decode(captured["data"]) if captured["encoding"] == "BASE64" else captured["data"]


def mean(cloudwatch: BaseClient, test: dict[str, Any], metric: str, variant: str) -> float:
    """The mean of a variant's metric over all requests of the test; 0 when there were none."""
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
