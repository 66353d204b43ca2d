"""DescribeEndpoint and DescribeInferenceExperiment agree at every minute, and calling them changes nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from tests.conftest import START
from tests.hosting import ENDPOINTS, everything, variants
from tests.requests import PRODUCTION, SHADOW, create, deployed, endpoint_config, shadow_mode, variant

# These tests arrange failures that need not happen.
pytestmark = pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")

# The endpoint configurations that exist, and the quota of instances.
CONFIGS = {
    "plain": [deployed(PRODUCTION, InitialInstanceCount=2)],
    "two-variants": [deployed("blue"), deployed("green")],
    "shadowed": [deployed(PRODUCTION)],
}
SHADOWS = {"shadowed": [deployed(SHADOW, InitialInstanceCount=2)]}
QUOTAS = {"ml.m5.xlarge": 9}
MINUTE = dt.timedelta(minutes=1)


class Step(NamedTuple):
    """A wait, and then a call of a method of the client or of the mock (`fail_...`).

    Instants in `members` are offsets from the time of the call.
    """

    minutes: int
    method: str
    members: dict[str, Any]

    def run(self, mock):
        """Make the call; return the error code or message of its refusal, or None."""
        now = mock.clock.now()
        members = dict(self.members)
        if "Schedule" in members:
            members["Schedule"] = {end: now + after for end, after in members["Schedule"].items()}
        owner = mock if self.method.startswith("fail_") else mock.client()
        try:
            getattr(owner, self.method)(**members)
        except ClientError as error:
            return error.response["Error"]["Code"]
        except (LookupError, ValueError) as error:
            return str(error)
        return None


def members(**strategies):
    """Return dicts of these members without those that are None."""
    complete = st.fixed_dictionaries(strategies)
    return complete.map(lambda given: {name: value for name, value in given.items() if value is not None})


def mostly(first, second):
    """Return one of two names, usually the first: the calls of a history are then about the same resource."""
    return st.sampled_from([first] * 4 + [second])


experiments, endpoints, configs = mostly("x", "y"), mostly("one", "two"), st.sampled_from([*CONFIGS])
few_minutes = st.sampled_from([0, 0, 1, 2, 3]).map(lambda number: number * MINUTE)
counts = st.integers(1, 4)
schedules = members(
    StartTime=st.integers(0, 9).map(lambda number: number * MINUTE),
    EndTime=st.none() | st.integers(5, 30).map(lambda number: number * MINUTE),
)
models = st.builds(
    lambda production, shadow: [variant(PRODUCTION, count=production), variant(SHADOW, count=shadow)], counts, counts
)
modes = st.integers(0, 100).map(lambda percentage: shadow_mode(percentage=percentage))
actions = st.sampled_from(["Retain Remove", "Retain Retain", "Remove Promote"]).map(
    lambda both: dict(zip((PRODUCTION, SHADOW), both.split(), strict=True))
)
reasons = st.just("It broke")

CALLS = {
    "create_inference_experiment": st.builds(
        create,
        experiments,
        EndpointName=endpoints,
        Schedule=st.none() | schedules,
        ModelVariants=models,
        ShadowModeConfig=modes,
    ),
    "update_inference_experiment": members(
        Name=experiments,
        Schedule=st.none() | st.none() | schedules,
        ModelVariants=st.none() | st.none() | models,
        ShadowModeConfig=modes,
    ),
    "start_inference_experiment": members(Name=experiments),
    "stop_inference_experiment": members(
        Name=experiments,
        ModelVariantActions=actions,
        DesiredModelVariants=st.none() | counts.map(lambda count: [variant(PRODUCTION, count=count)]),
    ),
    "delete_inference_experiment": members(Name=experiments),
    "create_endpoint": members(EndpointName=endpoints, EndpointConfigName=configs),
    "update_endpoint": members(EndpointName=endpoints, EndpointConfigName=configs),
    "update_endpoint_weights_and_capacities": members(
        EndpointName=endpoints,
        # Another weight than an experiment's: on its endpoint, only numbers of instances may change.
        DesiredWeightsAndCapacities=counts.map(
            lambda count: [{"VariantName": PRODUCTION, "DesiredWeight": count + 1, "DesiredInstanceCount": count}]
        ),
    ),
    "delete_endpoint": members(EndpointName=endpoints),
    "fail_experiment": members(name=experiments, reason=reasons),
    "fail_endpoint": members(name=endpoints, reason=reasons),
}


def step(method):
    """Return steps that call this method."""
    return st.builds(Step, st.integers(0, 6), st.just(method), CALLS[method])


often = ["update_inference_experiment", "stop_inference_experiment"] * 2
histories = st.builds(
    lambda *parts: [step for part in parts for step in part],
    st.lists(step("create_endpoint"), max_size=1),
    st.lists(step("create_inference_experiment"), min_size=1, max_size=1),
    st.lists(st.sampled_from([*CALLS, *often]).flatmap(step), min_size=1, max_size=12),
)
durations = st.builds(Durations, *[few_minutes] * len(dataclasses.fields(Durations)))


def run(durations, history, observe):
    """Run a history in a mock and `observe` it every minute; return the refusals and everything that is shown."""
    with mock_inference_experiment(clock=MockClock(START, tick=False), durations=durations, quotas=QUOTAS) as mock:
        for name, production in CONFIGS.items():
            shadows = {"ShadowProductionVariants": SHADOWS[name]} if name in SHADOWS else {}
            mock.client().create_endpoint_config(**endpoint_config(name, *production, **shadows))
        refusals = []
        for step in [*history, None]:
            for _ in range(10 if step is None else step.minutes):
                observe(mock)
                mock.clock.advance(MINUTE)
            observe(mock)
            if step is not None:
                refusals.append(step.run(mock))
        observe(mock)
        return refusals, everything(mock)


def check_agreement(mock):
    """Compare what both Describes show of every experiment, and sometimes call all other Lists and Describes."""
    endpoints = ENDPOINTS.all(mock.client())
    for experiment in mock.experiments.values():
        compare(experiment, endpoints.get(experiment["EndpointMetadata"]["EndpointName"], {}))
    if mock.clock.now().minute % 10 == 0:
        everything(mock)


def compare(experiment, endpoint):
    """Compare an experiment with its endpoint: status, configuration, failure, variants, instances and weights."""
    metadata = experiment["EndpointMetadata"]
    members = {"EndpointConfigName", "EndpointStatus", "FailureReason"}
    assert {name: metadata.get(name) for name in members} == {name: endpoint.get(name) for name in members}

    summaries = {**variants(endpoint.get("PendingDeploymentSummary", {})), **variants(endpoint)}
    finished = experiment["Status"] in ("Completed", "Cancelled")
    for each in experiment["ModelVariants"]:
        if (summary := summaries.get(each["VariantName"])) is None:
            assert each["Status"] == ("Deleted" if finished else "Creating")
        else:
            (status,) = [status["Status"] for status in summary.get("VariantStatus", [{"Status": "InService"}])]
            assert each["Status"] == status
    if finished:
        return

    assert endpoint["EndpointStatus"] in ENDPOINT_STATUSES[experiment["Status"]]
    if endpoint["EndpointStatus"] != "InService":
        assert endpoint["LastModifiedTime"] == experiment["LastModifiedTime"]
    if experiment["Status"] == "Running":
        assert instance_counts(variants(endpoint).values()) == instance_counts(experiment["ModelVariants"])
        percentage = experiment["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"]
        assert [v["CurrentWeight"] for v in endpoint["ProductionVariants"]] == [1]
        assert [v["CurrentWeight"] for v in endpoint["ShadowProductionVariants"]] == [percentage / 100]


# The statuses that the endpoint of an experiment may have.
ENDPOINT_STATUSES = {
    "Creating": {"Creating", "Updating", "InService"},
    "Created": {"InService"},
    "Updating": {"Updating", "InService"},
    "Starting": {"Updating"},
    "Running": {"InService"},
    "Stopping": {"Updating", "InService"},
}


def instance_counts(listed):
    """Return the number of instances of each variant in a list of either Describe."""
    return {
        each["VariantName"]: each.get("CurrentInstanceCount")
        or each["InfrastructureConfig"]["RealTimeInferenceConfig"]["InstanceCount"]
        for each in listed
    }


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # Phase.explain would take minutes.
    suppress_health_check=[HealthCheck.too_slow],
)
@given(durations, histories)
def test_both_describes_agree_at_every_minute_and_change_nothing(durations, history):
    """Both Describes agree on every experiment, and the same history without them ends in the same state."""
    observed = run(durations, history, check_agreement)
    unobserved = run(durations, history, observe=lambda mock: None)

    assert observed == unobserved
