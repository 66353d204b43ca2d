"""The AWS CLI as a client of the server."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pytest

from tests.requests import NAME, create, stop
from tests.server.commands import run

AWS = shutil.which("aws")
ENDPOINT = create()["EndpointName"]
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}"
LATER = {"StartTime": "2100-01-01T00:00:00Z"}

pytestmark = pytest.mark.skipif(AWS is None, reason="the AWS CLI is not on PATH")


@pytest.fixture
def aws(sagemaker_ie_server, tmp_path):
    """Return a function that runs a command of `aws sagemaker`, and returns the process after its end."""
    environment = {**sagemaker_ie_server.environment, "HOME": str(tmp_path), "AWS_PAGER": ""}

    def aws(verb, *arguments, service="sagemaker", **members):
        request = ["--cli-input-json", json.dumps(members)] if members else []
        return run([AWS, service, verb, *arguments, *request, "--output", "json"], **environment)

    return aws


def values(process):
    """Return the output of a successful command."""
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout) if process.stdout else None


def test_the_cli_creates_describes_starts_and_stops_an_experiment(aws):
    """Each command prints the answer of the operation."""
    assert values(aws("create-inference-experiment", **create(Schedule=LATER))) == {"InferenceExperimentArn": ARN}
    described = partial(aws, "describe-inference-experiment", "--name", NAME)
    assert values(described())["Status"] == "Created"

    assert values(aws("start-inference-experiment", "--name", NAME)) == {"InferenceExperimentArn": ARN}
    assert values(aws("stop-inference-experiment", **stop())) == {"InferenceExperimentArn": ARN}
    assert values(described())["Status"] == "Cancelled"


@pytest.fixture
def two_experiments(http):
    """Two experiments, created before the test."""
    for name in (NAME, "second"):
        http.call("CreateInferenceExperiment", **create(name))


def test_the_cli_lists_experiments_by_pages(aws, two_experiments):
    """The NextToken of a page gives the next page."""
    listed = values(aws("list-inference-experiments", "--max-results", "1"))
    following = values(aws("list-inference-experiments", "--max-results", "1", "--next-token", listed["NextToken"]))

    pages = [[it["Name"] for it in page["InferenceExperiments"]] for page in (listed, following)]
    assert pages == [["second"], [NAME]]
    assert "NextToken" not in following


def test_the_cli_adds_and_lists_tags(aws, two_experiments):
    """Tags can contain letters outside ASCII."""
    values(aws("add-tags", "--resource-arn", ARN, "--tags", "Key=team,Value=Straße"))

    assert values(aws("list-tags", "--resource-arn", ARN))["Tags"] == [{"Key": "team", "Value": "Straße"}]


def test_the_cli_invokes_an_endpoint(aws, two_experiments, tmp_path):
    """The bodies of request and response are bytes in files."""
    request_body, response_body = tmp_path / "request", tmp_path / "response"
    request_body.write_bytes(b"\x00\xff")

    invoked = aws(
        "invoke-endpoint",
        *("--endpoint-name", ENDPOINT, "--body", f"fileb://{request_body}", "--content-type", "application/x-thing"),
        str(response_body),
        service="sagemaker-runtime",
    )

    assert values(invoked) == {"ContentType": "application/x-thing", "InvokedProductionVariant": "prod"}
    assert response_body.read_bytes() == b"\x00\xff"


@pytest.mark.parametrize(
    ("verb", "name", "error"),
    [
        ("describe-inference-experiment", "missing", "ResourceNotFound"),
        ("start-inference-experiment", NAME, "ConflictException"),
    ],
)
def test_a_refused_command_prints_the_error_code(aws, two_experiments, verb, name, error):
    """The exit status of the command is not 0."""
    process = aws(verb, "--name", name)

    assert process.returncode != 0
    assert f"({error})" in process.stderr
