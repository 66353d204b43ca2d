"""The pytest plugin: fixture, marker, ini options, and the report of a failed test.

It is loaded in every pytest run of everyone who installed us, so it imports nothing until a test wants the mock.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.server.app import RunningServer

NAME = "sagemaker_ie"
SERVER = "sagemaker_ie_server"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options; the marker's keywords win over them."""
    parser.addini("sagemaker_ie_account_id", "account that sagemaker_ie answers for", default="123456789012")
    parser.addini("sagemaker_ie_strict", "refuse models that nobody created", type="bool", default=False)
    parser.addini("sagemaker_ie_report", "tell of calls and experiments when a test fails", type="bool", default=True)
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
        if not isinstance(item, pytest.Function) or not item.get_closest_marker(NAME):
            continue
        if not {NAME, SERVER} & {*item.fixturenames}:
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
    from mock_sagemaker_ie import mock_inference_experiment  # noqa: PLC0415

    with mock_inference_experiment(**_options(request)) as mock:
        yield mock
        if request.node.stash.get(_RAISED, default=False):
            mock._service.faults.clear()  # noqa: SLF001 - it did not come to the calls that were to meet them


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a test: the ini file's, and over them those of its markers."""
    from mock_sagemaker_ie import Durations  # noqa: PLC0415

    options: dict[str, Any] = {
        "account_id": request.config.getini("sagemaker_ie_account_id"),
        "strict": request.config.getini("sagemaker_ie_strict"),
        "durations": Durations.parse(request.config.getini("sagemaker_ie_durations")),
    }
    for marker in reversed(list(request.node.iter_markers(NAME))):
        options |= _keywords(marker)
    return options


@pytest.fixture
def sagemaker_ie_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A mock served over HTTP on a port of its own: `.url`, `.environment` for a process to start, `.mock` to steer.

    Its options are those of `sagemaker_ie`.
    """
    from threading import Thread  # noqa: PLC0415

    try:
        from mock_sagemaker_ie.server.app import running_server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"{error.name} is missing: pip install 'mock-sagemaker-ie[server]'") from None

    with running_server(**_options(request)) as served:
        _mocks().entered.append(served.mock)
        thread = Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            served.http.shutdown()
            thread.join()


# --- what tests leave behind: reports of failures, and mocks that nobody stopped


def _mocks() -> Any:
    """The module that knows the mocks, if any test has made one."""
    return sys.modules.get("mock_sagemaker_ie.activation.activation")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the worlds of one test apart from those of others, and what it starts from what was started before."""
    mocks = _mocks()
    item.stash[_KEPT] = [] if mocks is None else list(mocks.started)
    entered_before = [] if mocks is None else list(mocks.entered)
    _enter([] if mocks is None else mocks.active)
    try:
        return (yield)
    finally:
        _enter(entered_before)


def _enter(worlds: Iterable[InferenceExperimentMock]) -> None:
    """Have these be the worlds that were entered last."""
    if (mocks := _mocks()) is not None:
        worlds = list(worlds)
        mocks.entered.clear()
        mocks.entered.extend(worlds)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what the mocks it used have seen."""
    result = yield
    earlier = call.when != "setup" and item.stash.get(_RAISED, default=False)  # A test may be run anew.
    item.stash[_RAISED] = earlier or call.excinfo is not None
    mocks = _mocks()
    if result.failed and mocks is not None and item.config.getini("sagemaker_ie_report"):
        from mock_sagemaker_ie.report import report  # noqa: PLC0415 - wanted only when a test fails

        if text := report(mocks.entered):
            result.sections.append((f"{NAME} at the end of {result.when}", text))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let the mocks be that fixtures of a wider scope, setup_class and the like start: they stop them later."""
    before = [] if (mocks := _mocks()) is None else list(mocks.started)
    try:
        return (yield)
    finally:
        kept = request._pyfuncitem.stash.get(_KEPT, None)  # noqa: SLF001 - pytest has no other way
        if fixturedef.scope != "function" and kept is not None and (mocks := _mocks()) is not None:
            kept += [mock for mock in mocks.started if mock not in before]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """End the mocks that the test started and nobody stopped: the next test is not to run inside them."""
    try:
        return (yield)
    finally:
        if (mocks := _mocks()) is not None:
            left = [mock for mock in mocks.started if mock not in item.stash.get(_KEPT, mocks.started)]
            warning = LeftRunningWarning(f"{item.name} started a mock_inference_experiment and did not stop it")
            for mock in left:
                mock.__exit__(type(warning), warning, None)  # Faults that wait are no matter any more.
            if left:
                item.warn(warning)


class LeftRunningWarning(pytest.PytestWarning):
    """A test started a mock and did not stop it."""


# The mocks that others than the test itself will stop; and whether it, or what it uses, has raised.
_KEPT: pytest.StashKey[list[Any]] = pytest.StashKey()
_RAISED: pytest.StashKey[bool] = pytest.StashKey()


def _keywords(marker: pytest.Mark) -> dict[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"@pytest.mark.{NAME} takes keywords only, as mock_inference_experiment does")
    return dict(marker.kwargs)
