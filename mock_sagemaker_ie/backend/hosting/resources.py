"""The kinds of resources that hosting has, and the record of a model or an endpoint configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.store import ResourceKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Container

    from mock_sagemaker_ie.backend.tags import Tags

Values = dict[str, Any]

MAX_NAME_LENGTH = 63

MODEL = ResourceKind("model", "model", "ModelName", "ModelArn", "Models")
ENDPOINT_CONFIG = ResourceKind(
    "endpoint-config", "endpoint configuration", "EndpointConfigName", "EndpointConfigArn", "EndpointConfigs"
)
ENDPOINT = ResourceKind("endpoint", "endpoint", "EndpointName", "EndpointArn", "Endpoints")


def free_name(name: str, taken: Container[str]) -> str:
    """Return this name, or one that begins like it and is free."""
    free, number = name, 1
    while free in taken:
        number += 1
        ending = f"-{number}"
        free = name[: MAX_NAME_LENGTH - len(ending)].rstrip("-") + ending
    return free


@dataclass(frozen=True, slots=True)
class Resource:
    """A model or an endpoint configuration. `settings`: the members of its Create request, without Tags."""

    kind: ResourceKind
    name: str
    arn: str
    number: int
    created: dt.datetime
    settings: Values
    tags: Tags = field(default_factory=dict)

    def facts(self) -> Values:
        """Return what Describe and List show of it; each output shape selects its members."""
        return {**self.settings, self.kind.arn: self.arn, "CreationTime": self.created}

    summary = facts
