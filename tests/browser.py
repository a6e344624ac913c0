"""A real headless Chromium for the pages: what a person would see, click and type, and every request that it makes."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service


class Browser:
    """driver: selenium's; `requests` and `errors` tell what happened since the last call of either."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def requests(self) -> list[str]:
        """The addresses of all requests of pages since the last call, `data:` left out."""
        rows = [json.loads(row["message"])["message"] for row in self.driver.get_log("performance")]
        sent = [row["params"]["request"]["url"] for row in rows if row["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("data:", "blob:"))]

    def errors(self) -> list[str]:
        """What the console told as severe since the last call."""
        return [row["message"] for row in self.driver.get_log("browser") if row["level"] == "SEVERE"]


@contextmanager
def chromium(width: int = 1400, height: int = 900) -> Iterator[Browser]:
    """Skips the test where Debian's packages chromium and chromium-driver are not installed."""
    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not found or not driver:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                 f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_page_load_timeout(60)
        yield Browser(browser)
    finally:
        browser.quit()


def screenshot(browser: Browser, path: Path) -> None:
    """The visible page as a PNG file, to be looked at."""
    browser.driver.save_screenshot(str(path))
