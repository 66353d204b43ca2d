"""The variables of a server in the environment of another process, which also inherits those of its parent."""

from __future__ import annotations

import shutil
import sys

import pytest

from mock_sagemaker_ie.server.app import RunningServer
from tests.machine import CONFIG_FILE, VARIABLES
from tests.server.commands import run

AWS = shutil.which("aws")
PYTHON = """
import boto3
from botocore.exceptions import ClientError

client = boto3.client("sagemaker")
client.list_inference_experiments()
try:
    client.list_models()
except ClientError as error:
    print(error.response["ResponseMetadata"]["RetryAttempts"])
print(boto3.client("sagemaker-runtime").meta.endpoint_url, client.meta.region_name)
"""
MORE = {
    "AWS_SECURITY_TOKEN": "of-the-machine",
    "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "NO_PROXY": "",
    "no_proxy": "",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:1",
}


@pytest.fixture
def parent(tmp_path):
    """Return the variables of a parent process whose every setting leads elsewhere."""
    (tmp_path / "config").write_text(CONFIG_FILE)
    (tmp_path / "credentials").write_text("[default]\naws_session_token = of-the-machine\n")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    return {**VARIABLES, **MORE, **files, "HOME": str(tmp_path)}


def test_a_child_reaches_the_server_whatever_its_parent_has_set(sagemaker_ie_server, parent):
    """Its clients call the server, in its region, with the same number of attempts on every machine."""
    sagemaker_ie_server.mock.fail_next("ListModels", "ServiceUnavailable", times=3)

    child = run([sys.executable, "-c", PYTHON], **{**parent, **sagemaker_ie_server.environment})

    assert child.stdout.split() == ["2", sagemaker_ie_server.url, "us-east-1"], child.stderr
    operations = [call.operation for call in sagemaker_ie_server.mock.calls]
    assert operations == ["ListInferenceExperiments", *["ListModels"] * 3]


@pytest.mark.parametrize("name", ["config", "nothing"])
def test_a_child_reads_no_file_of_its_parent(sagemaker_ie_server, parent, name):
    """A configuration file that the parent names, or that is in the home directory, is not read."""
    variables = {variable: value for variable, value in parent.items() if not variable.startswith("AWS_")}
    if name == "config":
        variables["AWS_CONFIG_FILE"] = parent["AWS_CONFIG_FILE"]

    child = run([sys.executable, "-c", PYTHON], **{**variables, **sagemaker_ie_server.environment})

    assert child.returncode == 0, child.stderr


@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not on PATH")
def test_the_aws_cli_reaches_the_server_whatever_its_parent_has_set(sagemaker_ie_server, parent):
    """The CLI needs no option for it."""
    cli = run([AWS, "sagemaker", "list-inference-experiments"], **{**parent, **sagemaker_ie_server.environment})

    assert cli.returncode == 0, cli.stderr
    assert [call.operation for call in sagemaker_ie_server.mock.calls] == ["ListInferenceExperiments"]


@pytest.mark.parametrize(
    ("inherited", "url", "expected"),
    [
        ({}, "http://127.0.0.1:5050", "127.0.0.1"),
        ({"NO_PROXY": "a.test, b.test"}, "http://127.0.0.1:5050", "a.test,b.test,127.0.0.1"),
        ({"NO_PROXY": "a.test", "no_proxy": "b.test"}, "http://localhost:5050", "a.test,b.test,localhost"),
        ({"no_proxy": "127.0.0.1"}, "http://127.0.0.1:5050", "127.0.0.1"),
        ({"NO_PROXY": "*"}, "http://127.0.0.1:5050", "*"),
        ({}, "http://[::1]:5050", "::1,[::1]"),
    ],
)
def test_the_server_needs_no_proxy(monkeypatch, mock, inherited, url, expected):
    """The hosts that need no proxy already stay, and the server's is one more."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)

    environment = RunningServer(http=None, mock=mock, url=url).environment

    assert environment["NO_PROXY"] == environment["no_proxy"] == expected
