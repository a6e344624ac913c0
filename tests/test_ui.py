"""The MLflow UI in a real browser: the runs table, the charts, the compare page, the pictures; and how it starts and
stops. The study's three cells are published by `track` and served by `make ui`'s own module."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser, chromium
from fake_workspace import make_params
from selenium.webdriver.support.ui import WebDriverWait
from tracked import free_port, make_published, runs_of, start_ui

from t2ibench.records import read_json
from t2ibench.track.mlflow import newest, publish
from t2ibench.track.view import links

CELLS = ("dalle3-llm/base", "sd-caption/base", "sd-llm/base")
NAMES = ("dalle3-llm (standin for DALL-E 3)/base", *CELLS[1:])
"""The same, as people read them."""
PICTURES = "return [...document.images].filter(i => i.src.includes('artifact')).map(i => i.naturalWidth)"
SECTION = """const area = document.querySelector('[data-testid="experiment-view-compare-runs-chart-area"]');
const leaves = [...area.querySelectorAll('*')].filter(one => !one.children.length);
const found = leaves.find(one => one.textContent.startsWith(arguments[0]));
if (found) { found.scrollIntoView({block: 'center'}); return true; }
let box = area; while (box && box.scrollHeight <= box.clientHeight + 5) box = box.parentElement;
if (box) box.scrollTop += 300;
return false;"""
"""Scrolls to the chart or section of a title; what is far away is not in the page yet."""


class Ui:
    """The server's process, what it printed, the workspace behind it."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self.process, self.lines = start_ui(root, self.port)
        number, run_ids = newest(f"sqlite:///{root}/mlflow.db", "study")
        self.links = links(f"http://127.0.0.1:{self.port}", number, run_ids)


def params() -> dict[str, Any]:
    """Three cells: three sources, without deblurring."""
    found = make_params(("cat", "dog", "horse"))
    return found | {"variants": {"base": found["variants"]["base"]}}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    root = tmp_path_factory.mktemp("ui")
    make_published(root, params())
    assert publish(runs_of(root, params()), "study", None, root) == 3
    found = Ui(root)
    yield found
    found.process.kill()
    found.process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(1600, 1400) as found:
        yield found


def shown(browser: Browser, address: str, *texts: str) -> str:
    """Opens the address and returns the page's text once it holds all of `texts`."""
    browser.driver.get("about:blank")
    browser.driver.get(address)
    return until(browser, lambda: all(text in text_of(browser) for text in texts), texts) and text_of(browser)


def text_of(browser: Browser) -> str:
    return str(browser.driver.execute_script("return document.body.innerText"))


def until(browser: Browser, condition: Callable[[], Any], what: object) -> Any:
    return WebDriverWait(browser.driver, 120).until(lambda _: condition(), f"never shown: {what}")


def results(ui: Ui, cell: str) -> dict[str, Any]:
    return dict(read_json(ui.root / f"results/evaluate/{cell}.json"))


def check_loopback(browser: Browser) -> None:
    """Nothing left the machine, and the console is clean but for a page of MLflow's that its own server lacks."""
    sent = browser.requests()
    assert sent
    assert [url for url in sent if not url.startswith(("http://127.0.0.1:", "about:"))] == []
    assert [error for error in browser.errors() if "/mlflow/users/current" not in error] == []


def test_the_addresses_that_it_prints_are_those_of_the_runs(ui: Ui) -> None:
    assert f"MLflow answers at http://127.0.0.1:{ui.port}; Ctrl-C stops it" in ui.lines
    assert [line.strip() for line in ui.lines if "#/" in line] == list(ui.links.values())


def test_the_runs_table_sorts_by_accuracy_and_has_the_columns_to_sort_by(ui: Ui, browser: Browser) -> None:
    text = shown(browser, ui.links["all runs"], *NAMES, "accuracy", "clip_pass_rate", "images_per_second", "published")
    assert "Model training" in text
    assert "Traces" in text and "Judges" not in text  # the sidebar of model training, not that of GenAI
    order = sorted(CELLS, key=lambda cell: text.index(NAMES[CELLS.index(cell)]))
    accuracies = [results(ui, cell)["accuracy"] for cell in order]
    assert accuracies == sorted(accuracies, reverse=True)
    for value in accuracies:
        assert f"{value:.6g}" in text
    check_loopback(browser)


def test_the_first_page_opens_in_model_training_without_being_told(ui: Ui, browser: Browser) -> None:
    browser.driver.execute_script("localStorage.clear()")
    shown(browser, f"http://127.0.0.1:{ui.port}/", "Model training", "Experiments")
    chosen = browser.driver.execute_script("return localStorage.getItem('mlflow.workflowType_v1')")
    assert chosen == '"machine_learning"'


def test_the_charts_show_accuracy_per_class_and_the_grids_side_by_side(ui: Ui, browser: Browser) -> None:
    shown(browser, ui.links["charts and picture grids"], *NAMES, "Overall", "clip_pass_rate")

    def bars() -> set[str]:
        return set(browser.driver.execute_script(
            "return [...document.querySelectorAll('.bartext')].map(one => one.textContent)"))

    def pictures() -> bool:
        widths = browser.driver.execute_script(PICTURES)
        return len(widths) >= 3 and all(widths)

    wanted = {f"{results(ui, cell)['per_class'][name]['accuracy']:.2f}" for cell in CELLS for name in ("cat", "dog")}
    for title, condition in (("accuracy/cat", lambda: wanted <= bars()), ("grid", pictures)):
        until(browser, lambda title=title, condition=condition: browser.driver.execute_script(SECTION, title)
              and condition(), f"what {title} holds")
    assert "Accuracy per class" in text_of(browser)
    check_loopback(browser)


def test_the_artifact_view_lines_the_pictures_up_by_prompt(ui: Ui, browser: Browser) -> None:
    prompt = runs_of(ui.root, params())[0].samples[0][0]
    shown(browser, ui.links["pictures by prompt"], *NAMES, "prompt", prompt)

    def pictures() -> bool:
        widths = browser.driver.execute_script(PICTURES)
        return len(widths) >= 3 and all(widths)

    until(browser, pictures, "pictures of the samples")
    check_loopback(browser)


def test_the_compare_page_of_three_runs_shows_the_values_of_every_class(ui: Ui, browser: Browser) -> None:
    text = shown(browser, ui.links["figures side by side"], "Comparing 3 Runs from 1 Experiment", "accuracy/horse",
                 "clip_pass_rate")
    for cell in CELLS:
        assert NAMES[CELLS.index(cell)] in text
        for one in results(ui, cell)["per_class"].values():
            assert f"\n{one['accuracy']:.3g}\n" in text
    until(browser, lambda: browser.driver.execute_script(
        "return document.querySelectorAll('.js-plotly-plot .parcoords, .js-plotly-plot canvas').length"), "a chart")
    check_loopback(browser)


def test_a_run_shows_its_data_sets_with_their_dvc_digests(ui: Ui, browser: Browser) -> None:
    with urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{ui.port}/api/2.0/mlflow/runs/search", json.dumps({"experiment_ids": ["1"]}).encode(),
            {"Content-Type": "application/json"})) as answer:
        run = json.load(answer)["runs"][0]
    data = run["inputs"]["dataset_inputs"][0]["dataset"]
    address = f"http://127.0.0.1:{ui.port}/#/experiments/1/runs/{quote(run['info']['run_id'])}"
    shown(browser, address, run["info"]["run_name"], data["name"], data["digest"][:8])
    check_loopback(browser)


def test_ctrl_c_stops_it_and_leaves_nothing_behind(ui: Ui) -> None:
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(timeout=60) == 0
    assert ui.process.stdout
    assert ui.process.stdout.read().strip() == "MLflow stopped"
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", ui.port)) != 0


def test_a_port_in_use_is_one_sentence(ui: Ui) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = _run(ui.root, "--port", str(port))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (f"t2ibench: --port: {port} cannot be used; accepted: a free port (Address already in use); "
                            f"make ui PORT={port + 1} takes another\n")


def test_without_a_publication_there_is_nothing_to_show(tmp_path: Path, ui: Ui) -> None:
    (tmp_path / "params.yaml").write_bytes((ui.root / "params.yaml").read_bytes())
    ended = _run(tmp_path, "--port", str(free_port()))
    assert ended.returncode == 2
    assert "nothing is published yet" in ended.stderr and "make repro" in ended.stderr


def _run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "t2ibench.track.ui", *arguments], cwd=root, text=True, check=False,
                          capture_output=True, env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin"})
