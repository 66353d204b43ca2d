"""The web page at the root of the server, in a headless Chromium."""

from __future__ import annotations

import json

import pytest

from mock_sagemaker_ie import Durations, mock_inference_experiment, trace
from tests.conftest import START
from tests.requests import CAPTURED, create

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import Keys

from tests.server.page import BROKEN_WORDS, CHROMIUM, DESKTOP, DRIVER, PHONE, TEXT_TOPS, Page

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium or chromedriver is not on PATH"),
    pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic()),
]


# --- the page shows


def test_the_page_of_an_empty_mock_shows_how_to_begin(page, sagemaker_ie_server):
    """It shows the URL for an SDK, and no experiment, call or next change."""
    page.open()

    assert sagemaker_ie_server.url in page.text("#none")
    assert page.text("#now") == "2026-01-01 09:00:00 UTC"
    assert (page.text("#count"), page.text("#calls-count"), page.texts("details, li")) == ("0", "0", [])
    assert not page.find("#next").is_enabled()


def test_the_page_shows_experiments_with_their_status(page, http, launch):
    """The newest experiment is the first. Each has its status and its next change."""
    launch("first", "second")
    http.post("/_mock/failures", {"experiment": "first", "reason": "no capacity"})
    http.post("/_mock/clock", {"until": {"name": "second", "status": "Running"}})
    launch("third")

    page.open()

    assert page.texts("#experiments summary b") == ["third", "second", "first"]
    assert page.texts(".status") == ["Creating", "Running", "Cancelled"]
    assert page.texts(".status + span") == ["becomes Running in 6m", "becomes Stopping in 6d 23h", ""]


def test_the_page_follows_changes_without_a_reload(page, http, launch):
    """Experiments, calls and errors appear and disappear."""
    page.open()

    launch("first")
    page.until(lambda: page.texts(".status") == ["Creating"])
    http.post("/_mock/clock", {"advance": 1800})
    page.until(lambda: page.texts(".status") == ["Running"])
    assert page.text("#now") == "2026-01-01 09:30:00 UTC"

    http.call("DescribeInferenceExperiment", Name="<img src=x>")
    page.until(lambda: page.text("#calls-count") == "2")
    refused, created = page.texts("li")
    assert "CreateInferenceExperiment" in created
    assert "ok" in created
    for word in ("DescribeInferenceExperiment", "ValidationException", "failed to satisfy", "<img src=x>"):
        assert word in refused

    http.post("/_mock/faults", {"operation": "ListModels", "error": "InternalFailure", "after": True})
    http.call("ListModels")
    page.until(lambda: page.text("#calls-count") == "3")
    assert "ok, lost: InternalFailure" in page.texts("li")[0]

    http.post("/_mock/reset", {})
    page.until(lambda: page.texts("details, li") == [])


def test_an_open_experiment_shows_its_timeline_and_variants(page, http, launch):
    """The timeline follows changes. A new experiment does not close the open one."""
    launch("first")
    page.open()

    page.find("summary").click()
    page.until(lambda: page.run("document.querySelector('.picture img')?.naturalWidth > 0"))
    assert page.find(".picture img").get_attribute("alt").startswith("Timeline of first: Creating")
    assert [row.split() for row in page.texts("tbody tr")] == [
        ["prod", "model-prod", "Creating"],
        ["shadow", "model-shadow", "Creating"],
    ]
    assert any("50 %" in text for text in page.texts(".inside p"))

    launch("second")
    http.post("/_mock/failures", {"experiment": "first", "reason": "no capacity"})
    page.until(lambda: "Reason: no capacity" in page.texts(".inside p"))
    assert page.find(".picture img").get_attribute("alt").startswith("Timeline of first: Cancelled")
    assert page.texts("#experiments [open] summary b") == ["first"]


def test_a_hundred_experiments_can_be_filtered(page, http, launch):
    """The filter compares names and statuses. The page shows the number of matching experiments."""
    launch(*(f"experiment-{number}" for number in range(100)))
    http.post("/_mock/failures", {"experiment": "experiment-7", "reason": "no capacity"})
    page.open()
    assert page.text("#count") == "100"

    page.find("#filter").send_keys("-7 CANCELLED")

    assert page.texts("#experiments summary b") == ["experiment-7"]
    assert page.text("#count") == "1 of 100"


def test_more_than_a_hundred_experiments_are_shown_by_pages(page, http, launch):
    """A page has the newest hundred; the filter searches all. The next change may be of an experiment elsewhere."""
    launch("oldest")
    http.post("/_mock/clock", {"advance": 60})
    launch(*(f"experiment-{number}" for number in range(120)))
    page.open()
    assert page.texts("#experiments summary b")[::99] == ["experiment-119", "experiment-20"]
    assert (page.text("#count"), page.text("#range")) == ("121", "1 to 100 of 121, the newest first")

    page.find("#older").click()
    page.until(lambda: page.texts("#experiments summary b")[::20] == ["experiment-19", "oldest"])
    assert not page.find("#older").is_enabled()
    page.find("#newer").click()
    page.until(lambda: len(page.texts("#experiments summary b")) == 100)

    page.find("#filter").send_keys("oldest")
    page.until(lambda: page.texts("#experiments summary b") == ["oldest"])
    assert page.text("#count") == "1 of 121"
    page.find("#next").click()
    page.until(lambda: page.texts(".status") == ["Running"])
    page.find("#filter").clear()
    page.find("#filter").send_keys("running")
    page.until(lambda: page.texts("#experiments summary b") == ["oldest"])


def test_a_page_follows_deletions(page, http, launch):
    """An experiment that comes into the page from an older one is shown with its content, in its place."""
    launch(*(f"experiment-{number}" for number in range(102)))
    page.open()
    page.find("#older").click()
    page.until(lambda: page.texts("#experiments summary b") == ["experiment-1", "experiment-0"])
    page.find("#newer").click()
    page.until(lambda: page.texts("#experiments summary b")[::99] == ["experiment-101", "experiment-2"])

    http.post("/_mock/failures", {"experiment": "experiment-50", "reason": "to be deleted"})
    assert http.call("DeleteInferenceExperiment", Name="experiment-50").status == 200

    page.until(lambda: page.texts("#experiments summary b")[::99] == ["experiment-101", "experiment-1"])
    http.post("/_mock/reset", {})
    page.until(lambda: page.texts("details, li") == [])


def test_a_call_can_be_opened(page, http, launch):
    """It shows all of the request, however long, and the answer or the error. A new call does not close it."""
    http.call("DescribeInferenceExperiment", Name="x" * 100_000)
    launch("first")
    page.open()
    assert len(page.text("li:last-child")) < 500

    page.find("li:first-child summary").click()
    page.find("li:last-child summary").click()
    page.until(lambda: len(page.texts("pre")) == 4)
    request, answer, long_request, error = page.texts("pre")
    assert json.loads(request) == create("first")
    assert json.loads(answer)["InferenceExperimentArn"].endswith("/first")
    assert json.loads(long_request) == {"Name": "x" * 100_000}
    assert json.loads(error)["code"] == "ValidationException"

    launch("second")
    page.until(lambda: page.text("#calls-count") == "3")
    assert len(page.texts("pre")) == 4


def test_a_request_and_an_answer_can_be_copied(page, launch):
    """The button puts the JSON into the clipboard."""
    launch("first")
    page.open()
    page.grant("clipboardReadWrite", "clipboardSanitizedWrite")
    page.find("li summary").click()
    page.until(lambda: len(page.texts("pre")) == 2)

    page.find("[aria-label='Copy the request']").click()

    page.until(lambda: page.texts("[aria-label='Copy the request']") == ["Copied"])
    assert json.loads(page.run("navigator.clipboard.readText()")) == create("first")


def test_a_call_that_the_server_does_not_have_any_more_says_so(page, http, launch):
    """After a reset in another window, an open page shows the reason instead of the call."""
    launch("first")
    page.open()
    page.run("window.fetch = () => Promise.reject(new Error('not on this server'))")

    page.find("li summary").click()

    page.until(lambda: page.texts("li .inside") == ["The call cannot be read: not on this server"])


def test_a_url_does_not_break_on_a_phone(page):
    """The lines that tell how to begin can be read and copied."""
    page.open(PHONE)

    assert page.run("[...document.querySelectorAll('.origin')].map(each => each.getClientRects().length)") == [1, 1]


def test_the_headings_and_lists_of_both_columns_align(page, launch):
    """On a desktop, the texts of all headings stand at the same height, and both lists; also below a long header."""
    launch("first")
    page.open()

    headings = page.run(TEXT_TOPS, "h2, [role=tab]")
    lists = page.run(TEXT_TOPS, "#experiments summary, #calls summary")
    assert (len(headings), len(set(headings))) == (5, 1)
    assert (len(lists), len(set(lists))) == (2, 1)


@pytest.mark.parametrize("number", [0, 3, 100])
def test_the_page_fits_a_phone(page, launch, number):
    """It does not scroll sideways with long names, an open timeline and calls. The timeline is whole and readable."""
    launch(*(f"{index}{'-long' * 20}" for index in range(number)))
    page.open(PHONE)

    if number:
        page.find("summary").click()
        page.find("li summary").click()
        page.until(lambda: page.run("document.querySelector('.picture img').naturalWidth") > 0)
        image = page.run("(image => [image.naturalWidth, image.width])(document.querySelector('.picture img'))")
        assert image[0] <= image[1] * 1.1
    assert not page.scrolls_sideways


def test_no_word_breaks_on_a_phone(page, http, launch, invoke):
    """Words of usual length stand in one line: a status, an operation, a code, the next change, a heading, a button.

    So they do in each of the lists of calls and traffic.
    """
    invoke(launch("ranker-v2", "a-very-long-name-of-a-shadow-test-of-the-ranking-service", **CAPTURED))
    http.call("UpdateEndpointWeightsAndCapacities", EndpointName="missing")
    page.open(PHONE)
    for experiment in page.all("#experiments summary"):
        experiment.click()

    for tab in page.all("[role=tab]"):
        tab.click()
        items = [item for item in page.all("li summary") if item.is_displayed()]
        for item in items:
            item.click()
        page.until(lambda: len(page.texts("pre")) >= len(items))  # noqa: B023 - it is called at once
        assert page.run(BROKEN_WORDS) == []


def test_the_page_shows_that_the_server_does_not_answer(page, sagemaker_ie_server):
    """A message appears, because the data on the page can be old."""
    page.open()

    sagemaker_ie_server.http.shutdown()

    page.until(lambda: page.text("#message") == "The server does not answer.")


# --- the trace of a test, which needs no server


@pytest.mark.parametrize(("size", "shown"), [(DESKTOP, "wide"), (PHONE, "narrow")])
def test_a_trace_opens_from_a_file(chromium, tmp_path, size, shown):
    """It shows one picture for the width of the screen, and its calls can be opened. It does not scroll sideways."""
    with mock_inference_experiment() as mock:
        mock.client().create_inference_experiment(**create("first"))
        path = trace.write(tmp_path, f"tests/test_it.py::{'test_a_long_name' * 10}", "passed", [mock._service])
    page = Page(chromium, path.as_uri())
    page.resize(size)
    chromium.get(path.as_uri())

    page.find("details:last-of-type summary").click()

    visible = "[...document.querySelectorAll('.picture')].filter(each => each.checkVisibility())"
    assert page.run(f"{visible}.map(each => each.className)") == [f"picture {shown}"]
    assert json.loads(page.texts("pre")[0]) == create("first")
    assert not page.scrolls_sideways


# --- the page steers the mock


@pytest.mark.parametrize(
    ("button", "now"),
    [
        ("[data-seconds='60']", "09:01:00"),
        ("[data-seconds='3600']", "10:00:00"),
        ("[data-seconds='86400']", "09:00:00"),
        ("#next", "09:06:00"),
    ],
)
def test_the_buttons_move_the_clock(page, launch, button, now):
    """The clock moves by a minute, an hour or a day, or to the next change of a status."""
    launch("first")
    page.open()

    page.find(button).click()

    day = "2026-01-02" if "86400" in button else "2026-01-01"
    page.until(lambda: page.text("#now") == f"{day} {now} UTC")


def test_reset_deletes_everything_after_a_confirmation(page, launch):
    """No experiment and no call remains on the page."""
    launch("first")
    page.open()

    page.find("#reset").click()
    page.accept()

    page.until(lambda: page.texts("details, li") == [])


def test_the_page_can_be_used_with_the_keyboard(page, launch):
    """Tab moves the focus, Enter presses a button or opens an experiment. A new experiment does not move the focus."""
    launch("first")
    page.open()

    page.press(Keys.TAB)
    assert page.focused == "+1 minute"
    page.press(Keys.ENTER)
    page.until(lambda: page.text("#now").endswith("09:01:00 UTC"))
    assert page.focused == "+1 minute"

    while "first" not in page.focused:
        page.press(Keys.TAB)
    page.press(Keys.ENTER)
    page.until(lambda: page.texts("#experiments [open] summary b") == ["first"])
    launch("second")
    page.until(lambda: page.texts("#experiments summary b") == ["second", "first"])
    assert "first" in page.focused
