"""What every test of this project gets: no way out of the machine, and nobody's AWS settings."""

from __future__ import annotations

import ipaddress
import os
import sys

pytest_plugins = ["pytester"]


class OutsideConnectionError(RuntimeError):
    """A test tried to reach another machine."""


def _close_the_way_out(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook sees every socket, whoever opens it, and cannot be patched away."""
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # A Unix socket stays on the machine.
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
        raise OutsideConnectionError(f"a test tried to reach {host}")


sys.addaudithook(_close_the_way_out)

# Tests run alike for everyone: no profile, no keys, no region of the person who runs them.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ |= {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
