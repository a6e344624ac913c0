"""The report: one self-contained page, equal for equal results, with everything that a reader needs to judge."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_results import filter_results
from fake_workspace import make_params, make_workspace, summarise, write_compare
from html_page import Page
from PIL import Image

from t2ibench.compare import AVERAGE
from t2ibench.errors import ConfigError, MissingError
from t2ibench.harness.completeness import completeness
from t2ibench.pictures import encode_png
from t2ibench.records import (
    CLASSES,
    Decision,
    Prediction,
    Prompt,
    Sample,
    Segmentation,
    read_json,
    read_rows,
    write_bytes,
    write_json,
    write_rows,
)
from t2ibench.report import Settings, load, verdicts
from t2ibench.report.embed import Album
from t2ibench.report.grid import grids, sample_grid
from t2ibench.report.page import build, figures
from t2ibench.weights import locate

SOURCES = ("sd-llm", "dalle3-llm")
SECTIONS = ["ran", "pipeline", "preview", "funnel", "tables", "pairs", "confusion", "failures", "segmentation", "audit"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root, params = tmp_path_factory.mktemp("workspace"), make_params(sources=SOURCES)
    make_workspace(root, params, per_class=4)
    return root, params


@pytest.fixture(scope="module")
def html(workspace: tuple[Path, dict[str, Any]]) -> str:
    return build(load(*workspace))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A workspace of two classes and one source, to damage."""
    params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
    make_workspace(tmp_path, params, per_class=3)
    return tmp_path, params


def test_the_sections_stand_in_reading_order(page: Page) -> None:
    assert [section["id"] for section in page.all("section")] == SECTIONS
    targets = [(link["href"] or "").removeprefix("#") for link in page.all("a")]
    assert [target for target in targets if target in SECTIONS] == SECTIONS
    assert not page.open


def test_the_page_asks_nothing_of_a_network(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object")
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "../timing/index.html", (tag, name)
    assert all(uri.startswith("data:image/webp;base64,") for uri in page.json["pictures"].values())


def test_a_page_lets_the_browser_refuse_everything_but_its_own_script_and_images(html: str, page: Page) -> None:
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    script = html[html.rindex("<script>") + len("<script>") : html.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'")


def test_every_picture_is_embedded_once_and_every_one_that_is_shown(html: str, page: Page) -> None:
    shown = [image["data-picture"] for image in page.all("img")]
    pictures = page.json["pictures"]
    assert set(shown) <= set(pictures) and len(shown) > len(set(shown))
    assert len(set(pictures.values())) == len(pictures)
    assert html.count("data:image/webp") == len(pictures)
    in_dialogs = {view["picture"] for record in page.json["records"].values() for view in record["views"]}
    assert set(shown) | in_dialogs == set(pictures)


def test_every_image_leads_to_its_history(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    inputs, records = load(*workspace), page.json["records"]
    links = {(link["href"] or "").removeprefix("#image-") for link in page.all("a") if link.get("class")}
    assert {link for link in links if link} == set(records)
    cell = inputs.cells["sd-llm/base"]
    sample = cell.samples[0]
    record = records[f"sd-llm/{sample.id}"]
    assert (record["prompt"], record["seed"], record["kind"]) == (sample.prompt, sample.seed, "llm")
    assert record["origin"]["reply_id"] == f"reply-{sample.class_name}"
    assert [view["name"] for view in record["views"]] == ["base", "deblur"]
    assert record["views"][0]["seen"]["predicted"] == cell.predictions[sample.id].predicted
    assert record["views"][0]["mask"]["predicted"] == cell.segmentations[sample.id].predicted
    assert dict(record["decision"]["clip_scores"]).keys() == set(CLASSES)


def test_a_rejected_image_tells_why(page: Page) -> None:
    reasons = {record["decision"]["reason"] for record in page.json["records"].values()}
    assert reasons == {"", "clip", "black", "flat", "duplicate", "people", "review"}
    black = next(one for one in page.json["records"].values() if one["decision"]["reason"] == "black")
    assert [view["name"] for view in black["views"]] == ["as generated"]
    assert "seen" in black["views"][0]


def test_the_verdicts_stand_in_one_sentence_at_the_top(page: Page) -> None:
    assert "Of the paper's 66 printed numbers, none can be compared." in page.text


@pytest.mark.parametrize(("words", "sentence"), [
    ([], "This study names no published table: its numbers stand for themselves."),
    (["reproduced"], "Of the paper's 1 printed numbers, the one are reproduced."),
    (["reproduced", "differs", "underpowered", "underpowered"],
     "Of the paper's 4 printed numbers, 1 are reproduced, 1 differ and 2 need more images to decide."),
    (["underpowered", "not comparable"],
     "Of the paper's 2 printed numbers, none are reproduced, none differ, 1 need more images to decide and 1 cannot be "
     "compared."),
])
def test_the_sentence_counts_every_verdict(workspace: tuple[Path, dict[str, Any]], words: list[str],
                                           sentence: str) -> None:
    inputs = load(*workspace)
    cells = [{"verdict": word} for word in words]
    assert verdicts.sentence(replace(inputs, comparison={**inputs.comparison, "cells": cells})) == sentence


def test_the_page_says_what_ran_with_digests_and_licences(page: Page) -> None:
    assert locate("tiny://yolo").digest[:12] in page.text
    assert "ultralytics' (AGPL-3.0)" in page.text
    assert "Apache-2.0: authored for this project" in page.text


def test_the_paper_is_audited_and_reviewers_agree(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "Tables 1 and 3 print 87.25 → 87.75" in text
    assert "Cohen's κ = 0.64" in text


def test_pairs_show_the_images_that_changed_sides(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    rows = [row for row in read_json(workspace[0] / "results/compare.json")["pairs"] if row["class"] == "all"]
    for row in rows:
        assert f"{row['gained'] + row['lost']} image" in page.text


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
    assert "hard-cases.json" not in page.text, "captions are data, and no model"
    assert "Of the images of dalle3-llm another model drew: standin for DALL-E 3." in page.text


def test_models_of_the_paper_have_no_banner(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    params["models"] = {"name": "hub", "comparable": True, "note": ""}
    write_compare(root, params)
    html = build(load(root, params))
    assert 'class="banner"' not in html
    assert "standin" not in Page(html).text


def test_where_another_model_drew_every_name_says_so_and_keys_stay(page: Page, html: str) -> None:
    told = "dalle3-llm (standin for DALL-E 3)"
    text = page.text.replace("Of the images of dalle3-llm another model", "")
    said = re.findall(r"dalle3-llm\s*\(standin for DALL-E 3\)", text)  # a narrow chart has it in two lines
    assert text.count("dalle3-llm") == len(said) > 15
    words = [tag.get(name) or "" for _, tag in page.tags for name in ("alt", "aria-label", "title")]
    assert [word for word in words if "dalle3-llm" in word.replace(told, "")] == []
    records = {key: one for key, one in page.json["records"].items() if key.startswith("dalle3-llm/")}
    assert records and {one["source"] for one in records.values()} == {told}
    assert f">{told}/base<" in html, "the charts' titles"


def test_a_substitute_among_the_papers_own_models_has_its_banner(tmp_path: Path) -> None:
    params = make_params(classes=("cat", "dog"), sources=SOURCES)
    params["models"] = {"name": "hub", "comparable": True, "note": ""}
    make_workspace(tmp_path, params, per_class=2)
    text = Page(build(load(tmp_path, params))).text
    assert "Not every model is the paper's. Of the images of dalle3-llm another model drew: standin for" in text


def test_every_picture_has_a_text_for_those_who_do_not_see_it(page: Page) -> None:
    alts = [image["alt"] for image in page.all("img")]
    assert len(alts) > 2 * 2 * 10 * 4
    assert all(alts)
    drawn = [tag["aria-label"] for tag in (*page.all("div"), *page.all("svg")) if tag.get("role") == "img"]
    assert all(drawn)
    assert any(words and words.startswith("Images of sd-llm left after each step: generated ") for words in drawn)


def test_the_pipeline_shows_the_counts_of_every_step(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    text = " ".join(page.text.split())
    for step in read_json(workspace[0] / "results/filter/sd-llm.json")["funnel"]:
        name = "CLIP" if step["step"] == "clip" else step["step"]
        assert f"{name}{step['count']}" in text


def test_every_published_number_stands_beside_ours(page: Page, workspace: tuple[Path, dict[str, Any]]) -> None:
    rows = [tag for tag in page.all("tr") if tag.get("class") == "average"]
    assert len(rows) == 6 + 1  # Tables 1-4, and the table of masks
    for row in read_json(workspace[0] / "results/compare.json")["cells"]:
        assert row["published_printed"] in page.text
    reasons = [cell["title"] for cell in page.all("td") if "verdict" in (cell.get("class") or "")]
    assert "this study does not run sd-caption/base" in reasons


def test_the_previews_show_the_same_images_in_every_variant(workspace: tuple[Path, dict[str, Any]], page: Page) -> None:
    inputs = load(*workspace)
    shown = [image["alt"] or "" for image in page.all("img")]
    for name in CLASSES:
        wanted = [f"Prompt: {sample.prompt}" for sample in inputs.cells["sd-llm/base"].of_class(name)]
        base = [alt.partition(". ")[2] for alt in shown if alt.startswith(f"{name}, sd-llm/base.")]
        assert base[-len(wanted) :] == wanted  # the first may stand in the head of the page too
        assert wanted == [alt.partition(". ")[2] for alt in shown if alt.startswith(f"{name}, sd-llm/deblur.")]


def test_small_pictures_stay_crisp_and_large_ones_are_reduced_to_fit_the_page(tmp_path: Path) -> None:
    params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
    make_workspace(tmp_path, params, per_class=1, size=512)
    page = Page(build(load(tmp_path, params)))
    assert {(image["width"], image.get("class")) for image in page.all("img")} == {("512", None)}
    rng = np.random.default_rng(0)
    for i in range(30):
        write_bytes(tmp_path / f"{i}.png", encode_png(rng.integers(0, 255, (300, 300, 3), np.uint8)))
    album = Album()
    keys = [album.add(tmp_path / f"{i}.png").key for i in range(30)]
    sides = []
    for budget in (10_000_000, 600_000):
        uris = json.loads(album.uris(budget))
        assert set(uris) == set(keys)
        picture = Image.open(io.BytesIO(base64.b64decode(uris[keys[0]].partition(",")[2])))
        sides.append(max(picture.size))
    assert sides == [300, 192]


def test_every_misclassified_image_is_shown_and_a_fold_holds_the_rest(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/evaluate/sd-llm/base/predictions.jsonl"
    rows = read_rows(path, Prediction)
    wrong = [Prediction(**(row.to_row() | {"predicted": "none", "confidence": 0.0, "box": None})) for row in rows]
    write_rows(path, wrong)
    write_json(root / "results/evaluate/sd-llm/base.json", summarise(wrong, params["study"]["classes"]))
    write_compare(root, params)
    params["report"]["failures"] = 4
    page = Page(build(load(root, params)))
    assert "6 of 6 misclassified" in page.text
    assert "2 more of sd-llm/base" in page.text
    alts = [image["alt"] or "" for image in page.all("img")]
    base = [alt.split(".")[0] for alt in alts if alt.startswith("Intended")][:6]
    assert base == ["Intended cat, predicted none", "Intended dog, predicted none"] * 3


def test_a_prompt_cannot_write_into_the_page(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/deblur/sd-llm/base/metadata.jsonl"
    rows = [
        Sample.from_row(row.to_row() | {"prompt": '"><script>alert(1)</script>'}) for row in read_rows(path, Sample)
    ]
    write_rows(path, rows)
    html = build(load(root, params))
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_an_origin_cannot_end_the_script(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    path = root / "data/prompts/llm/prompts.jsonl"
    origin = {"model": "</script><script>alert(1)</script>"}
    write_rows(path, [replace(row, origin=origin) for row in read_rows(path, Prompt)])
    html = build(load(root, params))
    assert "</script><script>alert" not in html
    assert any(record["origin"] == origin for record in Page(html).json["records"].values())


def empty_cells(root: Path, params: dict[str, Any], classes: list[str]) -> None:
    """Leaves nothing of these classes behind the filter."""
    for source in params["sources"]:
        path = root / f"data/filter/{source}/decisions.jsonl"
        decisions = [replace(row, keep=False, reason=row.reason or "clip") if row.class_name in classes else row
                     for row in read_rows(path, Decision)]
        write_rows(path, decisions)
        filtered = filter_results(decisions, [], params["study"]["classes"], ())
        write_json(root / f"results/filter/{source}.json", filtered)
        write_json(root / f"results/images/{source}.json", completeness(len(decisions), len(decisions)))
        kept = filtered["funnel"][-1]["count"]
        for variant in params["variants"]:
            told = root / "data/evaluate" / source / variant
            rows = {}
            for table, kind in ((root / f"data/deblur/{source}/{variant}/metadata.jsonl", Sample),
                                (told / "predictions.jsonl", Prediction), (told / "segmentations.jsonl", Segmentation)):
                rows[kind] = [row for row in read_rows(table, kind) if row.class_name not in classes]
                write_rows(table, rows[kind])
            write_json(root / f"results/evaluate/{source}/{variant}.json",
                       summarise(rows[Prediction], params["study"]["classes"], rows[Segmentation]))
            write_json(root / f"results/deblur/{source}/{variant}.json", completeness(kept, kept))
    write_compare(root, params)


def test_a_class_without_images_is_said_not_hidden(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    empty_cells(root, params, ["dog"])
    inputs = load(root, params)
    assert "no image was kept" in build(inputs)
    assert all(png.startswith(b"\x89PNG") for png in figures(inputs).values())


def test_a_cell_without_any_image_still_gives_a_page(small: tuple[Path, dict[str, Any]]) -> None:
    root, params = small
    empty_cells(root, params, ["cat", "dog"])
    inputs = load(root, params)
    assert "0 generated images kept" in build(inputs)
    assert figures(inputs)


def test_one_image_of_one_class_gives_a_page(tmp_path: Path) -> None:
    params = make_params(classes=("cat",), sources=("sd-llm",))
    make_workspace(tmp_path, params, per_class=1)
    inputs = load(tmp_path, params)
    assert "1 generated images kept, in 1 classes and 1 source," in build(inputs)
    assert figures(inputs)


def test_a_study_with_one_variant_has_no_pairs(tmp_path: Path) -> None:
    params = make_params(classes=("cat", "dog"), sources=("sd-llm",))
    params["variants"] = {"base": {"deblur": "none"}}
    make_workspace(tmp_path, params, per_class=2)
    inputs = load(tmp_path, params)
    assert "no two variants to compare" in build(inputs)
    assert figures(inputs)


def test_the_figures_are_named_by_kind_and_cell(workspace: tuple[Path, dict[str, Any]]) -> None:
    drawn = figures(load(*workspace))
    kinds = ("accuracy", "confusion", "grid", "failures", "segmentation")
    per_cell = {f"{kind}-{s}-{v}" for kind in kinds for s in SOURCES for v in ("base", "deblur")}
    assert set(drawn) == per_cell | {f"{kind}-{s}" for kind in ("funnel", "kept") for s in SOURCES} | {
        "pipeline", "pairs"}
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
    assert {name.partition("-")[0] for name in grids(inputs)} == {"grid", "failures", "segmentation"}


def test_charts_name_no_date_and_no_version_and_follow_the_pages_colours(html: str) -> None:
    assert html.count('role="img" aria-label="Confusion matrix of') == 4
    assert "dc:date" not in html
    assert f"matplotlib v{version('matplotlib')}" not in html
    assert "var(--ours)" in html[html.index("<main>"):]
    assert "#1f5a8c" not in html[html.index("<main>"):]


def test_no_id_stands_twice(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


RESULTS = ["results/compare.json", "results/filter/sd-llm.json", "results/evaluate/sd-llm/base.json"]


@pytest.mark.parametrize("path", [*RESULTS, "data/deblur/sd-llm/base/metadata.jsonl", "data/prompts/llm/prompts.jsonl",
                                  "data/images/sd-llm/metadata.jsonl", "data/filter/sd-llm/decisions.jsonl",
                                  "data/evaluate/sd-llm/base/rejected.jsonl",
                                  "data/evaluate/sd-llm/deblur/predictions.jsonl",
                                  "data/evaluate/sd-llm/deblur/segmentations.jsonl"])
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
    with pytest.raises(MissingError, match="another study"):
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
    ("key", "value"), [("grid_columns", 0), ("grid_columns", 6.0), ("failures", -1), ("failures", "24"),
                       ("segmentations", True), ("rejected", 101), ("megabytes", 0)]
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
