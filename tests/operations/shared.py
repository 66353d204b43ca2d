"""Helpers for tests of operations: times, an experiment in any status, and refused calls."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from mock_sagemaker_ie import Durations, Status
from tests.conftest import START
from tests.requests import NAME, create, stop

CREATING, STARTING, UPDATING, STOPPING = (dt.timedelta(minutes=number) for number in (1, 2, 3, 4))
MINUTES = Durations(creating=CREATING, starting=STARTING, updating=UPDATING, stopping=STOPPING)


def at(**after: float) -> dt.datetime:
    """Return the time that lies this long (`days=1, minutes=2`) after START."""
    return START + dt.timedelta(**after)


def all_but(*statuses: str) -> list[Status]:
    """Return every status except these."""
    return [status for status in Status if status not in statuses]


def bring_to(mock, status: str) -> None:
    """Create an experiment that runs from tomorrow for a week, and move the clock until it has `status`."""
    sagemaker = mock.client()
    sagemaker.create_inference_experiment(**create(Schedule={"StartTime": at(days=1), "EndTime": at(days=8)}))
    if status == "Updating":
        mock.advance_until(NAME, "Created")
        sagemaker.update_inference_experiment(Name=NAME, Description="Updated")
    elif status == "Cancelled":
        mock.advance_until(NAME, "Created")
        sagemaker.stop_inference_experiment(**stop())
    mock.advance_until(NAME, status)


@contextmanager
def refused(mock, code: str):
    """Assert that the calls inside raise this error code and change no experiment."""
    before = mock.experiments
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code
    assert mock.experiments == before
