"""The AWS SDK for JavaScript v3 as a client of the server.

The environment variable MOCK_SAGEMAKER_IE_NODE names a folder whose node_modules contains @aws-sdk/client-sagemaker and
@aws-sdk/client-sagemaker-runtime.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from mock_sagemaker_ie import Durations
from tests.conftest import START
from tests.documentation import ROOT
from tests.requests import NAME, create, stop
from tests.server.commands import run

NODE = shutil.which("node")
MODULES = Path(os.environ.get("MOCK_SAGEMAKER_IE_NODE", "nowhere"), "node_modules")
SCRIPT = Path(__file__).with_name("shadow_test.cjs")

pytestmark = pytest.mark.skipif(
    NODE is None or not (MODULES / "@aws-sdk" / "client-sagemaker").is_dir(),
    reason="node is missing, or the SDK in the folder that MOCK_SAGEMAKER_IE_NODE names",
)


def test_the_sdk_for_javascript_runs_a_shadow_test(sagemaker_ie_server):
    """It creates, describes, lists by pages, tags, starts, invokes and stops, and gets each error by its name."""
    second = create("second")

    result = run(
        [NODE, str(SCRIPT), json.dumps([create(), second, stop()])],
        NODE_PATH=str(MODULES),
        **sagemaker_ie_server.environment,
    )

    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout)
    metadata = results["created"].pop("metadata")
    assert metadata["httpStatusCode"] == 200
    assert metadata["requestId"]
    assert results == {
        "arn": f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{NAME}",
        "created": {"status": "Created", "isDate": True},
        "pages": [[NAME], ["second"]],
        "tags": [{"Key": "team", "Value": "Straße"}],
        "started": "Running",
        "invoked": {"body": [0, 255], "type": "application/x-thing", "variant": "prod"},
        "stopped": "Cancelled",
        "errors": [
            ["ResourceNotFound", "ResourceNotFound"],
            ["ConflictException", "ConflictException"],
            ["ResourceInUse", "ResourceInUse"],
            ["ValidationException", "SageMakerServiceException"],
            ["ValidationError", "ValidationError"],
        ],
    }


@pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic())
def test_the_documented_shadow_test_runs(sagemaker_ie_server, tmp_path):
    """It gives models answers, reads captures, metrics and events, and prints what the page says."""
    page = (ROOT / "docs" / "how-to" / "other-languages.md").read_text()
    program, printed = re.search(r"```js\n(.*?)```\n\nIt prints `(.*?)`", page, re.DOTALL).groups()
    path = tmp_path / "shadow_test.cjs"
    path.write_text(program)

    result = run([NODE, str(path)], NODE_PATH=str(MODULES), **sagemaker_ie_server.environment)

    assert (result.returncode, result.stdout.strip()) == (0, printed), result.stderr
    assert len(sagemaker_ie_server.mock.calls.of("InvokeEndpoint")) == 12
