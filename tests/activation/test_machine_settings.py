"""No setting of the machine, and nothing that another test did, changes the client of `mock.client()`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from mock_sagemaker_ie import mock_inference_experiment
from tests.machine import CONFIG_FILE, VARIABLES
from tests.requests import create

# Prints what a test can see of the client: its settings, an answer, and the number of its attempts.
CODE = textwrap.dedent("""
    import time
    time.sleep = lambda seconds: None
    from botocore.exceptions import ClientError
    from mock_sagemaker_ie import mock_inference_experiment

    with mock_inference_experiment(region_name="us-east-1") as mock:
        client = mock.client()
        client.list_inference_experiments()
        requests = []
        client.meta.events.register("before-send", lambda request, **_: requests.append(request.url))
        mock.fail_next("ListModels", "ThrottlingException", times=50)
        mock.fail_next("ListEndpoints", "ServiceUnavailable", times=50)
        for call in (client.list_models, client.list_endpoints):
            try:
                call()
            except ClientError as error:
                print(error)
        mock._service.faults.clear()
        session = client._endpoint.http_session
        settings = vars(client.meta.config)
        print({name: settings[name] for name in settings if name != "_user_provided_options"})
        print(requests, session._proxy_config._proxies, session._verify)
        print(client._request_signer._credentials.get_frozen_credentials())
        print(len(client.meta.service_model.operation_names))
""")


def run(environment):
    """Return what CODE prints in a process with these variables."""
    result = subprocess.run(  # noqa: S603 - the code above
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def bare(tmp_path):
    """Return the variables of a process on a machine without any setting of AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REQUESTS_"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, "HOME": str(tmp_path / "empty"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_no_setting_of_the_machine_changes_the_client(bare, tmp_path):
    """Variables, profiles, files and models of the machine give the same settings, answers and attempts as none."""
    home = tmp_path / "home"
    models = home / ".aws" / "models" / "sagemaker" / "2017-07-24"
    models.mkdir(parents=True)
    (models / "service-2.json").write_text("{}")
    (home / ".aws" / "config").write_text(CONFIG_FILE)
    expected = run(bare)

    assert run({**bare, "HOME": str(home)}) == expected
    assert run({**bare, **VARIABLES}) == expected


# --- the client is clean for each test


def refuse(**_):
    """Raise an error: this handler was registered in another test."""
    raise ZeroDivisionError


def leave_a_stubber_active(client):
    """Activate a Stubber without an answer."""
    Stubber(client).activate()


def leave_a_handler(client):
    """Register a handler that refuses every call."""
    client.meta.events.register("provide-client-params.sagemaker", refuse)


def leave_a_first_handler(client):
    """Register a handler that refuses every call, before all others."""
    client.meta.events.register_first("before-call.*.*", refuse, unique_id="refuse")


def remove_a_handler(client):
    """Remove a handler of botocore's own."""
    client.meta.events.unregister("request-created.sagemaker", client._request_signer.handler)


def leave_an_attribute(client):
    """Replace a method."""
    client.list_inference_experiments = refuse


CHANGES = [leave_a_stubber_active, leave_a_handler, leave_a_first_handler, remove_a_handler, leave_an_attribute]
every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


@every_change
def test_what_one_test_left_on_the_client_is_not_seen_in_the_next(change):
    """The next mock gives a client as botocore makes it."""
    with mock_inference_experiment() as first:
        changed = first.client()
        change(changed)

    with mock_inference_experiment() as second:
        assert second.client() is not changed
        assert second.client().list_inference_experiments()["InferenceExperiments"] == []


@every_change
def test_the_client_of_one_mock_is_not_that_of_another(change):
    """An inner mock and its outer mock, which are active at the same time, have a client each."""
    with mock_inference_experiment() as outer, mock_inference_experiment() as inner:
        change(inner.client())

        assert outer.client().list_inference_experiments()["InferenceExperiments"] == []


def test_a_change_after_the_mock_has_ended_is_not_seen_in_the_next():
    """A test may keep its client and register a handler on it later."""
    with mock_inference_experiment() as first:
        kept = first.client()
    leave_a_handler(kept)

    with mock_inference_experiment() as second:
        assert second.client().list_inference_experiments()["InferenceExperiments"] == []


def test_one_mock_always_gives_the_same_client():
    """A Stubber on the client of a mock answers every caller of `.client()`."""
    with mock_inference_experiment(region_name="us-east-1") as mock:
        leave_a_handler(mock.client())

        with pytest.raises(ZeroDivisionError):
            mock.client().list_inference_experiments()
        assert mock.client("sagemaker-runtime") is mock.client("sagemaker-runtime")


def test_a_clean_client_is_kept():
    """The next mock has the same client when the test left nothing on it, because making one is slow."""
    with mock_inference_experiment() as first:
        client = first.client()
        with Stubber(client) as stubber:
            stubber.add_response("list_models", {"Models": []})
            client.list_models()
        client.meta.events.register("before-call", refuse)
        client.meta.events.unregister("before-call", refuse)
        client.create_inference_experiment(**create())

    with mock_inference_experiment() as second:
        assert second.client() is client
        assert second.client().list_inference_experiments()["InferenceExperiments"] == []


@pytest.mark.parametrize("error", ["ThrottlingException", ConnectTimeoutError], ids=["throttled", "no connection"])
def test_retries_of_earlier_tests_do_not_use_up_those_of_the_next(error):
    """botocore allows a client a limited number of retries in a row; each test has them all."""
    attempts = []
    for _ in range(30):  # botocore's 500 units would last for 25.
        with mock_inference_experiment(virtual_sleep=True, unused_faults="ignore") as mock:
            mock.fail_next("ListModels", error, times=9)
            with pytest.raises((ClientError, ConnectTimeoutError)):
                mock.client().list_models()
            attempts.append(len(mock.calls))

    assert set(attempts) == {attempts[0]}
