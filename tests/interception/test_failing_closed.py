"""While a mock is active, a SageMaker call without an answer raises an error and is never sent."""

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
    """Return a client that makes one attempt and would connect to NOWHERE."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name="us-east-1", endpoint_url=NOWHERE, config=config, **options)


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["with credentials", "without credentials"])
def test_an_unanswered_call_raises_an_error(mock, connections, unanswered_call, keys):
    """The error names the operation, says that the call was not sent, and shows every remedy."""
    operation, service = unanswered_call.operation, unanswered_call.service
    client = make_client(service, **keys)

    with pytest.raises(UnansweredCallError) as caught:
        unanswered_call.send(client)

    assert connections == []
    for text in (operation, service, "not sent", "mock_aws", "Stubber", f"passthrough=[{operation!r}]"):
        assert text in str(caught.value)


def test_an_unanswered_call_is_sent_after_the_mock_ended(connections, unanswered_call):
    """The mock blocks calls only while it is active."""
    client = make_client(unanswered_call.service, **KEYS)
    with mock_inference_experiment():
        pass

    with pytest.raises(EndpointConnectionError):
        unanswered_call.send(client)

    assert connections == [("127.0.0.1", 1)]


@pytest.mark.parametrize("operation", ["ListTrainingJobs", "ListInferenceExperiments"], ids=["not mocked", "mocked"])
def test_an_operation_in_passthrough_is_sent(connections, operation):
    """An operation in passthrough= is sent and not recorded; other operations still raise an error."""
    client = make_client("sagemaker", **KEYS)

    with mock_inference_experiment(passthrough=[operation]) as mock:
        with pytest.raises(EndpointConnectionError):
            getattr(client, xform_name(operation))()
        with pytest.raises(UnansweredCallError):
            client.list_processing_jobs()

    assert connections == [("127.0.0.1", 1)]
    assert mock.calls == ()


def test_calls_to_other_services_are_sent(mock, connections):
    """The mock does not block calls to other AWS services."""
    client = make_client("sts", **KEYS)

    with pytest.raises(EndpointConnectionError):
        client.get_caller_identity()

    assert connections == [("127.0.0.1", 1)]


def test_a_stubbed_call_is_answered(mock, connections):
    """A call that a Stubber answers raises no error; this is one of the remedies that the error names."""
    client = make_client("sagemaker", **KEYS)

    with Stubber(client) as stubber:
        stubber.add_response("list_training_jobs", {"TrainingJobSummaries": []})
        answer = client.list_training_jobs()

    assert answer["TrainingJobSummaries"] == []
    assert connections == []


def test_a_credentials_error_does_not_replace_the_error_for_an_unanswered_call(mock):
    """An expired login fails when a request is signed, but the advice to log in again would mislead the user."""

    def raise_expired_login():
        raise UnauthorizedSSOTokenError

    session = Session()
    session._credentials = DeferredRefreshableCredentials(raise_expired_login, "sso")
    client = session.create_client("sagemaker", region_name="us-east-1")

    with pytest.raises(UnansweredCallError, match="ListTrainingJobs"):
        client.list_training_jobs()
