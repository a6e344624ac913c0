"""track: results and timings -> MLflow, one run per cell.

Stages write files; this one publishes them, from one process, so a tracking server that is down loses nothing.
A run is identified by its entry: the digest of the cell's outs and params in dvc.lock, of what is said about them, and
of the hardware that timed them. Publishing the same entry again changes nothing.

    collect(root, params, timings, tags)         -> a CellRun per cell, read from results/, data/ and dvc.lock
    mlflow.publish(runs, experiment, uri, root)  -> the MLflow runs, and the views that `make ui` opens
    ui                                           -> the MLflow UI on loopback, in the model-training view
"""

from dataclasses import dataclass
from pathlib import Path

SETTINGS = "t2ibench.settings"
"""The tag that runs of one cell share where nothing but the hardware differs: they are shown side by side."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The section `track` of params.yaml. uri: a tracking server, None for MLFLOW_TRACKING_URI or mlflow.db."""

    experiment: str
    uri: str | None


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """What is published of one cell. shown: its name for people; content: digest of its results and settings, equal
    on all machines; entry: with the clocks that were read, identifies the run; datasets: {path: DVC digest};
    pictures: {key: PNG file}; samples: prompts with a picture each; documents: JSON files; metrics: fractions in
    [0, 1], seconds, images per second, MiB."""

    name: str
    shown: str
    content: str
    entry: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    datasets: dict[str, str]
    pictures: dict[str, Path]
    samples: tuple[tuple[str, Path], ...]
    documents: tuple[Path, ...]
