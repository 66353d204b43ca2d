"""A mock and a reference model get the same random calls at the same random times, and must answer alike."""

from __future__ import annotations

import copy
import datetime as dt

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mock_sagemaker_ie import Durations, MockClock, mock_inference_experiment
from tests import requests as valid
from tests.attack.size import LARGE
from tests.conftest import START
from tests.hosting import ENDPOINTS
from tests.reference_model import DAY, FINISHED, INVALID, UNFINISHED, VALID_ACTIONS, Deployment, ReferenceModel
from tests.requests import PRODUCTION, SHADOW, deployed, endpoint_config

# These tests arrange failures that need not happen.
pytestmark = pytest.mark.filterwarnings("ignore::mock_sagemaker_ie.UnusedFaultWarning")

NAMES = ("ranker", "other")
ENDPOINT_NAMES = ("one", "two")
# The endpoint configurations that exist.
CONFIGS = {
    "plain": Deployment("plain", {PRODUCTION: (2, 1)}),
    "shadowed": Deployment("shadowed", {PRODUCTION: (1, 1)}, {SHADOW: (3, 0.25)}),
    "other": Deployment("other", {"blue": (1, 1)}),
    "both": Deployment("both", {"blue": (1, 1), "green": (1, 3)}),
}
VARIANT_LISTS = {"production": "ProductionVariants", "shadow": "ShadowProductionVariants"}

SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)

# Most calls are about the first experiment and the first endpoint, so that they go through many statuses.
names, endpoints = (st.sampled_from([first, first, second]) for first, second in (NAMES, ENDPOINT_NAMES))
configs = st.sampled_from([*CONFIGS])
durations = st.sampled_from([0 * SECOND, SECOND, HOUR])
# Offsets from now.
starts = st.none() | st.sampled_from([-HOUR, 0 * DAY, HOUR, DAY, 10 * DAY])
ends = st.none() | st.sampled_from([-HOUR, HOUR, 7 * DAY, 29 * DAY, 40 * DAY, 41 * DAY])
texts = st.sampled_from([None, "", "Some text"])
percentages, counts = st.integers(0, 100), st.integers(1, 5)
actions = st.sampled_from(
    [
        *VALID_ACTIONS,
        *VALID_ACTIONS,
        ("Remove", "Remove"),
        ("Remove", "Retain"),
        ("Retain", "Promote"),
        ("Promote", "Retain"),
    ]
)


def given(**members):
    """Return the members that are not None."""
    return {member: value for member, value in members.items() if value is not None}


def variants(deployment, member):
    """Return the variants of a deployment as CreateEndpointConfig takes them."""
    return [
        deployed(name, InitialInstanceCount=instances, InitialVariantWeight=weight)
        for name, (instances, weight) in getattr(deployment, member).items()
    ]


def shown_deployment(described, prefix):
    """Return the Deployment that Describe shows: the "Current" or the "Desired" one."""
    config = described["EndpointConfigName"]
    lists = {
        member: {
            variant["VariantName"]: (variant[f"{prefix}InstanceCount"], variant[f"{prefix}Weight"])
            for variant in described.get(listed, ())
        }
        for member, listed in VARIANT_LISTS.items()
    }
    return Deployment(config if config in CONFIGS else f"{config.rpartition('-')[0]}-", **lists)


# Without these preconditions most calls would be refused, and most runs would end early.


def when_any(*statuses):
    """Run a rule only when an experiment has one of the statuses."""
    return precondition(lambda self: any(each.status in statuses for each in self.model.experiments.values()))


def when_endpoint(*statuses):
    """Run a rule only when an endpoint that no experiment uses has one of the statuses."""
    return precondition(lambda self: any(self.model.can_change(name, *statuses) for name in self.model.endpoints))


def every(number):
    """Run a rule only at every so many steps."""
    return precondition(lambda self: self.steps % number == 0)


def seldom_without_free_name(kind):
    """Run a rule that creates one of this kind seldom if both names are in use."""
    return precondition(lambda self: len(getattr(self.model, kind)) < 2 or self.steps % 4 == 0)


class MockAndReferenceModel(RuleBasedStateMachine):
    """Each rule makes one call, or lets time pass, in the mock and in the reference model."""

    @initialize(
        durations=st.builds(Durations, *[durations] * 8),
        observed=st.booleans(),
        config=st.none() | configs,
        launch=st.sampled_from([True, True, True, False]),
        start=st.sampled_from([None, HOUR, HOUR, DAY, 10 * DAY]),
    )
    def begin(self, *, durations, observed, config, launch, start):
        """Create the configurations, and perhaps (`config`) an endpoint and (`launch`) an experiment on it.

        Everything is compared after every step (`observed`) or now and then.
        """
        self.model, self.observed, self.steps = ReferenceModel(durations, START, CONFIGS), observed, 0
        self.clock = MockClock(START, tick=False)
        self.activation = mock_inference_experiment(clock=self.clock, durations=durations)
        self.mock = self.activation.start()
        self.sagemaker = self.mock.client()
        for name, deployment in CONFIGS.items():
            lists = {
                listed: variants(deployment, member)
                for member, listed in VARIANT_LISTS.items()
                if getattr(deployment, member)
            }
            self.sagemaker.create_endpoint_config(**endpoint_config(name, **lists))
        if config is not None:
            self.create_endpoint(ENDPOINT_NAMES[0], config)
            self.clock.advance(durations.endpoint_creating)
            self.model.pass_time(self.now)
        if launch:
            name, endpoint, instances = NAMES[0], ENDPOINT_NAMES[0], {PRODUCTION: 1, SHADOW: 1}
            self.create(name=name, endpoint=endpoint, start=start, end=None, description=None, instances=instances)

    def teardown(self):
        if hasattr(self, "activation"):
            self.activation.stop()

    @property
    def now(self):
        return self.clock.now()

    def at(self, offset):
        return None if offset is None else self.now + offset

    def call(self, expected, operation, **members):
        """Call the mock, which must refuse with the `expected` error code or, if that is None, answer."""
        method = getattr(self.sagemaker, operation)
        if expected is None:
            return method(**members)
        with pytest.raises(ClientError) as caught:
            method(**members)
        assert caught.value.response["Error"]["Code"] == expected
        return None

    # --- time

    @rule(step=st.sampled_from([SECOND, HOUR, HOUR, DAY, 10 * DAY]))
    def let_time_pass(self, step):
        self.clock.advance(step)

    @precondition(lambda self: any(self.model.events()))
    @rule(number=st.sampled_from([1, 1, 2, 4]), early=st.sampled_from([0 * SECOND, 0 * SECOND, SECOND]))
    def wait_for_events(self, number, early):
        """Move the clock to one of the next instants at which something happens, or to the second before."""
        future = copy.deepcopy(self.model)
        for _ in range(number):
            future.pass_time(future.next_event())
        self.clock.move_to(max(self.now, future.now - early))

    # --- comparison

    @invariant()
    def finish_step(self):
        self.steps += 1
        self.model.pass_time(self.now)
        if self.observed:
            self.compare()

    @every(4)
    @rule()
    def describe(self):
        """Compare everything, and experiments by DescribeInferenceExperiment too."""
        for name in NAMES:
            experiment = self.model.experiments.get(name)
            expected = None if experiment else "ResourceNotFound"
            described = self.call(expected, "describe_inference_experiment", Name=name)
            if experiment:
                self.compare_experiment(described, experiment)
        self.compare()

    def compare(self):
        """Compare all experiments and endpoints of the mock with those of the model."""
        experiments, endpoints = self.mock.experiments, ENDPOINTS.all(self.sagemaker)
        assert [*experiments] == [*self.model.experiments]
        for name, expected in self.model.experiments.items():
            self.compare_experiment(experiments[name], expected)
        assert [*endpoints] == [*self.model.endpoints]
        for name, expected in self.model.endpoints.items():
            self.compare_endpoint(endpoints[name], expected)

    def compare_experiment(self, described, experiment):
        expected = experiment.described()
        optional = {"CompletionTime", "Description", "StatusReason"} & described.keys()
        assert {member: described[member] for member in {*expected, *optional}} == expected

    def compare_endpoint(self, described, expected):
        members = {
            "EndpointStatus": expected.status,
            "CreationTime": expected.created,
            "LastModifiedTime": expected.since,
            "FailureReason": expected.reason,
        }
        assert {member: described.get(member) for member in members} == members
        if expected.serving is None:
            assert not any(member in described for member in VARIANT_LISTS.values())
        else:
            assert shown_deployment(described, "Current") == expected.serving
        if "PendingDeploymentSummary" in described:
            assert shown_deployment(described["PendingDeploymentSummary"], "Desired") == expected.pending
        elif expected.deploying:  # Only weights and capacities change.
            assert shown_deployment(described, "Desired") == expected.pending

    # --- operations on experiments

    @seldom_without_free_name("experiments")
    @rule(
        name=names,
        endpoint=endpoints,
        start=starts,
        end=ends,
        description=texts,
        instances=st.fixed_dictionaries({PRODUCTION: counts, SHADOW: counts}),
    )
    def create(self, *, name, endpoint, start, end, description, instances):
        start, end = self.at(start), self.at(end)
        models = [valid.variant(each, count=count) for each, count in instances.items()]
        request = valid.create(
            name,
            EndpointName=endpoint,
            Schedule=given(StartTime=start, EndTime=end) or None,
            Description=description,
            ModelVariants=models,
        )

        expected = self.model.create(
            name, endpoint=endpoint, start=start, end=end, description=description, instances=instances
        )

        self.call(expected, "create_inference_experiment", **request)

    @when_any("Created", "Running")
    @rule(
        name=names,
        start=st.none() | st.none() | starts,  # A running experiment must keep its StartTime.
        end=ends,
        description=texts,
        percentage=st.none() | percentages,
    )
    def update(self, name, start, end, description, percentage):
        start, end = self.at(start), self.at(end)
        config = None if percentage is None else valid.shadow_mode(percentage=percentage)
        schedule = given(StartTime=start, EndTime=end) or None

        expected = self.model.update(name, start=start, end=end, description=description, percentage=percentage)

        members = given(Schedule=schedule, Description=description, ShadowModeConfig=config)
        self.call(expected, "update_inference_experiment", Name=name, **members)

    @when_any("Created")
    @rule(name=names)
    def start(self, name):
        self.call(self.model.start(name), "start_inference_experiment", Name=name)

    @every(2)
    @when_any("Creating", "Created", "Running")
    @rule(name=names, actions=actions, desired=st.sampled_from([None, "Completed", "Cancelled"]), reason=texts)
    def stop(self, name, actions, desired, reason):
        request = valid.stop(name, *actions, **given(DesiredState=desired, Reason=reason))

        expected = self.model.stop(name, actions=actions, desired=desired, reason=reason)

        self.call(expected, "stop_inference_experiment", **request)

    @when_any("Created", *FINISHED)
    @rule(name=names)
    def delete(self, name):
        self.call(self.model.delete(name), "delete_inference_experiment", Name=name)

    @every(2)
    @when_any(*UNFINISHED)
    @rule(data=st.data())
    def fail_experiment(self, data):
        unfinished = [name for name, each in self.model.experiments.items() if not each.finished]
        name = data.draw(st.sampled_from(unfinished))

        self.model.fail_experiment(name, "Broken")
        self.mock.fail_experiment(name, "Broken")

    @every(2)
    @rule(
        name=names, key=st.sampled_from(["team", "stage"]), value=st.sampled_from(["", "value"]), remove=st.booleans()
    )
    def tag(self, name, key, value, remove):
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{name}"
        experiment = self.model.experiments.get(name)
        expected = None if experiment else INVALID

        if remove:
            self.call(expected, "delete_tags", ResourceArn=arn, TagKeys=[key])
        else:
            self.call(expected, "add_tags", ResourceArn=arn, Tags=[{"Key": key, "Value": value}])

        listed = self.call(expected, "list_tags", ResourceArn=arn)
        if experiment:
            experiment.tags.pop(key, None)
            experiment.tags.update({} if remove else {key: value})
            assert {tag["Key"]: tag["Value"] for tag in listed["Tags"]} == experiment.tags

    @every(4)
    @rule(
        contains=st.sampled_from([None, "r", "rank"]),
        status=st.none() | st.sampled_from([*UNFINISHED, *FINISHED]),
        ago=st.sampled_from([None, 0 * DAY, HOUR, 10 * DAY]),
        by=st.sampled_from(["CreationTime", "Name", "Status"]),
        order=st.sampled_from(["Ascending", "Descending"]),
        size=st.integers(1, len(NAMES) + 1),
    )
    def list(self, *, contains, status, ago, by, order, size):
        after = None if ago is None else self.now - ago
        query = given(NameContains=contains, StatusEquals=status, LastModifiedTimeAfter=after)

        expected = self.model.listed(contains=contains, status=status, modified_after=after, by=by, order=order)

        pages = self.sagemaker.get_paginator("list_inference_experiments").paginate(
            SortBy=by, SortOrder=order, MaxResults=size, **query
        )
        assert [summary["Name"] for page in pages for summary in page["InferenceExperiments"]] == expected

    # --- operations on endpoints

    @seldom_without_free_name("endpoints")
    @rule(name=endpoints, config=configs)
    def create_endpoint(self, name, config):
        expected = self.model.create_endpoint(name, config)

        self.call(expected, "create_endpoint", EndpointName=name, EndpointConfigName=config)

    @when_endpoint("InService")
    @rule(name=endpoints, config=configs)
    def update_endpoint(self, name, config):
        expected = self.model.update_endpoint(name, config)

        self.call(expected, "update_endpoint", EndpointName=name, EndpointConfigName=config)

    @precondition(lambda self: any(each.status == "InService" for each in self.model.endpoints.values()))
    @rule(
        name=endpoints,
        variant=st.sampled_from([PRODUCTION, SHADOW, "blue"]),
        instances=counts,
        weight=st.sampled_from([None, None, 0.5, 1, 2]),  # Under a test no weight may change.
    )
    def update_weights_and_capacities(self, name, variant, instances, weight):
        expected = self.model.update_weights_and_capacities(name, variant, instances=instances, weight=weight)

        desired = given(VariantName=variant, DesiredWeight=weight, DesiredInstanceCount=instances)
        operation = "update_endpoint_weights_and_capacities"
        self.call(expected, operation, EndpointName=name, DesiredWeightsAndCapacities=[desired])

    @every(2)
    @when_endpoint("InService", "Failed")
    @rule(name=endpoints)
    def delete_endpoint(self, name):
        self.call(self.model.delete_endpoint(name), "delete_endpoint", EndpointName=name)

    @every(3)
    @rule(name=endpoints)
    def fail_endpoint(self, name):
        self.model.fail_endpoint(name, "Broken")
        self.mock.fail_endpoint(name, "Broken")


@pytest.mark.parametrize("deployment_fails", [False, True])
def test_instances_changed_under_a_test_are_not_kept_by_a_failure(deployment_fails):
    """An endpoint made by a test that fails has the experiment's instances in the mock and in the reference model."""
    history = MockAndReferenceModel()
    history.begin(durations=Durations(), observed=True, config=None, launch=True, start=None)

    try:
        history.finish_step()
        history.update_weights_and_capacities(ENDPOINT_NAMES[0], PRODUCTION, instances=2, weight=None)
        history.finish_step()
        if deployment_fails:
            history.fail_endpoint(ENDPOINT_NAMES[0])
            history.let_time_pass(10 * DAY)
        else:
            history.model.fail_experiment(NAMES[0], "Broken")
            history.mock.fail_experiment(NAMES[0], "Broken")
        history.finish_step()
    finally:
        history.teardown()


TestMockAndReferenceModel = MockAndReferenceModel.TestCase
TestMockAndReferenceModel.settings = settings(
    max_examples=10_000 if LARGE else 125,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # Phase.explain would take minutes.
    suppress_health_check=[HealthCheck.too_slow],
)
