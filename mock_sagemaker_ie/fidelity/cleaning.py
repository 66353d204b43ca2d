"""Cleaning up: the resources that a run has made are deleted, and those that could not be are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from mock_sagemaker_ie.protocol.errors import error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mock_sagemaker_ie.fidelity.runner import Made, Target

MAX_TIME = 5400  # Seconds: an endpoint may be in the middle of two updates.
MAX_REASON = 200  # Characters of an error.
FINISHED = ("Completed", "Cancelled")


class Resource(NamedTuple):
    """A resource to delete: the noun of its operations, the member that names it, and its name."""

    noun: str
    member: str
    name: str

    def __str__(self) -> str:
        return f"{self.noun} {self.name}"


# By Create operation, in the order of deletion: an endpoint cannot go before its experiment.
_KINDS = {
    "CreateInferenceExperiment": ("InferenceExperiment", "Name"),
    "CreateEndpoint": ("Endpoint", "EndpointName"),
    "CreateEndpointConfig": ("EndpointConfig", "EndpointConfigName"),
    "CreateModel": ("Model", "ModelName"),
}


def resources(made: Iterable[Made], configs: Iterable[str]) -> list[Resource]:
    """Return what there may be to delete: what calls made, and what experiments made for themselves."""
    named = [(*_KINDS[each.operation], each.params) for each in made]
    # An experiment makes its endpoint.
    named += [("Endpoint", "EndpointName", params) for noun, _, params in named if noun == "InferenceExperiment"]
    found = [Resource(noun, member, params[member]) for noun, member, params in named if member in params]
    return _in_order([*found, *map(_config, configs)])


def _config(name: str) -> Resource:
    return Resource("EndpointConfig", "EndpointConfigName", name)


def _in_order(found: Iterable[Resource]) -> list[Resource]:
    order = [noun for noun, _ in _KINDS.values()]
    return sorted(dict.fromkeys(found), key=lambda each: order.index(each.noun))


class Cleaner:
    """Deletes resources, each as often as it takes.

    `left`: what is not gone yet, with the reason. `unlisted`: whether experiments may have made configurations that
    nobody has seen.
    """

    def __init__(self, target: Target, found: Iterable[Resource], say: Callable[[str], None]) -> None:
        self.left: dict[Resource, str] = dict.fromkeys(found, "not deleted yet")
        self._target, self._say = target, say
        self._client = target.client("sagemaker")
        self._hopeless: set[Resource] = set()  # The service refuses their deletion.
        self.unlisted = any(each.noun == "InferenceExperiment" for each in self.left)

    def clean(self) -> None:
        """Delete until nothing is left, nothing more can be deleted, or MAX_TIME has passed."""
        began = self._target.now()
        while self.left:
            pending = [self._step(each) for each in list(self.left) if not self._waits(each)]
            if self.unlisted and not self._has("InferenceExperiment", "Endpoint"):
                self._add_configs()
                self.unlisted = False
            elif not any(pending):
                return
            if (self._target.now() - began).total_seconds() > MAX_TIME:
                return
            if self.left:
                self._target.wait(self._target.poll)

    def _has(self, *nouns: str) -> bool:
        return any(each.noun in nouns and each not in self._hopeless for each in self.left)

    def _waits(self, resource: Resource) -> bool:
        """Return whether others must go first: experiments before endpoints, endpoints before the rest."""
        before = {"InferenceExperiment": (), "Endpoint": ("InferenceExperiment",)}
        return self._has(*before.get(resource.noun, ("InferenceExperiment", "Endpoint")))

    def _add_configs(self) -> None:
        """Add the configurations that experiments made, also at their end, and that nobody has seen."""
        prefix = self._target.names["prefix"]
        try:
            listed = self._client.list_endpoint_configs(NameContains=prefix, MaxResults=100)["EndpointConfigs"]
        except (BotoCoreError, ClientError) as error:
            self._say(f"  the configurations whose names begin with {prefix} cannot be listed: {error_text(error)}")
            return
        for each in listed:
            self.left.setdefault(_config(each["EndpointConfigName"]), "not deleted yet")

    def _step(self, resource: Resource) -> bool:
        """Do the next step to delete a resource; return whether another step may help."""
        try:
            gone = self._delete(resource)
        except ClientError as error:
            gone = _is_missing(error)
            if not gone:
                return self._give_up(resource, error)
        except BotoCoreError as error:
            return self._give_up(resource, error)
        if gone:
            del self.left[resource]
            self._say(f"  removed {resource}")
        return not gone

    def _give_up(self, resource: Resource, error: Exception) -> bool:
        self.left[resource] = " ".join(error_text(error).split())[:MAX_REASON]
        self._hopeless.add(resource)
        return False

    def _delete(self, resource: Resource) -> bool:
        """Take a step, and return whether the resource is gone. Raises ClientError when the service refuses."""
        if resource.noun == "InferenceExperiment":
            described = self._call("Describe", resource)
            self.left[resource] = f"it is {described['Status']}"
            if described["Status"] in ("Created", "Running"):
                self._end(resource, described)
                return False
            if described["Status"] not in FINISHED:
                return False
        elif resource.noun == "Endpoint":
            described = self._call("Describe", resource)
            status = described["EndpointStatus"]
            self.left[resource] = f"it is {status}"
            self.left.setdefault(_config(described["EndpointConfigName"]), "not deleted yet")
            if status in ("InService", "Failed", "OutOfService", "UpdateRollbackFailed"):
                self._call("Delete", resource)
            return False
        self._call("Delete", resource)
        return True

    def _end(self, resource: Resource, described: dict[str, Any]) -> None:
        """Stop an experiment, or delete it at once when it cannot be stopped."""
        source = described["ShadowModeConfig"]["SourceModelVariantName"]
        names = [variant["VariantName"] for variant in described["ModelVariants"]]
        actions = {name: "Retain" if name == source else "Remove" for name in names}
        try:
            self._client.stop_inference_experiment(Name=resource.name, ModelVariantActions=actions)
        except ClientError:
            self._call("Delete", resource)

    def _call(self, verb: str, resource: Resource) -> dict[str, Any]:
        method = getattr(self._client, xform_name(f"{verb}{resource.noun}"))
        answer: dict[str, Any] = method(**{resource.member: resource.name})
        return answer


def _is_missing(error: ClientError) -> bool:
    """Return whether an error says that a resource does not exist."""
    code, message = (str(error.response.get("Error", {}).get(name, "")) for name in ("Code", "Message"))
    return code == "ResourceNotFound" or message.startswith("Could not find")
