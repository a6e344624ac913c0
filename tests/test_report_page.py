"""The report in a real browser: it opens from disk, tells an image's history, fits a phone, follows the dark mode."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser, chromium
from fake_workspace import make_params, make_workspace
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from t2ibench.records import write_bytes, write_json
from t2ibench.report import load, timing
from t2ibench.report.page import build


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small study on disk, and the timing page that it links."""
    root, params = tmp_path_factory.mktemp("report"), make_params(("cat", "dog"), ("sd-llm", "dalle3-llm"))
    make_workspace(root, params, per_class=4)
    write_bytes(root / "data/report/index.html", build(load(root, params)).encode())
    reading = {"stage": "images", "cell": "sd-llm", "device": "T4", "hardware": "t4", "images": 8, "seconds": 2.0,
               "images_per_second": 5.0, "peak_memory_mb": 100.0, "reused": 0}
    write_json(root / "timings/images/sd-llm.json", reading)
    write_bytes(root / "data/timing/index.html", timing.build(timing.read([root / "timings"])).encode())
    return root / "data/report/index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def open_page(browser: Browser, page: Path, anchor: str = "") -> None:
    browser.driver.get("about:blank")
    browser.requests()
    browser.driver.get(f"{page.as_uri()}{anchor}")


def is_open(browser: Browser) -> bool:
    return bool(browser.driver.execute_script("return document.getElementById('lineage').open"))


def becomes(browser: Browser, condition: Callable[[Browser], bool]) -> None:
    """Waits until it is so: the address changes first, and the browser tells the page of it in a task of its own."""
    WebDriverWait(browser.driver, 20, poll_frequency=0.05).until(lambda _: condition(browser))


def size(browser: Browser, width: int) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})


def test_it_opens_from_disk_and_asks_for_nothing_but_itself(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    shown = browser.driver.execute_script(
        "return Promise.all([...document.images].map((one) => one.decode())).then(() => document.images.length)")
    assert shown > 20
    assert browser.requests() == [page.as_uri()]
    assert browser.errors() == []


@pytest.mark.parametrize("enter", [False, True])
def test_an_image_tells_its_history_and_escape_closes_it(browser: Browser, page: Path, enter: bool) -> None:
    open_page(browser, page)
    tile = browser.driver.find_element(By.CSS_SELECTOR, "#preview a.tile")
    key = (tile.get_attribute("href") or "").partition("#image-")[2]
    if enter:
        tile.send_keys(Keys.ENTER)
    else:
        tile.click()
    becomes(browser, is_open)
    told = browser.driver.find_element(By.ID, "lineage").text
    for words in (key.partition("/")[2], "seed", "reply-cat", "base", "deblur", "kept", "seen as", "mask"):
        assert words in told
    assert browser.driver.current_url.endswith(f"#image-{key}")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    becomes(browser, lambda page: not is_open(page))
    assert "#image-" not in browser.driver.current_url
    assert browser.driver.switch_to.active_element == tile
    assert browser.errors() == []


def test_a_link_to_an_image_opens_its_history_and_arrows_go_on(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    links = [tile.get_attribute("href") for tile in browser.driver.find_elements(By.CSS_SELECTOR, "#preview a.tile")]
    key = str(links[-1]).partition("#image-")[2]
    open_page(browser, page, f"#image-{key}")
    becomes(browser, is_open)
    open_page(browser, page, f"#image-{key.partition('/')[2]}")
    becomes(browser, is_open)
    before = browser.driver.find_element(By.ID, "lineage").text
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.driver.find_element(By.ID, "lineage").text != before
    open_page(browser, page, "#image-unknown-0")
    assert "does not show the image unknown-0" in browser.driver.find_element(By.ID, "lineage").text
    assert browser.errors() == []


@pytest.mark.parametrize("width", [360, 1400, 3840])
def test_nothing_is_wider_than_the_screen(browser: Browser, page: Path, width: int) -> None:
    timings = page.parents[1] / "timing/index.html"
    size(browser, width)
    for path in (page, timings):
        open_page(browser, path)
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.errors() == []


def test_it_follows_the_dark_mode(browser: Browser, page: Path) -> None:
    grounds = []
    for mode in ("light", "dark"):
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                       {"features": [{"name": "prefers-color-scheme", "value": mode}]})
        open_page(browser, page)
        grounds.append(browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(253, 252, 249)", "rgb(19, 22, 26)"]
