"""The pytest plugin: fixture, marker and ini options.

It is loaded in every pytest run of everyone who installed us, so it imports nothing until a test wants the mock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mock_sagemaker_ie.steering import InferenceExperimentMock

NAME = "sagemaker_ie"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options; the marker's keywords win over them."""
    parser.addini("sagemaker_ie_account_id", "account that sagemaker_ie answers for", default="123456789012")
    parser.addini("sagemaker_ie_durations", "zero, realistic, or seconds: 'creating=60 starting=300'", default="zero")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{NAME}(**options): run the test inside mock_inference_experiment(**options)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the marker alone do: a marked test uses the fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and NAME not in item.fixturenames and item.get_closest_marker(NAME):
            # A list of its own: tests that differ in parameters only share one.
            item.fixturenames = _with_ours(item)


def _with_ours(item: pytest.Function) -> list[str]:
    """The fixtures of a test with ours before all others of its scope, and after those of wider ones, as ever."""
    definitions = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest has no other way
    wider = [name for name in item.fixturenames if name in definitions and definitions[name][-1].scope != "function"]
    return [*wider, NAME, *(name for name in item.fixturenames if name not in wider)]


@pytest.fixture
def sagemaker_ie(request: pytest.FixtureRequest) -> Iterator[InferenceExperimentMock]:
    """A mock of SageMaker inference experiments that is active during the test. Steer it by this value."""
    from mock_sagemaker_ie import Durations, mock_inference_experiment  # noqa: PLC0415

    options: dict[str, Any] = {
        "account_id": request.config.getini("sagemaker_ie_account_id"),
        "durations": Durations.parse(request.config.getini("sagemaker_ie_durations")),
    }
    for marker in reversed(list(request.node.iter_markers(NAME))):
        options |= _keywords(marker)
    with mock_inference_experiment(**options) as mock:
        yield mock


def _keywords(marker: pytest.Mark) -> dict[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"@pytest.mark.{NAME} takes keywords only, as mock_inference_experiment does")
    return dict(marker.kwargs)
