"""Helpers for the tests of streams: begin one, read it, and handlers that yield chunks."""

from __future__ import annotations

import pytest
from botocore.exceptions import EventStreamError

from tests.requests import ENDPOINT
from tests.traffic.shared import DESTINATION

PROD_MODEL, SHADOW_MODEL = "model-prod", "model-shadow"
CAPTURED = {"DataStorageConfig": {"Destination": DESTINATION, "ContentType": {"CsvContentTypes": ["text/csv"]}}}


def start(runtime, body=b"1,2", **members):
    """Begin a stream and return its answer."""
    return runtime.invoke_endpoint_with_response_stream(
        EndpointName=ENDPOINT, Body=body, ContentType="text/csv", **members
    )


def parts(answer):
    """Return the parts of a stream."""
    return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]


def broken(answer):
    """Read a stream that breaks; return the parts before and the error."""
    read = []
    with pytest.raises(EventStreamError) as caught:
        for event in answer["Body"]:
            read.append(event["PayloadPart"]["Bytes"])  # noqa: PERF401 - the parts before the error count too
    return read, caught.value


def outputs(mock):
    """Return the captured answers by variant."""
    return {each.variant: each.record["captureData"]["endpointOutput"]["data"] for each in mock.captures}


def chunks(*items):
    """Return a handler that yields these chunks and raises those that are exceptions."""

    def handler(request):
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    return handler
