"""The review page with a thousand pictures in a real browser: keys, selections, progress, and what survives a kill."""

import csv
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser, chromium
from review_server import CLASSES, SOURCE, Server, make_source
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from t2ibench.records import Sample

IMAGES = 1000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def samples(root: Path) -> list[Sample]:
    """In the order of the page: by class, then by id."""
    made = make_source(root, IMAGES)
    return sorted(made, key=lambda sample: (CLASSES.index(sample.class_name), sample.id))


@pytest.fixture(scope="module")
def browser(samples: list[Sample]) -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def anna(browser: Browser, root: Path) -> Iterator[Server]:
    with Server(root, "anna") as server:
        yield server


class Page:
    """What a reviewer does and sees."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.driver = browser, browser.driver
        self.driver.get("about:blank")  # ends the page of the test before
        browser.errors()  # and forgets what it told
        browser.requests()
        self.driver.get(url)
        wait(lambda: self.script("return document.body.dataset.ready") == "yes")

    def script(self, text: str, *arguments: object) -> object:
        return self.driver.execute_script(text, *arguments)

    def keys(self, text: str) -> None:
        ActionChains(self.driver).send_keys(text).perform()

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def choose(self, select: str, begins: str) -> None:
        options = self.driver.find_elements(By.CSS_SELECTOR, f"#{select} option")
        next(option for option in options if option.text.startswith(begins)).click()

    @property
    def current(self) -> str:
        return str(self.script("return document.querySelector('#picture').dataset.id"))

    @property
    def place(self) -> str:
        return self.text("#place").split(" · ")[0]

    def judged(self, count: int) -> None:
        """Waits until so many pictures are judged."""
        wait(lambda: self.text("#counts").startswith(f"{count} of {IMAGES} judged"), lambda: self.text("#counts"))


def wait(until: Callable[[], bool], say: Callable[[], str] = str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, say()
        time.sleep(0.03)


def rows(root: Path) -> dict[str, tuple[str, str]]:
    """{id: (decision, note)} of anna in the file."""
    with (root / "reviews" / f"{SOURCE}.csv").open(newline="") as file:
        return {row["id"]: (row["decision"], row["note"]) for row in csv.DictReader(file) if row["reviewer"] == "anna"}


@pytest.fixture
def page(browser: Browser, anna: Server, root: Path) -> Page:
    """The page with nothing judged yet."""
    (root / "reviews" / f"{SOURCE}.csv").unlink(missing_ok=True)
    return Page(browser, anna.url)


def test_a_thousand_pictures_load_lazily_and_nothing_leaves_loopback(
    page: Page, anna: Server, samples: list[Sample]
) -> None:
    assert page.current == samples[0].id and page.place == f"1 of {IMAGES}"
    assert page.text("#prompt") == samples[0].prompt  # its tags are text
    loaded = "return [...document.querySelectorAll('#thumbs img')].filter((one) => one.naturalWidth).length"
    wait(lambda: int(str(page.script(loaded))) > 20)
    assert int(str(page.script(loaded))) < IMAGES / 2
    page.script("document.querySelector('#thumbs').scrollTop = 1e6")
    last = "return document.querySelector('#thumbs button:last-child img').naturalWidth"
    wait(lambda: page.script(last) == 16)
    page.click("#thumbs button:last-child")
    wait(lambda: page.current == samples[-1].id)
    assert all(url.startswith(anna.url) for url in page.browser.requests())
    assert page.browser.errors() == []


def test_keys_decide_and_undo_takes_back(page: Page, root: Path, samples: list[Sample]) -> None:
    page.keys("kr")
    page.judged(2)
    assert rows(root) == {samples[0].id: ("keep", ""), samples[1].id: ("reject", "")}
    assert page.current == samples[2].id and "1 kept · 1 rejected" in page.text("#counts")
    page.keys("\ue013\ue015")  # arrow up, arrow down
    page.judged(4)
    assert [decision for decision, _ in rows(root).values()] == ["keep", "reject", "keep", "reject"]
    page.keys("u")
    page.judged(3)
    assert page.current == samples[3].id and samples[3].id not in rows(root)
    page.keys("uuuuu")
    page.judged(0)
    assert page.current == samples[0].id and rows(root) == {}


def test_a_decision_can_be_changed_and_the_change_undone(page: Page, root: Path, samples: list[Sample]) -> None:
    page.keys("kk")
    page.judged(2)
    page.keys("\ue012\ue012r")  # two to the left
    wait(lambda: rows(root)[samples[0].id][0] == "reject")
    wait(lambda: page.current == samples[1].id)
    page.keys("u")
    wait(lambda: rows(root)[samples[0].id][0] == "keep")
    wait(lambda: page.current == samples[0].id)
    assert "you keep it" in page.text("#place")


def test_a_note_is_kept_with_its_decision(page: Page, root: Path, samples: list[Sample]) -> None:
    page.keys("n")
    page.keys("krumm, \"odd\"\ue007")  # letters that are keys elsewhere; Enter
    page.keys("r")
    page.judged(1)
    assert rows(root) == {samples[0].id: ("reject", 'krumm, "odd"')}
    page.keys("\ue012n")
    wait(lambda: page.script("return document.activeElement.id") == "note")
    page.keys("!\ue007")
    wait(lambda: rows(root) == {samples[0].id: ("reject", 'krumm, "odd"!')})


def test_jump_goes_to_the_next_undecided_and_around(page: Page, samples: list[Sample]) -> None:
    page.keys("k\ue014k\ue014\ue014k")  # 0, 2 and 5 are kept; 1, 3 and 4 are left out
    page.judged(3)
    page.keys("\ue012" * 8)
    wait(lambda: page.current == samples[0].id)
    for place in (1, 3, 4, 6):
        page.keys("j")
        wait(lambda place=place: page.current == samples[place].id)  # type: ignore[misc]


def test_selections_leave_what_they_say(page: Page, root: Path, samples: list[Sample]) -> None:
    page.choose("by-class", "cat")
    cats = [sample.id for sample in samples if sample.class_name == "cat"]
    wait(lambda: page.place == f"1 of {len(cats)}" and page.current == cats[0])
    page.choose("by-reason", "duplicate")
    wait(lambda: page.text("#own button[value='all'] small") == "0" or page.place.startswith("1 of"))
    page.choose("by-class", "every")
    wait(lambda: page.place == f"1 of {IMAGES // 10}")
    assert "It repeats" in page.text("#filter") and page.text("#filter b") == "Filter rejects"
    page.choose("by-reason", "any")
    page.click("#own button[value='']")
    page.keys("kkr")  # from the second picture on, the first duplicate
    page.judged(3)
    wait(lambda: page.place == f"2 of {IMAGES - 3}")
    page.click("#own button[value='reject']")
    wait(lambda: page.place == "1 of 1")
    assert rows(root)[page.current] == ("reject", "")
    page.keys("k")  # it leaves the selection, which is empty then
    wait(lambda: page.text("#empty") == "No picture is left in this selection.")
    page.keys("krj\ue014")  # nothing to decide
    page.keys("u")
    wait(lambda: page.place == "1 of 1")
    assert len(rows(root)) == 3


def test_a_killed_server_loses_nothing_and_the_page_goes_on(
    browser: Browser, root: Path, samples: list[Sample]
) -> None:
    (root / "reviews" / f"{SOURCE}.csv").unlink(missing_ok=True)
    with Server(root, "anna") as server:
        page = Page(browser, server.url)
        page.keys("krkrk")
        wait(lambda: len(rows(root)) >= 2 if (root / "reviews" / f"{SOURCE}.csv").exists() else False)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        page.keys("r")
        wait(lambda: page.text("#state") == "Not saved")
        shown = int(page.text("#counts").split()[0])
        assert shown <= len(rows(root)) <= shown + 1  # what the page counts is on the disk
        page.keys("rrrr")  # typed at a picture that waits: nothing happens
    with Server(root, "anna", server.port):
        page.judged(shown + 1)
        wait(lambda: page.text("#state") == "Saved")
        assert len(rows(root)) == shown + 1
        typed = ["keep", "reject"] * 3
        assert [rows(root)[sample.id][0] for sample in samples[: shown + 1]] == typed[: shown + 1]
        again = Page(browser, server.url)
        again.judged(shown + 1)
        assert again.current == samples[shown + 1].id
    assert [error for error in browser.errors() if "net::ERR_" not in error] == []  # of the time without a server


def test_the_second_reviewer_sees_nothing_of_the_first(page: Page, root: Path) -> None:
    page.keys("krr")
    page.judged(3)
    with Server(root, "ben") as server:
        other = Page(page.browser, server.url)
        other.judged(0)
        assert other.text("#reviewer") == "ben" and other.text("#own button[value='reject'] small") == "0"
        assert "anna" not in str(other.script("return document.documentElement.outerHTML"))
        other.keys("r")
        other.judged(1)
        assert len(rows(root)) == 3
        assert page.browser.errors() == []
