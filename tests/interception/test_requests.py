"""The door for callers that use `requests`: boto3's answers, nobody else's calls touched, nothing left behind."""

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
from botocore.exceptions import ClientError, EndpointProviderError
from botocore.loaders import Loader
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from moto import mock_aws

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
    """The request with botocore's signature."""
    SigV4Auth(Credentials(key, "testing"), "sagemaker", region).add_auth(request)
    return request


def unsigned(request: AWSRequest) -> AWSRequest:
    """The request as it is."""
    return request


either_way = pytest.mark.parametrize("sign", [signed, unsigned])


def call(
    operation: str, url: str = CONTROL, sign: Any = unsigned, body: Any = None, **members: Any
) -> requests.Response:
    """Call an operation with `requests`, as botocore serializes it; `body` in place of botocore's."""
    service = "sagemaker-runtime" if operation.startswith("Invoke") else "sagemaker"
    model = service_model(service).operation_model(operation)
    made = create_serializer(model.service_model.metadata["protocol"]).serialize_to_request(members, model)
    request = sign(AWSRequest(made["method"], url + made["url_path"], made["headers"], made["body"]))
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    return requests.request(
        request.method, request.url, headers=headers, data=request.data if body is None else body, timeout=5
    )


def parsed(operation: str, response: requests.Response) -> dict[str, Any]:
    """The answer as botocore parses it, without what differs from call to call."""
    answer = {"status_code": response.status_code, "headers": response.headers, "body": response.content}
    model, parser = service_model("sagemaker").operation_model(operation), create_parser("json")
    values = parser.parse(answer, model.output_shape)
    error = model.service_model.shape_for_error_code(values.get("Error", {}).get("Code"))
    values |= {} if error is None else parser.parse(answer, error)
    del values["ResponseMetadata"]
    return values


def by_boto3(sagemaker, operation: str, members: dict[str, Any]) -> dict[str, Any]:
    """The same call's answer or error to boto3, likewise."""
    try:
        values = sagemaker._make_api_call(operation, members)
    except ClientError as error:
        values = error.response
    return {name: value for name, value in values.items() if name != "ResponseMetadata"}


# --- the same answers


@either_way
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
)
def test_the_answers_are_those_that_boto3_gets(mock, sagemaker, sign, operation, members):
    """Answers and errors are the same, signed or not."""
    for name in ("another", NAME):
        sagemaker.create_inference_experiment(**create(name, Tags=[{"Key": "team", "Value": "ranking"}]))

    response = call(operation, sign=sign, **members)

    answer = parsed(operation, response)
    assert answer == by_boto3(sagemaker, operation, members)
    assert response.ok == ("Error" not in answer)


def test_what_is_created_with_requests_is_there_for_boto3(mock, sagemaker):
    """There is one world, whichever way a call comes in."""
    call("CreateInferenceExperiment", sign=signed, **create())

    assert sagemaker.describe_inference_experiment(Name=NAME)["Status"] == "Running"
    assert [made.operation for made in mock.calls] == ["CreateInferenceExperiment", "DescribeInferenceExperiment"]


@pytest.mark.parametrize("content_type", ["application/x-recordio", None])
def test_an_endpoint_is_invoked(mock, sagemaker, content_type):
    """The body is the model's bytes; headers tell the content type, if the model says one, and who answered."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda body: ModelResponse(body.upper(), content_type=content_type))

    response = call("InvokeEndpoint", RUNTIME, signed, EndpointName=ENDPOINT, Body=b"\x00\xff bytes")

    assert (response.status_code, response.content) == (200, b"\x00\xff BYTES")
    assert response.headers.get("Content-Type") == content_type
    assert response.headers["x-Amzn-Invoked-Production-Variant"] == "prod"


def test_a_model_that_fails_is_a_model_error(mock, sagemaker):
    """REST-JSON names its errors in a header."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda body: 1 / 0)

    response = call("InvokeEndpoint", RUNTIME, EndpointName=ENDPOINT, Body=b"")

    assert (response.status_code, response.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert response.json()["OriginalStatusCode"] == 500


# --- which requests are SageMaker's, and whose


def hosts() -> list[Any]:
    """Every form of SageMaker's addresses by botocore's own rules: of a region of each partition, FIPS, dual-stack."""
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
def test_every_address_of_sagemakers_is_answered_for_its_region(mock, operation, url, region):
    """An unsigned request is for the region in its host's name."""
    members = {"EndpointName": ENDPOINT, "Body": b""} if operation == "InvokeEndpoint" else {}

    call(operation, url, **members)

    assert [(made.operation, made.region) for made in mock.calls] == [(operation, region)]


def test_a_signature_says_region_and_account(mock):
    """The signature's scope wins over the host; a key of 12 digits is an account's number."""

    def sign(request):
        return signed(request, key="111122223333", region="eu-west-1")

    call("ListInferenceExperiments", sign=sign)

    assert [(made.region, made.account_id) for made in mock.calls] == [("eu-west-1", "111122223333")]


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://api.sagemaker.us-east-1.example.com/", "https://sts.amazonaws.com/"]
)
@responses.activate
def test_hosts_that_only_look_alike_are_let_through(mock, url):
    """What is not SageMaker's goes on as before."""
    responses.post(url, body="theirs")

    assert requests.post(url, timeout=5).text == "theirs"
    assert mock.calls == ()


def test_other_urls_are_connected_to(mock, connections):
    """The mock stands in nobody else's way."""
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(NOWHERE, timeout=5)

    assert connections == [("127.0.0.1", 1)]


# --- beside responses and moto


@pytest.fixture(params=["ours inside", "ours outside"])
def beside(request):
    """Enter the mock and another one, nested either way; gives what the other gives."""
    with ExitStack() as stack:

        def enter(other):
            ours = mock_inference_experiment()
            if request.param == "ours outside":
                stack.enter_context(ours)
            entered = stack.enter_context(other)
            if request.param == "ours inside":
                stack.enter_context(ours)
            return entered

        yield enter


def experiments() -> list[Any]:
    """What the mock lists."""
    return call("ListInferenceExperiments").json()["InferenceExperiments"]


def test_responses_keeps_what_it_was_told(beside):
    """The user's own canned answers are given, those to SageMaker's other operations too."""
    canned = beside(responses.RequestsMock())
    canned.get("https://example.com/", body="canned")
    canned.post(f"{CONTROL}/", json={"TrainingJobSummaries": "canned"})

    assert experiments() == []
    assert requests.get("https://example.com/", timeout=5).text == "canned"
    assert call("ListTrainingJobs").json() == {"TrainingJobSummaries": "canned"}


@pytest.mark.parametrize("body", [lambda: "{}", lambda: io.BytesIO(b"{}"), lambda: iter([b"{", b"}"])])
def test_moto_answers_what_is_not_ours(beside, body):
    """Training jobs are moto's, experiments ours; a body that can be read only once reaches whom it concerns."""
    beside(mock_aws())

    assert experiments() == []
    assert call("ListTrainingJobs", sign=signed, body=body()).json() == {"TrainingJobSummaries": []}


def test_what_nobody_answers_is_refused(mock, connections):
    """As with boto3, the error names the operation, and AWS hears nothing."""
    with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
        call("ListTrainingJobs")

    assert connections == []


@responses.activate
def test_passthrough_lets_an_operation_be_sent():
    """Operations named in passthrough= are neither answered nor refused."""
    responses.post(f"{CONTROL}/", body="sent")

    with mock_inference_experiment(passthrough=["ListInferenceExperiments"]) as mock:
        assert call("ListInferenceExperiments").text == "sent"

    assert mock.calls == ()


# --- faults


def test_an_arranged_error_is_met_once(mock):
    """fail_next serves callers of requests too."""
    mock.fail_next("ListInferenceExperiments", "ThrottlingException")

    first, second = call("ListInferenceExperiments"), call("ListInferenceExperiments")

    assert (first.status_code, first.json()["__type"]) == (400, "ThrottlingException")
    assert second.ok


@pytest.mark.parametrize("error", [requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout("arranged")])
def test_an_arranged_error_of_the_connection_is_raised(mock, error):
    """It reaches the caller as it was arranged."""
    mock.fail_next("ListInferenceExperiments", error)

    with pytest.raises(error if isinstance(error, type) else type(error)):
        call("ListInferenceExperiments")


# --- as requests behaves


@pytest.mark.parametrize(
    "body", ["{}", b"{}", bytearray(b"{}"), io.BytesIO(b"{}"), io.StringIO("{}"), iter([b"{", b"}"])], ids=type
)
def test_every_kind_of_body_is_read(mock, body):
    """Text, bytes, files and iterators, as requests takes them."""
    assert call("ListInferenceExperiments", body=body).ok


def test_hooks_are_called(mock):
    """A session's own hooks, such as one that raises for a bad status, see the response."""
    session = requests.Session()
    session.hooks["response"] = lambda response, **_: response.raise_for_status()

    with pytest.raises(requests.exceptions.HTTPError):
        session.post(CONTROL, data="{}")


def test_a_response_is_streamed(mock):
    """stream=True reads bit by bit."""
    headers = {"X-Amz-Target": b"SageMaker.ListInferenceExperiments", "Content-Type": "application/x-amz-json-1.1"}

    with requests.post(CONTROL, data="{}", headers=headers, stream=True, timeout=5) as response:
        pieces = list(response.iter_content(10))

    assert b"".join(pieces) == b'{"InferenceExperiments":[]}'
    assert len(pieces) > 1


# --- nothing is left behind


def test_afterwards_sessions_are_exactly_what_they_were():
    """However many mocks were nested, and even when a test fails inside."""
    before = dict(vars(requests.Session))

    with pytest.raises(ZeroDivisionError), mock_inference_experiment(), mock_inference_experiment():
        call("ListInferenceExperiments")
        1 / 0  # noqa: B018

    assert dict(vars(requests.Session)) == before


def run(code: str) -> None:
    """Run code in a fresh interpreter; what it asserts must hold."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)  # noqa: S603 - our own


def test_neither_requests_nor_responses_is_imported_for_others():
    """Who uses botocore alone does not pay for requests."""
    run("""
        import sys
        from mock_sagemaker_ie import mock_inference_experiment
        hooks = list(sys.meta_path)
        with mock_inference_experiment() as mock:
            mock.client().list_inference_experiments()
        assert not {"requests", "responses"} & {*sys.modules}
        assert sys.meta_path == hooks
    """)


def test_requests_may_be_imported_after_the_mock_began():
    """Its sessions are answered from its first import on, and are as ever afterwards."""
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
