"""The botocore clients, service models and other data of botocore that the process keeps: loading them is slow."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import botocore

# The only API version of each service.
_API_VERSIONS = {"sagemaker": "2017-07-24", "sagemaker-runtime": "2017-05-13"}

_lock = threading.Lock()


def _after_fork() -> None:
    """Replace the lock in a child process, where no thread is left that could release it."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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


@lru_cache(maxsize=1)
def partitions() -> Any:
    """Return botocore's data about AWS's partitions: their regions and DNS suffixes.

    A mock reads them when it is entered, because its calls need them.
    """
    return json.loads(_read("partitions"))


@lru_cache(maxsize=4)
def _model(service: str) -> Any:
    # The same as Session.get_service_model, but importing Session is slow.
    from botocore.model import ServiceModel  # noqa: PLC0415 - slow, and needed only here

    return ServiceModel(_loader().load_service_model(service, "service-2"), service_name=service)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return the loader of botocore's data, which the models and the clients share, so that each is read once."""
    from botocore.loaders import Loader  # noqa: PLC0415 - slow, and needed only here

    class DataLoader(Loader):  # type: ignore[misc]  # botocore is untyped
        """Loads botocore's own data wherever the code under test has replaced the file system, as pyfakefs does."""

        def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
            version = api_version or _API_VERSIONS.get(service_name)
            if version is None:
                return super().load_service_model(service_name, type_name, api_version)
            return self.load_data(f"{service_name}/{version}/{type_name}")

        def load_data_with_path(self, name: str) -> tuple[Any, str]:
            try:
                return json.loads(_read(name), object_pairs_hook=OrderedDict), _path(name)
            except OSError:
                return super().load_data_with_path(name)  # type: ignore[no-any-return]

    return DataLoader()


def _path(name: str) -> str:
    """Return the path of a file of botocore's data, without its ending."""
    return os.path.join(botocore.__path__[0], "data", *name.split("/"))  # noqa: PTH118 - pathlib may be replaced


def _read(name: str) -> bytes:
    """Return a file of botocore's data as JSON. Some versions of botocore compress it. Raises OSError without a file.

    The import system reads it, below every replacement of `open` and of the file system.
    """
    get_data = botocore.__spec__.loader.get_data
    try:
        content: bytes = get_data(f"{_path(name)}.json")
    except OSError:
        content = gzip.decompress(get_data(f"{_path(name)}.json.gz"))
    return content


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
