"""IAM's patterns of actions, and its words for a call that no policy allows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mock_sagemaker_ie.protocol.errors import AWSError, common_error

if TYPE_CHECKING:
    from collections.abc import Iterable

PASS_ROLE = "iam:PassRole"  # noqa: S105 - an action
# The actions by which the service changes the endpoint of an experiment, by its RoleArn (inferred: role_denied).
CREATE_ENDPOINT, UPDATE_ENDPOINT = ROLE_ACTIONS = ("sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint")


def is_denied(action: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches an action. As in IAM, `*` and `?` are wildcards, and case is ignored."""
    return any(_pattern(each).fullmatch(action) for each in patterns)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)


def not_authorized(principal: str, action: str, resource: str) -> AWSError:
    """Return the error for a principal that may not do an action on a resource (text observed on AWS)."""
    return common_error(
        "AccessDeniedException",
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} because no identity-based "
        f"policy allows the {action} action",
    )


def assumed_role(role_arn: str, session: str) -> str:
    """Return the ARN of the principal that has assumed a role."""
    _, partition, _, _, account, role = role_arn.split(":", 5)
    return f"arn:{partition}:sts::{account}:assumed-role/{role.rpartition('/')[2]}/{session}"
