"""The errors an AWS service answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

# The errors common to all of AWS's actions, with their HTTP statuses (AWS: API reference, Common Errors) and messages
# of ours where no real one is known; every service model leaves them out.
COMMON_ERRORS: dict[str, tuple[int, str]] = {
    "AccessDeniedException": (403, "You don't have permission to perform this action."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "IncompleteSignature": (403, "The request signature does not conform to AWS standards."),
    "InternalFailure": (500, "The request could not be processed because of an internal failure."),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid."),
    "MalformedHttpRequestException": (400, "The request body could not be processed."),
    "NotAuthorized": (401, "You are not authorized to perform this action."),
    "OptInRequired": (403, "The AWS access key ID needs a subscription for the service."),
    "RequestAbortedException": (400, "The request was aborted before it was answered."),
    "RequestEntityTooLargeException": (413, "The request entity is too large."),
    "RequestExpired": (400, "The request reached the service too long after its date stamp."),
    "RequestTimeoutException": (408, "The request was not read in time."),
    "ServiceUnavailable": (503, "The service is temporarily unavailable."),
    "ThrottlingException": (400, "Rate exceeded"),
    "UnknownOperationException": (404, "The operation is unknown."),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "ValidationError": (400, "The request does not satisfy the constraints of the service."),
    "ValidationException": (400, "The request does not satisfy the constraints of the service."),
}


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
        self.at: dt.datetime | None = None  # The instant at which the service answered with it.


def common_error(code: str, message: str | None = None) -> AWSError:
    """One of the errors common to all of AWS's actions."""
    status, usual = COMMON_ERRORS[code]
    return AWSError(code, message or usual, status)


def validation_exception(message: str) -> AWSError:
    """A request that breaks a rule. Common to every operation, so no service model lists it."""
    return AWSError("ValidationException", message)


def serialization_exception(message: str) -> AWSError:
    """A request whose body cannot be read as the operation's input shape."""
    return AWSError("SerializationException", message)
