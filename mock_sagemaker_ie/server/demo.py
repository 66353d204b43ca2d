"""A demonstration in the terminal, without a network or an AWS account.

It shows a shadow test from launch to promotion, then a rollout with a bug, the scenario that breaks it, and the fix.
"""

from __future__ import annotations

import datetime as dt
import inspect
import runpy
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from mock_sagemaker_ie.activation.activation import mock_inference_experiment
from mock_sagemaker_ie.assertions import assert_nothing_left
from mock_sagemaker_ie.backend.settings import Durations
from mock_sagemaker_ie.scenario import Scenario
from mock_sagemaker_ie.service.models import ModelResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    Rollout = Callable[[Any, dict[str, Any]], None]

NAME, ENDPOINT = "ranker-v2", "ranker"
PRODUCTION, SHADOW = "production", "shadow"
WIDTH = 100


def demo(*, pause: float = 1) -> None:
    """Show everything step by step, with a pause of so many seconds before each step."""
    _show_shadow_test(pause)
    _heading("Now a rollout with a bug. It passes a test in which all goes well:", pause)
    # Under another name, because virtual time is for code outside of this package.
    rollouts = runpy.run_path(str(Path(__file__).with_name("demo_rollouts.py")), run_name="rollouts")
    _show_rollout(rollouts["careless"])
    _heading("The same rollout, each time with one thing that fails:", pause)
    _try(rollouts["careless"])
    _heading("The fix: look at every status that ends the test.", pause)
    _show_rollout(rollouts["careful"])
    print()
    _try(rollouts["careful"])


def _show_shadow_test(pause: float) -> None:
    with mock_inference_experiment(clock="2026-01-01T09:00:00Z", durations=Durations.realistic()) as mock:
        sagemaker, runtime = mock.client(), mock.client("sagemaker-runtime")
        mock.serve("ranker-v1", lambda _: ModelResponse({"score": 0.71}, latency=0.120))
        mock.serve("ranker-v2", lambda _: ModelResponse({"score": 0.78}, latency=0.085))

        _heading("Launch: ranker-v2 is the shadow of ranker-v1, and gets a copy of half the traffic.", pause)
        sagemaker.create_inference_experiment(**_experiment())
        print(mock.timeline(NAME))

        _heading("The deployment takes 6 minutes on the mock's clock. You do not wait.", pause)
        mock.advance_until(NAME, "Running")
        print(mock.timeline(NAME))

        _heading("An hour of traffic. Only production answers; the shadow processes the copies.", pause)
        for minute in range(60):
            for _ in range(5):
                runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"{}", ContentType="application/json")
            mock.clock.advance(minutes=1)
            _progress(minute + 1, 60, pause / 60)
        for variant in (PRODUCTION, SHADOW):
            count, latency = _invocations(mock, variant)
            print(f"  {variant:<10} {count:>4} invocations  {latency:>6.1f} ms on average")

        _heading("The shadow is faster: promote it, and remove production.", pause)
        sagemaker.stop_inference_experiment(
            Name=NAME, ModelVariantActions={PRODUCTION: "Remove", SHADOW: "Promote"}, DesiredState="Completed"
        )
        mock.advance_until(NAME, "Completed")
        print(mock.timeline(NAME))
        variants = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
        print(f"\n  {ENDPOINT} is served by: {', '.join(variant['VariantName'] for variant in variants)}")

        _heading("This process answered every call:", pause)
        operations = [call.operation for call in mock.calls]
        for operation in dict.fromkeys(operations):
            print(f"  {operations.count(operation):>4} x {operation}")


# --- a rollout


def _show_rollout(rollout: Rollout) -> None:
    print("".join(f"    {line}\n" for line in inspect.getsource(rollout).splitlines()), end="")


def _try(rollout: Rollout) -> None:
    """Run a rollout in the calm scenario and in each with a failure, and print how each run ended."""
    scenarios = [Scenario(), *Scenario.each_failure()]
    problems = {scenario: _problem(rollout, scenario) for scenario in scenarios}
    for scenario, problem in problems.items():
        print(f"  {'ok' if problem is None else type(problem).__name__:<22}{scenario!r}")
    first = next(filter(None, problems.values()), None)
    if first is not None:
        print("\n" + textwrap.fill(f"The first one: {first}", WIDTH, initial_indent="  ", subsequent_indent="  "))


def _problem(rollout: Rollout, scenario: Scenario) -> Exception | None:
    """Return the error of a rollout in a scenario, also for what it leaves behind; None when all is well."""
    with mock_inference_experiment(scenario=scenario, virtual_sleep=True) as mock:
        try:
            rollout(mock.client(), _experiment())
            assert_nothing_left(mock)
        except (AssertionError, ClientError) as error:
            return error
    return None


def _experiment() -> dict[str, Any]:
    infrastructure = {
        "InfrastructureType": "RealTimeInference",
        "RealTimeInferenceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    }
    models = {PRODUCTION: "ranker-v1", SHADOW: "ranker-v2"}
    return {
        "Name": NAME,
        "Type": "ShadowMode",
        "RoleArn": "arn:aws:iam::123456789012:role/rollout",
        "EndpointName": ENDPOINT,
        "ModelVariants": [
            {"VariantName": variant, "ModelName": model, "InfrastructureConfig": infrastructure}
            for variant, model in models.items()
        ],
        "ShadowModeConfig": {
            "SourceModelVariantName": PRODUCTION,
            "ShadowModelVariants": [{"ShadowModelVariantName": SHADOW, "SamplingPercentage": 50}],
        },
    }


def _invocations(mock: Any, variant: str) -> tuple[int, float]:
    """Return the number of invocations of a variant, and their average latency in milliseconds."""
    latencies = [point for point in mock.metrics if (point.name, point.variant) == ("ModelLatency", variant)]
    count = sum(point.sample_count for point in latencies)
    return count, sum(point.sum for point in latencies) / count / dt.timedelta(milliseconds=1).microseconds


def _heading(text: str, pause: float) -> None:
    print(f"\n\033[1m{text}\033[0m\n" if sys.stdout.isatty() else f"\n{text}\n", flush=True)
    time.sleep(pause)


def _progress(done: int, total: int, pause: float) -> None:
    if not sys.stdout.isatty():
        return
    width = 40 * done // total
    print(f"\r  [{'#' * width:<40}] {done} min", end="\n" if done == total else "", flush=True)
    time.sleep(pause)
