"""The botocore interceptor: which clients it answers, what has precedence over it, and how it restores botocore."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.hooks import EventAliaser
from botocore.stub import Stubber

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen
from tests.requests import NAME, create

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
CANNED = {"InferenceExperimentArn": "arn:aws:sagemaker:us-east-1:123456789012:inference-experiment/canned"}


def is_answered(client):
    """Return whether the active mock answers the client's CreateInferenceExperiment."""
    arn = client.create_inference_experiment(**create())["InferenceExperimentArn"]
    return arn.endswith(f":inference-experiment/{NAME}")


# --- the parts of botocore that the interceptor relies on: these tests fail when botocore changes them


@pytest.mark.parametrize("method", ["emit", "emit_until_response"])
def test_event_aliaser_defines_the_methods_that_we_wrap(sagemaker, method):
    """The events of a client are an EventAliaser; its own methods take the name and the arguments of an event."""
    signature = inspect.signature(vars(EventAliaser)[method])

    assert type(sagemaker.meta.events) is EventAliaser
    assert [(name, parameter.kind) for name, parameter in signature.parameters.items()] == [
        ("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ("event_name", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]


def test_before_call_has_the_arguments_that_we_read_and_uses_our_answer():
    """botocore emits before-call once per call, and uses a returned (http, parsed) as the answer."""
    client, events = boto3.client("sagemaker", region_name="eu-west-1", **KEYS), []

    def answer(**arguments):
        events.append(arguments)
        return SimpleNamespace(status_code=200), CANNED

    client.meta.events.register("before-call.sagemaker.DeleteInferenceExperiment", answer)

    assert client.delete_inference_experiment(Name=NAME) == CANNED

    (arguments,) = events
    assert arguments["model"].name == "DeleteInferenceExperiment"
    assert arguments["params"]["body"] == b'{"Name": "%s"}' % NAME.encode()
    assert arguments["context"]["client_region"] == "eu-west-1"
    assert arguments["request_signer"]._credentials.method == "explicit"


def test_an_error_in_before_send_is_raised_without_a_retry():
    """botocore makes no second attempt after an error in an event handler."""
    client, sent = boto3.client("sagemaker", region_name="us-east-1", **KEYS), []

    def raise_error(**arguments):
        sent.append(arguments)
        raise RuntimeError("not sent")

    client.meta.events.register("before-send.sagemaker.ListTrainingJobs", raise_error)

    with pytest.raises(RuntimeError, match="not sent"):
        client.list_training_jobs()

    assert len(sent) == 1


# --- which clients are answered


@pytest.mark.parametrize("created", ["before the mock", "in the mock"])
@pytest.mark.parametrize(
    "make_client",
    [
        pytest.param(boto3.client, id="boto3's default session"),
        pytest.param(boto3.Session().client, id="a boto3 session"),
        pytest.param(botocore.session.get_session().create_client, id="a botocore session"),
    ],
)
def test_answers_a_client_of_any_session_created_at_any_time(make_client, created):
    """Every kind of session works, and a client may be created before the mock or while the mock is active."""
    client = make_client("sagemaker", region_name="us-east-1", **KEYS) if created == "before the mock" else None

    with mock_inference_experiment():
        assert is_answered(client or make_client("sagemaker", region_name="us-east-1", **KEYS))


def test_answers_a_client_created_before_the_import():
    """A client that user code created before it imported mock_sagemaker_ie is answered."""
    program = """
        import sys, boto3
        client = boto3.client("sagemaker", region_name="us-east-1")
        assert "mock_sagemaker_ie" not in sys.modules

        from mock_sagemaker_ie import mock_inference_experiment
        with mock_inference_experiment():
            print(client.list_inference_experiments()["InferenceExperiments"])
    """

    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )

    assert (run.stdout.strip(), run.stderr) == ("[]", "")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="no credentials"),
        pytest.param({"endpoint_url": "https://vpce-1.api.sagemaker.us-east-1.vpce.amazonaws.com"}, id="endpoint_url"),
        pytest.param({"config": Config(use_fips_endpoint=True)}, id="FIPS"),
        pytest.param({"config": Config(use_dualstack_endpoint=True)}, id="dual-stack"),
        pytest.param({"config": Config(parameter_validation=False)}, id="no parameter validation"),
        pytest.param({"verify": False, "use_ssl": False}, id="no TLS"),
    ],
)
def test_answers_a_client_with_any_connection_options(mock, connections, options):
    """Credentials, endpoint URLs and TLS settings do not matter: no request is signed or sent."""
    client = boto3.client("sagemaker", region_name="us-east-1", **options)

    assert is_answered(client)
    assert connections == []


# --- precedence


def test_a_stubber_has_precedence(mock, sagemaker):
    """A call that the user stubbed gets the stub's answer, and the mock does not record the call."""
    with Stubber(sagemaker) as stubber:
        stubber.add_response("create_inference_experiment", CANNED, create())

        answer = sagemaker.create_inference_experiment(**create())

    assert answer["InferenceExperimentArn"] == CANNED["InferenceExperimentArn"]
    assert mock.calls == ()


def test_the_answer_of_the_users_handler_has_precedence(mock):
    """The user's before-call handler answers instead of the mock; a handler that returns nothing changes nothing."""
    client, observed = boto3.client("sagemaker", region_name="us-east-1", **KEYS), []
    client.meta.events.register("before-call.sagemaker", lambda **arguments: observed.append(arguments["model"].name))
    client.meta.events.register(
        "before-call.sagemaker.CreateInferenceExperiment",
        lambda **_: (SimpleNamespace(status_code=200), CANNED),
    )

    created, listed = client.create_inference_experiment(**create()), client.list_inference_experiments()

    assert created == CANNED
    assert listed["InferenceExperiments"] == []
    assert [call.operation for call in mock.calls] == ["ListInferenceExperiments"]
    assert "ListInferenceExperiments" in observed


# --- threads


@pytest.mark.usefixtures("frequent_thread_switches")
def test_concurrent_threads_are_all_answered(mock, sagemaker):
    """Eight threads create 200 experiments, and every experiment and every call is recorded."""
    names = [f"experiment-{number}" for number in range(200)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: sagemaker.create_inference_experiment(**create(name)), names))

    assert sorted(mock.experiments) == sorted(names)
    assert sorted(call.params["Name"] for call in mock.calls) == sorted(names)


@pytest.mark.usefixtures("frequent_thread_switches")
def test_only_one_of_many_threads_can_use_a_name(mock, sagemaker):
    """Eight threads create an experiment with the same name at the same time, and exactly one succeeds."""
    names, barrier = [f"experiment-{number}" for number in range(25)], threading.Barrier(8, timeout=10)

    def create_all(_):
        created = []
        for name in names:
            barrier.wait()
            with contextlib.suppress(ClientError):
                sagemaker.create_inference_experiment(**create(name))
                created.append(name)
        return created

    with ThreadPoolExecutor(barrier.parties) as threads:
        created = [name for names in threads.map(create_all, range(barrier.parties)) for name in names]

    assert sorted(created) == sorted(names)
    error_codes = [call.error.code for call in mock.calls if call.error]
    assert error_codes == ["ResourceInUse"] * (barrier.parties - 1) * len(names)


# --- the end of a mock


def test_restores_the_wrapper_of_a_tracer(monkeypatch):
    """A tracer may have wrapped the methods before: its wrapper sees each call, and afterwards is the same object."""
    events = []

    class Wrapper:
        """A wrapper like those of wrapt: a descriptor that gives another object at each access."""

        def __init__(self, wrapped):
            self.wrapped = wrapped

        def __get__(self, instance, owner):
            bound = self.wrapped if instance is None else self.wrapped.__get__(instance, owner)

            def call(*arguments, **named):
                events.append(named.get("event_name") or next(each for each in arguments if isinstance(each, str)))
                return bound(*arguments, **named)

            return call

    wrappers = {name: Wrapper(vars(EventAliaser)[name]) for name in ("emit", "emit_until_response")}
    for name, wrapper in wrappers.items():
        monkeypatch.setattr(EventAliaser, name, wrapper)

    for wire in (False, True):
        with mock_inference_experiment(wire=wire):
            launch()

    assert {name: vars(EventAliaser)[name] for name in wrappers} == wrappers
    assert events.count("before-call.sagemaker.CreateInferenceExperiment") == 2
    assert events.count("before-send.sagemaker.CreateInferenceExperiment") == 1


def test_restores_the_wrapper_of_wrapt(monkeypatch):
    """The tracers of APM libraries use wrapt."""
    wrapt = pytest.importorskip("wrapt")
    events = []

    def trace(wrapped, _instance, arguments, named):
        events.append(named.get("event_name") or arguments[0])
        return wrapped(*arguments, **named)

    wrappers = {}
    for name in ("emit", "emit_until_response"):
        wrappers[name] = wrapt.FunctionWrapper(vars(EventAliaser)[name], trace)
        monkeypatch.setattr(EventAliaser, name, wrappers[name])

    with mock_inference_experiment(wire=True):
        launch()

    assert all(vars(EventAliaser)[name] is wrapper for name, wrapper in wrappers.items())
    assert "before-send.sagemaker.CreateInferenceExperiment" in events


def test_a_foreign_wrapper_around_ours_stays_in_place(monkeypatch):
    """If other code wraps botocore while the mock is active, its wrapper stays and still sees each call."""
    events = []

    with mock_inference_experiment():
        our_wrapper = EventAliaser.emit_until_response

        def foreign_wrapper(aliaser, event_name, **arguments):
            events.append(event_name)
            return our_wrapper(aliaser, event_name, **arguments)

        monkeypatch.setattr(EventAliaser, "emit_until_response", foreign_wrapper)
        launch()

    assert EventAliaser.emit_until_response is foreign_wrapper
    assert seen() == [ON_AWS]
    with mock_inference_experiment() as mock:
        launch()
    assert len(mock.calls) == 1
    assert events.count("before-call.sagemaker.CreateInferenceExperiment") == 2
