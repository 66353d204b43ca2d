"""The botocore clients, service models and other data of botocore that the process keeps: loading them is slow."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import OrderedDict, deque
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import botocore
from botocore.endpoint_provider import RuleSetStandardLibrary

from mock_sagemaker_ie.changes import locked
from mock_sagemaker_ie.forks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

# The services of which the mock answers operations, each with its only API version.
_API_VERSIONS = {"sagemaker": "2017-07-24", "sagemaker-runtime": "2017-05-13"}
ANSWERED_SERVICES = tuple(_API_VERSIONS)

DEFAULT_REGION = "us-east-1"

_lock = new_lock()


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


class Clients:
    """The clients of one mock. No other mock gets them before they are given back.

    The process keeps clients that were given back and are as they were made. So a test does not see what another test
    did to its client.
    """

    def __init__(self) -> None:
        self._lent: dict[tuple[str, str], _Client] = {}

    def get(self, service: str, region_name: str) -> Any:
        """Return the botocore client of a service in a region, always the same one.

        The client has fixed test credentials. No file, profile or variable of the machine changes it.
        """
        return locked(_lock, partial(self._get, (service, region_name)))

    def _get(self, key: tuple[str, str]) -> Any:
        if key not in self._lent:
            self._lent[key] = _take(key)
        return self._lent[key].client

    def give_back(self) -> None:
        """Let other mocks use the clients."""
        locked(_lock, self._give_back)

    def _give_back(self) -> None:
        _idle.extend(self._lent.values())
        self._lent.clear()


def service_model(service: str) -> Any:
    """Return botocore's ServiceModel of a service, which is loaded once per process."""
    return locked(_lock, partial(_model, service))


@lru_cache(maxsize=1)
def sagemaker_services() -> tuple[str, ...]:
    """Return the names of all SageMaker services that this botocore has, as `boto3.client` takes them.

    These are the names, and the service ids in the events of botocore, that begin with "sagemaker".
    """
    names = locked(_lock, lambda: _loader().list_available_services("service-2"))
    return tuple(name for name in names if name.startswith("sagemaker"))


@lru_cache(maxsize=1)
def services_by_host() -> dict[str, str]:
    """Return the names of all SageMaker services by the beginning of their hosts, for example `api.sagemaker`."""
    return {_metadata(service)["endpointPrefix"]: service for service in sagemaker_services()}


def _metadata(service: str) -> Any:
    if service in ANSWERED_SERVICES:
        return service_model(service).metadata
    # Without the cache of models, which has space for those of all mocks.
    return locked(_lock, lambda: _loader().load_service_model(service, "service-2")["metadata"])


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

    # Not those of ~/.aws/models.
    return DataLoader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


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


class _Client:
    """A botocore client, and what was done to it since it was made."""

    def __init__(self, key: tuple[str, str], handlers: int) -> None:
        from botocore.config import Config  # noqa: PLC0415 - slow, and needed only here

        service, region_name = key
        self.made_for = (key, handlers)
        self.client = _session(handlers).create_client(
            service,
            region_name=region_name,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - not a secret
            verify=True,
            # These read the environment variables of endpoints and proxies, whatever the session says.
            config=Config(ignore_configured_endpoint_urls=True, proxies={}),
        )
        self._failed = False
        # The handlers that were registered and are still there, or were there at first and were removed.
        self._handlers: list[Any] = []
        events = self.client.meta.events
        events.register(f"needs-retry.{self.client.meta.service_model.service_id.hyphenize()}", self._note_attempt)
        for name in ("register", "register_first", "register_last", "unregister"):
            setattr(events, name, self._noting(getattr(events, name)))
        self._attributes = self.client.__dict__.keys() | ()

    def is_as_made(self) -> bool:
        """Return whether nobody has left a handler or an attribute on it, or used up a part of its retries."""
        return not self._handlers and not self._failed and self.client.__dict__.keys() == self._attributes

    def _noting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """Return `change`, a method that registers or removes a handler, so that the change is noted."""
        removes = change.__name__ == "unregister"

        def noting(event_name: str, handler: Any = None, unique_id: Any = None, *args: Any, **kwargs: Any) -> Any:
            change(event_name, handler, unique_id, *args, **kwargs)
            noted = (event_name, handler if unique_id is None else unique_id)
            if removes and noted in self._handlers:
                self._handlers.remove(noted)
            else:
                self._handlers.append(noted)

        return noting

    def _note_attempt(self, response: Any = None, **_: Any) -> None:
        """Note an attempt that failed: botocore allows a client a limited number of retries."""
        self._failed |= response is None or response[0].status_code >= HTTPStatus.BAD_REQUEST


# The clients that no mock uses at present.
_idle: deque[_Client] = deque(maxlen=32)


def _take(key: tuple[str, str]) -> _Client:
    """Take an idle client that is as it was made, or make one."""
    from botocore.handlers import BUILTIN_HANDLERS  # noqa: PLC0415 - slow, and needed only here

    made_for = (key, len(BUILTIN_HANDLERS))
    for each in [each for each in _idle if each.made_for == made_for]:
        _idle.remove(each)
        if each.is_as_made():
            return each
    return _Client(*made_for)


@lru_cache(maxsize=2)
def _session(handlers: int) -> Any:  # noqa: ARG001 - part of the cache's key
    """Return a session that reads no file, profile or variable, so that a test runs alike on every machine.

    `handlers`: the number of botocore's built-in handlers. moto adds its own when it is imported, and only a session
    created later has them.
    """
    from botocore.session import Session  # noqa: PLC0415 - slow, and needed only here

    # A variable: its names in the configuration file and in the environment, its default, and its conversion.
    defaults = {name: (None, None, *rest) for name, (_, _, *rest) in Session.SESSION_VARIABLES.items()}
    no_file = (None, None, os.devnull, None)
    session = Session(session_vars={**defaults, "config_file": no_file, "credentials_file": no_file})
    session.register_component("data_loader", _loader())
    return session


@lru_cache(maxsize=64)
def partition(region: str) -> str:
    """Return the partition of a region by botocore's own data: aws, aws-cn, aws-us-gov and so on."""
    library = RuleSetStandardLibrary(partitions())
    return str(library.aws_partition(region)["name"])
