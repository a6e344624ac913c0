"""Nothing is paid for twice: an edit costs what it changes, in every stage, and its reversal costs nothing."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from study import SMALL, SOURCE, copy, run, tree

from t2ibench.records import Prompt, read_json, read_rows

pytestmark = pytest.mark.slow
LINE = re.compile(r"^(\w+) (\S+): planned = (\d+), made = (\d+), reused = (\d+), failed = (\d+)$", re.MULTILINE)
PLANNED, EACH = 18, 2
"""Images of the study, and of a prompt."""


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(finished, tmp_path_factory.mktemp("one more folder") / "t2ibench")


def summaries(said: str) -> dict[str, tuple[int, ...]]:
    """{stage and cell: (planned, made, reused, failed)} of the stages that ended in what a run printed."""
    return {f"{stage} {cell}": tuple(map(int, counts)) for stage, cell, *counts in LINE.findall(said)}


def ran(said: str) -> set[str]:
    return set(re.findall(r"Running stage '(\w+)", said))


@contextmanager
def changed(file: Path, old: str, new: str) -> Iterator[None]:
    """A file of the repository with one text for another, until the end of the block."""
    before = file.read_bytes()
    text = before.decode()
    assert text.count(old) == 1, f"{old} stands {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new))
    try:
        yield
    finally:
        file.write_bytes(before)


def test_an_edited_prompt_costs_its_own_images_in_every_stage_and_its_reversal_nothing(repository: Path) -> None:
    before = tree(repository)
    chosen = read_rows(repository / "data/prompts/coco/prompts.jsonl", Prompt)[0]
    captions = repository / "t2ibench/prompts/captions/hard-cases.json"
    row = next(one for one in json.loads(captions.read_bytes())["annotations"]
               if one["id"] == chosen.origin["caption_id"])
    with changed(captions, json.dumps(row["caption"]), json.dumps(f"One {chosen.class_name} near a barn at noon.")):
        said = summaries(run(repository, "dvc", "repro"))
        assert said[f"images {SOURCE}"] == (PLANNED, EACH, PLANNED - EACH, 0)
        assert said[f"filter {SOURCE}"] == (PLANNED, EACH, PLANNED - EACH, 0)
        assert said[f"evaluate {SOURCE}/base"] == (PLANNED, EACH, PLANNED - EACH, 0)
        for cell in (f"deblur {SOURCE}/deblur", f"evaluate {SOURCE}/deblur"):
            planned, made, reused, failed = said[cell]
            assert made <= EACH and made + reused == planned and failed == 0
    again = run(repository, "dvc", "repro")
    assert all(made == 0 and failed == 0 for _, made, _, failed in summaries(again).values())
    assert tree(repository) == before


def test_another_threshold_of_the_filter_makes_and_judges_nothing(repository: Path) -> None:
    with changed(repository / "params.yaml", "black_below: 0.02", "black_below: 0.6"):
        said = run(repository, "dvc", "repro", f"evaluate@{SOURCE}-base")
    kept = read_json(repository / f"results/filter/{SOURCE}.json")["funnel"][-1]["count"]
    assert ran(said) == {"filter", "deblur", "evaluate"}
    assert {made for _, made, _, _ in summaries(said).values()} == {0}
    assert summaries(said)[f"deblur {SOURCE}/base"][0] == kept
    run(repository, "dvc", "repro")


def test_another_detector_asks_the_detector_again_and_nobody_else(repository: Path) -> None:
    with changed(repository / "params.yaml", "yolov8:\n    _target_: t2ibench.evaluate.yolov8.Yolov8\n    "
                 "weights: tiny://yolo\n    confidence: 0.25", "yolov8:\n    _target_: t2ibench.evaluate.yolov8.Yolov8"
                 "\n    weights: tiny://yolo\n    confidence: 0.3"):
        said = run(repository, "dvc", "repro", f"evaluate@{SOURCE}-base")
    assert ran(said) == {"evaluate"}
    assert summaries(said) == {f"evaluate {SOURCE}/base": (PLANNED, PLANNED, 0, 0)}
    run(repository, "dvc", "repro")


def test_another_report_writes_the_report(repository: Path) -> None:
    with changed(repository / "params.yaml", "grid_columns: 6", "grid_columns: 5"):
        assert ran(run(repository, "dvc", "repro")) == {"report", "track"}
    run(repository, "dvc", "repro")


def test_another_class_makes_its_own_images_only(repository: Path) -> None:
    more = [one.replace("[cat,", "[cat,dog,") for one in SMALL]
    assert more != SMALL
    before = {path: sha for path, sha in tree(repository).items() if path.startswith("data/images/")}
    run(repository, "t2ibench.harness.params", *more)
    said = summaries(run(repository, "dvc", "repro", f"images@{SOURCE}"))
    assert said == {f"images {SOURCE}": (PLANNED * 4 // 3, PLANNED // 3, PLANNED, 0)}
    after = tree(repository)
    assert all(after[path] == sha for path, sha in before.items() if path.endswith(".png"))
    run(repository, "t2ibench.harness.params", *SMALL)
    run(repository, "dvc", "repro", f"images@{SOURCE}")
    assert {path: sha for path, sha in tree(repository).items() if path.startswith("data/images/")} == before


def test_results_count_what_was_planned_and_never_what_was_reused(repository: Path) -> None:
    counted = read_json(repository / f"results/images/{SOURCE}.json")
    assert counted == {"planned": PLANNED, "done": PLANNED, "failed": 0, "reasons": {}}
    (row,) = read_json(repository / "results/compare.json")["completeness"]
    kept = read_json(repository / f"results/filter/{SOURCE}.json")["funnel"][-1]["count"]
    assert row == {"source": SOURCE, "planned": PLANNED, "made": PLANNED, "failed": 0, "kept": kept,
                   "judged": {"base": kept, "deblur": kept}, "reasons": {}}
    assert f"| {SOURCE} | {PLANNED} | 0 | {PLANNED} | {kept} | {kept} | {kept} |" in (
        repository / "results/compare.md").read_text()
    assert "judged, base" in (repository / "data/report/index.html").read_text()
