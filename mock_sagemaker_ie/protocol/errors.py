"""The errors an AWS service answers with."""

from __future__ import annotations

from typing import Any


class AWSError(Exception):
    """An error of the service: AWS's `code`, its `message` and the HTTP `status` it travels with.

    `members`: what a modelled exception says beside its message.
    """

    def __init__(self, code: str, message: str, status: int = 400, members: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


def validation_exception(message: str) -> AWSError:
    """A request that breaks a rule. Common to every operation, so no service model lists it."""
    return AWSError("ValidationException", message)


def serialization_exception(message: str) -> AWSError:
    """A request whose body cannot be read as the operation's input shape."""
    return AWSError("SerializationException", message)
