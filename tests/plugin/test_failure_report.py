"""What pytest's report of a failed test says of the mocks it used: the calls and the timelines, in few lines."""

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

    def refused(call, **params):
        with pytest.raises(ClientError):
            call(**params)
"""
HEADING = "sagemaker_ie at the end of"


@pytest.fixture
def report(pytester):
    """The report of a pytest run on the texts of a test module, line by line."""

    def report(*texts, ini=""):
        pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        pytester.makepyfile("".join(map(textwrap.dedent, (HELPERS, *texts))))
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest").stdout

    return report


# Fails after a call that is answered, one that is refused, and one that meets a fault.
FAILING = """
    @pytest.mark.sagemaker_ie(clock=START, durations=Durations.realistic())
    def test_fails(sagemaker_ie):
        client = sagemaker_ie.client()
        client.create_inference_experiment(**create())
        sagemaker_ie.clock.advance(minutes=20)
        refused(client.start_inference_experiment, Name=NAME)
        sagemaker_ie.fail_next("StopInferenceExperiment", "AccessDeniedException")
        refused(client.stop_inference_experiment, **stop(DesiredState="Completed"))
        assert not sagemaker_ie.calls
"""


def test_a_failure_tells_the_calls(report):
    """Of each call: when, which operation on what, and the answer or the error."""
    lines = report(FAILING)

    lines.fnmatch_lines(
        [
            f"*{HEADING} call*",
            "3 calls:",
            "  01-01 09:00:00 CreateInferenceExperiment(Name=my-experiment, EndpointName=*) -> ok",
            "  01-01 09:20:00 StartInferenceExperiment(Name=my-experiment) -> ConflictException: Cannot start*",
            "  01-01 09:20:00 StopInferenceExperiment(Name=my-experiment, DesiredState=Completed) -> AccessDenied*",
        ]
    )


def test_a_failure_tells_the_timelines(report):
    """Of each experiment: where it stands, what it went through, and what is to come."""
    lines = report(FAILING)

    lines.fnmatch_lines(
        [
            "my-experiment: Running at 2026-01-01 09:20:00 UTC",
            "  schedule 2026-01-01 09:00 to 2026-01-08 09:00*",
            "  Creating  01-01 09:00:00 *",
            "> Running   01-01 09:14:00 *",
            "  Completed 01-08 09:05:00 *",
        ]
    )


LOOK = "    sagemaker_ie.client().list_models()\n"
FAIL = "    assert not NAME\n"


@pytest.mark.parametrize(
    "module",
    [
        f"def test_passes(sagemaker_ie):\n{LOOK}",
        f"def test_skips(sagemaker_ie):\n{LOOK}    pytest.skip()",
        f"def test_fails(sagemaker_ie):\n{FAIL}",
        f"def test_fails():\n{FAIL}",
        f"def test_before(sagemaker_ie):\n{LOOK}\ndef test_fails():\n{FAIL}",
    ],
    ids=["passes", "skips", "mock was not called", "no mock", "another test's mock"],
)
def test_there_is_nothing_to_tell(report, module):
    """Only failures are told of, and only what belongs to them."""
    report(module).no_fnmatch_line(f"*{HEADING}*")


def test_it_can_be_turned_off(report):
    """sagemaker_ie_report = false leaves reports as they were."""
    report(FAILING, ini="sagemaker_ie_report = false").no_fnmatch_line(f"*{HEADING}*")


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_it_is_told_when_the_failure_happens(report, when):
    """A fixture that fails before or after the test has a report of its own."""
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

        def test_either(sagemaker_ie, failing):
            fail_in(sagemaker_ie, "call")
    """)

    lines.fnmatch_lines([f"*{HEADING} {when}*", "1 call:", "  * ListModels() -> ok"])


MOCKED = {
    "decorator": """
        @mock_inference_experiment
        def test_fails():
            look()
    """,
    "with": """
        def test_fails():
            with mock_inference_experiment():
                look()
    """,
    "class": """
        @mock_inference_experiment
        class TestFails:
            def test_fails(self):
                look()
    """,
    "wider fixture": """
        @pytest.fixture(scope="module", autouse=True)
        def mock():
            with mock_inference_experiment():
                yield

        def test_fails():
            look()
    """,
}


@pytest.mark.parametrize("mocked", MOCKED)
def test_it_tells_of_any_mock_the_test_was_in(report, mocked):
    """However a test came to be mocked; what has ended before the failure is told too."""
    lines = report(
        """
        import boto3

        def look():
            boto3.client("sagemaker", region_name="us-east-1").list_models()
            raise ZeroDivisionError
        """,
        MOCKED[mocked],
    )

    lines.fnmatch_lines([f"*{HEADING} call*", "1 call:", "  * ListModels() -> ok"])


def test_every_region_and_account_is_told_of(report):
    """An experiment is where its calls went."""
    lines = report("""
        def test_fails(sagemaker_ie):
            for region in ("us-east-1", "eu-west-1"):
                sagemaker_ie.client(region_name=region).create_inference_experiment(**create(f"in-{region}"))
            assert not sagemaker_ie.calls
    """)

    lines.fnmatch_lines(["in-us-east-1: Running at *", "in-eu-west-1: Running at *"])


def test_it_is_bounded(report):
    """A thousand calls and a hundred experiments are told in a screenful, the last ones, in lines that fit."""
    lines = report("""
        def test_fails(sagemaker_ie):
            client = sagemaker_ie.client()
            for number in range(100):
                client.create_inference_experiment(**create(f"experiment-{number}" + "-x" * 50))
            for number in range(1000):
                refused(client.describe_inference_experiment, Name=f"look-{number}" + "x" * 5000)
            assert not sagemaker_ie.calls
    """)

    text = lines.str()
    section = text[text.index(HEADING) : text.index("short test summary")].splitlines()[1:-1]
    assert len(section) < 60
    assert max(map(len, section)) <= 120
    lines.fnmatch_lines(["1100 calls:", "*1080 earlier ones", "*look-999x*", "experiment-99-x*", "*97 experiments*"])


def test_what_a_test_sent_does_not_disturb_the_report(report):
    """One call is one line, whatever is in its params."""
    lines = report(r"""
        def test_fails(sagemaker_ie):
            refused(sagemaker_ie.client().describe_inference_experiment, Name="\x1b[31mline one\nline two\ud800")
            assert not sagemaker_ie.calls
    """)

    lines.fnmatch_lines(["1 call:", "  *DescribeInferenceExperiment(Name=*line one*line two*"])
    assert "\x1b" not in lines.str()


def test_a_report_that_cannot_be_made_breaks_nothing(report):
    """A clock of the test's own may tell no time any more; the test's failure is what counts, and the run goes on."""
    lines = report("""
        class Watch:
            stopped = False

            def now(self):
                assert not self.stopped, "the watch has stopped"
                return dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)

        def test_fails():
            watch = Watch()
            with mock_inference_experiment(clock=watch) as mock:
                mock.client().list_models()
                watch.stopped = True
                assert not mock.calls

        def test_after():
            pass
    """)

    lines.fnmatch_lines([f"*{HEADING} call*", "*cannot be told*the watch has stopped*", "*1 failed, 1 passed*"])
