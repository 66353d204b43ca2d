"""Refuses to look up the address of a SageMaker host, and to begin TLS with one, while a mock is active.

Every HTTP library of Python asks `socket` for the address of a host before it connects. Calls that the mock answers do
not come here, so a lookup means that something would leave the process: another library, another copy of botocore,
or a request that an earlier patch has led around ours. TLS, which names the host too, is begun without a lookup where a
proxy or a resolver of the library's own looks up the address.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.replacement import Replacement, Replacements
from mock_sagemaker_ie.interception.unanswered import unanswered_connection
from mock_sagemaker_ie.service.aws_http import sagemaker_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mock_sagemaker_ie.interception.replacement import Link

# The hosts of requests with an operation in `passthrough` that are under way. A lookup names no operation, and asyncio
# makes it in another thread and context. Adding to and removing from a list need no lock.
_let_through: list[str] = []


def _guard_lookup(link: Link) -> Callable[..., Any]:
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return link.original(host, *args, **kwargs)

    return look_up


def _guard_tls(link: Link) -> Callable[..., Any]:
    def wrap(context: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(kwargs.get("server_hostname"))
        return link.original(context, *args, **kwargs)

    return wrap


def refuse(host: Any) -> None:
    """Raise UnansweredCallError for a host of SageMaker while a mock is active."""
    if host is None or (active := stack.answering()) is None:
        return
    name = host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else str(host)
    service = sagemaker_service(name)
    if service is not None and service not in active.passthrough and _key(name) not in _let_through:
        raise unanswered_connection(name)


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def begin(host: str) -> None:
    """Let connections to a host through until `end`."""
    _let_through.append(_key(host))


def end(host: str) -> None:
    """Refuse connections to a host again, unless another request to it is under way."""
    with suppress(ValueError):  # It is not there.
        _let_through.remove(_key(host))


@contextmanager
def letting_through(host: str) -> Iterator[None]:
    """Let connections to a host through during the context."""
    begin(host)
    try:
        yield
    finally:
        end(host)


interceptor = stack.Interceptor(
    Replacements(
        [
            Replacement(socket, "getaddrinfo", _guard_lookup),
            Replacement(ssl.SSLContext, "wrap_socket", _guard_tls),
            Replacement(ssl.SSLContext, "wrap_bio", _guard_tls),
        ]
    )
)
