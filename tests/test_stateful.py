"""The service side by side with a naive model of it, under random calls and random time."""

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
from tests.naive import DAY, FINISHED, REASONABLE, UNFINISHED, Model

NAMES = ("ranker", "other")
ENDPOINTS = ("one", "two")

SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)

names = st.sampled_from(NAMES)
durations = st.just(0 * SECOND) | st.sampled_from([SECOND, HOUR])
# From now; starts and ends are apart enough not to meet the 30 days by accident.
starts = st.none() | st.sampled_from([-HOUR, 0 * DAY, HOUR, DAY, 10 * DAY])
ends = st.none() | st.sampled_from([-HOUR, HOUR, 7 * DAY, 29 * DAY, 41 * DAY])
texts = st.sampled_from([None, "", "Some text"])
keys = st.sampled_from(["team", "stage"])
actions = st.sampled_from([*REASONABLE, ("Remove", "Remove"), ("Remove", "Retain"), ("Promote", "Retain")])
statuses = st.sampled_from([*UNFINISHED, *FINISHED])


def given(**members):
    """The members that are not None."""
    return {member: value for member, value in members.items() if value is not None}


def when(*statuses):
    """Lets a rule come only when there is an experiment for it, or else calls would mostly be refused."""
    return precondition(lambda self: any(e.status in statuses for e in self.model.experiments.values()))


class SideBySide(RuleBasedStateMachine):
    """Every call goes to both, and both must answer alike."""

    @initialize(
        durations=st.builds(Durations, durations, durations, durations, durations),
        watched=st.booleans(),
        start=starts,
    )
    def begin(self, durations, watched, start):
        """Launch one experiment, in a world that is looked at after each step (`watched`) or only now and then."""
        self.model, self.watched = Model(durations, START), watched
        self.clock = MockClock(START, tick=False)
        self.world = mock_inference_experiment(clock=self.clock, durations=durations)
        self.mock = self.world.start()
        self.sagemaker = self.mock.client()
        self.create(NAMES[0], ENDPOINTS[0], start=start, end=None, description=None)

    def teardown(self):
        if hasattr(self, "world"):
            self.world.stop()

    @property
    def now(self):
        return self.clock.now()

    def at(self, offset):
        return None if offset is None else self.now + offset

    def both(self, expected, operation, **members):
        """Call the service, which must refuse with the `expected` code, or do as it is told and answer."""
        call = getattr(self.sagemaker, operation)
        if expected is None:
            return call(**members)
        with pytest.raises(ClientError) as caught:
            call(**members)
        assert caught.value.response["Error"]["Code"] == expected
        return None

    # --- time

    @rule(step=st.sampled_from([SECOND, HOUR, DAY, 10 * DAY]))
    def time_passes(self, step):
        self.clock.advance(step)

    @when(*UNFINISHED)
    @rule(number=st.integers(1, 4), early=st.sampled_from([0 * SECOND, SECOND]))
    def deadlines_come(self, number, early):
        """Time passes until the next things happen by themselves, or until the second before the last of them."""
        future = copy.deepcopy(self.model)
        for _ in range(number):
            future.pass_time(future.next_deadline())
        self.clock.move_to(max(self.now, future.now - early))

    # --- looks

    @invariant()
    def keep_up(self):
        self.model.pass_time(self.now)
        if self.watched:
            self.look()

    @rule()
    def look(self):
        for name in NAMES:
            known = self.model.experiments.get(name)
            answer = self.both(None if known else "ResourceNotFound", "describe_inference_experiment", Name=name)
            if known:
                expected = known.described()
                optional = {"CompletionTime", "Description", "StatusReason"} & answer.keys()
                assert {member: answer[member] for member in {*expected, *optional}} == expected

    # --- operations

    @rule(name=names, endpoint=st.sampled_from(ENDPOINTS), start=starts, end=ends, description=texts)
    def create(self, name, endpoint, start, end, description):
        start, end = self.at(start), self.at(end)
        schedule = given(StartTime=start, EndTime=end) or None
        request = valid.create(name, EndpointName=endpoint, Schedule=schedule, Description=description)

        expected = self.model.create(name, endpoint=endpoint, start=start, end=end, description=description)

        self.both(expected, "create_inference_experiment", **request)

    @when("Created", "Running")
    @rule(name=names, start=starts, end=ends, description=texts, percentage=st.none() | st.integers(0, 100))
    def update(self, name, start, end, description, percentage):
        start, end = self.at(start), self.at(end)
        config = None if percentage is None else valid.shadow_mode(percentage=percentage)
        schedule = given(StartTime=start, EndTime=end) or None

        expected = self.model.update(name, start=start, end=end, description=description, percentage=percentage)

        members = given(Schedule=schedule, Description=description, ShadowModeConfig=config)
        self.both(expected, "update_inference_experiment", Name=name, **members)

    @when("Created")
    @rule(name=names)
    def start(self, name):
        self.both(self.model.start(name), "start_inference_experiment", Name=name)

    @when("Created", "Running")
    @rule(
        name=names,
        actions=actions,
        desired=st.sampled_from([None, "Completed", "Cancelled"]),
        reason=texts,
    )
    def stop(self, name, actions, desired, reason):
        request = valid.stop(name, *actions, **given(DesiredState=desired, Reason=reason))

        expected = self.model.stop(name, actions=actions, desired=desired, reason=reason)

        self.both(expected, "stop_inference_experiment", **request)

    @when("Created", *FINISHED)
    @rule(name=names)
    def delete(self, name):
        self.both(self.model.delete(name), "delete_inference_experiment", Name=name)

    @rule(name=names, key=keys, value=st.sampled_from(["", "value"]), remove=st.booleans())
    def tag(self, name, key, value, remove):
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/{name}"
        experiment = self.model.experiments.get(name)
        expected = None if experiment else "ValidationException"

        if remove:
            self.both(expected, "delete_tags", ResourceArn=arn, TagKeys=[key])
        else:
            self.both(expected, "add_tags", ResourceArn=arn, Tags=[{"Key": key, "Value": value}])

        listed = self.both(expected, "list_tags", ResourceArn=arn)
        if experiment:
            experiment.tags.pop(key, None)
            experiment.tags.update({} if remove else {key: value})
            assert {tag["Key"]: tag["Value"] for tag in listed["Tags"]} == experiment.tags

    @rule(
        contains=st.sampled_from([None, "r", "rank"]),
        status=st.none() | statuses,
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


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # What explains a failure takes minutes.
    suppress_health_check=[HealthCheck.too_slow],
)
