"""Refuses to look up the address of a SageMaker host while a mock is active.

Every HTTP library of Python asks `socket` for the address of a host before it connects. Calls that the mock answers do
not come here, so a lookup means that something would leave the process: another library, another copy of botocore,
or a request that an earlier patch has led around ours.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.interception import stack
from mock_sagemaker_ie.interception.replacement import Replacement, Replacements
from mock_sagemaker_ie.interception.unanswered import unanswered_lookup
from mock_sagemaker_ie.service.aws_http import is_sagemaker_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Our versions of these functions refuse a host of SageMaker and pass all others on.
FUNCTIONS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")

# The hosts of requests with an operation in `passthrough` that are under way. A lookup names no operation, and asyncio
# makes it in another thread and context. Adding to and removing from a list need no lock.
_let_through: list[str] = []


def _guarded(original: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if stack.active_mocks() and (name := _name(host)) not in _let_through and is_sagemaker_host(name):
            raise unanswered_lookup(name)
        return original(host, *args, **kwargs)

    return look_up


def _name(host: Any) -> str:
    return host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else str(host)


def begin(host: str) -> None:
    """Let lookups of a host through until `end`."""
    _let_through.append(host)


def end(host: str) -> None:
    """Refuse lookups of a host again, unless another request to it is under way."""
    if host in _let_through:
        _let_through.remove(host)


@contextmanager
def letting_through(host: str) -> Iterator[None]:
    """Let lookups of a host through during the context."""
    begin(host)
    try:
        yield
    finally:
        end(host)


interceptor = stack.Interceptor(Replacements(Replacement(socket, name, _guarded) for name in FUNCTIONS))
