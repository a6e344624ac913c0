"""The report: one self-contained page, equal for equal results, with everything that a reader needs to judge."""

import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_workspace import make_params, make_workspace, summarise, write_compare
from PIL import Image

from t2ibench.compare import AVERAGE
from t2ibench.errors import ConfigError, MissingError
from t2ibench.pictures import encode_png
from t2ibench.records import CLASSES, Prediction, Sample, read_json, read_rows, write_bytes, write_json, write_rows
from t2ibench.report import Settings, load
from t2ibench.report.grid import grids, sample_grid
from t2ibench.report.page import build, figures

SOURCES = ("sd-llm", "dalle3-llm")
SECTIONS = ["ran", "pipeline", "preview", "funnel", "tables", "accuracy", "confusion", "failures"]


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text outside of <style>."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root, params = tmp_path_factory.mktemp("workspace"), make_params(sources=SOURCES)
    make_workspace(root, params, per_class=4)
    return root, params


@pytest.fixture(scope="module")
def page(workspace: tuple[Path, dict[str, Any]]) -> Page:
    return Page(build(load(*workspace)))


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A workspace of two classes and one source, to damage."""
    params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
    make_workspace(tmp_path, params, per_class=3)
    return tmp_path, params


def test_the_sections_stand_in_reading_order(page: Page) -> None:
    assert [section["id"] for section in page.all("section")] == SECTIONS
    targets = [(link["href"] or "").removeprefix("#") for link in page.all("a")]
    assert targets == SECTIONS
    assert not page.open


def test_the_page_asks_nothing_of_a_network(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name)


def test_a_page_lets_the_browser_refuse_everything_but_its_own_images(page: Page) -> None:
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_equal_results_give_equal_bytes(workspace: tuple[Path, dict[str, Any]]) -> None:
    first, second = load(*workspace), load(*workspace)
    assert build(first) == build(second)
    assert figures(first) == figures(second)


def test_the_page_does_not_depend_on_where_it_was_made(tmp_path: Path) -> None:
    pages = []
    for name in ("here", "there"):
        params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
        make_workspace(tmp_path / name, params, per_class=2)
        pages.append(build(load(tmp_path / name, params)))
        params["hardware"] |= {"name": "h100", "device": "cuda", "threads": 9}
        pages.append(build(load(tmp_path / name, params)))
    assert len(set(pages)) == 1
    assert str(tmp_path) not in pages[0]


def test_a_banner_says_that_the_bundled_models_prove_no_paper(page: Page) -> None:
    assert "They prove the harness, never a paper." in page.text
    assert "The images of dalle3-llm are drawn by a stand-in" in page.text


def test_models_of_the_paper_have_no_banner(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    params["models"] = {"name": "hub", "comparable": True, "note": ""}
    write_compare(root, params)
    html = build(load(root, params))
    assert 'class="banner"' not in html
    assert "stand-in" not in Page(html).text


def test_every_picture_has_a_text_for_those_who_do_not_see_it(page: Page) -> None:
    alts = [image["alt"] for image in page.all("img")]
    assert len(alts) > 2 * 2 * 10 * 4
    assert all(alts)
    assert any(alt and alt.startswith("Accuracy of sd-llm/base in percent: cat ") for alt in alts)


def test_the_pipeline_shows_the_counts_of_every_step(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    text = " ".join(page.text.split())
    for step in read_json(workspace[0] / "results/filter/sd-llm.json")["funnel"]:
        name = "CLIP" if step["step"] == "clip" else step["step"]
        assert f"{name}{step['count']}" in text


def test_every_published_number_stands_beside_ours(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    rows = [tag for tag in page.all("tr") if tag.get("class") == "average"]
    assert len(rows) == 6
    for row in read_json(workspace[0] / "results/compare.json")["cells"]:
        assert row["published_printed"] in page.text
    assert "this study does not run sd-caption/base" in page.text


def test_the_previews_show_the_same_images_in_every_variant(workspace: tuple[Path, dict[str, Any]], page: Page) -> None:
    inputs = load(*workspace)
    shown = [image["alt"] or "" for image in page.all("img") if "tile" in (image["class"] or "")]
    for name in CLASSES:
        base = [alt.partition(". ")[2] for alt in shown if alt.startswith(f"{name}, sd-llm/base.")]
        assert base == [f"Prompt: {sample.prompt}" for sample in inputs.cells["sd-llm/base"].of_class(name)]
        assert base == [alt.partition(". ")[2] for alt in shown if alt.startswith(f"{name}, sd-llm/deblur.")]


def test_small_pictures_stay_crisp_and_large_ones_are_reduced(tmp_path: Path) -> None:
    params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
    make_workspace(tmp_path, params, per_class=1, size=512)
    tiles = [image for image in Page(build(load(tmp_path, params))).all("img") if "tile" in (image["class"] or "")]
    assert {(image["width"], "crisp" in (image["class"] or "")) for image in tiles} == {("288", False)}


def test_every_misclassified_image_is_in_the_gallery_up_to_the_limit(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/evaluate/sd-llm/base/predictions.jsonl"
    rows = read_rows(path, Prediction)
    wrong = [Prediction(**(row.to_row() | {"predicted": "none", "confidence": 0.0, "box": None})) for row in rows]
    write_rows(path, wrong)
    write_json(root / "results/evaluate/sd-llm/base.json", summarise(wrong, params["study"]["classes"]))
    params["report"]["failures"] = 4
    page = Page(build(load(root, params)))
    assert "6 of 6 misclassified, 4 shown" in page.text
    alts = [image["alt"] or "" for image in page.all("img")]
    base = [alt.split(".")[0] for alt in alts if alt.startswith("Intended")][:4]
    assert base == ["Intended cat, predicted none", "Intended dog, predicted none"] * 2


def test_a_prompt_cannot_write_into_the_page(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/deblur/sd-llm/base/metadata.jsonl"
    rows = [
        Sample.from_row(row.to_row() | {"prompt": '"><script>alert(1)</script>'}) for row in read_rows(path, Sample)
    ]
    write_rows(path, rows)
    html = build(load(root, params))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_class_without_images_is_said_not_hidden(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    for variant in params["variants"]:
        images = root / f"data/deblur/sd-llm/{variant}/metadata.jsonl"
        table = root / f"data/evaluate/sd-llm/{variant}/predictions.jsonl"
        write_rows(images, [row for row in read_rows(images, Sample) if row.class_name != "dog"])
        kept = [row for row in read_rows(table, Prediction) if row.class_name != "dog"]
        write_rows(table, kept)
        write_json(root / f"results/evaluate/sd-llm/{variant}.json", summarise(kept, params["study"]["classes"]))
    write_compare(root, params)
    inputs = load(root, params)
    assert "no image was kept" in build(inputs)
    assert all(png.startswith(b"\x89PNG") for png in figures(inputs).values())


def test_a_cell_without_any_image_still_gives_a_page(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    empty = {name: 0 for name in params["study"]["classes"]}
    steps = ["generated", "made", "clip", "quality", "people", "kept"]
    write_json(root / "results/filter/sd-llm.json", {
        "planned": 0, "made": 0, "clip_pass_rate": None, "clip_pass_rate_per_class": dict.fromkeys(empty),
        "rejected": {}, "funnel": [{"step": step, "count": 0, "per_class": empty} for step in steps]})  # fmt: skip
    for variant in params["variants"]:
        write_rows(root / f"data/deblur/sd-llm/{variant}/metadata.jsonl", [])
        write_rows(root / f"data/evaluate/sd-llm/{variant}/predictions.jsonl", [])
        write_json(root / f"results/evaluate/sd-llm/{variant}.json", summarise([], params["study"]["classes"]))
    write_compare(root, params)
    inputs = load(root, params)
    assert "0 generated images kept" in build(inputs)
    assert figures(inputs)


def test_the_figures_are_named_by_kind_and_cell(workspace: tuple[Path, dict[str, Any]]) -> None:
    drawn = figures(load(*workspace))
    per_cell = {f"{kind}-{s}-{v}" for kind in ("accuracy", "confusion", "grid", "failures") for s in SOURCES
                for v in ("base", "deblur")}  # fmt: skip
    assert set(drawn) == per_cell | {f"{kind}-{s}" for kind in ("funnel", "kept") for s in SOURCES}
    for png in drawn.values():
        Image.open(io.BytesIO(png)).verify()
        assert b"matplotlib" not in png.lower()


def test_the_grid_shows_the_first_images_by_id_at_twice_their_size(workspace: tuple[Path, dict[str, Any]]) -> None:
    inputs = load(*workspace)
    cell = inputs.cells["sd-llm/base"]
    grid = np.asarray(sample_grid(cell, inputs.classes, 6))
    first = np.asarray(Image.open(cell.folder / cell.of_class("cat")[0].file_name)).repeat(2, axis=0).repeat(2, axis=1)
    top, left = 56, 108
    np.testing.assert_array_equal(grid[top : top + 128, left : left + 128], first)
    assert [sample.id for sample in cell.of_class("cat")] == sorted(sample.id for sample in cell.of_class("cat"))
    assert {name.partition("-")[0] for name in grids(inputs)} == {"grid", "failures"}


def test_charts_name_no_date_and_no_version(workspace: tuple[Path, dict[str, Any]]) -> None:
    html = build(load(*workspace))
    charts = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    assert len(charts) == 2 * 2 + 4 + 4
    for chart in charts:
        text = base64.b64decode(chart).decode()
        assert "dc:date" not in text
        assert version("matplotlib") not in text


RESULTS = ["results/compare.json", "results/filter/sd-llm.json", "results/evaluate/sd-llm/base.json"]


@pytest.mark.parametrize("path", [*RESULTS, "data/deblur/sd-llm/base/metadata.jsonl",
                                  "data/evaluate/sd-llm/deblur/predictions.jsonl"])  # fmt: skip
def test_a_missing_or_truncated_file_is_named(small: tuple[Path, dict[str, Any]], path: str) -> None:
    root, params = small
    file = root / path
    write_bytes(file, file.read_bytes()[:-20])
    with pytest.raises(MissingError, match=re.escape(path)):
        load(root, params)
    file.unlink()
    with pytest.raises(MissingError, match=f"{re.escape(path)} is missing"):
        load(root, params)


@pytest.mark.parametrize("path", RESULTS)
@pytest.mark.parametrize("content", [[], {}, "text"])
def test_a_file_with_something_else_in_it_is_named(small: tuple[Path, dict[str, Any]], path: str, content: Any) -> None:
    root, params = small
    write_json(root / path, content)
    with pytest.raises(MissingError, match=re.escape(path)):
        load(root, params)


@pytest.mark.parametrize("key", ["study", "models"])
def test_a_comparison_of_another_study_is_refused(small: tuple[Path, dict[str, Any]], key: str) -> None:
    root, params = small
    write_json(root / "results/compare.json", read_json(root / "results/compare.json") | {key: "other"})
    with pytest.raises(MissingError, match=f"another study: {key} other"):
        load(root, params)


def test_results_of_other_classes_are_refused(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    params["study"]["classes"] = ["cat", "zebra"]
    with pytest.raises(MissingError, match="another study: its classes are cat, dog"):
        load(root, params)


def test_predictions_about_other_images_are_refused(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/evaluate/sd-llm/base/predictions.jsonl"
    write_rows(path, read_rows(path, Prediction)[1:])
    with pytest.raises(MissingError, match="are not about the 6 images"):
        load(root, params)


def test_a_damaged_image_is_named(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    inputs = load(root, params)
    cell = inputs.cells["sd-llm/base"]
    write_bytes(cell.folder / cell.samples[0].file_name, encode_png(np.zeros((64, 64, 3), np.uint8))[:40])
    with pytest.raises(MissingError, match=re.escape(cell.samples[0].file_name)):
        build(inputs)


def test_what_another_study_left_behind_is_not_shown(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    make_workspace(root, make_params(classes=("cat", "dog"), sources=("sd-caption",)), per_class=1)
    write_compare(root, params)
    assert list(load(root, params).cells) == ["sd-llm/base", "sd-llm/deblur"]


@pytest.mark.parametrize(
    ("key", "value"), [("grid_columns", 0), ("grid_columns", 6.0), ("failures", -1), ("failures", "24")]
)
def test_a_setting_out_of_range_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"report.{key}"):
        Settings(**{key: value})


def test_the_average_of_a_study_without_tables_is_drawn_too(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    params["compare"]["tables"] = None
    write_compare(root, params)
    html = build(load(root, params))
    assert "This study names no published table." in html
    assert f"{AVERAGE} " in html
