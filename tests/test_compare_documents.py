"""The documents of the comparison: JSON, Markdown, last words, plots, metrics, and the files that they are made of."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from compared import CELLS, PUBLISHED, as_published, result, results, run, seen, substituted
from fake_workspace import NOTE, make_params, make_workspace
from rich.console import Console

from t2ibench.compare import (
    AVERAGE,
    Settings,
    accuracy_csv,
    as_console,
    as_markdown,
    funnel_csv,
    load,
    load_filters,
    load_published,
    metrics,
)
from t2ibench.compare.printed import NOTHING
from t2ibench.errors import ConfigError, MissingError
from t2ibench.records import CLASSES, read_json, write_json, write_rows
from t2ibench.stats import Count, wilson

# --- documents ------------------------------------------------------------------------------------------------------


def test_the_comparison_is_json_names_study_and_models_and_holds_pairs_and_audit() -> None:
    comparison = run(results())
    again = json.loads(json.dumps(comparison, allow_nan=False))
    assert (again["study"], again["models"]) == ("repro", "tiny")
    assert len(again["pairs"]) == 3 * 11
    assert {entry["kind"] for entry in again["audit"]} == {"average", "claim", "sample size"}


def test_the_comparison_is_the_same_each_time() -> None:
    assert json.dumps(run(results(), comparable=True)) == json.dumps(run(results(), comparable=True))


def test_a_study_without_published_tables_compares_its_variants_only() -> None:
    comparison = run(results(), published=load_published(None))
    models = make_params()["models"]
    assert (comparison["cells"], comparison["audit"], len(comparison["pairs"])) == ([], [], 33)
    assert "no published table" in as_markdown(comparison, models, NOTHING)
    assert "no published table" in printed(comparison, models)


@pytest.mark.parametrize("margin", [0, 1, -0.1, 5, "0.02", True])
def test_a_margin_must_be_a_fraction(margin: Any) -> None:
    with pytest.raises(ConfigError, match=r"compare\.margin_class"):
        Settings(tables="ieie2026", margin_class=margin)


@pytest.mark.parametrize(("key", "value"), [("power", 1), ("confidence", 0.4), ("draws", 3), ("draws", True)])
def test_a_setting_that_no_statistic_can_use_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"compare\.{key}"):
        Settings(tables="ieie2026", **{key: value})


def test_the_markdown_has_a_table_per_column_the_pairs_and_the_audit() -> None:
    text = as_markdown(run(results()), make_params()["models"], PUBLISHED)
    assert text.count("| class | images | ours") == 6
    assert "| cow | 40 | 90.00 | 76.9 to 96.0 |" in text and "| 70 | +20.00 | not comparable |" in text
    assert "| **average** | 400 | 90.00 |" in text
    assert "Models: **tiny**. The bundled models are" in text
    assert "| not comparable | 6 | 60 |" in text
    assert "## The same images before and after" in text and "None of 400 images changed its side" in text
    assert "## The paper against itself" in text and "Table 4" in text and "**does not hold**" in text


def test_the_markdown_gives_a_reason_of_all_classes_once_and_others_by_class() -> None:
    models = make_params()["models"]
    assert as_markdown(run(results()), models, PUBLISHED).count(NOTE[4:]) == 7  # above, and under each of six tables
    text = as_markdown(run(results(), comparable=True), models, PUBLISHED)
    assert "- cow: +20.00 points: the 90 % interval" in text


def printed(comparison: dict[str, Any], models: dict[str, Any], width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(as_console(comparison, models))
    return console.export_text()


def test_the_last_words_fit_100_columns_with_every_number_whole() -> None:
    text = printed(run(substituted(results(40, 40), "gpt-image-2.5-sunburst for DALL-E 3")), make_params()["models"])
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    (dog,) = [line for line in text.splitlines() if line.startswith("dog")]
    assert dog.split()[1:] == ["100.00|99.28", "100.00|", "85", "100.00|", "98.7", "100.00|99.29", "100.00|", "87.5",
                               "100.00|", "98.5"]
    assert sum(line.split(" ")[0] in (*CLASSES, AVERAGE) for line in text.splitlines()) == 11


def test_the_last_words_name_the_stand_in_and_say_not_comparable() -> None:
    text = printed(run(substituted(results())), make_params()["models"])
    assert text.count("(standin for") == 3, "two headings and the pair below"
    assert "dalle3-llm (standin for DALL-E 3), base to deblur: " in text
    assert "Not comparable with the paper: the bundled models are trained on drawn scenes" in text
    assert "sd-llm, base to deblur: None of 400 images changed its side." in text
    assert "of the paper's averages and claims do not follow from its tables" in text


def test_the_last_words_count_the_verdicts_and_name_what_differs() -> None:
    models = make_params()["models"] | {"name": "hub", "comparable": True}
    found = as_published(400)
    found["sd-llm/base"] = result({**found["sd-llm/base"].counts, "cat": Count(0, 400)})
    text = printed(run(found, **models), models)
    assert "standin" not in text
    assert "2 differs" in text and "Differs: sd-llm/base cat, sd-llm/base average." in text.replace("\n", " ")


def test_the_plot_of_accuracies_has_a_row_per_number_that_ours_stands_beside() -> None:
    rows = list(csv.DictReader(io.StringIO(accuracy_csv(run(results(cat=Count(0, 0), cells=CELLS[:2]))))))
    assert len(rows) == 2 * 10  # ten classes and the average, without the cat
    low, high = (str(round(limit, 6)) for limit in wilson(36, 40))
    assert list(rows[0].values()) == ["sd-llm/base", "dog", "0.9", "0.9928", low, high]
    assert list(rows[0]) == ["cell", "class", "ours", "published", "ci_low", "ci_high"]


# --- a workspace ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    make_workspace(root, make_params(), per_class=3, size=32)
    return root


@pytest.fixture
def copy(workspace: Path, tmp_path: Path) -> Path:
    """The counts and predictions of the workspace, to be damaged."""
    params = make_params()
    for cell in (f"{source}/{variant}" for source in params["sources"] for variant in params["variants"]):
        for name in (f"results/evaluate/{cell}.json", f"data/evaluate/{cell}/predictions.jsonl"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((workspace / name).read_bytes())
    return tmp_path


def test_the_plot_of_the_funnel_joins_counts_and_accuracies(workspace: Path) -> None:
    params = make_params()
    rows = list(csv.DictReader(io.StringIO(funnel_csv(load_filters(workspace, params), load(workspace, params)))))
    steps = [one["step"] for one in rows if one["source"] == "sd-llm"]
    assert steps == ["generated", "made", "clip", "quality", "people", "review", "kept"]
    counts = [int(one["count"]) for one in rows if one["source"] == "sd-llm"]
    assert counts == sorted(counts, reverse=True)
    assert rows[0]["accuracy"] == ""
    kept = read_json(workspace / "results/evaluate/sd-llm/base.json")["accuracy"]
    assert float(rows[6]["accuracy"]) == pytest.approx(kept, abs=1e-6)


def test_the_metrics_are_small_and_say_what_matters(workspace: Path) -> None:
    params = make_params()
    found = load(workspace, params)
    document = metrics(run(found), found, load_filters(workspace, params))
    assert set(document) == {"accuracy", "clip_pass_rate", "verdicts"}
    assert document["verdicts"] == {"reproduced": 0, "differs": 0, "underpowered": 0, "not comparable": 66}
    assert set(document["accuracy"]["sd-llm/base"]) == {*CLASSES, AVERAGE}
    stored = read_json(workspace / "results/evaluate/sd-llm/base.json")["accuracy"]
    assert document["accuracy"]["sd-llm/base"][AVERAGE] == pytest.approx(stored, abs=1e-6)
    assert len(json.dumps(document)) < 4000


def test_metrics_without_an_image_are_absent_not_zero() -> None:
    found = results(0, 0)
    assert metrics(run(found), found, {"sd-llm": {"clip_pass_rate": None}})["accuracy"]["sd-llm/base"] == {}


def test_which_model_drew_is_read_from_the_images_rows(workspace: Path) -> None:
    found = load(workspace, make_params())
    assert {cell: one.substitute for cell, one in found.items() if one.substitute} == {
        "dalle3-llm/base": "standin for DALL-E 3", "dalle3-llm/deblur": "standin for DALL-E 3"}


def test_results_are_read_for_the_cells_of_params_only(copy: Path) -> None:
    params = make_params(sources=("sd-llm", "sd-caption"))
    (copy / "results/evaluate/dalle3-llm/base.json").write_text("left behind by another study")
    found = load(copy, params)
    assert list(found) == ["sd-llm/base", "sd-llm/deblur", "sd-caption/base", "sd-caption/deblur"]


@pytest.mark.parametrize("name", ["results/evaluate/sd-llm/base.json", "data/evaluate/sd-llm/base/predictions.jsonl"])
def test_a_missing_result_names_the_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(MissingError, match=rf"{Path(name).name} is missing.*dvc repro evaluate"):
        load(copy, make_params())


@pytest.mark.parametrize("text", ['{"per_class": {"cat": {"n": 3', "[]", "{}", '{"per_class": {"cat": 3}}',
                                  '{"per_class": {"cat": {"n": 3, "correct": 4}}}'])
def test_a_damaged_result_names_the_file(copy: Path, text: str) -> None:
    (copy / "results/evaluate/sd-llm/base.json").write_text(text)
    with pytest.raises(MissingError, match=r"sd-llm/base\.json"):
        load(copy, make_params())


def test_a_truncated_table_of_predictions_names_its_line_or_its_counts(copy: Path) -> None:
    path = copy / "data/evaluate/sd-llm/base/predictions.jsonl"
    whole = path.read_text()
    path.write_text(whole[:-9])
    with pytest.raises(MissingError, match=r"predictions\.jsonl, line \d+, is damaged"):
        load(copy, make_params())
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(MissingError, match=r"of another run than its predictions"):
        load(copy, make_params())


def test_counts_of_another_run_than_the_predictions_are_refused(copy: Path) -> None:
    path = copy / "results/evaluate/sd-llm/base.json"
    document = read_json(path)
    document["per_class"]["cat"]["n"] += 5
    write_json(path, document)
    with pytest.raises(MissingError, match=r"base\.json is of another run than its predictions: cat has"):
        load(copy, make_params())


def test_a_result_of_another_study_is_refused(copy: Path) -> None:
    document = {"per_class": {name: {"n": 1, "correct": 1} for name in CLASSES[:3]}}
    write_json(copy / "results/evaluate/sd-llm/base.json", document)
    with pytest.raises(MissingError, match="another study: its classes are cat, dog, horse"):
        load(copy, make_params())


def test_predictions_of_another_study_are_refused(copy: Path) -> None:
    three = make_params(classes=CLASSES[:3])
    rows = [row for name in CLASSES[:4] for row in seen(name, Count(1, 1))]
    document = {"per_class": {name: {"n": 1, "correct": 1} for name in CLASSES[:3]}}
    for cell in CELLS:
        write_json(copy / f"results/evaluate/{cell}.json", document)
        write_rows(copy / f"data/evaluate/{cell}/predictions.jsonl", rows)
    with pytest.raises(MissingError, match="bird has 0 of 0 right there, and 1 of 1"):
        load(copy, three)


@pytest.mark.parametrize("text", ["", "{}", '{"funnel": 3}', "[]"])
def test_a_damaged_result_of_the_filter_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "results/filter").mkdir(parents=True)
    (tmp_path / "results/filter/sd-llm.json").write_text(text)
    with pytest.raises(MissingError, match=r"sd-llm\.json.*dvc repro filter"):
        load_filters(tmp_path, make_params())
