"""What became of all that was planned, per source: nothing is lost between two stages without a word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2ibench.compare.results import CellResult
from t2ibench.errors import MissingError
from t2ibench.records import read_json


def load_completeness(root: Path, params: Mapping[str, Any], results: Mapping[str, CellResult],
                      filters: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per source, in images: {source, planned, made, failed, kept, judged: {variant: images}, reasons}.

    reasons: {stage and variant: {reason: images}} of what failed, in any stage.
    Raises MissingError where results/images/ or results/deblur/ lack a count, or it is of another run.
    """
    return [_row(root, params, source, results, filters[source]) for source in params["sources"]]


def _row(root: Path, params: Mapping[str, Any], source: str, results: Mapping[str, CellResult],
         filtered: Mapping[str, Any]) -> dict[str, Any]:
    made = _read(root, "images", source)
    kept = int(filtered["funnel"][-1]["count"])
    if (made["planned"], made["done"]) != (filtered["planned"], filtered["made"]):
        raise MissingError(f"results/images/{source}.json is of another run than results/filter/{source}.json",
                           f"dvc repro filter@{source}")
    cells = {f"{source}/{variant}": _read(root, "deblur", f"{source}/{variant}") for variant in params["variants"]}
    for cell, found in cells.items():
        judged = sum(count.n for count in results[cell].counts.values())
        if (found["planned"], found["done"]) != (kept, judged):
            raise MissingError(f"results/deblur/{cell}.json is of another run than what was kept or judged",
                               f"dvc repro evaluate@{cell.replace('/', '-')}")
    told = {"images": made} | {f"deblur {cell.partition('/')[2]}": found for cell, found in cells.items()}
    return {
        "source": source,
        "planned": made["planned"],
        "made": made["done"],
        "failed": made["failed"],
        "kept": kept,
        "judged": {cell.partition("/")[2]: found["done"] for cell, found in cells.items()},
        "reasons": {where: found["reasons"] for where, found in told.items() if found["reasons"]},
    }


def _read(root: Path, stage: str, cell: str) -> dict[str, Any]:
    path, command = root / "results" / stage / f"{cell}.json", f"dvc repro {stage}@{cell.replace('/', '-')}"
    found = read_json(path, command)
    if not isinstance(found, dict) or {"planned", "done", "failed", "reasons"} - set(found):
        raise MissingError(f"{path} does not count what was planned, done and failed", command)
    return found
