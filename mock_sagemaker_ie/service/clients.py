"""botocore clients that are kept from test to test: loading SageMaker's service model takes most of a test's time."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import Any

_making = threading.Lock()


def _after_fork() -> None:
    """In a child, no thread is left that could release the lock."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def shared_client(service: str, region_name: str) -> Any:
    """A botocore client of the process, made at the first call. It has keys of its own and reads no AWS settings."""
    from botocore.handlers import BUILTIN_HANDLERS  # noqa: PLC0415 - slow, and wanted only here

    with _making:
        return _client(service, region_name, len(BUILTIN_HANDLERS))


def service_model(service: str) -> Any:
    """Botocore's model of a service, loaded once for these clients and whoever has no client of their own."""
    with _making:
        return _model(service)


@lru_cache(maxsize=4)
def _model(service: str) -> Any:
    # The same as a session's, but a session takes long to import.
    from botocore.model import ServiceModel  # noqa: PLC0415 - slow, and wanted only here

    return ServiceModel(_loader().load_service_model(service, "service-2"), service_name=service)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """What reads botocore's data once, for the models and for the clients."""
    from botocore.loaders import Loader  # noqa: PLC0415 - slow, and wanted only here

    return Loader()


@lru_cache(maxsize=32)
def _client(service: str, region_name: str, handlers: int) -> Any:
    return _session(handlers).create_client(
        service,
        region_name=region_name,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - no secret
    )


@lru_cache(maxsize=2)
def _session(handlers: int) -> Any:  # noqa: ARG001 - part of the cache's key
    """A session that reads nobody's files and profile, so that a test runs alike on every machine.

    moto adds itself to botocore's handlers when it is imported, and only sessions made since then have it.
    """
    from botocore.session import Session  # noqa: PLC0415 - slow, and wanted only here

    session = Session()
    session.register_component("data_loader", _loader())
    for variable in ("config_file", "credentials_file"):
        session.set_config_variable(variable, os.devnull)
    session.set_config_variable("profile", None)
    return session
