"""Decorated functions and classes keep their types. mypy checks this file; no test runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any
from unittest import TestCase

from typing_extensions import assert_type

from mock_sagemaker_ie import Durations, mock_inference_experiment


@mock_inference_experiment
def bare(name: str, *, times: int = 1) -> list[str]:
    return [name] * times


@mock_inference_experiment(durations=Durations.realistic())
def with_options(name: str, *, times: int = 1) -> list[str]:
    return [name] * times


@mock_inference_experiment()
async def coroutine_function(number: int) -> float:
    return number / 2


@mock_inference_experiment
def generator_function() -> Iterator[bytes]:
    yield b""


@mock_inference_experiment
async def async_generator_function() -> AsyncIterator[bytes]:
    yield b""


@mock_inference_experiment
class Bare:
    attribute = "text"

    @mock_inference_experiment
    def method(self, number: int) -> str:
        return self.attribute * number


@mock_inference_experiment(virtual_sleep=True)
class WithOptions(TestCase):
    def helper(self) -> int:
        return self.countTestCases()


assert_type(bare("name", times=2), list[str])
assert_type(with_options("name"), list[str])
assert_type(generator_function(), Iterator[bytes])
assert_type(async_generator_function(), AsyncIterator[bytes])
assert_type(Bare().method(1), str)
assert_type(Bare(), Bare)
assert_type(WithOptions("helper").helper(), int)
callback: Callable[[str], list[str]] = bare
async_callback: Callable[[int], Coroutine[Any, Any, float]] = coroutine_function

bare(1)  # type: ignore[arg-type]
bare("name", time=2)  # type: ignore[call-arg]
with_options()  # type: ignore[call-arg]
Bare().method("1")  # type: ignore[arg-type]
Bare().another()  # type: ignore[attr-defined]
mock_inference_experiment("name")  # type: ignore[call-overload]
