"""The last run against the published tables: no number of the paper that is comparable may differ.

A number that is not comparable, because the bundled models or a successor made ours, is skipped with its reason: it is
no evidence either way. What is underpowered is no failure, and results/compare.json says so.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from t2ibench.compare import AVERAGE, Published, Settings, compare, load, load_published
from t2ibench.errors import MissingError
from t2ibench.evaluate import score
from t2ibench.harness import config
from t2ibench.records import CLASSES, NONE, Prediction, read_json, read_rows, write_json, write_rows

ROOT = Path(__file__).parents[2]
PARAMS = config.load(folder=ROOT)
PAPER = load_published("ieie2026")
STUDY: dict[str, Any] = {
    "study": {"name": "ieie2026", "classes": list(CLASSES)},
    "models": {"name": "hub", "comparable": True, "note": ""},
    "sources": {"sd-llm": {"images": "sd"}, "dalle3-llm": {"images": "openai"}, "sd-caption": {"images": "sd"}},
    "variants": {"base": {}, "deblur": {}},
}
"""Params of a run with the paper's own models, whatever params.yaml runs."""


def columns(published: Published) -> list[tuple[int, str]]:
    """Table and cell of each column that a cell of the pipeline reproduces."""
    return [(cells[0].table, cells[0].cell) for cells in published.columns() if cells[0].cell]


def differing(comparison: dict[str, Any], table: int, cell: str) -> list[str]:
    """`<class>: <reason>` for what differs in a column; skips the test where nothing in it is comparable."""
    rows = [row for row in comparison["cells"] if (row["table"], row["cell"]) == (table, cell)]
    assert rows, f"results/compare.json lacks Table {table}, {cell}: run dvc repro compare"
    comparable = [row for row in rows if row["verdict"] != "not comparable"]
    if not comparable:
        pytest.skip(f"Table {table}, {cell}, is not comparable: {'; '.join(dict.fromkeys(r['reason'] for r in rows))}")
    return [f"{row['class']}: {row['reason']}" for row in comparable if row["verdict"] == "differs"]


@pytest.mark.parametrize(("table", "cell"), columns(load_published(PARAMS.study.published)))
def test_no_comparable_number_of_the_paper_differs(table: int, cell: str) -> None:
    comparison = read_json(ROOT / "results/compare.json", "dvc repro compare")
    assert (comparison["study"], comparison["models"]) == (PARAMS.study.name, PARAMS.models.name)
    assert differing(comparison, table, cell) == []


def replicate(root: Path, n: int = 400) -> None:
    """A workspace whose accuracies are the published ones, with n images a class."""
    printed = {(c.cell, c.class_name): c.value for c in PAPER.cells}
    for _, cell in columns(PAPER):
        rows = [Prediction(id=f"{name}{i // 4:04}-{i % 4}", class_name=name, confidence=0.9, box=None,
                           predicted=name if i < round(n * printed[cell, name]) else NONE)
                for name in CLASSES for i in range(n)]
        write_cell(root, cell, rows)


def write_cell(root: Path, cell: str, rows: list[Prediction]) -> None:
    write_rows(root / f"data/evaluate/{cell}/predictions.jsonl", rows)
    write_json(root / f"results/evaluate/{cell}.json", score(rows, CLASSES))


def flip(root: Path, cell: str, victim: str) -> None:
    """Plants a regression: right predictions of one class become wrong ones, and wrong ones right."""
    rows = read_rows(root / f"data/evaluate/{cell}/predictions.jsonl", Prediction)
    other = next(name for name in CLASSES if name != victim)
    turned = [replace(row, predicted=other if row.predicted == victim else victim) if row.class_name == victim else row
              for row in rows]
    write_cell(root, cell, turned)


def compared(root: Path, **models: Any) -> dict[str, Any]:
    settings = Settings(tables="ieie2026", draws=100)
    return compare(STUDY["study"], STUDY["models"] | models, load(root, STUDY), PAPER, settings)


def test_a_faithful_replication_passes(tmp_path: Path) -> None:
    replicate(tmp_path)
    comparison = compared(tmp_path)
    assert [differing(comparison, table, cell) for table, cell in columns(PAPER)] == [[]] * 6


@pytest.mark.parametrize(("table", "cell", "victim"), [(1, "sd-llm/base", "cat"), (1, "dalle3-llm/base", "elephant"),
                                                       (4, "sd-caption/deblur", "bear")])
def test_predictions_flipped_for_one_class_are_found(tmp_path: Path, table: int, cell: str, victim: str) -> None:
    replicate(tmp_path)
    flip(tmp_path, cell, victim)
    comparison = compared(tmp_path)
    found = {place: [text.split(":")[0] for text in differing(comparison, *place)] for place in columns(PAPER)}
    assert found.pop((table, cell)) == [victim, AVERAGE]
    assert not any(found.values())


def test_flipped_predictions_with_the_old_counts_beside_them_are_found_too(tmp_path: Path) -> None:
    replicate(tmp_path)
    path = tmp_path / "results/evaluate/sd-llm/base.json"
    old = path.read_bytes()
    flip(tmp_path, "sd-llm/base", "cat")
    path.write_bytes(old)
    with pytest.raises(MissingError, match="another run than its predictions: cat"):
        compared(tmp_path)


def test_bundled_models_are_skipped_with_their_reason_and_never_pass(tmp_path: Path) -> None:
    replicate(tmp_path)
    comparison = compared(tmp_path, comparable=False, note="these models are bundled")
    with pytest.raises(pytest.skip.Exception, match="these models are bundled"):
        differing(comparison, 1, "sd-llm/base")
