"""The kinds of resources that endpoints are made of, the records of one kind."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from mock_sagemaker_ie.backend import tags
from mock_sagemaker_ie.protocol.errors import validation_exception

if TYPE_CHECKING:
    import datetime as dt

    from mock_sagemaker_ie.backend.tags import TagStore

Values = dict[str, Any]


class ResourceKind(NamedTuple):
    """How AWS writes of a kind: in ARNs, in messages, and as members of requests and answers."""

    type: str
    noun: str
    name: str
    arn: str
    listed: str


MODEL = ResourceKind("model", "model", "ModelName", "ModelArn", "Models")
ENDPOINT_CONFIG = ResourceKind(
    "endpoint-config", "endpoint configuration", "EndpointConfigName", "EndpointConfigArn", "EndpointConfigs"
)
ENDPOINT = ResourceKind("endpoint", "endpoint", "EndpointName", "EndpointArn", "Endpoints")
KINDS = (MODEL, ENDPOINT_CONFIG, ENDPOINT)


@dataclass(frozen=True)
class Resource:
    """A model or an endpoint configuration: `settings` are the members of its Create request, Tags apart."""

    kind: ResourceKind
    name: str
    arn: str
    number: int
    created: dt.datetime
    settings: Values

    def facts(self) -> Values:
        """What Describe and List say of it; each output shape picks its members."""
        return {**self.settings, self.kind.arn: self.arn, "CreationTime": self.created}

    summary = facts


R = TypeVar("R")


class Shelf(Generic[R]):
    """The records of one kind, by name, in the order of their creation."""

    def __init__(self, kind: ResourceKind, arn_prefix: str, store: TagStore) -> None:
        self.kind = kind
        self.records: dict[str, R] = {}
        self._arn_prefix = arn_prefix
        self._tags = store
        self._created = 0

    def copy(self, store: TagStore) -> Shelf[R]:
        """An independent shelf with the same records, which are immutable."""
        twin = copy.copy(self)
        twin.records, twin._tags = dict(self.records), store
        return twin

    def arn(self, name: str) -> str:
        """The ARN of the resource of this name."""
        return f"{self._arn_prefix}:{self.kind.type}/{name}"

    def get(self, name: str) -> R:
        """The record of this name. Raises AWSError (ValidationException) when there is none."""
        if name not in self.records:
            raise validation_exception(f'Could not find {self.kind.noun} "{self.arn(name)}".')
        return self.records[name]

    def require_free(self, name: str) -> None:
        """Raise AWSError (ValidationException) when the name is taken."""
        if name in self.records:
            raise validation_exception(f'Cannot create already existing {self.kind.noun} "{self.arn(name)}".')

    def place(self, name: str, params: Values) -> Values:
        """The name, ARN and number of a new record, whose tags are kept. Raises AWSError when the name is taken."""
        self.require_free(name)
        self._tags[self.arn(name)] = tags.add({}, params.get("Tags", ()))
        self._created += 1
        return {"name": name, "arn": self.arn(name), "number": self._created}

    def remove(self, name: str) -> Values:
        """Forget a record and its tags. Raises AWSError (ValidationException) when there is none."""
        self.get(name)
        del self.records[name], self._tags[self.arn(name)]
        return {}
