"""Reads what evaluate left: one result per cell of params.yaml, checked before anything is said about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2ibench.errors import MissingError
from t2ibench.records import read_json

COMMAND = "dvc repro evaluate"


def load(root: Path, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The results of every cell that params names, in its order; files of other studies are not looked at.

    Raises MissingError where a file is absent, truncated, or does not fit the study.
    """
    return {
        f"{source}/{variant}": _read(root / "results" / "evaluate" / source / f"{variant}.json", params)
        for source in params["sources"]
        for variant in params["variants"]
    }


def _read(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    result = read_json(path, COMMAND)
    per_class = result.get("per_class") if isinstance(result, dict) else None
    if not isinstance(per_class, dict) or not all(_is_count(count) for count in per_class.values()):
        raise MissingError(f"{path} lacks the counts of its classes", COMMAND)
    classes = params["study"]["classes"]
    if sorted(per_class) != sorted(classes):
        found = ", ".join(sorted(per_class)) or "none"
        raise MissingError(f"{path} is of another study: its classes are {found}", COMMAND)
    return dict(result)


def _is_count(count: object) -> bool:
    if not isinstance(count, dict):
        return False
    n, correct = count.get("n"), count.get("correct")
    return isinstance(n, int) and isinstance(correct, int) and 0 <= correct <= n
