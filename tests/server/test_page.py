"""The page at the server's root, in a headless Chromium."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from mock_sagemaker_ie import Durations
from tests.conftest import START
from tests.requests import create

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
waiting = pytest.importorskip("selenium.webdriver.support.wait")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium or chromedriver is not on PATH"),
    pytest.mark.sagemaker_ie(clock=START.isoformat(), durations=Durations.realistic()),
]

DESKTOP, PHONE = (1200, 800), (390, 844)


@pytest.fixture(scope="module")
def chromium():
    """A browser for all tests."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as browser:
        yield browser


class Page:
    """The page, as somebody sees and operates it."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url

    def open(self, size: tuple[int, int] = DESKTOP) -> None:
        """Look at it on a screen of this size, as soon as it shows something."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self._browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self._browser.get(self._url)
        self.until(lambda: self.text("#now") != "…")

    def until(self, shown: Any) -> None:
        """Wait until something is to be seen, which fails when it does not come."""
        waiting.WebDriverWait(self._browser, 10, poll_frequency=0.02).until(lambda _: shown())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script gives."""
        return self._browser.execute_script(f"return {script}", *arguments)

    def texts(self, selector: str) -> list[str]:
        """The texts of what is to be seen of these elements."""
        elements = "[...document.querySelectorAll(arguments[0])].filter(it => it.checkVisibility())"
        return self.run(f"{elements}.map(it => it.innerText.trim())", selector)

    def text(self, selector: str) -> str:
        """The text of one element."""
        (text,) = self.texts(selector)
        return text

    def find(self, selector: str) -> Any:
        """An element to click on or to write into."""
        return self._browser.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        webdriver.ActionChains(self._browser).send_keys(*keys).perform()

    @property
    def focused(self) -> str:
        """The text of what has the focus."""
        return self.run("document.activeElement.innerText")

    @property
    def scrolls_sideways(self) -> bool:
        """Whether it is wider than the screen."""
        return self.run("document.documentElement.scrollWidth > window.innerWidth")

    def accept(self) -> None:
        """Say yes to what it asks."""
        self._browser.switch_to.alert.accept()


@pytest.fixture
def page(chromium, sagemaker_ie_server):
    """The page of the test's server."""
    return Page(chromium, sagemaker_ie_server.url)


@pytest.fixture
def launch(plain):
    """Create experiments of these names."""

    def launch(*names: str) -> None:
        for name in names:
            assert plain.call("CreateInferenceExperiment", **create(name)).status == 200

    return launch


# --- what it shows


def test_an_empty_world_says_how_to_begin(page, sagemaker_ie_server):
    """There is the address to give to an SDK, and nothing to wait for."""
    page.open()

    assert sagemaker_ie_server.url in page.text("#none")
    assert page.text("#now") == "2026-01-01 09:00:00 UTC"
    assert (page.text("#count"), page.text("#calls-count"), page.texts("details, li")) == ("0", "0", [])
    assert not page.find("#next").is_enabled()


def test_experiments_are_shown_as_they_stand(page, plain, launch):
    """The newest first, each with its status and what comes next."""
    launch("first", "second")
    plain.post("/_mock/failures", {"experiment": "first", "reason": "no capacity"})
    plain.post("/_mock/clock", {"until": {"name": "second", "status": "Running"}})
    launch("third")

    page.open()

    assert page.texts("summary b") == ["third", "second", "first"]
    assert page.texts(".status") == ["Creating", "Running", "Cancelled"]
    assert page.texts(".status + span") == ["Starting in 6m", "Stopping in 6d 23h", ""]


def test_what_happens_is_shown_as_it_comes(page, plain, launch):
    """Experiments, calls and errors appear, and go, without a reload."""
    page.open()

    launch("first")
    page.until(lambda: page.texts(".status") == ["Creating"])
    plain.post("/_mock/clock", {"advance": 1800})
    page.until(lambda: page.texts(".status") == ["Running"])
    assert page.text("#now") == "2026-01-01 09:30:00 UTC"

    plain.call("DescribeInferenceExperiment", Name="<img src=x>")
    page.until(lambda: page.text("#calls-count") == "2")
    refused, created = page.texts("li")
    assert "CreateInferenceExperiment" in created
    assert "ok" in created
    for word in ("DescribeInferenceExperiment", "ValidationException", "failed to satisfy", "<img src=x>"):
        assert word in refused

    plain.post("/_mock/reset", {})
    page.until(lambda: page.texts("details, li") == [])


def test_an_experiment_opens_to_its_timeline_and_variants(page, plain, launch):
    """The picture is there, and follows; who is reading is not disturbed by what happens elsewhere."""
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
    plain.post("/_mock/failures", {"experiment": "first", "reason": "no capacity"})
    page.until(lambda: "Reason: no capacity" in page.texts(".inside p"))
    assert page.find(".picture img").get_attribute("alt").startswith("Timeline of first: Cancelled")
    assert page.texts("details[open] summary b") == ["first"]


def test_a_hundred_experiments_are_filtered(page, plain, launch):
    """By name and status, and the count says how many are left."""
    launch(*(f"experiment-{number}" for number in range(100)))
    plain.post("/_mock/failures", {"experiment": "experiment-7", "reason": "no capacity"})
    page.open()
    assert page.text("#count") == "100"

    page.find("#filter").send_keys("-7 CANCELLED")

    assert page.texts("summary b") == ["experiment-7"]
    assert page.text("#count") == "1 of 100"


@pytest.mark.parametrize("number", [0, 3, 100])
def test_it_fits_a_phone(page, launch, number):
    """Nothing makes it scroll sideways: no long name, no opened picture, no call."""
    launch(*(f"{index}{'-long' * 20}" for index in range(number)))
    page.open(PHONE)

    if number:
        page.find("summary").click()
        page.until(lambda: page.texts(".picture img") == [""])
    assert not page.scrolls_sideways


def test_a_server_that_has_gone_is_said(page, sagemaker_ie_server):
    """What is shown may be old."""
    page.open()

    sagemaker_ie_server.http.shutdown()

    page.until(lambda: page.text("#message") == "The server does not answer.")


# --- what it does


@pytest.mark.parametrize(
    ("button", "now"),
    [
        ("[data-seconds='60']", "09:01:00"),
        ("[data-seconds='3600']", "10:00:00"),
        ("[data-seconds='86400']", "09:00:00"),
        ("#next", "09:06:00"),
    ],
)
def test_its_buttons_move_the_clock(page, launch, button, now):
    """By a minute, an hour, a day, or to where the next thing happens."""
    launch("first")
    page.open()

    page.find(button).click()

    day = "2026-01-02" if "86400" in button else "2026-01-01"
    page.until(lambda: page.text("#now") == f"{day} {now} UTC")


def test_reset_asks_and_forgets(page, launch):
    """Nothing is left to be seen."""
    launch("first")
    page.open()

    page.find("#reset").click()
    page.accept()

    page.until(lambda: page.texts("details, li") == [])


def test_the_keyboard_is_enough(page, launch):
    """Tab goes from button to experiment, Enter presses and opens; the focus stays where it is when others come."""
    keys = webdriver.Keys
    launch("first")
    page.open()

    page.press(keys.TAB)
    assert page.focused == "+1 minute"
    page.press(keys.ENTER)
    page.until(lambda: page.text("#now").endswith("09:01:00 UTC"))
    assert page.focused == "+1 minute"

    while "first" not in page.focused:
        page.press(keys.TAB)
    page.press(keys.ENTER)
    page.until(lambda: page.texts("details[open] summary b") == ["first"])
    launch("second")
    page.until(lambda: page.texts("summary b") == ["second", "first"])
    assert "first" in page.focused
