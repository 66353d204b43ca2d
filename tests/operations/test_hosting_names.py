"""Names of models, endpoint configurations and endpoints: unique, found, refused and free again."""

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


def test_an_arn_names_the_kind_and_the_resource(kind, sagemaker):
    """Create answers with the ARN that Describe shows, with the name as it was given."""
    arn = kind.create(sagemaker, NAME)

    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:{kind.type}/{NAME}"
    assert kind.describe(sagemaker, NAME)[kind.arn] == arn


def test_creation_time_is_the_moment_of_the_call(kind, mock, sagemaker):
    """CreationTime does not move on with the clock."""
    kind.create(sagemaker, NAME)

    mock.clock.advance(days=1)

    assert kind.describe(sagemaker, NAME)["CreationTime"] == START


def test_a_taken_name_is_refused(kind, mock, sagemaker):
    """A second resource of one name is refused in AWS's words, and the first stays as it was."""
    arn = kind.create(sagemaker, NAME)
    mock.clock.advance(days=1)

    with refused(mock) as caught:
        kind.create(sagemaker, NAME)

    assert caught.value.response["Error"]["Message"] == f'Cannot create already existing {kind.noun} "{arn}".'


@pytest.mark.parametrize("operation", ["describe", "delete"])
def test_an_unknown_name_is_refused(kind, mock, sagemaker, operation):
    """What nobody created, or somebody deleted, cannot be found; AWS's words name it by its ARN."""
    arn = kind.create(sagemaker, NAME)
    kind.delete(sagemaker, NAME)

    for name in (NAME, "nobody-created-it"):
        with refused(mock) as caught:
            getattr(kind, operation)(sagemaker, name)
        message = f'Could not find {kind.noun} "{arn.replace(NAME, name)}".'
        assert caught.value.response["Error"]["Message"] == message


def test_a_deleted_name_is_free(kind, mock, sagemaker):
    """Another resource may have the name of one that is gone, and is a new one."""
    kind.create(sagemaker, NAME)
    kind.delete(sagemaker, NAME)
    mock.clock.advance(days=1)

    kind.create(sagemaker, NAME)

    assert kind.describe(sagemaker, NAME)["CreationTime"] == at(days=1)


def test_the_longest_name_is_taken_as_it_is(kind, sagemaker):
    """A name may be as long as the model says, and begin with a digit."""
    longest = sagemaker.meta.service_model.shape_for(kind.name).metadata["max"]
    name = "1" + "a" * (longest - 1)

    kind.create(sagemaker, name)

    assert kind.describe(sagemaker, name)[kind.name] == name


@pytest.mark.parametrize("name", ["under_score", "-first", "last-", "a" * 64, ""])
def test_a_name_must_be_a_name(kind, mock, sagemaker, name):
    """A name that breaks the model's pattern or length is refused, and the message says where."""
    with refused(mock) as caught:
        kind.create(sagemaker, name)

    path = kind.name[0].lower() + kind.name[1:]
    assert re.search(f"at '{path}' failed to satisfy constraint", str(caught.value))


def test_each_region_has_names_of_its_own(kind, mock, sagemaker):
    """A name taken in one region is free in another, where the resource cannot be found."""
    kind.create(sagemaker, NAME)
    elsewhere = mock.client(region_name="eu-west-1")

    with pytest.raises(ClientError, match="ValidationException"):
        kind.describe(elsewhere, NAME)

    if kind is ENDPOINTS:
        elsewhere.create_endpoint_config(**endpoint_config())
    assert ":eu-west-1:" in kind.create(elsewhere, NAME)
    assert ":us-east-1:" in kind.describe(sagemaker, NAME)[kind.arn]


def test_each_world_is_empty_at_first(kind, sagemaker):
    """An inner mock knows nothing of the outer one's resources, and takes its own along when it is left."""
    kind.create(sagemaker, NAME)

    with mock_inference_experiment(clock=START):
        assert kind.all(sagemaker) == {}

    assert NAME in kind.all(sagemaker)


def test_a_reset_world_is_empty(kind, mock, sagemaker):
    """`reset` forgets models, configurations and endpoints too."""
    kind.create(sagemaker, NAME)

    mock.reset()

    assert kind.all(sagemaker) == {}
