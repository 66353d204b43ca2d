"""Others replace what a mock replaces, and restore it in any order: nothing of a mock stays, and nothing piles up."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import inspect
import socket
import ssl
import sys
import time
from unittest import mock as unittest_mock

import pytest
import requests
from botocore.hooks import EventAliaser

from mock_sagemaker_ie import mock_inference_experiment
from tests.aws import ON_AWS, launch, seen

# All that a mock with virtual sleep replaces.
ATTRIBUTES = [
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
TIMES = 400  # More than the recursion that the tests allow.

every_attribute = pytest.mark.parametrize(("owner", "name"), ATTRIBUTES, ids=[name for _, name in ATTRIBUTES])


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch):
    """Fail a test after which anything is not what it was before, and restore it. Allow little recursion."""
    before = [(owner, name, vars(owner)[name]) for owner, name in ATTRIBUTES]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + TIMES - 50)
    yield
    sys.setrecursionlimit(limit)
    gc.collect()
    after = [vars(owner)[name] for owner, name in ATTRIBUTES]
    for owner, name, original in before:
        setattr(owner, name, original)
    assert [name for (_, name, original), found in zip(before, after, strict=True) if found is not original] == []
    assert seen() == [ON_AWS]


def wrapped(function):
    """Return a wrapper as a tracer makes it."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def active():
    return mock_inference_experiment(virtual_sleep=True)


@every_attribute
def test_a_wrapper_made_inside_is_removed_after_the_mock(owner, name):
    """It puts back the function of the mock, which has ended, hundreds of times."""
    for _ in range(TIMES):
        with active():
            function = getattr(owner, name)
            setattr(owner, name, wrapped(function))
        setattr(owner, name, function)


@every_attribute
def test_a_wrapper_made_inside_is_removed_after_it_was_used(owner, name):
    """Somebody keeps the wrapper, so the function that is put back restores the original when it is called."""
    with active():
        function = getattr(owner, name)
        wrapper = wrapped(function)
        setattr(owner, name, wrapper)
    setattr(owner, name, function)

    with contextlib.suppress(Exception):  # Its arguments do not matter.
        result = getattr(owner, name)()
        result.close()


@every_attribute
def test_a_wrapper_made_inside_is_removed_inside_the_next_mock(owner, name):
    """The function of the first mock is back while the second is active; the end of that restores the original."""
    with active():
        function = getattr(owner, name)
        wrapper = wrapped(function)
        setattr(owner, name, wrapper)
    with active():
        setattr(owner, name, function)
        launch("in-second")
        assert seen() == ["in-second"]


@every_attribute
def test_a_wrapper_made_before_is_removed_inside(owner, name):
    """Its owner restores the original below the mock; the mock ends without a trace."""
    original = vars(owner)[name]
    for _ in range(TIMES):
        setattr(owner, name, wrapped(getattr(owner, name)))
        with active():
            setattr(owner, name, original)


@every_attribute
def test_a_patch_of_unittest_may_end_after_the_mock(owner, name):
    """unittest.mock.patch restores what it found."""
    with contextlib.ExitStack() as stack:
        ours = active()
        ours.start()
        stack.enter_context(unittest_mock.patch.object(owner, name, wrapped(getattr(owner, name))))
        ours.stop()


@every_attribute
def test_a_wrapper_that_stays_calls_the_original_only(owner, name):
    """A tracer that begins inside a mock and never ends does not make later mocks pile up."""
    original = vars(owner)[name]
    with active():
        setattr(owner, name, wrapped(getattr(owner, name)))
    tracer = vars(owner)[name]
    for _ in range(TIMES):
        with active():
            pass

    assert vars(owner)[name] is tracer
    setattr(owner, name, original)


@pytest.fixture
def other_package():
    """Return the mock_inference_experiment of a second copy of the package, as after a test has evicted the first."""
    ours = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "mock_sagemaker_ie"}
    try:
        return importlib.import_module("mock_sagemaker_ie").mock_inference_experiment
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "mock_sagemaker_ie"]:
            del sys.modules[name]
        sys.modules.update(ours)


@pytest.mark.parametrize("order", ["as started", "reversed"])
def test_two_copies_of_the_package_may_end_in_any_order(other_package, order):
    """Each copy restores what it found, unless that was a function of the other copy that has ended."""
    for _ in range(TIMES):
        ours, other = active(), other_package(virtual_sleep=True)
        ours.start()
        other.start()
        first, second = (ours, other) if order == "as started" else (other, ours)
        first.stop()
        second.stop()


def test_two_copies_of_the_package_may_take_turns_for_ever(other_package):
    """One of both is active at any moment, and begins before the other ends."""
    turns = [active(), other_package(virtual_sleep=True)]
    turns[0].start()
    for turn in range(TIMES):
        turns[1 - turn % 2].start()
        launch(f"in-{turn}")
        assert seen() == [f"in-{turn}"]
        turns[turn % 2].stop()
    turns[0].stop()


def test_a_module_may_be_imported_again_and_again(monkeypatch):
    """The loaders of the modules that a mock waits for have no function of ours afterwards."""
    names = ("botocore.hooks", "requests.sessions")
    for _ in range(3):
        with active():
            for name in names:
                monkeypatch.delitem(sys.modules, name)
                again = importlib.import_module(name)
                assert "exec_module" not in vars(again.__spec__.loader)
                importlib.util.find_spec(name)
    hooks = [type(each).__module__ for each in sys.meta_path]
    assert not [module for module in hooks if module.startswith("mock_sagemaker_ie")]
