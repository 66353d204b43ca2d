"""The errors with which an AWS service answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

# The errors common to all AWS actions, which no service model lists, with HTTP status (AWS: API reference, Common
# Errors) and message. Where the real message is not known, the message is our own.
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


ERROR_STATUSES = range(400, 600)  # The HTTP statuses of errors.


class AWSError(Exception):
    """An error of the service.

    `code`: AWS's code, for example ValidationException. `status`: the HTTP status of the response. `members`: the
    members of a modelled exception beside its message. `at`: the instant (UTC) at which the service answered with it;
    None until then.
    """

    def __init__(self, code: str, message: str, status: int = 400, members: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}
        self.at: dt.datetime | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is made again from its text alone. A pickle has no traceback and no cause.
        return AWSError, (self.code, self.message, self.status, self.members), {"at": self.at}


def error_code(error: BaseException) -> str:
    """Return the code of an AWS error, or the name of the class of any other."""
    return str(getattr(error, "code", type(error).__name__))


def error_text(error: BaseException) -> str:
    """Return the message of an exception, or the name of its class when it has no message or cannot give it."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - the __str__ of a user's exception may fail in any way
        return type(error).__name__


def shown(value: object) -> str:
    """Return the start of a value's repr, or the name of its class when it cannot give one."""
    try:
        return f"{value!r:.200}"
    except Exception:  # noqa: BLE001 - the __repr__ of a user's object may fail in any way
        return type(value).__name__


def common_error(code: str, message: str | None = None) -> AWSError:
    """Return an error that is common to all AWS actions, by default with its own message."""
    status, default_message = COMMON_ERRORS[code]
    return AWSError(code, message or default_message, status)


def validation_exception(message: str) -> AWSError:
    """Return the error for a request that breaks a rule. No service model lists it, because every operation has it."""
    return AWSError("ValidationException", message)


def serialization_exception(message: str) -> AWSError:
    """Return the error for a request whose body cannot be read as the operation's input shape."""
    return AWSError("SerializationException", message)


def suggestion(word: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown word: the words that are near it, or all known words."""
    import difflib  # noqa: PLC0415 - large, and needed for errors only

    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return (
        f"; did you mean {' or '.join(map(repr, near))}?" if near else f": expected one of {', '.join(sorted(known))}"
    )
