"""Absurd instants, delays and counts, wherever somebody gives them: each is refused there, in words, or works."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
import time
from contextlib import closing, suppress
from decimal import Decimal

import pytest

from mock_sagemaker_ie import (
    Durations,
    FrozenClock,
    MockClock,
    ModelResponse,
    UnusedFaultWarning,
    mock_inference_experiment,
)
from mock_sagemaker_ie.protocol.wire import decode, encode
from mock_sagemaker_ie.service.clients import service_model
from tests.conftest import START
from tests.requests import NAME, create, stop
from tests.server.http_client import HTTPClient, server_in_thread

UTC = dt.timezone.utc
CALENDAR_END = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
CALENDAR_BEGIN = dt.datetime(1, 1, 1, tzinfo=UTC)

NOT_NUMBERS = [True, False, "5", None, [], Decimal(1)]
NO_SECONDS = [*NOT_NUMBERS, math.nan, math.inf, -math.inf, -1, -1e300, 1e13, 1e300, 10**30, 10**5000]
NO_COUNTS = [*NOT_NUMBERS, math.nan, math.inf, -1, 0, 2.0, 10**8, 2**63, 10**5000]
NO_STATUSES = [*(each for each in NOT_NUMBERS if each is not None), 404.0, math.nan, 200, 0, -1, 600, 10**5000]
NO_INSTANTS = [
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "9000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    CALENDAR_END,
    CALENDAR_BEGIN,
    CALENDAR_END.replace(tzinfo=dt.timezone(dt.timedelta(hours=-14))),
    5,
    1e13,
    True,
    "",
    "x" * 5000,
    [],
]


def shown(value):
    """Return a short id of a parameter. Python shows no number of thousands of digits."""
    try:
        return f"{value!r:.30}"
    except ValueError:
        return "huge"


def refused(function, *arguments, **options):
    """Return the message with which a call is refused, which is a sentence of some words and not too long."""
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert 3 < len(message.split()) < 60
    assert len(message) < 600
    return message


@pytest.mark.parametrize("seconds", NO_SECONDS, ids=shown)
@pytest.mark.parametrize("unit", ["days", "hours", "minutes", "seconds", "sleep", "slow_next"])
def test_a_delay_that_is_no_time_is_refused(mock, clock, unit, seconds):
    """The clock stays, and no fault is arranged."""
    function = {"sleep": clock.sleep, "slow_next": lambda it: mock.slow_next("ListModels", it)}.get(
        unit, lambda it: clock.advance(**{unit: it})
    )

    refused(function, seconds)

    assert clock.now() == START
    assert mock._service.faults.unused() == []


@pytest.mark.parametrize("times", NO_COUNTS, ids=shown)
def test_a_count_that_is_no_number_of_calls_is_refused(mock, times):
    """Nothing is arranged, and no memory is used."""
    for arrange in (
        lambda: mock.fail_next("ListModels", "ThrottlingException", times=times),
        lambda: mock.slow_next("ListModels", 1, times=times),
    ):
        assert "expected a number of calls" in refused(arrange)

    assert mock._service.faults.unused() == []


@pytest.mark.parametrize("status", NO_STATUSES, ids=shown)
def test_a_status_that_is_not_of_an_error_is_refused(mock, status):
    """The message says which statuses are expected."""
    message = refused(mock.fail_next, "ListModels", "ThrottlingException", status=status)

    assert "400 to 599" in message


@pytest.mark.parametrize("when", NO_INSTANTS, ids=shown)
def test_an_instant_that_the_mock_cannot_compute_with_is_refused(mock, clock, sagemaker, when):
    """No clock begins or moves there, and no failure waits for it."""
    sagemaker.create_inference_experiment(**create())

    for function in (
        MockClock,
        lambda it: MockClock(it, tick=False),
        FrozenClock,
        lambda it: mock_inference_experiment(clock=it),
        clock.move_to,
        lambda it: mock.fail_experiment(NAME, "as arranged", at=it),
    ):
        refused(function, when)

    assert clock.now() == START


@pytest.mark.parametrize("when", [CALENDAR_END, CALENDAR_BEGIN], ids=str)
def test_a_clock_of_the_user_that_is_outside_the_years_is_refused(sagemaker, when):
    """The error names the clock."""

    class Clock:
        def now(self) -> dt.datetime:
            return when

    with mock_inference_experiment(clock=Clock()):
        assert "Clock" in refused(sagemaker.list_models)


@pytest.mark.parametrize(
    "step",
    [dt.timedelta.max, dt.timedelta.min, dt.timedelta(days=2_900_000), 5, 1e13, True, None, "1"],
    ids=shown,
)
def test_a_duration_that_is_no_time_is_refused(clock, step):
    """timedelta.max is refused for a move; for a status it means that the status never ends."""
    refused(clock.advance, step)
    refused(MockClock, auto_advance=step)
    if step != dt.timedelta.max:
        refused(Durations, starting=step)

    assert clock.now() == START


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1", "1e13", "1e300", "", "True", "1_0_", "9" * 5000])
def test_a_duration_of_the_command_line_that_is_no_time_is_refused(text):
    """The message says the form that is expected."""
    with pytest.raises(ValueError, match="expected zero, realistic, or seconds by name"):
        Durations.parse(f"starting={text}")


@pytest.mark.parametrize("keep", [True, -1, 2.0, 1e13, math.inf, 2**63, 10**5000], ids=shown)
def test_a_number_of_calls_to_keep_that_is_no_number_is_refused(keep):
    """A mock with such an option is not made."""
    refused(mock_inference_experiment, keep=keep)


@pytest.mark.parametrize(
    "members",
    [
        *({"latency": it} for it in NO_SECONDS if it is not None),
        *({"latency": it} for it in (dt.timedelta.max, dt.timedelta.min)),
        *({"status": it} for it in NO_STATUSES if it != 200 and it is not False and it != 0),
    ],
    ids=shown,
)
def test_a_response_of_a_model_with_an_absurd_number_is_an_error_of_its_handler(mock, sagemaker, members):
    """The handler's error says what is expected; no metric gets the number."""
    sagemaker.create_inference_experiment(**create())
    mock.serve("model-prod", lambda _: ModelResponse("ok", **members))

    message = refused(
        mock.client("sagemaker-runtime").invoke_endpoint, EndpointName=create()["EndpointName"], Body=b"x"
    )

    assert "expected" in message
    assert list(mock.metrics) == []


def test_the_warning_about_many_faults_that_no_call_met_is_short():
    """It counts them all, and lists some."""
    expected = "no call met 100000 arranged faults"
    with pytest.warns(UnusedFaultWarning, match=expected) as caught, mock_inference_experiment() as mock:
        mock.fail_next("ListModels", "ThrottlingException", times=100_000)

    (warning,) = caught
    assert "… 99980 more" in str(warning.message)
    assert len(str(warning.message)) < 2000


# --- near the ends of the calendar


DURATIONS = [
    Durations(),
    Durations.realistic(),
    Durations(creating=dt.timedelta(days=365_000)),
    Durations(*[dt.timedelta(days=2_500_000)] * 8),
    Durations(*[dt.timedelta.max] * 8),
]


@pytest.fixture(params=["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def _zone(request):
    """Set the time zone of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize("durations", DURATIONS, ids=range(len(DURATIONS)))
@pytest.mark.parametrize("at", ["8999-12-31T23:59:59.999999Z", "8999-12-20T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_every_operation_works_at_the_ends_of_the_calendar(sagemaker, durations, at):
    """Each answers, or is refused in words; looks ahead and pictures work too."""
    last = {"StartTime": dt.datetime(8999, 12, 31, 23, 59, 59, tzinfo=UTC)}
    steps = [
        lambda name: sagemaker.start_inference_experiment(Name=name),
        lambda name: sagemaker.update_inference_experiment(Name=name, Description="longer"),
        lambda name: mock.advance_until(name, "Running"),
        lambda name: mock.advance_until(name, "Completed"),
        lambda name: sagemaker.stop_inference_experiment(**stop(name)),
        lambda name: mock.fail_experiment(name, "as arranged"),
    ]

    with mock_inference_experiment(clock=at, durations=durations, unused_faults="ignore") as mock:
        sagemaker.create_inference_experiment(**create())
        sagemaker.create_inference_experiment(**create("last", Schedule=last))
        for name in (NAME, "last"):
            for step in steps:
                with suppress(ValueError, sagemaker.exceptions.ClientError):
                    step(name)
                timeline = mock.timeline(name)
                assert str(timeline)
                assert timeline.to_svg()
        assert len(sagemaker.list_inference_experiments()["InferenceExperiments"]) == 2


@pytest.mark.parametrize("end", ["StartTime", "EndTime"])
@pytest.mark.parametrize("when", [CALENDAR_END, CALENDAR_BEGIN, dt.datetime(9999, 12, 31, tzinfo=UTC)], ids=str)
def test_a_schedule_at_the_ends_of_the_calendar_is_refused_as_aws_refuses(mock, sagemaker, end, when):
    """It is a ValidationException, which names the member."""
    with pytest.raises(sagemaker.exceptions.ClientError, match=r"ValidationException.*between the years 1970 and 9000"):
        sagemaker.create_inference_experiment(**create(Schedule={end: when}))


def test_a_list_may_end_at_the_end_of_the_calendar(mock, sagemaker):
    """Clients round datetime.max up to the year 10000, which Python has not."""
    sagemaker.create_inference_experiment(**create())

    listed = sagemaker.list_inference_experiments(CreationTimeBefore=CALENDAR_END, CreationTimeAfter=CALENDAR_BEGIN)

    assert len(listed["InferenceExperiments"]) == 1


def test_a_clock_that_advances_by_itself_stops_at_the_end_of_the_calendar(sagemaker):
    """The call that would move it further is answered."""
    clock = MockClock("2026-01-01T00:00:00Z", tick=False, auto_advance=dt.timedelta(days=2_000_000))

    with mock_inference_experiment(clock=clock):
        for _ in range(3):
            sagemaker.list_models()

    assert clock.now() == dt.datetime(2026, 1, 1, tzinfo=UTC) + dt.timedelta(days=2_000_000)


@pytest.mark.parametrize("year", [1970, 2026, 2255, 5000, 8999])
def test_what_was_written_reads_again_to_the_millisecond(year):
    """Each millisecond of each year: a float of epoch seconds is not exact, and does not lose one."""
    shape = service_model("sagemaker").operation_model("ListInferenceExperiments").input_shape
    for millisecond in range(1000):
        when = dt.datetime(year, 12, 31, 23, 59, 59, millisecond * 1000, tzinfo=UTC)

        assert decode(shape, encode({"CreationTimeAfter": when})) == {"CreationTimeAfter": when}


# --- over the wire


@pytest.fixture(scope="module")
def http():
    """An HTTP client of a server whose clock stands still."""
    options = {"clock": START.isoformat(), "durations": Durations.realistic(), "unused_faults": "ignore"}
    with server_in_thread(**options) as server, closing(HTTPClient(server.url)) as http:
        assert http.call("CreateInferenceExperiment", **create()).status == 200
        yield http


# As JSON texts, because Python writes some of them differently.
JSON_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e13", "1e300", "1e400", "-1", "true", "null", '"5"', "[]", "9" * 5000]


@pytest.mark.parametrize("number", JSON_NUMBERS, ids=lambda it: it[:10])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", '{"advance": %s}'),
        ("clock", '{"move_to": %s}'),
        ("clock", '{"until": {"name": "my-experiment", "status": %s}}'),
        ("faults", '{"operation": "ListModels", "seconds": %s}'),
        ("faults", '{"operation": "ListModels", "seconds": 1, "times": %s}'),
        ("faults", '{"operation": "ListModels", "error": "ThrottlingException", "times": %s}'),
        ("faults", '{"operation": "ListModels", "error": "ThrottlingException", "status": %s}'),
    ],
)
def test_the_control_api_refuses_absurd_numbers_without_any_effect(http, path, body, number):
    """The answer has a sentence of some words, and the server answers the next call."""
    if '"status": %s' in body and "error" in body and number == "null":
        pytest.skip("null is the default status")
    before = http.get("/_mock/state").values

    answer = http.send("POST", f"/_mock/{path}", body % number, content_type="application/json")

    assert answer.status == 400
    assert 3 < len(answer.values["error"].split()) < 60
    assert http.get("/_mock/state").values["now"] == before["now"]
    assert http.call("ListModels").status == 200


@pytest.mark.parametrize("when", NO_INSTANTS, ids=shown)
def test_the_control_api_refuses_instants_that_the_mock_cannot_compute_with(http, when):
    """The clock stays."""
    when = when if isinstance(when, (str, int, float, list)) else when.isoformat()

    answer = http.post("/_mock/clock", {"move_to": when})

    assert answer.status == 400
    assert http.get("/_mock/state").values["now"] == START.isoformat()


SECONDS = [
    "NaN",
    "Infinity",
    "1e13",
    "-1e13",
    "1e300",
    "253402300800",
    "253402300799.999",
    "221845392000",
    "-1",
    "true",
]


@pytest.mark.parametrize("seconds", [*SECONDS, '"5"', "9" * 400])
@pytest.mark.parametrize("end", ["StartTime", "EndTime"])
def test_absurd_times_of_a_request_are_errors_of_aws(http, end, seconds):
    """An instant outside the mock's years is a ValidationException; no time at all is a SerializationException."""
    body = json.dumps(create("another", Schedule={end: "when"})).replace('"when"', seconds)

    answer = http.send(
        "POST", "/", body, x_amz_target="SageMaker.CreateInferenceExperiment", content_type="application/x-amz-json-1.1"
    )

    assert (answer.status, answer.code) in {(400, "ValidationException"), (400, "SerializationException")}
    assert (answer.code == "ValidationException") == (seconds in ("253402300800", *SECONDS[6:9]))


@pytest.mark.parametrize(
    "instant", ["8999-12-31T23:59:59.999Z", "2027-01-01T09:00:00.0004567Z", "5000-06-01T00:00:00.123Z"]
)
@pytest.mark.parametrize("clock", [None, START.isoformat()], ids=["runs", "stands still"])
def test_a_clock_that_was_moved_far_is_there_after_a_restart(tmp_path, instant, clock):
    """So are an experiment that was created there, and its schedule to the millisecond."""
    options = {"clock": clock, "state": tmp_path / "journal", "durations": Durations.realistic()}
    if sys.version_info < (3, 11):
        instant = instant.replace("0004567", "000456")  # Python 3.10 reads six digits only.
    seen = []
    for moves in ([instant], []):
        with server_in_thread(**options) as server, closing(HTTPClient(server.url)) as http:
            for move in moves:
                assert http.post("/_mock/clock", {"move_to": move}).status == 200
                assert http.call("CreateInferenceExperiment", **create()).status == 200
            experiment, timeline = server.mock.experiments[NAME], server.mock.timeline(NAME)
            seen.append((experiment["CreationTime"], timeline.segments, clock and server.mock.now()))

    assert seen[0] == seen[1]
