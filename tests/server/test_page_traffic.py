"""What the page of the server shows of traffic: captures, metrics and events, in a headless Chromium."""

from __future__ import annotations

import json

import pytest

from mock_sagemaker_ie import Durations
from tests.conftest import START
from tests.requests import CAPTURED, create

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import Keys

from tests.server.page import CHROMIUM, DRIVER

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium or chromedriver is not on PATH"),
    pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic()),
]


def test_an_open_experiment_shows_its_traffic(page, http, launch):
    """The number of invocations of each variant appears with the first request, and follows."""
    launch("first")
    http.post("/_mock/clock", {"until": {"name": "first", "status": "Running"}})
    page.open()
    page.find("#experiments summary").click()
    page.until(lambda: page.texts("thead th") == ["Variant", "Model", "Status"])

    for _ in range(4):
        http.send("POST", f"/endpoints/{create('first')['EndpointName']}/invocations", b"1")

    page.until(lambda: page.texts("thead th")[3:] == ["Invocations"])
    page.until(lambda: page.texts("tbody td:last-child") == ["4", "2"])


def test_the_page_shows_captures(page, launch, invoke):
    """The newest is the first. It opens with its whole record, however long, and stays open when another one comes."""
    names = launch("first", **CAPTURED)
    invoke(names, b"x" * 100_000)
    page.open()
    page.find("#captures-tab").click()
    assert page.texts("#captures b") == ["prod"]
    assert len(page.text("#captures li")) < 500

    page.find("#captures summary").click()
    page.until(lambda: len(page.texts("pre")) == 1)
    assert json.loads(page.text("pre"))["captureData"]["endpointInput"]["data"] == "x" * 100_000

    invoke(names, b"<img src=x>")
    page.until(lambda: page.texts("#captures b") == ["shadow", "prod", "prod"])
    assert "<img src=x> → <img src=x>" in page.text("#captures li:first-child")
    assert len(page.texts("pre")) == 1


def test_the_page_shows_the_metrics_of_each_variant(page, http, launch, invoke):
    """Invocations, errors and the average latency of variants by endpoint."""
    http.post("/_mock/models", {"model": "model-prod", "body": 1, "latency": 0.12})
    http.post("/_mock/models", {"model": "model-shadow", "body": 1, "status": 500})
    page.open()
    page.find("#metrics-tab").click()
    assert page.texts(".panel") == ["No invocations yet."]

    invoke(launch("first"), b"1", b"2")

    rows = [["prod", "2", "0", "120.0", "ms"], ["shadow", "1", "1", "0.0", "ms"]]
    page.until(lambda: [row.split() for row in page.texts("#metrics tr")[2:]] == rows)
    assert page.texts("#metrics th[scope=rowgroup]") == [create("first")["EndpointName"]]


def test_the_page_shows_events(page, launch, http):
    """An event has the status of the endpoint, and opens as EventBridge has it."""
    launch("first")
    page.open()
    page.find("#events-tab").click()
    page.until(lambda: len(page.texts("#events li")) == 1)

    http.post("/_mock/clock", {"until": {"name": "first", "status": "Running"}})

    page.until(lambda: page.texts("#events summary > span") == ["in service", "creating"])
    page.find("#events summary").click()
    page.until(lambda: len(page.texts("pre")) == 1)
    assert json.loads(page.text("pre"))["detail"]["EndpointStatus"] == "IN_SERVICE"


def test_each_list_shows_its_latest_items_and_leads_to_all(page, launch, invoke):
    """The tab has the number of all; the link says how many are shown."""
    invoke(launch("first", **CAPTURED), *[b"1"] * 20)
    page.open()

    page.find("#captures-tab").click()

    assert (page.text("#captures-count"), len(page.texts("#captures li"))) == ("30", 20)
    assert page.text(".panel > .all") == "The latest 20 of 30; more as JSON"
    assert page.find("#captures-panel > .all").get_attribute("href").endswith("/_mock/captures")


def test_the_arrow_keys_move_between_the_lists(page):
    """The tabs are one stop for the Tab key; an empty list says how its items come."""
    page.open()
    page.find("#calls-tab").send_keys(Keys.ARROW_RIGHT)
    assert page.texts(".panel") == ["No invocations yet."]

    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)

    assert page.focused == "Events 0"
    assert page.texts(".panel") == ["No events yet. They come when an endpoint or its deployment changes."]
    assert page.run("[...document.querySelectorAll('[role=tab]')].filter(each => each.tabIndex === 0).length") == 1
