"""The service, naively: told straight from the documentation, and knowing nothing of the code it is a measure of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from tests.requests import shadow_mode

UNFINISHED = ("Creating", "Created", "Starting", "Running", "Updating", "Stopping")
FINISHED = ("Completed", "Cancelled")
# What may become of production and shadow at a stop.
REASONABLE = [("Retain", "Remove"), ("Retain", "Retain"), ("Remove", "Promote")]

DAY = dt.timedelta(days=1)


@dataclass
class Experiment:
    """What the documentation says of one experiment."""

    number: int
    name: str
    endpoint: str
    created: dt.datetime
    start: dt.datetime
    end: dt.datetime
    since: dt.datetime
    description: str | None = None
    percentage: int = 50
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "Creating"
    came_from: str = ""
    desired: str = "Completed"
    reason: str | None = None

    @property
    def finished(self):
        return self.status in FINISHED

    def become(self, status, when):
        self.status, self.since = status, when

    def next_step(self, durations):
        """The status that comes by itself, and when; None when it stays as it is."""
        steps = {
            "Creating": ("Created", self.since + durations.creating),
            "Created": ("Starting", max(self.since, self.start)),
            "Starting": ("Running", self.since + durations.starting),
            "Running": ("Stopping", max(self.since, self.end)),
            "Updating": (self.came_from, self.since + durations.updating),
            "Stopping": (self.desired, self.since + durations.stopping),
        }
        return steps.get(self.status)

    def described(self):
        """The members of Describe that the model knows."""
        known = {
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
        return {member: value for member, value in known.items() if value is not None}


def impossible(start, end, now):
    """Whether there can be no such schedule."""
    return end <= start or end <= now or end - start > 30 * DAY


class Model:
    """The service, naively. Every operation returns the code of the error it is refused with, or None."""

    def __init__(self, durations, now):
        self.durations = durations
        self.now = now
        self.experiments = {}
        self.created = 0

    def next_deadline(self):
        """When the next thing happens by itself; now if nothing ever does."""
        steps = [experiment.next_step(self.durations) for experiment in self.experiments.values()]
        return min((when for _, when in filter(None, steps)), default=self.now)

    def pass_time(self, now):
        self.now = now
        for experiment in self.experiments.values():
            while (step := experiment.next_step(self.durations)) and step[1] <= now:
                experiment.become(*step)

    def create(self, name, *, endpoint, start, end, description):
        start, end = start or self.now, end or max(start or self.now, self.now) + 7 * DAY
        if impossible(start, end, self.now):
            return "ValidationException"
        if name in self.experiments:
            return "ResourceInUse"
        if any(other.endpoint == endpoint and not other.finished for other in self.experiments.values()):
            return "ResourceInUse"
        self.created += 1
        self.experiments[name] = Experiment(
            self.created, name, endpoint, self.now, start, end, description=description, since=self.now
        )
        return None

    def refusal(self, name, *statuses):
        if name not in self.experiments:
            return "ResourceNotFound"
        return None if self.experiments[name].status in statuses else "ConflictException"

    def update(self, name, *, start, end, description, percentage):
        if refusal := self.refusal(name, "Created", "Running"):
            return refusal
        experiment = self.experiments[name]
        start, end = start or experiment.start, end or experiment.end
        if experiment.status == "Running" and start != experiment.start:
            return "ValidationException"
        if impossible(start, end, self.now):
            return "ValidationException"
        experiment.start, experiment.end, experiment.came_from = start, end, experiment.status
        experiment.description = experiment.description if description is None else description
        experiment.percentage = experiment.percentage if percentage is None else percentage
        experiment.become("Updating", self.now)
        return None

    def start(self, name):
        if refusal := self.refusal(name, "Created"):
            return refusal
        experiment = self.experiments[name]
        experiment.start, experiment.end = self.now, min(experiment.end, self.now + 30 * DAY)
        experiment.become("Starting", self.now)
        return None

    def stop(self, name, *, actions, desired, reason):
        if refusal := self.refusal(name, "Created", "Running"):
            return refusal
        if actions not in REASONABLE:
            return "ValidationException"
        experiment = self.experiments[name]
        experiment.desired, experiment.reason = desired or "Cancelled", reason
        experiment.become("Stopping", self.now)
        return None

    def delete(self, name):
        if refusal := self.refusal(name, "Created", *FINISHED):
            return refusal
        del self.experiments[name]
        return None

    def listed(self, *, contains, status, modified_after, by, order):
        """The names of a list, all pages together."""
        keys = {
            "CreationTime": lambda experiment: experiment.number,
            "Name": lambda experiment: experiment.name,
            "Status": lambda experiment: (experiment.status, experiment.number),
        }
        found = sorted(self.experiments.values(), key=keys[by], reverse=order == "Descending")
        return [
            experiment.name
            for experiment in found
            if (contains is None or contains in experiment.name)
            and (status is None or experiment.status == status)
            and (modified_after is None or experiment.since > modified_after)
        ]
