"""Laws of deployments with a DeploymentConfig: their phases, and what an endpoint shows and answers at any instant."""

from __future__ import annotations

import datetime as dt
import itertools
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from mock_sagemaker_ie.backend.hosting import guardrails
from tests.conftest import START
from tests.guardrails import ALARM, MODELS, NEW, OLD, answers, blue_green, configure, percent, rolling, size, update
from tests.hosting import endpoint
from tests.requests import ENDPOINT, deployed, endpoint_config

SECOND = dt.timedelta(seconds=1)
seconds = st.integers(0, 600)


def sizes(least, most):
    """Return CapacitySizes of these percentages, and of one instance."""
    return st.one_of(st.integers(least, most).map(percent), st.just(size(1)))


configs = st.one_of(
    st.builds(blue_green, wait=seconds, termination=seconds),
    st.builds(blue_green, st.just("CANARY"), wait=seconds, termination=seconds, CanarySize=sizes(1, 50)),
    st.builds(blue_green, st.just("LINEAR"), wait=seconds, termination=seconds, LinearStepSize=sizes(10, 50)),
    st.builds(rolling, sizes(5, 50), wait=seconds, RollbackMaximumBatchSize=sizes(5, 100)),
)
durations = st.builds(
    Durations,
    **dict.fromkeys(
        ("endpoint_updating", "endpoint_deleting", "endpoint_rolling_back"), seconds.map(lambda it: it * SECOND)
    ),
)
counts = st.integers(2, 8)


def variants(*numbers):
    """Return a deployment with so many instances of each variant."""
    return endpoint_config(
        "config", *(deployed(f"v{each}", InitialInstanceCount=it) for each, it in enumerate(numbers))
    )


# --- the phases alone


@given(configs | st.just({}), durations, st.lists(st.tuples(counts, counts), min_size=1, max_size=3))
def test_the_phases_of_a_deployment_follow_each_other(config, lasting, numbers):
    """They have no gap; traffic only moves to the new fleet, which has the instances that answer; in the end all of it.

    A phase with traffic for the old fleet has instances of it.
    """
    old, new = (variants(*each) for each in zip(*numbers, strict=True))

    phases = guardrails.phases(config, old, new, START, lasting)

    assert phases[0].begins == START
    for phase, following in itertools.pairwise(phases):
        assert phase.ends == following.begins
        assert phase.share <= following.share
        assert all(phase.old[name] >= following.old[name] for name in phase.old)
    for phase in phases:
        assert phase.begins <= phase.ends
        assert all(0 <= phase.active[name] <= phase.new[name] for name in phase.new)
        assert phase.share == Fraction(sum(phase.active.values()), sum(guardrails.instance_counts(new).values()))
        assert phase.share == 1 or all(phase.old.values())
    assert (phases[0].share, phases[-1].share) == (0, 1)
    assert phases[-1].active == guardrails.instance_counts(new)
    assert phases[-1].status == guardrails.DELETING


@given(configs, durations, counts, st.data())
def test_a_roll_back_at_any_instant_ends_with_all_old_instances(config, lasting, count, data):
    """No batch of a roll-back has more instances than are missing, and the last one has the rest."""
    old = new = variants(count)
    phase = data.draw(st.sampled_from(guardrails.phases(config, old, new, START, lasting)))

    phases = guardrails.roll_back(phase, config, old, phase.ends, SECOND)

    present = phase.old["v0"]
    for each in phases:
        assert each.old["v0"] == present < count
        assert each.share == 0
        (message,) = each.messages.values()
        present += int(message.split()[1])
    assert present == count


# --- an endpoint


class Run:
    """A mock with an endpoint under deployment, and what was seen of it."""

    def __init__(self, mock, config, count):
        self.mock, self.sagemaker = mock, mock.client()
        for name in (OLD, NEW):
            capture = {
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"s3://{name}/captured",
                "CaptureOptions": [{"CaptureMode": "Output"}],
            }
            configure(self.sagemaker, name, count, DataCaptureConfig=capture)
        self.sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=OLD)
        update(self.sagemaker, config)
        self.answered = {OLD: 0, NEW: 0}

    def check(self, requests):
        """Invoke the endpoint; what Describe, the answers, the captures, the metrics and the events say agrees."""
        shown = endpoint(self.sagemaker)
        (old,) = shown["ProductionVariants"]
        (new,) = shown.get("PendingDeploymentSummary", {}).get("ProductionVariants", [None])
        answered = answers(self.mock, requests)

        by_config = {config: answered.count(model) for config, model in MODELS.items()}
        assert sum(by_config.values()) == requests
        if new is None:
            assert by_config[shown["EndpointConfigName"]] == requests
        else:
            share = Fraction(new["CurrentInstanceCount"], new["DesiredInstanceCount"])
            assert abs(by_config[NEW] - requests * share) < 1
            assert share == 1 or old["CurrentInstanceCount"] > 0
        self.answered = {config: self.answered[config] + number for config, number in by_config.items()}
        counted = dict.fromkeys(MODELS, 0)
        for each in self.mock.metrics.by_config:
            if each.name == "Invocations":
                counted[each.endpoint_config] += each.sum
        assert counted == self.answered
        destinations = [capture.destination for capture in self.mock.captures]
        assert {config: destinations.count(f"s3://{config}/captured") for config in MODELS} == self.answered
        event = self.mock.events[-1]["detail"]
        assert event["EndpointStatus"].replace("_", "") == shown["EndpointStatus"].upper()
        assert event["EndpointConfigName"] == shown["EndpointConfigName"]


@settings(max_examples=40)
@given(
    configs, durations, counts, st.lists(st.tuples(seconds, st.integers(0, 9), st.booleans()), min_size=1, max_size=8)
)
def test_describe_traffic_metrics_events_and_captures_agree_at_every_instant(config, lasting, count, steps):
    """No request is lost, or answered by a fleet without instances; each answers its share, until an alarm comes."""
    with mock_inference_experiment(
        clock=MockClock(START, tick=False), durations=lasting, unused_faults="ignore"
    ) as mock:
        run = Run(mock, config, count)
        for wait, requests, alarm in steps:
            mock.clock.advance(seconds=wait)
            mock.alarm(ALARM, state="ALARM" if alarm else "OK")
            run.check(requests)


@settings(max_examples=40)
@given(configs, durations, counts, st.integers(0, 5000), st.lists(st.integers(0, 6000), max_size=8))
def test_looks_do_not_change_a_deployment(config, lasting, count, alarm, looks):
    """One look shows the same as many, also with an alarm at any instant. A roll-back ends on the old configuration."""
    last = 100_000
    seen = []
    for instants in ((alarm, last), sorted({*looks, alarm, last})):
        clock = MockClock(START, tick=False)
        with mock_inference_experiment(clock=clock, durations=lasting, unused_faults="ignore") as mock:
            run = Run(mock, config, count)
            for instant in instants:
                clock.move_to(START + instant * SECOND)
                if instant == alarm:
                    mock.alarm(ALARM, state="ALARM")
                shown = endpoint(run.sagemaker)
            seen.append(shown)

    assert seen[0] == seen[1]
    rolled_back = "FailureReason" in shown
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", OLD if rolled_back else NEW)
    (variant,) = shown["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == count
