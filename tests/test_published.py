"""The published tables as data: every printed number of both papers, and every mistake refused by name."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import isnan
from typing import Any

import pytest
import yaml

from t2ibench.compare import AVERAGE, load_published
from t2ibench.compare.printed import PublishedCell
from t2ibench.compare.published import TABLES, parse
from t2ibench.errors import ConfigError
from t2ibench.records import CLASSES

IEIE = load_published("ieie2026")
CONTAMINATION = load_published("contamination2023")
CELLS = [f"{source}/{variant}" for source in ("sd-llm", "dalle3-llm", "sd-caption") for variant in ("base", "deblur")]


def document(paper: str = "ieie2026") -> dict[str, Any]:
    return dict(yaml.safe_load((TABLES / f"{paper}.yaml").read_text(encoding="utf-8")))


def test_ieie2026_has_all_66_printed_cells() -> None:
    assert len(IEIE.cells) == 66
    assert {(cell.table, cell.cell) for cell in IEIE.cells} == {
        (1, "sd-llm/base"), (1, "dalle3-llm/base"), (2, "sd-caption/base"),
        (3, "sd-llm/deblur"), (3, "dalle3-llm/deblur"), (4, "sd-caption/deblur"),
    }
    for cell in CELLS:
        assert [c.class_name for c in IEIE.cells if c.cell == cell] == [*CLASSES, AVERAGE]
    assert {(c.metric, c.unit, c.better, c.counted) for c in IEIE.cells} == {("accuracy", "percent", "higher", True)}


@pytest.mark.parametrize(
    ("cell", "total", "average", "decimals"),
    [("sd-llm/base", "991.81", "99.18", "0200002010"), ("dalle3-llm/base", "872.5", "87.25", "1000000000"),
     ("sd-caption/base", "992.23", "99.22", "1111021101"), ("sd-llm/deblur", "996.49", "99.65", "0200000010"),
     ("dalle3-llm/deblur", "877.5", "87.75", "1110010010"), ("sd-caption/deblur", "992.43", "99.3", "1111021111")],
)
def test_a_columns_rows_add_up_to_the_sum_worked_out_by_hand(
    cell: str, total: str, average: str, decimals: str
) -> None:
    *rows, last = [c for c in IEIE.cells if c.cell == cell]
    assert sum(Decimal(row.printed) for row in rows) == Decimal(total)
    assert (last.class_name, last.printed) == (AVERAGE, average)
    assert "".join(str(row.decimals) for row in rows) == decimals


def test_a_printed_number_keeps_its_decimals() -> None:
    found = {(c.cell, c.class_name): c for c in IEIE.cells}
    dog, average = found["sd-llm/base", "dog"], found["sd-caption/deblur", AVERAGE]
    assert (dog.printed, dog.decimals, dog.value, dog.exact) == ("99.28", 2, 0.9928, Fraction(9928, 100))
    assert (average.printed, average.decimals) == ("99.3", 1)
    assert found["sd-llm/base", "cat"].decimals == 0


def test_what_a_paper_does_not_print_is_unknown() -> None:
    for published in (IEIE, CONTAMINATION):
        assert "sample_sizes" in published.unknown
        assert all(cell.n is None for cell in published.cells)
    assert {"sampler_and_steps", "clip_variant", "yolov8_variant"} <= set(IEIE.unknown)
    assert "validation_images_of_table_10" in CONTAMINATION.unknown


@pytest.mark.parametrize(
    ("table", "count", "total"),
    [(1, 26, "1785.5"), (2, 64, "35.038"), (3, 30, "146.673"), (4, 6, "3.955"), (5, 6, "118.2"), (6, 21, "784.48"),
     (7, 3, "158.2"), (8, 4, "301.3"), (9, 12, "7.531"), (10, 6, "31.570"), (11, 9, "384.9")],
)
def test_a_table_of_contamination2023_adds_up_to_the_sum_of_the_paper(table: int, count: int, total: str) -> None:
    numbers = [cell for cell in CONTAMINATION.cells if cell.table == table and not cell.diverged]
    assert len(numbers) == count
    assert sum(Decimal(cell.printed) for cell in numbers) == Decimal(total)


def cell_of(table: int, column: str, row: str) -> PublishedCell:
    (found,) = [c for c in CONTAMINATION.cells if (c.table, c.column, c.row) == (table, column, row)]
    return found


def test_contamination2023_has_188_cells_and_none_of_them_is_a_cell_of_the_pipeline() -> None:
    assert len(CONTAMINATION.cells) == 188
    assert {cell.table for cell in CONTAMINATION.cells} == set(range(1, 12))
    assert {cell.cell for cell in CONTAMINATION.cells} == {None}


def test_a_training_that_diverged_is_printed_as_nan_and_is_no_number() -> None:
    (diverged,) = [cell for cell in CONTAMINATION.cells if cell.diverged]
    assert (diverged.table, diverged.column, diverged.row) == (1, "Swin-S", "IN/WV-80%")
    assert isnan(diverged.value)
    with pytest.raises(ValueError, match="NaN"):
        _ = diverged.exact


@pytest.mark.parametrize(
    ("table", "column", "row", "printed", "metric", "unit", "better"),
    [(1, "ConvNeXt-T", "IN/SD-80%", "70.8", "accuracy", "percent", "higher"),
     (2, "CIDEr", "COCO", "1.335", "cider", "score", "higher"),
     (3, "FID to WebVision-64", "IN/SD-40%-64", "10.8", "fid", "score", "lower"),
     (3, "Recall@5 to ImageNet-64", "SD-ImageNet-64", "0.364", "recall", "fraction", "higher"),
     (4, "Precision", "Complex SD-ImageNet", "0.777", "precision", "fraction", "higher"),
     (5, "Swin-S", "Complex SD-IN", "21.9", "accuracy", "percent", "higher"),
     (6, "ImageNet-A", "IN/WV-80%", "5.00", "accuracy", "percent", "higher"),
     (7, "ResNet-50", "IN/WV-95%", "61.4", "accuracy", "percent", "higher"),
     (8, "Accuracy", "ImageNet (100%) + SD-ImageNet (80%)", "75.0", "accuracy", "percent", "higher"),
     (9, "SPICE", "CO/SD-95%", "0.226", "spice", "score", "higher"),
     (10, "FID", "ImageNet-64 (20%)", "16.5", "fid", "score", "lower"),
     (11, "Accuracy", "IN/WD-80%", "40.9", "accuracy", "percent", "higher")],
)
def test_a_cell_of_contamination2023_has_its_metric_unit_and_direction(
    table: int, column: str, row: str, printed: str, metric: str, unit: str, better: str
) -> None:
    cell = cell_of(table, column, row)
    assert (cell.printed, cell.metric, cell.unit, cell.better) == (printed, metric, unit, better)


def test_columns_are_in_printed_order() -> None:
    assert [(column[0].table, column[0].column) for column in IEIE.columns()] == [
        (1, "Stable Diffusion, base"), (1, "DALL-E 3, base"), (2, "Stable Diffusion, base"),
        (3, "Stable Diffusion, deblurred"), (3, "DALL-E 3, deblurred"), (4, "Stable Diffusion, deblurred"),
    ]
    assert [len(column) for column in IEIE.columns()] == [11] * 6


def test_no_paper_is_no_table() -> None:
    assert load_published(None).cells == ()
    assert load_published(None).columns() == []


def test_a_paper_that_nobody_typed_in_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"compare\.tables: 'ieie1999'.*contamination2023, ieie2026, null"):
        load_published("ieie1999")


@pytest.mark.parametrize("printed", [99.3, "99,3", "nan", "NaN", "-1", "1e2", "", ".5", "100.1", None, True])
def test_a_value_that_is_not_a_printed_share_is_refused_by_name(printed: object) -> None:
    changed = document()
    changed["tables"][0]["columns"][0]["values"]["dog"] = printed
    with pytest.raises(ConfigError, match=r"table 1, Stable Diffusion, base, dog: .*100 at most"):
        parse(changed)


def test_a_score_may_pass_one_and_a_fraction_may_not() -> None:
    changed = document("contamination2023")
    changed["metrics"]["cider"]["unit"] = "fraction"
    with pytest.raises(ConfigError, match=r"table 2, CIDEr, COCO: '1\.335'.*1 at most"):
        parse(changed)


def _first_column(changed: dict[str, Any]) -> dict[str, Any]:
    column: dict[str, Any] = changed["tables"][0]["columns"][0]
    return column


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["metrics"]["accuracy"].update(unit="percents"), r"metrics\.accuracy\.unit: 'percents'.*percent"),
        (lambda d: d["metrics"]["accuracy"].pop("unit"), r"metrics\.accuracy\.unit: None"),
        (lambda d: d["metrics"]["accuracy"].update(better="more"), r"metrics\.accuracy\.better: 'more'.*lower"),
        (lambda d: d["metrics"]["accuracy"].update(counted="often"), r"metrics\.accuracy\.counted: 'often'"),
        (lambda d: d["metrics"]["accuracy"].update(unit="score"), r"metrics\.accuracy\.unit: 'score'.*it is counted"),
        (lambda d: d["tables"][0].update(metric="accuracies"), r"table 1, Stable Diffusion, base, metric: 'accuracies"),
        (lambda d: d["tables"][0].pop("metric"), r"table 1, Stable Diffusion, base, metric: None.*accuracy"),
        (lambda d: d["tables"][0].pop("rows"), "tables, rows: None"),
        (lambda d: _first_column(d).pop("n"), "table 1, n: None"),
        (lambda d: _first_column(d).update(n=0), r"table 1, Stable Diffusion, base, n: 0.*unknown"),
        (lambda d: _first_column(d).update(n="many"), r"table 1, Stable Diffusion, base, n: 'many'"),
        (lambda d: _first_column(d)["values"].update(unicorn="3"), r"base, row: 'unicorn'.*giraffe"),
        (lambda d: _first_column(d)["values"].pop("bear"), "base, rows: .*bear is missing"),
        (lambda d: d["tables"][0]["columns"][1].update(column="Stable Diffusion, base"), "columns of different names"),
        (lambda d: d.pop("unknown"), "the file, unknown: None"),
        (lambda d: d["claims"][1].update(check="is"), r"claims\[1\]\.check: 'is'.*equals"),
        (lambda d: d["claims"][1].update(number=99.18), r"claims\[1\]\.number: 99\.18.*in quotes"),
        (lambda d: d["claims"][3].update(number="3"), r"claims\[3\]\.number: '3'.*names no number"),
        (lambda d: d["claims"][1].update(cells=[[1, "DALL-E 4", "cat"]]), r"claims\[1\], cell: \[1, 'DALL-E 4'"),
        (lambda d: d["claims"][1].update(cells=[]), r"claims\[1\], cells: 0.*1 cells"),
        (lambda d: d["claims"][1].pop("cells"), r"claims\[1\]: .*cells, or pairs, or table and rows"),
        (lambda d: d["claims"][0].pop("because"), r"claims\[0\]\.because: None.*a reason"),
        (lambda d: d["claims"][1].pop("says"), r"claims\[1\]\.says: None"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    changed = document()
    change(changed)
    with pytest.raises(ConfigError, match=message):
        parse(changed)


def test_a_printed_sample_size_is_kept() -> None:
    changed = document()
    changed["tables"][0]["columns"][1]["n"] = 40
    assert {cell.n for cell in parse(changed).cells if cell.cell == "dalle3-llm/base"} == {40}
