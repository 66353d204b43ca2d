"""Endpoints and the experiments on them, naively: told straight from the documentation, knowing nothing of the code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests import naive
from tests.requests import PRODUCTION, SHADOW

if TYPE_CHECKING:
    import datetime as dt

REFUSED = "ValidationException"


class Deployment(NamedTuple):
    """What an endpoint serves: its configuration (of an experiment's own: how the name begins), variants by name.

    Of each variant the number of instances and the weight.
    """

    config: str
    production: dict[str, tuple[int, float]]
    shadow: dict[str, tuple[int, float]] = {}  # noqa: RUF012 - nobody changes it


@dataclass
class Endpoint:
    """What the documentation says of one endpoint. `ends`: when its status ends by itself. `doom`: how that fails."""

    created: dt.datetime
    since: dt.datetime
    status: str = "Creating"
    ends: dt.datetime | None = None
    serving: Deployment | None = None
    pending: Deployment | None = None
    doom: str | None = None
    reason: str | None = None

    @property
    def deploying(self):
        return self.status in ("Creating", "Updating")

    def become(self, status, when, **changes):
        """Begin a status that stays, unless the changes say otherwise; what is not kept on purpose is over."""
        self.status, self.since = status, when
        self.ends = self.pending = self.doom = None
        vars(self).update(changes)


@dataclass
class Experiment(naive.Experiment):
    """An experiment with what it knows of its endpoint: what was there `before`, and how many instances it wants."""

    model: Model = None
    before: Deployment | None = None
    instances: dict[str, int] = field(default_factory=dict)
    actions: tuple[str, str] | None = None
    started: bool = False

    def become(self, status, when):
        super().become(status, when)
        self.started |= status == "Starting"
        self.model.follow(self)

    def deployment(self, production=PRODUCTION, *, shadow=False):
        copied = {SHADOW: (self.instances[SHADOW], self.percentage / 100)} if shadow else {}
        return Deployment(f"{self.name}-", {production: (self.instances[production], 1)}, copied)

    def wants(self):
        """What is to be deployed in the status it has, and how long that takes; None for nothing."""
        alone = self.deployment()
        if self.status == "Creating":
            return None if self.before else alone
        if self.status == "Starting" or (self.status == "Updating" and self.started):
            return self.deployment(shadow=True)
        if self.status == "Updating":
            return None if self.before else alone
        if self.status == "Stopping":
            if self.actions is None:
                return self.before or alone
            untouched = self.before and not self.started
            return {
                ("Retain", "Remove"): None if untouched else alone,
                ("Retain", "Retain"): self.deployment(shadow=True),
                ("Remove", "Promote"): self.deployment(SHADOW),
            }[self.actions]
        return None


class Model(naive.Model):
    """The service, naively. Every operation returns the code of the error it is refused with, or None."""

    def __init__(self, durations, now, configs):
        super().__init__(durations, now)
        self.configs = configs
        self.endpoints = {}
        self.dooms = {}

    # --- time

    def steps(self):
        """What happens by itself: when, and at one instant in which order."""
        for name, endpoint in self.endpoints.items():
            if endpoint.ends is not None:
                yield endpoint.ends, 0, name
        for name, experiment in self.experiments.items():
            if (step := experiment.next_step(self.durations)) is not None:
                yield step[1], 1, name

    def next_deadline(self):
        return min((when for when, _, _ in self.steps()), default=self.now)

    def pass_time(self, now):
        while (step := min(self.steps(), default=None)) is not None and step[0] <= now:
            when, kind, name = step
            if kind == 0:
                self.status_ends(name, when)
            else:
                status, _ = self.experiments[name].next_step(self.durations)
                self.experiments[name].become(status, when)
        self.now = now

    def status_ends(self, name, when):
        endpoint = self.endpoints[name]
        if endpoint.status == "Deleting":
            del self.endpoints[name]
        elif endpoint.doom:
            self.fail_deployment(name, endpoint.doom, when)
        elif endpoint.deploying:
            endpoint.become("InService", when, serving=endpoint.pending)
        else:
            endpoint.become("InService", when)

    # --- what experiments do to endpoints

    def user(self, endpoint):
        """The unfinished experiment on an endpoint."""
        users = [each for each in self.experiments.values() if each.endpoint == endpoint and not each.finished]
        return users[0] if users else None

    def follow(self, experiment):
        """Deploy what an experiment wants in the status that has just begun."""
        if (deployment := experiment.wants()) is not None:
            takes = getattr(self.durations, experiment.status.lower())
            self.deploy(experiment.endpoint, deployment, experiment.since, takes)

    def deploy(self, name, deployment, when, takes):
        doom = self.dooms.pop(name, None)
        known = self.endpoints.get(name)
        endpoint = known or self.endpoints.setdefault(name, Endpoint(created=when, since=when))
        endpoint.become(
            "Updating" if known else "Creating", when, pending=deployment, ends=when + takes, doom=doom, reason=None
        )

    def fail_deployment(self, name, reason, when):
        endpoint = self.endpoints[name]
        if (user := self.user(name)) is not None:
            self.cancel(user, reason, when)
        elif endpoint.status == "Creating":
            endpoint.become("Failed", when, pending=endpoint.pending, reason=reason)
        else:
            endpoint.become("RollingBack", when, ends=when + self.durations.endpoint_rolling_back, reason=reason)

    def cancel(self, experiment, reason, when):
        """An experiment fails: its endpoint has what it had, or what the test made of it without the shadow."""
        endpoint = self.endpoints[experiment.endpoint]
        experiment.reason = reason
        if endpoint.status == "Creating":
            endpoint.become("Failed", when, pending=endpoint.pending, reason=reason)
        elif experiment.started or endpoint.deploying:
            serving = experiment.before or endpoint.serving._replace(shadow={})
            endpoint.become("InService", when, serving=serving, reason=reason)
        experiment.become("Cancelled", when)

    # --- operations on experiments; update, start and delete are those of the model of experiments

    def create(self, name, *, endpoint, start, instances):
        known = self.endpoints.get(endpoint)
        if name in self.experiments or self.user(endpoint) is not None:
            return "ResourceInUse"
        if known and (known.status != "InService" or len(known.serving.production) > 1):
            return REFUSED
        self.created += 1
        self.experiments[name] = experiment = Experiment(
            self.created,
            name,
            endpoint,
            created=self.now,
            start=start or self.now,
            end=(start or self.now) + 7 * naive.DAY,
            since=self.now,
            model=self,
            before=known and known.serving,
            instances=instances,
        )
        self.follow(experiment)
        return None

    def stop(self, name, *, actions, desired, reason):
        if refusal := self.refusal(name, "Created", "Running"):
            return refusal
        self.experiments[name].actions = actions
        return super().stop(name, actions=actions, desired=desired, reason=reason)

    def fail_experiment(self, name):
        self.cancel(self.experiments[name], "Broken", self.now)

    # --- operations on endpoints

    def refuses(self, name, *statuses):
        """Whether a change is refused of an endpoint that must be nobody's and have one of the statuses."""
        return name not in self.endpoints or self.endpoints[name].status not in statuses or self.user(name) is not None

    def create_endpoint(self, name, config):
        if name in self.endpoints:
            return REFUSED
        self.deploy(name, self.configs[config], self.now, self.durations.endpoint_creating)
        return None

    def update_endpoint(self, name, config):
        if self.refuses(name, "InService"):
            return REFUSED
        self.deploy(name, self.configs[config], self.now, self.durations.endpoint_updating)
        return None

    def rescale(self, name, variant, *, instances, weight):
        if self.refuses(name, "InService"):
            return REFUSED
        serving = self.endpoints[name].serving
        if variant not in {**serving.production, **serving.shadow}:
            return REFUSED
        production, shadow = (
            {each: (instances, weight) if each == variant else measures for each, measures in listed.items()}
            for listed in (serving.production, serving.shadow)
        )
        self.deploy(name, Deployment(serving.config, production, shadow), self.now, self.durations.endpoint_updating)
        return None

    def delete_endpoint(self, name):
        if self.refuses(name, "InService", "Failed"):
            return REFUSED
        endpoint = self.endpoints[name]
        endpoint.become(
            "Deleting", self.now, pending=endpoint.pending, ends=self.now + self.durations.endpoint_deleting
        )
        return None

    def fail_endpoint(self, name):
        if name in self.endpoints and self.endpoints[name].deploying:
            self.fail_deployment(name, "Broken", self.now)
        else:
            self.dooms[name] = "Broken"
