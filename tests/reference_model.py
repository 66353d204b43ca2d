"""A reference model of experiments and endpoints, written from AWS's documentation, for test_stateful.py.

It shares no code with the package. It is simple rather than complete: it has the rules that the stateful test calls.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.requests import PRODUCTION, SHADOW, shadow_mode

DAY = dt.timedelta(days=1)

UNFINISHED = ("Creating", "Created", "Starting", "Running", "Updating", "Stopping")
FINISHED = ("Completed", "Cancelled")
# The actions for production and shadow that StopInferenceExperiment accepts.
VALID_ACTIONS = [("Retain", "Remove"), ("Retain", "Retain"), ("Remove", "Promote")]

# The error codes of refused calls.
INVALID, NOT_FOUND, IN_USE, CONFLICT = "ValidationException", "ResourceNotFound", "ResourceInUse", "ConflictException"


class Deployment(NamedTuple):
    """An endpoint configuration, and the number of instances and the weight of each variant.

    The name of a configuration that an experiment makes is only known to begin with the experiment's name and a hyphen.
    """

    config: str
    production: dict[str, tuple[int, float]]
    shadow: dict[str, tuple[int, float]] = {}  # noqa: RUF012 - never changed


@dataclass
class Endpoint:
    """An endpoint.

    `since` and `until`: when its status began, and when it ends unless another call changes it (None: it stays).
    `pending_failure`: the reason why the deployment will fail when it ends. `rescaling`: the deployment only changes
    weights and numbers of instances.
    """

    created: dt.datetime
    since: dt.datetime
    status: str
    until: dt.datetime | None = None
    serving: Deployment | None = None
    pending: Deployment | None = None
    pending_failure: str | None = None
    reason: str | None = None
    rescaling: bool = False

    @property
    def deploying(self):
        return self.status in ("Creating", "Updating")

    def enter(self, status, when, **changes):
        """Enter a status; unless `changes` say otherwise, it stays and nothing is pending."""
        self.status, self.since = status, when
        self.until = self.pending = self.pending_failure = None
        self.rescaling = False
        vars(self).update(changes)


@dataclass
class Experiment:
    """An experiment.

    `before`: the deployment that its endpoint served when it was created; None if the experiment makes the endpoint.
    `instances`: the number of instances of each variant. `started`: whether it was ever Starting or Running.
    `leads_to`: the status that follows the present one without a call.
    """

    number: int
    name: str
    endpoint: str
    created: dt.datetime
    start: dt.datetime
    end: dt.datetime
    instances: dict[str, int]
    before: Deployment | None
    description: str | None
    percentage: int = 50
    tags: dict[str, str] = field(default_factory=dict)
    status: str = ""
    since: dt.datetime | None = None
    started: bool = False
    leads_to: str = ""
    actions: tuple[str, str] | None = None
    desired: str = "Completed"
    reason: str | None = None

    @property
    def finished(self):
        return self.status in FINISHED

    def next_step(self, durations):
        """Return the status that follows without a call, and its instant; None if the present status stays."""

        def after(duration):
            """Return Running if StartTime has come when the duration has elapsed, else Created."""
            return "Running" if self.start <= self.since + duration else "Created", self.since + duration

        steps = {
            "Creating": after(durations.creating),
            "Created": ("Starting", max(self.since, self.start)),
            "Starting": ("Running", self.since + durations.starting),
            "Running": ("Stopping", max(self.since, self.end)),
            "Updating": after(durations.updating),
            "Stopping": (self.desired, self.since + durations.stopping),
        }
        return steps.get(self.status)

    def described(self):
        """Return the members of DescribeInferenceExperiment that the model has."""
        members = {
            "Name": self.name,
            "Status": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.since,
            "CompletionTime": self.since if self.finished else None,
            "Schedule": {"StartTime": self.start, "EndTime": self.end},
            "Description": self.description,
            "StatusReason": self.reason,
            "ShadowModeConfig": shadow_mode(percentage=self.percentage),
        }
        return {member: value for member, value in members.items() if value is not None}

    def deployment(self, production=PRODUCTION, *, shadow=False):
        """Return a deployment of the experiment's own variants."""
        shadows = {SHADOW: (self.instances[SHADOW], self.percentage / 100)} if shadow else {}
        return Deployment(f"{self.name}-", {production: (self.instances[production], 1)}, shadows)

    def wanted_deployment(self):
        """Return the deployment that begins with the present status; None if the endpoint stays as it is."""
        production_only, with_shadow = self.deployment(), self.deployment(shadow=True)
        untouched = self.before is not None and not self.started
        if self.leads_to == "Running":
            return with_shadow
        if self.status in ("Creating", "Updating"):
            return None if untouched else production_only
        if self.status != "Stopping":
            return None
        if self.actions is None:  # The experiment reached its EndTime.
            return self.before or production_only
        return {
            ("Retain", "Remove"): None if untouched else production_only,
            ("Retain", "Retain"): with_shadow,
            ("Remove", "Promote"): self.deployment(SHADOW),
        }[self.actions]


class ReferenceModel:
    """The service. Each operation returns the error code of its refusal, or None when it is accepted."""

    def __init__(self, durations, now, configs):
        self.durations, self.now, self.configs = durations, now, configs
        self.experiments = {}
        self.endpoints = {}
        self.pending_failures = {}  # The reason why the next deployment fails, by endpoint.
        self.created = 0

    # --- time

    def events(self):
        """Yield what happens without a call: instant, order within the instant, name."""
        for name, endpoint in self.endpoints.items():
            if endpoint.until is not None:
                yield endpoint.until, 0, name
        for name, experiment in self.experiments.items():
            if (step := experiment.next_step(self.durations)) is not None:
                yield step[1], 1, name

    def next_event(self):
        """Return the instant of the next event; now if there is none."""
        return min((when for when, _, _ in self.events()), default=self.now)

    def pass_time(self, now):
        """Let every event until `now` happen, in the order of their instants."""
        while (event := min(self.events(), default=None)) is not None and event[0] <= now:
            when, order, name = event
            if order == 0:
                self.end_endpoint_status(name, when)
            else:
                status, _ = self.experiments[name].next_step(self.durations)
                self.enter(self.experiments[name], status, when)
        self.now = now

    # --- experiments and what they deploy

    def unfinished_on(self, endpoint):
        """Return the unfinished experiment on an endpoint."""
        return next(
            (each for each in self.experiments.values() if each.endpoint == endpoint and not each.finished), None
        )

    def enter(self, experiment, status, when):
        """Let an experiment enter a status, and begin its deployment."""
        experiment.status, experiment.since = status, when
        experiment.started |= status in ("Starting", "Running")
        experiment.leads_to, _ = experiment.next_step(self.durations) or ("", None)
        if (deployment := experiment.wanted_deployment()) is not None:
            self.deploy(experiment.endpoint, deployment, when, getattr(self.durations, status.lower()))

    def cancel(self, experiment, reason, when):
        """Let an experiment fail: the endpoint rolls back to what it served before, or loses the shadow variant.

        Changed numbers of instances are not kept, as at the end of a test that does not fail.
        """
        endpoint = self.endpoints[experiment.endpoint]
        experiment.reason = reason
        if endpoint.status == "Creating":
            endpoint.enter("Failed", when, pending=endpoint.pending, reason=reason)
        elif experiment.started or (endpoint.deploying and not endpoint.rescaling):
            production_only = experiment.deployment() if endpoint.serving.shadow else endpoint.serving
            self.roll_back(endpoint, experiment.before or production_only, reason, when)
        self.enter(experiment, "Cancelled", when)

    # --- deployments

    def deploy(self, name, deployment, when, duration):
        """Begin a deployment; it creates the endpoint if there is none."""
        status = "Updating" if name in self.endpoints else "Creating"
        endpoint = self.endpoints.setdefault(name, Endpoint(created=when, since=when, status=status))
        failure = self.pending_failures.pop(name, endpoint.pending_failure)
        until = when + duration
        endpoint.enter(status, when, until=until, pending=deployment, pending_failure=failure, reason=None)

    def end_endpoint_status(self, name, when):
        """Let the status of an endpoint end."""
        endpoint = self.endpoints[name]
        if endpoint.status == "Deleting":
            del self.endpoints[name]
        elif endpoint.pending_failure is not None:
            self.fail_deployment(name, endpoint.pending_failure, when)
        else:
            endpoint.enter("InService", when, serving=endpoint.pending)

    def fail_deployment(self, name, reason, when):
        """Let the present deployment of an endpoint fail, and with it the experiment that deploys."""
        endpoint, experiment = self.endpoints[name], self.unfinished_on(name)
        if experiment is not None and not endpoint.rescaling:
            self.cancel(experiment, reason, when)
        elif endpoint.status == "Creating":
            endpoint.enter("Failed", when, pending=endpoint.pending, reason=reason)
        else:
            self.roll_back(endpoint, endpoint.serving, reason, when)

    def roll_back(self, endpoint, deployment, reason, when):
        """Let an endpoint roll back to a deployment."""
        until = when + self.durations.endpoint_rolling_back
        endpoint.enter("RollingBack", when, until=until, pending=deployment, reason=reason)

    # --- operations on experiments

    def schedule_is_valid(self, start, end, created):
        """Return whether a schedule ends after its start, in the future and within 30 days of the possible start."""
        return start < end and self.now < end and end - max(start, created) <= 30 * DAY

    def create(self, name, *, endpoint, start, end, description, instances):
        start = start or self.now
        end = end or max(start, self.now) + 7 * DAY
        if not self.schedule_is_valid(start, end, created=self.now):
            return INVALID
        if name in self.experiments or self.unfinished_on(endpoint) is not None:
            return IN_USE
        present = self.endpoints.get(endpoint)
        if present is not None and (present.status != "InService" or len(present.serving.production) > 1):
            return INVALID
        self.created += 1
        before = present and present.serving
        self.experiments[name] = experiment = Experiment(
            self.created, name, endpoint, self.now, start, end, instances, before, description
        )
        self.enter(experiment, "Creating", self.now)
        return None

    def refusal(self, name, *statuses):
        """Return the error code for a call on an experiment that must have one of the statuses."""
        if name not in self.experiments:
            return NOT_FOUND
        return None if self.experiments[name].status in statuses else CONFLICT

    def update(self, name, *, start, end, description, percentage):
        if refusal := self.refusal(name, "Created", "Running"):
            return refusal
        experiment = self.experiments[name]
        start, end = start or experiment.start, end or experiment.end
        if experiment.status == "Running" and start != experiment.start:
            return INVALID
        if not self.schedule_is_valid(start, end, experiment.created):
            return INVALID
        experiment.start, experiment.end = start, end
        experiment.description = experiment.description if description is None else description
        experiment.percentage = experiment.percentage if percentage is None else percentage
        self.enter(experiment, "Updating", self.now)
        return None

    def start(self, name):
        if refusal := self.refusal(name, "Created"):
            return refusal
        experiment = self.experiments[name]
        experiment.start, experiment.end = self.now, min(experiment.end, self.now + 30 * DAY)
        self.enter(experiment, "Starting", self.now)
        return None

    def stop(self, name, *, actions, desired, reason):
        if refusal := self.refusal(name, "Created", "Running"):
            return refusal
        if actions not in VALID_ACTIONS:
            return INVALID
        experiment = self.experiments[name]
        experiment.actions, experiment.desired, experiment.reason = actions, desired or "Cancelled", reason
        self.enter(experiment, "Stopping", self.now)
        return None

    def delete(self, name):
        if refusal := self.refusal(name, "Created", *FINISHED):
            return refusal
        del self.experiments[name]
        return None

    def fail_experiment(self, name, reason):
        self.cancel(self.experiments[name], reason, self.now)

    def listed(self, *, contains, status, modified_after, by, order):
        """Return the names that ListInferenceExperiments shows on all its pages together."""
        keys = {
            "CreationTime": lambda experiment: experiment.number,
            "Name": lambda experiment: experiment.name,
            "Status": lambda experiment: (experiment.status, experiment.number),
        }
        experiments = sorted(self.experiments.values(), key=keys[by], reverse=order == "Descending")
        return [
            experiment.name
            for experiment in experiments
            if (contains is None or contains in experiment.name)
            and (status is None or experiment.status == status)
            and (modified_after is None or experiment.since > modified_after)
        ]

    # --- operations on endpoints

    def can_change(self, name, *statuses):
        """Return whether an endpoint has one of the statuses and no experiment uses it."""
        endpoint = self.endpoints.get(name)
        return endpoint is not None and endpoint.status in statuses and self.unfinished_on(name) is None

    def create_endpoint(self, name, config):
        if name in self.endpoints:
            return INVALID
        self.deploy(name, self.configs[config], self.now, self.durations.endpoint_creating)
        return None

    def update_endpoint(self, name, config):
        if not self.can_change(name, "InService"):
            return INVALID
        self.deploy(name, self.configs[config], self.now, self.durations.endpoint_updating)
        return None

    def update_weights_and_capacities(self, name, variant, *, instances, weight):
        if name not in self.endpoints or self.endpoints[name].status != "InService":
            return INVALID
        serving = self.endpoints[name].serving
        present = {**serving.production, **serving.shadow}
        if variant not in present:
            return INVALID
        if weight is None:
            _, weight = present[variant]
        if self.unfinished_on(name) is not None and weight != present[variant][1]:
            return INVALID
        production, shadow = (
            {each: (instances, weight) if each == variant else present for each, present in variants.items()}
            for variants in (serving.production, serving.shadow)
        )
        changed = Deployment(serving.config, production, shadow)
        self.deploy(name, changed, self.now, self.durations.endpoint_updating)
        self.endpoints[name].rescaling = True
        return None

    def delete_endpoint(self, name):
        if not self.can_change(name, "InService", "Failed"):
            return INVALID
        endpoint = self.endpoints[name]
        until = self.now + self.durations.endpoint_deleting
        endpoint.enter("Deleting", self.now, pending=endpoint.pending, until=until)
        return None

    def fail_endpoint(self, name, reason):
        if name in self.endpoints and self.endpoints[name].deploying:
            self.fail_deployment(name, reason, self.now)
        else:
            self.pending_failures[name] = reason
