"""The botocore clients and service models that the process keeps, because loading SageMaker's model is slow."""

from __future__ import annotations

import os
import sys
import threading
from functools import lru_cache
from typing import Any

DEFAULT_REGION = "us-east-1"

_lock = threading.Lock()


def _after_fork() -> None:
    """Replace the lock in a child process, where no thread is left that could release it."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def process_region() -> str:
    """Return the region of clients that are made now without a region.

    It is the region given to boto3.setup_default_session; else AWS_DEFAULT_REGION; else AWS_REGION, which boto3 does
    not read, but programs do; else us-east-1. The AWS configuration files are not read: they differ between machines.
    """
    session = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    core: Any = getattr(session, "_session", None)
    given = core.instance_variables().get("region") if hasattr(core, "instance_variables") else None
    environment = os.environ
    return given or environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or DEFAULT_REGION


def shared_client(service: str, region_name: str) -> Any:
    """Return the process's botocore client of a service in a region; the first call creates it.

    The client has fixed test credentials, and ignores the AWS configuration files and the profile.
    """
    from botocore.handlers import BUILTIN_HANDLERS  # noqa: PLC0415 - slow, and needed only here

    with _lock:
        return _client(service, region_name, len(BUILTIN_HANDLERS))


def service_model(service: str) -> Any:
    """Return botocore's ServiceModel of a service, which is loaded once per process."""
    with _lock:
        return _model(service)


@lru_cache(maxsize=4)
def _model(service: str) -> Any:
    # The same as Session.get_service_model, but importing Session is slow.
    from botocore.model import ServiceModel  # noqa: PLC0415 - slow, and needed only here

    return ServiceModel(_loader().load_service_model(service, "service-2"), service_name=service)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return the loader of botocore's data, which the models and the clients share, so that each is read once."""
    from botocore.loaders import Loader  # noqa: PLC0415 - slow, and needed only here

    return Loader()


@lru_cache(maxsize=32)
def _client(service: str, region_name: str, handlers: int) -> Any:
    return _session(handlers).create_client(
        service,
        region_name=region_name,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - not a secret
    )


@lru_cache(maxsize=2)
def _session(handlers: int) -> Any:  # noqa: ARG001 - part of the cache's key
    """Return a session that reads no configuration file and no profile, so that a test runs alike on every machine.

    `handlers`: the number of botocore's built-in handlers. moto adds its own when it is imported, and only a session
    created later has them.
    """
    from botocore.session import Session  # noqa: PLC0415 - slow, and needed only here

    session = Session()
    session.register_component("data_loader", _loader())
    for variable in ("config_file", "credentials_file"):
        session.set_config_variable(variable, os.devnull)
    session.set_config_variable("profile", None)
    return session
