"""What a scenario does at certain calls: faults, acts of others, and short pages. It counts the calls for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting.resources import MAX_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mock_sagemaker_ie.backend.backend import SageMakerBackend
    from mock_sagemaker_ie.backend.experiments.record import Experiment
    from mock_sagemaker_ie.changes import Changes
    from mock_sagemaker_ie.service.faults import Fault, Faults

Values = dict[str, Any]

BY_OTHERS = "by somebody else"

# An operation, and the number of a call of it: 1 is the first. Each attempt of a client that retries is a call.
Place = tuple[str, int]


class Act(NamedTuple):
    """A call of somebody else. `name`: of the experiment; None: the one that the next call is about, or the last."""

    operation: str
    name: str | None = None


class Plan(NamedTuple):
    """What happens at which call. `pages`: the maximum sizes of the first answers of each List operation."""

    faults: Mapping[Place, Sequence[Fault]]
    acts: Mapping[Place, Sequence[Act]]
    pages: Sequence[int]


class Script:
    """A plan, and how far it has come. Whoever calls a method has begun a change of the state."""

    def __init__(self, plan: Plan, changes: Changes, faults: Faults) -> None:
        self._plan, self._changes, self._faults = plan, changes, faults
        self._counts: dict[str, int] = {}
        self._acted: dict[Place, None] = {}

    def begin(self) -> Script:
        """Arrange the faults of the first call of each operation. Return the script itself."""
        for operation, number in self._plan.faults:
            if number == 1:
                self._arrange(operation)
        return self

    def copy(self, changes: Changes, faults: Faults) -> Script:
        """Return a script that has come as far as this one, for a copy of the faults that wait."""
        duplicate = Script(self._plan, changes, faults)
        duplicate._counts, duplicate._acted = dict(self._counts), dict(self._acted)
        return duplicate

    def _next(self, operation: str) -> Place:
        """Return the place of the next call of an operation."""
        return operation, self._counts.get(operation, 0) + 1

    def _arrange(self, operation: str) -> None:
        for fault in self._plan.faults.get(self._next(operation), ()):
            self._faults.arrange(fault, 1)

    def count(self, operation: str) -> None:
        """Count a call that has been answered, and arrange the faults of the next call of the operation."""
        _, number = self._next(operation)
        self._changes.update(self._counts, {operation: number})
        self._arrange(operation)

    def acts(self, operation: str) -> Sequence[Act]:
        """Return what others do before the next call of an operation, unless they have done it."""
        place = self._next(operation)
        return () if place in self._acted else self._plan.acts.get(place, ())

    def note_acts(self, operation: str) -> None:
        """Note that others have acted before the next call of an operation."""
        self._changes.update(self._acted, {self._next(operation): None})

    def page_size(self, operation: str) -> int | None:
        """Return the maximum size of the next answer of a List operation; None when the plan has none."""
        _, number = self._next(operation)
        shortens = operation.startswith("List") and number <= len(self._plan.pages)
        return self._plan.pages[number - 1] if shortens else None


def request(act: Act, backend: SageMakerBackend, params: Values) -> Values | None:
    """Return the request of somebody else's call, before a call with `params`; None when it has nothing to act on."""
    records = backend.experiments.store.records
    name = act.name or params.get("Name") or next(reversed(records), None)
    experiment = records.get(str(name))
    if act.operation == "CreateInferenceExperiment":  # The code's own call, whose params these are, comes next.
        endpoint = f"{params['EndpointName'][: MAX_NAME_LENGTH - len(_ENDING)].rstrip('-')}{_ENDING}"
        return {**{key: value for key, value in params.items() if key != "Tags"}, "EndpointName": endpoint}
    if act.operation == "DeleteEndpoint" and "EndpointName" in params:
        return {"EndpointName": params["EndpointName"]}
    return None if experiment is None else REQUESTS[act.operation](experiment)


_ENDING = "-others"

# By operation: what somebody else asks for.
REQUESTS: dict[str, Callable[[Experiment], Values]] = {
    "StartInferenceExperiment": lambda experiment: {"Name": experiment.name},
    "UpdateInferenceExperiment": lambda experiment: {"Name": experiment.name, "Description": f"Updated {BY_OTHERS}"},
    "StopInferenceExperiment": lambda experiment: {
        "Name": experiment.name,
        "ModelVariantActions": {experiment.production: "Retain", experiment.shadow: "Remove"},
        "DesiredState": "Cancelled",
        "Reason": f"Stopped {BY_OTHERS}",
    },
    "DeleteInferenceExperiment": lambda experiment: {"Name": experiment.name},
    "DeleteEndpoint": lambda experiment: {"EndpointName": experiment.endpoint},
}
