"""Where warnings are errors, an invocation whose caller gets one is recorded, counted and captured all the same."""

from __future__ import annotations

import asyncio

import pytest

from mock_sagemaker_ie import DeliveryWarning, HandlerWarning, mock_inference_experiment
from tests.requests import PRODUCTION, SHADOW
from tests.traffic.shared import create_endpoint, create_experiment, data_capture, invoke, metric_sums

pytestmark = pytest.mark.filterwarnings("error")


class BrokenClient:
    """A client of S3 and CloudWatch whose calls fail."""

    def put_object(self, **_):
        raise ConnectionError("no bucket")

    put_metric_data = put_object


def recorded(mock):
    """Return how often an invocation was recorded, counted by production, and captured."""
    return len(mock.calls.of("InvokeEndpoint")), metric_sums(mock).get(PRODUCTION, 0), len(mock.captures)


@pytest.mark.parametrize("wire", [False, True], ids=["immediate", "wire"])
@pytest.mark.parametrize("fails", [False, True], ids=["production answers", "production fails"])
def test_a_wrong_shadow_handler_raises_and_everything_is_recorded(clock, wire, fails):
    """The warning about the shadow comes last, also when the model of production fails."""
    with mock_inference_experiment(clock=clock, wire=wire) as mock:
        create_endpoint(mock.client(), **data_capture())
        create_experiment(mock.client())
        mock.serve(f"model-{PRODUCTION}", lambda request: 1 / 0 if fails else b"")
        mock.serve(f"model-{SHADOW}", lambda request: object())

        with pytest.raises(HandlerWarning):
            invoke(mock.client("sagemaker-runtime"))

        assert recorded(mock) == (1, 1, 0 if fails else 1)
        assert metric_sums(mock) == {PRODUCTION: 1, SHADOW: 1}
        assert (mock.calls[-1].error is not None) == fails


@pytest.mark.parametrize("option", ["s3", "cloudwatch"])
def test_a_failed_delivery_raises_and_everything_is_recorded(clock, option):
    """The capture is delivered again later: when the mock ends, that fails again."""
    activation = mock_inference_experiment(clock=clock, **{option: BrokenClient()})
    mock = activation.start()
    create_endpoint(mock.client(), **data_capture())
    with pytest.raises(DeliveryWarning):
        invoke(mock.client("sagemaker-runtime"))

    assert recorded(mock) == (1, 1, 1)
    if option == "s3":
        with pytest.raises(DeliveryWarning):
            activation.stop()
    else:
        activation.stop()


def test_an_interrupted_handler_leaves_nothing(mock):
    """The next request goes where the interrupted one went: half the requests are copied, as always."""
    create_endpoint(mock.client(), **data_capture())
    create_experiment(mock.client(), percentage=50)
    runtime = mock.client("sagemaker-runtime")

    def interrupt(request):
        raise asyncio.CancelledError

    copies = []
    for _ in range(4):
        mock.serve(f"model-{PRODUCTION}", interrupt)
        with pytest.raises(asyncio.CancelledError):
            invoke(runtime)
        mock.serve(f"model-{PRODUCTION}", lambda request: b"")
        invoke(runtime)
        copies.append(metric_sums(mock).get(SHADOW, 0))

    assert copies == [0, 1, 1, 2]
    assert recorded(mock) == (4, 4, 4 + 2)
