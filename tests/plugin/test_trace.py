"""--sagemaker-ie-trace: an HTML file per test."""

import pytest

TESTS = """
    import pytest
    from mock_sagemaker_ie import mock_inference_experiment
    from tests.requests import create

    def test_passes(sagemaker_ie):
        sagemaker_ie.client().create_inference_experiment(**create("ranker"))
        sagemaker_ie.client("sagemaker-runtime").invoke_endpoint(EndpointName="endpoint-of-ranker", Body=b"<b>1</b>")

    @pytest.mark.parametrize("name", ["a/b<c>"])
    def test_fails(name):
        with mock_inference_experiment() as mock:
            with pytest.raises(Exception):
                mock.client().describe_inference_experiment(Name="missing")
            mock.fail_next("ListModels", "InternalFailure", after=True)
            with pytest.raises(Exception):
                mock.client().list_models()
        assert False

    def test_calls_nothing(sagemaker_ie):
        pass
"""


@pytest.fixture
def run(pytester):
    """Run the tests with options, and return the contents of the files by name."""

    def run(*options):
        pytester.makepyfile(TESTS)
        pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *options)
        return {path.name: path.read_text() for path in pytester.path.glob("sagemaker-ie-traces/*")}

    return run


def test_by_default_no_file_is_written(run):
    """A run leaves nothing in the folder of the user."""
    assert run() == {}


def test_a_trace_has_timelines_calls_configurations_and_traffic(run):
    """The file of a test has all that happened, without references to other files, and is small."""
    traces = run("--sagemaker-ie-trace=on")

    (name,) = (name for name in traces if "test_passes" in name)
    page = traces[name]
    assert "passed" in page
    assert "<svg" in page
    assert "CreateInferenceExperiment" in page
    assert "Endpoint configurations" in page
    assert "<td>endpoint-of-ranker/prod</td><td>1</td>" in page
    assert "&lt;b&gt;1" in page
    assert "<b>1" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len(page) < 300_000


def test_a_test_without_calls_has_no_trace(run):
    """A file would show nothing."""
    assert not any("calls_nothing" in name for name in run("--sagemaker-ie-trace=on"))


def test_only_failed_tests_keep_a_trace_when_asked(run):
    """The name of the file comes from the test's id, without characters that file systems refuse."""
    traces = run("--sagemaker-ie-trace=retain-on-failure")

    ((name, page),) = traces.items()
    assert "test_fails-a-b-c" in name
    assert "failed" in page
    assert "ResourceNotFound" in page
    assert 'ok, <span class="bad">lost: InternalFailure' in page


def test_the_report_of_a_failed_test_names_its_trace(pytester):
    """A person finds the file."""
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "--sagemaker-ie-trace=on")

    result.stdout.fnmatch_lines(["*sagemaker-ie-traces*test_fails*.html*"])


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(pytester):
    """The error names the option, and no test runs."""
    pytester.makepyfile(TESTS)
    pytester.path.joinpath("taken").write_text("")

    result = pytester.runpytest_inprocess("--sagemaker-ie-trace=on", "--sagemaker-ie-trace-folder=taken")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sagemaker-ie-trace-folder: expected a folder*"])
