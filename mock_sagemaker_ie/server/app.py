"""A mock on an HTTP server: the AWS API, the control API under /_mock/, and a web page."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mock_sagemaker_ie.activation.activation import make_service, report_unused
from mock_sagemaker_ie.activation.options import complete
from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.mock import InferenceExperimentMock
from mock_sagemaker_ie.server.access import Access, is_loopback
from mock_sagemaker_ie.server.canned_answers import serve_file
from mock_sagemaker_ie.server.control import Control
from mock_sagemaker_ie.server.http import Application, bind
from mock_sagemaker_ie.server.journal import Journal, settings_of
from mock_sagemaker_ie.service.clients import process_region

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from werkzeug.serving import BaseWSGIServer


class RunningServer(NamedTuple):
    """A mock and the HTTP server that listens for it.

    `http.serve_forever()` answers requests until `http.shutdown()` is called. `mock`: an InferenceExperimentMock, to
    inspect and to steer. `url`: the address of the server.
    """

    http: BaseWSGIServer
    mock: InferenceExperimentMock
    url: str

    def __repr__(self) -> str:
        return f"<RunningServer at {self.url}, {self.mock!r}>"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which any AWS SDK finds the server, whatever else its process inherits.

        They replace inherited settings that would lead elsewhere or change the number of attempts: profiles, files,
        credentials, endpoints, retries. Proxies stay, except for this server.
        """
        no_proxy = _no_proxy(urlsplit(self.url).hostname or "")
        return {
            "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
            **_SETTINGS,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "AWS_REGION": self.mock.region_name,
            "AWS_DEFAULT_REGION": self.mock.region_name,
        }


# A variable that is inherited can be replaced, but not removed. So the profile must be one that exists.
_FILE = str(Path(__file__).with_name("aws_config"))
_SETTINGS = {
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    "AWS_USE_FIPS_ENDPOINT": "false",
    "AWS_USE_DUALSTACK_ENDPOINT": "false",
    "AWS_PROFILE": "default",
    "AWS_DEFAULT_PROFILE": "default",
    "AWS_CONFIG_FILE": _FILE,
    "AWS_SHARED_CREDENTIALS_FILE": _FILE,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "",
    "AWS_SECURITY_TOKEN": "",
    "AWS_CREDENTIAL_EXPIRATION": "",
    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "preferred",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
    "AWS_DEFAULTS_MODE": "legacy",
    "AWS_RETRY_MODE": "standard",
    "AWS_MAX_ATTEMPTS": "3",
}


def _no_proxy(host: str) -> str:
    """Return the hosts that need no proxy: those of this process, and `host`."""
    hosts = [
        each.strip()
        for name in ("NO_PROXY", "no_proxy")
        for each in os.environ.get(name, "").split(",")
        if each.strip()
    ]
    if "*" in hosts:
        return "*"  # It counts only alone.
    return ",".join(dict.fromkeys([*hosts, host, *([f"[{host}]"] if ":" in host else [])]))


@contextmanager
def running_server(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    state: Path | None = None,
    models: Path | None = None,
    remote: bool = False,
    allow_hosts: Collection[str] = (),
    **options: Any,
) -> Iterator[RunningServer]:
    """Start to listen with a new mock; close the server at the exit.

    `port`: 0 selects a free port. `state`: a file that keeps the state of the mock from one server to the next.
    `models`: a file with the answers of models, as JSON, which replace those that `state` has for these models.
    `remote`: allow a host that other machines can reach. `allow_hosts`: names in the URLs of clients beside `host`,
    loopback addresses and, if `remote`, IP addresses and the name of this machine; requests to other names are refused.
    `options`: the options of mock_inference_experiment.
    Raises ValueError for a host that is not a loopback address unless `remote`, and for an unusable name in
    `allow_hosts`, and for a file of models with wrong content; OSError when the server cannot listen or the file cannot
    be read; JournalError when the file of the state cannot be used.
    """
    if not remote and not is_loopback(host):
        raise ValueError(
            f"host {host!r} is not a loopback address such as 127.0.0.1, so other machines could reach the mock; "
            f"to allow it, pass remote=True (on the command line: --remote); {Page.ACCESS}"
        )
    access = Access([*allow_hosts, *([host] if host else [])], remote=remote)
    complete_options = complete(options)
    service, delivery = make_service(complete_options)
    with ExitStack() as stack:
        stack.callback(delivery.close)
        stack.callback(service.runtime.close)
        if state is not None:
            journal = Journal(state, service, settings_of(complete_options))
            stack.callback(journal.close)
        if models is not None:
            serve_file(service, models)
        # Fixed for the life of the server, because clients in other processes get it in their environment.
        mock = InferenceExperimentMock(service, complete_options["region_name"] or process_region())
        try:
            http = bind(Application(service, Control(mock, service), access), host, port)
        except OSError as error:
            raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
        stack.callback(http.server_close)
        url_host = f"[{host}]" if ":" in host else host
        stack.callback(service.leave)
        yield RunningServer(http, mock, f"http://{url_host}:{http.port}")
    if state is not None:  # The file keeps the arranged failures: they may be met after the next start.
        service.faults.expected.clear()
    report_unused(service, complete_options["unused_faults"])
