"""SageMakerBackend: the dicts that one account in one region holds, and the method that answers each operation."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import experiments, hosting, lifecycle, pages, tags
from mock_sagemaker_ie.backend.lifecycle import FINISHED

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.backend.experiments import Experiment, Rule
    from mock_sagemaker_ie.backend.lifecycle import Durations, Entry

Values = dict[str, Any]

# The resource types, as they stand in an ARN, whose tags we hold.
RESOURCE_TYPES = ("inference-experiment",)


class SageMakerBackend:
    """What one account in one region holds. Each operation is a method of (request, now) that gives an answer's values.

    `now` never goes back from one call to the next. Values given out may be shared with the records: they are never
    changed, and must not be.
    """

    def __init__(self, partition: str, region: str, account_id: str, durations: Durations) -> None:
        self._arn_prefix = f"arn:{partition}:sagemaker:{region}:{account_id}"
        self._scope = f"{account_id} {region}"
        self._durations = durations
        self._experiments: dict[str, Experiment] = {}
        self._tags: dict[str, tags.Tags] = {}
        self._users: dict[str, str] = {}  # The last experiment on each endpoint.
        self._created = 0

    def copy(self) -> SageMakerBackend:
        """An independent backend that holds the same; records are immutable, so the dicts are all there is to copy."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(twin, name, dict(value))
        return twin

    # --- looking, without an operation

    def names(self) -> list[str]:
        """The names of the experiments, in the order of their creation."""
        return list(self._experiments)

    def describe(self, name: str, now: dt.datetime) -> Values:
        """Everything Describe says of an experiment."""
        experiment = self._experiment(name, now)
        return {**experiment.facts(), **hosting.describe(experiment)}

    def history(self, name: str, now: dt.datetime) -> tuple[Entry, ...]:
        """The statuses of an experiment so far, the present one last."""
        return self._experiment(name, now).life.entries

    def ahead(self, name: str, now: dt.datetime) -> Iterator[Entry]:
        """The statuses still to come if nobody calls an operation."""
        return lifecycle.ahead(self._experiment(name, now).life, self._durations)

    def fail_experiment(self, name: str, reason: str, now: dt.datetime) -> None:
        """Make what the service is doing for an experiment fail."""
        self._experiments[name] = experiments.fail(self._experiment(name, now), reason, now)

    # --- inference experiments

    def create_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Create, unless the name or the endpoint is taken."""
        name = params["Name"]
        arn = f"{self._arn_prefix}:inference-experiment/{name}"
        if name in self._experiments:
            raise experiments.name_taken(arn)
        endpoint = params["EndpointName"]
        if (user := self._user_of(endpoint, now)) is not None:
            raise experiments.endpoint_taken(endpoint, user.arn)
        labels = tags.add({}, params.get("Tags", ()))
        self._created += 1
        self._experiments[name] = experiments.create(params, arn=arn, number=self._created, now=now)
        self._tags[arn], self._users[endpoint] = labels, name
        return {"InferenceExperimentArn": arn}

    def describe_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Describe."""
        return self.describe(params["Name"], now)

    def list_inference_experiments(self, params: Values, now: dt.datetime) -> Values:
        """List, a page at a time."""
        shown, token = pages.page(
            list(self._experiments.values()),
            params,
            scope=f"ListInferenceExperiments {self._scope}",
            current=lambda experiment: self._experiment(experiment.name, now),
            sorts=_SORTS,
            filters=_FILTERS,
        )
        answer: Values = {"InferenceExperiments": [experiment.facts() for experiment in shown]}
        return answer if token is None else {**answer, "NextToken": token}

    def start_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Start early."""
        return self._change(experiments.start, params, now)

    def update_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Update what the status lets be updated."""
        return self._change(experiments.update, params, now)

    def stop_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Stop, as completed or cancelled."""
        return self._change(experiments.stop, params, now)

    def delete_inference_experiment(self, params: Values, now: dt.datetime) -> Values:
        """Delete the record; endpoint, variants and captured data stay."""
        experiment = self._experiment(params["Name"], now)
        experiments.deletable(experiment)
        del self._experiments[experiment.name], self._tags[experiment.arn]
        return {"InferenceExperimentArn": experiment.arn}

    # --- tags

    def add_tags(self, params: Values, now: dt.datetime) -> Values:  # noqa: ARG002 - one signature for all
        """Add or overwrite tags; the answer lists all the resource has."""
        arn = params["ResourceArn"]
        self._tags[arn] = tags.add(self._tags_of(arn), params["Tags"])
        return {"Tags": tags.listed(self._tags[arn])}

    def list_tags(self, params: Values, now: dt.datetime) -> Values:  # noqa: ARG002 - one signature for all
        """List tags: at most 50, so they always fit one page."""
        present = self._tags_of(params["ResourceArn"])
        if "NextToken" in params:
            raise pages.invalid_token()
        return {"Tags": tags.listed(present)}

    def delete_tags(self, params: Values, now: dt.datetime) -> Values:  # noqa: ARG002 - one signature for all
        """Delete tags by key."""
        arn = params["ResourceArn"]
        self._tags[arn] = tags.remove(self._tags_of(arn), params["TagKeys"])
        return {}

    # --- records

    def _experiment(self, name: str, now: dt.datetime) -> Experiment:
        """The experiment as of `now`. Keeping what was walked saves walking it again; nobody can tell."""
        if name not in self._experiments:
            raise experiments.not_found(name)
        experiment = self._experiments[name] = self._experiments[name].as_of(now, self._durations)
        return experiment

    def _user_of(self, endpoint: str, now: dt.datetime) -> Experiment | None:
        """The unfinished experiment that uses `endpoint`."""
        name = self._users.get(endpoint)
        if name is None or name not in self._experiments:
            return None
        experiment = self._experiment(name, now)
        return None if experiment.status in FINISHED else experiment

    def _change(
        self,
        operation: Callable[[Experiment, Values, dt.datetime], Experiment],
        params: Values,
        now: dt.datetime,
    ) -> Values:
        experiment = self._experiment(params["Name"], now)
        self._experiments[experiment.name] = operation(experiment, params, now)
        return {"InferenceExperimentArn": experiment.arn}

    def _tags_of(self, arn: str) -> tags.Tags:
        if arn not in self._tags:
            raise tags.no_resource(arn)
        return self._tags[arn]


_SORTS = {
    "CreationTime": pages.by_creation,
    "Name": pages.by_name,
    "Status": lambda experiment: [experiment.status.value, experiment.number],
}

# Before and After are exclusive (inferred).
_FILTERS: dict[str, Callable[[Experiment, Any], bool]] = {
    "NameContains": lambda experiment, text: text in experiment.name,
    "Type": lambda experiment, kind: experiment.settings["Type"] == kind,
    "StatusEquals": lambda experiment, status: experiment.status == status,
    "CreationTimeAfter": lambda experiment, when: experiment.created > when,
    "CreationTimeBefore": lambda experiment, when: experiment.created < when,
    "LastModifiedTimeAfter": lambda experiment, when: experiment.modified > when,
    "LastModifiedTimeBefore": lambda experiment, when: experiment.modified < when,
}

OPERATIONS: dict[str, Callable[[SageMakerBackend, Values, dt.datetime], Values]] = {
    "CreateInferenceExperiment": SageMakerBackend.create_inference_experiment,
    "DescribeInferenceExperiment": SageMakerBackend.describe_inference_experiment,
    "ListInferenceExperiments": SageMakerBackend.list_inference_experiments,
    "UpdateInferenceExperiment": SageMakerBackend.update_inference_experiment,
    "StartInferenceExperiment": SageMakerBackend.start_inference_experiment,
    "StopInferenceExperiment": SageMakerBackend.stop_inference_experiment,
    "DeleteInferenceExperiment": SageMakerBackend.delete_inference_experiment,
    "AddTags": SageMakerBackend.add_tags,
    "ListTags": SageMakerBackend.list_tags,
    "DeleteTags": SageMakerBackend.delete_tags,
}

# What a request must obey beyond its shape, before any record is looked at.
RULES: dict[str, tuple[Rule, ...]] = {
    "CreateInferenceExperiment": (*experiments.RULES, tags.broken_rules),
    "AddTags": (tags.broken_rules,),
}
