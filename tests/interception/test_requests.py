"""The interceptor for callers that use `requests`: it answers as for boto3, and leaves all other requests alone."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from itertools import product
from typing import Any

import pytest
import requests
import responses
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EndpointProviderError
from botocore.loaders import Loader
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from moto import mock_aws
from urllib3 import Timeout

from mock_sagemaker_ie import ModelResponse, UnansweredCallError, mock_inference_experiment
from mock_sagemaker_ie.service.clients import service_model
from tests.aws import NOWHERE
from tests.requests import NAME, create

REGION = "us-east-1"
CONTROL = f"https://api.sagemaker.{REGION}.amazonaws.com"
RUNTIME = f"https://runtime.sagemaker.{REGION}.amazonaws.com"
ENDPOINT = create()["EndpointName"]
ARN = f"arn:aws:sagemaker:{REGION}:123456789012:inference-experiment/{NAME}"


def signed(request: AWSRequest, *, key: str = "testing", region: str = REGION) -> AWSRequest:
    """Add botocore's signature to the request and return it."""
    SigV4Auth(Credentials(key, "testing"), "sagemaker", region).add_auth(request)
    return request


def unsigned(request: AWSRequest) -> AWSRequest:
    """Return the request without changes."""
    return request


LIST_MODELS = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
signed_and_unsigned = pytest.mark.parametrize("sign", [signed, unsigned])


def call(
    operation: str, url: str = CONTROL, sign: Any = unsigned, body: Any = None, **members: Any
) -> requests.Response:
    """Call an operation with `requests`, as botocore serializes it; `body` replaces the serialized body."""
    service = "sagemaker-runtime" if operation.startswith("Invoke") else "sagemaker"
    model = service_model(service).operation_model(operation)
    serialized = create_serializer(model.service_model.metadata["protocol"]).serialize_to_request(members, model)
    request = sign(
        AWSRequest(serialized["method"], url + serialized["url_path"], serialized["headers"], serialized["body"])
    )
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    return requests.request(
        request.method, request.url, headers=headers, data=request.data if body is None else body, timeout=5
    )


def parsed(operation: str, response: requests.Response) -> dict[str, Any]:
    """Return the answer as botocore parses it, without the metadata, which differs in each call."""
    answer = {"status_code": response.status_code, "headers": response.headers, "body": response.content}
    model, parser = service_model("sagemaker").operation_model(operation), create_parser("json")
    values = parser.parse(answer, model.output_shape)
    error = model.service_model.shape_for_error_code(values.get("Error", {}).get("Code"))
    values |= {} if error is None else parser.parse(answer, error)
    del values["ResponseMetadata"]
    return values


def answer_with_boto3(sagemaker, operation: str, members: dict[str, Any]) -> dict[str, Any]:
    """Make the same call with boto3, and return its answer or error without the metadata."""
    try:
        values = sagemaker._make_api_call(operation, members)
    except ClientError as error:
        values = error.response
    return {name: value for name, value in values.items() if name != "ResponseMetadata"}


# --- the same answers


@signed_and_unsigned
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DescribeInferenceExperiment", {"Name": NAME}),
        ("ListInferenceExperiments", {"MaxResults": 1, "SortBy": "Name"}),
        ("ListTags", {"ResourceArn": ARN}),
        ("DescribeEndpoint", {"EndpointName": ENDPOINT}),
        ("DescribeInferenceExperiment", {"Name": "missing"}),
        ("CreateInferenceExperiment", create()),
        ("DescribeInferenceExperiment", {"Name": "no name!"}),
    ],
    ids=["describe", "list", "tags", "endpoint", "missing name", "name in use", "invalid name"],
)
def test_answers_and_errors_equal_those_of_boto3(mock, sagemaker, sign, operation, members):
    """Signed and unsigned requests get the answer or the error that boto3 gets."""
    for name in ("another", NAME):
        sagemaker.create_inference_experiment(**create(name, Tags=[{"Key": "team", "Value": "ranking"}]))

    response = call(operation, sign=sign, **members)

    answer = parsed(operation, response)
    assert answer == answer_with_boto3(sagemaker, operation, members)
    assert response.ok == ("Error" not in answer)


def test_requests_and_boto3_share_the_state_of_the_mock(mock, sagemaker):
    """`requests` creates an experiment, boto3 describes it, and both calls are recorded."""
    call("CreateInferenceExperiment", sign=signed, **create())

    assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"
    assert [each.operation for each in mock.calls] == ["CreateInferenceExperiment", "DescribeInferenceExperiment"]


@pytest.mark.parametrize("content_type", ["application/x-recordio", None])
def test_an_invocation_returns_the_body_and_headers_of_the_model(mock, sagemaker, content_type):
    """The body has the bytes of the model; headers have its content type, if it gave one, and the variant's name."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda body: ModelResponse(body.upper(), content_type=content_type))

    response = call("InvokeEndpoint", RUNTIME, signed, EndpointName=ENDPOINT, Body=b"\x00\xff bytes")

    assert (response.status_code, response.content) == (200, b"\x00\xff BYTES")
    assert response.headers.get("Content-Type") == content_type
    assert response.headers["x-Amzn-Invoked-Production-Variant"] == "prod"


def test_a_stream_is_the_bytes_that_botocore_parses(mock, sagemaker):
    """`requests` gets all events at once."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda request: iter([b"a", b"b"]))

    response = call("InvokeEndpointWithResponseStream", RUNTIME, signed, EndpointName=ENDPOINT, Body=b"1")
    buffer = EventStreamBuffer()
    buffer.add_data(response.content)

    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert [event.payload for event in buffer] == [b"a", b"b"]


def test_a_failing_model_returns_model_error(mock, sagemaker):
    """The header x-amzn-errortype names the error, as in every REST-JSON protocol."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda body: 1 / 0)

    response = call("InvokeEndpoint", RUNTIME, EndpointName=ENDPOINT, Body=b"")

    assert (response.status_code, response.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert response.json()["OriginalStatusCode"] == 500


# --- which requests are SageMaker's, and their region and account


def hosts() -> list[Any]:
    """Return every form of SageMaker's URLs by botocore's rules: a region of each partition, FIPS, dual-stack."""
    loader = Loader()
    partitions = loader.load_data("partitions")
    regions = [region for partition in partitions["partitions"] for region in [*partition["regions"]][:1]]
    found = []
    for service, region, fips, dual in product(
        ("sagemaker", "sagemaker-runtime"), regions, (False, True), (False, True)
    ):
        rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        try:
            url = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        except EndpointProviderError:
            continue
        operation = "InvokeEndpoint" if service == "sagemaker-runtime" else "ListInferenceExperiments"
        found.append(pytest.param(operation, url, region, id=url))
    return found


@pytest.mark.parametrize(("operation", "url", "region"), hosts())
def test_every_url_of_sagemaker_is_answered_for_its_region(mock, operation, url, region):
    """The host name of an unsigned request gives its region."""
    members = {"EndpointName": ENDPOINT, "Body": b""} if operation == "InvokeEndpoint" else {}

    call(operation, url, **members)

    assert [(each.operation, each.region) for each in mock.calls] == [(operation, region)]


@pytest.mark.parametrize(
    "host",
    [
        "API.SageMaker.EU-West-1.amazonaws.com",
        "api.sagemaker.eu-west-1.amazonaws.com.",
        "vpce-0a1b2c-3d4e.api.sagemaker.eu-west-1.vpce.amazonaws.com",
        "vpce-0a1b2c-3d4e-eu-west-1a.api.sagemaker.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_a_host_is_answered_in_every_form(mock, connections, host):
    """Case, a trailing dot and VPC endpoints make no difference."""
    call("ListInferenceExperiments", f"https://{host}")

    assert [each.region for each in mock.calls] == ["eu-west-1"]
    assert connections == []


def test_the_signature_gives_the_region_and_the_account(mock):
    """The region of the signature has precedence over the host; an access key of 12 digits is the account ID."""

    def sign(request):
        return signed(request, key="111122223333", region="eu-west-1")

    call("ListInferenceExperiments", sign=sign)

    assert [(each.region, each.account_id) for each in mock.calls] == [("eu-west-1", "111122223333")]


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://api.sagemaker.us-east-1.example.com/", "https://sts.amazonaws.com/"]
)
@responses.activate
def test_requests_to_other_hosts_are_not_answered(mock, url):
    """A request to another host, also to a similar host name, is not intercepted."""
    responses.post(url, body="other")

    assert requests.post(url, timeout=5).text == "other"
    assert mock.calls == ()


def test_requests_to_other_urls_are_sent(mock, connections):
    """`requests` connects to another URL while the mock is active."""
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(NOWHERE, timeout=5)

    assert connections == [("127.0.0.1", 1)]


# --- with responses and moto


@pytest.fixture(params=["our mock inner", "our mock outer"])
def activate_with(request):
    """Return a function that activates our mock and another one, nested in either order, and returns the other."""
    with ExitStack() as stack:

        def activate(other):
            ours = mock_inference_experiment()
            if request.param == "our mock outer":
                stack.enter_context(ours)
            active = stack.enter_context(other)
            if request.param == "our mock inner":
                stack.enter_context(ours)
            return active

        yield activate


def experiments() -> list[Any]:
    """Return the experiments that the mock lists."""
    return call("ListInferenceExperiments").json()["InferenceExperiments"]


def test_responses_gives_the_answers_of_the_user(activate_with):
    """`responses` still gives the user's canned answers, also for operations that the mock does not answer."""
    canned = activate_with(responses.RequestsMock())
    canned.get("https://example.com/", body="canned")
    canned.post(f"{CONTROL}/", json={"TrainingJobSummaries": "canned"})

    assert experiments() == []
    assert requests.get("https://example.com/", timeout=5).text == "canned"
    assert call("ListTrainingJobs").json() == {"TrainingJobSummaries": "canned"}


@pytest.mark.parametrize(
    "make_body", [lambda: "{}", lambda: io.BytesIO(b"{}"), lambda: iter([b"{", b"}"])], ids=["str", "file", "iterator"]
)
def test_moto_answers_the_operations_that_our_mock_does_not_answer(activate_with, make_body):
    """Moto answers training jobs and our mock experiments. Moto gets also a body that can be read only once."""
    activate_with(mock_aws())

    assert experiments() == []
    assert call("ListTrainingJobs", sign=signed, body=make_body()).json() == {"TrainingJobSummaries": []}


def test_an_unanswered_call_raises_an_error(mock, connections):
    """As with boto3, the error names the operation, and no connection is attempted."""
    with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
        call("ListTrainingJobs")

    assert connections == []


@responses.activate
def test_an_operation_in_passthrough_is_sent():
    """An operation in passthrough= is sent and not recorded."""
    responses.post(f"{CONTROL}/", body="sent")

    with mock_inference_experiment(passthrough=["ListInferenceExperiments"]) as mock:
        assert call("ListInferenceExperiments").text == "sent"

    assert mock.calls == ()


# --- faults


def test_an_arranged_error_is_returned_once(mock):
    """fail_next works for callers of `requests`."""
    mock.fail_next("ListInferenceExperiments", "ThrottlingException")

    first, second = call("ListInferenceExperiments"), call("ListInferenceExperiments")

    assert (first.status_code, first.json()["__type"]) == (400, "ThrottlingException")
    assert second.ok


@pytest.mark.parametrize(
    "error",
    [requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout("arranged")],
    ids=["class", "instance"],
)
def test_an_arranged_connection_error_is_raised(mock, error):
    """fail_next raises the arranged class or instance."""
    mock.fail_next("ListInferenceExperiments", error)

    with pytest.raises(error if isinstance(error, type) else type(error)):
        call("ListInferenceExperiments")


@pytest.mark.parametrize("error", [requests.exceptions.ReadTimeout, "InternalFailure"], ids=["connection", "AWS"])
def test_an_answer_can_be_lost(mock, error):
    """The service acts, and the caller gets the arranged error."""
    mock.fail_next("CreateInferenceExperiment", error, after=True)

    with pytest.raises(requests.RequestException):
        call("CreateInferenceExperiment", **create()).raise_for_status()

    assert list(mock.experiments) == [NAME]
    assert mock.calls[0].lost is not None


@pytest.mark.parametrize("timeout", [5, 5.0, (3, 5), Timeout(connect=3, read=5)], ids=repr)
def test_a_caller_gets_its_read_timeout(mock, timeout):
    """A longer delay of slow_next raises the ReadTimeout of requests, and the clock moves by the timeout."""
    before = mock.clock.now()
    mock.slow_next("ListModels", 120)

    with pytest.raises(requests.ReadTimeout, match=r"Read timed out. \(read timeout=5") as caught:
        requests.post(CONTROL, headers=LIST_MODELS, data=b"{}", timeout=timeout)

    assert (mock.clock.now() - before).total_seconds() == 5
    assert mock.calls[-1].error is caught.value
    assert caught.value.request.url == f"{CONTROL}/"


@pytest.mark.parametrize("timeout", [5, (3, None), None, Timeout(read=None)], ids=repr)
def test_a_caller_that_waits_long_enough_gets_the_answer(mock, timeout):
    """A delay up to the timeout moves the clock only; without a timeout the caller waits for ever."""
    before = mock.clock.now()
    mock.slow_next("ListModels", 5)

    assert requests.post(CONTROL, headers=LIST_MODELS, data=b"{}", timeout=timeout).json() == {"Models": []}
    assert (mock.clock.now() - before).total_seconds() == 5


# --- features of requests


@pytest.mark.parametrize(
    "body", ["{}", b"{}", bytearray(b"{}"), io.BytesIO(b"{}"), io.StringIO("{}"), iter([b"{", b"}"])], ids=type
)
def test_every_type_of_body_is_read(mock, body):
    """`requests` accepts text, bytes, files and iterators."""
    assert call("ListInferenceExperiments", body=body).ok


def test_response_hooks_of_a_session_are_called(mock):
    """A hook gets the response, and an error that it raises reaches the caller."""
    session = requests.Session()
    session.hooks["response"] = lambda response, **_: response.raise_for_status()

    with pytest.raises(requests.exceptions.HTTPError):
        session.post(CONTROL, data="{}")


def test_a_response_can_be_streamed(mock):
    """With stream=True the body is read in several pieces."""
    headers = {"X-Amz-Target": b"SageMaker.ListInferenceExperiments", "Content-Type": "application/x-amz-json-1.1"}

    with requests.post(CONTROL, data="{}", headers=headers, stream=True, timeout=5) as response:
        pieces = list(response.iter_content(10))

    assert b"".join(pieces) == b'{"InferenceExperiments":[]}'
    assert len(pieces) > 1


# --- the end of a mock, and imports


def test_restores_the_session_class_of_requests():
    """After the outermost of two nested mocks ended with an error, the attributes of Session are as before."""
    before = dict(vars(requests.Session))

    with pytest.raises(ZeroDivisionError), mock_inference_experiment(), mock_inference_experiment():
        call("ListInferenceExperiments")
        1 / 0  # noqa: B018

    assert dict(vars(requests.Session)) == before


def run(code: str) -> None:
    """Run code in a new interpreter, and fail if it raises."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)  # noqa: S603 - our own


def test_requests_and_responses_are_not_imported_without_need():
    """A program that uses only botocore does not import `requests` or `responses`."""
    run("""
        import sys
        from mock_sagemaker_ie import mock_inference_experiment
        hooks = list(sys.meta_path)
        with mock_inference_experiment() as mock:
            mock.client().list_inference_experiments()
        assert not {"requests", "responses"} & {*sys.modules}
        assert sys.meta_path == hooks
    """)


def test_requests_may_be_imported_while_a_mock_is_active():
    """Its sessions are answered from the first import on, and are restored after the mock ended."""
    run("""
        import sys
        from mock_sagemaker_ie import mock_inference_experiment
        hooks = list(sys.meta_path)
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListInferenceExperiments"}
        with mock_inference_experiment():
            import requests
            answer = requests.post("https://api.sagemaker.us-east-1.amazonaws.com", data="{}", headers=headers)
            assert answer.json() == {"InferenceExperiments": []}
        assert {name: vars(requests.Session)[name].__module__ for name in ("send", "get_adapter")} == {
            "send": "requests.sessions", "get_adapter": "requests.sessions"
        }
        assert sys.meta_path == hooks
    """)
