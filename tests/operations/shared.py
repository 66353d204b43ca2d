"""What the tests of operations share: instants, an experiment in any status, and refusals."""

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
    """The instant this long (`days=1, minutes=2`) after START."""
    return START + dt.timedelta(**after)


def all_but(*statuses: str) -> list[Status]:
    """Every status except these."""
    return [status for status in Status if status not in statuses]


def bring_to(mock, status: str) -> None:
    """Launch an experiment that is to run from tomorrow for a week, and move the clock until it has `status`."""
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
    """What is called inside is refused with this error code, and no experiment changes."""
    before = mock.experiments
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code
    assert mock.experiments == before
