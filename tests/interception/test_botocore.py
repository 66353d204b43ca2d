"""The botocore door: which clients it reaches, who wins over it, and that it leaves botocore as it was."""

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


def answered(client):
    """Whether a client's Create is answered by the mock that is active."""
    arn = client.create_inference_experiment(**create())["InferenceExperimentArn"]
    return arn.endswith(f":inference-experiment/{NAME}")


# --- the seam: what we rely on in botocore, for the day when it changes


@pytest.mark.parametrize("method", ["emit", "emit_until_response"])
def test_the_class_of_every_clients_events_has_the_methods_we_wrap(sagemaker, method):
    """A client's events are an EventAliaser, whose own methods take an event's name and its arguments."""
    signature = inspect.signature(vars(EventAliaser)[method])

    assert type(sagemaker.meta.events) is EventAliaser
    assert [(name, parameter.kind) for name, parameter in signature.parameters.items()] == [
        ("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ("event_name", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]


def test_before_call_brings_what_we_read_and_takes_our_answer():
    """botocore asks before-call once per call, and takes (http, parsed) for an answer."""
    client, asked = boto3.client("sagemaker", region_name="eu-west-1", **KEYS), []

    def answer(**arguments):
        asked.append(arguments)
        return SimpleNamespace(status_code=200), CANNED

    client.meta.events.register("before-call.sagemaker.DeleteInferenceExperiment", answer)

    assert client.delete_inference_experiment(Name=NAME) == CANNED

    (arguments,) = asked
    assert arguments["model"].name == "DeleteInferenceExperiment"
    assert arguments["params"]["body"] == b'{"Name": "%s"}' % NAME.encode()
    assert arguments["context"]["client_region"] == "eu-west-1"
    assert arguments["request_signer"]._credentials.method == "explicit"


def test_what_before_send_raises_reaches_the_caller_at_once():
    """botocore tries no second time after an error of its own handlers."""
    client, sent = boto3.client("sagemaker", region_name="us-east-1", **KEYS), []

    def refuse(**arguments):
        sent.append(arguments)
        raise RuntimeError("refused")

    client.meta.events.register("before-send.sagemaker.ListTrainingJobs", refuse)

    with pytest.raises(RuntimeError, match="refused"):
        client.list_training_jobs()

    assert len(sent) == 1


# --- reach


@pytest.mark.parametrize("made", ["before", "inside"])
@pytest.mark.parametrize(
    "make_client",
    [
        pytest.param(boto3.client, id="boto3's default session"),
        pytest.param(boto3.Session().client, id="a boto3 session"),
        pytest.param(botocore.session.get_session().create_client, id="a botocore session"),
    ],
)
def test_answers_a_client_of_any_session_made_at_any_time(make_client, made):
    """It matters neither who made a client nor whether the mock was active then."""
    client = make_client("sagemaker", region_name="us-east-1", **KEYS) if made == "before" else None

    with mock_inference_experiment():
        assert answered(client or make_client("sagemaker", region_name="us-east-1", **KEYS))


def test_answers_a_client_made_before_the_import():
    """User code may have made its client before anybody imported the mock."""
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
def test_answers_whatever_a_client_would_connect_to(mock, connections, options):
    """Credentials, addresses and certificates play no part: nothing is signed and nothing is sent."""
    client = boto3.client("sagemaker", region_name="us-east-1", **options)

    assert answered(client)
    assert connections == []


# --- order


def test_a_stubber_wins(mock, sagemaker):
    """What the user stubs is answered by the stub, and the mock hears nothing of it."""
    with Stubber(sagemaker) as stubber:
        stubber.add_response("create_inference_experiment", CANNED, create())

        answer = sagemaker.create_inference_experiment(**create())

    assert answer["InferenceExperimentArn"] == CANNED["InferenceExperimentArn"]
    assert mock.calls == ()


def test_the_users_own_handler_wins(mock):
    """A before-call handler that answers is asked first; one that only looks changes nothing."""
    client, looked = boto3.client("sagemaker", region_name="us-east-1", **KEYS), []
    client.meta.events.register("before-call.sagemaker", lambda **arguments: looked.append(arguments["model"].name))
    client.meta.events.register(
        "before-call.sagemaker.CreateInferenceExperiment",
        lambda **_: (SimpleNamespace(status_code=200), CANNED),
    )

    created, listed = client.create_inference_experiment(**create()), client.list_inference_experiments()

    assert created == CANNED
    assert listed["InferenceExperiments"] == []
    assert [call.operation for call in mock.calls] == ["ListInferenceExperiments"]
    assert "ListInferenceExperiments" in looked


# --- threads


@pytest.fixture
def eager_threads():
    """Threads that give way to each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
def test_every_thread_is_answered_and_nothing_is_lost(mock, sagemaker):
    """Clients in many threads create at once, and every experiment and every call is there."""
    names = [f"experiment-{number}" for number in range(200)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: sagemaker.create_inference_experiment(**create(name)), names))

    assert sorted(mock.experiments) == sorted(names)
    assert sorted(call.params["Name"] for call in mock.calls) == sorted(names)


@pytest.mark.usefixtures("eager_threads")
def test_one_of_many_threads_gets_a_name(mock, sagemaker):
    """A name is given once, however many ask for it at the same time."""
    names, together = [f"experiment-{number}" for number in range(25)], threading.Barrier(8, timeout=10)

    def winning(_):
        won = []
        for name in names:
            together.wait()
            with contextlib.suppress(ClientError):
                sagemaker.create_inference_experiment(**create(name))
                won.append(name)
        return won

    with ThreadPoolExecutor(together.parties) as threads:
        won = [name for names in threads.map(winning, range(together.parties)) for name in names]

    assert sorted(won) == sorted(names)
    lost = [call.error.code for call in mock.calls if call.error]
    assert lost == ["ResourceInUse"] * (together.parties - 1) * len(names)


# --- leaving


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_leaves_botocores_class_exactly_as_it_was(error):
    """After the outermost mock, however it is left, each attribute is the very object it was before."""
    before = dict(vars(EventAliaser))

    left = pytest.raises(error) if error else contextlib.nullcontext()
    with left, mock_inference_experiment(), mock_inference_experiment():
        assert vars(EventAliaser) != before
        if error:
            raise error

    after = vars(EventAliaser)
    assert after.keys() == before.keys()
    assert [name for name in before if after[name] is not before[name]] == []


def test_an_inner_mock_hides_the_outer_one():
    """The world entered last answers; leaving it shows the one before with all it held."""
    with mock_inference_experiment():
        launch("outer")

        with mock_inference_experiment():
            assert seen() == []
            launch("inner")

        assert seen() == ["outer"]

    assert seen() == [ON_AWS]


def test_somebody_elses_wrapper_over_ours_is_left_alone(monkeypatch):
    """Who wrapped botocore while the mock was active keeps the wrapper, and calls pass through it as before."""
    events = []

    with mock_inference_experiment():
        ours = EventAliaser.emit_until_response

        def theirs(aliaser, event_name, **arguments):
            events.append(event_name)
            return ours(aliaser, event_name, **arguments)

        monkeypatch.setattr(EventAliaser, "emit_until_response", theirs)
        launch()

    assert EventAliaser.emit_until_response is theirs
    assert seen() == [ON_AWS]
    with mock_inference_experiment() as mock:
        launch()
    assert len(mock.calls) == 1
    assert events.count("before-call.sagemaker.CreateInferenceExperiment") == 2
