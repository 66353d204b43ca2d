"""Names of models, endpoint configurations and endpoints: valid, unique, and free after deletion."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import mock_inference_experiment
from tests.conftest import START
from tests.hosting import ENDPOINTS, refused
from tests.operations.shared import at
from tests.requests import endpoint_config

NAME = "My-Name"


def test_an_arn_contains_the_kind_and_the_name(kind, sagemaker):
    """Create returns the ARN that Describe shows, with the name as it was given."""
    arn = kind.create(sagemaker, NAME)

    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:{kind.type}/{NAME}"
    assert kind.describe(sagemaker, NAME)[kind.arn] == arn


def test_creation_time_is_the_time_of_the_call(kind, mock, sagemaker):
    """CreationTime does not change when the clock moves."""
    kind.create(sagemaker, NAME)

    mock.clock.advance(days=1)

    assert kind.describe(sagemaker, NAME)["CreationTime"] == START


def test_a_name_in_use_is_refused(kind, mock, sagemaker):
    """A second resource with the same name is refused with AWS's message, and the first one does not change."""
    arn = kind.create(sagemaker, NAME)
    mock.clock.advance(days=1)

    with refused(mock) as caught:
        kind.create(sagemaker, NAME)

    assert caught.value.response["Error"]["Message"] == f'Cannot create already existing {kind.noun} "{arn}".'


@pytest.mark.parametrize("operation", ["describe", "delete"])
def test_an_unknown_name_is_refused(kind, mock, sagemaker, operation):
    """A resource that was never created, or was deleted, is not found; AWS's message contains its ARN."""
    arn = kind.create(sagemaker, NAME)
    kind.delete(sagemaker, NAME)

    for name in (NAME, "unknown-name"):
        with refused(mock) as caught:
            getattr(kind, operation)(sagemaker, name)
        message = f'Could not find {kind.noun} "{arn.replace(NAME, name)}".'
        assert caught.value.response["Error"]["Message"] == message


def test_the_name_of_a_deleted_resource_is_free(kind, mock, sagemaker):
    """A new resource may have the name of a deleted one, and has its own CreationTime."""
    kind.create(sagemaker, NAME)
    kind.delete(sagemaker, NAME)
    mock.clock.advance(days=1)

    kind.create(sagemaker, NAME)

    assert kind.describe(sagemaker, NAME)["CreationTime"] == at(days=1)


def test_the_longest_name_is_accepted(kind, sagemaker):
    """A name may have the maximum length in the model, and may begin with a digit."""
    longest = sagemaker.meta.service_model.shape_for(kind.name).metadata["max"]
    name = "1" + "a" * (longest - 1)

    kind.create(sagemaker, name)

    assert kind.describe(sagemaker, name)[kind.name] == name


@pytest.mark.parametrize("name", ["under_score", "-first", "last-", "a" * 64, ""])
def test_an_invalid_name_is_refused(kind, mock, sagemaker, name):
    """A name that breaks the model's pattern or length is refused, and the message names the member."""
    with refused(mock) as caught:
        kind.create(sagemaker, name)

    path = kind.name[0].lower() + kind.name[1:]
    assert re.search(f"at '{path}' failed to satisfy constraint", str(caught.value))


def test_each_region_has_its_own_names(kind, mock, sagemaker):
    """A name that is in use in one region is free in another one, where Describe does not find the resource."""
    kind.create(sagemaker, NAME)
    elsewhere = mock.client(region_name="eu-west-1")

    with pytest.raises(ClientError, match="ValidationException"):
        kind.describe(elsewhere, NAME)

    if kind is ENDPOINTS:
        elsewhere.create_endpoint_config(**endpoint_config())
    assert ":eu-west-1:" in kind.create(elsewhere, NAME)
    assert ":us-east-1:" in kind.describe(sagemaker, NAME)[kind.arn]


def test_an_inner_mock_has_its_own_resources(kind, sagemaker):
    """An inner mock starts empty, and the outer mock's resources are unchanged after it."""
    kind.create(sagemaker, NAME)

    with mock_inference_experiment(clock=START):
        assert kind.all(sagemaker) == {}

    assert NAME in kind.all(sagemaker)


def test_reset_removes_hosting_resources(kind, mock, sagemaker):
    """`reset` also removes models, configurations and endpoints."""
    kind.create(sagemaker, NAME)

    mock.reset()

    assert kind.all(sagemaker) == {}
