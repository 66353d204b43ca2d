"""Two rollouts for the demonstration, as a user may write them: `careless` has a bug, and `careful` does not."""

from __future__ import annotations

import time
from typing import Any


def careless(sagemaker: Any, experiment: dict[str, Any]) -> None:
    """Launch a shadow test, and promote the candidate when the test runs."""
    sagemaker.create_inference_experiment(**experiment)
    while sagemaker.describe_inference_experiment(Name=experiment["Name"])["Status"] != "Running":
        time.sleep(60)
    actions = {"production": "Remove", "shadow": "Promote"}
    sagemaker.stop_inference_experiment(Name=experiment["Name"], ModelVariantActions=actions)


def careful(sagemaker: Any, experiment: dict[str, Any]) -> None:
    """Launch a shadow test, and promote the candidate when the test runs. Clean up when it is over before."""
    sagemaker.create_inference_experiment(**experiment)
    while (status := sagemaker.describe_inference_experiment(Name=experiment["Name"])["Status"]) != "Running":
        if status in ("Completed", "Cancelled"):
            sagemaker.delete_endpoint(EndpointName=experiment["EndpointName"])
            return
        time.sleep(60)
    actions = {"production": "Remove", "shadow": "Promote"}
    sagemaker.stop_inference_experiment(Name=experiment["Name"], ModelVariantActions=actions)
