"""What the report is made of: cells, sources and settings as records. `reading.py` reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from t2ibench.errors import ConfigError
from t2ibench.records import Decision, Failure, Prediction, Prompt, Sample, Segmentation


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The section `report` of params.yaml: how many images are shown. grid_columns: per class in the previews;
    failures: per cell before the fold; segmentations: per class and source; rejected: per reason and source;
    megabytes: of the page at most, which larger pictures are reduced to keep."""

    grid_columns: int = 6
    failures: int = 24
    segmentations: int = 3
    rejected: int = 4
    megabytes: int = 12

    def __post_init__(self) -> None:
        """Raises ConfigError for a number out of range."""
        ranges = {"grid_columns": (1, 24), "failures": (0, 500), "segmentations": (0, 24), "rejected": (0, 100),
                  "megabytes": (4, 500)}
        for key, (low, high) in ranges.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"report.{key}", value, f"a whole number from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One `<source>/<variant>`. shown: its name for people; folder holds the pictures, told what evaluate wrote about
    them; samples, predictions and segmentations have the same ids, sorted; rejected: predictions of the images that the
    filter rejected, where the variant does not deblur; result: the content of results/evaluate/<source>/<variant>.json.
    """

    source: str
    variant: str
    shown: str
    folder: Path
    told: Path
    samples: tuple[Sample, ...]
    predictions: Mapping[str, Prediction]
    rejected: Mapping[str, Prediction]
    segmentations: Mapping[str, Segmentation]
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
class Source:
    """One source before evaluation. shown: its name for people; folder holds the pictures as they were generated;
    made: their rows by id; failed: the images that could not be made; decisions: the filter's, by id; filtered: the
    content of results/filter/<source>.json."""

    name: str
    shown: str
    folder: Path
    made: Mapping[str, Sample]
    failed: tuple[Failure, ...]
    decisions: Mapping[str, Decision]
    filtered: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """What `load` reads and `build` shows. study, models, choices, variants: sections of params.yaml (choices:
    `sources`); dtype: the one thing about the hardware that decides pixels; engines: {stage: {engine: its settings}};
    versions: of libraries; digests: {tiny:// name: digest of its weights}; prompts: {kind: {id: Prompt}};
    comparison: content of results/compare.json."""

    study: Mapping[str, Any]
    models: Mapping[str, Any]
    dtype: str
    choices: Mapping[str, Mapping[str, Any]]
    variants: Mapping[str, Mapping[str, Any]]
    engines: Mapping[str, Mapping[str, Any]]
    settings: Settings
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    prompts: Mapping[str, Mapping[str, Prompt]]
    sources: Mapping[str, Source]
    cells: Mapping[str, Cell]
    comparison: Mapping[str, Any]

    @property
    def classes(self) -> list[str]:
        """The study's classes, in its order."""
        return list(self.study["classes"])

    def of_source(self, source: str) -> list[Cell]:
        """The cells of a source, in the order of the variants."""
        return [cell for cell in self.cells.values() if cell.source == source]
