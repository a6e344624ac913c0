"""Our results beside the published tables: every printed cell, every verdict with its reason, no crash."""

import io
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fake_workspace import NOTE, make_params
from rich.console import Console

from t2ibench.compare import AVERAGE, VERDICTS, Settings, as_console, as_markdown, compare, load, load_published
from t2ibench.compare.published import NOTHING, TABLES, parse
from t2ibench.errors import ConfigError, MissingError
from t2ibench.records import CLASSES, write_json
from t2ibench.stats import Count, mean_of_proportions, wilson

CELLS = [f"{source}/{variant}" for source in ("sd-llm", "dalle3-llm", "sd-caption") for variant in ("base", "deblur")]
SETTINGS = Settings(tables="ieie2026")
PUBLISHED = load_published("ieie2026")


def results(correct: int = 36, n: int = 40, cells: list[str] = CELLS) -> dict[str, Any]:
    """The same counts for each class of each cell."""
    return {cell: {"per_class": {name: {"n": n, "correct": correct} for name in CLASSES}} for cell in cells}


def run(found: dict[str, Any], classes: tuple[str, ...] = CLASSES, comparable: bool = False) -> dict[str, Any]:
    params = make_params(classes)
    return compare(params["study"], params["models"] | {"comparable": comparable}, found, PUBLISHED, SETTINGS)


def row(comparison: dict[str, Any], cell: str, class_name: str) -> dict[str, Any]:
    (found,) = [r for r in comparison["cells"] if (r["cell"], r["class"]) == (cell, class_name)]
    return dict(found)


def test_the_tables_have_all_66_printed_cells() -> None:
    assert len(PUBLISHED.cells) == 66
    assert {(cell.table, cell.cell) for cell in PUBLISHED.cells} == {
        (1, "sd-llm/base"), (1, "dalle3-llm/base"), (2, "sd-caption/base"),
        (3, "sd-llm/deblur"), (3, "dalle3-llm/deblur"), (4, "sd-caption/deblur"),
    }  # fmt: skip
    for cell in CELLS:
        assert [c.class_name for c in PUBLISHED.cells if c.cell == cell] == [*CLASSES, AVERAGE]


@pytest.mark.parametrize(
    ("cell", "total"),
    [("sd-llm/base", 991.81), ("dalle3-llm/base", 872.5), ("sd-caption/base", 992.23),
     ("sd-llm/deblur", 996.49), ("dalle3-llm/deblur", 877.5), ("sd-caption/deblur", 992.43)],
)  # fmt: skip
def test_a_columns_rows_add_up_to_the_sum_worked_out_by_hand(cell: str, total: float) -> None:
    rows = [c.value for c in PUBLISHED.cells if c.cell == cell and c.class_name != AVERAGE]
    assert 100 * sum(rows) == pytest.approx(total)


def test_a_printed_number_keeps_its_decimals() -> None:
    found = {(c.cell, c.class_name): c for c in PUBLISHED.cells}
    dog, average = found["sd-llm/base", "dog"], found["sd-caption/deblur", AVERAGE]
    assert (dog.printed, dog.decimals, dog.value) == ("99.28", 2, 0.9928)
    assert (average.printed, average.decimals) == ("99.3", 1)
    assert found["sd-llm/base", "cat"].decimals == 0


def test_what_the_paper_does_not_print_is_unknown() -> None:
    assert "sample_sizes" in PUBLISHED.unknown
    assert all(cell.n is None for cell in PUBLISHED.cells)


def test_a_paper_that_nobody_typed_in_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"compare\.tables: 'ieie1999'.*ieie2026"):
        load_published("ieie1999")


@pytest.mark.parametrize("printed", [99.3, "99,3", "nan", "-1"])
def test_a_value_that_is_not_a_printed_number_is_refused_by_name(printed: object) -> None:
    import yaml

    document = yaml.safe_load((TABLES / "ieie2026.yaml").read_text())
    document["tables"][0]["columns"][0]["values"]["dog"] = printed
    with pytest.raises(ConfigError, match="table 1, Stable Diffusion, base, dog"):
        parse(document)


def test_bundled_models_are_never_comparable() -> None:
    comparison = run(results())
    assert {r["verdict"] for r in comparison["cells"]} == {"not comparable"}
    assert {r["reason"] for r in comparison["cells"]} == {NOTE}


def test_a_row_holds_the_counts_the_interval_and_the_difference() -> None:
    found = row(run(results(36, 40)), "dalle3-llm/base", "cow")
    assert (found["table"], found["n"], found["correct"], found["published_n"]) == (1, 40, 36, None)
    assert found["accuracy"] == 0.9
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(wilson(36, 40), abs=1e-6)
    assert found["published"] == 0.7
    assert found["difference"] == pytest.approx(0.2)


def test_the_average_is_the_mean_of_the_classes_not_of_the_images() -> None:
    found = results(40, 40)
    found["sd-llm/base"]["per_class"]["bear"] = {"n": 4, "correct": 0}
    average = row(run(found), "sd-llm/base", AVERAGE)
    assert average["accuracy"] == pytest.approx(0.9)
    assert (average["n"], average["correct"]) == (364, 360)
    expected = mean_of_proportions([Count(40, 40)] * 9 + [Count(0, 4)])
    assert (average["ci_low"], average["ci_high"]) == pytest.approx(expected, abs=1e-6)


def test_a_cell_that_the_study_does_not_run_is_a_row_with_its_reason() -> None:
    comparison = run(results(cells=["sd-llm/base"]), comparable=True)
    missing = row(comparison, "sd-caption/deblur", "cat")
    assert (missing["verdict"], missing["accuracy"], missing["n"]) == ("not comparable", None, None)
    assert missing["reason"] == "this study does not run sd-caption/deblur"
    assert len(comparison["cells"]) == 66


def test_a_published_class_that_the_study_lacks_is_a_row_with_its_reason() -> None:
    comparison = run(results(), classes=CLASSES[:-1], comparable=True)
    missing, average = row(comparison, "sd-llm/base", "giraffe"), row(comparison, "sd-llm/base", AVERAGE)
    assert (missing["verdict"], missing["reason"]) == ("not comparable", "this study has no class giraffe")
    assert (average["verdict"], average["reason"]) == ("not comparable", "the mean lacks giraffe")
    assert average["n"] == 360


@pytest.mark.parametrize(("comparable", "verdict"), [(True, "underpowered"), (False, "not comparable")])
def test_a_class_without_images_divides_nothing(comparable: bool, verdict: str) -> None:
    found = results()
    found["sd-llm/base"]["per_class"]["cat"] = {"n": 0, "correct": 0}
    empty = row(run(found, comparable=comparable), "sd-llm/base", "cat")
    assert (empty["verdict"], empty["accuracy"], empty["difference"]) == (verdict, None, None)
    assert "there is no image of class cat" in empty["reason"]
    assert (empty["ci_low"], empty["ci_high"]) == (0.0, 1.0)


def test_a_cell_without_any_image_has_no_average() -> None:
    average = row(run(results(0, 0), comparable=True), "sd-llm/base", AVERAGE)
    assert (average["n"], average["accuracy"], average["verdict"]) == (0, None, "underpowered")


def test_every_row_has_a_verdict_and_a_reason() -> None:
    comparison = run(results(1, 1), classes=CLASSES[:3], comparable=True)
    assert all(r["verdict"] in VERDICTS and r["reason"] for r in comparison["cells"])


def test_the_comparison_is_json_and_names_study_and_models() -> None:
    comparison = run(results())
    again = json.loads(json.dumps(comparison, allow_nan=False))
    assert (again["study"], again["models"], again["pairs"], again["audit"]) == ("repro", "tiny", [], [])


def test_a_study_without_published_tables_compares_nothing() -> None:
    params = make_params()
    comparison = compare(params["study"], params["models"], results(), load_published(None), SETTINGS)
    assert comparison["cells"] == []
    assert "no published table" in as_markdown(comparison, params["models"], NOTHING)
    assert "no published table" in printed(comparison, params["models"])


@pytest.mark.parametrize("margin", [0, 1, -0.1, 5, "0.02", True])
def test_a_margin_must_be_a_fraction(margin: Any) -> None:
    with pytest.raises(ConfigError, match=r"compare\.margin_class"):
        Settings(tables="ieie2026", margin_class=margin)


def test_the_markdown_has_a_table_per_column_and_says_who_ran() -> None:
    params = make_params()
    text = as_markdown(run(results()), params["models"], PUBLISHED)
    assert text.count("| class | images |") == 6
    assert "| cow | 40 | 90.00 | 76.9 to 96.0 | 70 | +20.00 | not comparable |" in text
    assert "| **average** | 400 | 90.00 |" in text
    assert "Models: **tiny**. The bundled models are" in text


def printed(comparison: dict[str, Any], models: dict[str, Any], width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(as_console(comparison, models))
    return console.export_text()


def test_the_last_words_fit_100_columns_with_every_number_whole() -> None:
    params = make_params()
    text = printed(run(results(40, 40)), params["models"])
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    (dog,) = [line for line in text.splitlines() if line.startswith("dog")]
    assert dog.split()[1:] == ["100.00|99.28", "100.00|", "85", "100.00|", "98.7", "100.00|99.29", "100.00|", "87.5",
                               "100.00|", "98.5"]  # fmt: skip
    assert sum(line.split(" ")[0] in (*CLASSES, AVERAGE) for line in text.splitlines()) == 11


def test_the_last_words_name_the_stand_in_and_say_not_comparable() -> None:
    params = make_params()
    text = printed(run(results()), params["models"])
    assert text.count("stand-in") == 2
    assert "Not comparable with the paper: the bundled models are trained on drawn scenes" in text


def test_the_last_words_count_the_verdicts_of_comparable_models() -> None:
    params = make_params()
    params["models"] |= {"name": "hub", "comparable": True}
    comparison = compare(params["study"], params["models"], results(), PUBLISHED, SETTINGS)
    text = printed(comparison, params["models"])
    assert "stand-in" not in text
    assert "Verdicts: 66 underpowered." in text


def write_results(root: Path, params: dict[str, Any]) -> None:
    for cell, content in results().items():
        kept = {name: content["per_class"][name] for name in params["study"]["classes"]}
        write_json(root / f"results/evaluate/{cell}.json", {"per_class": kept})


def test_results_are_read_for_the_cells_of_params_only(tmp_path: Path) -> None:
    params = make_params(sources=("sd-llm", "sd-caption"))
    write_results(tmp_path, params)
    (tmp_path / "results/evaluate/dalle3-llm/base.json").write_text("left behind by another study")
    assert list(load(tmp_path, params)) == ["sd-llm/base", "sd-llm/deblur", "sd-caption/base", "sd-caption/deblur"]


def test_a_missing_result_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"sd-llm/base\.json is missing.*dvc repro"):
        load(tmp_path, make_params())


@pytest.mark.parametrize("text", ['{"per_class": {"cat": {"n": 3', "[]", "{}", '{"per_class": {"cat": 3}}',
                                  '{"per_class": {"cat": {"n": 3, "correct": 4}}}'])  # fmt: skip
def test_a_damaged_result_names_the_file(tmp_path: Path, text: str) -> None:
    params = make_params()
    write_results(tmp_path, params)
    (tmp_path / "results/evaluate/sd-llm/base.json").write_text(text)
    with pytest.raises(MissingError, match=r"sd-llm/base\.json"):
        load(tmp_path, params)


def test_a_result_of_another_study_is_refused(tmp_path: Path) -> None:
    write_results(tmp_path, make_params(classes=CLASSES[:3]))
    with pytest.raises(MissingError, match="another study: its classes are cat, dog, horse"):
        load(tmp_path, make_params())


def test_comparing_changes_nothing_that_it_was_given() -> None:
    found = results()
    before = deepcopy(found)
    run(found)
    assert found == before
