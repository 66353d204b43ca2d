"""The AWS CLI as a caller of the server."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pytest

from tests.requests import NAME, create, stop
from tests.server.processes import run

AWS = shutil.which("aws")
ENDPOINT = create()["EndpointName"]
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
LATER = {"StartTime": "2100-01-01T00:00:00Z"}

pytestmark = pytest.mark.skipif(AWS is None, reason="the AWS CLI is not on PATH")


@pytest.fixture
def aws(sagemaker_ie_server, tmp_path):
    """Run a command of `aws sagemaker`, with a request's members if given; gives the process that has ended."""
    environment = {**sagemaker_ie_server.environment, "HOME": str(tmp_path), "AWS_PAGER": ""}

    def aws(verb, *arguments, service="sagemaker", **members):
        given = ["--cli-input-json", json.dumps(members)] if members else []
        return run([AWS, service, verb, *arguments, *given, "--output", "json"], **environment)

    return aws


def values(process):
    """What a command that went well printed."""
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout) if process.stdout else None


def test_an_experiment_is_launched_watched_and_stopped(aws):
    """Create, describe, start, stop: what each prints is AWS's answer."""
    assert values(aws("create-inference-experiment", **create(Schedule=LATER))) == {"InferenceExperimentArn": ARN}
    described = partial(aws, "describe-inference-experiment", "--name", NAME)
    assert values(described())["Status"] == "Created"

    assert values(aws("start-inference-experiment", "--name", NAME)) == {"InferenceExperimentArn": ARN}
    assert values(aws("stop-inference-experiment", **stop())) == {"InferenceExperimentArn": ARN}
    assert values(described())["Status"] == "Cancelled"


@pytest.fixture
def launched(plain):
    """Two experiments that are there already."""
    for name in (NAME, "second"):
        plain.call("CreateInferenceExperiment", **create(name))


def test_a_list_is_shown_page_by_page(aws, launched):
    """The CLI follows the tokens."""
    listed = values(aws("list-inference-experiments", "--max-results", "1"))
    following = values(aws("list-inference-experiments", "--max-results", "1", "--next-token", listed["NextToken"]))

    pages = [[it["Name"] for it in page["InferenceExperiments"]] for page in (listed, following)]
    assert pages == [["second"], [NAME]]
    assert "NextToken" not in following


def test_tags_are_added_and_listed(aws, launched):
    """Whatever alphabet they are in."""
    values(aws("add-tags", "--resource-arn", ARN, "--tags", "Key=team,Value=Straße"))

    assert values(aws("list-tags", "--resource-arn", ARN))["Tags"] == [{"Key": "team", "Value": "Straße"}]


def test_an_endpoint_is_invoked(aws, launched, tmp_path):
    """The body is bytes, in a file each way."""
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_bytes(b"\x00\xff")

    invoked = aws(
        "invoke-endpoint",
        *("--endpoint-name", ENDPOINT, "--body", f"fileb://{asked}", "--content-type", "application/x-thing"),
        str(answered),
        service="sagemaker-runtime",
    )

    assert values(invoked) == {"ContentType": "application/x-thing", "InvokedProductionVariant": "prod"}
    assert answered.read_bytes() == b"\x00\xff"


@pytest.mark.parametrize(
    ("verb", "name", "error"),
    [
        ("describe-inference-experiment", "missing", "ResourceNotFound"),
        ("start-inference-experiment", NAME, "ConflictException"),
    ],
)
def test_an_error_is_said_by_its_name(aws, launched, verb, name, error):
    """And the command fails."""
    process = aws(verb, "--name", name)

    assert process.returncode != 0
    assert f"({error})" in process.stderr
