"""The AWS SDK for JavaScript v3 as a caller of the server.

Its packages are looked for in the folder that MOCK_SAGEMAKER_IE_NODE names, where node_modules has
@aws-sdk/client-sagemaker and @aws-sdk/client-sagemaker-runtime.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.requests import NAME, create, stop
from tests.server.processes import run

NODE = shutil.which("node")
MODULES = Path(os.environ.get("MOCK_SAGEMAKER_IE_NODE", "nowhere"), "node_modules")
STORY = Path(__file__).with_name("story.cjs")

pytestmark = pytest.mark.skipif(
    NODE is None or not (MODULES / "@aws-sdk" / "client-sagemaker").is_dir(),
    reason="node, or the SDK in the folder that MOCK_SAGEMAKER_IE_NODE names, is missing",
)


def test_it_tells_the_whole_story(sagemaker_ie_server):
    """Create, describe, list pages, tags, start, invoke, stop, and each error by its name."""
    second = create("second")

    result = run(
        [NODE, str(STORY), json.dumps([create(), second, stop()])],
        NODE_PATH=str(MODULES),
        **sagemaker_ie_server.environment,
    )

    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    metadata = seen["created"].pop("metadata")
    assert metadata["httpStatusCode"] == 200
    assert metadata["requestId"]
    assert seen == {
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
