"""Rows about scenarios: the example rollout in a calm scenario and in a plain mock, and the search for a scenario."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import boto3
from botocore.config import Config

from benchmarks.measuring import RETURNED_TIME, Row
from mock_sagemaker_ie import Scenario, mock_inference_experiment

EXAMPLES = 1000
MAX_SECONDS = 15


def _rollout():
    sys.path.append(str(Path(__file__).parent.parent / "examples"))
    import rollout  # noqa: PLC0415 - a user's module, which is not a part of a package

    test = rollout.ShadowTest("ranker-v2", "ranker", "one", "two", "arn:aws:iam::123456789012:role/rollout")
    config = Config(retries={"mode": "standard", "total_max_attempts": 1})
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    sagemaker = boto3.client("sagemaker", region_name="us-east-1", config=config, **keys)
    return rollout, sagemaker, lambda: rollout.roll_out(sagemaker, test, lambda _: True)


@contextmanager
def one(**options):
    """Run the rollout once in a new mock."""
    _, _, roll_out = _rollout()

    def once() -> None:
        with mock_inference_experiment(virtual_sleep=True, **options):
            assert roll_out()

    yield once


@contextmanager
def search():
    """Run a thousand examples of Hypothesis."""
    from hypothesis import given, settings  # noqa: PLC0415 - slow

    from mock_sagemaker_ie.strategies import scenarios  # noqa: PLC0415 - slow

    rollout, sagemaker, roll_out = _rollout()

    @settings(max_examples=EXAMPLES, database=None, deadline=None)
    @given(scenarios())
    def examples(scenario) -> None:
        ends = suppress(rollout.RolloutError, sagemaker.exceptions.ResourceInUse)
        with mock_inference_experiment(scenario=scenario, virtual_sleep=True), ends:
            roll_out()

    def seconds() -> float:
        start = time.process_time()
        examples()
        return time.process_time() - start

    yield seconds


@contextmanager
def allowed():
    """Give the seconds that the search may take."""
    yield lambda: MAX_SECONDS


ROWS = (
    Row("example rollout in a calm scenario vs in a plain mock", partial(one, scenario=Scenario()), one, 2.0),
    # In processor time, so that what else the machine does hardly counts.
    Row("1,000 scenarios for the example rollout vs 15 seconds", search, allowed, 1.0, RETURNED_TIME, rounds=3),
)
