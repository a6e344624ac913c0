"""Reads what evaluate and filter left: one result per cell of params.yaml, checked before anything is said about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.records import Prediction, Sample, read_json, read_rows
from t2ibench.shown import substitute
from t2ibench.stats import Count

COMMAND = "dvc repro evaluate"


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell as evaluate left it. counts: per class; predictions: of the same images; funnel: accuracy per step of the
    filter, None where the cell is deblurred; substitute: which model drew for which (`shown.substitute`), empty where
    none did."""

    counts: Mapping[str, Count]
    predictions: Sequence[Prediction] = ()
    funnel: Sequence[Mapping[str, Any]] | None = None
    substitute: str = ""


def load(root: Path, params: Mapping[str, Any]) -> dict[str, CellResult]:
    """The results of every cell that params names, in its order; files of other studies are not looked at.

    Raises MissingError where a file is absent, truncated, does not fit the study, or where the counts of a cell are
    not those of its predictions.
    """
    drew = {source: _substitute(root / "data/images" / source / "metadata.jsonl") for source in params["sources"]}
    return {
        f"{source}/{variant}": _read(root, f"{source}/{variant}", params, drew[source])
        for source in params["sources"]
        for variant in params["variants"]
    }


def load_filters(root: Path, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """results/filter/<source>.json of every source that params names. Raises MissingError where one cannot be used."""
    return {source: _read_filter(root / "results/filter" / f"{source}.json") for source in params["sources"]}


def _read(root: Path, cell: str, params: Mapping[str, Any], drew: str) -> CellResult:
    path = root / "results/evaluate" / f"{cell}.json"
    result = read_json(path, COMMAND)
    per_class = result.get("per_class") if isinstance(result, dict) else None
    if not isinstance(per_class, dict) or not all(_is_count(count) for count in per_class.values()):
        raise MissingError(f"{path} lacks the counts of its classes", COMMAND)
    classes = params["study"]["classes"]
    if sorted(per_class) != sorted(classes):
        found = ", ".join(sorted(per_class)) or "none"
        raise MissingError(f"{path} is of another study: its classes are {found}", COMMAND)
    counts = {name: Count(per_class[name]["correct"], per_class[name]["n"]) for name in classes}
    rows = read_rows(root / "data/evaluate" / cell / "predictions.jsonl", Prediction, COMMAND)
    _check_agreement(path, counts, rows)
    return CellResult(counts=counts, predictions=rows, funnel=result.get("funnel"), substitute=drew)


def _substitute(path: Path) -> str:
    return substitute(read_rows(path, Sample, "dvc repro images") if path.exists() else [])


def _check_agreement(path: Path, counts: Mapping[str, Count], rows: Sequence[Prediction]) -> None:
    """Counts and predictions are written together: where they differ, one of them is of another run."""
    n = Counter(row.class_name for row in rows)
    correct = Counter(row.class_name for row in rows if row.predicted == row.class_name)
    for name in [*counts, *(name for name in n if name not in counts)]:
        if (seen := Count(correct[name], n[name])) != counts.get(name):
            told = counts.get(name, Count(0, 0))
            raise MissingError(f"{path} is of another run than its predictions: {name} has {told.correct} of {told.n} "
                               f"right there, and {seen.correct} of {seen.n} in predictions.jsonl", COMMAND)


def _is_count(count: object) -> bool:
    if not isinstance(count, dict):
        return False
    n, correct = count.get("n"), count.get("correct")
    return isinstance(n, int) and isinstance(correct, int) and 0 <= correct <= n


def _read_filter(path: Path) -> dict[str, Any]:
    result = read_json(path, "dvc repro filter")
    if not isinstance(result, dict) or not isinstance(result.get("funnel"), list):
        raise MissingError(f"{path} lacks its funnel", "dvc repro filter")
    return result
