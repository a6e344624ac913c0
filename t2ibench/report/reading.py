"""Reads all that the report shows from data/ and results/; which cells there are, params.yaml alone says.

Nothing is believed unread: a file that is missing, truncated, of another study, or about other images than its
neighbours, stops the stage with its name and the command that makes it.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from t2ibench import __version__
from t2ibench.errors import MissingError
from t2ibench.records import (
    Decision,
    Failure,
    Prediction,
    Prompt,
    Sample,
    Segmentation,
    digest,
    read_json,
    read_rows,
)
from t2ibench.report.inputs import Cell, ReportInputs, Settings, Source
from t2ibench.shown import shown

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "ultralytics", "openai", "numpy", "pillow")
ENGINES = ("prompts", "images", "filter", "deblur", "evaluate")
DIGESTS = Path(__file__).parents[1] / "tiny" / "weights" / "digests.json"
RESULT = {"n", "correct", "accuracy", "per_class", "confusion", "funnel", "segmentation"}
COMPARISON = {"study", "models", "substitutes", "cells", "published", "pairs", "audit"}


def load(root: Path, params: Mapping[str, Any]) -> ReportInputs:
    """Reads all that the report of this params.yaml needs; root: the folder that holds data/ and results/.

    Raises MissingError where a file is absent, truncated or of another study, ConfigError for a setting.
    """
    classes = params["study"]["classes"]
    comparison = _comparison(root, params)
    drew: Mapping[str, str] = comparison["substitutes"]
    sources = {name: _source(root, name, shown(name, drew), classes) for name in params["sources"]}
    cells = [
        _cell(root, sources[source], variant, str(settings["deblur"]), classes)
        for source in params["sources"]
        for variant, settings in params["variants"].items()
    ]
    return ReportInputs(
        study=params["study"],
        models=params["models"],
        dtype=params["hardware"]["dtype"],
        choices=params["sources"],
        variants=params["variants"],
        engines={stage: params.get(stage) or {} for stage in ENGINES},
        settings=Settings(**{key: value for key, value in params["report"].items() if key != "_target_"}),
        versions=_versions(),
        digests=_digests(),
        prompts={kind: _prompts(root, kind) for kind in dict.fromkeys(
            str(choice["prompts"]) for choice in params["sources"].values())},
        sources=sources,
        cells={cell.name: cell for cell in cells},
        comparison=comparison,
    )


def _prompts(root: Path, kind: str) -> dict[str, Prompt]:
    rows = read_rows(root / "data" / "prompts" / kind / "prompts.jsonl", Prompt, f"dvc repro prompts@{kind}")
    return {row.id: row for row in rows}


def _source(root: Path, name: str, title: str, classes: list[str]) -> Source:
    folder = root / "data" / "images" / name
    command = f"dvc repro images@{name}"
    made = {row.id: row for row in read_rows(folder / "metadata.jsonl", Sample, command)}
    failed = read_rows(folder / "failures.jsonl", Failure, command)
    command = f"dvc repro filter@{name}"
    table = root / "data" / "filter" / name / "decisions.jsonl"
    decisions = {row.id: row for row in read_rows(table, Decision, command)}
    if decisions.keys() != made.keys():
        raise MissingError(f"{table} is not about the {len(made)} images of {folder}", command)
    path = root / "results" / "filter" / f"{name}.json"
    filtered = read_json(path, command)
    steps = filtered.get("funnel") if isinstance(filtered, dict) else None
    if not steps or not all({"step", "count", "per_class"} <= step.keys() for step in steps):
        raise MissingError(f"{path} lacks the steps of the funnel", command)
    if any(set(step["per_class"]) - set(classes) for step in steps):
        raise MissingError(f"{path} is of another study: it has classes that this one lacks", command)
    if not {"clip_pass_rate", "rejected", "review"} <= filtered.keys():
        raise MissingError(f"{path} lacks clip_pass_rate, rejected or review", command)
    if steps[-1]["count"] != sum(row.keep for row in decisions.values()):
        raise MissingError(f"{path} and {table} keep different numbers of images", command)
    return Source(name=name, shown=title, folder=folder, made=made, failed=tuple(failed), decisions=decisions,
                  filtered=filtered)


def _cell(root: Path, source: Source, variant: str, deblur: str, classes: list[str]) -> Cell:
    folder = root / "data" / "deblur" / source.name / variant
    told = root / "data" / "evaluate" / source.name / variant
    path = root / "results" / "evaluate" / source.name / f"{variant}.json"
    command = f"dvc repro evaluate@{source.name}-{variant}"
    result = read_json(path, command)
    if not isinstance(result, dict) or not result.keys() >= RESULT:
        raise MissingError(f"{path} lacks {', '.join(sorted(RESULT - set(result)))}", command)
    if sorted(result["per_class"]) != sorted(classes):
        found = ", ".join(sorted(result["per_class"])) or "none"
        raise MissingError(f"{path} is of another study: its classes are {found}", command)
    samples = read_rows(folder / "metadata.jsonl", Sample, command)
    predictions = {row.id: row for row in read_rows(told / "predictions.jsonl", Prediction, command)}
    segmentations = {row.id: row for row in read_rows(told / "segmentations.jsonl", Segmentation, command)}
    for name, rows in (("predictions", predictions), ("segmentations", segmentations)):
        if rows.keys() != {sample.id for sample in samples} or result["n"] != len(samples):
            table = told / f"{name}.jsonl"
            raise MissingError(f"{table} and {path} are not about the {len(samples)} images of {folder}", command)
    unknown = {sample.id for sample in samples} - source.made.keys()
    if unknown:
        raise MissingError(f"{folder} has images that {source.folder} lacks: {', '.join(sorted(unknown)[:3])}", command)
    rejected = read_rows(told / "rejected.jsonl", Prediction, command) if deblur == "none" else []
    return Cell(
        source=source.name,
        variant=variant,
        shown=f"{source.shown}/{variant}",
        folder=folder,
        told=told,
        samples=tuple(sorted(samples, key=lambda sample: sample.id)),
        predictions=predictions,
        rejected={row.id: row for row in rejected},
        segmentations=segmentations,
        result=result,
    )


def _comparison(root: Path, params: Mapping[str, Any]) -> Mapping[str, Any]:
    path = root / "results" / "compare.json"
    command = "dvc repro compare"
    comparison = read_json(path, command)
    if not isinstance(comparison, dict) or not comparison.keys() >= COMPARISON:
        raise MissingError(f"{path} lacks {', '.join(sorted(COMPARISON - set(comparison)))}", command)
    for key in ("study", "models"):
        if comparison[key] != params[key]["name"]:
            raise MissingError(f"{path} is of another study: {key} {comparison[key]}", command)
    return comparison


def _digests() -> dict[str, str]:
    """{tiny:// name: the digest that `weights.locate` gives}, from the list beside the bundled weights."""
    recorded = read_json(DIGESTS, "git checkout -- t2ibench/tiny/weights/digests.json")
    return {f"tiny://{name}": digest(files) for name, files in recorded.items()}


def _versions() -> dict[str, str]:
    """The versions of the libraries that decide pixels and scores; those that are not installed are left out."""
    found = {"t2ibench": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
