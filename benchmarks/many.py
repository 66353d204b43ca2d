"""Rows about many experiments: the time for one experiment should not grow with the number of experiments."""

from __future__ import annotations

import datetime as dt
import gc
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.endpoints import client
from benchmarks.measuring import MIN_SAMPLE, RETURNED_TIME, Row, cpu_seconds
from mock_sagemaker_ie import Durations, mock_inference_experiment
from tests import requests

if TYPE_CHECKING:
    from collections.abc import Callable

START = dt.datetime(2026, 1, 1, 9, tzinfo=dt.timezone.utc)
HOUR, SECOND = dt.timedelta(hours=1), dt.timedelta(seconds=1)
NAME = "experiment-5"  # One of the experiments that `create_scheduled` creates.


def create_scheduled(number: int) -> Any:
    """Create so many experiments in status Created, whose StartTimes are one second apart; return the client.

    Call it in a mock whose time is START. The first StartTime is an hour later.
    """
    sagemaker = client()
    for index in range(number):
        schedule = {"StartTime": START + HOUR + index * SECOND}
        sagemaker.create_inference_experiment(**requests.create(f"experiment-{index}", Schedule=schedule))
    return sagemaker


# --- pages


@contextmanager
def page_among(number: int):
    sagemaker = client()
    with mock_inference_experiment():
        for index in range(number):
            sagemaker.create_inference_experiment(**requests.create(f"experiment-{index}"))
        yield partial(sagemaker.list_inference_experiments, MaxResults=100)


@contextmanager
def walk_among(number: int):
    with page_among(number) as list_page:

        def walk() -> None:
            page = list_page()
            while "NextToken" in page:
                page = list_page(NextToken=page["NextToken"])

        yield lambda: cpu_seconds(walk) / number


# --- look ahead


class UnmovedClock:
    """A clock whose move_to() has no effect, so that every call of a sample begins at the same instant."""

    def now(self) -> dt.datetime:
        return START

    def move_to(self, when: dt.datetime) -> None:
        pass


@contextmanager
def look_ahead_among(number: int, method: str, *arguments: str):
    with mock_inference_experiment(clock=UnmovedClock()) as mock:
        create_scheduled(number)
        yield partial(getattr(mock, method), NAME, *arguments)


# --- pass deadlines


@contextmanager
def deadlines_of(number: int):
    """Measure the first call after the StartTimes of all experiments, per experiment.

    Each measurement needs a new mock, because deadlines can pass only once. A sample has as many of them as necessary.
    """

    def seconds_per_experiment() -> float:
        elapsed, mocks = 0.0, 0
        while elapsed < MIN_SAMPLE:
            elapsed += seconds_of_first_call(number)
            mocks += 1
        return elapsed / mocks / number

    yield seconds_per_experiment


def seconds_of_first_call(number: int) -> float:
    """Return the processor time in seconds of the first call after so many StartTimes."""
    # Starting lasts longer than the time between the first and the last StartTime: no second deadline passes.
    starting = 2 * number * SECOND
    with mock_inference_experiment(clock=START.isoformat(), durations=Durations(starting=starting)) as mock:
        sagemaker = create_scheduled(number)
        describe = partial(sagemaker.describe_inference_experiment, Name=NAME)
        describe()  # The first call of an operation in a mock takes longer, which is not what the row measures.
        mock.clock.advance(HOUR + number * SECOND)
        return seconds_of_one(describe)


def seconds_of_one(call: Callable[[], Any]) -> float:
    """Return the processor time of a single call in seconds.

    Without the garbage collector, as timeit does it: a long call pays for a collection of the whole process, which may
    come at any time, and a short one does not.
    """
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        call()
        return time.process_time() - start
    finally:
        gc.enable()


ROWS = (
    Row("page of 100 among 10,000 experiments vs 100", partial(page_among, 10_000), partial(page_among, 100), 1.5),
    Row(
        "walk by pages of 100, per experiment, among 10,000 vs 1,000",
        partial(walk_among, 10_000),
        partial(walk_among, 1_000),
        1.3,
        RETURNED_TIME,
        rounds=10,
    ),
    Row(
        "timeline of one experiment among 10,000 vs among 10",
        partial(look_ahead_among, 10_000, "timeline"),
        partial(look_ahead_among, 10, "timeline"),
        2.0,
        rounds=10,
    ),
    Row(
        "advance_until among 10,000 vs among 10",
        partial(look_ahead_among, 10_000, "advance_until", "Running"),
        partial(look_ahead_among, 10, "advance_until", "Running"),
        2.0,
        rounds=10,
    ),
    Row(
        "passing one deadline each, 10,000 experiments vs 100, per experiment",
        partial(deadlines_of, 10_000),
        partial(deadlines_of, 100),
        1.5,
        RETURNED_TIME,
        rounds=10,
    ),
)
