"""The page of the server in a headless Chromium, as a user sees and uses it. It needs selenium."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

DESKTOP, PHONE = (1200, 800), (390, 844)

# The words of the page, parts of compound words too, that need more than one line.
BROKEN_WORDS = """(() => {
  const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = new Range();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.parentElement.checkVisibility() || text.parentElement.closest(".clamp")) continue;
    for (const word of text.data.matchAll(/[A-Za-z0-9]{2,}/g)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
    }
  }
  return broken;
})()"""


# The top of the first text of each element that matches a selector.
TEXT_TOPS = """[...document.querySelectorAll(arguments[0])].map(element => {
  const range = new Range();
  range.selectNodeContents(document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode());
  return Math.round(range.getBoundingClientRect().top);
})"""


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Run a browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as browser:
        yield browser


class Page:
    """The page as a user sees and uses it."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url

    def open(self, size: tuple[int, int] = DESKTOP) -> None:
        """Open the page on a screen of this size, and wait until the page shows the time."""
        self.resize(size)
        self._browser.get(self._url)
        self.until(lambda: self.text("#now") != "…")

    def resize(self, size: tuple[int, int]) -> None:
        """Change the size of the screen."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self._browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def until(self, condition: Any) -> None:
        """Wait until a condition is true. Raises TimeoutException after 10 seconds."""
        WebDriverWait(self._browser, 10, poll_frequency=0.02).until(lambda _: condition())

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script and return its value."""
        return self._browser.execute_script(f"return {script}", *arguments)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the visible elements that match a CSS selector."""
        elements = "[...document.querySelectorAll(arguments[0])].filter(element => element.checkVisibility())"
        return self.run(f"{elements}.map(element => element.innerText.trim())", selector)

    def text(self, selector: str) -> str:
        """Return the text of the only visible element that matches a CSS selector."""
        (text,) = self.texts(selector)
        return text

    def find(self, selector: str) -> Any:
        """Return an element, to click on it or to type into it."""
        return self._browser.find_element("css selector", selector)

    def all(self, selector: str) -> Any:
        """Return all elements that match a CSS selector."""
        return self._browser.find_elements("css selector", selector)

    def grant(self, *permissions: str) -> None:
        """Give the page permissions of the browser."""
        self._browser.execute_cdp_cmd("Browser.grantPermissions", {"origin": self._url, "permissions": permissions})

    def press(self, *keys: str) -> None:
        """Press keys; the focused element gets them."""
        webdriver.ActionChains(self._browser).send_keys(*keys).perform()

    @property
    def focused(self) -> str:
        """The text of the focused element."""
        return self.run("document.activeElement.innerText")

    @property
    def scrolls_sideways(self) -> bool:
        """True if the page is wider than the screen."""
        return self.run("document.documentElement.scrollWidth > window.innerWidth")

    def accept(self) -> None:
        """Accept a confirmation dialogue."""
        self._browser.switch_to.alert.accept()
