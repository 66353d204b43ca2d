"""Which requests the server answers: those of programs and of its own page, never those of other web pages.

A browser lets every web page send requests to this machine. It says in their headers where they come from: Origin and
Sec-Fetch-Site name another site. After DNS rebinding they do not, but then Host has the name of the other site.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.service.aws_http import is_sagemaker_host

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# For every answer without headers of its own: no browser shows it as a page that runs scripts, guesses another type for
# it, or gives it to a page of another site. The answer of a model can be HTML.
PROTECTION = {
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{0,5})?")


class Access:
    """The rule for the requests of one server.

    `hosts`: names by which clients may call it, beside loopback addresses and SageMaker's own hosts, for which no other
    site can have a page. `remote`: other machines may call it, by any IP address and by the name of this machine.
    Raises ValueError for a host with a scheme, a port or a path.
    """

    def __init__(self, hosts: Collection[str] = (), *, remote: bool = False) -> None:
        for host in hosts:
            if _name(host) is None or (":" in host and _address(host) is None):
                raise ValueError(f"host {host!r}: expected a name or an address without scheme, port and path")
        own = [socket.gethostname()] if remote else []
        self._hosts = {_plain(host) for host in (*hosts, *own)}
        self._remote = remote

    def refusal(self, environ: Mapping[str, str]) -> str | None:
        """Return why a request is refused, in words; None for a request that is answered."""
        host = environ.get("HTTP_HOST", "")
        if host and not self._permits(host):
            return (
                f"Host {host[:300]!r} is not a loopback address, and a web page could use it to reach the mock; "
                f"to allow it, start the server with --allow-host NAME; {Page.ACCESS}"
            )
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return (
                f"Origin {origin[:300]!r} is another site than {host!r}: web pages of other sites cannot use it; "
                f"{Page.ACCESS}"
            )
        site = environ.get("HTTP_SEC_FETCH_SITE", "none")
        if site not in ("none", "same-origin"):
            return (
                f"Sec-Fetch-Site {site[:300]!r}: web pages of other sites cannot use the mock; "
                f"to open its page, enter the URL in the address bar; {Page.ACCESS}"
            )
        return None

    def _permits(self, host: str) -> bool:
        name = _name(host)
        if name is None:
            return False
        address = _address(name)
        if address is None:
            return name == "localhost" or name.endswith(".localhost") or name in self._hosts or is_sagemaker_host(name)
        return self._remote or address.is_loopback or name in self._hosts


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _name(host: str) -> str | None:
    """Return the host without its port; None for what is not a host."""
    if match := _AUTHORITY.fullmatch(host):
        return _plain(match[1])
    return None if _address(host) is None else _plain(host)  # An address of version 6 without brackets.


def _plain(host: str) -> str:
    """Return one form for equal hosts: lower case, no dot at the end, no brackets."""
    return host.lower().removesuffix(".").strip("[]")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
