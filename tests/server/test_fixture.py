"""The fixture sagemaker_ie_server, in real pytest runs."""

from __future__ import annotations

import textwrap

import pytest

# What the tests of the runs below know.
HELPERS = """
    import os, socket, subprocess, sys
    import boto3
    import pytest
    from mock_sagemaker_ie import Durations
    from tests.requests import NAME, create

    def client(server):
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client("sagemaker", region_name="us-east-1", endpoint_url=server.url, **keys)
"""


@pytest.fixture
def run(pytester):
    """Run pytest on the text of a test module, in this process."""

    def run(module, *arguments, ini=""):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile(textwrap.dedent(HELPERS) + textwrap.dedent(module))
        # Hypothesis would be imported anew at the end of each run, which takes a second.
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:hypothesispytest", *arguments)

    return run


def test_another_process_finds_it_by_its_environment(run):
    """`.environment` is all that a process needs; `.mock` shows what it did."""
    result = run("""
        CODE = "import boto3; boto3.client('sagemaker').list_inference_experiments()"

        def test_process(sagemaker_ie_server):
            environment = {**os.environ, **sagemaker_ie_server.environment}
            subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)

            assert [call.operation for call in sagemaker_ie_server.mock.calls] == ["ListInferenceExperiments"]
    """)

    result.assert_outcomes(passed=1)


def test_each_test_has_a_server_of_its_own(run):
    """A fresh world on a port of its own, which nobody listens on afterwards."""
    result = run("""
        ports = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_inside(sagemaker_ie_server, number):
            ports.append(sagemaker_ie_server.http.port)
            client(sagemaker_ie_server).create_inference_experiment(**create())
            assert list(sagemaker_ie_server.mock.experiments) == [NAME]

        def test_after(sagemaker_ie_server):
            for port in {*ports} - {sagemaker_ie_server.http.port}:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))
    """)

    result.assert_outcomes(passed=3)


def test_its_options_are_the_markers_and_the_ini_files(run):
    """As for sagemaker_ie; and a marked test's own clients reach the server, not a mock in the process."""
    result = run(
        """
        @pytest.mark.sagemaker_ie(clock="2026-01-01T09:00:00Z", durations=Durations.realistic())
        def test_marked(sagemaker_ie_server):
            client(sagemaker_ie_server).create_inference_experiment(**create())
            (call,) = sagemaker_ie_server.mock.calls
            assert (call.at.isoformat(), call.account_id) == ("2026-01-01T09:00:00+00:00", "111122223333")
            assert sagemaker_ie_server.mock.experiments[NAME]["Status"] == "Creating"
        """,
        ini="sagemaker_ie_account_id = 111122223333",
    )

    result.assert_outcomes(passed=1)


def test_an_arranged_fault_that_no_call_meets_is_reported(run):
    """As for sagemaker_ie: the code under test did not go where the test thinks it goes."""
    result = run("""
        @pytest.mark.sagemaker_ie(unused_faults="error")
        def test_unused(sagemaker_ie_server):
            sagemaker_ie_server.mock.fail_next("ListModels", "ThrottlingException")
    """)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*UnusedFaultError*ListModels*"])


def test_the_report_of_a_failed_test_tells_of_its_calls(run):
    """As for sagemaker_ie: what the server has seen stands beside the failure."""
    result = run("""
        def test_fails(sagemaker_ie_server):
            client(sagemaker_ie_server).create_inference_experiment(**create())
            assert False
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CreateInferenceExperiment(Name=my-experiment*ok"])


def test_a_missing_werkzeug_is_said_with_the_way_to_install_it(pytester):
    """The extra is named."""
    pytester.makepyfile("""
        import sys
        sys.modules["werkzeug"] = None

        def test_server(sagemaker_ie_server):
            pass
    """)

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install 'mock-sagemaker-ie[[]server[]]'*"])
