"""The plugin with pytest-xdist: tests in the workers have their own state, and workers report failures and warnings."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist")

# Each kind of mock, in tests that would disturb each other if workers or tests shared state.
MODULE = """
    import pytest
    from mock_sagemaker_ie import mock_inference_experiment
    from tests.aws import ON_AWS, launch, seen

    twice = pytest.mark.parametrize("number", range(2))
    four_times = pytest.mark.parametrize("number", range(4))

    @pytest.fixture(scope="module")
    def module_mock():
        with mock_inference_experiment() as mock:
            launch("of-the-module")
            yield mock

    @four_times
    def test_fixture(sagemaker_ie, number):
        launch("own")
        assert seen() == ["own"]
        assert len(sagemaker_ie.calls) == 2

    class TestMarker:
        @four_times
        @pytest.mark.sagemaker_ie(account_id="210987654321")
        def test_marker(self, number):
            assert ":210987654321:" in launch("own")

    @mock_inference_experiment
    class TestDecorator:
        def setup_class(self):
            launch("by-setup-class")

        @four_times
        def test_decorator(self, number):
            launch("own")
            assert seen() == ["by-setup-class", "own"]

    @four_times
    def test_module_fixture(module_mock, number):
        assert seen()[0] == "of-the-module"

    @four_times
    def test_without_mock(number):
        assert seen() in ([ON_AWS], ["of-the-module"])  # The mock of the module may be active.

    @twice
    def test_fails(sagemaker_ie, number):
        sagemaker_ie.client().list_models()
        assert not sagemaker_ie.calls

    @twice
    def test_does_not_stop(number):
        mock_inference_experiment().start()
"""


def test_workers_have_their_own_state_and_send_reports_and_warnings(pytester):
    """Two workers share the tests of two modules; every test, failure report and warning is as without workers."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(test_one=MODULE, test_two=MODULE)

    result = pytester.runpytest_subprocess(
        "-n2", "--dist=load", "-v", "--tb=short", "-Wdefault", "-p", "no:hypothesispytest"
    )

    result.assert_outcomes(passed=2 * (5 * 4 + 2), failed=2 * 2, warnings=2 * 2)
    output = result.stdout.str()
    assert "[gw0] " in output
    assert "[gw1] " in output
    assert output.count("sagemaker_ie at the end of call") == 4
    result.stdout.fnmatch_lines(["1 call:", "  *ListModels() -> ok", "*LeftRunningWarning: test_does_not_stop*"])
