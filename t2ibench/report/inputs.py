"""All that the report shows, read from data/ and results/; which cells there are, params.yaml alone says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Any

from t2ibench import __version__
from t2ibench.errors import ConfigError, MissingError
from t2ibench.records import Prediction, Sample, read_json, read_rows

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "ultralytics", "openai", "numpy", "pillow")
ENGINES = ("prompts", "images", "filter", "deblur", "evaluate")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The section `report` of params.yaml: images per class in the previews, images per cell in the failures."""

    grid_columns: int = 6
    failures: int = 24

    def __post_init__(self) -> None:
        """Raises ConfigError for a number out of range."""
        for key, low, high in (("grid_columns", 1, 24), ("failures", 0, 500)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"report.{key}", value, f"a whole number from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One `<source>/<variant>`. folder holds the pictures; samples and predictions have the same ids, sorted;
    result: the content of results/evaluate/<source>/<variant>.json."""

    source: str
    variant: str
    folder: Path
    samples: tuple[Sample, ...]
    predictions: Mapping[str, Prediction]
    result: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`<source>/<variant>`."""
        return f"{self.source}/{self.variant}"

    def of_class(self, class_name: str) -> list[Sample]:
        """The samples of a class, by id."""
        return [sample for sample in self.samples if sample.class_name == class_name]

    def misclassified(self, classes: Sequence[str]) -> list[Sample]:
        """The samples whose predicted class is not the intended one: surest errors first, in turn from each class."""
        columns = []
        for name in classes:
            wrong = [sample for sample in self.of_class(name) if self.predictions[sample.id].predicted != name]
            columns.append(sorted(wrong, key=lambda sample: (-self.predictions[sample.id].confidence, sample.id)))
        return [sample for turn in zip_longest(*columns) for sample in turn if sample is not None]


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """What `load` reads and `build` shows. study, models, sources, variants: sections of params.yaml; dtype: the one
    thing about the hardware that decides pixels; engines: {stage: {engine: its settings}}; versions: of libraries;
    funnels: {source: content of results/filter/<source>.json}; comparison: content of results/compare.json."""

    study: Mapping[str, Any]
    models: Mapping[str, Any]
    dtype: str
    sources: Mapping[str, Mapping[str, Any]]
    variants: Mapping[str, Mapping[str, Any]]
    engines: Mapping[str, Mapping[str, Any]]
    settings: Settings
    versions: Mapping[str, str]
    funnels: Mapping[str, Mapping[str, Any]]
    cells: Mapping[str, Cell]
    comparison: Mapping[str, Any]

    @property
    def classes(self) -> list[str]:
        """The study's classes, in its order."""
        return list(self.study["classes"])

    def of_source(self, source: str) -> list[Cell]:
        """The cells of a source, in the order of the variants."""
        return [cell for cell in self.cells.values() if cell.source == source]


def load(root: Path, params: Mapping[str, Any]) -> ReportInputs:
    """Reads all that the report of this params.yaml needs; root: the folder that holds data/ and results/.

    Raises MissingError where a file is absent, truncated or of another study, ConfigError for a setting.
    """
    cells = [
        _cell(root, source, variant, params["study"]["classes"])
        for source in params["sources"]
        for variant in params["variants"]
    ]
    return ReportInputs(
        study=params["study"],
        models=params["models"],
        dtype=params["hardware"]["dtype"],
        sources=params["sources"],
        variants=params["variants"],
        engines={stage: params.get(stage) or {} for stage in ENGINES},
        settings=Settings(**{key: value for key, value in params["report"].items() if key != "_target_"}),
        versions=_versions(),
        funnels={source: _funnel(root, source, params["study"]["classes"]) for source in params["sources"]},
        cells={cell.name: cell for cell in cells},
        comparison=_comparison(root, params),
    )


def _cell(root: Path, source: str, variant: str, classes: list[str]) -> Cell:
    folder = root / "data" / "deblur" / source / variant
    path = root / "results" / "evaluate" / source / f"{variant}.json"
    command = f"dvc repro evaluate@{source}-{variant}"
    result = read_json(path, command)
    if not isinstance(result, dict) or not {"n", "accuracy", "per_class", "confusion"} <= result.keys():
        raise MissingError(f"{path} lacks n, accuracy, per_class or confusion", command)
    if sorted(result["per_class"]) != sorted(classes):
        found = ", ".join(sorted(result["per_class"])) or "none"
        raise MissingError(f"{path} is of another study: its classes are {found}", command)
    samples = read_rows(folder / "metadata.jsonl", Sample, command)
    table = root / "data" / "evaluate" / source / variant / "predictions.jsonl"
    predictions = {row.id: row for row in read_rows(table, Prediction, command)}
    if sorted(predictions) != sorted(sample.id for sample in samples) or result["n"] != len(samples):
        raise MissingError(f"{table} and {path} are not about the {len(samples)} images of {folder}", command)
    return Cell(
        source=source,
        variant=variant,
        folder=folder,
        samples=tuple(sorted(samples, key=lambda sample: sample.id)),
        predictions=predictions,
        result=result,
    )


def _funnel(root: Path, source: str, classes: list[str]) -> Mapping[str, Any]:
    path = root / "results" / "filter" / f"{source}.json"
    command = f"dvc repro filter@{source}"
    funnel = read_json(path, command)
    steps = funnel.get("funnel") if isinstance(funnel, dict) else None
    if not steps or not all({"step", "count", "per_class"} <= step.keys() for step in steps):
        raise MissingError(f"{path} lacks the steps of the funnel", command)
    if any(set(step["per_class"]) - set(classes) for step in steps):
        raise MissingError(f"{path} is of another study: it has classes that this one lacks", command)
    return dict(funnel)


def _comparison(root: Path, params: Mapping[str, Any]) -> Mapping[str, Any]:
    path = root / "results" / "compare.json"
    command = "dvc repro compare"
    comparison = read_json(path, command)
    if not isinstance(comparison, dict) or not {"study", "models", "cells", "published"} <= comparison.keys():
        raise MissingError(f"{path} lacks study, models, published or cells", command)
    for key in ("study", "models"):
        if comparison[key] != params[key]["name"]:
            raise MissingError(f"{path} is of another study: {key} {comparison[key]}", command)
    return comparison


def _versions() -> dict[str, str]:
    """The versions of the libraries that decide pixels and scores; those that are not installed are left out."""
    found = {"t2ibench": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
