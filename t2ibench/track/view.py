"""The views that `make ui` opens: columns, order and charts of the runs page, as MLflow's own "share view" stores
them: an experiment tag `mlflow.sharedViewState.<key>` that an address with `viewStateShareKey=<key>` applies.

Source: the format of MLflow 3.17's front end (the classes of its chart cards and the state of its runs page).
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from t2ibench.track import CellRun

TAG = "mlflow.sharedViewState."
TAG_LENGTH = 5000
"""Characters that MLflow accepts in one."""

Section = tuple[str, int, int, list[dict[str, Any]]]
ALL, CELLS = "all", "cells"
"""The keys of the two views: every run there is, and the runs of the last publication."""

SAMPLES = "samples.json"
"""The table of prompts and pictures."""

MODEL_TRAINING = "workflowType=machine_learning"
"""Without it, a browser that has not been there before shows the GenAI side of MLflow 3."""

COLUMNS = ("tags.`models`", "tags.`hardware`", "metrics.`accuracy`", "metrics.`published`", "metrics.`difference`",
           "metrics.`clip_pass_rate`", "metrics.`images_per_second`", "metrics.`images`", "tags.`verdict`")
PICTURES = ("grid", "failures", "confusion", "segmentation", "funnel")
OVERALL = ("accuracy", "published", "difference", "clip_pass_rate", "images_per_second", "images")
GROUPS = {"accuracy": "Accuracy per class", "difference": "Difference to the published value, per class",
          "clip_pass_rate": "CLIP pass rate per class", "funnel": "Images left after each step of the filter",
          "funnel_accuracy": "Accuracy after each step of the filter", "segmentation": "Segmentation",
          "segmentation_right": "Images with a mask of the right class, per class",
          "deblurring": "Against the same images before deblurring", "images_per_second": "Images per second",
          "seconds": "Seconds", "peak_memory_mb": "Peak memory, MiB"}
"""Metric groups that get a section of the charts, in this order, and their titles."""


def views(runs: Sequence[CellRun], run_ids: Sequence[str]) -> dict[str, str]:
    """{key: the tag's text} of the two views."""
    chosen = ", ".join(f"'{run_id}'" for run_id in run_ids)
    best_first = {"searchFilter": "", "orderByKey": "metrics.`accuracy`", "orderByAsc": False}
    as_in_study = {"searchFilter": f"attributes.run_id IN ({chosen})", "orderByKey": "attributes.start_time",
                   "orderByAsc": True}
    return {ALL: _packed(runs, best_first), CELLS: _packed(runs, as_in_study)}


def links(base: str, experiment: str, run_ids: Sequence[str]) -> dict[str, str]:
    """{what it shows: address} of the pages worth opening. base: the server's address."""
    page = f"{base.rstrip('/')}/#/experiments/{experiment}/runs?{MODEL_TRAINING}&viewStateShareKey="
    runs, experiments = quote(json.dumps(list(run_ids)), safe=""), quote(json.dumps([experiment]), safe="")
    return {
        "all runs": f"{page}{ALL}",
        "charts and picture grids": f"{page}{CELLS}&compareRunsMode=CHART",
        "pictures by prompt": f"{page}{CELLS}&compareRunsMode=ARTIFACT",
        "figures side by side": f"{base.rstrip('/')}/#/compare-runs?runs={runs}&experiments={experiments}"
                                f"&{MODEL_TRAINING}",
    }


def _packed(runs: Sequence[CellRun], search: Mapping[str, Any]) -> str:
    """The tag's text, deflated, which the UI reads. Where the study has too many classes for a tag, the last sections
    are left out: the UI then adds their charts itself, under their plain names."""
    sections = _sections(runs)
    while True:
        text = json.dumps(_page(sections) | dict(search), sort_keys=True, separators=(",", ":"))
        packed = "deflate;" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        if len(packed) <= TAG_LENGTH or not sections:
            return packed
        sections = sections[:-1]


def _page(chosen: Sequence[Section]) -> dict[str, Any]:
    """The runs page: its columns, and its charts in their sections."""
    sections, charts = [], []
    for title, columns, height, cards in chosen:
        sections.append({"uuid": title, "name": title, "display": True, "isReordered": True, "deleted": False,
                         "isGenerated": False, "columns": columns, "cardHeight": height})
        charts += [{"uuid": f"{title} {number}", "metricSectionId": title, "deleted": False, "isGenerated": True,
                    "runsCountToCompare": 20, **card} for number, card in enumerate(cards)]
    return {"startTime": "ALL", "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
            "selectedColumns": list(COLUMNS), "compareRunSections": sections, "compareRunCharts": charts,
            "isAccordionReordered": True, "runsHiddenMode": "FIRST_20_RUNS", "hideEmptyCharts": True}


def _sections(runs: Sequence[CellRun]) -> list[Section]:
    """(title, cards in a row, height of a card in pixels, cards) of every section that has any."""
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))  # in the order of the study
    pictures = {name for run in runs for name in run.pictures}
    found = [("Overall", 3, 300, [_bar(key) for key in OVERALL if key in names])]
    for group, title in GROUPS.items():
        members = [key for key in names if key.startswith(f"{group}/")]
        found.append((title, 3, 300, [_bar(key) for key in members]))
    found.insert(2, ("Pictures", 1, 680, [{"type": "IMAGE", "imageKeys": [key], "step": 0, "showRunParams": False}
                                          for key in PICTURES if key in pictures]))
    return [section for section in found if section[3]]


def _bar(key: str) -> dict[str, Any]:
    return {"type": "BAR", "metricKey": key, "displayName": key.split("/")[-1]}
