"""The error for what would leave the process while a mock is active, with the ways out."""

from __future__ import annotations

from mock_sagemaker_ie.documentation import Page
from mock_sagemaker_ie.service.clients import ANSWERED_SERVICES


class UnansweredCallError(RuntimeError):
    """A SageMaker call was made while a mock is active, and nobody answered it."""


def unanswered(service: str, operation: str) -> UnansweredCallError:
    """Return the error for a call that nobody answered."""
    name = operation if service in ANSWERED_SERVICES else service
    return UnansweredCallError(
        f"{operation} ({service}) was called while mock_inference_experiment is active, and nobody "
        "answered it; it was not sent to AWS. The mock answers inference experiments, models, endpoint configurations, "
        "endpoints, InvokeEndpoint (also WithResponseStream), and tags of these. For the rest, run moto's mock_aws "
        "alongside, stub the call with botocore.stub.Stubber, or let it through to AWS with "
        f"mock_inference_experiment(passthrough=[{name!r}]); {Page.INTERCEPTION}.",
    )


def ended(service: str, operation: str) -> UnansweredCallError:
    """Return the error for a request of a call that began in a mock and goes on after its end."""
    return UnansweredCallError(
        f"{operation} ({service}) was called inside a mock_inference_experiment that has ended since; its next request "
        "was not sent to AWS. Let the call return before the mock ends: join its thread, await its task, or leave the "
        f"mock later; {Page.INTERCEPTION}.",
    )


def unanswered_connection(host: str) -> UnansweredCallError:
    """Return the error for a connection to a host of SageMaker that no hook of ours has seen coming."""
    return UnansweredCallError(
        f"a connection to {host} was begun while mock_inference_experiment is active; nothing was sent to AWS. "
        "The mock answers calls of boto3, botocore, aiobotocore and requests in this process, and passthrough= lets "
        "operations and services of these through. Make the call with one of them, stub it in the library that makes "
        "it, give that library the URL of a served mock (`mock-sagemaker-ie serve`), or make the call outside the "
        f"mock; {Page.LANGUAGES}.",
    )
