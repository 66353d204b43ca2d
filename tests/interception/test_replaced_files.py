"""A test that replaces the file system, or functions that read files, does not disturb the mock."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from botocore.loaders import Loader

from mock_sagemaker_ie.service.clients import partitions, service_model

# Each gives a context manager in which no file of botocore can be read.
REPLACEMENTS = {
    "pyfakefs": "Patcher()",
    "os.path.isfile": 'patch("os.path.isfile", return_value=False)',
    "os.path.exists": 'patch("os.path.exists", return_value=False)',
    "os.listdir": 'patch("os.listdir", side_effect=OSError)',
    "open": 'patch("builtins.open", side_effect=OSError)',
}
CALLS = {
    "a call of a client": """
        client.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
        assert "eu-south-2" in client.describe_model(ModelName="m")["ModelArn"]
    """,
    "an invocation": """
        try:
            runtime.invoke_endpoint(EndpointName="e", Body=b"")
        except runtime.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ValidationError"
    """,
    "an arranged fault": """
        mock.fail_next("ListModels", "AccessDeniedException")
        try:
            client.list_models()
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException"
    """,
    "the client of the mock": """
        assert mock.client().list_models()["Models"] == []
        assert mock.client("sagemaker-runtime")
    """,
    "a call with requests": """
        answer = requests.post(
            "https://api.sagemaker.eu-south-2.amazonaws.com",
            data="{}",
            headers={"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"},
        )
        assert [model["ModelName"] for model in answer.json()["Models"]] == ["m"]
    """,
}
PROGRAM = """
import boto3, requests
from unittest.mock import patch
{imports}
from mock_sagemaker_ie import mock_inference_experiment

ROLE = "arn:aws:iam::123456789012:role/role"
KEYS = {{"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}}
client = boto3.client("sagemaker", region_name="eu-south-2", **KEYS)
runtime = boto3.client("sagemaker-runtime", region_name="eu-south-2", **KEYS)

with {outer} as first:
    with {inner} as second:
        mock = {mock}
{calls}
"""


@pytest.mark.parametrize("order", ["in the mock", "around the mock"])
@pytest.mark.parametrize("replacement", REPLACEMENTS)
def test_calls_need_no_file(replacement, order):
    """In a new process, calls of clients that exist already, faults and the mock's own client work."""
    if replacement == "pyfakefs":
        pytest.importorskip("pyfakefs")
    contexts = ["mock_inference_experiment()", REPLACEMENTS[replacement]]
    outer, inner = contexts if order == "in the mock" else reversed(contexts)
    imports = "from pyfakefs.fake_filesystem_unittest import Patcher" if replacement == "pyfakefs" else ""
    calls = textwrap.indent("".join(textwrap.dedent(call) for call in CALLS.values()), " " * 8)
    mock = "first" if order == "in the mock" else "second"
    program = PROGRAM.format(imports=imports, outer=outer, inner=inner, mock=mock, calls=calls)

    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own


@pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime"])
def test_the_service_models_are_those_of_botocore(service):
    """The mock reads the latest API version that the installed botocore has."""
    assert service_model(service)._service_description == Loader().load_service_model(service, "service-2")
    assert service_model(service).api_version == Loader().determine_latest_version(service, "service-2")


def test_the_partitions_are_those_of_botocore():
    """The mock reads the data of the installed botocore."""
    assert partitions() == Loader().load_data("partitions")
