"""Stand-ins for AWS when no mock is active: a URL without a listener, and one canned answer."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from tests.requests import NAME, create

if TYPE_CHECKING:
    from collections.abc import Iterator

# An endpoint_url without a listener: a call that is sent to it fails at once.
NOWHERE = "http://127.0.0.1:1"

# The only experiment that `seen` returns when no mock is active.
ON_AWS = "on-aws"


def launch(name: str = NAME) -> str:
    """Create an experiment and return its ARN."""
    return client().create_inference_experiment(**create(name))["InferenceExperimentArn"]


def seen() -> list[str]:
    """Return the names of all experiments in the order of creation; outside every mock, return [ON_AWS]."""
    answer = client().list_inference_experiments(SortBy="CreationTime", SortOrder="Ascending")
    return [experiment["Name"] for experiment in answer["InferenceExperiments"]]


def account() -> str:
    """Return the ID of the account in which a call is answered."""
    return launch("asks-for-the-account").split(":")[4]


@cache
def client() -> Any:
    """Return a boto3 client that gets a canned answer to ListInferenceExperiments when no mock answers."""
    client = boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.sagemaker.ListInferenceExperiments", _canned_answer)
    return client


def _canned_answer(request: Any, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {}, _Raw(b'{"InferenceExperiments": [{"Name": "%s"}]}' % ON_AWS.encode()))


class _Raw(io.BytesIO):
    """The body of a response, in the form that botocore reads."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()
