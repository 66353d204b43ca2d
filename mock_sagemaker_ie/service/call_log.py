"""The logger `mock_sagemaker_ie`: DEBUG for each call that a mock answered, INFO for the begin and the end of a mock.

A line is written when its call has happened and no lock of the mock is held. So a handler that raises changes no state,
and a handler may call SageMaker.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

from mock_sagemaker_ie.protocol.errors import AWSError, error_text
from mock_sagemaker_ie.protocol.wire import read_request

if TYPE_CHECKING:
    import datetime as dt

    from botocore.model import OperationModel

    from mock_sagemaker_ie.protocol.wire import WireRequest

log = logging.getLogger("mock_sagemaker_ie")
log.addHandler(logging.NullHandler())

MAX_VALUE_LENGTH, MAX_MESSAGE_LENGTH = 80, 300

_writes: ContextVar[bool] = ContextVar("_writes", default=False)


def write_line(call: tuple[OperationModel, WireRequest, str, str], outcome: object, at: dt.datetime | None) -> None:
    """Write the line of a call: its operation, request, region and account, and its answer or error at an instant."""
    if _writes.get():  # A call that a handler makes would be logged by a call, and so on.
        return
    token = _writes.set(True)
    try:
        model, request, region, account_id = call
        where = f"{account_id}/{region}"
        log.debug("%s(%s) in %s at %s: %s", model.name, _params(model, request), where, at, _result(outcome))
    finally:
        _writes.reset(token)


def _params(model: OperationModel, request: WireRequest) -> str:
    """Return the members of a request that are texts or numbers, each shortened."""
    try:
        params = read_request(model, request)
    except AWSError:  # The answer says why the request cannot be read.
        return ""
    simple = {name: value for name, value in params.items() if isinstance(value, (str, int, float))}
    return ", ".join(f"{name}={_shortened(repr(value), MAX_VALUE_LENGTH)}" for name, value in simple.items())


def _result(outcome: object) -> str:
    if not isinstance(outcome, Exception):
        return "ok"
    text = error_text(outcome)
    one_line = "".join(each if each.isprintable() else " " for each in text[: MAX_MESSAGE_LENGTH + 1])
    return _shortened(one_line if isinstance(outcome, AWSError) else f"{type(outcome).__name__}: {one_line}")


def _shortened(text: str, length: int = MAX_MESSAGE_LENGTH) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
