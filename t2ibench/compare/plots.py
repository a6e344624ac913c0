"""What `dvc plots` and `dvc metrics diff` show: two small tables and one small document."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2ibench.compare.results import CellResult
from t2ibench.compare.verdicts import VERDICTS

DIGITS = 6
ACCURACY = ("cell", "class", "ours", "published", "ci_low", "ci_high")
FUNNEL = ("source", "step", "count", "accuracy")


def accuracy_csv(comparison: Mapping[str, Any]) -> str:
    """results/plots/accuracy.csv: every published number that ours stands beside, fractions in [0, 1]."""
    rows = [row for row in comparison["cells"] if row["accuracy"] is not None]
    keys = ("cell", "class", "accuracy", "published", "ci_low", "ci_high")
    return _csv(ACCURACY, ([row[key] for key in keys] for row in rows))


def funnel_csv(filters: Mapping[str, Mapping[str, Any]], results: Mapping[str, CellResult]) -> str:
    """results/plots/funnel.csv: images left after each step of the filter, and the mean accuracy of the classes there.

    filters: results/filter/<source>.json by source. accuracy is empty where nothing was judged: before an image is
    made, and where no cell of the source is judged as it was generated.
    """
    rows = []
    for source, found in filters.items():
        judged = [one.funnel for cell, one in results.items() if cell.partition("/")[0] == source and one.funnel]
        accuracy = {step["step"]: step["accuracy"] for step in (judged[0] if judged else ())}
        for step in found["funnel"]:
            rows.append([source, step["step"], step["count"], _rounded(accuracy.get(step["step"]))])
    return _csv(FUNNEL, rows)


def metrics(
    comparison: Mapping[str, Any], results: Mapping[str, CellResult], filters: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """results/metrics.json, small enough that `dvc metrics diff` fits a screen.

    accuracy of each class and their average per cell, clip_pass_rate per source, all in [0, 1], and the verdicts by
    word. What has no value, because there is no image, is absent.
    """
    words = [row["verdict"] for row in comparison["cells"]]
    rates = {source: _rounded(found.get("clip_pass_rate")) for source, found in filters.items()}
    return {
        "accuracy": {cell: _accuracies(found) for cell, found in results.items()},
        "clip_pass_rate": {source: rate for source, rate in rates.items() if rate is not None},
        "verdicts": {word: words.count(word) for word in VERDICTS},
    }


def _accuracies(found: CellResult) -> dict[str, float]:
    shares = {name: count.correct / count.n for name, count in found.counts.items() if count.n}
    if shares:
        shares["average"] = sum(shares.values()) / len(shares)
    return {name: round(share, DIGITS) for name, share in shares.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
