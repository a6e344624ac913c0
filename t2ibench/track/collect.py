"""Reads what the stages left about each cell of params.yaml, and from dvc.lock which data it was."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from t2ibench.dvc_lock import read_lock
from t2ibench.errors import MissingError
from t2ibench.records import Sample, digest, read_json, read_rows
from t2ibench.shown import shown
from t2ibench.track import SETTINGS, CellRun, measures

HOLDS = 4
"""Part of every entry: goes up when runs get to hold something else, so that the next publication brings it."""

COLOURS = ("#1f77b4", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd", "#c5b0d5",
           "#8c564b", "#c49c94")
"""matplotlib's tab20: the variants of one source are neighbours. MLflow's own colours change from run to run."""

SAMPLES = 3
"""Prompts per class in the table of samples."""


def collect(root: Path, params: Mapping[str, Any], timings: Path, tags: Mapping[str, str]) -> list[CellRun]:
    """One CellRun per cell. root: the workspace; timings: the folder of the clocks' readings, of all hardware and
    models; tags: of every run.

    A run is of the hardware and the models that params.yaml names, and takes their clocks: the same results timed on
    another hardware are another run. So is a run whose clocks were not read yet when it was published.

    Raises MissingError where dvc.lock or a result is absent, damaged or of another study.
    """
    lock = read_lock(root / "dvc.lock")
    if not lock:
        raise MissingError(f"{root / 'dvc.lock'} is missing or lists no stage", "dvc repro")
    comparison = read_json(root / "results/compare.json", "dvc repro compare")
    if comparison["study"] != params["study"]["name"]:
        raise MissingError(f"{root / 'results/compare.json'} is of the study {comparison['study']!r}, not of "
                           f"{params['study']['name']!r}", "dvc repro compare")
    cells = [(source, variant) for source in params["sources"] for variant in params["variants"]]
    return [_cell(root, params, lock, comparison, timings, {**tags, "mlflow.runColor": colour}, source, variant)
            for (source, variant), colour in zip(cells, cycle(COLOURS), strict=False)]


def _cell(root: Path, params: Mapping[str, Any], lock: Mapping[str, Any], comparison: Mapping[str, Any],
          timings: Path, tags: Mapping[str, str], source: str, variant: str) -> CellRun:
    name = f"{source}/{variant}"
    filter_file, result_file = root / f"results/filter/{source}.json", root / f"results/evaluate/{name}.json"
    filtered = read_json(filter_file, f"dvc repro filter@{source}")
    result = read_json(result_file, f"dvc repro evaluate@{source}-{variant}")
    kept = read_rows(root / "data/deblur" / name / "metadata.jsonl", Sample, f"dvc repro deblur@{source}-{variant}")
    rows = [row for row in comparison["cells"] if row["cell"] == name]
    pair = next((pair for pair in comparison["pairs"] if (pair["source"], pair["to"], pair["class"]) ==
                 (source, variant, "all")), None)
    cells = {"prompts": params["sources"][source]["prompts"], "images": source, "filter": source,
             "deblur": name, "evaluate": name}
    clocks = measures.clocks(timings / params["hardware"]["name"] / params["models"]["name"], cells)
    stages = {stage: f"{stage}@{cell.replace('/', '-')}" for stage, cell in cells.items()}
    locked = {stage: _decided(lock.get(stage) or {}) for stage in stages.values()}
    try:
        figures = measures.metrics(filtered, result, rows, pair, params["study"]["classes"])
    except (KeyError, TypeError) as error:
        raise MissingError(f"the results of {name} are not of this version ({error!r})", "dvc repro") from None
    settings, hardware = _settings(params, source, variant), params["hardware"]["name"]
    content = {"holds": HOLDS, "lock": locked, "hardware": hardware, "filter": filtered, "result": result, "rows": rows}
    return CellRun(
        name=name,
        shown=shown(name, comparison["substitutes"]),
        content=digest(content),
        entry=digest(content | {"timed": sorted(clocks)}),
        tags={**tags, "source": source, "variant": variant, "hardware": hardware, **measures.devices(clocks),
              **measures.verdicts(rows), **measures.drawn_by(kept),
              SETTINGS: digest({"models": params["models"]["name"], "cell": name, "settings": settings})},
        params=settings,
        metrics=figures | measures.timings(clocks),
        datasets=_datasets(lock, stages),
        pictures=_pictures(root, source, variant),
        samples=_samples(root / "data/deblur" / name, kept, params["study"]["classes"]),
        documents=(result_file, filter_file, root / "results/compare.json"),
    )


def _decided(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What of a stage's entry says what was made, and with which settings: an edit of code that changes neither is no
    news, and no new run."""
    return {key: entry.get(key) for key in ("outs", "params")}


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


def _datasets(lock: Mapping[str, Any], stages: Mapping[str, str]) -> dict[str, str]:
    """{folder: DVC digest} of the data that a cell went through."""
    outs = [out for stage in stages.values() for out in (lock.get(stage) or {}).get("outs", ())]
    return {out["path"]: out["md5"] for out in outs if out["path"].startswith("data/")}


def _pictures(root: Path, source: str, variant: str) -> dict[str, Path]:
    """{key: PNG}: the same keys in every run, so that the UI shows them side by side."""
    figures = root / "data/report/figures"
    wanted = {key: figures / f"{key}-{source}-{variant}.png"
              for key in ("grid", "failures", "confusion", "segmentation")}
    wanted["funnel"] = figures / f"funnel-{source}.png"
    return {key: path for key, path in wanted.items() if path.is_file()}


def _samples(folder: Path, samples: Sequence[Sample], classes: list[str]) -> tuple[tuple[str, Path], ...]:
    """The first picture of the first SAMPLES prompts of each class: runs that share prompts share these rows."""
    found: list[tuple[str, Path]] = []
    for name in classes:
        first: dict[str, Sample] = {}
        for sample in samples:  # sorted by id, so by prompt and index
            if sample.class_name == name:
                first.setdefault(sample.prompt_id, sample)
        found += [(f"{name}: {one.prompt}", folder / one.file_name) for one in list(first.values())[:SAMPLES]]
    return tuple(found)
