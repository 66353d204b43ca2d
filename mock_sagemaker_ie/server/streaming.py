"""Writes an answer that is an event stream: each event as soon as the model has made it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mock_sagemaker_ie.service.aws_http import Messages

_log = logging.getLogger(__name__)


def write_messages(write: Callable[[bytes], object], messages: Messages, *, chunked: bool) -> None:
    """Write the messages of a stream. When the handler is wrong, the last one says it.

    `chunked`: whether the client reads the chunks of HTTP/1.1; otherwise the end of the connection ends the body.
    Raises OSError when the client has left.
    """

    def send(message: bytes) -> None:
        write(b"%x\r\n%b\r\n" % (len(message), message) if chunked else message)

    try:
        for message in messages:
            send(message)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - any error becomes an event, the server runs on
        _log.exception("a stream broke")
        send(messages.failure(error))
    if chunked:
        write(b"0\r\n\r\n")
