"""Rows about virtual time: a poll loop, and what virtual sleep adds to entering and exiting a mock."""

from __future__ import annotations

import operator
import sys
import time
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from unittest.mock import patch

from benchmarks.endpoints import client
from benchmarks.measuring import CPU_TIME, Row
from mock_sagemaker_ie import mock_inference_experiment
from tests import requests

ADDED_TIME = CPU_TIME._replace(compare=operator.sub, comparison=lambda seconds: f"{seconds * 1e3:+.2f} ms")


@contextmanager
def polling(*, virtual: bool):
    """Describe and sleep a thousand times: in virtual time, or with a function that does nothing."""
    sagemaker = client()
    with mock_inference_experiment(virtual_sleep=virtual):
        sagemaker.create_inference_experiment(**requests.create())

        def poll() -> None:
            sagemaker.update_inference_experiment(
                Name=requests.NAME, Description="a change, so that no loop is endless"
            )
            for _ in range(1000):
                sagemaker.describe_inference_experiment(Name=requests.NAME)
                time.sleep(1)

        if virtual:
            yield poll
        else:
            with patch("time.sleep", lambda _: None):
                yield poll


@contextmanager
def entering(*, virtual: bool):
    """Enter and exit in a process with a thousand more modules, some of which have bound names."""
    for number in range(1000):
        module = ModuleType(f"module_{number}")
        vars(module).update({f"name_{index}": index for index in range(50)})
        if number % 20 == 0:
            vars(module).update(sleep=time.sleep, monotonic=time.monotonic)
        sys.modules[module.__name__] = module

    def once() -> None:
        with mock_inference_experiment(virtual_sleep=virtual):
            pass

    once()  # Only the first test of a run searches all modules.
    yield once


ROWS = (
    Row(
        "poll loop of 1,000 virtual sleeps vs sleeps that do nothing",
        partial(polling, virtual=True),
        partial(polling, virtual=False),
        1.2,
    ),
    Row(
        "enter and exit with virtual_sleep among 1,000 modules, minus without",
        partial(entering, virtual=True),
        partial(entering, virtual=False),
        1e-3,
        ADDED_TIME,
    ),
)
