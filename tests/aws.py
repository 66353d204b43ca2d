"""What stands for AWS in tests, where no mock answers: an address without a listener, or one canned answer."""

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

# An endpoint_url at which nobody listens: a call that gets this far fails at once.
NOWHERE = "http://127.0.0.1:1"

# The one experiment that `seen` finds where no mock answers.
ON_AWS = "on-aws"


def launch(name: str = NAME) -> str:
    """Create an experiment and return its ARN."""
    return client().create_inference_experiment(**create(name))["InferenceExperimentArn"]


def seen() -> list[str]:
    """The names of the experiments there are, in the order of creation: [ON_AWS] outside every mock."""
    answer = client().list_inference_experiments(SortBy="CreationTime", SortOrder="Ascending")
    return [experiment["Name"] for experiment in answer["InferenceExperiments"]]


def account() -> str:
    """The account for which a call is answered."""
    return launch("asks-for-the-account").split(":")[4]


@cache
def client() -> Any:
    """A boto3 client for which AWS's list of experiments is a canned answer."""
    client = boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.sagemaker.ListInferenceExperiments", _answer_of_aws)
    return client


def _answer_of_aws(request: Any, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {}, _Raw(b'{"InferenceExperiments": [{"Name": "%s"}]}' % ON_AWS.encode()))


class _Raw(io.BytesIO):
    """What botocore reads a response from."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()
