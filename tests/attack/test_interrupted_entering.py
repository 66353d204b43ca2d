"""An exception at any line of entering and leaving a mock, as a signal may raise it: nothing of the mock stays."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import sys
import time

import pytest
import requests
from botocore.hooks import EventAliaser
from freezegun import api

import mock_sagemaker_ie
from mock_sagemaker_ie import FrozenClock, forks, mock_inference_experiment
from mock_sagemaker_ie.activation.activation import Activation
from mock_sagemaker_ie.interception import stack
from tests.attack.size import LARGE
from tests.conftest import START

REPLACED = [
    (EventAliaser, "emit"),
    (EventAliaser, "emit_until_response"),
    (requests.Session, "get_adapter"),
    (requests.adapters.HTTPAdapter, "request_url"),
    (socket, "getaddrinfo"),
    (ssl.SSLContext, "wrap_socket"),
    (ssl.SSLContext, "wrap_bio"),
    (time, "sleep"),
    (asyncio, "sleep"),
]
PACKAGE = mock_sagemaker_ie.__path__[0]


class Interrupt(BaseException):
    """An exception that a signal handler raises."""


def process():
    """Return what a mock changes in the process."""
    replaced = [vars(owner)[name] for owner, name in REPLACED]
    return replaced, [*sys.meta_path], stack.active_mocks(), [*api.freeze_factories]


def enter_and_leave(options):
    with mock_inference_experiment(**options):
        pass


def branch_off(options):
    with mock_inference_experiment(**options) as mock, mock.branch():
        pass


def interrupt(number, act, options):
    """Raise Interrupt at the line of ours with this number and return its place; None when there are fewer lines."""
    lines = []

    def trace(frame, event, _argument):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            lines.append((frame.f_code, frame.f_lineno))
            if len(lines) == number:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act(options)
    except Interrupt:
        return lines[-1]
    finally:
        sys.settrace(before)
        locks = [stack._changing, *[reference() for reference in forks._locks]]
        assert not any(lock is not None and lock._is_owned() for lock in locks)
    return None


# Entering searches all modules once, so there are thousands of lines.
STEP = 1 if LARGE else 29


def leaks(method):
    """Return the places of a method `__exit__` up to its first `try`."""
    lines, begin = inspect.getsourcelines(method)
    body = next(number for number, line in enumerate(lines) if line.strip() == "try:")
    return {(method.__code__, begin + number) for number in range(body + 1)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("act", "options"),
    [
        (enter_and_leave, {"virtual_sleep": True}),
        (enter_and_leave, {"clock": FrozenClock(START)}),
        (branch_off, {"virtual_sleep": True}),
    ],
    ids=["virtual sleep", "frozen clock", "branch"],
)
def test_an_interrupt_at_any_line_restores_the_process(act, options):
    """Except before the first statement of `__exit__` is done: there Python itself lets a context manager leak."""
    act(options)
    before = process()
    unavoidable = leaks(Activation.__exit__) | leaks(FrozenClock.__exit__)

    number, left = 0, []
    while (place := interrupt(number := number + STEP, act, options)) is not None:
        if process() != before:
            left += [place] if place not in unavoidable else []
            for active in stack.active_mocks():
                active.exit(None, None, None)
            if api.freeze_factories:
                options["clock"].__exit__(None, None, None)

    assert [f"{code.co_name}:{line}" for code, line in left] == []
    assert number > 100
    assert process() == before
