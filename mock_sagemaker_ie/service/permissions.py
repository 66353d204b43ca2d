"""The IAM permissions that a call needs, and the least policy for several calls.

Source: AWS, Service Authorization Reference, Actions, resources, and condition keys for Amazon SageMaker.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.experiments.operations import EXPERIMENT
from mock_sagemaker_ie.backend.hosting.resources import ENDPOINT, ENDPOINT_CONFIG, MODEL
from mock_sagemaker_ie.calls import ANSWERED, INVOCATIONS
from mock_sagemaker_ie.protocol.permissions import PASS_ROLE, is_denied, not_authorized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Values = dict[str, Any]

# By operation: the types of the resources that its action needs, and the members that name them. The action of an
# operation has its name. A List operation, which is not here, has no resource.
_VERBS = {
    EXPERIMENT: ("InferenceExperiment", ("Create", "Describe", "Update", "Start", "Stop", "Delete")),
    MODEL: ("Model", ("Create", "Describe", "Delete")),
    ENDPOINT_CONFIG: ("EndpointConfig", ("Create", "Describe", "Delete")),
    ENDPOINT: ("Endpoint", ("Create", "Describe", "Update", "Delete", "Invoke")),
}
_RESOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    **{f"{verb}{noun}": ((kind.type, kind.name),) for kind, (noun, verbs) in _VERBS.items() for verb in verbs},
    **dict.fromkeys(
        ("CreateEndpoint", "UpdateEndpoint"),
        ((ENDPOINT.type, ENDPOINT.name), (ENDPOINT_CONFIG.type, ENDPOINT_CONFIG.name)),
    ),
    **dict.fromkeys((*INVOCATIONS, "UpdateEndpointWeightsAndCapacities"), ((ENDPOINT.type, ENDPOINT.name),)),
}
# A member that is optional: its resource is needed only when it is sent.
_COMPONENT = "inference-component", "InferenceComponentName"
_ROLES = ("RoleArn", "ExecutionRoleArn")

ACTIONS = (*(f"sagemaker:{operation}" for operation in ANSWERED), PASS_ROLE)


class Permission(NamedTuple):
    """An action, and the ARN of the resource on which it is needed."""

    action: str
    resource: str


def needed(operation: str, params: Values, prefix: str) -> Iterator[Permission]:
    """Yield the permissions that a call needs. `prefix`: the beginning of the ARNs in its region and account.

    A member that names a resource and was not sent is `*` in the ARN.
    """
    members = list(_RESOURCES.get(operation, ()))
    if operation in INVOCATIONS and _COMPONENT[1] in params:
        members.append(_COMPONENT)
    resources = [f"{prefix}:{kind}/{params.get(member, '*')}" for kind, member in members]
    if operation in ("AddTags", "ListTags", "DeleteTags"):
        resources = [params.get("ResourceArn", "*")]
    for resource in resources or ["*"]:
        yield Permission(f"sagemaker:{operation}", resource)
    if operation.startswith("Create"):
        if params.get("Tags"):
            yield Permission("sagemaker:AddTags", resources[0])
        for member in _ROLES:
            if member in params:
                yield Permission(PASS_ROLE, params[member])


def require(denied: Iterable[str], permissions: Iterable[Permission], principal: str) -> None:
    """Raise AWSError (AccessDeniedException) for the first permission that `denied` denies."""
    for action, resource in permissions:
        if is_denied(action, denied):
            raise not_authorized(principal, action, resource)


class Policy(dict[str, Any]):
    """An IAM policy document, as a dict. `str()` and `repr()` of it are its JSON, with line breaks."""

    def __repr__(self) -> str:
        return json.dumps(self, indent=2)


def least_policy(permissions: Iterable[Permission]) -> Policy:
    """Return the policy that allows these permissions and nothing else: one statement for each set of resources."""
    by_action: dict[str, set[str]] = {}
    for action, resource in permissions:
        by_action.setdefault(action, set()).add(resource)
    roles = by_action.pop(PASS_ROLE, None)
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action, resources in sorted(by_action.items()):
        by_resources.setdefault(tuple(sorted(resources)), []).append(action)
    statements = [_allow(actions, resources) for resources, actions in by_resources.items()]
    if roles:
        condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        statements.append({**_allow([PASS_ROLE], sorted(roles)), "Condition": condition})
    return Policy(Version="2012-10-17", Statement=statements)


def _allow(actions: Iterable[str], resources: Iterable[str]) -> Values:
    return {"Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
