"""Settings for every test: no connection to another machine, and no AWS settings of the user."""

from __future__ import annotations

import ipaddress
import os
import sys

pytest_plugins = ["pytester"]


class OutsideConnectionError(RuntimeError):
    """A test tried to connect to another machine."""


def _block_outside_connections(event: str, arguments: tuple[object, ...]) -> None:
    """Raise OutsideConnectionError for a connection to another machine.

    An audit hook sees every socket, and no test can patch it away.
    """
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # A Unix socket has no host: it stays on the machine.
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost") or not isinstance(host, str):
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise OutsideConnectionError(f"a test tried to connect to {host}")


sys.addaudithook(_block_outside_connections)

# Test results must not depend on the AWS profile, keys or region of the person who runs them.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ |= {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
