"""The plugin adds the calls and the timelines of a test's mocks to pytest's report of a failure, in few lines."""

from __future__ import annotations

import textwrap

import pytest

HELPERS = """
    import datetime as dt

    import pytest
    from botocore.exceptions import ClientError
    from mock_sagemaker_ie import Durations, mock_inference_experiment
    from tests.requests import NAME, create, stop

    START = "2026-01-01T09:00:00Z"

    def call_with_error(call, **params):
        with pytest.raises(ClientError):
            call(**params)
"""
HEADING = "sagemaker_ie at the end of"


@pytest.fixture
def report(pytester):
    """Return a function that runs pytest on a test module, given as texts, and returns the lines of the output."""

    def report(*texts, ini="", options=()):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile("".join(map(textwrap.dedent, (HELPERS, *texts))))
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *options).stdout

    return report


# Fails after a call that is answered, a call that the service rejects, and a call with an arranged fault.
FAILING_TEST = """
    @pytest.mark.sagemaker_ie(clock=START, durations=Durations.realistic(), virtual_sleep=True)
    def test_fails(sagemaker_ie):
        client = sagemaker_ie.client()
        client.create_inference_experiment(**create())
        sagemaker_ie.clock.advance(minutes=20)
        call_with_error(client.start_inference_experiment, Name=NAME)
        sagemaker_ie.fail_next("StopInferenceExperiment", "AccessDeniedException")
        call_with_error(client.stop_inference_experiment, **stop(DesiredState="Completed"))
        sagemaker_ie.fail_next("ListModels", "InternalFailure", after=True)
        client.list_models()
        assert not sagemaker_ie.calls
"""


def test_the_report_has_the_calls(report):
    """Each call has its time, its operation with the names in its parameters, and `ok` or its error."""
    lines = report(FAILING_TEST)

    lines.fnmatch_lines(
        [
            f"*{HEADING} call*",
            "5 calls:",
            "  01-01 09:00:00 CreateInferenceExperiment(Name=my-experiment, EndpointName=*) -> ok",
            "  01-01 09:20:00 StartInferenceExperiment(Name=my-experiment) -> ConflictException: Cannot start*",
            "  01-01 09:20:00 StopInferenceExperiment(Name=my-experiment, DesiredState=Completed) -> AccessDenied*",
            "  01-01 09:20:00 ListModels() -> ok, lost: InternalFailure: The request could not*",
        ]
    )


def test_the_report_has_the_timelines(report):
    """Each experiment has its current status and its past and future statuses."""
    lines = report(FAILING_TEST)

    lines.fnmatch_lines(
        [
            "my-experiment: Running at 2026-01-01 09:20:00 UTC",
            "  schedule 2026-01-01 09:00 to 2026-01-08 09:00*",
            "  Creating  01-01 09:00:00 *",
            "> Running   01-01 09:06:00 *",
            "  Completed 01-08 09:05:00 *",
        ]
    )


FAILING_MODELS = """
    def without_weights(request):
        raise KeyError("weights")

    def test_fails(sagemaker_ie):
        client, runtime = sagemaker_ie.client(), sagemaker_ie.client("sagemaker-runtime")
        client.create_inference_experiment(**create(EndpointName="ranker"))
        sagemaker_ie.serve(MODEL, without_weights)
        for _ in range(2):  # The shadow gets one of two requests.
            try:
                runtime.invoke_endpoint(EndpointName="ranker", Body=b"1")
            except ClientError:
                assert MODEL == "model-prod"
        assert not sagemaker_ie.calls
"""


@pytest.mark.parametrize(
    ("model", "answer", "variant"), [("model-prod", "ModelError: *", ""), ("model-shadow", "ok", "shadow: ")]
)
def test_the_report_has_the_exception_of_a_handler(report, model, answer, variant):
    """The line after the call has the place, the class and the message, for a shadow too."""
    lines = report(f"\n    MODEL = {model!r}\n", FAILING_MODELS)

    lines.fnmatch_lines(
        [
            f"  * InvokeEndpoint(EndpointName=ranker) -> {answer}",
            f"    {variant}/*/test_the_report_has_the_exception_of_a_handler*.py:*: KeyError: 'weights'",
        ]
    )


CALL = "    sagemaker_ie.client().list_models()\n"
FAIL = "    assert not NAME\n"


@pytest.mark.parametrize(
    "module",
    [
        f"def test_passes(sagemaker_ie):\n{CALL}",
        f"def test_skips(sagemaker_ie):\n{CALL}    pytest.skip()",
        f"def test_fails(sagemaker_ie):\n{FAIL}",
        f"def test_fails():\n{FAIL}",
        f"def test_before(sagemaker_ie):\n{CALL}\ndef test_fails():\n{FAIL}",
    ],
    ids=["test passes", "test skips", "mock without calls", "no mock", "mock of another test"],
)
def test_there_is_no_report_without_a_failure_and_calls_of_its_mock(report, module):
    """A test that passes or skips has no report, and neither has a failure whose own mocks have no calls."""
    report(module).no_fnmatch_line(f"*{HEADING}*")


def test_the_report_can_be_turned_off(report):
    """With `sagemaker_ie_report = false` nothing is added to pytest's report."""
    report(FAILING_TEST, ini="sagemaker_ie_report = false").no_fnmatch_line(f"*{HEADING}*")


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_the_report_names_the_phase_of_the_failure(report, when):
    """A failure in the setup or the teardown of a fixture also has a report."""
    lines = report(f"""
        def fail_in(mock, when):
            if when == {when!r}:
                mock.client().list_models()
                raise ZeroDivisionError

        @pytest.fixture
        def failing(sagemaker_ie):
            fail_in(sagemaker_ie, "setup")
            yield
            fail_in(sagemaker_ie, "teardown")

        def test_fails_once(sagemaker_ie, failing):
            fail_in(sagemaker_ie, "call")
    """)

    lines.fnmatch_lines([f"*{HEADING} {when}*", "1 call:", "  * ListModels() -> ok"])


MODULES_BY_KIND_OF_MOCK = {
    "decorator": """
        @mock_inference_experiment
        def test_fails():
            call_and_raise()
    """,
    "context manager": """
        def test_fails():
            with mock_inference_experiment():
                call_and_raise()
    """,
    "class decorator": """
        @mock_inference_experiment
        class TestFails:
            def test_fails(self):
                call_and_raise()
    """,
    "module fixture": """
        @pytest.fixture(scope="module", autouse=True)
        def mock():
            with mock_inference_experiment():
                yield

        def test_fails():
            call_and_raise()
    """,
}


@pytest.mark.parametrize("module", MODULES_BY_KIND_OF_MOCK.values(), ids=MODULES_BY_KIND_OF_MOCK.keys())
def test_the_report_includes_every_kind_of_mock(report, module):
    """The report also has the calls of a mock that ended before the failure was reported."""
    lines = report(
        """
        import boto3

        def call_and_raise():
            boto3.client("sagemaker", region_name="us-east-1").list_models()
            raise ZeroDivisionError
        """,
        module,
    )

    lines.fnmatch_lines([f"*{HEADING} call*", "1 call:", "  * ListModels() -> ok"])


def test_the_report_includes_every_region(report):
    """Each call shows its region when there are several, and each region has its experiments."""
    lines = report("""
        def test_fails(sagemaker_ie):
            for region in ("us-east-1", "eu-west-1"):
                sagemaker_ie.client(region_name=region).create_inference_experiment(**create(f"in-{region}"))
            assert not sagemaker_ie.calls
    """)

    lines.fnmatch_lines(
        [
            "* us-east-1 CreateInferenceExperiment(Name=in-us-east-1, *",
            "* eu-west-1 CreateInferenceExperiment(Name=in-eu-west-1, *",
            "in-us-east-1: Running at *",
            "in-eu-west-1: Running at *",
        ]
    )


def test_the_lines_of_calls_are_whole_with_vv(report):
    """With -vv neither the names in a call nor its message are cut."""
    lines = report(
        """
        def test_fails(sagemaker_ie):
            describe = sagemaker_ie.client().describe_inference_experiment
            call_with_error(describe, Name="x" * 130)
            assert not sagemaker_ie.calls
    """,
        options=["-vv"],
    )

    lines.fnmatch_lines([f"  *DescribeInferenceExperiment(Name={'x' * 130}) -> ValidationException: *pattern: *"])


def test_the_length_of_the_report_is_limited(report):
    """The report has fewer than 60 lines, with the last of 230 calls and 30 experiments, and short lines."""
    lines = report("""
        def test_fails(sagemaker_ie):
            client = sagemaker_ie.client()
            for number in range(30):
                client.create_inference_experiment(**create(f"experiment-{number}" + "-x" * 50))
            for number in range(200):
                call_with_error(client.describe_inference_experiment, Name=f"missing-{number}" + "x" * 5000)
            assert not sagemaker_ie.calls
    """)

    text = lines.str()
    section = text[text.index(HEADING) : text.index("short test summary")].splitlines()[1:-1]
    assert len(section) < 60
    assert max(map(len, section)) <= 120
    lines.fnmatch_lines(["230 calls:", "*210 earlier ones", "*missing-199x*", "experiment-29-x*", "*27 experiments*"])


@pytest.mark.parametrize("freeze", ["2024-03-01T09:00:00Z", "2099-03-01T09:00:00Z"])
def test_the_report_shows_the_moment_at_which_the_mock_was_left(report, freeze):
    """freezegun around the mock has ended when the report is made; the experiments are those of the frozen time."""
    lines = report(f"""
        from freezegun import freeze_time

        @freeze_time({freeze!r})
        @mock_inference_experiment
        def test_fails():
            import boto3

            keys = {{"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}}
            boto3.client("sagemaker", region_name="us-east-1", **keys).create_inference_experiment(**create())
            raise ZeroDivisionError
    """)

    lines.fnmatch_lines([f"my-experiment: Running at {freeze[:10]} 09:00:00 UTC*"])


def test_the_report_says_where_and_how_an_experiment_ended(report):
    """Each experiment has its region, its StatusReason and the actions of the call that stopped it."""
    lines = report("""
        def test_fails(sagemaker_ie):
            client = sagemaker_ie.client(region_name="eu-west-1")
            client.create_inference_experiment(**create())
            client.stop_inference_experiment(**stop(Reason="Enough"))
            assert not NAME
    """)

    lines.fnmatch_lines(
        ["  in eu-west-1 of account 123456789012", "  StatusReason: Enough", "  ModelVariantActions: {'prod': *"]
    )


def test_control_characters_in_parameters_are_escaped(report):
    """Each call has one line, also if its parameters have line breaks or control characters."""
    lines = report(r"""
        def test_fails(sagemaker_ie):
            describe = sagemaker_ie.client().describe_inference_experiment
            call_with_error(describe, Name="\x1b[31mline one\nline two\ud800")
            assert not sagemaker_ie.calls
    """)

    lines.fnmatch_lines(["1 call:", "  *DescribeInferenceExperiment(Name=*line one*line two*"])
    assert "\x1b" not in lines.str()


def test_an_error_in_the_report_does_not_replace_the_failure(report):
    """If the user's clock raises while the report is written, the report shows that error and the run continues."""
    lines = report("""
        class UserClock:
            broken = False

            def now(self):
                assert not self.broken, "the clock is broken"
                return dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)

        def test_fails():
            clock = UserClock()
            with mock_inference_experiment(clock=clock) as mock:
                mock.client().list_models()
                clock.broken = True
                assert not mock.calls

        def test_after():
            pass
    """)

    lines.fnmatch_lines([f"*{HEADING} call*", "*cannot be made*the clock is broken*", "*1 failed, 1 passed*"])
