"""The lines with curl in the documentation, each against a server."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest

from mock_sagemaker_ie import Durations
from mock_sagemaker_ie.server import control
from tests.conftest import START
from tests.documentation import ROOT
from tests.requests import create, shadow_mode, variant
from tests.server.commands import run

CURL = shutil.which("curl")
PAGE = (ROOT / "docs" / "reference" / "http-control.md").read_text()
LINES = re.findall(r"^curl .*$", PAGE.replace("\\\n", " "), re.MULTILINE)

pytestmark = [
    pytest.mark.skipif(CURL is None, reason="curl is not on PATH"),
    pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic(), unused_faults="ignore"),
]


@pytest.fixture
def ranker(http):
    """The experiment and the endpoint of which the page speaks."""
    variants = [variant("production", "ranker-v1"), variant("shadow", "ranker-v2")]
    mode = shadow_mode("production", "shadow", percentage=100)
    storage = {"Destination": "s3://captures/ranker"}
    request = create("ranker-v2", EndpointName="ranker", ModelVariants=variants, ShadowModeConfig=mode)
    assert http.call("CreateInferenceExperiment", **request, DataStorageConfig=storage).status == 200
    http.post("/_mock/clock", {"until": {"name": "ranker-v2", "status": "Running"}})
    http.send("POST", "/endpoints/ranker/invocations", b"1,2")


def test_the_page_has_a_line_for_each_path():
    """Except for those whose answers only the page at the root of the server needs."""
    shown = {path for line in LINES for path in re.findall(r"/_mock/\w+", line)}

    assert control._ROUTES.keys() - shown == {
        "/",
        "/_mock/state",
        "/_mock/calls",
        "/_mock/timelines",
        "/_mock/timeline.svg",
    }


@pytest.mark.parametrize("line", LINES)
def test_a_line_with_curl_works(sagemaker_ie_server, ranker, line):
    """The server answers it with JSON that is not an error; a list has what happened."""
    answer = run(
        [
            CURL,
            "--silent",
            "--fail-with-body",
            *shlex.split(line.replace("http://127.0.0.1:5050", sagemaker_ie_server.url))[1:],
        ]
    )

    values = json.loads(answer.stdout)
    assert answer.returncode == 0, values
    if any(path in line for path in ("captures", "metrics", "events")):
        assert values["match_count"] > 0
