"""Child processes that do not share the memory of the test: they do not have its mock."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import boto3
import pytest

from mock_sagemaker_ie import mock_inference_experiment
from tests.requests import NAME, create

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def make_client():
    """Return a client of a new session, because the default session may have read other variables before."""
    return boto3.Session().client("sagemaker", region_name="us-east-1", **KEYS)


def names():
    """Return the names of the experiments that this process sees."""
    client = make_client()
    return [experiment["Name"] for experiment in client.list_inference_experiments()["InferenceExperiments"]]


def test_a_spawned_child_reaches_the_served_mock_by_its_environment(sagemaker_ie_server, monkeypatch):
    """Parent and child see the same experiments."""
    for name, value in sagemaker_ie_server.environment.items():
        monkeypatch.setenv(name, value)
    make_client().create_inference_experiment(**create())

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as children:
        assert children.submit(names).result(timeout=60) == [NAME] == names()


@pytest.mark.parametrize(
    "method", [method for method in ("spawn", "forkserver") if method in multiprocessing.get_all_start_methods()]
)
def test_a_child_may_have_a_mock_of_its_own(mock, sagemaker, method):
    """As initializer, `start` protects a child; its state is its own."""
    sagemaker.create_inference_experiment(**create())
    context, start = multiprocessing.get_context(method), mock_inference_experiment().start

    with ProcessPoolExecutor(1, mp_context=context, initializer=start) as children:
        assert children.submit(names).result(timeout=60) == []
