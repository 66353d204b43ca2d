"""A SageMaker call that nobody answers while a mock is active never leaves the process."""

from __future__ import annotations

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import EndpointConnectionError, UnauthorizedSSOTokenError
from botocore.session import Session
from botocore.stub import Stubber

from mock_sagemaker_ie import UnansweredCallError, mock_inference_experiment
from tests.aws import NOWHERE

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def make_client(service, **options):
    """A client that would connect to NOWHERE, once."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name="us-east-1", endpoint_url=NOWHERE, config=config, **options)


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["with credentials", "without"])
def test_an_unanswered_call_is_refused(mock, connections, unanswered, keys):
    """The error names the operation, says that AWS heard nothing, and shows every way out."""
    client = make_client(unanswered.service, **keys)

    with pytest.raises(UnansweredCallError) as refusal:
        unanswered.on(client)

    assert connections == []
    passthrough = f"passthrough=[{unanswered.operation!r}]"
    for word in (unanswered.operation, unanswered.service, "not sent", "mock_aws", "Stubber", passthrough):
        assert word in str(refusal.value)


def test_the_same_call_is_sent_once_the_mock_is_left(connections, unanswered):
    """Only an active mock stands between a client and AWS."""
    client = make_client(unanswered.service, **KEYS)
    with mock_inference_experiment():
        pass

    with pytest.raises(EndpointConnectionError):
        unanswered.on(client)

    assert connections == [("127.0.0.1", 1)]


@pytest.mark.parametrize("operation", ["ListTrainingJobs", "ListInferenceExperiments"], ids=["not ours", "ours"])
def test_passthrough_lets_an_operation_be_sent(connections, operation):
    """Operations named in passthrough= are neither refused nor answered; the others are as ever."""
    client = make_client("sagemaker", **KEYS)

    with mock_inference_experiment(passthrough=[operation]) as mock:
        with pytest.raises(EndpointConnectionError):
            getattr(client, xform_name(operation))()
        with pytest.raises(UnansweredCallError):
            client.list_processing_jobs()

    assert connections == [("127.0.0.1", 1)]
    assert mock.calls == ()


def test_other_services_are_let_through(mock, connections):
    """The mock stands in nobody else's way: calls of other services are sent."""
    client = make_client("sts", **KEYS)

    with pytest.raises(EndpointConnectionError):
        client.get_caller_identity()

    assert connections == [("127.0.0.1", 1)]


def test_a_stubbed_call_is_answered(mock, connections):
    """One of the ways out: what a Stubber answers is not refused."""
    client = make_client("sagemaker", **KEYS)

    with Stubber(client) as stubber:
        stubber.add_response("list_training_jobs", {"TrainingJobSummaries": []})
        answer = client.list_training_jobs()

    assert answer["TrainingJobSummaries"] == []
    assert connections == []


def test_credentials_that_cannot_be_had_do_not_hide_the_refusal(mock):
    """An expired login stops a request at signing, but to log in again would be the wrong advice."""

    def expired():
        raise UnauthorizedSSOTokenError

    session = Session()
    session._credentials = DeferredRefreshableCredentials(expired, "sso")
    client = session.create_client("sagemaker", region_name="us-east-1")

    with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
        client.list_training_jobs()
