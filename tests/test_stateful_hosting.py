"""Endpoints and experiments together, side by side with a naive model of both, under random calls and random time."""

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
from tests.conftest import START
from tests.hosting import ENDPOINTS
from tests.naive import REASONABLE, UNFINISHED
from tests.naive_hosting import Deployment, Model
from tests.requests import PRODUCTION, SHADOW, deployed, endpoint_config

SECOND, HOUR, DAY = dt.timedelta(seconds=1), dt.timedelta(hours=1), dt.timedelta(days=1)

# The configurations that there are, as the model knows them.
CONFIGS = {
    "plain": Deployment("plain", {PRODUCTION: (2, 1)}),
    "shadowed": Deployment("shadowed", {PRODUCTION: (1, 1)}, {SHADOW: (3, 0.25)}),
    "other": Deployment("other", {"blue": (1, 1)}),
    "both": Deployment("both", {"blue": (1, 1), "green": (1, 3)}),
}
MEMBERS = {"production": "ProductionVariants", "shadow": "ShadowProductionVariants"}

names, endpoints, configs = (
    st.sampled_from(["ranker", "other"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from([*CONFIGS]),
)
durations = st.sampled_from([0 * SECOND, SECOND, HOUR])
offsets = st.sampled_from([HOUR, DAY])
counts = st.integers(1, 5)
weights = st.sampled_from([0.5, 1, 2])


def variants(deployment, member):
    """A deployment's variants as a configuration has them."""
    return [
        deployed(name, InitialInstanceCount=instances, InitialVariantWeight=weight)
        for name, (instances, weight) in getattr(deployment, member).items()
    ]


def told(shown, prefix):
    """The Deployment that Describe tells of, currently or as desired."""
    listed = {
        member: {
            variant["VariantName"]: (variant[f"{prefix}InstanceCount"], variant[f"{prefix}Weight"])
            for variant in shown.get(name, ())
        }
        for member, name in MEMBERS.items()
    }
    return Deployment(shown["EndpointConfigName"], **listed)


def same(deployment, expected):
    """Whether a deployment is the one expected; the name of a test's own configuration is known by its beginning."""
    own = expected.config.endswith("-") and deployment.config.startswith(expected.config)
    return deployment == (expected._replace(config=deployment.config) if own else expected)


def given(**members):
    """The members that are not None."""
    return {member: value for member, value in members.items() if value is not None}


def when(*statuses):
    """Lets a rule come only when there is an experiment for it."""
    return precondition(lambda self: any(e.status in statuses for e in self.model.experiments.values()))


def when_free(*statuses):
    """Lets a rule come only when there is an endpoint for it."""
    return precondition(lambda self: any(not self.model.refuses(name, *statuses) for name in self.model.endpoints))


def seldom(rule_of_machine):
    """Lets a rule come only now and then: what it does ends most stories."""
    return precondition(lambda self: self.steps % 4 == 0)(rule_of_machine)


class HostingSideBySide(RuleBasedStateMachine):
    """Every call goes to both, and both must answer alike."""

    @initialize(durations=st.builds(Durations, *[durations] * 8), watched=st.booleans())
    def begin(self, durations, watched):
        """Make the configurations, in a world that is looked at after each step (`watched`) or only now and then."""
        self.model, self.watched, self.steps = Model(durations, START, CONFIGS), watched, 0
        self.clock = MockClock(START, tick=False)
        self.world = mock_inference_experiment(clock=self.clock, durations=durations)
        self.mock = self.world.start()
        self.sagemaker = self.mock.client()
        for name, deployment in CONFIGS.items():
            lists = {MEMBERS[member]: variants(deployment, member) for member in MEMBERS if getattr(deployment, member)}
            self.sagemaker.create_endpoint_config(**endpoint_config(name, **lists))

    def teardown(self):
        if hasattr(self, "world"):
            self.world.stop()

    @property
    def now(self):
        return self.clock.now()

    def both(self, expected, operation, **members):
        """Call the service, which must refuse with the `expected` code, or do as it is told."""
        call = getattr(self.sagemaker, operation)
        if expected is None:
            call(**members)
            return
        with pytest.raises(ClientError) as caught:
            call(**members)
        assert caught.value.response["Error"]["Code"] == expected

    # --- time

    @rule(step=st.sampled_from([SECOND, HOUR, DAY]))
    def time_passes(self, step):
        self.clock.advance(step)

    @rule(number=st.integers(1, 2), early=st.sampled_from([0 * SECOND, 0 * SECOND, SECOND]))
    def deadlines_come(self, number, early):
        """Time passes until the next things happen by themselves, or until the second before the last of them."""
        future = copy.deepcopy(self.model)
        for _ in range(number):
            future.pass_time(future.next_deadline())
        self.clock.move_to(max(self.now, future.now - early))

    # --- looks

    @invariant()
    def keep_up(self):
        self.steps += 1
        self.model.pass_time(self.now)
        if self.watched:
            self.look()

    @rule()
    def look(self):
        """Both know the same experiments and endpoints, and of each the same."""
        assert {name: (each["Status"], each.get("StatusReason")) for name, each in self.mock.experiments.items()} == {
            name: (each.status, each.reason) for name, each in self.model.experiments.items()
        }
        shown = ENDPOINTS.all(self.sagemaker)
        assert [*shown] == [*self.model.endpoints]
        for name, expected in self.model.endpoints.items():
            self.compare(shown[name], expected)

    def compare(self, shown, expected):
        assert {
            "EndpointStatus": expected.status,
            "CreationTime": expected.created,
            "LastModifiedTime": expected.since,
            **given(FailureReason=expected.reason),
        }.items() <= shown.items()
        assert ("FailureReason" in shown) == (expected.reason is not None)
        if expected.serving is None:
            assert not any(name in shown for name in MEMBERS.values())
        else:
            assert same(told(shown, "Current"), expected.serving)
        if "PendingDeploymentSummary" in shown:
            assert same(told(shown["PendingDeploymentSummary"], "Desired"), expected.pending)
        elif expected.deploying:  # Within one configuration: weights and capacities.
            assert same(told(shown, "Desired"), expected.pending)

    # --- experiments

    @rule(
        name=names,
        endpoint=endpoints,
        start=st.none() | offsets,
        instances=st.fixed_dictionaries({PRODUCTION: counts, SHADOW: counts}),
    )
    def create(self, name, endpoint, start, instances):
        start = start and self.now + start
        expected = self.model.create(name, endpoint=endpoint, start=start, instances=instances)

        schedule = start and {"StartTime": start}
        models = [valid.variant(each, count=count) for each, count in instances.items()]
        request = valid.create(name, EndpointName=endpoint, Schedule=schedule, ModelVariants=models)
        self.both(expected, "create_inference_experiment", **request)

    @when("Created", "Running")
    @rule(name=names, percentage=st.integers(0, 100))
    def update(self, name, percentage):
        expected = self.model.update(name, start=None, end=None, description=None, percentage=percentage)

        config = valid.shadow_mode(percentage=percentage)
        self.both(expected, "update_inference_experiment", Name=name, ShadowModeConfig=config)

    @when("Created")
    @rule(name=names)
    def start(self, name):
        self.both(self.model.start(name), "start_inference_experiment", Name=name)

    @seldom
    @when("Created", "Running")
    @rule(name=names, actions=st.sampled_from(REASONABLE))
    def stop(self, name, actions):
        expected = self.model.stop(name, actions=actions, desired="Completed", reason=None)

        self.both(expected, "stop_inference_experiment", **valid.stop(name, *actions, DesiredState="Completed"))

    @when("Created", "Completed", "Cancelled")
    @rule(name=names)
    def delete(self, name):
        self.both(self.model.delete(name), "delete_inference_experiment", Name=name)

    @seldom
    @when(*UNFINISHED)
    @rule(data=st.data())
    def fail(self, data):
        unfinished = [name for name, each in self.model.experiments.items() if not each.finished]
        name = data.draw(st.sampled_from(unfinished))

        self.model.fail_experiment(name)
        self.mock.fail_experiment(name, "Broken")

    # --- endpoints

    @rule(name=endpoints, config=configs)
    def create_endpoint(self, name, config):
        expected = self.model.create_endpoint(name, config)

        self.both(expected, "create_endpoint", EndpointName=name, EndpointConfigName=config)

    @when_free("InService")
    @rule(name=endpoints, config=configs)
    def update_endpoint(self, name, config):
        expected = self.model.update_endpoint(name, config)

        self.both(expected, "update_endpoint", EndpointName=name, EndpointConfigName=config)

    @when_free("InService")
    @rule(name=endpoints, variant=st.sampled_from([PRODUCTION, SHADOW, "blue"]), instances=counts, weight=weights)
    def rescale(self, name, variant, instances, weight):
        expected = self.model.rescale(name, variant, instances=instances, weight=weight)

        desired = {"VariantName": variant, "DesiredWeight": weight, "DesiredInstanceCount": instances}
        operation = "update_endpoint_weights_and_capacities"
        self.both(expected, operation, EndpointName=name, DesiredWeightsAndCapacities=[desired])

    @seldom
    @when_free("InService", "Failed")
    @rule(name=endpoints)
    def delete_endpoint(self, name):
        self.both(self.model.delete_endpoint(name), "delete_endpoint", EndpointName=name)

    @seldom
    @rule(name=endpoints)
    def fail_endpoint(self, name):
        self.model.fail_endpoint(name)
        self.mock.fail_endpoint(name, "Broken")


TestHostingSideBySide = HostingSideBySide.TestCase
TestHostingSideBySide.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # What explains a failure takes minutes.
    suppress_health_check=[HealthCheck.too_slow],
)
