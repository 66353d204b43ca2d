"""pytest-xdist: workers are processes of their own, however it spreads the tests over them."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist")

# Tests that would disturb each other if workers or tests shared a world, in groups and scopes for xdist to go by.
MODULE = """
    import pytest
    from mock_sagemaker_ie import mock_inference_experiment
    from tests.aws import ON_AWS, launch, seen

    @pytest.fixture(scope="module")
    def shared():
        with mock_inference_experiment() as mock:
            launch("of-the-module")
            yield mock

    @pytest.mark.xdist_group("fixture")
    @pytest.mark.parametrize("number", range(12))
    def test_fixture(sagemaker_ie, number):
        launch("mine")
        assert seen() == ["mine"]
        assert len(sagemaker_ie.calls) == 2

    class TestMarked:
        @pytest.mark.xdist_group("marker")
        @pytest.mark.parametrize("number", range(12))
        @pytest.mark.sagemaker_ie(account_id="210987654321")
        def test_marker(self, number):
            assert ":210987654321:" in launch("mine")

    @mock_inference_experiment
    class TestDecorated:
        def setup_class(self):
            launch("by-set-up")

        @pytest.mark.parametrize("number", range(12))
        def test_class(self, number):
            launch("mine")
            assert seen() == ["by-set-up", "mine"]

    @pytest.mark.xdist_group("shared")
    @pytest.mark.parametrize("number", range(12))
    def test_shared(shared, number):
        assert seen()[0] == "of-the-module"

    @pytest.mark.parametrize("number", range(12))
    def test_outside(number):
        assert seen() in ([ON_AWS], ["of-the-module"])
"""
FAILING = """
    import pytest
    from mock_sagemaker_ie import mock_inference_experiment

    @pytest.mark.parametrize("number", range(4))
    def test_fails(sagemaker_ie, number):
        sagemaker_ie.client().list_models()
        assert not sagemaker_ie.calls

    @pytest.mark.parametrize("number", range(4))
    def test_leaves(number):
        mock_inference_experiment().start()
"""


@pytest.fixture
def run(pytester):
    """Run pytest on the text of two test modules, in four workers."""

    def run(module, *arguments):
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        pytester.makepyfile(test_one=module, test_two=module)
        return pytester.runpytest_subprocess("-n4", "-p", "no:hypothesispytest", *arguments)

    return run


@pytest.mark.parametrize("dist", ["load", "loadscope", "loadgroup"])
def test_every_test_has_its_world(run, dist):
    """Whichever worker it runs in, beside and after whatever other tests."""
    run(MODULE, f"--dist={dist}").assert_outcomes(passed=2 * 5 * 12)


def test_reports_and_warnings_come_from_the_workers(run):
    """A failure tells its calls, and a mock that was left running is warned of, as without workers."""
    result = run(FAILING, "-Wdefault")

    result.assert_outcomes(failed=8, passed=8, warnings=8)
    assert result.stdout.str().count("sagemaker_ie at the end of call") == 8
    result.stdout.fnmatch_lines(["1 call:", "  *ListModels() -> ok", "*LeftRunningWarning: test_leaves*"])
