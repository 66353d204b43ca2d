"""Snapshots: a backend that is made of a snapshot has the same records, and the same future."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment
from mock_sagemaker_ie.backend import snapshot
from mock_sagemaker_ie.backend.backend import SageMakerBackend
from mock_sagemaker_ie.backend.settings import Settings
from mock_sagemaker_ie.backend.transitions import NEVER
from tests.conftest import START
from tests.every_operation import PREPARATIONS, REQUESTS
from tests.requests import ENDPOINT, NAME, create

DURATIONS = Durations.realistic()


def restored(backend: SageMakerBackend) -> SageMakerBackend:
    """Return a backend that is made of the snapshot of another one, by way of JSON."""
    values = json.loads(
        json.dumps(list(snapshot.take(backend)), default=snapshot.to_json), object_hook=snapshot.from_json
    )
    made = SageMakerBackend("aws", "us-east-1", "123456789012", Settings(DURATIONS))
    for each in values:
        snapshot.restore(made, each)
    return made


def records(backend: SageMakerBackend) -> list:
    """Return all records of a backend and the numbers of the next ones."""
    stores = snapshot._stores(backend).values()
    return [(list(it.records.items()), it.by_name, it.by_number, it._created) for it in stores]


@pytest.mark.parametrize("operation", [it for it in REQUESTS if not it.startswith(("Describe", "List", "Invoke"))])
@pytest.mark.parametrize("minutes", [0, 7, 60 * 24 * 40])
def test_a_snapshot_after_any_operation_gives_the_same_backend(sagemaker, operation, minutes):
    """Now, and at each later instant until nothing changes any more."""
    with mock_inference_experiment(clock=START, durations=DURATIONS, unused_faults="ignore") as mock:
        client = mock.client()
        for each, request in PREPARATIONS:
            client._make_api_call(each, request)
        mock.clock.advance(minutes=30)
        mock.fail_endpoint("later", "as arranged")
        mock.fail_experiment(NAME, "as arranged", at=START + dt.timedelta(days=20))
        client._make_api_call(operation, REQUESTS[operation])
        mock.clock.advance(minutes=minutes)
        now = mock.now()
        backend = mock._service.backend("us-east-1").as_of(now)

    made = restored(backend)

    assert records(made) == records(backend)
    assert made.hosting.fails_next("later")
    for later in (dt.timedelta(minutes=5), dt.timedelta(hours=30), dt.timedelta(days=30)):
        assert records(made.as_of(now + later)) == records(backend.as_of(now + later))
    assert records(made.as_of(NEVER - NEVER.resolution)) == records(backend.as_of(NEVER - NEVER.resolution))


def test_an_experiment_without_its_endpoint_is_refused(mock, sagemaker):
    """A snapshot that lost the endpoint of an unfinished experiment would be no state."""
    sagemaker.create_inference_experiment(**create())
    values = [it for it in snapshot.take(mock._service.backend("us-east-1")) if "Endpoint(" not in f"{it!r:.40}"]
    made = SageMakerBackend("aws", "us-east-1", "123456789012", Settings())

    with pytest.raises(LookupError, match=f"experiment {NAME} needs endpoint endpoint-of-{NAME}, which is missing"):
        for each in values:
            snapshot.restore(made, each)


@pytest.mark.parametrize("data", ['{"$Unknown": {}}', '{"$Entry": {}}', '{"$Entry": 5}', '{"$datetime": "soon"}'])
def test_data_that_is_no_record_is_refused(data):
    """A file may be wrong in any way."""
    with pytest.raises((LookupError, TypeError, ValueError)):
        json.loads(data, object_hook=snapshot.from_json)


def test_an_endpoint_is_in_use_after_a_snapshot_too(mock, sagemaker):
    """Its experiment is found by the name of the endpoint."""
    sagemaker.create_inference_experiment(**create(EndpointName=ENDPOINT))

    made = restored(mock._service.backend("us-east-1"))

    assert made.experiments.user_of(ENDPOINT).name == NAME
