"""The pytest plugin: fixtures, marker, ini options, and the report of a failed test.

pytest loads it in every run of everyone who has the package, so it imports nothing until a test uses a mock.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mock_sagemaker_ie.interception import recent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.interception.stack import ActiveMock
    from mock_sagemaker_ie.mock import InferenceExperimentMock
    from mock_sagemaker_ie.server.app import RunningServer

NAME = "sagemaker_ie"
SERVER = "sagemaker_ie_server"
TRACE = "--sagemaker-ie-trace"
CONFORM = "--sagemaker-ie-conform"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options. The keywords of the marker take precedence over them."""
    parser.addini("sagemaker_ie_account_id", "the account that calls are made from", default="123456789012")
    parser.addini("sagemaker_ie_region_name", "the default region of the mock (default: the process's)", default="")
    parser.addini("sagemaker_ie_strict", "refuse models that nobody created", type="bool", default=False)
    parser.addini("sagemaker_ie_report", "show calls and experiments of a failed test", type="bool", default=True)
    group = parser.getgroup(NAME, "mock of SageMaker inference experiments")
    group.addoption(
        TRACE,
        choices=["on", "off", "retain-on-failure"],
        default="off",
        help="write an HTML file for each test with its experiments and calls",
    )
    group.addoption(
        f"{TRACE}-folder",
        metavar="FOLDER",
        default="sagemaker-ie-traces",
        help="the folder for these files (default: %(default)s)",
    )
    group.addoption(
        CONFORM,
        metavar="FOLDER",
        help="test that the mock does what 'mock-sagemaker-ie observe' has written there",
    )
    parser.addini(
        "sagemaker_ie_assumptions",
        "'busy_endpoint=ConflictException list_page_size=100', or the path of a file with that",
        default="default",
    )
    parser.addini("sagemaker_ie_durations", "zero, realistic, or seconds: 'creating=60 starting=300'", default="zero")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and keep the state of the plugin with the run.

    Raises UsageError for a folder of traces that cannot be made.
    """
    if config.getoption(TRACE) != "off":
        try:
            _trace_folder(config).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(f"{TRACE}-folder: expected a folder that can be written ({error})") from None
    config.stash[_STATE] = _State()
    config.addinivalue_line("markers", _marker(with_options=config.getoption("markers")))


def _marker(*, with_options: bool) -> str:
    """Return the description of the marker. Its options need an import that most runs do not need."""
    text = f"{NAME}(**options): run the test inside mock_inference_experiment(**options)"
    if with_options:
        from mock_sagemaker_ie import Options  # noqa: PLC0415

        names = ", ".join(f"{name}=" for name in Options.__annotations__)
        text += f"; the options: {names}; help(mock_sagemaker_ie.mock_inference_experiment) says what they mean"
    return text


# --- fixtures and marker


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let a test with the marker use the fixture, and add the tests of the option for observations."""
    if (folder := config.getoption(CONFORM)) is not None:
        from mock_sagemaker_ie.fidelity.items import items_of  # noqa: PLC0415 - few runs need it

        items += items_of(session, config.invocation_params.dir / folder, _assumptions(config))
    for item in items:
        if not isinstance(item, pytest.Function) or not item.get_closest_marker(NAME):
            continue
        if not {NAME, SERVER} & {*item.fixturenames}:
            # A new list: parametrized tests share one.
            item.fixturenames = _with_ours(item)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Return the description of a scenario for the id of a parametrized test. Import nothing for it."""
    module = sys.modules.get("mock_sagemaker_ie.scenario")
    return str(val) if module is not None and isinstance(val, module.Scenario) else None


def _with_ours(item: pytest.Function) -> list[str]:
    """Return the fixtures of a test with ours after those of wider scopes and before all others."""
    definitions = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest has no public way
    wider = [name for name in item.fixturenames if name in definitions and definitions[name][-1].scope != "function"]
    return [*wider, NAME, *(name for name in item.fixturenames if name not in wider)]


@pytest.fixture
def sagemaker_ie(request: pytest.FixtureRequest) -> Iterator[InferenceExperimentMock]:
    """Give a mock of SageMaker inference experiments that is active during the test."""
    from mock_sagemaker_ie import mock_inference_experiment  # noqa: PLC0415

    with mock_inference_experiment(**_options(request)) as mock:
        yield mock
        if request.config.stash[_STATE].raised:
            mock._service.faults.clear()  # noqa: SLF001 - the test ended before the calls for which they were arranged


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of a test: those of the ini file, and those of its markers, which take precedence."""
    from mock_sagemaker_ie import Durations  # noqa: PLC0415
    from mock_sagemaker_ie.scenario import CALM  # noqa: PLC0415

    options: dict[str, Any] = {
        "account_id": request.config.getini("sagemaker_ie_account_id"),
        "region_name": request.config.getini("sagemaker_ie_region_name") or None,
        "strict": request.config.getini("sagemaker_ie_strict"),
        "durations": Durations.parse(request.config.getini("sagemaker_ie_durations")),
        "assumptions": _assumptions(request.config),
    }
    given: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(NAME))):
        given |= _keywords(marker)
    for name in ("durations", "assumptions"):
        if getattr(given.get("scenario"), name, None) not in (None, getattr(CALM, name)):
            del options[name]  # The marker takes precedence.
    return options | given


def _assumptions(config: pytest.Config) -> Assumptions:
    """Return the assumptions of the ini file, or of the file that it names. Raises UsageError when it has none."""
    from mock_sagemaker_ie import Assumptions  # noqa: PLC0415

    text: str = config.getini("sagemaker_ie_assumptions")
    file = (config.inipath.parent if config.inipath else config.rootpath) / text
    try:
        is_file = "=" not in text and text not in ("", "default")
        return Assumptions.parse(file.read_text(encoding="utf-8") if is_file else text)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"sagemaker_ie_assumptions: {error}") from None


def _keywords(marker: pytest.Mark) -> dict[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"@pytest.mark.{NAME} takes keywords only, as mock_inference_experiment does")
    return dict(marker.kwargs)


@pytest.fixture
def sagemaker_ie_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Give a mock served over HTTP on a port of its own: `.url`, `.environment` for child processes, `.mock`.

    Its options are those of `sagemaker_ie`.
    """
    from threading import Thread  # noqa: PLC0415

    try:
        from mock_sagemaker_ie.server.app import running_server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"{error.name} is missing: pip install 'mock-sagemaker-ie[server]'") from None

    with running_server(**_options(request)) as server:
        recent.note(server.mock._service)  # noqa: SLF001 - not for users
        thread = Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.http.shutdown()
            thread.join()


# --- what a test leaves: the report of a failure, and mocks that nobody stopped


@dataclass
class _State:
    """The state of the plugin about the test that is running.

    `kept`: the active mocks that others than the test will stop. `raised`: the test or one of its fixtures has raised.
    `failed`: a part of the test has failed.
    """

    kept: list[ActiveMock] = field(default_factory=list)
    raised: bool = False
    failed: bool = False


_STATE: pytest.StashKey[_State] = pytest.StashKey()


class LeftRunningWarning(pytest.PytestWarning):
    """A test started a mock and did not stop it."""


def _left_running(test: str) -> LeftRunningWarning:
    from mock_sagemaker_ie.documentation import Page  # noqa: PLC0415 - few runs need it

    return LeftRunningWarning(f"{test} started a mock_inference_experiment and did not stop it; {Page.FIXTURES}")


def _active() -> tuple[ActiveMock, ...]:
    """Return the active mocks. Import nothing for it: before the first use there are none."""
    stack = sys.modules.get("mock_sagemaker_ie.interception.stack")
    return () if stack is None else stack.active_mocks()


def _started() -> list[ActiveMock]:
    """Return the active mocks that start() entered."""
    return [active for active in _active() if active.started]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the mocks of each test apart from those of others, also when a test runs pytest in its own process.

    Afterwards nothing keeps those that have exited.
    """
    item.config.stash[_STATE] = _State(kept=_started())
    before, recent.services = recent.services, recent.new()
    for active in _active():
        recent.note(active.service)
    try:
        return (yield)
    finally:
        recent.services = before
        item.config.stash[_STATE] = _State()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Do not stop mocks started by wider-scoped fixtures, setup_class and the like: they stop them later."""
    before = _started()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            request.config.stash[_STATE].kept += [active for active in _started() if active not in before]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Stop the mocks that the test started and nobody stopped: the next test must not run inside them."""
    try:
        return (yield)
    finally:
        kept = item.config.stash[_STATE].kept
        left = [active for active in _started() if active not in kept]
        warning = _left_running(item.name)
        for active in left:
            active.exit(type(warning), warning, None)  # As after an error: unused faults do not matter any more.
        if left:
            item.warn(warning.with_traceback(None))  # Its frames would keep the mocks.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the calls and experiments of its mocks to the report of a failed test."""
    result = yield
    state = item.config.stash[_STATE]
    # A plugin may run a test again, beginning with its set-up.
    state.raised = call.excinfo is not None or (state.raised and call.when != "setup")
    if result.failed and recent.services and item.config.getini("sagemaker_ie_report"):
        from mock_sagemaker_ie.report import report  # noqa: PLC0415 - only failed tests need it

        if text := report(recent.services, whole=item.config.get_verbosity() > 1):
            result.sections.append((f"{NAME} at the end of {result.when}", text))
    state.failed |= result.failed
    if result.when == "teardown" or result.failed:
        _write_trace(item, state, result)
    return result


def _write_trace(item: pytest.Item, state: _State, result: pytest.TestReport) -> None:
    """Write the trace of a test, if the option asks for it: at its end, and when it fails, to name it in the report."""
    choice = item.config.getoption(TRACE)
    if not recent.services or choice == "off" or (choice == "retain-on-failure" and not state.failed):
        return
    from mock_sagemaker_ie.trace import write  # noqa: PLC0415 - few runs need it

    path = write(_trace_folder(item.config), item.nodeid, "failed" if state.failed else "passed", recent.services)
    if path is not None and result.failed:
        result.sections.append((f"{NAME} trace", str(path)))


def _trace_folder(config: pytest.Config) -> Path:
    folder: Path = config.rootpath / config.getoption(f"{TRACE}-folder")
    return folder
