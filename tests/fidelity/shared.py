"""Helpers: a server to observe, whose clock moves instead of waiting, and the observations in a folder."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

from mock_sagemaker_ie import Assumptions, MockClock
from mock_sagemaker_ie.fidelity.conform import DURATIONS
from mock_sagemaker_ie.fidelity.observe import Order, observe, target_for
from tests.conftest import START
from tests.server.http_client import server_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ACCOUNT = "210987654321"
SECRETS = {
    "role": f"arn:aws:iam::{ACCOUNT}:role/secret-role",
    "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/private-image:1",
}


class Observed(NamedTuple):
    """The end of a run: what could not be removed, what ended it, what it said, and the mock behind the server."""

    left: list[str]
    ended_by: str
    said: list[str]
    mock: Any


@contextmanager
def service(**options: Any) -> Iterator[Any]:
    """Run a server like AWS: strict, with a clock that only a wait moves."""
    clock = MockClock(START, tick=False)
    with server_in_thread(
        clock=clock, durations=DURATIONS, strict=True, account_id=ACCOUNT, unused_faults="ignore", **options
    ) as server:
        yield server


def observed(
    out: Path,
    server: Any,
    *names: str,
    on_wait: Callable[[int], None] = lambda number: None,
    say: Callable[[str], None] = lambda text: None,
    **order: Any,
) -> Observed:
    """Observe a server, by default all probes of all tiers.

    `on_wait` gets the number of each wait before it, and `say` each line of the output.
    """
    order = Order(
        **{"tier": 2, "create_resources": True, "region": "eu-west-1", "endpoint_url": server.url, **SECRETS, **order}
    )
    said, waits = [], []

    def keep(text: str) -> None:
        said.append(text)
        say(text)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        on_wait(len(waits))
        server.mock.clock.advance(seconds=seconds)

    target = target_for(order)._replace(wait=wait, now=server.mock.clock.now)
    probes = [probe for probe in order.probes if not names or probe.name in names]
    left, ended_by = observe(probes, target, out, keep)
    return Observed(left, ended_by, said, server.mock)


def steps(out: Path, probe: str) -> dict[str, dict[str, Any]]:
    """Return the steps of an observation, by name."""
    content = json.loads((out / f"{probe}.json").read_text(encoding="utf-8"))
    return {each["step"]: each for each in content["steps"]}


def resources(server: Any) -> list[Any]:
    """Return everything that is there in the region of the run."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    sagemaker = boto3.client("sagemaker", region_name="eu-west-1", endpoint_url=server.url, **keys)
    return [
        *sagemaker.list_inference_experiments()["InferenceExperiments"],
        *sagemaker.list_endpoints()["Endpoints"],
        *sagemaker.list_endpoint_configs()["EndpointConfigs"],
        *sagemaker.list_models()["Models"],
    ]


# Choices that probes can see, several at a time.
OTHERS = Assumptions(
    unscheduled_test="Starting",
    desired_state="Completed",
    busy_endpoint="ConflictException",
    update_endpoint_under_test="Permitted",
    delete_endpoint_under_test="Permitted",
    delete_in_created="ConflictException",
    delete_in_running="Permitted",
    list_sort_by="Name",
    list_sort_order="Ascending",
    list_filters="after_page",
    created_endpoint="deleted",
    target_shadow="Invoked",
    arn_case="lower",
    repeated_start_time="as_actual",
)
