"""wire=True: calls travel as far as before-send, so that botocore signs them, emits every event and retries them."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from contextlib import ExitStack

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.stub import Stubber
from moto import mock_aws

from mock_sagemaker_ie import InferenceExperimentMock, UnansweredCallError, mock_inference_experiment
from tests.conftest import START
from tests.interception.conftest import needs_request_credentials
from tests.interception.test_moto import TRAINING_JOB
from tests.requests import CONFIG, ENDPOINT, NAME, create, endpoint_config

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
ROLE = "arn:aws:iam::123456789012:role/role"
# The events that name their operation, in botocore's order. Old versions have no before-parse.
EVENTS = [
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "after-call",
]


def make_client(service="sagemaker", attempts=3, **options):
    """Return a client with handlers of its own and `attempts`."""
    config = Config(retries={"total_max_attempts": attempts})
    return boto3.Session().client(service, region_name="us-east-1", config=config, **{**KEYS, **options})


@pytest.fixture
def wire():
    """Activate a mock in which calls use the wire, and in which retries do not wait."""
    with mock_inference_experiment(clock=START, virtual_sleep=True, wire=True) as mock:
        yield mock


@pytest.fixture(params=["wire=True", "arranged fault"])
def mock_that_uses_the_wire(request):
    """Activate a mock whose next ListModels uses the wire, for either of the two reasons."""
    with mock_inference_experiment(
        clock=START, virtual_sleep=True, wire=request.param == "wire=True", unused_faults="ignore"
    ) as mock:
        if request.param == "arranged fault":
            mock.fail_next("ListModels", "ThrottlingException")
        yield mock


def events_of(client, *kinds):
    """Return the list that receives the kind of each event of ListModels that the client emits."""
    emitted = []
    for kind in kinds or EVENTS:
        client.meta.events.register(
            f"{kind}.sagemaker.ListModels", lambda event_name, **_: emitted.append(event_name.split(".")[0])
        )
    return emitted


def add_header(request, **_):
    """Add a header to a request, as a user's handler of request-created may do."""
    request.headers["X-A"] = "1"


def canned(request, **_):
    """Answer a request at before-send, as a user's handler may do."""
    return AWSResponse(request.url, 200, {}, Raw(b'{"Models": [], "NextToken": "canned"}'))


class Raw(io.BytesIO):
    """The body of a response, in the form that botocore reads."""

    def stream(self):
        yield self.read()


def test_handlers_of_every_event_are_called(wire):
    """Each event of a call is emitted once, in botocore's order."""
    client = make_client()
    emitted = events_of(client)

    client.list_models()

    assert emitted == EVENTS


def test_without_it_the_events_between_before_call_and_after_call_are_not_emitted(mock):
    """The documentation of the option says which handlers run."""
    client = make_client()
    emitted = events_of(client)

    client.list_models()

    assert emitted == [*EVENTS[:3], "after-call"]


def test_a_call_with_a_fault_emits_the_events_of_each_attempt(mock_that_uses_the_wire):
    """The events of an attempt are emitted again for its retry."""
    mock_that_uses_the_wire.fail_next("ListModels", "InternalFailure")
    client = make_client(attempts=5)
    emitted = events_of(client, "request-created", "before-sign", "before-send", "needs-retry")

    attempts = client.list_models()["ResponseMetadata"]["RetryAttempts"] + 1

    assert attempts == len(mock_that_uses_the_wire.calls)
    assert emitted == ["request-created", "before-sign", "before-send", "needs-retry"] * attempts


@pytest.mark.parametrize(
    "keys", [KEYS, pytest.param({}, marks=needs_request_credentials)], ids=["with credentials", "without credentials"]
)
def test_a_request_is_signed_and_has_a_user_agent(mock_that_uses_the_wire, keys):
    """A before-send handler gets the request as AWS would; a client without credentials has a signature too."""
    session, sent = Session(), []
    session._credentials = None
    client = session.create_client("sagemaker", region_name="us-east-1", **keys)
    client.meta.events.register("before-send.sagemaker", lambda request, **_: sent.append(request))
    client.meta.events.register(
        "request-created.sagemaker", lambda request, **_: request.headers.add_header("X-A", "1")
    )

    client.list_models()

    headers = sent[0].headers
    assert "Credential=testing/" in str(headers["Authorization"])
    assert "Botocore/" in str(headers["User-Agent"])
    assert "1" in str(headers["X-A"])


def test_the_credentials_of_a_session_sign(wire):
    """A client signs with the credentials of its session, if it has them at hand."""
    session, sent = Session(), []
    session._credentials = Credentials("AKIAOWN", "secret")
    client = session.create_client("sagemaker", region_name="us-east-1")
    client.meta.events.register("before-send.sagemaker", lambda request, **_: sent.append(request))

    client.list_models()

    assert "Credential=AKIAOWN/" in str(sent[0].headers["Authorization"])


def test_the_answer_of_a_users_handler_at_before_send_wins(mock_that_uses_the_wire):
    """The mock neither answers nor records the call, and an arranged fault waits for the next one."""
    client = make_client()
    client.meta.events.register("before-send.sagemaker.ListModels", canned)

    assert client.list_models()["NextToken"] == "canned"

    assert mock_that_uses_the_wire.calls == ()


def test_an_error_of_a_users_handler_reaches_the_caller(wire):
    """botocore raises what a before-send handler raises."""
    client = make_client()

    def fail(**_):
        raise ZeroDivisionError

    client.meta.events.register("before-send.sagemaker.ListModels", fail)

    with pytest.raises(ZeroDivisionError):
        client.list_models()


def test_a_stubber_has_precedence(wire):
    """A call that the user stubbed gets the stub's answer, and the mock does not record the call."""
    client = make_client()

    with Stubber(client) as stubber:
        stubber.add_response("list_models", {"Models": [], "NextToken": "stubbed"})
        assert client.list_models()["NextToken"] == "stubbed"

    assert wire.calls == ()


@pytest.mark.parametrize("kind", ["request-created", "before-sign", "before-send", "needs-retry"])
def test_a_handler_may_call_sagemaker_itself(mock_that_uses_the_wire, kind):
    """Both calls are answered."""
    client, other, answers = make_client(), make_client(), []
    client.meta.events.register(
        f"{kind}.sagemaker.ListModels", lambda **_: answers.append(other.list_endpoints()["Endpoints"]) and None
    )

    assert client.list_models()["Models"] == []
    assert answers[0] == []


def test_answers_equal_those_without_the_wire():
    """Values, types and errors are the same: only the metadata differ."""

    def answers(wire):
        with mock_inference_experiment(clock=START, wire=wire):
            client, runtime = make_client(), make_client("sagemaker-runtime")
            client.create_endpoint_config(**endpoint_config())
            client.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=CONFIG)
            yield client.create_inference_experiment(**create(Schedule={"EndTime": START + dt.timedelta(days=1)}))
            yield client.describe_inference_experiment(Name=NAME)
            yield client.list_inference_experiments()
            yield client.describe_endpoint(EndpointName=ENDPOINT)
            invoked = runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"1,2", ContentType="text/csv")
            yield {**invoked, "Body": invoked["Body"].read()}
            for failing in (
                lambda: client.describe_inference_experiment(Name="missing"),
                lambda: client.create_inference_experiment(**create()),
                lambda: runtime.invoke_endpoint(EndpointName="missing", Body=b""),
            ):
                with pytest.raises(ClientError) as caught:
                    failing()
                yield caught.value.response

    def without_metadata(answer):
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    assert list(map(without_metadata, answers(wire=True))) == list(map(without_metadata, answers(wire=False)))


# --- with moto, and calls that the mock does not answer


@pytest.fixture(params=["moto inner", "moto outer"])
def wire_with_moto(request):
    """Activate a mock with wire=True and moto, nested in either order, and return the mock."""
    mocks = [mock_inference_experiment(wire=True, virtual_sleep=True), mock_aws()]
    with ExitStack() as stack:
        active = [stack.enter_context(each) for each in (mocks if request.param == "moto inner" else mocks[::-1])]
        yield next(each for each in active if isinstance(each, InferenceExperimentMock))


def test_moto_does_not_execute_our_calls(wire_with_moto):
    """Moto would create a second model, and raises for inference experiments. It answers its own operations."""
    client = make_client()
    emitted = events_of(client, "before-send")

    client.create_model(ModelName="model", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    client.create_inference_experiment(**create())
    client.create_training_job(**TRAINING_JOB)
    client.list_models()

    assert [job["TrainingJobName"] for job in client.list_training_jobs()["TrainingJobSummaries"]] == [
        TRAINING_JOB["TrainingJobName"]
    ]
    assert emitted == ["before-send"]
    wire_with_moto.reset()
    with pytest.raises(ClientError):  # Moto has no such model.
        boto3.client("sagemaker", region_name="us-east-1", **KEYS).delete_model(ModelName="model")


def test_moto_answers_the_tags_of_its_resources(wire_with_moto):
    """A user's handler is called once for a call that the mock leaves to moto."""
    client, sent = make_client(), []
    arn = client.create_training_job(**TRAINING_JOB)["TrainingJobArn"]
    client.meta.events.register("before-send.sagemaker.ListTags", lambda request, **_: sent.append(request))

    assert client.list_tags(ResourceArn=arn)["Tags"] == []
    assert len(sent) == 1


def test_an_unanswered_call_raises_an_error(wire, connections, unanswered_call):
    """wire=True changes nothing for a call that nobody answers."""
    with pytest.raises(UnansweredCallError, match=unanswered_call.operation):
        unanswered_call.send(make_client(unanswered_call.service))

    assert connections == []


def test_each_of_two_nested_mocks_decides_for_itself():
    """The option of the mock that answers counts."""
    client = make_client()
    emitted = events_of(client, "before-send")

    with mock_inference_experiment(wire=True):
        with mock_inference_experiment():
            client.list_models()
        assert emitted == []
        client.list_models()

    assert emitted == ["before-send"]


# --- aiobotocore


@pytest.mark.parametrize(
    "keys", [KEYS, pytest.param({}, marks=needs_request_credentials)], ids=["with credentials", "without credentials"]
)
def test_calls_of_aiobotocore_use_the_wire(wire, connections, keys):
    """Its handlers may be coroutine functions, and its bodies are awaited."""
    aiobotocore = pytest.importorskip("aiobotocore.session")

    async def run():
        session = aiobotocore.get_session()
        async with session.create_client("sagemaker", region_name="us-east-1", **keys) as client:
            emitted, sent = events_of(client), []

            async def look(request, **_):
                sent.append(request)

            client.meta.events.register("before-send.sagemaker.ListModels", look)
            answer = await client.list_models()
            await client.create_inference_experiment(**create())
            with pytest.raises(UnansweredCallError):
                await client.list_training_jobs()
            return answer, emitted, sent

    answer, emitted, sent = asyncio.run(run())

    assert answer["Models"] == []
    assert emitted == EVENTS
    assert "Credential=testing/" in str(sent[0].headers["Authorization"])
    assert list(wire.experiments) == [NAME]
    assert connections == []
