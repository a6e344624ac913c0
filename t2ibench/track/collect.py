"""Reads what the stages left about each cell of params.yaml, and from dvc.lock which data it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from t2ibench.errors import MissingError
from t2ibench.records import digest, read_json
from t2ibench.track import CellRun

TIMED = ("images_per_second", "seconds", "peak_memory_mb")
STAGES = ("prompts", "images", "filter", "deblur", "evaluate")


def collect(root: Path, params: Mapping[str, Any], timings: Path, tags: Mapping[str, str]) -> list[CellRun]:
    """One CellRun per cell. root: the workspace; timings: the folder of the clocks' readings; tags: of every run.

    Raises MissingError where a result is absent.
    """
    lock = _lock(root / "dvc.lock")
    comparison = read_json(root / "results/compare.json", "dvc repro compare")
    return [_cell(root, params, lock, comparison, timings, tags, source, variant)
            for source in params["sources"] for variant in params["variants"]]


def _lock(path: Path) -> dict[str, Any]:
    """The stages of dvc.lock."""
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["stages"])
    except (FileNotFoundError, KeyError, TypeError, yaml.YAMLError):
        raise MissingError(f"{path} is missing or not DVC's", "dvc repro") from None


def _cell(root: Path, params: Mapping[str, Any], lock: Mapping[str, Any], comparison: Mapping[str, Any],
          timings: Path, tags: Mapping[str, str], source: str, variant: str) -> CellRun:
    name = f"{source}/{variant}"
    funnel = read_json(root / f"results/filter/{source}.json", f"dvc repro filter@{source}")
    result_file = root / f"results/evaluate/{name}.json"
    result = read_json(result_file, f"dvc repro evaluate@{source}-{variant}")
    rows = [row for row in comparison["cells"] if row["cell"] == name]
    stages = _stages(params, source, variant)
    locked = {stage: lock.get(stage) for stage in stages.values()}
    return CellRun(
        name=name,
        entry=digest({"lock": locked, "funnel": funnel, "result": result, "rows": rows}),
        tags={**tags, "source": source, "variant": variant},
        params=_settings(params, source, variant),
        metrics=_metrics(funnel, result, rows) | _timings(timings, params, source, variant),
        datasets=_datasets(lock, stages),
        pictures=_pictures(root, source, variant),
        documents=(result_file, root / f"results/filter/{source}.json", root / "results/compare.json"),
    )


def _stages(params: Mapping[str, Any], source: str, variant: str) -> dict[str, str]:
    """{stage: its name in dvc.lock} of all that a cell went through."""
    kind = params["sources"][source]["prompts"]
    return {"prompts": f"prompts@{kind}", "images": f"images@{source}", "filter": f"filter@{source}",
            "deblur": f"deblur@{source}-{variant}", "evaluate": f"evaluate@{source}-{variant}"}


def _settings(params: Mapping[str, Any], source: str, variant: str) -> dict[str, str]:
    """The parameters of a cell: the settings of the engines that made it, flat."""
    names = params["sources"][source] | params["variants"][variant]
    chosen = {stage: params[stage][name] for stage, name in names.items()}
    chosen |= {"filter": params["filter"], "evaluate": params["evaluate"], "study": params["study"]}
    return dict(_flat(chosen, ""))


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    found = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        elif key != "_target_":
            found.append((f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else str(value)))
    return found


def _metrics(funnel: Mapping[str, Any], result: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, float]:
    """accuracy, its interval, the published value and the difference, overall and per class; CLIP pass rates."""
    found: dict[str, float | None] = {"accuracy_pooled": result["accuracy_pooled"], "images": result["n"],
                                      "accuracy": result["accuracy"], "clip_pass_rate": funnel["clip_pass_rate"]}
    for name, one in result["per_class"].items():
        found[f"accuracy/{name}"] = one["accuracy"]
    for name, rate in funnel["clip_pass_rate_per_class"].items():
        found[f"clip_pass_rate/{name}"] = rate
    for step in funnel["funnel"]:
        found[f"funnel/{step['step']}"] = step["count"]
    for row in rows:
        suffix = "" if row["class"] == "average" else f"/{row['class']}"
        for key in ("published", "difference", "ci_low", "ci_high"):
            found[f"{key}{suffix}"] = row[key]
    return {key: float(value) for key, value in found.items() if value is not None}


def _timings(folder: Path, params: Mapping[str, Any], source: str, variant: str) -> dict[str, float]:
    """`<figure>/<stage>` of every stage whose clock was read on this machine."""
    cells = {"prompts": params["sources"][source]["prompts"], "images": source, "filter": source,
             "deblur": f"{source}-{variant}", "evaluate": f"{source}-{variant}"}
    found: dict[str, float] = {}
    for stage in STAGES:
        path = folder / stage / f"{cells[stage]}.json"
        if path.is_file():
            reading = read_json(path)
            found |= {f"{key}/{stage}": reading[key] for key in TIMED if reading[key] is not None}
    return found


def _datasets(lock: Mapping[str, Any], stages: Mapping[str, str]) -> dict[str, str]:
    """{folder: DVC digest} of the data that a cell went through."""
    outs = [out for stage in stages.values() for out in (lock.get(stage) or {}).get("outs", ())]
    return {out["path"]: out["md5"] for out in outs if out["path"].startswith("data/")}


def _pictures(root: Path, source: str, variant: str) -> dict[str, Path]:
    """{key: PNG}: the same keys in every run, so that the UI shows them side by side."""
    figures = root / "data/report/figures"
    wanted = {key: figures / f"{key}-{source}-{variant}.png" for key in ("grid", "failures", "confusion")}
    wanted["funnel"] = figures / f"funnel-{source}.png"
    return {key: path for key, path in wanted.items() if path.is_file()}
