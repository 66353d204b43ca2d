"""The fixture sagemaker_ie_server in complete pytest runs."""

from __future__ import annotations

import textwrap

import pytest

# The first lines of each test module below.
PREAMBLE = """
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
    """Return a function that runs pytest in this process on the text of a test module."""

    def run(module, *arguments, ini=""):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile(textwrap.dedent(PREAMBLE) + textwrap.dedent(module))
        # The plugin of Hypothesis would import Hypothesis again at the end of each run, which takes a second.
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:hypothesispytest", *arguments)

    return run


def test_another_process_finds_the_server_by_environment_variables(run):
    """`.environment` has all variables that the process needs; `.mock` has its calls."""
    result = run("""
        CODE = "import boto3; boto3.client('sagemaker').list_inference_experiments()"

        def test_process(sagemaker_ie_server):
            environment = {**os.environ, **sagemaker_ie_server.environment}
            subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)

            assert [call.operation for call in sagemaker_ie_server.mock.calls] == ["ListInferenceExperiments"]
    """)

    result.assert_outcomes(passed=1)


def test_each_test_has_its_own_server(run):
    """The state is empty at the start of each test. After the test, nothing listens on the port."""
    result = run("""
        ports = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_with_server(sagemaker_ie_server, number):
            ports.append(sagemaker_ie_server.http.port)
            client(sagemaker_ie_server).create_inference_experiment(**create())
            assert list(sagemaker_ie_server.mock.experiments) == [NAME]

        def test_later(sagemaker_ie_server):
            for port in {*ports} - {sagemaker_ie_server.http.port}:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))
    """)

    result.assert_outcomes(passed=3)


def test_the_options_come_from_the_marker_and_the_ini_file(run):
    """The marker starts no mock in the process of the test: a client in the test reaches the server."""
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


def test_an_unused_fault_is_reported(run):
    """A fault that no call got is an error of the test with unused_faults="error"."""
    result = run("""
        @pytest.mark.sagemaker_ie(unused_faults="error")
        def test_unused(sagemaker_ie_server):
            sagemaker_ie_server.mock.fail_next("ListModels", "ThrottlingException")
    """)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*UnusedFaultError*ListModels*"])


def test_the_report_of_a_failed_test_shows_the_calls_to_the_server(run):
    """The report has a line for each call."""
    result = run("""
        def test_fails(sagemaker_ie_server):
            client(sagemaker_ie_server).create_inference_experiment(**create())
            assert False
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CreateInferenceExperiment(Name=my-experiment*ok"])


def test_the_fixture_without_werkzeug_says_how_to_install_it(pytester):
    """The message contains the extra `server`."""
    pytester.makepyfile("""
        import sys
        sys.modules["werkzeug"] = None

        def test_server(sagemaker_ie_server):
            pass
    """)

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install 'mock-sagemaker-ie[[]server[]]'*"])
