"""SageMaker services that the mock does not answer: their calls do not leave either, unless passthrough= names them."""

from __future__ import annotations

import datetime as dt
import socket
import urllib.request
from itertools import product

import boto3
import pytest
import requests
from botocore import xform_name
from botocore.config import Config
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointConnectionError, EndpointProviderError
from botocore.loaders import Loader
from botocore.session import Session
from moto import mock_aws
from requests.adapters import HTTPAdapter

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from tests.aws import NOWHERE

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}

ALL_SERVICES = Loader().list_available_services("service-2")
SERVICES = [service for service in ALL_SERVICES if service.startswith("sagemaker")]
NEIGHBOURS = [service for service in SERVICES if service not in ("sagemaker", "sagemaker-runtime")]
METRICS = "https://metrics.sagemaker.us-east-1.amazonaws.com/BatchPutMetrics"
METRIC = {"MetricName": "loss", "Timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "Value": 1.0, "Step": 1}


def hosts():
    """Return every host of every SageMaker service by botocore's rules: each partition, FIPS, dual-stack."""
    loader = Loader()
    partitions = loader.load_data("partitions")
    regions = [region for partition in partitions["partitions"] for region in [*partition["regions"]][:1]]
    found = {}
    for service, region, fips, dual in product(SERVICES, regions, (False, True), (False, True)):
        try:
            rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
            url = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        except EndpointProviderError:
            continue
        found[url.removeprefix("https://")] = service
    return found


HOSTS = hosts()


def forms(host):
    """Return the forms in which somebody may write a host, and those of a VPC endpoint."""
    service, _, rest = host.partition(".")
    for suffix in (".amazonaws.com", ".api.aws", ".amazonaws.com.cn"):
        if rest.endswith(suffix):
            vpce = f"{service}.{rest.removesuffix(suffix)}.vpce{suffix}"
            return [host, host.upper(), f"{host}.", f"vpce-0a1b-2c3d.{vpce}", f"vpce-0a1b-2c3d-us-east-1a.{vpce}"]
    return [host, host.upper(), f"{host}."]


def make_client(service):
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return boto3.client(service, endpoint_url=NOWHERE, config=config, **KEYS)


def call_first(client):
    """Call the first operation of a service that has no event stream, with any values in its path."""
    model = client.meta.service_model
    operations = [model.operation_model(name) for name in model.operation_names]
    operation = next(each for each in operations if not (each.has_event_stream_input or each.has_event_stream_output))
    params = {
        name: "any"
        for name, member in (operation.input_shape.members if operation.input_shape else {}).items()
        if member.serialization.get("location") == "uri"
    }
    return operation.name, lambda: getattr(client, xform_name(operation.name))(**params)


# --- which services


def test_the_services_are_those_of_botocore():
    """A service is SageMaker's when its name begins so: its id in events, its host or the name in its signature do."""
    session = Session()
    metadata = {service: session.get_service_model(service) for service in SERVICES}
    ids = {service: model.service_id.hyphenize() for service, model in metadata.items()}

    assert ids == {service: service for service in SERVICES}
    others = [service for service in ALL_SERVICES if service not in SERVICES]
    assert [service for service in others if "sagemaker" in service] == []
    assert [model.endpoint_prefix for model in metadata.values() if "sagemaker" not in model.endpoint_prefix] == []


@pytest.mark.parametrize("service", NEIGHBOURS)
def test_a_call_is_refused(mock, connections, service):
    """The error names the service and the operation, and how to let it through."""
    name, call = call_first(make_client(service))

    with pytest.raises(UnansweredCallError, match=rf"{name} \({service}\).*not sent.*passthrough=\['{service}'\]"):
        call()

    assert connections == []


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", ["service", "operation"])
def test_a_service_and_its_operations_can_be_let_through(connections, service, kind):
    """`passthrough=` takes the name of a service, and an operation after a colon."""
    name, call = call_first(make_client(service))

    let_through = [service if kind == "service" else f"{service}:{name}"]
    with mock_inference_experiment(passthrough=let_through), pytest.raises(EndpointConnectionError):
        call()

    assert connections == [("127.0.0.1", 1)]


def test_a_service_that_is_let_through_lets_no_other_through(connections):
    """Other services are still refused, and the mock still answers."""
    with mock_inference_experiment(passthrough=["sagemaker-metrics"]) as mock:
        with pytest.raises(UnansweredCallError):
            call_first(make_client("sagemaker-edge"))[1]()
        make_client("sagemaker").list_models()

    assert connections == []
    assert [call.operation for call in mock.calls] == ["ListModels"]


@pytest.mark.parametrize("moto_first", [False, True], ids=["moto inner", "moto outer"])
def test_moto_answers_the_services_that_it_has(connections, moto_first):
    """It stores metrics of a trial component."""
    contexts = [mock_aws(), mock_inference_experiment()]
    with contexts[not moto_first], contexts[moto_first]:
        client = boto3.client("sagemaker-metrics", **KEYS)
        boto3.client("sagemaker", **KEYS).create_trial_component(TrialComponentName="trial")

        answer = client.batch_put_metrics(TrialComponentName="trial", MetricData=[METRIC])

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert connections == []


# --- other libraries


@pytest.mark.parametrize("host", HOSTS)
def test_no_form_of_a_host_is_looked_up(mock, connections, host):
    """Every library asks for the address of a host first."""
    for form in forms(host):
        with pytest.raises(UnansweredCallError):
            socket.getaddrinfo(form, 443)

    assert connections == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_form_of_a_host_is_reached_by_requests(mock, connections, host):
    """A session answers requests to the two services of the mock, and refuses others; an adapter refuses all."""
    proxies = {"http": "http://127.0.0.1:1", "https": "http://127.0.0.1:1"}
    for scheme, form in product(("http", "https"), forms(host)):
        request = requests.Request("POST", f"{scheme}://{form}/any", data=b"{}")
        if HOSTS[host] in NEIGHBOURS:
            with pytest.raises(UnansweredCallError, match=HOSTS[host]):
                requests.Session().send(request.prepare(), timeout=5, proxies=proxies)
        else:
            assert requests.Session().send(request.prepare(), timeout=5, proxies=proxies).status_code == 404
        for options in ({}, {"proxies": proxies}):
            with pytest.raises(UnansweredCallError):
                HTTPAdapter().send(request.prepare(), timeout=5, **options)

    assert connections == []


@pytest.mark.parametrize("service", NEIGHBOURS)
def test_a_host_of_a_service_that_is_let_through_is_looked_up(monkeypatch, service):
    """The host names the service, so any library may send to it, in each partition."""
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: looked_up.append(host))
    own = [form for host in HOSTS if HOSTS[host] == service for form in forms(host)]

    with mock_inference_experiment(passthrough=[service]):
        for host in own:
            socket.getaddrinfo(host, 443)
        for host in HOSTS:
            if HOSTS[host] != service:
                with pytest.raises(UnansweredCallError):
                    socket.getaddrinfo(host, 443)

    assert looked_up == own


def send_with_urllib(url, timeout):
    urllib.request.urlopen(url, b"{}", timeout)  # noqa: S310 - an address of AWS


@pytest.mark.parametrize("send", [requests.post, send_with_urllib])
def test_a_request_to_a_service_that_is_let_through_is_sent(monkeypatch, send):
    """By `requests` and by any other library."""
    looked_up = []

    def look_up(host, *_, **__):
        looked_up.append(host)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    with mock_inference_experiment(passthrough=["sagemaker-metrics"]), pytest.raises(OSError):
        send(METRICS, timeout=5)

    assert looked_up == ["metrics.sagemaker.us-east-1.amazonaws.com"]


@pytest.mark.parametrize(
    "host",
    [
        "sagemaker-us-east-1-123456789012.s3.amazonaws.com",
        "sagemaker-us-east-1-123456789012.s3.us-east-1.amazonaws.com",
        "models.sagemaker.s3.amazonaws.com",
        "sagemaker.s3-accelerate.amazonaws.com",
        "sagemaker.s3-us-west-2.amazonaws.com",
        "sagemaker-demo.us-east-1.elb.amazonaws.com",
        "sagemaker.readthedocs.io",
        "mysagemaker.us-east-1.amazonaws.com",
    ],
)
def test_other_hosts_with_sagemaker_in_their_names_are_looked_up(monkeypatch, host):
    """A bucket of S3 is often named after SageMaker."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: host)

    with mock_inference_experiment():
        assert socket.getaddrinfo(host, 443) == host


# --- the option


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("sagemaker-metric", "is not a SageMaker service; did you mean 'sagemaker-metrics'"),
        ("s3", "is not a SageMaker service that this botocore has"),
        ("s3:GetObject", "is not a SageMaker service that this botocore has"),
        (
            "sagemaker-metrics:BatchPutMetric",
            "is not an operation of sagemaker-metrics; did you mean 'BatchPutMetrics'",
        ),
        ("sagemaker:InvokeEndpoint", "is not an operation of sagemaker; did you mean"),
        ("sagemaker-metrics:", "expected the names of operations"),
        ("Sagemaker-Metrics", "expected the names of operations"),
        ("a.b", "expected the names of operations"),
    ],
)
def test_a_wrong_name_is_refused(name, problem):
    """The error says what came and what was expected."""
    with pytest.raises(ValueError, match=problem) as caught:
        mock_inference_experiment(passthrough=[name])

    assert name in str(caught.value)
